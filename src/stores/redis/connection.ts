import { BackendError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";

/** What the stores use of a client or a cluster of the package `redis`. */
export interface RedisClient {
  sendCommand(...args: never[]): Promise<unknown>;
}

export interface ConnectionSettings {
  /** Names the option that holds the addresses, in messages. */
  readonly urlField: string;
  readonly urls: readonly string[];
  readonly cluster: boolean | undefined;
  readonly client: RedisClient | undefined;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
}

/** Words of a command are texts, or bytes: vectors. */
export type RedisWord = string | Buffer;

/** A connected server, or a cluster of them. Commands sent in one go travel together. */
export interface RedisConnection {
  readonly isCluster: boolean;
  /** Sends a command to the node of a cluster that has the key. */
  send(key: string, words: readonly RedisWord[]): Promise<unknown>;
  /** Runs a Lua script on the keys, which share a node. */
  script(text: string, keys: readonly [string, ...string[]], values: readonly RedisWord[]): Promise<unknown>;
  end(): Promise<void>;
}

type Send = RedisConnection["send"];

/** Connects on the first call. A connection that broke comes back by itself; what is sent meanwhile fails at once. */
export function redisConnection(settings: ConnectionSettings): {
  connected(): Promise<RedisConnection>;
  close(): Promise<void>;
} {
  if (settings.urls.length === 0)
    throw new InvalidArgumentError(settings.urlField, "is an empty list: give the address of at least one node");
  for (const url of settings.urls) checkUrl(url, settings.urlField);
  let isClosed = false;
  let made: RedisConnection | undefined;
  const connected = once(async () => {
    const connection = await connect(settings);
    if (isClosed) await connection.end();
    else made = connection;
    return connection;
  });
  return {
    connected,
    async close() {
      isClosed = true;
      const ending = made;
      made = undefined;
      await ending?.end();
    },
  };
}

/** Clients quote an address they cannot read, with the password in it. */
function checkUrl(url: string, field: string): void {
  const protocol = URL.parse(url)?.protocol;
  if (protocol !== "redis:" && protocol !== "rediss:")
    throw new InvalidArgumentError(field, "is no address of Redis: give one such as redis://localhost:6379");
}

async function connect(settings: ConnectionSettings): Promise<RedisConnection> {
  const { client, urls, cluster, timeoutMs } = settings;
  if (client !== undefined) return lent(client, timeoutMs);
  if (cluster === true) return connectCluster(settings);
  const single = await connectSingle(urls[0] as string, settings);
  if (cluster === false) return single;
  const info = String(await single.send("", ["INFO", "cluster"]));
  if (!info.includes("cluster_enabled:1")) return single;
  await single.end();
  return connectCluster(settings);
}

const load = () => loadDependency("redis", "redis", () => import("redis"));

/** Tries for ever to come back, and only once to come. */
function patience(): { strategy: (retries: number, cause: Error) => number | Error; settled: () => void } {
  let wasConnected = false;
  return {
    strategy: (retries, cause) => (wasConnected ? Math.min(50 * 2 ** Math.min(retries, 6), 2_000) : cause),
    settled: () => {
      wasConnected = true;
    },
  };
}

async function connectSingle(url: string, { connectTimeoutMs, timeoutMs }: ConnectionSettings): Promise<RedisConnection> {
  const { createClient } = await load();
  const { strategy, settled } = patience();
  const socket = { connectTimeout: connectTimeoutMs, reconnectStrategy: strategy };
  const client = createClient({ url, RESP: 2, disableOfflineQueue: true, socket });
  // Told by the commands that fail; without a listener an error would end the process.
  client.on("error", () => {});
  await establish(client, connectTimeoutMs);
  settled();
  return connection(false, timeoutMs, (_, words) => client.sendCommand([...words]), client);
}

async function connectCluster({ urls, connectTimeoutMs, timeoutMs }: ConnectionSettings): Promise<RedisConnection> {
  const { createCluster } = await load();
  const { strategy, settled } = patience();
  const socket = { connectTimeout: connectTimeoutMs, reconnectStrategy: strategy };
  const defaults = { ...credentials(urls[0] as string), disableOfflineQueue: true, socket };
  const cluster = createCluster({ rootNodes: urls.map((url) => ({ url })), RESP: 2, defaults });
  cluster.on("error", () => {});
  await establish(cluster, connectTimeoutMs);
  settled();
  return connection(true, timeoutMs, (key, words) => cluster.sendCommand(nodeOf(key), false, [...words]), cluster);
}

/** Any node will do where there is no key. */
const nodeOf = (key: string) => (key === "" ? undefined : key);

/** The other nodes of a cluster take the same login. */
function credentials(url: string): { username?: string; password?: string } {
  const { username, password } = new URL(url);
  return {
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
  };
}

async function establish(client: { connect(): Promise<unknown>; destroy(): void }, connectTimeoutMs: number): Promise<void> {
  try {
    await inTime(client.connect(), connectTimeoutMs);
  } catch (error) {
    destroy(client);
    throw error;
  }
}

function destroy(client: { destroy(): void }): void {
  try {
    client.destroy();
  } catch {
    // It was closed already.
  }
}

function lent(client: RedisClient, timeoutMs: number): RedisConnection {
  const isCluster = "masters" in client || "slots" in client;
  const sendCommand = client.sendCommand.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const send: Send = (key, words) => (isCluster ? sendCommand(nodeOf(key), false, [...words]) : sendCommand([...words]));
  return connection(isCluster, timeoutMs, send, undefined);
}

function connection(isCluster: boolean, timeoutMs: number, sender: Send, owned: { destroy(): void } | undefined): RedisConnection {
  const send: Send = (key, words) => inTime(sender(key, words), timeoutMs);
  return {
    isCluster,
    send,
    script: (text, keys, values) => send(keys[0], ["EVAL", text, String(keys.length), ...keys, ...values]),
    async end() {
      if (owned !== undefined) destroy(owned);
    },
  };
}

class TimedOut extends Error {}

async function inTime<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimedOut(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  // Whoever loses the race must not end the process.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const refusals: readonly (readonly [RegExp, "backend_error" | "backend_denied" | "backend_unavailable", string])[] = [
  [/^(NOAUTH|WRONGPASS)/, "backend_denied", "the server refused the login: check user and password"],
  [/^NOPERM/, "backend_denied", "this user may not do it: allow scripts, hashes, sorted sets and vectors for the key prefix"],
  [/^OOM/, "backend_unavailable", "the server has no memory left: raise maxmemory, or delete something"],
  [/^READONLY/, "backend_unavailable", "this node is a replica: give the address of the primary"],
  [/^(MOVED|CROSSSLOT)/, "backend_error", "this server is a node of a cluster: lend a client of the cluster, or give its address"],
  [/^(LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY)/, "backend_unavailable", "the server is not ready yet: try again later"],
];

/** An error a caller can act on. What the server itself said may hold contents: it is the cause alone. */
export function toRedisError(error: unknown, operation: string): unknown {
  if (MemoryError.isInstance(error) || !(error instanceof Error)) return error;
  const known = refusals.find(([pattern]) => pattern.test(error.message));
  if (known !== undefined) {
    const [, code, problem] = known;
    return new BackendError("redis", operation, problem, { code, cause: error, retryable: code === "backend_unavailable" });
  }
  if (isReply(error) || /^(Type|Range|Syntax)Error$/.test(error.name))
    return new BackendError("redis", operation, `${operation} failed: see the cause`, { cause: error });
  const problem =
    error instanceof TimedOut
      ? "the server gave no answer in time: check that it runs and is not overloaded, or raise timeoutMs"
      : "the server could not be reached: check that it runs, its address, and the network between";
  return new BackendError("redis", operation, problem, { code: "backend_unavailable", retryable: true, cause: error });
}

/** Replies begin with a word in capitals, or come as the driver's own class. */
function isReply(error: Error): boolean {
  return ["ErrorReply", "SimpleError", "BlobError"].includes(error.constructor.name) || /^[A-Z]{2,} /.test(error.message);
}
