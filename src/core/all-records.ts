import type { RecordQuery, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";

/** Every record that matches, read `limit` at a time. */
export async function allRecords(
  records: RecordStore,
  scope: StoreScope,
  query: Omit<RecordQuery, "cursor" | "offset">,
  signal: AbortSignal | undefined,
): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for await (const some of everyRecord(records, scope, query, signal)) found.push(...some);
  return found;
}

/** The same, `limit` after `limit`. */
export async function* everyRecord(
  records: RecordStore,
  scope: StoreScope,
  query: Omit<RecordQuery, "cursor" | "offset">,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly StoredRecord[]> {
  for (let cursor: string | undefined; ; ) {
    const page = await records.list(scope, { ...query, offset: 0, cursor }, signal);
    yield page.items;
    if (page.nextCursor === undefined) return;
    cursor = page.nextCursor;
  }
}
