import type { PlannedRecord } from "../../domain/forgetting.ts";
import type { RecordName, RecordOperation, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { batchesOf } from "../../internal/batches.ts";
import type { MemoryCore } from "../memory-core.ts";
import { changeRecords } from "../record-changes.ts";
import { forgottenRecord, forgottenRecordType, keptRecord, recordAgain } from "../records/forgotten-record.ts";
import type { ForgettingKind } from "./kind.ts";

const changedAtOnce = 100;

/** Records are kept aside with their vectors: each moves in one write, guarded by its version. */
export function forgettingRecords(core: MemoryCore, { tenant, resourceId }: StoreScope): ForgettingKind<PlannedRecord> {
  const vectorsOf = async (store: RecordStore, names: readonly RecordName[], signal: AbortSignal | undefined) =>
    (await store.vectors?.get(tenant, names, signal)) ?? [];

  async function forgetSome(planId: string, items: readonly PlannedRecord[], signal: AbortSignal | undefined): Promise<number> {
    const store = await core.records.open();
    const names = items.map(({ userId, type, recordId }) => ({ userId, type, id: recordId }));
    const vectors = await vectorsOf(store, names, signal);
    const move = (record: StoredRecord | undefined, index: number): RecordOperation[] => {
      const { version, reason } = items[index] as PlannedRecord;
      if (record?.version !== version || (resourceId !== undefined && record.resourceId !== resourceId)) return [];
      return [
        { delete: { tenant, ...(names[index] as RecordName) }, ifVersion: version },
        { put: forgottenRecord(record, { planId, reason }), vector: vectors[index] },
      ];
    };
    return (await moveAll(store, names, (found) => found.flatMap(move), signal)) / 2;
  }

  async function restoreSome(store: RecordStore, rows: readonly StoredRecord[], signal: AbortSignal | undefined): Promise<number> {
    const vectors = await vectorsOf(store, rows, signal);
    const names = rows.flatMap((row) => [row, { userId: row.userId, type: keptRecord(row).type, id: keptRecord(row).id }]);
    const move = (row: StoredRecord, index: number, [now, taken]: readonly (StoredRecord | undefined)[]): RecordOperation[] => {
      // It was stored anew, or is another by now that was forgotten under the same id.
      if (taken !== undefined || now?.version !== row.version || keptRecord(now).planId !== keptRecord(row).planId) return [];
      const { userId, type, id, version } = now;
      return [
        { delete: { tenant, userId, type, id }, ifVersion: version },
        { put: recordAgain(now), ifVersion: 0, aboveVersion: keptRecord(now).version, vector: vectors[index] },
      ];
    };
    const change = (found: readonly (StoredRecord | undefined)[]) =>
      rows.flatMap((row, index) => move(row, index, found.slice(2 * index, 2 * index + 2)));
    return (await moveAll(store, names, change, signal)) / 2;
  }

  /** How many operations it took. */
  async function moveAll(
    store: RecordStore,
    names: readonly RecordName[],
    change: (found: readonly (StoredRecord | undefined)[]) => readonly RecordOperation[],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    return (await changeRecords(core, store, { tenant, names, change, repeats: true }, signal)).length;
  }

  return {
    type: forgottenRecordType,
    async forget(planId, items, signal) {
      let forgotten = 0;
      for (const some of perUser(items, ({ type, recordId }) => [type, recordId])) {
        signal?.throwIfAborted();
        forgotten += await forgetSome(planId, some, signal);
      }
      return forgotten;
    },
    show(row) {
      const { planId, reason, type, id, name, content } = keptRecord(row);
      const { userId, conversationId, createdAt } = row;
      return {
        ...{ kind: "record", planId, userId, type, recordId: id, name: name ?? undefined, conversationId },
        ...{ text: content || (name ?? ""), reason, forgottenAt: createdAt },
      };
    },
    async restore(records, rows, { signal }) {
      let restored = 0;
      for (const some of perUser(rows, ({ id }) => [id])) {
        signal?.throwIfAborted();
        restored += await restoreSome(records, some, signal);
      }
      core.recordEmbedding.wake();
      return restored;
    },
    async purge(records, rows, { signal }) {
      let purged = 0;
      for (const some of perUser(rows, ({ id }) => [id])) {
        signal?.throwIfAborted();
        const gone = await records.write(
          some.map(({ userId, type, id }) => ({ delete: { tenant, userId, type, id } })),
          signal,
        );
        purged += gone.filter((row) => row !== undefined).length;
      }
      return purged;
    },
  };
}

/** Batches of one user each, in which nothing is named twice. */
function* perUser<Item extends { readonly userId: string }>(items: readonly Item[], nameOf: (item: Item) => unknown): Generator<Item[]> {
  for (const own of Map.groupBy(items, ({ userId }) => userId).values()) {
    const named = new Map(own.map((item) => [JSON.stringify(nameOf(item)), item]));
    yield* batchesOf(named.values(), { count: changedAtOnce });
  }
}
