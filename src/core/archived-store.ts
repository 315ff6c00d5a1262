import type { ArchiveEntry, ArchiveStore } from "../domain/archive-store.ts";
import type { Conversation } from "../domain/conversation.ts";
import { BackendError } from "../domain/errors.ts";
import type { MemoryStore, SettledItem } from "../domain/memory-store.ts";
import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ExportPosition, MessageReference, SessionStore, StoredMessage } from "../domain/session-store.ts";
import type { VectorSelection } from "../domain/vector-store.ts";
import { everyConversation } from "./every-conversation.ts";

/** How far back messages without text are looked for that came right before one with text. */
const textlessReach = 50;
/** Messages of one write, when a conversation is given to another owner. */
const copiedAtOnce = 1_000;

/** Any memory that can give its messages by name. */
export type ArchivableStore = MemoryStore & Pick<SessionStore, "getMessages">;

/**
 * A memory with an archive beside it. Each message is owed a vector; when the worker brings it, it copies the message to
 * the archive first, with the messages without text (tool calls and their results) that came right before it. An archive
 * that is down costs no vectors: they are stored, and the copy stays owed.
 */
export function archivedStore(store: ArchivableStore, archive: ArchiveStore): MemoryStore {
  async function copy(items: readonly SettledItem[], signal: AbortSignal | undefined): Promise<void> {
    const byTenant = Map.groupBy(
      items.filter(({ item, isDone }) => isDone && item.needsVector),
      ({ item }) => item.tenant,
    );
    for (const [tenant, some] of byTenant) {
      const references = some.flatMap(({ item }) => item.reference ?? []);
      const present = await store.getMessages({ tenant, userId: undefined, resourceId: undefined }, references, signal);
      const entries = await withTextless(store, tenant, present, signal);
      if (entries.length > 0) await archive.write(entries, signal);
    }
  }

  /**
   * What is deleted here must go there too: first, so that a failure leaves both as they were, and once more after, as a
   * worker may have brought a copy in between.
   */
  async function removing<Value>(selections: readonly VectorSelection[], work: () => Promise<Value>, signal: AbortSignal | undefined) {
    const removeAll = async () => {
      for (const selection of selections) await archive.remove(selection, signal);
    };
    try {
      await removeAll();
    } catch (error) {
      signal?.throwIfAborted();
      throw new BackendError(archive.name, "remove", "the archive failed, and nothing was deleted: call again", {
        cause: error,
        retryable: true,
      });
    }
    const value = await work();
    await removeAll().catch(() => {});
    return value;
  }

  // A branch goes message by message, so that the worker meets its messages and copies them.
  const { branchConversation: _branch, moveConversation, ...rest } = store;

  /** Copies of a conversation under its new owner, then none under the old one. */
  async function moveCopies(tenant: string, before: Conversation, after: Conversation, signal: AbortSignal | undefined): Promise<void> {
    const scope = { tenant, userId: after.userId, resourceId: undefined };
    let position: ExportPosition = { userId: after.userId, conversationId: after.id, seq: 0 };
    for (;;) {
      const rows = await store.exportMessages(scope, position, copiedAtOnce, signal);
      const own = rows.filter(({ message }) => message.conversationId === after.id);
      const references = own.map(({ message }) => ({ userId: message.userId, conversationId: after.id, messageId: message.id }));
      const whole = references.length === 0 ? [] : await store.getMessages(scope, references, signal);
      if (whole.length > 0)
        await archive.write(
          whole.map((one) => ({ ...one, tenant })),
          signal,
        );
      const last = own.at(-1)?.message;
      if (last === undefined || own.length < copiedAtOnce) break;
      position = { userId: last.userId, conversationId: last.conversationId, seq: last.seq };
    }
    if (after.userId !== before.userId) await archive.remove({ tenant, userId: before.userId, conversationId: before.id }, signal);
  }

  return {
    ...rest,
    ...(moveConversation && {
      async moveConversation(scope, id, to, signal) {
        const before = await store.getConversation(scope, id, signal);
        const after = before && (await moveConversation.call(store, scope, id, to, signal));
        if (before !== undefined && after !== undefined) await moveCopies(scope.tenant, before, after, signal);
        return after;
      },
    }),
    name: `${store.name} + archive in ${archive.name}`,
    // What is pruned must leave the archive too: the core deletes it.
    prunes: false,
    async open(signal) {
      await Promise.all([store.open(signal), archive.open(signal)]);
    },
    async close() {
      await Promise.all([store.close(), archive.close()]);
    },
    async health(signal) {
      const [health, beside] = await Promise.all([store.health(signal), archive.health(signal)]);
      // The memory answers without its archive: what is wrong there is told, and is not its failure.
      return { ...health, versions: { ...beside.versions, ...health.versions }, problem: health.problem ?? beside.problem };
    },
    async settleOwed(items, signal) {
      let failure: unknown;
      try {
        await copy(items, signal);
      } catch (error) {
        failure = error;
      }
      if (failure === undefined) return store.settleOwed(items, signal);
      await store.settleOwed(
        items.map((item) => ({ ...item, isDone: false })),
        signal,
      );
      throw failure;
    },
    async deleteConversation(scope, id, signal) {
      const found = await store.getConversation(scope, id, signal);
      if (found === undefined) return false;
      const selection = { tenant: scope.tenant, userId: found.userId, conversationId: id };
      return removing([selection], () => store.deleteConversation(scope, id, signal), signal);
    },
    async deleteMessages(scope, conversationId, messageIds, signal) {
      const owner = await store.getConversation(scope, conversationId, signal);
      if (owner === undefined) return undefined;
      const selection = { tenant: scope.tenant, userId: owner.userId, conversationId, messageIds };
      return removing([selection], () => store.deleteMessages(scope, conversationId, messageIds, signal), signal);
    },
    async erase(scope, options, signal) {
      const { tenant, userId } = scope;
      const selections =
        scope.resourceId === undefined
          ? [{ tenant, userId }]
          : (await ownedConversations(store, scope, signal)).map((one) => ({ tenant, userId: one.userId, conversationId: one.id }));
      return removing(selections, () => store.erase(scope, options, signal), signal);
    },
  };
}

async function withTextless(
  store: ArchivableStore,
  tenant: string,
  present: readonly StoredMessage[],
  signal: AbortSignal | undefined,
): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = present.map((one) => ({ ...one, tenant }));
  const byConversation = Map.groupBy(present, ({ message }) => JSON.stringify([message.userId, message.conversationId]));
  for (const some of byConversation.values()) {
    const [{ message, resourceId }] = some as [StoredMessage];
    const places = some.map((one) => one.message.seq);
    const query = {
      afterSeq: Math.max(0, Math.min(...places) - 1 - textlessReach),
      beforeSeq: Math.max(...places),
      before: undefined,
      after: undefined,
      roles: undefined,
      limit: 10_000,
    };
    const window = await store.listMessages(
      { tenant, userId: message.userId, resourceId: undefined },
      message.conversationId,
      query,
      signal,
    );
    const textless = runsBefore(window?.items ?? [], new Set(places));
    const references: MessageReference[] = textless.map(({ userId, conversationId, id }) => ({ userId, conversationId, messageId: id }));
    if (references.length === 0) continue;
    const whole = await store.getMessages({ tenant, userId: message.userId, resourceId }, references, signal);
    entries.push(...whole.map((one) => ({ ...one, tenant })));
  }
  return entries;
}

/** The messages without text that stand right before one of these places. */
function runsBefore(messages: readonly Message[], places: ReadonlySet<number>): Message[] {
  const runs: Message[] = [];
  let run: Message[] = [];
  const last = Math.max(...places);
  for (const message of messages) {
    if (message.content === "") run.push(message);
    else {
      if (places.has(message.seq)) runs.push(...run);
      run = [];
    }
  }
  // The window ends before the last place itself.
  if (messages.every(({ seq }) => seq < last)) runs.push(...run);
  return runs;
}

async function ownedConversations(store: MemoryStore, scope: StoreScope, signal: AbortSignal | undefined): Promise<Conversation[]> {
  const oldestFirst = { orderBy: "createdAt", direction: "asc", limit: 1_000 } as const;
  const found: Conversation[] = [];
  for await (const conversation of everyConversation(store, scope, oldestFirst, signal)) found.push(conversation);
  return found;
}
