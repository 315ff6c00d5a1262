import { BackendError, ConflictError, InvalidArgumentError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { AppendRequest, SessionStore } from "../../domain/session-store.ts";
import {
  appendMessages,
  type ConversationDocument,
  changeConversation,
  describe,
  documentOf,
  findMessage,
  isVisible,
  type MessageDocument,
  mayAppend,
  newDocument,
  removeMessages,
  toConversation,
  toMessage,
  toStored,
  trimMessages,
} from "../conversation-documents/document.ts";
import { conversationPage, exportPage, messagePage } from "../conversation-documents/pages.ts";
import { processOutbox } from "../memory/outbox.ts";
import { wordSearch } from "../memory/word-search.ts";
import { memoryRecordStore } from "../record/memory.ts";
import { takingRecords } from "../taking-records.ts";

/** How much this process keeps before it drops what is oldest. */
export interface MemorySessionStoreOptions {
  /** Beyond so many the oldest messages of a conversation are dropped, with the results of their tool calls. At least 1. @default no bound */
  readonly maxMessagesPerConversation?: number | undefined;
  /** Beyond so many, over all tenants, the conversations written to longest ago are dropped. At least 1. @default no bound */
  readonly maxConversations?: number | undefined;
}

/** Conversations and messages in this process, gone with it: for tests, for trials, for what need not last. */
export function memorySessionStore(options: MemorySessionStoreOptions = {}): SessionStore {
  const { maxMessagesPerConversation = Number.POSITIVE_INFINITY, maxConversations = Number.POSITIVE_INFINITY } = options;
  checkBound("maxMessagesPerConversation", maxMessagesPerConversation);
  checkBound("maxConversations", maxConversations);
  /** By tenant and id. */
  const tenants = new Map<string, Map<string, ConversationDocument>>();
  /** By tenant and user. */
  const owners = new Map<string, Map<string, Set<ConversationDocument>>>();
  /** In the order of their last writes, oldest first. */
  const written = new Set<ConversationDocument>();
  let isClosed = false;

  const enter = (signal?: AbortSignal) => {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("memory", "call", "the store is closed: open a memory anew", { code: "closed" });
  };
  const find = (tenant: string, id: string) => tenants.get(tenant)?.get(id);
  const visible = (scope: StoreScope, id: string) => {
    const document = find(scope.tenant, id);
    return document !== undefined && isVisible(document, scope) ? document : undefined;
  };
  const within = (scope: StoreScope): ConversationDocument[] => {
    const all = scope.userId === undefined ? tenants.get(scope.tenant)?.values() : owners.get(scope.tenant)?.get(scope.userId);
    return [...(all ?? [])].filter((document) => isVisible(document, scope));
  };
  const owed = processOutbox(() => written, find, enter);
  const words = wordSearch();

  function touch(document: ConversationDocument): void {
    written.delete(document);
    written.add(document);
  }

  function insert(document: ConversationDocument): void {
    const { tenant, userId, id } = document;
    getOrMake(tenants, tenant, () => new Map()).set(id, document);
    const users = getOrMake(owners, tenant, () => new Map<string, Set<ConversationDocument>>());
    getOrMake(users, userId, () => new Set()).add(document);
    touch(document);
  }

  function noteRemoved(document: ConversationDocument, messages: readonly MessageDocument[]): void {
    owed.noteRemoved(document, messages);
    words.noteRemoved(document, messages);
  }

  function drop(document: ConversationDocument): void {
    const { tenant, userId, id } = document;
    noteRemoved(document, document.messages);
    written.delete(document);
    tenants.get(tenant)?.delete(id);
    if (tenants.get(tenant)?.size === 0) tenants.delete(tenant);
    const users = owners.get(tenant);
    users?.get(userId)?.delete(document);
    if (users?.get(userId)?.size === 0) users.delete(userId);
    if (users?.size === 0) owners.delete(tenant);
  }

  function dropOldest(): void {
    for (const document of written) {
      if (written.size <= maxConversations) return;
      drop(document);
    }
  }

  function appendOne(request: AppendRequest): Message[] | undefined {
    let document = find(request.tenant, request.conversationId);
    if (document === undefined) {
      if (!request.createConversation) return undefined;
      document = documentOf(request);
      insert(document);
    } else if (!mayAppend(document, request)) return undefined;
    else touch(document);
    const stored = appendMessages(document, request.messages);
    stored.forEach(({ message, replaced, isChanged }, index) => {
      const isBrought = request.messages[index]?.embedding !== null;
      if (isChanged || isBrought) owed.noteWritten(document, message, isBrought);
      words.noteWritten(document, message, replaced);
    });
    noteRemoved(document, trimMessages(document, maxMessagesPerConversation));
    return stored.map(({ message }) => toMessage(document, message));
  }

  const records = memoryRecordStore();
  const sessions: SessionStore = {
    name: "memory",
    guarantees,
    records: { ...records, close: async () => {} },

    async open(signal) {
      enter(signal);
    },
    async close() {
      isClosed = true;
      for (const kept of [tenants, owners, written]) kept.clear();
      await records.close();
    },
    async health() {
      const problem = isClosed ? "[memory] the store is closed: open a memory anew" : undefined;
      return { ok: !isClosed, store: "memory", latencyMs: isClosed ? undefined : 0, versions: {}, problem };
    },
    async stats(scope, signal) {
      enter(signal);
      const documents = within({ ...scope, resourceId: undefined });
      return {
        conversations: documents.length,
        messages: documents.reduce((sum, document) => sum + document.messages.length, 0),
        users: new Set(documents.map((document) => document.userId)).size,
      };
    },

    async append(requests, signal) {
      enter(signal);
      const answers = requests.map(appendOne);
      dropOldest();
      return answers;
    },

    async createConversation(conversation, signal) {
      enter(signal);
      const { tenant, id } = conversation;
      if (find(tenant, id) !== undefined)
        throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
      const document = newDocument(conversation, Date.now());
      insert(document);
      dropOldest();
      return toConversation(document);
    },
    async getConversation(scope, id, signal) {
      enter(signal);
      const document = visible(scope, id);
      return document === undefined ? undefined : toConversation(document);
    },
    async updateConversation(scope, id, changes, signal) {
      enter(signal);
      const document = visible(scope, id);
      if (document === undefined) return undefined;
      changeConversation(document, changes, Date.now());
      touch(document);
      return toConversation(document);
    },
    async deleteConversation(scope, id, signal) {
      enter(signal);
      const document = visible(scope, id);
      if (document !== undefined) drop(document);
      return document !== undefined;
    },
    async listConversations(scope, query, signal) {
      enter(signal);
      return conversationPage(within(scope), query);
    },
    async describeConversations(scope, ids, _include, signal) {
      enter(signal);
      return ids.map((id) => describe(visible(scope, id)));
    },
    async moveConversation(scope, id, { userId, resourceId }, signal) {
      enter(signal);
      const document = visible(scope, id);
      if (document === undefined) return undefined;
      const messages = document.messages;
      drop(document);
      document.userId = userId ?? document.userId;
      document.resourceId = resourceId ?? document.resourceId;
      insert(document);
      for (const message of messages) {
        owed.noteWritten(document, message, false);
        words.noteWritten(document, message, undefined);
      }
      return toConversation(document);
    },
    async countConversations(scope, signal) {
      enter(signal);
      return within(scope).length;
    },

    async listMessages(scope, conversationId, query, signal) {
      enter(signal);
      const document = visible(scope, conversationId);
      return document === undefined ? undefined : messagePage(document, query);
    },
    async getMessage(scope, conversationId, messageId, signal) {
      enter(signal);
      const document = visible(scope, conversationId);
      const message = document === undefined ? undefined : findMessage(document, messageId);
      return document === undefined || message === undefined ? undefined : toMessage(document, message);
    },
    async deleteMessages(scope, conversationId, messageIds, signal) {
      enter(signal);
      const document = visible(scope, conversationId);
      if (document === undefined) return undefined;
      const removed = removeMessages(document, messageIds);
      noteRemoved(document, removed);
      return removed.length;
    },
    async exportMessages(scope, after, limit, signal) {
      enter(signal);
      return exportPage(within(scope), after, limit);
    },
    async erase(scope, _options, signal) {
      enter(signal);
      const documents = within(scope);
      const messages = documents.reduce((sum, document) => sum + document.messages.length, 0);
      for (const document of documents) drop(document);
      return { conversations: documents.length, messages };
    },

    async getMessages(scope, references, signal) {
      enter(signal);
      const found = new Map(
        references.map((reference) => {
          const document = visible(scope, reference.conversationId);
          const isOwn = document?.userId === reference.userId;
          return [isOwn ? findMessage(document, reference.messageId) : undefined, document];
        }),
      );
      return [...found].flatMap(([message, document]) =>
        message === undefined || document === undefined ? [] : [toStored(document, message)],
      );
    },
    async searchText(query, signal) {
      enter(signal);
      return words.search(within(query.scope), query);
    },
    outbox: owed.outbox,
  };
  return { ...sessions, ...takingRecords(sessions, async () => records) };
}

const guarantees: SessionGuarantees = {
  durable: { level: "not offered", why: "everything is in this process and gone with it" },
  ordered: "required",
  idempotent: "required",
  atomic: "required",
  closedWindows: "required",
  stablePages: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  outbox: "required",
  text: "required",
};

function checkBound(field: string, bound: number): void {
  if (bound !== Number.POSITIVE_INFINITY && !(Number.isInteger(bound) && bound >= 1))
    throw new InvalidArgumentError(field, "must be a whole number of at least 1");
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
