import { clientOptions, type StorageConnection } from "../../compat/voltagent/connection.ts";
import { migrateSchema } from "../../compat/voltagent/migrate-schema.ts";
import { createMemory, type MemoryOptions } from "../../core/create-memory.ts";
import { ConflictError, InvalidArgumentError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Memory } from "../../domain/memory.ts";
import type { EmbeddingChoice } from "../../embedders/resolve.ts";
import { callsUnderWay } from "../../internal/calls-under-way.ts";
import { KeyedQueue } from "../../internal/keyed-queue.ts";
import { once } from "../../internal/once.ts";
import { type ClientOptions, chooseClient } from "../../stores/postgres/choose-client.ts";
import { makeNames } from "../../stores/postgres/names.ts";
import { owners, queryConversations, toVoltagentConversation } from "./conversations.ts";
import { TakenId, throwingVoltagentErrors } from "./errors.ts";
import { getMessages, otherwise, toInput } from "./messages.ts";
import type {
  ConversationQueryOptions,
  ConversationStepRecord,
  CreateConversationInput,
  GetConversationStepsOptions,
  GetMessagesOptions,
  UiMessageLike,
  VoltagentConversation,
  WorkflowRunQuery,
  WorkflowStateEntry,
  WorkingMemoryParams,
} from "./shapes.ts";
import { clearSteps, getSteps, saveSteps } from "./steps.ts";
import { getWorkflowState, queryWorkflowRuns, setWorkflowState, updateWorkflowState } from "./workflow-states.ts";

/** Where the adapter keeps its tables, how much it keeps, and for how long. */
export interface PostgreSQLMemoryAdapterOptions {
  /** A URL, `{ host, port, database, user, password, ssl }`, or a client of yours: a `pg.Pool` or a PGlite instance, which stays open. */
  readonly connection: StorageConnection;
  /** Connections of the pool; with a client of yours it is its own. @default 10 */
  readonly maxConnections?: number | undefined;
  /** Prefix of every table, at most 30 characters. @default "voltagent_memory" */
  readonly tablePrefix?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "public" */
  readonly schema?: string | undefined;
  /** Messages a conversation keeps: older ones are deleted in the step that adds one. 0: all. @default 0 */
  readonly storageLimit?: number | undefined;
  /** How long steps and workflow states are kept: `{ keepDays: 90 }`. @default for good */
  readonly runs?: MemoryOptions["runs"];
  /** Tells what is done on the console. @default false */
  readonly debug?: boolean | undefined;
  /**
   * Makes `memory.recall` find messages by meaning, too: `"builtin"`, or any embedding model `createMemory` takes. VoltAgent
   * embeds for its own vector adapter, so this is for recall over conversations. @default false: by words alone
   */
  readonly embedding?: Exclude<EmbeddingChoice, undefined> | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * VoltAgent's storage of conversations, messages, steps, working memory and workflow states in PostgreSQL, on top of
 * `createMemory`. Connects on first use. A failure is thrown in VoltAgent's own error classes.
 *
 * @example
 * const memory = new Memory({ storage: new PostgreSQLMemoryAdapter({ connection: url }) });
 */
export class PostgreSQLMemoryAdapter {
  /** The memory behind the adapter: `memory.scope({ userId }).recall(…)` finds messages of all the user's conversations. */
  readonly memory: Memory;
  readonly #adopt: () => Promise<void>;
  readonly #keepNewest: number | undefined;
  readonly #underWay = callsUnderWay();
  /** Changes of one workflow state take turns in this process, so that few have to be tried again. */
  readonly #writers = new KeyedQueue();

  /** @throws InvalidArgumentError for options that cannot be right */
  constructor(options: PostgreSQLMemoryAdapterOptions) {
    const { connection, maxConnections = 10, tablePrefix = "voltagent_memory", schema = "public", embedding = false } = options;
    const logger = options.logger ?? (options.debug === true ? console : undefined);
    const { storageLimit = 0 } = options;
    if (!Number.isInteger(storageLimit) || storageLimit < 0)
      throw new InvalidArgumentError("storageLimit", "must be a whole number of at least 0");
    const place = clientOptions(connection, maxConnections);
    this.#keepNewest = storageLimit === 0 ? undefined : storageLimit;
    this.memory = createMemory({ ...place, schema, tablePrefix, embedding, runs: options.runs, logger });
    this.#adopt = once(() => adoptOldTables({ ...place, maxConnections: 1 }, schema, tablePrefix, logger));
  }

  /**
   * Connects now, and brings tables of VoltAgent's own under the same names into ours, which the first call does else. The
   * old ones are kept as `…_backup`. Optional; `memory` alone does not do it.
   */
  ready(): Promise<void> {
    return this.#run((memory) => memory.ready());
  }

  /** Adds a message, or changes the one of this id, which keeps its place and time. @throws ConversationNotFoundError */
  addMessage(message: UiMessageLike, userId: string, conversationId: string, _context?: unknown): Promise<void> {
    return this.addMessages([message], userId, conversationId);
  }

  /** Adds messages in their order, all or none. @throws ConversationNotFoundError also when it is somebody else's */
  addMessages(messages: readonly UiMessageLike[], userId: string, conversationId: string, _context?: unknown): Promise<void> {
    return this.#run(async ({ scope }) => {
      const input = messages.map(toInput);
      await scope({ userId }).addMessages(conversationId, input, { createConversation: false, keepNewest: this.#keepNewest });
    });
  }

  /** The newest messages that match, oldest first; without a limit all. */
  getMessages<Stored extends UiMessageLike = UiMessageLike & { metadata: { createdAt: Date } }>(
    userId: string,
    conversationId: string,
    options: GetMessagesOptions = {},
    _context?: unknown,
  ): Promise<Stored[]> {
    return this.#run((memory) => getMessages<Stored>(memory, userId, conversationId, options));
  }

  /** Deletes messages and steps of a conversation, or of all the user has; conversations and working memory stay. */
  clearMessages(userId: string, conversationId?: string, _context?: unknown): Promise<void> {
    return this.#run(async (memory) => {
      const mine = memory.scope({ userId });
      const ids = conversationId ? [conversationId] : (await queryConversations(memory, { userId })).map(({ id }) => id);
      for (const id of ids) await mine.messages.clear(id).catch((error: unknown) => otherwise(error, 0));
      await clearSteps(memory, userId, conversationId || undefined);
    });
  }

  /** Deletes these messages; ids that are not there are passed over. */
  deleteMessages(messageIds: readonly string[], userId: string, conversationId: string, _context?: unknown): Promise<void> {
    return this.#run(async ({ scope }) => {
      if (messageIds.length === 0) return;
      const { messages } = scope({ userId });
      await messages.delete(conversationId, messageIds).catch((error: unknown) => otherwise(error, 0));
    });
  }

  /** Makes a conversation; an empty id becomes a new UUID. @throws ConversationAlreadyExistsError */
  createConversation(input: CreateConversationInput): Promise<VoltagentConversation> {
    return this.#run(async ({ conversations }) => {
      try {
        return toVoltagentConversation(await conversations.create({ ...input, id: input.id || undefined }));
      } catch (error) {
        throw error instanceof ConflictError ? new TakenId(input.id, error) : error;
      }
    });
  }

  /** Whoever's it is. `null`: it is not there. */
  getConversation(id: string): Promise<VoltagentConversation | null> {
    return this.#run(async ({ conversations }) => {
      const found = await conversations.get(id).catch((error: unknown) => otherwise(error, undefined));
      return found === undefined ? null : toVoltagentConversation(found);
    });
  }

  /** Of every user, newest first. */
  getConversations(resourceId: string): Promise<VoltagentConversation[]> {
    return this.queryConversations({ resourceId, orderBy: "created_at" });
  }

  /** An empty name is nobody's: an id that got lost on the way must not show everybody's. */
  async getConversationsByUserId(userId: string, options: Omit<ConversationQueryOptions, "userId"> = {}): Promise<VoltagentConversation[]> {
    if (!userId) return [];
    return this.queryConversations({ ...options, userId });
  }

  /** Latest first unless told otherwise; without a limit all. @throws StorageError for an order that is none */
  queryConversations(options: ConversationQueryOptions): Promise<VoltagentConversation[]> {
    return this.#run((memory) => queryConversations(memory, options));
  }

  /** How many there are; limit and offset do not matter. */
  countConversations(options: ConversationQueryOptions): Promise<number> {
    return this.#run(({ conversations }) => conversations.count(owners(options)));
  }

  /** Changes what is given; `metadata` as a whole, which leaves working memory alone. @throws ConversationNotFoundError */
  updateConversation(
    id: string,
    updates: Partial<Omit<VoltagentConversation, "id" | "createdAt" | "updatedAt">>,
  ): Promise<VoltagentConversation> {
    const { resourceId, userId, title, metadata } = updates;
    return this.#run(async ({ conversations }) => {
      const before = await conversations.get(id);
      const changes = { ...given({ title, metadata }), ...moved("userId", userId, before), ...moved("resourceId", resourceId, before) };
      if (Object.keys(changes).length === 0) return toVoltagentConversation(before);
      return toVoltagentConversation(await conversations.update(id, changes));
    });
  }

  /** Deletes it with its messages, steps, workflow states and working memory. An unknown one is none to delete. */
  deleteConversation(id: string): Promise<void> {
    return this.#run(async ({ conversations }) => {
      await conversations.delete(id);
    });
  }

  /** The same step again replaces it. @throws ConversationNotFoundError */
  saveConversationSteps(steps: readonly ConversationStepRecord[]): Promise<void> {
    return this.#run((memory) => saveSteps(memory, steps));
  }

  /** Operation by operation, in the order they began. */
  getConversationSteps(
    userId: string,
    conversationId: string,
    options: GetConversationStepsOptions = {},
  ): Promise<ConversationStepRecord[]> {
    return this.#run((memory) => getSteps(memory, userId, conversationId, options));
  }

  /** The notes of a conversation or of a user. `null`: there are none, or nobody is named. */
  getWorkingMemory(params: WorkingMemoryParams): Promise<string | null> {
    return this.#run(async ({ working }) => {
      const place = notesOf(params);
      if (place === undefined) return null;
      const entry = await working.get(place).catch((error: unknown) => otherwise(error, undefined));
      return entry?.content ?? null;
    });
  }

  /** Replaces the notes of a conversation or of a user. @throws ConversationNotFoundError, or StorageError when nobody is named */
  setWorkingMemory({ content, ...params }: WorkingMemoryParams & { content: string }): Promise<void> {
    return this.#run(async ({ working }) => {
      const place = notesOf(params);
      if (place === undefined)
        throw new InvalidArgumentError(`${params.scope}Id`, `is required for working memory of scope "${params.scope}"`);
      await working.set(content, place);
    });
  }

  /** Deletes the notes of a conversation or of a user. Where there are none, nothing happens. */
  deleteWorkingMemory(params: WorkingMemoryParams): Promise<void> {
    return this.#run(async ({ working }) => {
      const place = notesOf(params);
      if (place !== undefined) await working.delete(place).catch((error: unknown) => otherwise(error, false));
    });
  }

  /** A state as it was stored last. `null`: there is none of this id. */
  getWorkflowState(executionId: string): Promise<WorkflowStateEntry | null> {
    return this.#run((memory) => getWorkflowState(memory, executionId));
  }

  /** Newest first; without a limit all. */
  queryWorkflowRuns(query: WorkflowRunQuery): Promise<WorkflowStateEntry[]> {
    return this.#run((memory) => queryWorkflowRuns(memory, query));
  }

  /** Stores a state as a whole, in place of the one of this id. */
  setWorkflowState(executionId: string, state: WorkflowStateEntry): Promise<void> {
    return this.#run((memory) => this.#writers.run([executionId], () => setWorkflowState(memory, executionId, state)));
  }

  /** Changes what is given. @throws Error `Workflow state … not found` */
  updateWorkflowState(executionId: string, updates: Partial<WorkflowStateEntry>): Promise<void> {
    return this.#run((memory) => this.#writers.run([executionId], () => updateWorkflowState(memory, executionId, updates)));
  }

  /** Runs of a workflow that wait to be resumed, newest first. */
  getSuspendedWorkflowStates(workflowId: string): Promise<WorkflowStateEntry[]> {
    return this.queryWorkflowRuns({ workflowId, status: "suspended" });
  }

  /** Finishes what is under way and ends the connections this adapter made. A client of yours stays open. */
  async close(): Promise<void> {
    await this.#underWay.ended();
    await this.memory.close();
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run<Value>(work: (memory: Memory) => Promise<Value>): Promise<Value> {
    const call = throwingVoltagentErrors("StorageError", async () => {
      await this.#adopt();
      return work(this.memory);
    });
    return this.#underWay.add(call);
  }
}

/** Where there are none it asks the catalog once. */
async function adoptOldTables(place: ClientOptions, schema: string, tablePrefix: string, logger: Logger | undefined): Promise<void> {
  const client = chooseClient("connection", place);
  try {
    const { success, error, migratedCount = 0 } = await migrateSchema({ client, names: makeNames(schema, tablePrefix) });
    if (!success) throw error;
    if (migratedCount > 0) logger?.debug?.(`[voltagent] took over ${migratedCount} conversations; the old tables are kept as backups`);
  } finally {
    await client.close();
  }
}

function given<Fields extends object>(fields: Fields): Partial<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;
}

/** Naming the owner a conversation has moves nothing. */
function moved<Field extends "userId" | "resourceId">(field: Field, wanted: string | undefined, before: VoltagentOwner) {
  return wanted === undefined || wanted === before[field] ? {} : { [field]: wanted };
}

interface VoltagentOwner {
  readonly userId: string;
  readonly resourceId: string;
}

function notesOf({ scope, conversationId, userId }: WorkingMemoryParams): { conversationId: string } | { userId: string } | undefined {
  if (scope === "conversation") return conversationId ? { conversationId } : undefined;
  return userId ? { userId } : undefined;
}
