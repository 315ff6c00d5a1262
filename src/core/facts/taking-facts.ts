import type { MemoryStore } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { CoreRecords } from "../core-records.ts";
import type { MemoryCore } from "../memory-core.ts";
import { listAll } from "./fact-changes.ts";
import { positionType, sourceType } from "./fact-record.ts";
import { forgetSources } from "./write-facts.ts";

export interface TakingFactsOptions {
  readonly store: Pick<MemoryStore, "getConversation">;
  readonly records: Pick<CoreRecords, "openToDelete">;
  readonly writers: MemoryCore["writers"];
  readonly deletions: MemoryCore["deletions"];
}

/**
 * Deletes what was known from a conversation before the conversation itself; a fact that other conversations tell as well
 * stays. Facts that name no message as their source are the user's, and go with the user.
 */
export function takingFacts({ store, records, writers, deletions }: TakingFactsOptions): MemoryCore["deletions"] {
  return {
    async deleteConversation(scope, id, signal) {
      await forgetConversation({ store, records, writers }, scope, id, signal);
      return deletions.deleteConversation(scope, id, signal);
    },
    async erase(scope, options, signal) {
      const { tenant, userId, resourceId } = scope;
      const kept = userId === undefined || resourceId === undefined ? undefined : await records.openToDelete();
      if (userId !== undefined && kept !== undefined) {
        const links = await listAll({ records: kept, tenant, userId, signal }, { types: [sourceType] });
        const elsewhere = links.filter((link) => link.resourceId !== resourceId).flatMap(({ conversationId }) => conversationId ?? []);
        for (const id of new Set(elsewhere)) await forgetConversation({ store, records, writers }, scope, id, signal);
      }
      return deletions.erase(scope, options, signal);
    },
  };
}

/** Deletes what was known from a conversation alone, and that it was read. */
export async function forgetConversation(
  { store, records, writers }: Omit<TakingFactsOptions, "deletions">,
  scope: StoreScope,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const kept = await records.openToDelete();
  const found = kept && (await store.getConversation(scope, id, signal));
  if (kept === undefined || found === undefined) return;
  const { tenant } = scope;
  const { userId } = found;
  await kept.erase({ tenant, userId, resourceId: undefined }, { types: [positionType], conversationId: id }, signal);
  await forgetSources({ writers }, { records: kept, tenant, userId, signal }, id, undefined);
}
