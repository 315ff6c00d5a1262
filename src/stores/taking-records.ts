import type { Conversation } from "../domain/conversation.ts";
import type { RecordStore } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { SessionStore } from "../domain/session-store.ts";

/** Ways to delete that take records along. */
export type RecordTakingDeletions = Pick<SessionStore, "deleteConversation" | "erase">;

type Sessions = Pick<SessionStore, "getConversation" | "listConversations" | "deleteConversation" | "erase">;

/**
 * Deletes conversations and users together with their records, where the two do not share a transaction. Records go first,
 * so that a failure leaves both or can be repeated, and once more after, as some may have been written in between.
 *
 * @param records the open store; undefined when there are no records
 */
export function takingRecords(sessions: Sessions, records: () => Promise<RecordStore | undefined>): RecordTakingDeletions {
  return {
    async deleteConversation(scope, id, signal) {
      const store = await records();
      if (store === undefined) return sessions.deleteConversation(scope, id, signal);
      const found = await sessions.getConversation(scope, id, signal);
      // Runs may name a conversation that is not there; of one that is, all goes, whichever resource wrote it.
      const whose = found === undefined ? scope : wholeOf(scope.tenant, found);
      await store.erase(whose, { conversationId: id }, signal);
      const wasThere = await sessions.deleteConversation(scope, id, signal);
      if (wasThere) await store.erase(whose, { conversationId: id }, signal);
      return wasThere;
    },
    async erase(scope, options, signal) {
      const store = await records();
      if (store === undefined) return sessions.erase(scope, options, signal);
      const own = scope.resourceId === undefined ? [] : await allConversations(sessions, scope, signal);
      const takeAll = async () => {
        await store.erase(scope, {}, signal);
        for (const one of own) await store.erase(wholeOf(scope.tenant, one), { conversationId: one.id }, signal);
      };
      await takeAll();
      const erased = await sessions.erase(scope, options, signal);
      await takeAll();
      return erased;
    },
  };
}

const wholeOf = (tenant: string, { userId }: Conversation): StoreScope => ({ tenant, userId, resourceId: undefined });

async function allConversations(sessions: Sessions, scope: StoreScope, signal: AbortSignal | undefined): Promise<Conversation[]> {
  const found: Conversation[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await sessions.listConversations(
      scope,
      { orderBy: "createdAt", direction: "asc", limit: 1_000, cursor, offset: 0 },
      signal,
    );
    found.push(...page.items);
    if (page.nextCursor === undefined) return found;
    cursor = page.nextCursor;
  }
}
