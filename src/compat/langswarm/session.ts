import type { Conversation } from "../../domain/conversation.ts";
import type { Memory, ScopedMemory } from "../../domain/memory.ts";
import type { Message, Metadata } from "../../domain/message.ts";
import { type SessionMessage, type SessionMessageInput, type SessionRole, toMessageInput, toSessionMessage } from "./session-message.ts";
import { type ConversationSummary, readSession, type SessionFields, type SessionMetadata, withFields } from "./session-metadata.ts";
import { allMessages, type SummaryTexts, sessionSummary } from "./session-summary.ts";

/** One session of a memory manager: a conversation of one user. */
export interface MemorySession {
  readonly sessionId: string;
  readonly userId: string;
  /** As it is stored now. */
  metadata(): Promise<SessionMetadata>;
  /**
   * Stores a message, or a role and its text; when it resolves, the message survives a crash. The same `messageId` again
   * updates it.
   */
  addMessage(message: SessionMessageInput | SessionRole, content?: string): Promise<SessionMessage>;
  /** The newest messages, oldest first, never a tool result without its call. */
  getMessages(options?: GetMessagesOptions): Promise<SessionMessage[]>;
  /** What fits into `maxTokens` (a message's `tokenCount`, else its words), newest first chosen, oldest first returned; without a budget the last ten. */
  getRecentContext(maxTokens?: number): Promise<SessionMessage[]>;
  /** Deletes the messages for good, and their summary. @default keepSystem true: system messages stay */
  clearMessages(keepSystem?: boolean): Promise<number>;
  /** How much was said, and under that what was said, where the store keeps summaries. */
  getSummary(): Promise<ConversationSummary | undefined>;
  /** Makes the summary, once; `force` makes it anew, of all there is now. Undefined for a short or one-sided conversation. */
  createSummary(force?: boolean): Promise<ConversationSummary | undefined>;
  /** Finds messages by meaning and by words, in all sessions of this session's user. */
  searchMessages(query: string, options?: SearchMessagesOptions): Promise<SearchResult[]>;
  /** Changes settings; `properties` replaces the whole object. */
  updateMetadata(fields: SessionFields): Promise<SessionMetadata>;
  /** Marks the session completed. Its messages stay. */
  close(): Promise<void>;
}

/** Which messages of a session, counted back from the newest. */
export interface GetMessagesOptions {
  /** @default the session's `maxMessages` */
  readonly limit?: number | undefined;
  /** @default true */
  readonly includeSystem?: boolean | undefined;
  /** Not older than this. */
  readonly since?: Date | string | undefined;
}

/** Among which messages a search looks, how many it gives, and how near they must be. */
export interface SearchMessagesOptions {
  /** @default 10 */
  readonly limit?: number | undefined;
  /** Only messages of this session. @default all sessions of the user */
  readonly sessionId?: string | undefined;
  /** Drops results whose cosine similarity (-1 to 1) is below. @default none */
  readonly minSimilarity?: number | undefined;
}

/** A message that was found. */
export interface SearchResult {
  readonly messageId: string;
  readonly sessionId: string;
  readonly role: string;
  readonly content: string;
  readonly timestamp: Date;
  readonly metadata: Metadata;
  /** Orders this list and compares with nothing else. */
  readonly score: number;
  /** Cosine similarity, where the message was compared by meaning. */
  readonly similarity: number | undefined;
}

const defaultContextMessages = 10;

export function memorySession(
  memory: Memory,
  { id: sessionId, userId }: Pick<Conversation, "id" | "userId">,
  texts: SummaryTexts = false,
): MemorySession {
  const mine: ScopedMemory = memory.scope({ userId });
  const summary = sessionSummary(mine, sessionId, texts);
  const conversation = () => mine.conversations.get(sessionId);

  async function setFields(fields: SessionFields): Promise<Conversation> {
    const { metadata } = await conversation();
    return mine.conversations.update(sessionId, { metadata: withFields(metadata, fields) });
  }

  async function clear(keepSystem: boolean): Promise<number> {
    if (!keepSystem) return mine.messages.clear(sessionId);
    const ids = (await allMessages(mine, sessionId)).filter(({ role }) => role !== "system").map(({ id }) => id);
    return ids.length === 0 ? 0 : mine.messages.delete(sessionId, ids);
  }

  return {
    sessionId,
    userId,
    metadata: async () => readSession(await conversation()),
    async addMessage(message, content = "") {
      const input = toMessageInput(typeof message === "string" ? { role: message, content } : message);
      const [stored] = await mine.addMessages(sessionId, input, { createConversation: false });
      await summary.grow((stored as Message).seq);
      return toSessionMessage(stored as Message);
    },
    async getMessages({ limit, includeSystem = true, since } = {}) {
      const { maxMessages } = readSession(await conversation());
      const page = await mine.messages.list(sessionId, {
        limit: Math.min(limit ?? maxMessages, maxMessages),
        ...(since === undefined ? {} : { after: new Date(since).getTime() - 1 }),
        ...(includeSystem ? {} : { roles: ["user", "assistant", "function", "tool"] }),
      });
      return page.items.map(toSessionMessage);
    },
    async getRecentContext(maxTokens) {
      const { maxMessages, maxTokens: ownBudget } = readSession(await conversation());
      const budget = maxTokens ?? ownBudget;
      const { items } = await mine.messages.list(sessionId, { limit: budget === undefined ? defaultContextMessages : maxMessages });
      const messages = items.map(toSessionMessage);
      return budget === undefined ? messages : withinBudget(messages, budget);
    },
    async clearMessages(keepSystem = true) {
      const cleared = await clear(keepSystem);
      await summary.forget();
      return cleared;
    },
    getSummary: summary.get,
    createSummary: (force = false) => summary.create(force),
    searchMessages: (query, options) => searchMessages(mine, query, options),
    updateMetadata: async (fields) => readSession(await setFields(fields)),
    close: async () => void (await setFields({ status: "completed" })),
  };
}

/** Finds messages in what a handle may see. */
export async function searchMessages(
  within: ScopedMemory,
  query: string,
  { limit = 10, sessionId, minSimilarity, allUsers }: SearchMessagesOptions & { readonly allUsers?: boolean } = {},
): Promise<SearchResult[]> {
  const hits = await within.recall(query, { limit, conversationId: sessionId, minSimilarity, allUsers });
  return hits.map((hit) => {
    const { messageId, role, content, timestamp, metadata } = toSessionMessage(hit.message);
    return {
      messageId,
      sessionId: hit.conversationId,
      role,
      content,
      timestamp,
      metadata,
      score: hit.score,
      similarity: hit.scores.vector,
    };
  });
}

/** The newest messages whose tokens fit; a result whose call does not fit goes with it. */
function withinBudget(messages: readonly SessionMessage[], budget: number): SessionMessage[] {
  let tokens = 0;
  let start = messages.length;
  while (start > 0) {
    const { tokenCount, content } = messages[start - 1] as SessionMessage;
    tokens += tokenCount ?? content.split(/\s+/).filter((word) => word !== "").length;
    if (tokens > budget) break;
    start--;
  }
  if (start > 0) while (messages[start]?.role === "tool" || messages[start]?.role === "function") start++;
  return messages.slice(start);
}
