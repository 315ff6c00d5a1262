import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { append } from "../sqlite/append.ts";
import {
  countConversations,
  createConversation,
  findConversation,
  listConversations,
  sessionStats,
  toConversation,
  updateConversation,
} from "../sqlite/conversations.ts";
import { type SqliteFile, type SqliteFileOptions, sqliteFile } from "../sqlite/database.ts";
import { deleteConversation, deleteMessages, erase } from "../sqlite/erase.ts";
import {
  type ConversationKey,
  exportMessages,
  findMessage,
  findPartners,
  getMessages,
  type LedgerRow,
  toMessage,
  windowRows,
} from "../sqlite/messages.ts";
import { describeConversation, moveConversation } from "../sqlite/move-conversation.ts";
import { adopt, countOwed, fail, lease, owe, renew, settle } from "../sqlite/outbox.ts";
import { recordSchema } from "../sqlite/record-schema.ts";
import { recordStoreIn } from "../sqlite/record-store.ts";
import { sessionSchema } from "../sqlite/session-schema.ts";
import { searchText } from "../sqlite/words.ts";
import { readWindow, type WindowReader } from "../windows.ts";

/** Which SQLite file holds conversations and messages. */
export interface SqliteSessionStoreOptions extends SqliteFileOptions {}

/** Conversations, messages and their words in one SQLite file, which several processes may open. Needs no package. */
export function sqliteSessionStore(
  options: SqliteSessionStoreOptions = {},
): SessionStore & Required<Pick<SessionStore, "outbox" | "records">> {
  const file = sqliteFile(options, sessionSchema, recordSchema);
  return {
    name: "sqlite",
    guarantees,
    open: file.open,
    close: file.close,
    health: file.health,
    stats: (scope, signal) => file.read("stats", signal, (rows) => sessionStats(rows, scope)),

    append: (requests, signal) => file.write("append", signal, (rows) => append(rows, requests)),
    createConversation: (conversation, signal) =>
      file.write("create conversation", signal, (rows) => createConversation(rows, conversation)),
    getConversation: (scope, id, signal) =>
      file.read("get conversation", signal, (rows) => {
        const row = findConversation(rows, scope, id);
        return row && toConversation(row);
      }),
    updateConversation: (scope, id, changes, signal) =>
      file.write("update conversation", signal, (rows) => updateConversation(rows, scope, id, changes)),
    deleteConversation: (scope, id, signal) => file.write("delete conversation", signal, (rows) => deleteConversation(rows, scope, id)),
    listConversations: (scope, query, signal) => file.read("list conversations", signal, (rows) => listConversations(rows, scope, query)),
    describeConversations: (scope, ids, _include, signal) =>
      file.read("list conversations", signal, (rows) => ids.map((id) => describeConversation(rows, scope, id))),
    moveConversation: (scope, id, to, signal) => file.write("move conversation", signal, (rows) => moveConversation(rows, scope, id, to)),
    countConversations: (scope, signal) => file.read("count conversations", signal, (rows) => countConversations(rows, scope)),

    async listMessages(scope, conversationId, query, signal) {
      const key = await findKey(file, scope, conversationId, signal);
      if (key === undefined) return undefined;
      const window = await readWindow(ledger(file, key, signal), query);
      return { items: window.rows.map(({ row }) => toMessage(row)), nextCursor: window.nextCursor };
    },
    getMessage: (scope, conversationId, messageId, signal) =>
      file.read("get message", signal, (rows) => {
        const conversation = findConversation(rows, scope, conversationId);
        const row = conversation && findMessage(rows, [scope.tenant, conversation.user_id, conversationId], messageId);
        return row && toMessage(row);
      }),
    deleteMessages: (scope, conversationId, messageIds, signal) =>
      file.write("delete messages", signal, (rows) => deleteMessages(rows, scope, conversationId, messageIds)),
    exportMessages: (scope, after, limit, signal) => file.read("export", signal, (rows) => exportMessages(rows, scope, after, limit)),
    async erase(scope, { compact }, signal) {
      const erased = await file.write("erase", signal, (rows) => erase(rows, scope));
      if (compact) await file.compact(signal, ["words", "record_words"]);
      return erased;
    },

    getMessages: (scope, references, signal) => file.read("get messages", signal, (rows) => getMessages(rows, scope, references)),
    searchText: (query, signal) => file.read("search text", signal, (rows) => searchText(rows, query)),
    outbox: {
      adopt: (space, signal) => file.write("adopt embedding space", signal, (rows) => adopt(rows, space)),
      lease: (limit, leaseMs, which, signal) => file.write("lease", signal, (rows) => lease(rows, limit, leaseMs, which)),
      renew: (items, leaseMs) => file.write("renew", undefined, (rows) => renew(rows, items, leaseMs)),
      settle: (items, signal) => file.write("settle", signal, (rows) => settle(rows, items)),
      fail: (items, error, retryAt) => file.write("fail", undefined, (rows) => fail(rows, items, error, retryAt)),
      owe: (tenant, references, signal) => file.write("owe", signal, (rows) => owe(rows, tenant, references)),
      count: (scope, kinds, signal) => file.read("count owed", signal, (rows) => countOwed(rows, scope, kinds)),
    },
    records: recordStoreIn(file, async () => {}),
  };
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

/** Undefined: the scope has no such conversation. */
async function findKey(
  file: SqliteFile,
  scope: StoreScope,
  conversationId: string,
  signal: AbortSignal | undefined,
): Promise<ConversationKey | undefined> {
  const conversation = await file.read("list messages", signal, (rows) => findConversation(rows, scope, conversationId));
  return conversation && [scope.tenant, conversation.user_id, conversationId];
}

/** A conversation as windows are read from it. */
function ledger(file: SqliteFile, key: ConversationKey, signal: AbortSignal | undefined): WindowReader<LedgerRow> {
  return {
    rows: (query) => file.read("list messages", signal, (rows) => windowRows(rows, key, query)),
    partners: (edges) => file.read("list messages", signal, (rows) => findPartners(rows, key, edges)),
  };
}
