import type { Conversation } from "../domain/conversation.ts";
import type { ConversationQuery } from "../domain/session-store.ts";

/** Since when a conversation is pinned or archived (epoch milliseconds), after a change: what was, keeps its time. */
export function markedSince(before: number | null | undefined, isMarked: boolean | undefined, now: number): number | null {
  if (isMarked === undefined) return before ?? null;
  return isMarked ? (before ?? now) : null;
}

/** Whether a list that asks for pinned or archived ones, or for others, has this conversation. */
export function isListed({ pinnedAt, archivedAt }: Pick<Conversation, "pinnedAt" | "archivedAt">, query: ConversationQuery): boolean {
  const isPinned = pinnedAt !== undefined;
  const isArchived = archivedAt !== undefined;
  return (query.pinned ?? isPinned) === isPinned && (query.archived ?? isArchived) === isArchived;
}

/** The time of a mark as conversations have it. */
export const markTime = (since: number | null | undefined): Date | undefined =>
  since === null || since === undefined ? undefined : new Date(since);
