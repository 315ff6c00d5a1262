import type { Conversation, ConversationDetail, ListedConversation, Page } from "./conversation.ts";
import type { MetadataFilter } from "./filter.ts";
import type { SessionGuarantees } from "./guarantees.ts";
import type { MemoryHealth } from "./health.ts";
import type { Message, Metadata } from "./message.ts";
import type { RecordStore } from "./record-store.ts";
import type { StoreScope } from "./scope.ts";
import type { MemoryStats } from "./stats.ts";

/**
 * Where conversations and messages live. A store keeps rows; the core normalises, batches, coalesces, embeds, ranks and
 * retries.
 *
 * Every method that takes a {@link StoreScope} must treat rows of another tenant, user or resource as absent. Ids are
 * any text of 1 to 512 characters and are compared exactly. Nothing connects before {@link open}; what is handed in is
 * never changed, and what is handed out may be changed by the caller. What `guarantees` declares is what the suite
 * `unforget/testing/session-store` holds the store to.
 */
export interface SessionStore {
  /** Name in messages, `stats` and `explain`, e.g. `"redis"`. */
  readonly name: string;
  readonly guarantees: SessionGuarantees;

  /** Connects and prepares; memoised, and forgotten when it fails so that the next call tries again. */
  open(signal?: AbortSignal): Promise<void>;
  /** Lets go of what the store itself opened; a lent client stays open. Safe to call twice. */
  close(): Promise<void>;
  /** Never rejects: a backend that cannot be reached is an answer. */
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  /** How many there are; `vectors` and `owed` are the core's to add where the store does not keep vectors. */
  stats(scope: StoreScope, signal?: AbortSignal): Promise<SessionStats>;

  /**
   * Stores all requests or none. Per request: its conversation is created when new and allowed, its messages get the
   * next places in order, an id already there is updated in place (it keeps its place, creation time, and its importance
   * when none is given), and what a worker owes is recorded, all durable on return. A request whose conversation is not
   * this user's (or may not be created) answers `undefined` and stores nothing. Requests of one call to the same
   * conversation land in their order. `updatedAt` of a conversation becomes the latest creation time of its messages.
   */
  append(requests: readonly AppendRequest[], signal?: AbortSignal): Promise<readonly (readonly Message[] | undefined)[]>;

  /** Stores a conversation without messages. @throws ConflictError when the tenant has a conversation of this id, whoever owns it */
  createConversation(conversation: NewConversation, signal?: AbortSignal): Promise<Conversation>;
  /** Undefined: it is not there, or not the scope's. */
  getConversation(scope: StoreScope, id: string, signal?: AbortSignal): Promise<Conversation | undefined>;
  /** `updatedAt` becomes now when the title or the metadata are named, and stays when they are not. */
  updateConversation(
    scope: StoreScope,
    id: string,
    changes: StoredConversationChanges,
    signal?: AbortSignal,
  ): Promise<Conversation | undefined>;
  /** Deletes it with its messages and all that was derived. Whether it was there. */
  deleteConversation(scope: StoreScope, id: string, signal?: AbortSignal): Promise<boolean>;
  /** A store that can tell `query.include` in the same trip, does; else the core asks {@link describeConversations}. */
  listConversations(scope: StoreScope, query: ConversationQuery, signal?: AbortSignal): Promise<Page<ListedConversation>>;
  /** How many the scope has, archived ones too. */
  countConversations(scope: StoreScope, signal?: AbortSignal): Promise<number>;

  /** The newest `limit` messages that match, oldest first, widened to whole tool exchanges. `undefined`: no such conversation. */
  listMessages(scope: StoreScope, conversationId: string, query: MessageQuery, signal?: AbortSignal): Promise<Page<Message> | undefined>;
  /** Undefined: it is not there, or not the scope's. */
  getMessage(scope: StoreScope, conversationId: string, messageId: string, signal?: AbortSignal): Promise<Message | undefined>;
  /**
   * Deletes these messages, or all when `messageIds` is undefined, with all that was derived; the conversation stays, and
   * places are not given out again. How many there were; `undefined`: no such conversation.
   */
  deleteMessages(
    scope: StoreScope,
    conversationId: string,
    messageIds: readonly string[] | undefined,
    signal?: AbortSignal,
  ): Promise<number | undefined>;
  /** Messages of the scope in the order (user, conversation, seq), `limit` at a time. */
  exportMessages(scope: StoreScope, after: ExportPosition | undefined, limit: number, signal?: AbortSignal): Promise<readonly ExportRow[]>;
  /** Deletes everything of the scope: of its user, or of the tenant when it names none; of one resource when it names one. */
  erase(
    scope: StoreScope,
    options: { readonly compact: boolean },
    signal?: AbortSignal,
  ): Promise<{ readonly conversations: number; readonly messages: number }>;

  /** Messages that something else found, in any order, in one trip; what is gone or not the scope's is left out. */
  getMessages(scope: StoreScope, references: readonly MessageReference[], signal?: AbortSignal): Promise<readonly StoredMessage[]>;
  /** Full text over the messages of a scope. Absent: recall works without words, and says so. */
  searchText?(query: TextQuery, signal?: AbortSignal): Promise<TextAnswer>;
  /** What a vector store is owed. Absent: the core keeps it in this process, and what is pending is lost with it. */
  readonly outbox?: Outbox;
  /**
   * Records on the same connection, where the backend keeps both. {@link deleteConversation} and {@link erase} take along
   * those of the conversation and of the scope, in the same step where the backend has one; also those of a conversation
   * that is not there. Closed with this store.
   */
  readonly records?: RecordStore;

  /** Whether {@link append} knows `keepNewest`. Absent: the core deletes right after. */
  readonly prunes?: boolean;
  /**
   * Whether {@link append} and {@link deleteMessages} delete in the same step the summaries in {@link records} that were made
   * of messages they change or delete: of the types "summary" and "summary_lease", from `data.fromSeq` to `position`. A write
   * of records under way comes before or after a deletion. Absent: the core deletes them before and after.
   */
  readonly forgetsSummaries?: boolean;
  /** Count and newest message of each of these conversations, in their order. Absent: the core reads their messages. */
  describeConversations?(
    scope: StoreScope,
    ids: readonly string[],
    include: readonly ConversationDetail[],
    signal?: AbortSignal,
  ): Promise<readonly ConversationDescription[]>;
  /**
   * Gives a conversation to another user or resource, with all that belongs to it, in one atomic step; what a vector
   * store keeps of it is owed anew. Its `updatedAt` stays. Absent: not offered.
   */
  moveConversation?(scope: StoreScope, id: string, to: ConversationOwner, signal?: AbortSignal): Promise<Conversation | undefined>;
  /**
   * Copies a conversation up to a message, and the results of tool calls made up to there, with its vectors, in one atomic
   * step. Absent: the core appends the messages to a new conversation.
   * @throws ConflictError when the tenant has a conversation of the new id
   * @throws NotFoundError when it has no such message
   */
  branchConversation?(scope: StoreScope, id: string, branch: BranchRequest, signal?: AbortSignal): Promise<Conversation | undefined>;
  /** What a search of conversations is ranked from. Absent: the core reads the lists, and asks {@link searchText}. */
  findConversations?(scope: StoreScope, query: ConversationSearch, signal?: AbortSignal): Promise<FoundConversations>;
  /** Does upkeep that takes a while, after a batch of background work. */
  maintain?(signal?: AbortSignal): Promise<void>;
}

/** What a session store counts. */
export type SessionStats = Pick<MemoryStats, "conversations" | "messages" | "users">;

/** A conversation as it is written. */
export interface NewConversation {
  readonly tenant: string;
  readonly userId: string;
  readonly id: string;
  readonly resourceId: string;
  readonly title: string;
  readonly metadataJson: string;
  readonly language: string | undefined;
}

/** What is left out stays. */
export interface StoredConversationChanges {
  readonly title?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** True: since now, or since when it was pinned before. False: no more. */
  readonly pinned?: boolean | undefined;
  readonly archived?: boolean | undefined;
  /** Nothing changes unless this is its title: the answer is then what it is. */
  readonly ifTitle?: string | undefined;
}

/** What a copy of a conversation is called, and up to where it goes. */
export interface BranchRequest {
  /** Of the new conversation. */
  readonly id: string;
  /** Id of the last message to copy; undefined: the newest. */
  readonly upTo: string | undefined;
  readonly title: string | undefined;
}

/** What conversations are searched for, in their titles and in their messages. */
export interface ConversationSearch {
  /** Lower-case words of letters and digits. A title is wanted that holds any of them; those with most of them first. */
  readonly titleWords: readonly string[];
  /** As in {@link TextQuery}; empty: no texts are searched. */
  readonly words: string;
  readonly archived: boolean | undefined;
  /** At most so many conversations by their titles, and so many messages. */
  readonly limit: number;
}

/** Conversations whose titles may match, those of the messages that do, and these messages, best first. */
export interface FoundConversations {
  readonly conversations: readonly Conversation[];
  readonly messages: readonly { readonly message: Message; readonly rank: number }[];
}

/** Whose a conversation becomes; what is left out stays. */
export interface ConversationOwner {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
}

/** What a list was asked to tell of a conversation beside itself. */
export interface ConversationDescription {
  readonly messageCount?: number | undefined;
  readonly lastMessage?: Message | undefined;
}

/** Messages for one conversation, which may have to be made. */
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
  /**
   * So many messages the conversation keeps: {@link SessionStore.append} deletes older ones in the same atomic step, with all
   * that was derived, and widens what it keeps to whole tool exchanges. Only given to a store that {@link SessionStore.prunes}.
   */
  readonly keepNewest?: number | undefined;
  /** The ids of all messages were made for them just now: none is there already. */
  readonly areNew?: boolean | undefined;
  /** Told the places of messages that were there and say something else now, by a store that {@link SessionStore.forgetsSummaries}. */
  readonly onReplaced?: ((seqs: readonly number[]) => void) | undefined;
  /** Told which messages of the conversation `keepNewest` deleted, once that is durable. */
  readonly onPruned?: ((messageIds: readonly string[]) => void) | undefined;
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

/** A page of conversations, in an order. */
export interface ConversationQuery {
  readonly orderBy: "updatedAt" | "createdAt" | "title";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly offset: number;
  /** Only archived ones, or only others. */
  readonly archived?: boolean | undefined;
  /** Only pinned ones, or only others. */
  readonly pinned?: boolean | undefined;
  /** What to tell of each conversation, where the store can in the same trip. */
  readonly include?: readonly ConversationDetail[] | undefined;
}

/** Which messages of a conversation; all conditions must hold, and bounds are exclusive. */
export interface MessageQuery {
  readonly limit: number;
  readonly beforeSeq: number | undefined;
  readonly afterSeq: number | undefined;
  readonly before: Date | undefined;
  readonly after: Date | undefined;
  readonly roles: readonly string[] | undefined;
}

/** The message an export goes on after. */
export interface ExportPosition {
  readonly userId: string;
  readonly conversationId: string;
  readonly seq: number;
}

/** A message with the resource of its conversation. */
export interface ExportRow {
  readonly message: Message;
  readonly resourceId: string;
}

/** Names a message for good: ids of messages are unique within their conversation. */
export interface MessageReference {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
}

/** A message with what only ranking needs. */
export interface StoredMessage {
  readonly message: Message;
  readonly resourceId: string;
  readonly importance: number | null;
  /** As in {@link NewMessage}. */
  readonly toolIds: readonly string[] | null;
}

/** Words that are looked for, and among which messages. */
export interface TextQuery {
  readonly scope: StoreScope;
  readonly conversationId: string | undefined;
  readonly roles: readonly string[] | undefined;
  /** Created at or after. */
  readonly since: Date | undefined;
  /** Created before. */
  readonly until: Date | undefined;
  readonly filter: MetadataFilter | undefined;
  /** Words of a question, separated by spaces: any of them may match, rare ones should weigh more. Never query syntax. */
  readonly words: string;
  readonly language: string | undefined;
  /** At most so many matches. */
  readonly limit: number;
}

/** Best first. */
export interface TextAnswer {
  readonly matches: readonly TextMatch[];
  /** The words searched by, after stemming, where the store tells. */
  readonly words: readonly string[];
}

/** A message that words found. */
export interface TextMatch extends Candidate {
  /** Above 0; comparable within one answer only. */
  readonly rank: number;
}

/** What both legs tell of a message they found, so that ranking needs no second look. */
export interface Candidate extends MessageReference {
  readonly seq: number;
  readonly createdAt: Date;
  readonly importance: number | null;
}

/**
 * What the vector store is owed: a vector for each message with text, and the removal of vectors whose messages were
 * deleted. It is written in the same atomic step as the change it follows from, from the first {@link Outbox.adopt} on.
 */
export interface Outbox {
  /**
   * Names the vectors that are owed (vector store, model, dimensions). The same name again changes nothing; another one
   * is recorded, and every message with text that is there is owed.
   */
  adopt(space: string, signal?: AbortSignal): Promise<void>;
  /** Work that is due, oldest first; nobody else gets it for `leaseMs`. */
  lease(limit: number, leaseMs: number, which: OutboxChoice, signal?: AbortSignal): Promise<readonly OutboxItem[]>;
  /** Keeps leased items for `leaseMs` from now on. */
  renew(items: readonly OutboxItem[], leaseMs: number): Promise<void>;
  /**
   * Takes finished items off. Answers those of them that are owed otherwise by now: their messages were changed or
   * deleted meanwhile. They are left as they are.
   */
  settle(items: readonly OutboxItem[], signal?: AbortSignal): Promise<readonly OutboxItem[]>;
  /** Gives items back, due again at `retryAt`. */
  fail(items: readonly OutboxItem[], error: string, retryAt: Date): Promise<void>;
  /** Owes vectors for these messages anew; those that are gone or have no text are passed over. */
  owe(tenant: string, references: readonly MessageReference[], signal?: AbortSignal): Promise<void>;
  /** Of these kinds, in this scope or in all of the store. */
  count(scope: StoreScope | undefined, kinds: readonly OutboxItem["kind"][], signal?: AbortSignal): Promise<OutboxCount>;
}

/** Which items a worker takes. */
export interface OutboxChoice {
  /** "forget" items are never held back by a failing embedding model. */
  readonly kinds: readonly OutboxItem["kind"][];
  /** Take what failed before, too, though its time has not come. */
  readonly failed: boolean;
}

/** What a vector store is owed: `kind` says whether a vector or a removal. */
export type OutboxItem = OwedVector | OwedRemoval;

interface OutboxItemBase {
  /** The store's own name for it. */
  readonly key: string;
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly attempts: number;
}

/** A message whose vector is owed. */
export interface OwedVector extends OutboxItemBase {
  readonly kind: "embed";
  readonly message: StoredMessage;
  /** {@link textRevision} of the message when it was leased. */
  readonly revision: string;
}

/** Messages that were deleted, and whose vectors are to go. */
export interface OwedRemoval extends OutboxItemBase {
  readonly kind: "forget";
  /** At most 1,000. */
  readonly messageIds: readonly string[];
}

/** How much is owed, what of it fails, and when the next piece is due. */
export interface OutboxCount {
  readonly pending: number;
  /** Of these, tried at least once. */
  readonly failing: number;
  readonly lastError: string | undefined;
  readonly nextDueInMs: number | undefined;
}
