import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { SessionGuarantees } from "../../domain/guarantees.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { abortable } from "../../internal/abort.ts";
import { once } from "../../internal/once.ts";
import { append } from "../elasticsearch/append.ts";
import { settleTails } from "../elasticsearch/conversation-log.ts";
import {
  countConversations,
  createConversation,
  getConversation,
  listConversations,
  stats,
  updateConversation,
} from "../elasticsearch/conversations.ts";
import { type Database, Locks, RecentValues, Searchable } from "../elasticsearch/database.ts";
import { deleteConversation, deleteMessages, erase, removeDocuments } from "../elasticsearch/deletion.ts";
import { analyzerChoice, createIndexes, indexNames } from "../elasticsearch/indexes.ts";
import { exportMessages, getMessage, getMessages, listMessages } from "../elasticsearch/messages.ts";
import { elasticsearchOutbox } from "../elasticsearch/outbox.ts";
import { searchText } from "../elasticsearch/search-text.ts";
import { type ElasticClientLike, type ElasticTransport, httpTransport, lentTransport } from "../elasticsearch/transport.ts";

export type { ElasticClientLike } from "../elasticsearch/transport.ts";

/** Which Elasticsearch or OpenSearch holds conversations and messages, how to log in, and under which names. */
export interface ElasticsearchSessionStoreOptions {
  /** URLs of the nodes; they take turns. @default ["http://localhost:9200"] */
  readonly hosts?: readonly string[] | undefined;
  /** Begins the names of the three indexes: lower case letters, digits, `-`, `_`, `.`. Nothing else is read or written. @default "unforget" */
  readonly indexPrefix?: string | undefined;
  /** An API key in its encoded form. */
  readonly apiKey?: string | undefined;
  /** Login with a password, where there is no API key. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /**
   * A client of yours, of `@elastic/elasticsearch` or `@opensearch-project/opensearch`, with its own hosts, login and TLS.
   * It is lent: `close` leaves it open.
   */
  readonly client?: ElasticClientLike | undefined;
  /** How long one request may take. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Analyzer for conversations that name no language: the server's own of that name, or no stemming where it has none. @default "english" */
  readonly language?: string | undefined;
}

/** Conversations, messages and full-text search in Elasticsearch (8 and later) or OpenSearch (2 and later). */
export function elasticsearchSessionStore(options: ElasticsearchSessionStoreOptions = {}): SessionStore {
  const { indexPrefix = "unforget", language = "english", timeoutMs = 30_000 } = options;
  if (!/^[a-z0-9][a-z0-9._-]{0,199}$/.test(indexPrefix)) {
    throw new InvalidArgumentError(
      "indexPrefix",
      "must be lower case letters, digits, '-', '_' and '.', at most 200, and begin with a letter or digit",
    );
  }
  const names = indexNames(indexPrefix);
  let isClosed = false;
  const transport = guarded(makeTransport(options, timeoutMs), () => isClosed);
  const analyzer = analyzerChoice(transport);
  let upkeep: Promise<void> = Promise.resolve();
  let upkeepAt = 0;

  const database = once(async (): Promise<Database> => {
    await createIndexes(transport, names, undefined);
    const opened: Database = {
      transport,
      names,
      analyzerOf: (named, signal) => analyzer(named ?? language, signal),
      locks: new Locks(),
      searchable: new Searchable(() => transport.request("refresh", { method: "POST", path: `/${names.all}/_refresh` })),
      applied: new RecentValues(),
      settled: new RecentValues(),
      trimmed: new RecentValues(),
    };
    // What a process that died left half done; nobody waits for it.
    upkeep = keepUp(opened).catch(() => {});
    return opened;
  });

  async function keepUp(opened: Database): Promise<void> {
    upkeepAt = Date.now();
    await settleTails(opened, (places) => removeDocuments(opened, places));
  }

  /** Waits for the store to be open, but no longer than the caller does. */
  async function opened(signal?: AbortSignal): Promise<Database> {
    signal?.throwIfAborted();
    if (isClosed) throw closed();
    return abortable(database(), signal);
  }

  return {
    name: "elasticsearch",
    guarantees,
    open: async (signal) => void (await opened(signal)),
    async close() {
      isClosed = true;
      await upkeep;
    },
    async health(signal) {
      return health(transport, () => opened(signal), signal);
    },
    stats: async (scope, signal) => stats(await opened(signal), scope, signal),

    append: async (requests, signal) => append(await opened(signal), requests, signal),
    createConversation: async (conversation, signal) => createConversation(await opened(signal), conversation, signal),
    getConversation: async (scope, id, signal) => getConversation(await opened(signal), scope, id, signal),
    updateConversation: async (scope, id, changes, signal) => updateConversation(await opened(signal), scope, id, changes, signal),
    deleteConversation: async (scope, id, signal) => deleteConversation(await opened(signal), scope, id, signal),
    listConversations: async (scope, query, signal) => listConversations(await opened(signal), scope, query, signal),
    countConversations: async (scope, signal) => countConversations(await opened(signal), scope, signal),

    listMessages: async (scope, conversationId, query, signal) => listMessages(await opened(signal), scope, conversationId, query, signal),
    getMessage: async (scope, conversationId, messageId, signal) =>
      getMessage(await opened(signal), scope, conversationId, messageId, signal),
    deleteMessages: async (scope, conversationId, messageIds, signal) =>
      deleteMessages(await opened(signal), scope, conversationId, messageIds, signal),
    exportMessages: async (scope, after, limit, signal) => exportMessages(await opened(signal), scope, after, limit, signal),
    erase: async (scope, how, signal) => erase(await opened(signal), scope, how, signal),
    getMessages: async (scope, references, signal) => getMessages(await opened(signal), scope, references, signal),
    searchText: async (query, signal) => searchText(await opened(signal), query, signal),
    outbox: elasticsearchOutbox(opened),

    async maintain(signal) {
      const ready = await opened(signal);
      if (Date.now() - upkeepAt < upkeepEveryMs) return;
      upkeep = keepUp(ready).catch(() => {});
      await abortable(upkeep, signal);
    },
  };
}

const upkeepEveryMs = 30_000;

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

function makeTransport(options: ElasticsearchSessionStoreOptions, timeoutMs: number): ElasticTransport {
  const { hosts = ["http://localhost:9200"], apiKey, username, password, client } = options;
  if (client !== undefined) {
    if (options.hosts !== undefined || apiKey !== undefined || username !== undefined)
      throw new InvalidArgumentError("client", "brings its own hosts and login: give either a client, or hosts and a login");
    return lentTransport(client, timeoutMs);
  }
  if (hosts.length === 0) throw new InvalidArgumentError("hosts", "must name at least one node");
  return httpTransport({ ...readHosts(hosts, login(apiKey, username, password)), timeoutMs });
}

function login(apiKey: string | undefined, username: string | undefined, password: string | undefined): string | undefined {
  if (apiKey !== undefined) return `ApiKey ${apiKey}`;
  return username === undefined ? undefined : basic(username, password ?? "");
}

const basic = (username: string, password: string) => `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** A login in a URL counts for all hosts; `fetch` refuses URLs that hold one. */
function readHosts(hosts: readonly string[], given: string | undefined) {
  let authorization = given;
  const plain = hosts.map((host) => {
    if (!URL.canParse(host) || !/^https?:$/.test(new URL(host).protocol))
      throw new InvalidArgumentError("hosts", "must be URLs that begin with http:// or https://");
    const url = new URL(host);
    if (url.username !== "") authorization ??= basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
    return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  });
  return { hosts: plain, headers: authorization === undefined ? {} : { authorization } };
}

function guarded(transport: ElasticTransport, isClosed: () => boolean): ElasticTransport {
  return {
    async request(operation, request) {
      if (isClosed()) throw closed();
      return transport.request(operation, request);
    },
  };
}

function closed(): BackendError {
  return new BackendError("elasticsearch", "use", "the store was closed: make a new one", { code: "closed" });
}

async function health(transport: ElasticTransport, open: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<MemoryHealth> {
  try {
    await open();
    const started = performance.now();
    const { body } = await transport.request<Greeting>("health", { method: "GET", path: "/", signal });
    const { number, distribution = "elasticsearch" } = body.version;
    const latencyMs = performance.now() - started;
    return { ok: true, store: "elasticsearch", latencyMs, versions: { [distribution]: number }, problem: undefined };
  } catch (error) {
    return { ok: false, store: "elasticsearch", latencyMs: undefined, versions: {}, problem: (error as Error).message };
  }
}

interface Greeting {
  readonly version: { readonly number: string; readonly distribution?: string };
}
