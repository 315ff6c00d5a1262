import type { Conversation } from "../domain/conversation.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import { everyConversation } from "./every-conversation.ts";

/** How far the first look goes back: to what a process before this one has left. */
export const firstLookMs = 86_400_000;
/** Clocks differ, and what was just written is listed late. */
const overlapMs = 60_000;
const mostAtOnce = 1_000;
const pageSize = 100;

/**
 * Finds the conversations of a tenant that had messages lately, whoever stored them: at first those of a day, then those since
 * the look before.
 */
export function changedConversations(store: MemoryStore, signal: AbortSignal): (tenant: string) => Promise<readonly Conversation[]> {
  const looked = new Map<string, number>();
  return async (tenant) => {
    const now = Date.now();
    const since = (looked.get(tenant) ?? now - firstLookMs) - (looked.has(tenant) ? overlapMs : 0);
    const scope = { tenant, userId: undefined, resourceId: undefined };
    const found: Conversation[] = [];
    const newestFirst = { orderBy: "updatedAt", direction: "desc", limit: pageSize } as const;
    for await (const conversation of everyConversation(store, scope, newestFirst, signal)) {
      if (conversation.updatedAt.getTime() < since) break;
      found.push(conversation);
      if (found.length === mostAtOnce) break;
    }
    looked.set(tenant, now);
    return found;
  };
}
