import { InvalidArgumentError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { Outbox, SessionStore } from "../../domain/session-store.ts";
import { type RedisConnectionOptions, redis } from "../redis/session-connection.ts";
import {
  countConversations,
  createConversation,
  getConversation,
  listConversations,
  type Swept,
  sessionStats,
  sweep,
  updateConversation,
} from "../redis/session-conversations.ts";
import { spaceKey } from "../redis/session-keys.ts";
import {
  append,
  deleteConversation,
  deleteMessages,
  describeConversations,
  erase,
  exportMessages,
  getMessage,
  getMessages,
  listMessages,
} from "../redis/session-messages.ts";
import { adopt, count, fail, lease, owe, renew, settle } from "../redis/session-outbox.ts";
import type { RedisSpace } from "../redis/session-space.ts";

/** Which Redis holds conversations and messages, under which keys, and for how long. */
export interface RedisSessionStoreOptions extends RedisConnectionOptions {
  /** Of every key; nothing outside of it is read or written. @default "unforget:" */
  readonly keyPrefix?: string | undefined;
  /** How long a conversation lives after it was last read or written; it covers all that belongs to it. @default for ever */
  readonly ttlSeconds?: number | undefined;
}

/** How long a process may not notice that another one began to owe vectors. */
const spaceAgeMs = 1_000;

/** Conversations and messages in Redis, on one server or a cluster. Has no full-text search. */
export function redisSessionStore(options: RedisSessionStoreOptions = {}): SessionStore & { readonly outbox: Outbox } {
  const { keyPrefix = "unforget:", ttlSeconds } = options;
  if (ttlSeconds !== undefined && !(ttlSeconds > 0 && Number.isFinite(ttlSeconds)))
    throw new InvalidArgumentError("ttlSeconds", "must be a number of seconds above 0");
  const connection = redis(options);
  const known = { owes: false, until: 0 };
  const swept: Swept = { tenant: "", offset: 0 };

  const during = <Value>(operation: string, signal: AbortSignal | undefined, work: (space: RedisSpace) => Promise<Value>) =>
    connection.during(operation, signal, async (opened) => {
      if (!known.owes && Date.now() > known.until) {
        known.owes = (await opened.run("EXISTS", spaceKey(keyPrefix))) === 1;
        known.until = Date.now() + spaceAgeMs;
      }
      const ttlMs = ttlSeconds === undefined ? 0 : Math.max(1, Math.round(ttlSeconds * 1000));
      return work({ connection: opened, prefix: keyPrefix, ttlMs, owes: known.owes });
    });

  return {
    name: "redis",
    guarantees: options.cluster === true ? clusterGuarantees : guarantees,
    open: (signal) => connection.open(signal),
    close: () => connection.close(),
    health: (signal) => connection.health(signal),
    stats: (scope, signal) => during("stats", signal, (space) => sessionStats(space, scope)),

    append: (requests, signal) => during("append", signal, (space) => append(space, requests)),
    createConversation: (conversation, signal) => during("create conversation", signal, (space) => createConversation(space, conversation)),
    getConversation: (scope, id, signal) => during("get conversation", signal, (space) => getConversation(space, scope, id)),
    updateConversation: (scope, id, changes, signal) =>
      during("update conversation", signal, (space) => updateConversation(space, scope, id, changes)),
    deleteConversation: (scope, id, signal) =>
      during("delete conversation", signal, async (space) => (await deleteConversation(space, scope, id)) !== undefined),
    listConversations: (scope, query, signal) => during("list conversations", signal, (space) => listConversations(space, scope, query)),
    describeConversations: (scope, ids, _include, signal) =>
      during("list conversations", signal, (space) => describeConversations(space, scope, ids)),
    countConversations: (scope, signal) => during("count conversations", signal, (space) => countConversations(space, scope)),

    listMessages: (scope, id, query, signal) => during("list messages", signal, (space) => listMessages(space, scope, id, query)),
    getMessage: (scope, id, messageId, signal) => during("get message", signal, (space) => getMessage(space, scope, id, messageId)),
    deleteMessages: (scope, id, ids, signal) => during("delete messages", signal, (space) => deleteMessages(space, scope, id, ids)),
    exportMessages: (scope, after, limit, signal) => during("export", signal, (space) => exportMessages(space, scope, after, limit)),
    erase: (scope, _, signal) => during("erase", signal, (space) => erase(space, scope)),

    getMessages: (scope, references, signal) => during("get messages", signal, (space) => getMessages(space, scope, references)),
    maintain: (signal) => during("maintain", signal, (space) => sweep(space, swept)),
    outbox: {
      adopt: (name, signal) =>
        during("adopt embedding space", signal, async (space) => {
          await adopt(space, name);
          known.owes = true;
        }),
      lease: (limit, leaseMs, which, signal) => during("lease", signal, (space) => lease(space, limit, leaseMs, which)),
      renew: (items, leaseMs) => during("renew", undefined, (space) => renew(space, items, leaseMs)),
      settle: (items, signal) => during("settle", signal, (space) => settle(space, items)),
      fail: (items, error, retryAt) => during("fail", undefined, (space) => fail(space, items, error, retryAt)),
      owe: (tenant, references, signal) => during("owe", signal, (space) => owe(space, tenant, references)),
      count: (scope, kinds, signal) => during("count owed", signal, (space) => count(space, scope, kinds)),
    },
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
  text: { level: "not offered", why: "plain Redis has no full-text search" },
};

const clusterGuarantees: SessionGuarantees = {
  ...guarantees,
  atomic: { level: "repaired", why: "on a cluster a call for several conversations writes them one by one; each of them whole" },
};
