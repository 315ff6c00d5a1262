import type { StoreScope } from "../../domain/scope.ts";
import type { RecordStats } from "../../domain/stats.ts";
import type { MemoryCore } from "../memory-core.ts";
import { ownTypes } from "./own-types.ts";

/** What a scope has of records. Where nothing was ever written, nothing is made to count it. */
export async function recordStats(
  { records, embedder }: Pick<MemoryCore, "records" | "embedder">,
  scope: StoreScope,
  signal: AbortSignal | undefined,
): Promise<RecordStats> {
  const store = await records.openToDelete();
  if (store === undefined) return { count: 0, owed: 0 };
  const count = await store.count(scope, { exceptTypes: ownTypes }, signal);
  const owesNone = embedder === undefined || store.vectors === undefined;
  return { count, owed: owesNone ? 0 : await store.vectors?.countMissing?.(scope, embedder.model, signal) };
}
