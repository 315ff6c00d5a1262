import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import { textRevision } from "../domain/search-text.ts";
import type {
  AppendRequest,
  MessageReference,
  Outbox,
  OutboxItem,
  OwedRemoval,
  OwedVector,
  SessionStore,
  StoredMessage,
} from "../domain/session-store.ts";
import { everyConversation } from "./every-conversation.ts";

/** Removals name at most so many messages each. */
const removalSize = 1_000;

/** What is owed; the messages themselves are read when it is leased. */
type Owed = Pick<OwedVector, "kind" | "key" | "tenant" | "userId" | "conversationId" | "revision"> & { readonly messageId: string };

interface Entry {
  readonly owed: Owed | Omit<OwedRemoval, "attempts">;
  attempts: number;
  dueAt: number;
  error: string | undefined;
}

/** What a vector store is owed, kept in this process for session stores that cannot keep it: a crash loses it. */
export interface LocalOutbox extends Outbox {
  noteAppended(requests: readonly AppendRequest[], answers: readonly (readonly Message[] | undefined)[]): void;
  /** Must be called before the delete, as the ids are read from the store. */
  noteDeleting(
    scope: StoreScope,
    conversationId: string,
    messageIds: readonly string[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void>;
  /** The same for everything of a scope. */
  noteErasing(scope: StoreScope, signal: AbortSignal | undefined): Promise<void>;
}

/** The scope's conversations, all of them. */
async function conversationIds(sessions: SessionStore, scope: StoreScope, signal: AbortSignal | undefined): Promise<string[]> {
  const ids: string[] = [];
  const oldestFirst = { orderBy: "createdAt", direction: "asc", limit: 1_000 } as const;
  for await (const { id } of everyConversation(sessions, scope, oldestFirst, signal)) ids.push(id);
  return ids;
}

export function localOutbox(sessions: SessionStore): LocalOutbox {
  const entries = new Map<string, Entry>();
  let removals = 0;

  const note = (owed: Entry["owed"]) => entries.set(owed.key, { owed, attempts: 0, dueAt: 0, error: undefined });

  function oweVector(tenant: string, { userId, conversationId, id, role, name, content }: Message): void {
    if (content === "") return;
    const key = vectorKey(tenant, { userId, conversationId, messageId: id });
    note({ kind: "embed", key, tenant, userId, conversationId, messageId: id, revision: textRevision({ role, name, text: content }) });
  }

  function oweRemoval(tenant: string, userId: string, conversationId: string, messageIds: readonly string[]): void {
    for (let start = 0; start < messageIds.length; start += removalSize) {
      const some = messageIds.slice(start, start + removalSize);
      note({ kind: "forget", key: `removal ${++removals}`, tenant, userId, conversationId, messageIds: some });
    }
  }

  /** The entry is still about what was leased. */
  const holds = (item: OutboxItem) => {
    const held = entries.get(item.key)?.owed;
    return held !== undefined && (held.kind === "forget" || item.kind === "forget" || held.revision === item.revision);
  };

  /** Reads the messages behind the entries, a trip a tenant; those that are gone are owed nothing. */
  async function read(leased: readonly Entry[], signal: AbortSignal | undefined): Promise<OutboxItem[]> {
    const messages = new Map<string, StoredMessage>();
    for (const tenant of new Set(leased.map(({ owed }) => owed.tenant))) {
      const references = leased.flatMap(({ owed }) => (owed.kind === "embed" && owed.tenant === tenant ? [owed] : []));
      const stored = await sessions.getMessages({ tenant, userId: undefined, resourceId: undefined }, references, signal);
      for (const one of stored) messages.set(vectorKey(tenant, { ...one.message, messageId: one.message.id }), one);
    }
    return leased.flatMap(({ owed, attempts }): OutboxItem[] => {
      if (owed.kind === "forget") return [{ ...owed, attempts }];
      const message = messages.get(owed.key);
      if (message !== undefined && message.message.content !== "") return [{ ...owed, attempts, message }];
      entries.delete(owed.key);
      return [];
    });
  }

  return {
    async adopt() {},
    async lease(limit, leaseMs, which, signal) {
      const now = Date.now();
      const due = [...entries.values()].filter(
        ({ owed, dueAt, error }) => which.kinds.includes(owed.kind) && (dueAt <= now || (which.failed && error !== undefined)),
      );
      const leased = due.slice(0, limit);
      for (const entry of leased) Object.assign(entry, { attempts: entry.attempts + 1, dueAt: now + leaseMs, error: undefined });
      return read(leased, signal);
    },
    async renew(items, leaseMs) {
      for (const { key } of items) {
        const entry = entries.get(key);
        if (entry !== undefined) entry.dueAt = Date.now() + leaseMs;
      }
    },
    async settle(items) {
      const changed = items.filter((item) => !holds(item));
      for (const item of items) if (holds(item)) entries.delete(item.key);
      return changed;
    },
    async fail(items, error, retryAt) {
      for (const item of items) {
        const entry = entries.get(item.key);
        if (entry !== undefined && holds(item)) Object.assign(entry, { dueAt: retryAt.getTime(), error });
      }
    },
    async owe(tenant: string, references: readonly MessageReference[], signal) {
      for (const stored of await sessions.getMessages({ tenant, userId: undefined, resourceId: undefined }, references, signal))
        oweVector(tenant, stored.message);
    },
    async count(scope, kinds) {
      const counted = [...entries.values()].filter(
        ({ owed }) =>
          kinds.includes(owed.kind) &&
          (scope === undefined || owed.tenant === scope.tenant) &&
          (scope?.userId === undefined || owed.userId === scope.userId),
      );
      const failing = counted.filter(({ error }) => error !== undefined);
      const next = counted.reduce((least, { dueAt }) => Math.min(least, dueAt), Number.POSITIVE_INFINITY);
      return {
        pending: counted.length,
        failing: failing.length,
        lastError: failing[0]?.error,
        nextDueInMs: counted.length === 0 ? undefined : next - Date.now(),
      };
    },

    noteAppended(requests, answers) {
      requests.forEach((request, index) => {
        answers[index]?.forEach((message, position) => {
          if (request.messages[position]?.embedding === null) oweVector(request.tenant, message);
        });
      });
    },
    async noteErasing(scope, signal) {
      for (const id of await conversationIds(sessions, scope, signal)) await noteDeleting(scope, id, undefined, signal);
    },
    noteDeleting,
  };

  async function noteDeleting(
    scope: StoreScope,
    conversationId: string,
    messageIds: readonly string[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const conversation = await sessions.getConversation(scope, conversationId, signal);
    if (conversation === undefined) return;
    const { userId } = conversation;
    const ids = messageIds ?? (await allIds(sessions, { ...scope, userId }, conversationId, signal));
    for (const messageId of ids) entries.delete(vectorKey(scope.tenant, { userId, conversationId, messageId }));
    oweRemoval(scope.tenant, userId, conversationId, ids);
  }
}

const vectorKey = (tenant: string, { userId, conversationId, messageId }: MessageReference) =>
  JSON.stringify([tenant, userId, conversationId, messageId]);

async function allIds(
  sessions: SessionStore,
  scope: StoreScope,
  conversationId: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const ids: string[] = [];
  for (let beforeSeq: number | undefined; ; ) {
    const query = { limit: 1_000, beforeSeq, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
    const page = await sessions.listMessages(scope, conversationId, query, signal);
    ids.push(...(page?.items.map((message) => message.id) ?? []));
    if (page?.nextCursor === undefined) return ids;
    beforeSeq = Number(page.nextCursor);
  }
}
