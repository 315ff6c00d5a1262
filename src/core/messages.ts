import { InvalidArgumentError, MemoryError, NotFoundError } from "../domain/errors.ts";
import type { MessageChanges, Messages } from "../domain/memory.ts";
import type { Message, MessageInputObject } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import { appendMessages } from "./add-messages.ts";
import { forgetSources } from "./facts/write-facts.ts";
import type { MemoryCore } from "./memory-core.ts";
import { deleteVersions, keepVersion, readVersions } from "./message-history.ts";
import { normalizeMessages, validateId } from "./messages/normalize-message.ts";
import { narrowed } from "./scope.ts";
import { parseCount, parseTime } from "./validate.ts";

/** `messages` of a handle. */
export function messages(core: MemoryCore, scope: StoreScope): Messages {
  const missingConversation = (id: string) => new NotFoundError("conversation", id);

  async function get(conversationId: string, messageId: string, signal: AbortSignal | undefined): Promise<Message> {
    validateId("conversationId", conversationId);
    validateId("messageId", messageId);
    await core.open();
    const found = await core.store.getMessage(scope, conversationId, messageId, signal);
    if (found === undefined) throw new NotFoundError("message", messageId);
    return found;
  }

  async function remove(conversationId: string, ids: readonly string[] | undefined, signal: AbortSignal | undefined): Promise<number> {
    validateId("conversationId", conversationId);
    await core.open();
    const owner = await historyOwner(conversationId, signal);
    const count = await core.store.deleteMessages(scope, conversationId, ids, signal);
    if (count === undefined) throw missingConversation(conversationId);
    core.worker.wake();
    if (owner !== undefined) {
      await deleteVersions(owner.records, { ...owner.of, conversationId, messageIds: ids }, signal);
      await forgetSources(core, { records: owner.records, ...owner.of, signal }, conversationId, ids);
    }
    return count;
  }

  /** Whose history it is, and where; undefined when there is no place for any, or no such conversation. */
  async function historyOwner(conversationId: string, signal: AbortSignal | undefined) {
    const records = await core.records.openToDelete();
    if (records === undefined) return undefined;
    const userId = scope.userId ?? (await core.store.getConversation(scope, conversationId, signal))?.userId;
    return userId === undefined ? undefined : { records, of: { tenant: scope.tenant, userId } };
  }

  /** Keeps what the message was, where there is a place for records. Where that fails, the update goes on without. */
  async function keep(before: Message, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
    try {
      const records = await core.records.openToDelete();
      if (records === undefined) return async () => {};
      const conversation = await core.store.getConversation(scope, before.conversationId, signal);
      return await keepVersion(records, scope.tenant, conversation?.resourceId ?? "default", before, signal);
    } catch (error) {
      signal?.throwIfAborted();
      core.logger?.warn("[messages] what a message was before its update could not be kept", { reason: reasonOf(error) });
      return async () => {};
    }
  }

  async function update(
    conversationId: string,
    messageId: string,
    changes: MessageChanges,
    signal: AbortSignal | undefined,
  ): Promise<Message> {
    const before = await get(conversationId, messageId, signal);
    const message = changed(before, changes);
    normalizeMessages(message, new Date());
    const takeBack = await keep(before, signal);
    const request = {
      tenant: scope.tenant,
      userId: before.userId,
      conversationId,
      requiredResourceId: scope.resourceId,
      createConversation: false,
    };
    try {
      const [after] = (await appendMessages(core, request, [message], signal)) ?? [];
      if (after === undefined) throw new NotFoundError("message", messageId);
      return after;
    } catch (error) {
      // An abort leaves open whether the update lands: what the message was is then kept all the same.
      if (signal?.aborted !== true) await takeBack().catch(() => {});
      throw error;
    }
  }

  return {
    async list(conversationId, options = {}) {
      validateId("conversationId", conversationId);
      if (options.cursor !== undefined && !/^\d{1,15}$/.test(options.cursor)) {
        throw new InvalidArgumentError("cursor", "is not a cursor of this list: pass the nextCursor of a page");
      }
      const cursor = options.cursor === undefined ? undefined : Number(options.cursor);
      const bounds = [cursor, parsePlace("beforeSeq", options.beforeSeq)].filter((bound) => bound !== undefined);
      if (options.roles !== undefined && !Array.isArray(options.roles))
        throw new InvalidArgumentError("roles", "must be an array of roles");
      const query = {
        limit: parseCount("limit", options.limit, 100, 1, 10_000),
        beforeSeq: bounds.length === 0 ? undefined : Math.min(...bounds),
        afterSeq: parsePlace("afterSeq", options.afterSeq),
        before: parseTime("before", options.before),
        after: parseTime("after", options.after),
        roles: options.roles,
      };
      const within = narrowed(scope, { userId: options.userId });
      await core.open();
      const page = await core.store.listMessages(within, conversationId, query, options.signal);
      if (page === undefined) throw missingConversation(conversationId);
      return page;
    },

    get: (conversationId, messageId, options) => get(conversationId, messageId, options?.signal),

    // Each keeps what the one before it made: they take turns.
    update: (conversationId, messageId, changes, options) =>
      core.finished(
        core.writers.run([JSON.stringify(["message", scope.tenant, conversationId, messageId])], () =>
          update(conversationId, messageId, changes, options?.signal),
        ),
      ),

    async history(conversationId, messageId, options) {
      const { userId } = await get(conversationId, messageId, options?.signal);
      const records = await core.records.openToDelete();
      const of = { tenant: scope.tenant, userId, conversationId, messageIds: [messageId] };
      return records === undefined ? [] : readVersions(records, of, options?.signal);
    },

    delete: (conversationId, messageIds, options) =>
      remove(conversationId, typeof messageIds === "string" ? [messageIds] : messageIds, options?.signal),
    clear: (conversationId, options) => remove(conversationId, undefined, options?.signal),
  };
}

/** Only our own errors are known to hold no secrets. */
const reasonOf = (error: unknown) => (MemoryError.isInstance(error) ? error.message : "the store of records failed");

/** Any whole number: a place that is not there bounds as well. */
function parsePlace(field: string, place: number | undefined): number | undefined {
  return place === undefined ? undefined : parseCount(field, place, 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

/** The message as it shall be, written over itself by its id. */
function changed(before: Message, changes: MessageChanges): MessageInputObject {
  const payload =
    changes.parts === undefined && changes.content === undefined
      ? { parts: before.parts, ...(before.content === "" ? {} : { content: before.content }) }
      : {
          ...(changes.parts === undefined ? {} : { parts: changes.parts }),
          ...(changes.content === undefined ? {} : { content: changes.content }),
        };
  return {
    id: before.id,
    role: before.role,
    name: changes.name ?? before.name,
    metadata: changes.metadata ?? before.metadata,
    createdAt: before.createdAt,
    importance: changes.importance,
    ...payload,
  };
}
