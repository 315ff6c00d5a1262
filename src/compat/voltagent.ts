import { InvalidArgumentError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { Memory } from "../domain/memory.ts";
import type { EmbeddingChoice } from "../embedders/resolve.ts";
import { clientOptions, type StorageConnection } from "./voltagent/connection.ts";
import {
  type ConversationsPage,
  createConversation,
  findConversation,
  pageOfConversations,
  queryConversations,
  type UserConversationsQuery,
  updateConversation,
  userConversationsQuery,
} from "./voltagent/conversations.ts";
import { HistoryStorage } from "./voltagent/history-storage.ts";
import { toConversationMessage, toInput, toMemoryMessage, toUiMessage } from "./voltagent/message-shapes.ts";
import { addMessages, clearMessages, findMessages, listMessages, nobody, pageOfMessages } from "./voltagent/messages.ts";
import type { MigrateSchemaOptions, MigrateSchemaResult } from "./voltagent/migrate-schema.ts";
import { storagePlace } from "./voltagent/place.ts";
import { dateOf } from "./voltagent/recorded-parts.ts";
import type {
  ConversationMessage,
  ConversationQueryOptions,
  CreateConversationInput,
  GetMessagesOptions,
  MemoryMessage,
  MessageFilterOptions,
  MessageInputLike,
  UiMessage,
  VoltagentConversation,
} from "./voltagent/shapes.ts";

export type { PostgresConnection, StorageConnection } from "./voltagent/connection.ts";
export type {
  ConversationsPage,
  ExecutableQuery,
  LimitableQuery,
  OrderableQuery,
  UserConversationsQuery,
} from "./voltagent/conversations.ts";
export type { HistoryStorage } from "./voltagent/history-storage.ts";
export {
  type MigrateSchemaOptions,
  type MigrateSchemaResult,
  type MigrationProgress,
  migrateVoltagentSchema,
  type VoltagentMigrationOptions,
} from "./voltagent/migrate-schema.ts";
export type * from "./voltagent/shapes.ts";

/** Where the tables are, how many messages a conversation keeps, and which model embeds them. */
export interface PostgresStorageOptions {
  /** A URL, `{ host, port, database, user, password, ssl }`, or a client of yours: a `pg.Pool` or a PGlite instance. */
  readonly connection: StorageConnection | undefined;
  /** Connections of the pool; 1 is enough for any number of callers. @default 10 */
  readonly maxConnections?: number | undefined;
  /** Prefix of every table, at most 30 characters. @default "voltagent_memory" */
  readonly tablePrefix?: string | undefined;
  /** Schema of every table. @default "public" */
  readonly schema?: string | undefined;
  /** Messages a conversation keeps: older ones are deleted as new ones come. 0: all. @default 100 */
  readonly storageLimit?: number | undefined;
  /** Logs what is called and how long it takes, never what is in it. @default false */
  readonly debug?: boolean | undefined;
  /** Where `debug` logs, and what goes wrong in the background. @default console with `debug`, else nowhere */
  readonly logger?: Logger | undefined;
  /** Which model makes the vectors for `storage.memory.recall`; `false`: words alone. @default the built-in model */
  readonly embedding?: EmbeddingChoice;
}

/**
 * VoltAgent's `PostgresStorage`, of all versions that had it, on top of `createMemory`: the same calls, defaults and
 * columns. The calls of 0.1 and of 1.0 are told apart by their arguments. Connects on first use, and brings the tables of
 * an older version along then.
 *
 * @example
 * const storage = new PostgresStorage({ connection: process.env.DATABASE_URL });
 * await storage.createConversation({ id: "c1", resourceId: "my-agent", userId: "user-123", title: "Hello", metadata: {} });
 */
export class PostgresStorage extends HistoryStorage {
  readonly #storageLimit: number;

  /** @throws InvalidArgumentError for options that cannot be right */
  constructor(options: PostgresStorageOptions) {
    const { connection, maxConnections = 10, schema = "public", storageLimit = 100, debug = false, embedding } = options;
    const { logger = debug ? console : undefined } = options;
    if (!Number.isSafeInteger(storageLimit) || storageLimit < 0 || storageLimit > 1_000_000)
      throw new InvalidArgumentError("storageLimit", "must be a whole number from 0 to 1000000; 0 keeps all messages");
    const client = clientOptions(connection, maxConnections);
    super(storagePlace({ client, schema, tablePrefix: options.tablePrefix || "voltagent_memory", embedding, logger }));
    this.#storageLimit = storageLimit;
  }

  /** The memory on the same tables, with everything else it can do: `storage.memory.scope({ userId }).recall(query)`. */
  get memory(): Memory {
    return this.place.memory();
  }

  /**
   * Adds a message to a conversation, or changes the one of this id. Deletes what is beyond `storageLimit` in the same
   * transaction. The conversation `"default"` is made when it is not there.
   *
   * @throws NotFoundError whose message speaks of a foreign key constraint: any other unknown conversation
   */
  addMessage(message: MessageInputLike, conversationId?: string): Promise<void>;
  /** The same for a conversation of this user. @throws NotFoundError also when it is somebody else's */
  addMessage(message: MessageInputLike, userId: string, conversationId: string): Promise<void>;
  addMessage(message: MessageInputLike, first: string = nobody, second?: string): Promise<void> {
    const whose = second === undefined ? { conversationId: first } : { userId: first, conversationId: second };
    return this.#add("addMessage", [message], whose);
  }

  /** Adds messages in their order, all or none. */
  addMessages(messages: readonly MessageInputLike[], userId: string, conversationId: string): Promise<void> {
    return this.#add("addMessages", messages, { userId, conversationId });
  }

  #add(name: string, messages: readonly MessageInputLike[], whose: { readonly userId?: string; readonly conversationId: string }) {
    const storageLimit = this.#storageLimit;
    return this.call(name, async (place) => addMessages(place, messages.map(toInput), { ...whose, storageLimit }));
  }

  /**
   * VoltAgent 0.1: the newest messages that match, oldest first. A user or conversation `"default"`, or none, filters by
   * none. With a limit there may be a few more: a tool's result never comes without its call.
   */
  getMessages(options?: MessageFilterOptions): Promise<MemoryMessage[]>;
  /** VoltAgent 1.0: the newest messages of a user's conversation, oldest first; none when it is somebody else's. */
  getMessages(userId: string, conversationId: string, options?: GetMessagesOptions): Promise<UiMessage[]>;
  getMessages(first: MessageFilterOptions | string = {}, conversationId: string = nobody, options: GetMessagesOptions = {}) {
    return this.call<MemoryMessage[] | UiMessage[]>("getMessages", () =>
      typeof first === "string" ? this.#listed(first, conversationId, options) : this.#filtered(first),
    );
  }

  async #listed(userId: string, conversationId: string, { limit, before, after, roles }: GetMessagesOptions): Promise<UiMessage[]> {
    const query = { limit: this.#limit(limit), before, after, roles: roles?.length === 0 ? undefined : roles };
    return (await listMessages(this.memory.scope({ userId }), conversationId, query)).map(toUiMessage);
  }

  async #filtered(options: MessageFilterOptions): Promise<MemoryMessage[]> {
    const { userId = nobody, conversationId = nobody, types } = options;
    const role = options.role || undefined;
    const whose = userId === nobody ? undefined : userId;
    const limit = this.#limit(options.limit);
    const [before, after] = [dateOf(options.before), dateOf(options.after)];
    if (conversationId !== nobody && types === undefined) {
      const handle = whose === undefined ? this.memory : this.memory.scope({ userId: whose });
      const roles = role === undefined ? undefined : [role];
      return (await listMessages(handle, conversationId, { limit, before, after, roles })).map(toMemoryMessage);
    }
    const which = conversationId === nobody ? undefined : conversationId;
    return (await findMessages(this.place, { userId: whose, conversationId: which, role, types, before, after, limit })).map(
      toMemoryMessage,
    );
  }

  #limit(limit: number = this.#storageLimit): number | undefined {
    return limit > 0 ? limit : undefined;
  }

  /** Deletes the messages of a user's conversation, or of all the user has, for good. The conversations stay. */
  clearMessages(options: { readonly userId: string; readonly conversationId?: string | undefined }): Promise<void>;
  clearMessages(userId: string, conversationId?: string): Promise<void>;
  clearMessages(first: string | { readonly userId: string; readonly conversationId?: string | undefined }, second?: string): Promise<void> {
    const { userId, conversationId } = typeof first === "string" ? { userId: first, conversationId: second } : first;
    return this.call("clearMessages", async () => clearMessages(this.memory.scope({ userId }), conversationId));
  }

  /** An empty id becomes a new UUID. @throws ConflictError when the id is taken */
  createConversation(conversation: CreateConversationInput): Promise<VoltagentConversation> {
    return this.call("createConversation", () => createConversation(this.memory, conversation));
  }

  /** Whoever's it is. Null when it is not there. */
  getConversation(id: string): Promise<VoltagentConversation | null> {
    return this.call("getConversation", () => findConversation(this.memory, id));
  }

  /** Null when it is not there or is somebody else's. */
  getUserConversation(conversationId: string, userId: string): Promise<VoltagentConversation | null> {
    return this.call("getUserConversation", async () => findConversation(this.memory.scope({ userId }), conversationId));
  }

  /** All conversations of an agent or app, the newest first. */
  getConversations(resourceId: string): Promise<VoltagentConversation[]> {
    return this.call("getConversations", () => queryConversations(this.memory, { resourceId, limit: 0, orderBy: "created_at" }));
  }

  /** A user's conversations: 50, those changed last first, unless told otherwise. @throws InvalidArgumentError for an order that is none */
  getConversationsByUserId(userId: string, options: Omit<ConversationQueryOptions, "userId"> = {}): Promise<VoltagentConversation[]> {
    return this.call("getConversationsByUserId", () => queryConversations(this.memory, { ...options, userId }));
  }

  /** Conversations of a user, a resource, both, or everybody. @throws InvalidArgumentError for an order that is none */
  queryConversations(options: ConversationQueryOptions): Promise<VoltagentConversation[]> {
    return this.call("queryConversations", () => queryConversations(this.memory, options));
  }

  /** A query in words: `.limit(20).orderBy("updated_at", "DESC").execute()`, in either order. */
  getUserConversations(userId: string): UserConversationsQuery {
    return userConversationsQuery((options) => this.getConversationsByUserId(userId, options));
  }

  /** A page of a user's conversations, counted from 1, those changed last first. */
  getPaginatedUserConversations(userId: string, page: number = 1, pageSize: number = 10): Promise<ConversationsPage> {
    return this.call("getPaginatedUserConversations", () => pageOfConversations(this.memory, userId, page, pageSize));
  }

  /** Messages of a conversation, whoever's it is, from the oldest on, in the shapes of both versions. Limit 0: to the end. */
  getConversationMessages(
    conversationId: string,
    { limit = 100, offset = 0 }: { readonly limit?: number | undefined; readonly offset?: number | undefined } = {},
  ): Promise<ConversationMessage[]> {
    return this.call("getConversationMessages", async (place) =>
      (await pageOfMessages(place, conversationId, limit, offset)).map(toConversationMessage),
    );
  }

  /** Changes what is named; a new `userId` takes the messages along. @throws NotFoundError */
  updateConversation(
    id: string,
    updates: Partial<Omit<VoltagentConversation, "id" | "createdAt" | "updatedAt">>,
  ): Promise<VoltagentConversation> {
    return this.call("updateConversation", (place) => updateConversation(place, id, updates));
  }

  /** Deletes it with its messages, their vectors, and the history that names it. One that is not there is no error. */
  deleteConversation(id: string): Promise<void> {
    return this.call("deleteConversation", async () => void (await this.memory.conversations.delete(id)));
  }

  /**
   * Brings the tables of an older version along, which the first use does by itself, or with `restoreFromBackup` gives them
   * their places again; the next use of this storage then brings them along anew. Never rejects for what the database says.
   */
  migrateConversationSchema(options: MigrateSchemaOptions = {}): Promise<MigrateSchemaResult> {
    return this.call("migrateConversationSchema", (place) => place.migrate(options));
  }

  /** Finishes what is under way, and lets go of the connections this storage opened. A client of yours stays open. */
  async close(): Promise<void> {
    await this.underWay.ended();
    await this.place.close();
  }
}
