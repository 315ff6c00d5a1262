import type { Conversation, ConversationHit } from "../domain/conversation.ts";
import type { SearchConversationsOptions } from "../domain/memory.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ConversationSearch, FoundConversations, MessageReference, TextMatch } from "../domain/session-store.ts";
import { snippetAround, titleMatch, titleWords } from "../domain/title-words.ts";
import { segmentWords } from "../domain/words.ts";
import { everyConversation } from "./every-conversation.ts";
import type { MemoryCore } from "./memory-core.ts";
import { parseCount, parseText } from "./validate.ts";

const snippetLength = 160;
const longestQuery = 1_000;
/** Of each kind, titles and messages, so many are ranked for each conversation that is wanted. */
const depth = 8;

/** Ranks conversations by the words in their titles and in their messages: a whole title weighs as much as the best message. */
export async function searchConversations(
  core: MemoryCore,
  scope: StoreScope,
  query: string,
  options: SearchConversationsOptions,
): Promise<readonly ConversationHit[]> {
  const text = parseText("query", query, longestQuery) ?? "";
  const limit = parseCount("limit", options.limit, 20, 1, 100);
  const words = titleWords(text);
  if (words.length === 0) return [];
  const search = { titleWords: words, words: segmentWords(text), archived: options.archived, limit: Math.max(50, depth * limit) };
  await core.open();
  const { store } = core;
  const found = await (store.findConversations?.(scope, search, options.signal) ?? composed(store, scope, search, options.signal));
  return rank(found, words).slice(0, limit);
}

function rank({ conversations, messages }: FoundConversations, words: readonly string[]): ConversationHit[] {
  const best = new Map<string, { readonly message: Message; readonly rank: number }>();
  for (const found of messages) {
    const key = keyOf(found.message.userId, found.message.conversationId);
    if ((best.get(key)?.rank ?? 0) < found.rank) best.set(key, found);
  }
  const highest = Math.max(...messages.map((found) => found.rank), Number.MIN_VALUE);
  const hits = conversations.flatMap((conversation): ConversationHit[] => {
    const byTitle = titleMatch(words, conversation.title);
    const byText = best.get(keyOf(conversation.userId, conversation.id));
    if (byTitle === 0 && byText === undefined) return [];
    const score = byTitle + (byText === undefined ? 0 : byText.rank / highest);
    return [{ conversation, score, titleMatches: byTitle > 0, ...(byText === undefined ? {} : answering(byText.message, words)) }];
  });
  return hits.sort(
    (left, right) => right.score - left.score || right.conversation.updatedAt.getTime() - left.conversation.updatedAt.getTime(),
  );
}

const answering = (message: Message, words: readonly string[]) => ({
  message,
  snippet: snippetAround(message.content, words, snippetLength),
});

const keyOf = (userId: string, conversationId: string) => JSON.stringify([userId, conversationId]);

/** Titles from the lists, texts from the words' index, where the store has one. */
async function composed(
  store: MemoryStore,
  scope: StoreScope,
  search: ConversationSearch,
  signal: AbortSignal | undefined,
): Promise<FoundConversations> {
  const all = new Map<string, Conversation>();
  const newestFirst = { orderBy: "updatedAt", direction: "desc", limit: 1_000, archived: search.archived } as const;
  for await (const conversation of everyConversation(store, scope, newestFirst, signal)) {
    all.set(keyOf(conversation.userId, conversation.id), conversation);
  }
  const matches = await textMatches(store, scope, search, signal);
  const wanted = bestOfEach(matches.filter(({ userId, conversationId }) => all.has(keyOf(userId, conversationId))));
  const stored = wanted.length === 0 ? [] : await store.getMessages(scope, wanted, signal);
  const ranks = new Map(wanted.map((match) => [keyOf(match.userId, match.conversationId), match.rank]));
  const messages = stored.map(({ message }) => ({ message, rank: ranks.get(keyOf(message.userId, message.conversationId)) ?? 0 }));
  return { conversations: [...all.values()], messages };
}

async function textMatches(
  store: MemoryStore,
  scope: StoreScope,
  { words, limit }: ConversationSearch,
  signal: AbortSignal | undefined,
): Promise<readonly TextMatch[]> {
  const query = { scope, words, limit, conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined };
  return (await store.searchText?.({ ...query, language: undefined }, signal))?.matches ?? [];
}

/** They come best first. */
function bestOfEach(matches: readonly TextMatch[]): (MessageReference & { readonly rank: number })[] {
  const best = new Map<string, TextMatch>();
  for (const match of matches) {
    const key = keyOf(match.userId, match.conversationId);
    if (!best.has(key)) best.set(key, match);
  }
  return [...best.values()];
}
