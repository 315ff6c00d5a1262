import { flatten, type LangswarmBackendConfig, type LangswarmMemoryConfig, langswarmMemoryOptions } from "../config/langswarm-options.ts";
import { createMemory, type MemoryOptions } from "../core/create-memory.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import { type MemoryManager, memoryManager } from "./langswarm/manager.ts";
import type { MemorySession } from "./langswarm/session.ts";
import { nobody } from "./langswarm/session-metadata.ts";
import type { SummaryTexts } from "./langswarm/session-summary.ts";
import { createViews } from "./langswarm/views.ts";

export type { LangswarmBackendConfig, LangswarmMemoryConfig } from "../config/langswarm-options.ts";
export type { CreateSessionOptions, ListSessionsOptions, MemoryManager, SystemStats } from "./langswarm/manager.ts";
export type { GetMessagesOptions, MemorySession, SearchMessagesOptions, SearchResult } from "./langswarm/session.ts";
export {
  type SessionMessage,
  type SessionMessageInput,
  type SessionRole,
  toAnthropicFormat,
  toOpenaiFormat,
} from "./langswarm/session-message.ts";
export type { ConversationSummary, SessionFields, SessionMetadata, SessionStatus } from "./langswarm/session-metadata.ts";

/**
 * LangSwarm's `create_memory_manager`: takes what its documents show, in snake or camel case. `false` is no memory,
 * `true` chooses by the environment (REDIS_URL, else SQLite), and a name is a preset (`"production"`) or a backend.
 *
 * Beside LangSwarm's own settings: `session_ttl`, `auto_cleanup`, `cleanup_interval` (in seconds), `views: true` (its
 * tables as views of ours, on Postgres), `logger`, `summaries` and `records` as `createMemory` has them, and for the vector
 * backend `session_store`. Reads the environment, as LangSwarm does. Connects on first use, or in `start()`.
 *
 * @throws InvalidArgumentError for a backend or setting that cannot be right
 * @example
 * const manager = createMemoryManager({ backend: "postgres", url, enable_vector: true });
 */
export function createMemoryManager(config: false): null;
export function createMemoryManager(
  config: true | string | (LangswarmBackendConfig & { readonly enabled?: true | undefined }),
): MemoryManager;
export function createMemoryManager(config: LangswarmMemoryConfig): MemoryManager | null;
export function createMemoryManager(config: LangswarmMemoryConfig): MemoryManager | null {
  const options = langswarmMemoryOptions(config, process.env);
  if (options === undefined) return null;
  const settings = typeof config === "object" ? flatten(config) : {};
  const { views, sessionTtl, autoCleanup, cleanupInterval, tablePrefix } = settings;
  const { logger, summaries, records } = settings as Pick<MemoryOptions, "logger" | "summaries" | "records">;
  const memory = createMemory({ ...options, ...given({ logger, summaries, records }) });
  return memoryManager(memory, {
    sessionTtl: seconds("session_ttl", sessionTtl),
    cleanupInterval: seconds("cleanup_interval", cleanupInterval),
    autoCleanup: autoCleanup !== false,
    summaryTexts: summaryTexts(options.sessions, { summaries, records }),
    prepare: views === true ? () => createViews(options.sessions, typeof tablePrefix === "string" ? tablePrefix : "") : undefined,
  });
}

/** Summaries are records: beside a store that keeps none they would be in a place of their own, on this machine alone. */
function summaryTexts(sessions: unknown, { summaries, records }: Pick<MemoryOptions, "summaries" | "records">): SummaryTexts {
  const { store } = (sessions ?? {}) as { readonly store?: string };
  if (records === undefined && !keepingRecords.has(store ?? "")) return false;
  return typeof summaries === "object" && summaries.model !== undefined ? "later" : "now";
}

const keepingRecords: ReadonlySet<string> = new Set(["memory", "sqlite", "postgres", "mongodb"]);

const given = <Fields extends object>(fields: Fields): Partial<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;

function seconds(name: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError(name, "must be a number of seconds above 0");
  return value;
}

/** An agent with a memory. */
export interface Agent {
  readonly id: string | undefined;
  /** The session the agent talks in; made on first use. */
  readonly memory: MemorySession;
  readonly memoryManager: MemoryManager;
}

/** Which manager keeps an agent's memory, in which session, and whose it is. */
export interface CreateAgentOptions {
  readonly id?: string | undefined;
  /** One of the two spellings is required. */
  readonly memoryManager?: MemoryManager | undefined;
  readonly memory_manager?: MemoryManager | undefined;
  /** @default the agent's id, else "default" */
  readonly sessionId?: string | undefined;
  /** Whose memory it is. @default "default" */
  readonly userId?: string | undefined;
}

/**
 * LangSwarm's `create_agent(…, memory_manager=manager)`, as far as memory goes: `agent.memory` is a session of the manager.
 *
 * @throws InvalidArgumentError without a memory manager
 */
export function createAgent(options: CreateAgentOptions): Agent {
  const { id, userId = nobody } = options;
  const manager = options.memoryManager ?? options.memory_manager;
  if (manager === undefined) throw new InvalidArgumentError("memoryManager", "is required: make one with createMemoryManager");
  const sessionId = options.sessionId ?? id ?? nobody;
  const session = () => manager.getOrCreateSession(sessionId, { userId, ...(id === undefined ? {} : { agentId: id }) });
  return { id, memoryManager: manager, memory: lazySession(sessionId, userId, session) };
}

/** A session that is made when it is first used: `createAgent` does no I/O. */
function lazySession(sessionId: string, userId: string, session: () => Promise<MemorySession>): MemorySession {
  return {
    sessionId,
    userId,
    metadata: async () => (await session()).metadata(),
    addMessage: async (message, content) => (await session()).addMessage(message, content),
    getMessages: async (options) => (await session()).getMessages(options),
    getRecentContext: async (maxTokens) => (await session()).getRecentContext(maxTokens),
    clearMessages: async (keepSystem) => (await session()).clearMessages(keepSystem),
    getSummary: async () => (await session()).getSummary(),
    createSummary: async (force) => (await session()).createSummary(force),
    searchMessages: async (query, options) => (await session()).searchMessages(query, options),
    updateMetadata: async (fields) => (await session()).updateMetadata(fields),
    close: async () => (await session()).close(),
  };
}
