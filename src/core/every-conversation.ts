import type { Conversation } from "../domain/conversation.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ConversationQuery, SessionStore } from "../domain/session-store.ts";

/** Every conversation of a scope in order, read `limit` at a time as they are asked for. */
export async function* everyConversation(
  store: Pick<SessionStore, "listConversations">,
  scope: StoreScope,
  query: Omit<ConversationQuery, "cursor" | "offset">,
  signal: AbortSignal | undefined,
): AsyncGenerator<Conversation> {
  for (let cursor: string | undefined; ; ) {
    const page = await store.listConversations(scope, { ...query, cursor, offset: 0 }, signal);
    yield* page.items;
    if (page.nextCursor === undefined) return;
    cursor = page.nextCursor;
  }
}
