import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { abortable } from "../../internal/abort.ts";
import { append, appendQueue, makeClock } from "../bigquery/append.ts";
import {
  countConversations,
  createConversation,
  findConversation,
  getConversation,
  listConversations,
  stats,
  toConversation,
  updateConversation,
} from "../bigquery/conversations.ts";
import { deleteConversation, deleteMessages, erase } from "../bigquery/deletion.ts";
import { describeConversations, exportMessages, findMessages, getMessages, ledger } from "../bigquery/messages.ts";
import { openTables } from "../bigquery/opened.ts";
import type { BigqueryConnectionOptions } from "../bigquery/rest.ts";
import { readWindow } from "../windows.ts";

export type { BigqueryClientLike, BigqueryCredentials } from "../bigquery/rest.ts";

/** Which BigQuery holds conversations and messages. */
export interface BigquerySessionStoreOptions extends BigqueryConnectionOptions {}

/**
 * Conversations and messages in BigQuery. Each call takes seconds and is billed for what it reads: for archives and
 * analytics. See docs/backends/bigquery.md for what it does not promise.
 */
export function bigquerySessionStore(options: BigquerySessionStoreOptions): SessionStore {
  const { opened, close, health } = openTables(options);
  const clock = makeClock();
  const inTurn = turns();
  const queue = appendQueue(async (requests) => {
    const rest = await opened();
    const ids = requests.map(({ tenant, conversationId }) => turnOf(tenant, conversationId));
    return inTurn([...new Set(ids)], () => append(rest, clock, requests));
  });

  return {
    name: "bigquery",
    guarantees,
    open: async (signal) => void (await opened(signal)),
    close,
    health,
    stats: async (scope, signal) => stats(await opened(signal), scope, signal),

    async append(requests, signal) {
      await opened(signal);
      return requests.length === 0 ? [] : abortable(queue(requests), signal);
    },
    async createConversation(conversation, signal) {
      const rest = await opened(signal);
      return inTurn([turnOf(conversation.tenant, conversation.id)], () => createConversation(rest, conversation, clock.next(), signal));
    },
    async getConversation(scope, id, signal) {
      const found = await getConversation(await opened(signal), scope, id, signal);
      return found === undefined ? undefined : toConversation(found);
    },
    async updateConversation(scope, id, changes, signal) {
      const rest = await opened(signal);
      return inTurn([turnOf(scope.tenant, id)], () => updateConversation(rest, scope, id, changes, clock.next(), signal));
    },
    async deleteConversation(scope, id, signal) {
      const rest = await opened(signal);
      return inTurn([turnOf(scope.tenant, id)], () => deleteConversation(rest, scope, id, signal));
    },
    listConversations: async (scope, query, signal) => listConversations(await opened(signal), scope, query, signal),
    describeConversations: async (scope, ids, _include, signal) => describeConversations(await opened(signal), scope, ids, signal),
    countConversations: async (scope, signal) => countConversations(await opened(signal), scope, signal),

    async listMessages(scope, conversationId, query, signal) {
      const rest = await opened(signal);
      const window = await readWindow(ledger(rest, scope, conversationId, signal), query);
      if (window.rows.length === 0 && (await findConversation(rest, scope, conversationId, signal)) === undefined) return undefined;
      return { items: window.rows.map(({ stored }) => stored.message), nextCursor: window.nextCursor };
    },
    async getMessage(scope, conversationId, messageId, signal) {
      const name = { tenant: scope.tenant, userId: scope.userId, conversationId, messageId };
      const [found] = await findMessages(await opened(signal), [name], scope.resourceId, signal);
      return found?.message;
    },
    async deleteMessages(scope, conversationId, messageIds, signal) {
      const rest = await opened(signal);
      return inTurn([turnOf(scope.tenant, conversationId)], () => deleteMessages(rest, scope, conversationId, messageIds, signal));
    },
    exportMessages: async (scope, after, limit, signal) => exportMessages(await opened(signal), scope, after, limit, signal),
    erase: async (scope, how, signal) => erase(await opened(signal), scope, how, signal),
    getMessages: async (scope, references, signal) => getMessages(await opened(signal), scope, references, signal),
  };
}

const guarantees: SessionGuarantees = {
  durable: "required",
  ordered: {
    level: "repaired",
    why: "messages that two processes write to one conversation at the same time are in an order that settles when both are stored",
  },
  idempotent: "required",
  atomic: {
    level: "repaired",
    why: "a process that dies while it makes a conversation may leave it without its first messages, until they are sent again",
  },
  closedWindows: "required",
  stablePages: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: {
    level: "repaired",
    why: "SQL of the past (FOR SYSTEM_TIME AS OF) reads deleted rows for two more days, the shortest BigQuery allows",
  },
  lossless: "required",
  outbox: {
    level: "not offered",
    why: "leasing work needs conditional writes in milliseconds; BigQuery allows few of them, and takes seconds",
  },
  text: { level: "not offered", why: "BigQuery searches words, and does not rank what it finds" },
};

const turnOf = (tenant: string, conversationId: string) => JSON.stringify([tenant, conversationId]);

/** Lets writes to the same conversation happen one after the other in this process: BigQuery itself has no row locks. */
function turns(): <Value>(keys: readonly string[], work: () => Promise<Value>) => Promise<Value> {
  const last = new Map<string, Promise<unknown>>();
  return async (keys, work) => {
    const before = keys.map((key) => last.get(key));
    const mine = Promise.all(before).then(work);
    const done = mine.catch(() => {});
    for (const key of keys) last.set(key, done);
    try {
      return await mine;
    } finally {
      for (const key of keys) if (last.get(key) === done) last.delete(key);
    }
  };
}
