import type { MemoryStore } from "../domain/memory-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import { everyConversation } from "./every-conversation.ts";

const weekMs = 7 * 86_400_000;

type StoreStats = Awaited<ReturnType<MemoryStore["stats"]>>;

/** What a scope holds; of one user also how much was begun lately, which a store may tell itself. */
export async function statsOf(store: MemoryStore, scope: StoreScope, signal: AbortSignal | undefined): Promise<StoreStats> {
  const stats = await store.stats(scope, signal);
  if (scope.userId === undefined || stats.conversationsThisWeek !== undefined) return stats;
  return {
    ...stats,
    conversationsThisWeek: await countSince(store, scope, Date.now() - weekMs, signal),
    messagesPerConversation: stats.conversations === 0 ? 0 : stats.messages / stats.conversations,
  };
}

async function countSince(store: MemoryStore, scope: StoreScope, since: number, signal: AbortSignal | undefined): Promise<number> {
  let count = 0;
  const newestFirst = { orderBy: "createdAt", direction: "desc", limit: 1_000 } as const;
  for await (const { createdAt } of everyConversation(store, scope, newestFirst, signal)) {
    if (createdAt.getTime() < since) break;
    count++;
  }
  return count;
}
