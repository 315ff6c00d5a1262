import type { ForgottenReason, PlannedFact } from "../../domain/forgetting.ts";
import type { RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { batchesOf } from "../../internal/batches.ts";
import type { FactPlace } from "../facts/fact-changes.ts";
import { forgottenFactType, keptFact } from "../facts/fact-record.ts";
import { forgetFacts, purgeFacts, restoreFacts } from "../facts/forgotten-facts.ts";
import type { MemoryCore } from "../memory-core.ts";
import type { ForgettingKind } from "./kind.ts";

const purgedAtOnce = 100;

/** Facts are taken out of their timelines, and put back into them. */
export function forgettingFacts(core: MemoryCore, { tenant, resourceId }: StoreScope): ForgettingKind<PlannedFact> {
  /** Does something with those of each user. */
  async function perUser<Item extends { readonly userId: string }>(
    records: RecordStore,
    items: readonly Item[],
    signal: AbortSignal | undefined,
    work: (place: FactPlace, own: readonly Item[]) => Promise<number>,
  ): Promise<number> {
    let done = 0;
    for (const [userId, own] of Map.groupBy(items, (item) => item.userId)) {
      signal?.throwIfAborted();
      done += await work({ records, tenant, userId, signal }, own);
    }
    return done;
  }

  async function purge(place: FactPlace, rows: readonly StoredRecord[]): Promise<number> {
    let purged = 0;
    for (const some of batchesOf(rows, { count: purgedAtOnce })) purged += await purgeFacts(core, place, some);
    return purged;
  }

  return {
    type: forgottenFactType,
    async forget(planId, items, signal) {
      const forget = (place: FactPlace, own: readonly PlannedFact[]) => forgetFacts(core, place, { planId, items: own, resourceId });
      return perUser(await core.records.open(), items, signal, forget);
    },
    show(row) {
      const { id, userId, content, data } = keptFact(row);
      const { planId, reason } = row.data as unknown as ForgottenReason;
      const sources = data.sources.map(([conversationId, messageId]) => ({ conversationId, messageId }));
      return { kind: "fact", planId, userId, factId: id, text: content, reason, sources, forgottenAt: row.createdAt };
    },
    async restore(records, rows, { signal }) {
      const restored = await perUser(records, rows, signal, (place, own) => restoreFacts(core, place, own));
      core.recordEmbedding.wake();
      return restored;
    },
    purge: (records, rows, { signal }) => perUser(records, rows, signal, purge),
  };
}
