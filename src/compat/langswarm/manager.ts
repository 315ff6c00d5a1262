import { randomUUID } from "node:crypto";
import type { Conversation } from "../../domain/conversation.ts";
import { ConflictError, NotFoundError } from "../../domain/errors.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import type { Memory } from "../../domain/memory.ts";
import { once } from "../../internal/once.ts";
import { type MemorySession, memorySession, type SearchMessagesOptions, type SearchResult, searchMessages } from "./session.ts";
import { nobody, readSession, type SessionFields, type SessionMetadata, type SessionStatus, withFields } from "./session-metadata.ts";
import type { SummaryTexts } from "./session-summary.ts";

/** Sessions of many users in one memory. */
export interface MemoryManager {
  /** The memory behind it, with everything else it can do. */
  readonly memory: Memory;
  /** Connects, and looks for expired sessions every `cleanupInterval` seconds from then on. */
  start(): Promise<void>;
  /** Stops looking, and closes the memory. */
  stop(): Promise<void>;
  /** The same as {@link stop}. */
  close(): Promise<void>;
  /** Makes a session; it expires after the manager's `sessionTtl`, unless it says when. @throws ConflictError when the id is taken */
  createSession(options?: CreateSessionOptions): Promise<MemorySession>;
  /** Whoever's it is. Undefined: it is not there. */
  getSession(sessionId: string): Promise<MemorySession | undefined>;
  /** The session of this id, or a new one. @throws ConflictError when the session is another user's */
  getOrCreateSession(sessionId: string, options?: Omit<CreateSessionOptions, "sessionId">): Promise<MemorySession>;
  /** Deletes the session with its messages. Whether it was there. */
  deleteSession(sessionId: string): Promise<boolean>;
  /** Newest first. */
  listUserSessions(userId: string, options?: ListSessionsOptions): Promise<SessionMetadata[]>;
  /** Deletes the sessions whose time is over, whoever made them; how many there were. */
  cleanupExpiredSessions(): Promise<number>;
  /** Finds messages of one user, or of everybody when that is said. */
  searchMessages(
    query: string,
    options: SearchMessagesOptions & ({ readonly userId: string } | { readonly allUsers: true }),
  ): Promise<SearchResult[]>;
  /** How many sessions and messages there are, of everybody. Reads the list of all sessions, to tell which are active. */
  getSystemStats(): Promise<SystemStats>;
  /** Of the memory behind it. Never rejects: a backend that cannot be reached is an answer. */
  health(): Promise<MemoryHealth>;
}

/** Whose a new session is, and how it is set. */
export interface CreateSessionOptions extends SessionFields {
  /** @default a new UUID */
  readonly sessionId?: string | undefined;
  /** @default "default", one user for all sessions that name none */
  readonly userId?: string | undefined;
  readonly agentId?: string | undefined;
}

/** Which sessions of a user, and how many at most. */
export interface ListSessionsOptions {
  readonly status?: SessionStatus | undefined;
  /** @default 50 */
  readonly limit?: number | undefined;
}

/** How much a manager keeps, in which store, and whether that can be reached. */
export interface SystemStats {
  readonly usage: {
    readonly sessionCount: number;
    readonly activeSessions: number;
    readonly messageCount: number;
    readonly lastCleanup: Date | undefined;
  };
  readonly health: MemoryHealth;
  readonly backendType: string;
}

export interface ManagerOptions {
  /** Lifetime of sessions that name none, in seconds. @default for ever */
  readonly sessionTtl?: number | undefined;
  /** @default true */
  readonly autoCleanup?: boolean | undefined;
  /** In seconds. @default 300 */
  readonly cleanupInterval?: number | undefined;
  /** @default false */
  readonly summaryTexts?: SummaryTexts | undefined;
  /** What there is to do before the first use, e.g. views to make. */
  readonly prepare?: (() => Promise<void>) | undefined;
}

const pageSize = 1_000;

export function memoryManager(memory: Memory, options: ManagerOptions = {}): MemoryManager {
  const { sessionTtl, autoCleanup = true, cleanupInterval = 300, prepare, summaryTexts } = options;
  let timer: NodeJS.Timeout | undefined;
  let lastCleanup: Date | undefined;

  const ready = once(async () => {
    await memory.ready();
    await prepare?.();
  });

  async function find(sessionId: string): Promise<Conversation | undefined> {
    await ready();
    try {
      return await memory.conversations.get(sessionId);
    } catch (error) {
      if (NotFoundError.isInstance(error)) return undefined;
      throw error;
    }
  }

  async function createSession({ sessionId = randomUUID(), userId = nobody, agentId, ...fields }: CreateSessionOptions = {}) {
    const expiresAt = fields.expiresAt ?? (sessionTtl === undefined ? undefined : new Date(Date.now() + sessionTtl * 1000));
    await ready();
    const conversation = await memory.conversations.create({
      id: sessionId,
      userId,
      ...(agentId === undefined ? {} : { resourceId: agentId }),
      metadata: withFields({}, { ...fields, expiresAt }),
    });
    return memorySession(memory, conversation, summaryTexts);
  }

  async function* everySession(): AsyncIterable<Conversation> {
    for (let cursor: string | undefined; ; ) {
      const page = await memory.conversations.list({ limit: pageSize, orderBy: "createdAt", cursor });
      yield* page.items;
      if (page.nextCursor === undefined) return;
      cursor = page.nextCursor;
    }
  }

  async function cleanupExpiredSessions(): Promise<number> {
    let deleted = 0;
    for await (const conversation of everySession()) {
      const { expiresAt } = readSession(conversation);
      if (expiresAt !== undefined && expiresAt <= new Date() && (await memory.conversations.delete(conversation.id))) deleted++;
    }
    lastCleanup = new Date();
    return deleted;
  }

  async function stop(): Promise<void> {
    clearInterval(timer);
    await memory.close();
  }

  return {
    memory,
    async start() {
      await ready();
      clearInterval(timer);
      if (!autoCleanup) return;
      timer = setInterval(() => void cleanupExpiredSessions().catch(() => {}), cleanupInterval * 1000);
      timer.unref();
    },
    stop,
    close: stop,
    createSession,
    async getSession(sessionId) {
      const found = await find(sessionId);
      return found === undefined ? undefined : memorySession(memory, found, summaryTexts);
    },
    async getOrCreateSession(sessionId, fields = {}) {
      const found = await find(sessionId);
      if (found === undefined) {
        try {
          return await createSession({ ...fields, sessionId });
        } catch (error) {
          // Somebody made it meanwhile.
          if (!ConflictError.isInstance(error)) throw error;
        }
      }
      const conversation = found ?? (await memory.conversations.get(sessionId));
      if (fields.userId !== undefined && conversation.userId !== fields.userId)
        throw new ConflictError(sessionId, "[langswarm] the session id is taken by another user: choose another");
      return memorySession(memory, conversation, summaryTexts);
    },
    deleteSession: (sessionId) => memory.conversations.delete(sessionId),
    async listUserSessions(userId, { status, limit = 50 } = {}) {
      const sessions: SessionMetadata[] = [];
      for (let cursor: string | undefined; ; ) {
        const page = await memory.conversations.list({ userId, orderBy: "createdAt", limit: Math.min(limit, pageSize), cursor });
        for (const session of page.items.map(readSession)) if (status === undefined || session.status === status) sessions.push(session);
        if (page.nextCursor === undefined || sessions.length >= limit) return sessions.slice(0, limit);
        cursor = page.nextCursor;
      }
    },
    cleanupExpiredSessions,
    searchMessages(query, { limit, sessionId, minSimilarity, ...whose }) {
      const within = "userId" in whose ? memory.scope({ userId: whose.userId }) : memory;
      const allUsers = "allUsers" in whose ? { allUsers: whose.allUsers } : {};
      return searchMessages(within, query, { limit, sessionId, minSimilarity, ...allUsers });
    },
    async getSystemStats() {
      const [stats, health] = await Promise.all([memory.stats(), memory.health()]);
      let activeSessions = 0;
      for await (const conversation of everySession()) if (readSession(conversation).status === "active") activeSessions++;
      return {
        usage: { sessionCount: stats.conversations, activeSessions, messageCount: stats.messages, lastCleanup },
        health,
        backendType: stats.store,
      };
    },
    health: () => memory.health(),
  };
}
