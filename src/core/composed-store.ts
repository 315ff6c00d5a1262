import { MemoryError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { OwedItem, SettledItem } from "../domain/memory-store.ts";
import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import { textRevision } from "../domain/search-text.ts";
import type {
  AppendRequest,
  MessageReference,
  Outbox,
  OwedRemoval,
  OwedVector,
  SessionStore,
  StoredMessage,
} from "../domain/session-store.ts";
import type { VectorEntry, VectorStore } from "../domain/vector-store.ts";
import type { ArchivableStore } from "./archived-store.ts";
import { composedRecall, referenceOf } from "./composed-recall.ts";
import { localOutbox } from "./local-outbox.ts";

/** How long a removal of vectors may take before another worker tries it. */
const removalLeaseMs = 30_000;
const removalsAtOnce = 100;
const removalRetryMs = 10_000;

/**
 * Makes one memory of a session store and a vector store that know nothing of each other.
 *
 * The session store is the truth: it says which vectors are owed and which must go, in the same step as the change they
 * follow from, and every vector that is found is looked up in it. So a vector store that is down, late or behind costs
 * hits by meaning until it is back, and never an acknowledged message.
 */
export function composedStore(sessions: SessionStore, vectors: VectorStore | undefined, logger: Logger | undefined): ArchivableStore {
  const local = sessions.outbox === undefined && vectors !== undefined ? localOutbox(sessions) : undefined;
  const outbox: Outbox | undefined = sessions.outbox ?? local;
  const leased = new WeakMap<OwedItem, OwedVector>();
  const repairs = new Set<Promise<unknown>>();

  /** Deletes the vectors of deleted messages. What fails stays owed, and its error is returned. */
  async function removeVectors(failed: boolean, signal: AbortSignal | undefined): Promise<unknown> {
    if (outbox === undefined || vectors === undefined) return undefined;
    for (;;) {
      const items = await outbox.lease(removalsAtOnce, removalLeaseMs, { kinds: ["forget"], failed }, signal);
      const removals = items.filter((item): item is OwedRemoval => item.kind === "forget");
      if (removals.length === 0) return undefined;
      try {
        for (const removal of removals) await removeOne(removal, signal);
        await outbox.settle(removals, signal);
      } catch (error) {
        logger?.warn("[memory] vectors of deleted messages could not be removed: it will be tried again", { removals: removals.length });
        await outbox.fail(removals, messageOf(error), new Date(Date.now() + removalRetryMs)).catch(() => {});
        return error;
      }
    }
  }

  /** A message of the same id may be there anew: its vector is another matter. */
  async function removeOne({ tenant, userId, conversationId, messageIds }: OwedRemoval, signal: AbortSignal | undefined): Promise<void> {
    const references = messageIds.map((messageId) => ({ userId, conversationId, messageId }));
    const present = await sessions.getMessages({ tenant, userId, resourceId: undefined }, references, signal);
    // One whose text was taken away has no vector either.
    const kept = new Set(present.filter(({ message }) => message.content !== "").map(({ message }) => message.id));
    const gone = messageIds.filter((id) => !kept.has(id));
    if (gone.length > 0) await vectors?.delete({ tenant, userId, conversationId, messageIds: gone }, signal);
  }

  /** What the vector store still has of messages that are no more, found out by a recall. */
  function repair(tenant: string, gone: readonly MessageReference[]): void {
    if (gone.length === 0 || vectors === undefined) return;
    const work = (async () => {
      for (const { userId, conversationId, messageId } of gone)
        await removeOne({ kind: "forget", key: "", attempts: 0, tenant, userId, conversationId, messageIds: [messageId] }, undefined);
    })().catch(() => {});
    repairs.add(work);
    void work.finally(() => repairs.delete(work));
  }

  /** Runs a delete, and then takes along what the vector store has of it. */
  async function removing<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
    const value = await work;
    await removeVectors(false, signal).catch((error: unknown) => {
      logger?.warn("[memory] vectors of deleted messages could not be removed: it will be tried again", { reason: messageOf(error) });
    });
    return value;
  }

  /** Vectors the caller brought are owed by nobody else: they are stored before the call resolves. */
  async function storeBrought(requests: readonly AppendRequest[], answers: readonly (readonly Message[] | undefined)[]): Promise<void> {
    if (vectors === undefined) return;
    for (const [index, { tenant, messages }] of requests.entries()) {
      const brought = new Map<string, Float32Array>();
      for (const { id, embedding, text } of messages) if (embedding !== null && text !== "") brought.set(id, embedding);
      const stored = answers[index]?.filter((message) => brought.has(message.id)) ?? [];
      const [first] = stored;
      if (first === undefined) continue;
      // Which resource a conversation belongs to, only the store knows.
      const whole = await sessions.getMessages({ tenant, userId: first.userId, resourceId: undefined }, stored.map(referenceOf));
      await vectors.upsert(whole.map((one) => toEntry(tenant, one, brought.get(one.message.id) as Float32Array)));
    }
  }

  return {
    name: vectors === undefined || vectors.name === sessions.name ? sessions.name : `${sessions.name} + ${vectors.name}`,
    ...(sessions.records === undefined ? {} : { records: sessions.records }),

    async open(signal) {
      await Promise.all([sessions.open(signal), vectors?.open(signal)]);
    },
    async close() {
      await Promise.all(repairs);
      await Promise.all([sessions.close(), vectors?.close()]);
    },
    async health(signal) {
      const [health, beside] = await Promise.all([sessions.health(signal), vectors?.health(signal)]);
      if (beside === undefined) return health;
      return {
        ok: health.ok && beside.ok,
        store: `${health.store} + ${beside.store}`,
        latencyMs:
          health.latencyMs === undefined || beside.latencyMs === undefined ? undefined : Math.max(health.latencyMs, beside.latencyMs),
        versions: { ...beside.versions, ...health.versions },
        problem: health.problem ?? beside.problem,
      };
    },
    async stats(scope, signal) {
      let unreachable: string | undefined;
      const [counts, stored, owed] = await Promise.all([
        sessions.stats(scope, signal),
        vectors?.count(scope, signal).catch((error: unknown) => {
          signal?.throwIfAborted();
          unreachable = messageOf(error);
          return 0;
        }),
        outbox?.count(scope, ["embed", "forget"], signal),
      ]);
      const { pending = 0, failing = 0, lastError } = owed ?? {};
      return { ...counts, vectors: stored ?? 0, owed: { pending, failing, lastError: lastError ?? unreachable } };
    },

    async append(requests, signal) {
      const answers = await sessions.append(requests, signal);
      local?.noteAppended(requests, answers);
      await storeBrought(requests, answers);
      return answers;
    },
    // Called as methods: a store may be an instance of a class.
    createConversation: (...given) => sessions.createConversation(...given),
    getConversation: (...given) => sessions.getConversation(...given),
    updateConversation: (...given) => sessions.updateConversation(...given),
    listConversations: (...given) => sessions.listConversations(...given),
    countConversations: (...given) => sessions.countConversations(...given),
    ...optional(),
    listMessages: (...given) => sessions.listMessages(...given),
    getMessage: (...given) => sessions.getMessage(...given),
    getMessages: (...given) => sessions.getMessages(...given),
    exportMessages: (...given) => sessions.exportMessages(...given),
    async deleteConversation(scope, id, signal) {
      await local?.noteDeleting(scope, id, undefined, signal);
      return removing(sessions.deleteConversation(scope, id, signal), signal);
    },
    async deleteMessages(scope, conversationId, messageIds, signal) {
      await local?.noteDeleting(scope, conversationId, messageIds, signal);
      return removing(sessions.deleteMessages(scope, conversationId, messageIds, signal), signal);
    },
    async erase(scope, options, signal) {
      await local?.noteErasing(scope, signal);
      const erased = await removing(sessions.erase(scope, options, signal), signal);
      // Without a resource everything of the user goes, also what no message stands behind any more.
      if (scope.resourceId === undefined) await vectors?.delete({ tenant: scope.tenant, userId: scope.userId }, signal);
      return erased;
    },

    async recall(query, signal) {
      const { gone, ...answer } = await composedRecall(sessions, vectors, query, signal, logger);
      repair(query.scope.tenant, gone);
      return answer;
    },

    async useSpace(space, signal) {
      if (vectors === undefined) return;
      await vectors.useSpace(space, signal);
      await outbox?.adopt(`${vectors.name} ${space.model} ${space.dimensions}`, signal);
    },
    async leaseOwed(limit, leaseMs, { vectors: canEmbed, failed }, signal) {
      const failure = await removeVectors(failed, signal);
      // Who waits for everything to be done is told; a background worker comes back to it.
      if (failed && failure !== undefined) throw failure;
      if (outbox === undefined || vectors === undefined || !canEmbed) return [];
      const items = await outbox.lease(limit, leaseMs, { kinds: ["embed"], failed }, signal);
      return items.flatMap((item): OwedItem[] => {
        if (item.kind !== "embed") return [];
        const owed = toOwed(item);
        leased.set(owed, item);
        return [owed];
      });
    },
    renewOwed: async (items, leaseMs) => outbox?.renew(originals(items), leaseMs),
    async settleOwed(items, signal) {
      if (outbox === undefined || vectors === undefined || items.length === 0) return;
      const made = items.flatMap(({ item, vector }) => {
        const owed = leased.get(item);
        return owed === undefined || vector === undefined ? [] : [toEntry(owed.tenant, owed.message, vector, owed.revision)];
      });
      if (made.length > 0) await vectors.upsert(made, signal);
      await removeVectorless(items, signal);
      const done = items.filter((item) => item.isDone).map(({ item }) => item);
      const changed = await outbox.settle(originals(done), signal);
      await settleChanged(changed, signal);
    },
    failOwed: async (items, error, retryAt) => outbox?.fail(originals(items), error, retryAt),
    async owed(canEmbed, signal) {
      const count = await outbox?.count(undefined, canEmbed ? ["embed", "forget"] : ["forget"], signal);
      return { count: vectors === undefined ? 0 : (count?.pending ?? 0), nextDueInMs: count?.nextDueInMs };
    },
    async maintain(signal) {
      await Promise.all([sessions.maintain?.(signal), vectors?.maintain?.(signal)]);
    },
  };

  /** What only some stores offer. Without an outbox of theirs nobody would owe what these changes owe. */
  function optional(): Pick<ArchivableStore, OptionalMethod> {
    const { describeConversations, moveConversation, branchConversation, findConversations, searchText } = sessions;
    return {
      ...(describeConversations && { describeConversations: (...given) => describeConversations.apply(sessions, given) }),
      ...(findConversations && { findConversations: (...given) => findConversations.apply(sessions, given) }),
      ...(searchText && { searchText: (...given) => searchText.apply(sessions, given) }),
      ...(moveConversation &&
        local === undefined && {
          moveConversation: (scope, id, to, signal) => removing(moveConversation.call(sessions, scope, id, to, signal), signal),
        }),
      ...(branchConversation && local === undefined && { branchConversation: (...given) => branchConversation.apply(sessions, given) }),
    };
  }

  function originals(items: readonly OwedItem[]): OwedVector[] {
    return items.flatMap((item) => leased.get(item) ?? []);
  }

  /** A text without a known word has no vector, and must not keep the one of an earlier text. */
  async function removeVectorless(items: readonly SettledItem[], signal: AbortSignal | undefined): Promise<void> {
    for (const { item, vector, isDone } of items) {
      const owed = leased.get(item);
      if (owed === undefined || vector !== undefined || !isDone) continue;
      const { tenant, userId, conversationId, message } = owed;
      await vectors?.delete({ tenant, userId, conversationId, messageIds: [message.message.id] }, signal);
    }
  }

  /**
   * Messages that were changed or deleted while their vectors were made. Ours may have overwritten a newer one, so a
   * changed message is owed again; of a deleted one nothing may stay.
   */
  async function settleChanged(changed: Awaited<ReturnType<Outbox["settle"]>>, signal: AbortSignal | undefined): Promise<void> {
    for (const item of changed) {
      if (item.kind !== "embed") continue;
      const { tenant, userId, conversationId } = item;
      const reference = referenceOf(item.message.message);
      const scope: StoreScope = { tenant, userId, resourceId: undefined };
      const present = await sessions.getMessages(scope, [reference], signal);
      if (present.length > 0) await outbox?.owe(tenant, [reference], signal);
      else await vectors?.delete({ tenant, userId, conversationId, messageIds: [reference.messageId] }, signal);
    }
  }
}

type OptionalMethod = "describeConversations" | "moveConversation" | "branchConversation" | "findConversations" | "searchText";

function toOwed(item: OwedVector): OwedItem {
  const { message } = item.message;
  return {
    tenant: item.tenant,
    userId: item.userId,
    entry: item.key,
    reference: referenceOf(message),
    revision: item.revision,
    needsVector: true,
    needsContext: false,
    role: message.role,
    name: message.name ?? null,
    text: message.content,
    previous: [],
    attempts: item.attempts,
  };
}

function toEntry(tenant: string, stored: StoredMessage, vector: Float32Array, revision?: string): VectorEntry {
  const { message, resourceId, importance } = stored;
  return {
    tenant,
    ...referenceOf(message),
    resourceId,
    seq: message.seq,
    role: message.role,
    createdAt: message.createdAt,
    importance,
    revision: revision ?? textRevision({ role: message.role, name: message.name, text: message.content }),
    metadata: message.metadata,
    vector,
  };
}

/** Only our own errors are known to hold no secrets. */
const messageOf = (error: unknown) => (MemoryError.isInstance(error) ? error.message : "the vector store failed");
