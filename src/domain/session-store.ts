import type { Conversation, ConversationChanges, Page } from "./conversation.ts";
import type { MetadataFilter } from "./filter.ts";
import type { MemoryHealth, MemoryStats } from "./memory.ts";
import type { Message } from "./message.ts";
import type { RecallKind, RecallLeg, RecallWeights } from "./recall.ts";

/**
 * Where conversations and messages live, with what makes them findable and the vectors they are owed.
 *
 * The core normalises, batches, coalesces, embeds and retries; a store keeps rows. Every method that takes a
 * {@link StoreScope} must treat rows of another tenant or user as absent. Nothing connects before {@link open}.
 */
export interface SessionStore {
  /** Name in messages and `stats`, e.g. `"postgres"`. */
  readonly name: string;

  /** Connects and migrates; memoised, and forgotten when it fails so that the next call tries again. */
  open(signal?: AbortSignal): Promise<void>;
  /** Lets go of what the store itself opened. Safe to call twice. */
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  stats(scope: StoreScope, signal?: AbortSignal): Promise<Omit<MemoryStats, "embedding" | "store">>;

  /**
   * Stores all requests or none. Per request: its conversation is created when new and allowed, its messages get the
   * next places in order, an id already there is updated in place, and what a worker owes is recorded, all durable on
   * return. A request whose conversation is not this user's (or may not be created) answers `undefined` and stores nothing.
   */
  append(requests: readonly AppendRequest[], signal?: AbortSignal): Promise<readonly (readonly Message[] | undefined)[]>;

  createConversation(conversation: NewConversation, signal?: AbortSignal): Promise<Conversation>;
  getConversation(scope: StoreScope, id: string, signal?: AbortSignal): Promise<Conversation | undefined>;
  updateConversation(scope: StoreScope, id: string, changes: ConversationChanges, signal?: AbortSignal): Promise<Conversation | undefined>;
  /** Deletes it with its messages and all that was derived. Whether it was there. */
  deleteConversation(scope: StoreScope, id: string, signal?: AbortSignal): Promise<boolean>;
  listConversations(scope: StoreScope, query: ConversationQuery, signal?: AbortSignal): Promise<Page<Conversation>>;
  countConversations(scope: StoreScope, signal?: AbortSignal): Promise<number>;

  /** The newest `limit` messages that match, oldest first, widened to whole tool exchanges. `undefined`: no such conversation. */
  listMessages(scope: StoreScope, conversationId: string, query: MessageQuery, signal?: AbortSignal): Promise<Page<Message> | undefined>;
  getMessage(scope: StoreScope, conversationId: string, messageId: string, signal?: AbortSignal): Promise<Message | undefined>;
  /** Deletes these messages, or all when `messageIds` is undefined, with all that was derived. `undefined`: no such conversation. */
  deleteMessages(
    scope: StoreScope,
    conversationId: string,
    messageIds: readonly string[] | undefined,
    signal?: AbortSignal,
  ): Promise<number | undefined>;
  /** Messages of the scope in the order (user, conversation, seq), `limit` at a time. */
  exportMessages(scope: StoreScope, after: ExportPosition | undefined, limit: number, signal?: AbortSignal): Promise<readonly ExportRow[]>;
  /** Deletes everything of the scope's user. */
  erase(
    scope: StoreScope,
    options: { readonly compact: boolean },
    signal?: AbortSignal,
  ): Promise<{ conversations: number; messages: number }>;

  /** Ranks what the scope holds for a query; both legs, fusion and priors. */
  recall(query: RecallQuery, signal?: AbortSignal): Promise<RecallAnswer>;

  /**
   * Makes the vectors of this model the ones that are stored and compared.
   * @throws DimensionMismatchError when the store holds vectors of another model or length; the message names both
   */
  useSpace(space: EmbeddingSpace, signal?: AbortSignal): Promise<void>;
  /**
   * Takes work that is due, for `leaseMs`: no other worker gets it before the lease ends.
   */
  leaseOwed(limit: number, leaseMs: number, which: OwedChoice, signal?: AbortSignal): Promise<readonly OwedItem[]>;
  renewOwed(items: readonly OwedItem[], leaseMs: number): Promise<void>;
  /** Stores what was made; an item whose message was changed or deleted meanwhile is dropped. */
  settleOwed(items: readonly SettledItem[], signal?: AbortSignal): Promise<void>;
  /** Gives items back to be tried again at `retryAt`. */
  failOwed(items: readonly OwedItem[], error: string, retryAt: Date): Promise<void>;
  /** How much is owed, and when the next piece is due. */
  owed(vectors: boolean, signal?: AbortSignal): Promise<{ readonly count: number; readonly nextDueInMs: number | undefined }>;
  /** Does upkeep that recalls asked for, e.g. builds an index a scope has grown to need. */
  maintain?(signal?: AbortSignal): Promise<void>;
}

/** Undefined `userId`: every user of the tenant (the administrator's handle). */
export interface StoreScope {
  readonly tenant: string;
  readonly userId: string | undefined;
  readonly resourceId: string | undefined;
}

export interface NewConversation {
  readonly tenant: string;
  readonly userId: string;
  readonly id: string;
  readonly resourceId: string;
  readonly title: string;
  readonly metadataJson: string;
  readonly language: string | undefined;
}

export interface AppendRequest {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  /** Given: an existing conversation of another resource is not found. */
  readonly requiredResourceId: string | undefined;
  readonly createConversation: boolean;
  /** For a conversation this request creates. */
  readonly create: {
    readonly resourceId: string;
    readonly title: string;
    readonly metadataJson: string;
    readonly language: string | undefined;
  };
  /** Not empty, ids distinct. */
  readonly messages: readonly NewMessage[];
}

/** A normalised message, ready to store. */
export interface NewMessage {
  readonly id: string;
  readonly role: string;
  readonly name: string | null;
  /** Plain text without NUL; empty: not searchable. */
  readonly text: string;
  readonly partsJson: string;
  readonly metadataJson: string;
  readonly type: "text" | "tool-call" | "tool-result";
  /** `call:ID` of tool calls it leaves open and `result:ID` of results it holds; null when none. */
  readonly toolIds: readonly string[] | null;
  readonly createdAt: Date;
  readonly importance: number | null;
  readonly embedding: Float32Array | null;
}

export interface ConversationQuery {
  readonly orderBy: "updatedAt" | "createdAt" | "title";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly offset: number;
}

export interface MessageQuery {
  readonly limit: number;
  readonly beforeSeq: number | undefined;
  readonly afterSeq: number | undefined;
  readonly before: Date | undefined;
  readonly after: Date | undefined;
  readonly roles: readonly string[] | undefined;
}

export interface ExportPosition {
  readonly userId: string;
  readonly conversationId: string;
  readonly seq: number;
}

export interface ExportRow {
  readonly message: Message;
  readonly resourceId: string;
}

/** model + dimensions + cosine: two spaces are never compared. */
export interface EmbeddingSpace {
  readonly model: string;
  readonly dimensions: number;
}

export interface RecallQuery {
  readonly scope: StoreScope;
  readonly conversationId: string | undefined;
  readonly kinds: readonly RecallKind[] | undefined;
  readonly roles: readonly string[] | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  readonly filter: MetadataFilter | undefined;
  readonly limit: number;
  readonly minSimilarity: number | undefined;
  readonly legs: readonly RecallLeg[];
  readonly weights: RecallWeights;
  readonly recencyHalfLifeDays: number;
  readonly now: Date;
  /** The query's words, ready for the word index; empty: no text leg. */
  readonly words: string;
  readonly language: string | undefined;
  /** The query's vector in the current space. */
  readonly vector: Float32Array | undefined;
  /** Whether candidates, words and dropped are wanted in the answer; else they may be left at 0 and empty. */
  readonly explain: boolean;
}

export interface RecallRow {
  readonly message: Message;
  readonly exchange: readonly Message[];
  readonly score: number;
  readonly vector: number | undefined;
  readonly text: number | undefined;
  readonly conversation: number;
  readonly neighbour: number;
  readonly recency: number;
  readonly importance: number;
}

export interface RecallAnswer {
  readonly rows: readonly RecallRow[];
  readonly plan: "exact" | "index";
  readonly scopeSize: number;
  readonly candidates: { readonly vector: number; readonly text: number };
  readonly words: readonly string[];
  readonly dropped: readonly string[];
}

/** A piece of work a worker has leased: the words of the turns before to add, a vector to make, or both. */
export interface OwedItem {
  readonly tenant: string;
  readonly userId: string;
  readonly entry: number;
  /** Changes whenever the message does. */
  readonly revision: string;
  readonly needsVector: boolean;
  readonly needsContext: boolean;
  readonly role: string;
  readonly name: string | null;
  readonly text: string;
  /** The turns before as `name text`, nearest first. */
  readonly previous: readonly string[];
  readonly attempts: number;
}

export interface SettledItem {
  readonly item: OwedItem;
  readonly vector: Float32Array | undefined;
  /** Words of the previous turns for the word index; undefined when not owed. */
  readonly context: string | undefined;
  /** Nothing more is owed for it: also true when the text has no vector (no known word in it). */
  readonly isDone: boolean;
}

export interface OwedChoice {
  /** Whether the worker can make vectors; without, only the words of earlier turns are taken. */
  readonly vectors: boolean;
  /** Take what failed before, too, though its time has not come. */
  readonly failed: boolean;
}
