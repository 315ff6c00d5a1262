import type { ConversationDetail, ListedConversation, Page } from "../domain/conversation.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ConversationDescription, ConversationQuery } from "../domain/session-store.ts";

/** Conversations read at once, where a store cannot describe a page. */
const mostAtOnce = 8;
const mostMessages = 10_000;

/** A page with what was asked to be included: by the store in one trip, else in one more, else by reading the conversations. */
export async function listDescribed(
  store: MemoryStore,
  scope: StoreScope,
  query: ConversationQuery,
  signal: AbortSignal | undefined,
): Promise<Page<ListedConversation>> {
  const page = await store.listConversations(scope, query, signal);
  const { include = [] } = query;
  const [first] = page.items;
  if (include.length === 0 || first === undefined || include.every((detail) => detail in first)) return page;
  const ids = page.items.map(({ id }) => id);
  const described = await (store.describeConversations?.(scope, ids, include, signal) ?? readAll(store, scope, ids, include, signal));
  return { ...page, items: page.items.map((conversation, index) => ({ ...conversation, ...only(include, described[index] ?? {}) })) };
}

function only(include: readonly ConversationDetail[], { messageCount, lastMessage }: ConversationDescription): ConversationDescription {
  return {
    ...(include.includes("messageCount") ? { messageCount } : {}),
    ...(include.includes("lastMessage") ? { lastMessage } : {}),
  };
}

async function readAll(
  store: MemoryStore,
  scope: StoreScope,
  ids: readonly string[],
  include: readonly ConversationDetail[],
  signal: AbortSignal | undefined,
): Promise<ConversationDescription[]> {
  const described = new Array<ConversationDescription>(ids.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < ids.length; index = next++) {
      described[index] = await readOne(store, scope, ids[index] as string, include, signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, ids.length) }, worker));
  return described;
}

async function readOne(
  store: MemoryStore,
  scope: StoreScope,
  id: string,
  include: readonly ConversationDetail[],
  signal: AbortSignal | undefined,
): Promise<ConversationDescription> {
  const limit = include.includes("messageCount") ? mostMessages : 1;
  const seen = new Set<number>();
  let description: ConversationDescription = {};
  for (let beforeSeq: number | undefined; ; ) {
    const query = { limit, beforeSeq, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
    const page = await store.listMessages(scope, id, query, signal);
    for (const { seq } of page?.items ?? []) seen.add(seq);
    if (beforeSeq === undefined) description = { lastMessage: page?.items.at(-1) };
    if (page?.nextCursor === undefined || limit === 1) return { ...description, messageCount: seen.size };
    beforeSeq = Number(page.nextCursor);
  }
}
