import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import type { MemoryStore } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { once } from "../../internal/once.ts";
import { append } from "../postgres/append.ts";
import { branchConversation, moveConversation } from "../postgres/conversation-copies.ts";
import { listConversations } from "../postgres/conversation-lists.ts";
import { findConversations } from "../postgres/conversation-search.ts";
import { countConversations, createConversation, getConversation, updateConversation } from "../postgres/conversations.ts";
import { type Database, knownLanguage, RecentKeys } from "../postgres/database.ts";
import { embeddedClient } from "../postgres/embedded/embedded-client.ts";
import { type PgliteLike, pgliteClient } from "../postgres/embedded/pglite-client.ts";
import { deleteConversation, deleteMessages, erase } from "../postgres/erase.ts";
import { speaking } from "../postgres/errors.ts";
import { addContexts, externalOutbox } from "../postgres/external-outbox.ts";
import { exportMessages, getMessage, getMessages, listMessages } from "../postgres/messages.ts";
import { migrate } from "../postgres/migrate.ts";
import { makeNames } from "../postgres/names.ts";
import { countOwed, failOwed, leaseOwed, renewOwed, settleOwed } from "../postgres/outbox.ts";
import { lentPgClient, type PgConnectionOptions, type PgPoolLike, pgClient } from "../postgres/pg-client.ts";
import { LargeScopes, recall } from "../postgres/recall.ts";
import { recordStoreAt } from "../postgres/record-store.ts";
import { purgeRecords } from "../postgres/records.ts";
import { enforcePolicies, type RowScope, securedDatabase } from "../postgres/row-security.ts";
import { searchText } from "../postgres/search-text.ts";
import { buildVectorIndex, currentSpace, useSpace } from "../postgres/spaces.ts";
import type { SqlClient } from "../postgres/sql-client.ts";
import { storeStats } from "../postgres/stats.ts";

/** Which Postgres holds the data, and where in it: a server, a client of yours, or an embedded one. */
export interface PostgresSessionStoreOptions extends PgConnectionOptions {
  /**
   * A client of yours: a `pg.Pool`, or a PGlite instance made with the `vector` extension. It is lent: `close` leaves
   * it open.
   */
  readonly client?: PgPoolLike | PgliteLike | undefined;
  /** Directory of an embedded Postgres; several processes may open it. `"memory://"` keeps nothing. @default "./.unforget" when no server is named */
  readonly dataDir?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "unforget" */
  readonly schema?: string | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /** Text-search configuration of conversations that name none. @default "english" */
  readonly language?: string | undefined;
  /**
   * Row-level security as a second wall, forced on every table. Connect as a role that is neither superuser nor
   * BYPASSRLS, or name such a role to switch to. @default false
   */
  readonly rls?: boolean | { readonly role: string } | undefined;
  /**
   * What there is to do on this store's connections before it looks for its tables, e.g. to bring those of another system
   * along. Done once, and again after it failed.
   * @internal
   */
  readonly beforeOpen?: ((client: SqlClient) => Promise<void>) | undefined;
}

/** Everything by itself, or the conversations and words of a memory whose vectors are kept elsewhere. */
export interface PostgresSessionStore
  extends Omit<MemoryStore, "searchText" | "records">,
    Pick<SessionStore, "guarantees" | "getMessages">,
    Required<Pick<SessionStore, "searchText" | "outbox" | "records">> {}

/** Conversations, messages, their search rows and vectors in PostgreSQL: a server, a lent client, or embedded (PGlite). */
export function postgresSessionStore(options: PostgresSessionStoreOptions = {}): PostgresSessionStore {
  const { schema = "unforget", tablePrefix = "", language = "english", rls = false } = options;
  const names = makeNames(schema, tablePrefix);
  const role = typeof rls === "object" ? rls.role : undefined;
  const client = makeClient(options);
  const large = new LargeScopes();
  const say = <Value>(operation: string, work: () => Promise<Value>) => speaking(operation, client.engine, work);

  let isClosed = false;
  const database = async () => {
    if (isClosed) throw new BackendError(engineName(client), "call", "this store was closed: make another one", { code: "closed" });
    return opened();
  };
  const opened = once(() =>
    say("open", async () => {
      await options.beforeOpen?.(client);
      const opened: Database = {
        client,
        names,
        installation: await migrate(client, names),
        language,
        written: new RecentKeys(),
        purge: { dueAt: 0 },
        space: undefined,
      };
      opened.space = await currentSpace(opened);
      if (rls !== false) await secure(opened);
      return opened;
    }),
  );

  async function secure(opened: Database): Promise<void> {
    const { table } = names;
    const tables = [
      table.conversations,
      table.conversation_owners,
      table.messages,
      table.search,
      table.outbox,
      table.removals,
      table.records,
    ];
    if (opened.space !== undefined) tables.push(opened.space.table);
    await enforcePolicies(client, names, tables, role);
  }

  /** The database as this scope may see it. */
  const of = async (scope: RowScope): Promise<Database> => {
    const opened = await database();
    return rls === false ? opened : securedDatabase(opened, scope, role);
  };
  const everybody: RowScope = { tenant: undefined, userId: undefined };
  const rows = (scope: StoreScope): RowScope => ({ tenant: scope.tenant, userId: scope.userId });

  const owedElsewhere = externalOutbox(() => of(everybody));

  return {
    guarantees,
    name: engineName(client),
    open: async () => void (await database()),
    async close() {
      isClosed = true;
      await client.close();
    },
    health: (signal) => health(client, database, signal),
    stats: (scope, signal) => say("stats", async () => storeStats(await of(rows(scope)), scope, signal)),

    prunes: true,
    forgetsSummaries: true,
    append: (requests, signal) =>
      say("append", async () => {
        const [first] = requests;
        const single =
          first !== undefined && requests.every((request) => request.tenant === first.tenant && request.userId === first.userId);
        return append(await of(single ? first : everybody), requests, signal);
      }),

    createConversation: (conversation, signal) =>
      say("create conversation", async () => createConversation(await of(conversation), conversation, signal)),
    getConversation: (scope, id, signal) => say("get conversation", async () => getConversation(await of(rows(scope)), scope, id, signal)),
    updateConversation: (scope, id, changes, signal) =>
      say("update conversation", async () => updateConversation(await of(rows(scope)), scope, id, changes, signal)),
    deleteConversation: (scope, id, signal) =>
      say("delete conversation", async () => deleteConversation(await of(rows(scope)), scope, id, signal)),
    listConversations: (scope, query, signal) =>
      say("list conversations", async () => listConversations(await of(rows(scope)), scope, query, signal)),
    findConversations: (scope, query, signal) =>
      say("search conversations", async () => findConversations(await of(rows(scope)), large, scope, query, signal)),
    moveConversation: (scope, id, to, signal) =>
      say("move conversation", async () => moveConversation(await of(rows(scope)), scope, id, to, signal)),
    branchConversation: (scope, id, branch, signal) =>
      say("branch conversation", async () => branchConversation(await of(rows(scope)), scope, id, branch, signal)),
    countConversations: (scope, signal) => say("count conversations", async () => countConversations(await of(rows(scope)), scope, signal)),

    listMessages: (scope, conversationId, query, signal) =>
      say("list messages", async () => listMessages(await of(rows(scope)), scope, conversationId, query, signal)),
    getMessage: (scope, conversationId, messageId, signal) =>
      say("get message", async () => getMessage(await of(rows(scope)), scope, conversationId, messageId, signal)),
    deleteMessages: (scope, conversationId, messageIds, signal) =>
      say("delete messages", async () => deleteMessages(await of(rows(scope)), scope, conversationId, messageIds, signal)),
    exportMessages: (scope, after, limit, signal) =>
      say("export", async () => exportMessages(await of(rows(scope)), scope, after, limit, signal)),
    erase: (scope, how, signal) => say("erase", async () => erase(await of(rows(scope)), scope, how, signal)),

    getMessages: (scope, references, signal) =>
      say("get messages", async () => getMessages(await of(rows(scope)), scope, references, signal)),
    searchText: (query, signal) => say("search text", async () => searchText(await of(rows(query.scope)), large, query, signal)),
    outbox: {
      adopt: (space, signal) =>
        say("adopt embedding space", async () => {
          const opened = await database();
          const unhidden = rls === false ? opened : securedDatabase(opened, everybody, undefined);
          await externalOutbox(async () => unhidden).adopt(space, signal);
          opened.space = unhidden.space;
          if (rls !== false) await secure(opened);
        }),
      lease: (limit, leaseMs, which, signal) => say("lease", () => owedElsewhere.lease(limit, leaseMs, which, signal)),
      renew: (items, leaseMs) => say("renew", () => owedElsewhere.renew(items, leaseMs)),
      settle: (items, signal) => say("settle", () => owedElsewhere.settle(items, signal)),
      fail: (items, error, retryAt) => say("fail", () => owedElsewhere.fail(items, error, retryAt)),
      owe: (tenant, references, signal) => say("owe", () => owedElsewhere.owe(tenant, references, signal)),
      count: (scope, kinds, signal) => say("count owed", () => owedElsewhere.count(scope, kinds, signal)),
    },

    records: recordStoreAt({
      client,
      async database(scope) {
        const found = await of(scope);
        const { vectorSchema, vectorTypeId } = found.installation;
        return { client: found.client, names, language: knownLanguage(found, language), vectorSchema, vectorTypeId, purge: found.purge };
      },
      release: async () => {},
      versions: () => ({}),
    }),

    recall: (query, signal) => say("recall", async () => recall(await of(rows(query.scope)), large, query, signal)),

    useSpace: (space, signal) =>
      say("use embedding space", async () => {
        const opened = await database();
        if (rls === false) return useSpace(opened, space, signal);
        // As the owner, whom forced policies bind too: unseen vectors would count as none, and unseen messages be owed nothing.
        const unhidden = securedDatabase(opened, everybody, undefined);
        await useSpace(unhidden, space, signal);
        opened.space = unhidden.space;
        await secure(opened);
      }),
    leaseOwed: (limit, leaseMs, which, signal) => say("lease", async () => leaseOwed(await of(everybody), limit, leaseMs, which, signal)),
    renewOwed: (items, leaseMs) => say("renew", async () => renewOwed(await of(everybody), items, leaseMs)),
    settleOwed: (items, signal) => say("settle", async () => settleOwed(await of(everybody), items, signal)),
    failOwed: (items, error, retryAt) => say("fail", async () => failOwed(await of(everybody), items, error, retryAt)),
    owed: (vectors, signal) => say("count owed", async () => countOwed(await of(everybody), vectors, signal)),
    maintain: () =>
      say("maintain", async () => {
        const opened = await of(everybody);
        if (Date.now() >= opened.purge.dueAt) await purgeRecords(opened);
        if (opened.space?.isExternal === true) await addContexts(opened);
        if (!large.wantsIndex) return;
        await buildVectorIndex(await database());
        large.wantsIndex = false;
      }),
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

function makeClient(options: PostgresSessionStoreOptions): SqlClient {
  const { client, dataDir, url, host, database, user } = options;
  const named = [client, dataDir, url ?? host ?? database ?? user].filter((choice) => choice !== undefined);
  if (named.length > 1)
    throw new InvalidArgumentError("sessions", "names more than one database: give one of url (or host …), client, dataDir");
  if (client !== undefined) return isPglite(client) ? pgliteClient(client) : lentPgClient(client);
  if (dataDir !== undefined || named.length === 0) return embeddedClient({ dataDir: dataDir ?? "./.unforget" });
  if (options.maxConnections !== undefined && !(Number.isInteger(options.maxConnections) && options.maxConnections >= 1)) {
    throw new InvalidArgumentError("maxConnections", "must be a whole number of at least 1");
  }
  return pgClient(options);
}

/** What messages call it. */
const engineName = (client: SqlClient) => (client.engine === "embedded" ? "embedded" : "postgres");

function isPglite(client: PgPoolLike | PgliteLike): client is PgliteLike {
  return "execProtocolRaw" in client;
}

async function health(client: SqlClient, database: () => Promise<Database>, signal: AbortSignal | undefined): Promise<MemoryHealth> {
  const store = engineName(client);
  try {
    const opened = await database();
    const started = performance.now();
    await speaking("health", client.engine, () => client.query({ text: "SELECT 1", signal }));
    return {
      ok: true,
      store,
      latencyMs: performance.now() - started,
      versions: { postgres: opened.installation.serverVersion, pgvector: opened.installation.vectorVersion },
      problem: undefined,
    };
  } catch (error) {
    return { ok: false, store, latencyMs: undefined, versions: {}, problem: (error as Error).message };
  }
}
