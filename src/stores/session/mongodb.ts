import { InvalidArgumentError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { once } from "../../internal/once.ts";
import { append } from "../mongodb/append.ts";
import { type MongodbConnectionOptions, mongoGateway } from "../mongodb/connection.ts";
import {
  countAll,
  countConversations,
  createConversation,
  getConversation,
  listConversations,
  updateConversation,
} from "../mongodb/conversations.ts";
import { deleteConversation, deleteMessages, erase } from "../mongodb/erase.ts";
import { recoverOrphans } from "../mongodb/hold.ts";
import { describeConversations, exportMessages, getMessage, getMessages, listMessages } from "../mongodb/messages.ts";
import { mongoOutbox } from "../mongodb/outbox.ts";
import { prepareRecords, recordStoreOn } from "../mongodb/record-store.ts";
import { openSessions } from "../mongodb/session-database.ts";
import { searchText } from "../mongodb/text.ts";
import { takingRecords } from "../taking-records.ts";

/** Which MongoDB holds conversations and messages, where in it, and for how long. */
export interface MongodbSessionStoreOptions extends MongodbConnectionOptions {
  /** A conversation that nobody appends to for so long is deleted with its messages; each append begins the time anew. @default kept for good */
  readonly ttlSeconds?: number | undefined;
}

/** Conversations and messages in MongoDB: in transactions where the server has them, whole batches also where it has none. */
export function mongodbSessionStore(options: MongodbSessionStoreOptions = {}): SessionStore {
  const { language = "english", ttlSeconds } = options;
  if (ttlSeconds !== undefined && !(ttlSeconds > 0)) throw new InvalidArgumentError("ttlSeconds", "must be above 0");
  let hasText = true;
  const { during, close, health } = mongoGateway(options, async (connection) => {
    const database = await openSessions(connection, { language, ttlSeconds });
    await recoverOrphans(database);
    hasText = database.hasText;
    return database;
  });

  const search: NonNullable<SessionStore["searchText"]> = (query, signal) =>
    during("search text", signal, (database) => searchText(database, query));

  const openRecords = once(() => during("open records", undefined, ({ connection }) => prepareRecords(connection, language)));
  const records = recordStoreOn({
    during: (operation, signal, work) => during(operation, signal, async () => work(await openRecords())),
    close: async () => {},
    health,
  });

  const sessions: SessionStore = {
    name: "mongodb",
    guarantees,
    records,
    open: (signal) => during("open", signal, async () => {}),
    close,
    health,
    stats: (scope, signal) => during("stats", signal, (database) => countAll(database, scope)),

    append: (requests, signal) => during("append", signal, (database) => append(database, requests)),

    createConversation: (conversation, signal) =>
      during("create conversation", signal, (database) => createConversation(database, conversation)),
    getConversation: (scope, id, signal) => during("get conversation", signal, (database) => getConversation(database, scope, id)),
    updateConversation: (scope, id, changes, signal) =>
      during("update conversation", signal, (database) => updateConversation(database, scope, id, changes)),
    deleteConversation: (scope, id, signal) => during("delete conversation", signal, (database) => deleteConversation(database, scope, id)),
    listConversations: (scope, query, signal) =>
      during("list conversations", signal, (database) => listConversations(database, scope, query)),
    describeConversations: (scope, ids, _include, signal) =>
      during("list conversations", signal, (database) => describeConversations(database, scope, ids)),
    countConversations: (scope, signal) => during("count conversations", signal, (database) => countConversations(database, scope)),

    listMessages: (scope, conversationId, query, signal) =>
      during("list messages", signal, (database) => listMessages(database, scope, conversationId, query)),
    getMessage: (scope, conversationId, messageId, signal) =>
      during("get message", signal, (database) => getMessage(database, scope, conversationId, messageId)),
    deleteMessages: (scope, conversationId, messageIds, signal) =>
      during("delete messages", signal, (database) => deleteMessages(database, scope, conversationId, messageIds)),
    exportMessages: (scope, after, limit, signal) => during("export", signal, (database) => exportMessages(database, scope, after, limit)),
    erase: (scope, how, signal) => during("erase", signal, (database) => erase(database, scope, how)),

    getMessages: (scope, references, signal) => during("get messages", signal, (database) => getMessages(database, scope, references)),
    /** Absent once the server has refused a text index. */
    get searchText() {
      return (hasText ? search : undefined) as typeof search;
    },
    outbox: {
      adopt: (space, signal) => during("adopt embedding space", signal, (database) => mongoOutbox(database).adopt(space)),
      lease: (limit, leaseMs, which, signal) => during("lease", signal, (database) => mongoOutbox(database).lease(limit, leaseMs, which)),
      renew: (items, leaseMs) => during("renew", undefined, (database) => mongoOutbox(database).renew(items, leaseMs)),
      settle: (items, signal) => during("settle", signal, (database) => mongoOutbox(database).settle(items)),
      fail: (items, error, retryAt) => during("fail", undefined, (database) => mongoOutbox(database).fail(items, error, retryAt)),
      owe: (tenant, references, signal) => during("owe", signal, (database) => mongoOutbox(database).owe(tenant, references)),
      count: (scope, kinds, signal) => during("count owed", signal, (database) => mongoOutbox(database).count(scope, kinds)),
    },
    maintain: (signal) => during("maintain", signal, recoverOrphans),
  };
  const deletions = takingRecords({ ...sessions }, async () => records);
  return Object.assign(sessions, deletions);
}

const guarantees: SessionGuarantees = {
  durable: "required",
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
