import { BackendError, DimensionMismatchError, MemoryError } from "../../domain/errors.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { VectorStore } from "../../domain/vector-store.ts";
import { abortable } from "../../internal/abort.ts";
import { once } from "../../internal/once.ts";
import { stableId } from "../../internal/stable-id.ts";
import { type RedisClient, type RedisConnection, redisConnection, toRedisError } from "../redis/connection.ts";
import type { VectorLayout } from "../redis/vector-layout.ts";
import { queryEngine } from "../redis/vector-query-engine.ts";
import { vectorSets } from "../redis/vector-sets.ts";
import { claimSpace, isSameSpace, mismatch, readNote, type SpaceNote } from "../redis/vector-space.ts";

/** Options of {@link redisVectorStore}. */
export interface RedisVectorStoreOptions {
  /** `redis://` or `rediss://`, with user and password when needed; any nodes of a cluster. @default "redis://localhost:6379" */
  readonly url?: string | readonly string[] | undefined;
  /** Whether it is a cluster. @default asked of the server */
  readonly cluster?: boolean | undefined;
  /** A client or cluster of the package `redis` of yours, connected. It is lent: `close` leaves it open. */
  readonly client?: RedisClient | undefined;
  /** Begins every key, with `vectors:` after it. Holds the vectors of one model, of every tenant. @default "unforget:" */
  readonly keyPrefix?: string | undefined;
  /** The sets of Redis 8, or the index of the query engine (`FT.SEARCH`). @default what holds vectors already, then the query engine where it is, then the sets */
  readonly using?: "auto" | "vector-sets" | "query-engine" | undefined;
  /** Of the query engine: a graph, or a list in which every vector is compared. @default "hnsw" */
  readonly index?: "hnsw" | "flat" | undefined;
  /** Links per node and candidates while building; the first is kept with the vectors. @default 32 and 200 */
  readonly hnsw?: { readonly m?: number; readonly efConstruct?: number } | undefined;
  /** Candidates a search of the graph keeps: more find more and take longer. @default 2048 in sets, 512 in the query engine */
  readonly searchEf?: number | undefined;
  /**
   * Scopes of up to so many vectors are compared one by one, which is exact; of a set with further conditions, five times as
   * many. `Infinity` never asks the graph. @default 50_000 in sets, fewer above 400 dimensions; 10_000 in the query engine
   */
  readonly scanUpTo?: number | undefined;
  /** How long to wait for a connection, in milliseconds. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
  /** How long one command may take, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
}

const guarantees: VectorGuarantees = {
  durable: "required",
  exact: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  filters: "required",
};

type Way = "vector-sets" | "query-engine";

interface Opened {
  readonly connection: RedisConnection;
  readonly ways: readonly Way[];
}

/** What is kept under the prefix, and how to get at it. */
interface Kept {
  readonly note: SpaceNote;
  readonly layout: VectorLayout;
}

/**
 * Vectors in Redis: in the vector sets of Redis 8, or in an index of the query engine. Needs the package `redis`.
 *
 * @example
 * createMemory({ vectors: { store: "redis", url: "redis://localhost:6379" } });
 */
export function redisVectorStore(options: RedisVectorStoreOptions = {}): VectorStore {
  const {
    url = "redis://localhost:6379",
    cluster,
    client,
    keyPrefix = "unforget:",
    using = "auto",
    index = "hnsw",
    hnsw: { m = 32, efConstruct = 200 } = {},
    searchEf,
    scanUpTo,
    connectTimeoutMs = 10_000,
    timeoutMs = 10_000,
  } = options;
  const prefix = `${keyPrefix}vectors:`;
  const urls = typeof url === "string" ? [url] : url;
  const { connected, close } = redisConnection({ urlField: "vectors.url", urls, cluster, client, connectTimeoutMs, timeoutMs });
  let isClosed = false;
  let current: Kept | undefined;

  const opened = once(async (): Promise<Opened> => {
    const connection = await connected();
    const ways = await waysOf(connection);
    if (ways.length === 0)
      throw new BackendError("redis", "open", "the server has neither vector sets nor the query engine: update it to Redis 8", {
        code: "backend_outdated",
      });
    if (using !== "auto" && !ways.includes(using))
      throw new BackendError(
        "redis",
        "open",
        `the server does not offer "${using}"${connection.isCluster ? " as a cluster" : ""}: leave \`using\` out`,
        {
          code: "backend_outdated",
        },
      );
    return { connection, ways };
  });

  /** Runs an operation; failures speak. */
  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: () => Promise<Value>): Promise<Value> {
    signal?.throwIfAborted();
    const check = () => {
      if (isClosed) throw new BackendError("redis", operation, "the store was closed: make a new one", { code: "closed" });
    };
    check();
    const answer = async () => {
      try {
        return await work();
      } catch (error) {
        check();
        throw toRedisError(error, operation);
      }
    };
    return abortable(answer(), signal);
  }

  function layoutOf(connection: RedisConnection, note: SpaceNote): VectorLayout {
    const settings = { prefix, efConstruct, timeoutMs, m: note.m };
    if (note.layout !== "vector-sets")
      return queryEngine(connection, { ...settings, searchEf: searchEf ?? 512, scanUpTo: scanUpTo ?? 10_000, index: note.layout });
    const tenMilliseconds = Math.min(50_000, 20_000_000 / note.dimensions);
    return vectorSets(connection, { ...settings, searchEf: searchEf ?? 2048, scanUpTo: scanUpTo ?? tenMilliseconds });
  }

  /** Undefined while nothing was ever stored. */
  async function kept(): Promise<Kept | undefined> {
    if (current !== undefined) return current;
    const { connection } = await opened();
    const note = await readNote(connection, prefix);
    return note && { note, layout: layoutOf(connection, note) };
  }

  function checkLength(vector: Float32Array, { note }: Kept): void {
    if (vector.length !== note.dimensions) throw new DimensionMismatchError(note.dimensions, vector.length, note.model);
  }

  /** Another process may have given up the space meanwhile, for that of another model. */
  async function checkSpace({ note }: Kept): Promise<void> {
    const held = await readNote((await opened()).connection, prefix);
    if (held !== undefined && !isSameSpace(held, note)) throw mismatch(held, note);
  }

  return {
    name: "redis",
    guarantees,

    async open(signal) {
      await during("open", signal, opened);
    },
    async close() {
      isClosed = true;
      await close();
    },
    async health(signal) {
      try {
        return await during("health", signal, async () => {
          const { connection } = await opened();
          const started = performance.now();
          const info = String(await connection.send(prefix, ["INFO", "server"]));
          const latencyMs = performance.now() - started;
          const [, version = "unknown"] = /redis_version:(\S+)/.exec(info) ?? [];
          return { ok: true, store: "redis", latencyMs, versions: { redis: version }, problem: undefined };
        });
      } catch (error) {
        const problem = MemoryError.isInstance(error) ? error.message : "[redis] the check was interrupted: repeat it";
        return { ok: false, store: "redis", latencyMs: undefined, versions: {}, problem };
      }
    },

    async useSpace({ model, dimensions }, signal) {
      await during("useSpace", signal, async () => {
        const { connection, ways } = await opened();
        const held = await readNote(connection, prefix);
        const way = using === "auto" ? wayToGo(ways, held) : using;
        const wanted: SpaceNote = { model, dimensions, layout: way === "vector-sets" ? way : index, m };
        const { note, isNew } = await claimSpace(connection, prefix, wanted, (other) => layoutOf(connection, other).isEmpty());
        const layout = layoutOf(connection, note);
        await layout.prepare({ model, dimensions }, isNew);
        current = { note, layout };
      });
    },

    async upsert(entries, signal) {
      await during("upsert", signal, async () => {
        const all = await kept();
        if (all === undefined) throw new BackendError("redis", "upsert", "no embedding space was chosen: call useSpace first");
        for (const { vector } of entries) checkLength(vector, all);
        if (entries.length === 0) return;
        // Of one key in a batch twice, the last counts.
        const byKey = new Map(entries.map((entry) => [stableId(entry.tenant, entry.userId, entry.conversationId, entry.messageId), entry]));
        await checkSpace(all);
        await all.layout.upsert([...byKey.values()]);
      });
    },

    async query(query, signal) {
      return during("query", signal, async () => {
        const all = await kept();
        if (all === undefined) return [];
        checkLength(query.vector, all);
        return all.layout.query(query);
      });
    },

    async delete(selection, signal) {
      await during("delete", signal, async () => (await kept())?.layout.delete(selection));
    },

    async count(scope, signal) {
      return during("count", signal, async () => (await kept())?.layout.count(scope) ?? 0);
    },
  };
}

/** What the server offers, the better one first. Of an index of the query engine a cluster has but parts. */
async function waysOf({ isCluster, send }: RedisConnection): Promise<Way[]> {
  const known = (await send("", ["COMMAND", "INFO", "FT.SEARCH", "VADD"])) as unknown[];
  const has = (command: unknown) => command !== null && command !== undefined;
  return [...(has(known[0]) && !isCluster ? (["query-engine"] as const) : []), ...(has(known[1]) ? (["vector-sets"] as const) : [])];
}

function wayToGo(ways: readonly Way[], held: SpaceNote | undefined): Way {
  const before = held && (held.layout === "vector-sets" ? "vector-sets" : "query-engine");
  return before !== undefined && ways.includes(before) ? before : (ways[0] as Way);
}
