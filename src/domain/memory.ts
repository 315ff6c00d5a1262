import type { CallOptions } from "./call-options.ts";
import type { Context, ContextOptions } from "./context.ts";
import type {
  Conversation,
  ConversationChanges,
  ConversationDetail,
  ConversationHit,
  ConversationInput,
  ListedConversation,
  Page,
} from "./conversation.ts";
import type { Facts } from "./facts.ts";
import type { Forgetting } from "./forgetting.ts";
import type { MemoryHealth } from "./health.ts";
import type { ImportFromOptions, ImportFromReport, ImportFromSource } from "./import-source.ts";
import type { RateImportanceOptions, RateImportanceReport } from "./importance.ts";
import type { Message, MessageInput, MessageVersion, Metadata, Role } from "./message.ts";
import type { RecallOptions, RecallResult } from "./recall.ts";
import type { Records } from "./records.ts";
import type { UsedMemory } from "./reinforcement.ts";
import type { Runs } from "./runs.ts";
import type { MemoryStats } from "./stats.ts";
import type { Summaries } from "./summaries.ts";
import type { LanguageModelLike } from "./titles.ts";
import type { ExportedMessage, ImportedMessage } from "./transfer.ts";
import type { WorkingMemory } from "./working-memory.ts";

/** Whose memory a handle may see. What is given here is enforced on every id. */
export interface ScopeOptions {
  /** The hard isolation boundary. @default the memory's own, `"default"` */
  readonly tenant?: string | undefined;
  readonly userId?: string | undefined;
  /** The agent or app. Given, the handle sees and creates only conversations of this resource. */
  readonly resourceId?: string | undefined;
}

/** Whose conversation the messages go to, whether this call may make it, and how many it keeps. */
export interface AddMessagesOptions extends CallOptions {
  /** Administrator's handle only: whose conversation it is. */
  readonly userId?: string | undefined;
  /** The resource of a conversation this call creates. @default the scope's, else "default" */
  readonly resourceId?: string | undefined;
  /** `false` makes an unknown conversation a `NotFoundError`. @default true */
  readonly createConversation?: boolean | undefined;
  /**
   * So many messages the conversation keeps: older ones are deleted for good in the step that stores the new ones (on stores
   * other than Postgres right after). A tool exchange that would be cut is kept whole. 1 to 1,000,000. @default all
   */
  readonly keepNewest?: number | undefined;
  /** For a conversation this call creates. */
  readonly conversation?: { readonly title?: string; readonly metadata?: Metadata; readonly language?: string } | undefined;
}

/** Whose conversations, in which order, and what is told of each. */
export interface ListConversationsOptions extends CallOptions {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** @default "updatedAt" */
  readonly orderBy?: "updatedAt" | "createdAt" | "title" | undefined;
  /** @default "desc" */
  readonly direction?: "asc" | "desc" | undefined;
  /** 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  readonly offset?: number | undefined;
  /** Only archived conversations, or only others. @default both */
  readonly archived?: boolean | undefined;
  /** Only pinned conversations, or only others. @default both */
  readonly pinned?: boolean | undefined;
  /** What to tell of each conversation beside itself. On Postgres it comes in the same trip. @default nothing */
  readonly include?: readonly ConversationDetail[] | undefined;
}

/** Among which conversations a search looks, and how many it gives. */
export interface SearchConversationsOptions extends CallOptions {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** Only archived conversations, or only others. @default both */
  readonly archived?: boolean | undefined;
  /** 1 to 100. @default 20 */
  readonly limit?: number | undefined;
}

/** Up to where a conversation is copied, and what the copy is called. */
export interface BranchOptions extends CallOptions {
  /** The last message to copy; the results of tool calls made up to there are copied too. @default the newest */
  readonly upTo?: string | undefined;
  /** Id of the new conversation. @default a new UUID */
  readonly id?: string | undefined;
  /** @default the title of the conversation it comes from */
  readonly title?: string | undefined;
}

/** Which model makes the title. */
export interface GenerateTitleOptions extends CallOptions {
  /** An AI SDK language model. @default that of `createMemory({ titles: { model } })` */
  readonly model?: LanguageModelLike | undefined;
}

/** Which messages of a conversation; all that is given must hold. */
export interface ListMessagesOptions extends CallOptions {
  readonly userId?: string | undefined;
  /**
   * The newest N, oldest first. A window never separates a tool call from its result: it is widened by the messages
   * that complete the exchange, so a page may hold a few more. 1 to 10,000. @default 100
   */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before; goes on to older messages. */
  readonly cursor?: string | undefined;
  /** Only messages before this place (exclusive). */
  readonly beforeSeq?: number | undefined;
  /** Only messages after this place (exclusive). */
  readonly afterSeq?: number | undefined;
  /** Only messages created before (exclusive). */
  readonly before?: Date | string | number | undefined;
  /** Only messages created after (exclusive). */
  readonly after?: Date | string | number | undefined;
  readonly roles?: readonly Role[] | undefined;
}

/** What `messages.update` changes; what is left out stays. */
export interface MessageChanges {
  readonly content?: string | readonly unknown[] | undefined;
  readonly parts?: readonly unknown[] | undefined;
  readonly metadata?: Metadata | undefined;
  readonly name?: string | undefined;
  readonly importance?: number | undefined;
}

/** `conversations` of a handle. One of another user, tenant or resource is not there, whatever is asked of it. */
export interface Conversations {
  /** A conversation as it is now. @throws NotFoundError when it is not there, or is not this scope's */
  get(id: string, options?: CallOptions): Promise<Conversation>;
  /**
   * Makes a conversation without messages.
   *
   * @throws ConflictError when the id is taken
   * @throws InvalidArgumentError without a user
   */
  create(input?: ConversationInput, options?: CallOptions): Promise<Conversation>;
  /**
   * Changes what is named: title, metadata, pin, archive, or whose it is.
   *
   * @throws NotFoundError
   * @throws InvalidArgumentError when a scope fixes the user or resource it is to be given to
   * @throws UnsupportedError when it is to be given to another owner and the store cannot do that
   */
  update(id: string, changes: ConversationChanges, options?: CallOptions): Promise<Conversation>;
  /**
   * Deletes it with its messages, vectors and all that was derived, such as summaries and facts that nothing else says; its
   * working memory; and the records and runs that name it. Returns whether it was there.
   */
  delete(id: string, options?: CallOptions): Promise<boolean>;
  /** A page of conversations, those changed last first unless told otherwise. */
  list(options?: ListConversationsOptions): Promise<Page<ListedConversation>>;
  /** How many conversations there are, archived ones too. */
  count(options?: Pick<ListConversationsOptions, "userId" | "resourceId" | "signal">): Promise<number>;
  /**
   * Conversations whose titles or messages hold the words, best first: what a search box asks while one types, so the
   * last word may be the beginning of one in a title. An empty query finds nothing.
   */
  search(query: string, options?: SearchConversationsOptions): Promise<readonly ConversationHit[]>;
  /**
   * A new conversation of the same owner that begins as this one did, up to a message and with it: the same ids, texts,
   * parts, metadata and times. Its metadata gets `branchedFrom: { conversationId, messageId }`.
   *
   * @throws NotFoundError for the conversation or the message
   * @throws ConflictError when the id is taken
   */
  branch(id: string, options?: BranchOptions): Promise<Conversation>;
  /**
   * Asks a model for a title and sets it, whatever it was before.
   *
   * @throws NotFoundError
   * @throws InvalidArgumentError without a model, or when no message has text
   */
  generateTitle(id: string, options?: GenerateTitleOptions): Promise<Conversation>;
}

/** `messages` of a handle: what was said in a conversation, message by message. */
export interface Messages {
  /** The newest messages that match, oldest first. @throws NotFoundError when the conversation is not there, or is not this scope's */
  list(conversationId: string, options?: ListMessagesOptions): Promise<Page<Message>>;
  /** A message as it is now. @throws NotFoundError */
  get(conversationId: string, messageId: string, options?: CallOptions): Promise<Message>;
  /**
   * Changes a message, which keeps id, seq, role and creation time. What it was before is kept where there is a place for
   * records; else {@link history} is empty.
   *
   * @throws NotFoundError
   */
  update(conversationId: string, messageId: string, changes: MessageChanges, options?: CallOptions): Promise<Message>;
  /** What a message was before each `update`, newest first. It is deleted with the message. @throws NotFoundError */
  history(conversationId: string, messageId: string, options?: CallOptions): Promise<readonly MessageVersion[]>;
  /** Deletes messages for good; returns how many were there. @throws NotFoundError for the conversation */
  delete(conversationId: string, messageIds: string | readonly string[], options?: CallOptions): Promise<number>;
  /** Deletes all messages of a conversation and keeps the conversation. @throws NotFoundError */
  clear(conversationId: string, options?: CallOptions): Promise<number>;
}

/** Whose the lines are that name nobody, and who is told how far it is. */
export interface ImportOptions extends CallOptions {
  /** Administrator's handle: the owner of lines that name none. */
  readonly userId?: string | undefined;
  /** Called after each batch that is stored for good. */
  readonly onProgress?: ((progress: { readonly messages: number; readonly conversations: number }) => void) | undefined;
}

/** How many messages were stored, of how many conversations. */
export interface ImportReport {
  readonly messages: number;
  readonly conversations: number;
}

/** Whose memory is erased, and how thoroughly. */
export interface EraseOptions extends CallOptions {
  /** Administrator's handle only. */
  readonly userId?: string | undefined;
  /** Rewrite the tables, so that the bytes leave the disk too. Takes a lock for its time. @default false */
  readonly compact?: boolean | undefined;
}

/** What `flush` is to wait for. */
export interface FlushOptions extends CallOptions {
  /**
   * Do what other processes have left, too: read facts of conversations that had messages lately, and summarise them, where
   * that is asked for. A first call looks a day back, later ones since the call before. Vectors are done in any case.
   * @default false
   */
  readonly all?: boolean | undefined;
}

/** What a handle on one scope can do. {@link Memory.scope} makes one; {@link Memory} itself is the administrator's. */
export interface ScopedMemory {
  /**
   * Appends messages to a conversation, and creates it for its owner when it is new. When it resolves, the messages
   * survive a crash; a recall finds them by their words at once and by meaning when the worker has embedded them.
   *
   * A batch lands whole or not at all. The same message id again updates that message. Returns the messages as stored.
   *
   * @throws NotFoundError when the conversation is somebody else's
   */
  addMessages(
    conversationId: string,
    messages: MessageInput | readonly MessageInput[],
    options?: AddMessagesOptions,
  ): Promise<readonly Message[]>;
  /** Finds what matters for a query: by meaning, by words, by time. Best first. An empty query finds nothing. */
  recall(query: string, options?: RecallOptions): Promise<RecallResult>;
  /**
   * What a model call needs of memory, within `maxTokens`: notes, facts, summaries and recalled messages, fenced in a user
   * message, and the newest messages of the conversation with whole tool exchanges.
   *
   * @throws InvalidArgumentError without a user, or for options that cannot be right
   */
  context(options?: ContextOptions): Promise<Context>;
  /**
   * Says that memories were of use, such as hits that an answer was made of: a recall with `weights.use` then prefers them.
   * Those that are not there, or not this scope's, are passed over. Resolves to how many there were.
   */
  reinforce(memories: readonly UsedMemory[], options?: CallOptions): Promise<number>;
  /**
   * Gives messages an importance that were written without one: by a model, or by simple signals. What was rated keeps it, so
   * a job can call it again and again. A recall weighs it where `weights.importance` is above 0.
   *
   * @throws InvalidArgumentError without a user or `allUsers`
   */
  rateImportance(options?: RateImportanceOptions): Promise<RateImportanceReport>;
  readonly conversations: Conversations;
  readonly messages: Messages;
  /** Typed memories: personas, tools, knowledge, anything with a type of yours. */
  readonly records: Records;
  /** What agents and workflows did: runs with their steps and events. */
  readonly runs: Runs;
  /** What is known of a user: facts in time, with the messages they come from. */
  readonly facts: Facts;
  /** What stands for the older part of a conversation. */
  readonly summaries: Summaries;
  /** Plans of what to recall no more: a dry run first, reversible until purged. */
  readonly forgetting: Forgetting;
  /** Notes an agent keeps in view, of a user or of a conversation. */
  readonly working: WorkingMemory;
  /** Every message of the scope, conversation by conversation, in order. */
  export(options?: CallOptions & { readonly userId?: string | undefined }): AsyncIterable<ExportedMessage>;
  /** Stores messages from anywhere; lines of the same conversation and id update, so running it twice doubles nothing. */
  import(lines: Iterable<ImportedMessage> | AsyncIterable<ImportedMessage>, options?: ImportOptions): Promise<ImportReport>;
  /**
   * Deletes everything of a user, on a handle with a `resourceId` of that resource: conversations, messages, vectors, what
   * was derived and owed, records, facts, notes, runs.
   *
   * @throws InvalidArgumentError without a user
   */
  erase(options?: EraseOptions): Promise<{ readonly conversations: number; readonly messages: number }>;
}

/** The memory. Made by `createMemory`; nothing is opened before the first call. */
export interface Memory extends ScopedMemory, AsyncDisposable {
  /**
   * Brings along what another system keeps: conversations, messages with their vectors, typed memories, runs, notes. The
   * source is only read. Run twice, nothing doubles and what changed is updated; stopped half way, it goes on from there.
   *
   * @throws InvalidArgumentError when the source holds nothing of that system, or does not say which of several is meant
   */
  importFrom(source: ImportFromSource, options?: ImportFromOptions): Promise<ImportFromReport>;
  /** The same interface, its scope fixed and enforced on every id. Shares this memory's connections. */
  scope(scope: ScopeOptions): ScopedMemory;
  /** Connects and migrates now. Optional; fails with what to do. */
  ready(options?: CallOptions): Promise<void>;
  /**
   * Resolves when what was owed at the time of the call is done: vectors of messages and records, titles, facts read out of
   * messages, summaries. With `worker: "manual"` it does the work. Titles, facts and summaries that fail are logged and
   * tried again.
   *
   * @throws the embedding model's error
   */
  flush(options?: FlushOptions): Promise<void>;
  /** How much there is of the tenant or of one user, what is still owed, and where it is kept. */
  stats(options?: CallOptions & { readonly userId?: string | undefined }): Promise<MemoryStats>;
  /** Never rejects: a backend that cannot be reached is an answer. */
  health(options?: CallOptions): Promise<MemoryHealth>;
  /**
   * Finishes writes under way, gives up background work (the next process or the next messages go on with it), and lets go
   * of what this memory opened. Lent pools and instances stay open. Safe to call twice.
   */
  close(): Promise<void>;
}
