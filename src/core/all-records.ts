import type { RecordQuery, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/session-store.ts";

/** Every record that matches, read `limit` at a time. */
export async function allRecords(
  records: RecordStore,
  scope: StoreScope,
  query: Omit<RecordQuery, "cursor" | "offset">,
  signal: AbortSignal | undefined,
): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await records.list(scope, { ...query, offset: 0, cursor }, signal);
    found.push(...page.items);
    if (page.nextCursor === undefined) return found;
    cursor = page.nextCursor;
  }
}
