import { createHash } from "node:crypto";
import { BackendError, MemoryError } from "../../domain/errors.ts";
import type { MemoryHealth } from "../../domain/memory.ts";
import { abortable } from "../../internal/abort.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";

/** What this store uses of a client or a cluster of the package `redis`. */
export interface RedisClientLike {
  sendCommand(...args: never[]): Promise<unknown>;
  readonly isOpen?: boolean;
}

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user and password when needed; any nodes of a cluster. @default "redis://localhost:6379" */
  readonly url?: string | readonly string[] | undefined;
  /** Whether it is a cluster. @default asked of the server */
  readonly cluster?: boolean | undefined;
  /** A client or cluster of the package `redis` of yours, connected. It is lent: `close` leaves it open. */
  readonly client?: RedisClientLike | undefined;
  /** How long to wait for a connection, and for an answer while there is none. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
}

/** One command: the key that decides which node of a cluster gets it, and its words. */
export type RedisCommand = readonly [key: string, ...words: string[]];

export interface RedisConnection {
  readonly isCluster: boolean;
  /** Sends a command: `run("GET", key)`. */
  run(name: string, key: string, ...rest: readonly string[]): Promise<unknown>;
  /** Runs a script, on the node of its first key. */
  script(script: RedisScript, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown>;
}

/** A Lua script with the name the server knows it by. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export function redisScript(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export interface Redis {
  open(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  /** Runs an operation on the connection; failures speak. */
  during<Value>(operation: string, signal: AbortSignal | undefined, work: (connection: RedisConnection) => Promise<Value>): Promise<Value>;
}

interface Opened extends RedisConnection {
  end(): Promise<void>;
}

export function redis(options: RedisConnectionOptions): Redis {
  const { connectTimeoutMs = 10_000 } = options;
  let isClosed = false;
  let made: Opened | undefined;
  const connection = once(async () => {
    const opened = await connect(options, connectTimeoutMs);
    if (isClosed) await opened.end();
    else made = opened;
    return opened;
  });

  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: (connection: RedisConnection) => Promise<Value>) {
    signal?.throwIfAborted();
    const check = () => {
      if (isClosed) throw new BackendError("redis", operation, "the store was closed: make a new one", { code: "closed" });
    };
    check();
    const answer = (async () => {
      try {
        return await work(await connection());
      } catch (error) {
        check();
        throw toMemoryError(error, operation);
      }
    })();
    return abortable(answer, signal);
  }

  return {
    during,
    open: (signal) => during("open", signal, async () => {}),
    async close() {
      isClosed = true;
      const ending = made;
      made = undefined;
      await ending?.end();
    },
    async health(signal) {
      try {
        return await during("health", signal, async (opened) => {
          const started = performance.now();
          const info = String(await opened.run("INFO", "", "server"));
          const latencyMs = performance.now() - started;
          const [, version = "unknown"] = /redis_version:(\S+)/.exec(info) ?? [];
          return { ok: true, store: "redis", latencyMs, versions: { redis: version }, problem: undefined };
        });
      } catch (error) {
        return { ok: false, store: "redis", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
  };
}

async function connect(options: RedisConnectionOptions, connectTimeoutMs: number): Promise<Opened> {
  const { url = "redis://localhost:6379", client } = options;
  if (client !== undefined) return lent(client);
  const urls = typeof url === "string" ? [url] : url;
  if (options.cluster === true) return openCluster(urls, connectTimeoutMs);
  const single = await openSingle(urls[0] as string, connectTimeoutMs);
  if (options.cluster === false) return single;
  const info = String(await single.run("INFO", "", "cluster"));
  if (!info.includes("cluster_enabled:1")) return single;
  await single.end();
  return openCluster(urls, connectTimeoutMs);
}

const load = () => loadDependency("redis", "redis", () => import("redis"));

/** Waits longer with each try; commands that wait meanwhile are given up by {@link inTime}. */
const reconnectStrategy = (retries: number) => Math.min(50 * 2 ** Math.min(retries, 6), 2_000);

async function openSingle(url: string, connectTimeoutMs: number): Promise<Opened> {
  const { createClient } = await load();
  const client = createClient({ url, RESP: 2, socket: { connectTimeout: connectTimeoutMs, reconnectStrategy } });
  // Told by the commands that fail; without a listener an error would end the process.
  client.on("error", () => {});
  await inTime(client.connect(), connectTimeoutMs, () => client.destroy());
  return opened(
    false,
    connectTimeoutMs,
    (words) => client.sendCommand([...words]),
    async () => client.destroy(),
  );
}

async function openCluster(urls: readonly string[], connectTimeoutMs: number): Promise<Opened> {
  const { createCluster } = await load();
  const defaults = { ...credentials(urls[0] as string), socket: { connectTimeout: connectTimeoutMs, reconnectStrategy } };
  const cluster = createCluster({ rootNodes: urls.map((url) => ({ url })), RESP: 2, defaults });
  cluster.on("error", () => {});
  await inTime(cluster.connect(), connectTimeoutMs, () => cluster.destroy());
  const send = (words: readonly string[], key: string) => cluster.sendCommand(key === "" ? undefined : key, false, [...words]);
  return opened(true, connectTimeoutMs, send, async () => cluster.destroy());
}

/** The other nodes of a cluster take the same login. */
function credentials(url: string): { username?: string; password?: string } {
  const { username, password } = new URL(url);
  return {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}

function lent(client: RedisClientLike): Opened {
  const isCluster = "slots" in client || "masters" in client;
  const send = client.sendCommand.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const sender = (words: readonly string[], key: string) =>
    isCluster ? send(key === "" ? undefined : key, false, [...words]) : send([...words]);
  return opened(isCluster, 10_000, sender, async () => {});
}

function opened(
  isCluster: boolean,
  timeoutMs: number,
  sender: (words: readonly string[], key: string) => Promise<unknown>,
  end: () => Promise<void>,
): Opened {
  const send = (words: readonly string[], key: string) => inTime(sender(words, key), 3 * timeoutMs, () => {});
  return {
    isCluster,
    end,
    run: (name, key, ...rest) => send([name, ...(key === "" ? [] : [key]), ...rest], key),
    async script({ text, sha }, keys, values) {
      const words = [String(keys.length), ...keys, ...values.map(String)];
      try {
        return await send(["EVALSHA", sha, ...words], keys[0] as string);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
        return send(["EVAL", text, ...words], keys[0] as string);
      }
    },
  };
}

class TimedOutError extends Error {}

async function inTime<Value>(work: Promise<Value>, timeoutMs: number, giveUp: () => void): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimedOutError("no answer in time")), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    work.catch(() => {});
    giveUp();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Turns what the client threw into the error a caller can act on. Its own text may hold contents: it is the cause alone. */
function toMemoryError(error: unknown, operation: string): unknown {
  if (MemoryError.isInstance(error) || !(error instanceof Error)) return error;
  const fail = (code: "backend_error" | "backend_denied" | "backend_unavailable", message: string, retryable = false) =>
    new BackendError("redis", operation, message, { code, cause: error, retryable });
  const { message, name } = error;
  const code = String((error as { code?: unknown }).code ?? "");
  if (/^(NOAUTH|WRONGPASS|ERR invalid password)/.test(message))
    return fail("backend_denied", "the server refused the login: check user and password");
  if (message.startsWith("NOPERM"))
    return fail("backend_denied", "this user may not do it: allow scripts, hashes and sorted sets for the key prefix");
  if (message.startsWith("OOM")) return fail("backend_error", "the server has no memory left: raise maxmemory, or set ttlSeconds", true);
  if (message.startsWith("READONLY")) return fail("backend_error", "this node is a replica: give the url of the primary", true);
  if (message.startsWith("MOVED") || message.startsWith("CROSSSLOT"))
    return fail("backend_error", "this server is a node of a cluster: set cluster: true, or lend a cluster client");
  if (message.startsWith("LOADING")) return fail("backend_unavailable", "the server is loading its data: repeat the call", true);
  if (error instanceof TimedOutError || /ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST/.test(code) || isLost(name, message))
    return fail("backend_unavailable", "the server could not be reached: check that it runs, and its host, port and firewall", true);
  return fail("backend_error", `${operation} failed: see the cause`);
}

function isLost(name: string, message: string): boolean {
  return (
    /^(ConnectionTimeout|ClientClosed|ClientOffline|DisconnectsClient|SocketClosedUnexpectedly|SocketTimeout|Reconnect|RootNodesUnavailable|Timeout|Abort|AggregateError)/.test(
      name,
    ) || /socket closed|connection (timeout|closed)|client is (closed|offline)|ECONNREFUSED|root nodes/i.test(message)
  );
}
