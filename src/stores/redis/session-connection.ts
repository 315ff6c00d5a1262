import { createHash } from "node:crypto";
import { BackendError, MemoryError } from "../../domain/errors.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import { abortable } from "../../internal/abort.ts";
import { once } from "../../internal/once.ts";
import { type RedisClient, type RedisConnection, redisConnection, toRedisError } from "./connection.ts";

/** Which Redis it is, and how long to wait for it. */
export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user and password when needed; any nodes of a cluster. @default "redis://localhost:6379" */
  readonly url?: string | readonly string[] | undefined;
  /** Whether it is a cluster. @default asked of the server */
  readonly cluster?: boolean | undefined;
  /** A client or cluster of the package `redis` of yours, connected. It is lent: `close` leaves it open. */
  readonly client?: RedisClient | undefined;
  /** How long to wait for a connection, in milliseconds. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
  /** How long one command may take, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
}

export interface SessionConnection {
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
  during<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (connection: SessionConnection) => Promise<Value>,
  ): Promise<Value>;
}

export function redis(options: RedisConnectionOptions): Redis {
  const { url = "redis://localhost:6379", cluster, client, connectTimeoutMs = 10_000, timeoutMs = 30_000 } = options;
  const urls = typeof url === "string" ? [url] : url;
  const settings = { urlField: "sessions.url", urls, cluster, client, connectTimeoutMs, timeoutMs };
  const { connected, close } = redisConnection(settings);
  const connection = once(async () => sessionConnection(await connected()));
  let isClosed = false;

  async function during<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (connection: SessionConnection) => Promise<Value>,
  ): Promise<Value> {
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
        throw toRedisError(error, operation);
      }
    })();
    return abortable(answer, signal);
  }

  return {
    during,
    open: (signal) => during("open", signal, async () => {}),
    async close() {
      isClosed = true;
      await close();
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
        const problem = MemoryError.isInstance(error) ? error.message : "[redis] the check was interrupted: repeat it";
        return { ok: false, store: "redis", latencyMs: undefined, versions: {}, problem };
      }
    },
  };
}

function sessionConnection({ isCluster, send }: RedisConnection): SessionConnection {
  return {
    isCluster,
    run: (name, key, ...rest) => send(key, [name, ...(key === "" ? [] : [key]), ...rest]),
    async script({ text, sha }, keys, values) {
      const words = [String(keys.length), ...keys, ...values.map(String)];
      const first = keys[0] as string;
      try {
        return await send(first, ["EVALSHA", sha, ...words]);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
        return send(first, ["EVAL", text, ...words]);
      }
    },
  };
}
