import { BackendError, DimensionMismatchError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { VectorStore } from "../../domain/vector-store.ts";
import { abortable } from "../../internal/abort.ts";
import { batchesOf } from "../../internal/batches.ts";
import { type HttpAnswer, type HttpRequest, httpJson } from "../../internal/http-json.ts";
import { once } from "../../internal/once.ts";
import { unitVector } from "../../internal/unit-vector.ts";
import { collectionPath, useCollection } from "../qdrant/collection.ts";
import {
  pointId,
  returned,
  type ScoredPoint,
  scopeConditions,
  selectionConditions,
  toConditions,
  toMatch,
  toPoint,
} from "../qdrant/points.ts";

/** Options of {@link qdrantVectorStore}. */
export interface QdrantVectorStoreOptions {
  /** Where the REST interface answers; a path before it is kept. Qdrant Cloud without a port is 6333. @default "http://localhost:6333" */
  readonly url?: string | undefined;
  /** Sent as `api-key`: a key of the server's, of Qdrant Cloud, or a JSON Web Token. */
  readonly apiKey?: string | undefined;
  /** Made when it is missing. Holds the vectors of one model, of every tenant. @default "unforget" */
  readonly collection?: string | undefined;
  /** Further HTTP headers, for a proxy in between. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long one request may take, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Further attempts after HTTP 429, 502, 503, 504 and broken connections, with growing pauses. @default 3 */
  readonly maxRetries?: number | undefined;
  /** Compares with every vector of the scope and never asks the graph: exact, and slow where a scope has millions. @default false */
  readonly exact?: boolean | undefined;
  /** Candidates a search of the graph keeps, the server's `hnsw_ef`: more find more and take longer. @default 512 */
  readonly searchEf?: number | undefined;
  /** Links per node and candidates while building, for a collection made by this store. @default 32 and 200 */
  readonly hnsw?: { readonly m?: number; readonly efConstruct?: number } | undefined;
  /** Keeps vectors on disk and not in memory, for a collection made by this store. @default false */
  readonly onDisk?: boolean | undefined;
  /** Shards of a collection made by this store, on a cluster. @default the server's */
  readonly shardNumber?: number | undefined;
  /** Copies of each shard of a collection made by this store, on a cluster; a write waits for all of them. @default the server's */
  readonly replicationFactor?: number | undefined;
  /** Sends the requests in place of the global `fetch`: for a proxy, or certificates of your own. */
  readonly fetch?: typeof fetch | undefined;
}

const guarantees: VectorGuarantees = {
  durable: "required",
  exact: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  filters: "required",
};

/** The server refuses requests above 32 MB. */
const mostPoints = 500;
const mostValues = 200_000;
const mostIds = 1_000;

/**
 * Vectors in Qdrant, over its REST interface: one collection, in which the tenant is the payload partition.
 *
 * Nothing is to be installed. The official client brings a compiler for its types and an HTTP stack of its own along, and
 * cannot be interrupted.
 *
 * @example
 * createMemory({ vectors: { store: "qdrant", url: "http://localhost:6333", collection: "agent-memory" } });
 */
export function qdrantVectorStore(options: QdrantVectorStoreOptions = {}): VectorStore {
  const {
    url = "http://localhost:6333",
    apiKey,
    collection = "unforget",
    headers,
    timeoutMs = 10_000,
    maxRetries = 3,
    exact = false,
    searchEf = 512,
    hnsw: { m = 32, efConstruct = 200 } = {},
    onDisk,
    shardNumber,
    replicationFactor,
    fetch,
  } = options;
  if (collection === "") throw new InvalidArgumentError("vectors.collection", "is empty: give the collection's name");
  const send = httpJson({
    store: "qdrant",
    urlField: "vectors.url",
    url: withCloudPort(url),
    headers: { ...headers, "api-key": apiKey },
    timeoutMs,
    maxRetries,
    fetch,
  });
  const root = collectionPath(collection);
  let isClosed = false;
  let current: EmbeddingSpace | undefined;

  const opened = once(async () => {
    await checkVersion();
    await call({ method: "GET", path: root, operation: "open", accept: [404] });
  });

  function begin(operation: string, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("qdrant", operation, "the store was closed: make a new one", { code: "closed" });
  }

  async function call(request: HttpRequest): Promise<HttpAnswer> {
    begin(request.operation, request.signal);
    return send(request);
  }

  function checkLength(vector: Float32Array): void {
    if (current !== undefined && vector.length !== current.dimensions)
      throw new DimensionMismatchError(current.dimensions, vector.length, current.model);
  }

  /** A request to the points, answered when every copy has it. */
  async function points(
    operation: string,
    body: unknown,
    signal: AbortSignal | undefined,
    way: readonly ["PUT" | "POST", string],
  ): Promise<unknown> {
    const answer = await call({ method: way[0], path: `${root}/points${way[1]}`, body, operation, signal });
    return (answer.body as { result?: unknown } | undefined)?.result;
  }

  async function checkVersion(signal?: AbortSignal): Promise<string | undefined> {
    const { body } = await call({ method: "GET", path: "/", operation: "open", signal });
    const version = (body as { version?: unknown } | undefined)?.version;
    if (typeof version !== "string") return undefined;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major < 1 || (major === 1 && minor < 11))
      throw new BackendError("qdrant", "open", `the server is Qdrant ${version}: update it to 1.11 or later`, { code: "backend_outdated" });
    return version;
  }

  return {
    name: "qdrant",
    guarantees,

    async open(signal) {
      begin("open", signal);
      await abortable(opened(), signal);
    },
    async close() {
      isClosed = true;
    },
    async health(signal) {
      const started = performance.now();
      try {
        const version = await checkVersion(signal);
        await call({ method: "GET", path: root, operation: "health", accept: [404], signal });
        const versions: Record<string, string> = version === undefined ? {} : { qdrant: version };
        return { ok: true, store: "qdrant", latencyMs: performance.now() - started, versions, problem: undefined };
      } catch (error) {
        const problem = MemoryError.isInstance(error) ? error.message : "[qdrant] the check was interrupted: repeat it";
        return { ok: false, store: "qdrant", latencyMs: undefined, versions: {}, problem };
      }
    },

    async useSpace(space, signal) {
      begin("useSpace", signal);
      await useCollection(call, { collection, hnsw: { m, efConstruct }, onDisk, shardNumber, replicationFactor }, space, signal);
      current = space;
    },

    async upsert(entries, signal) {
      begin("upsert", signal);
      for (const { vector } of entries) checkLength(vector);
      // Of one id in a batch twice, the last counts.
      const byId = new Map(entries.map((entry) => [pointId(entry, entry.messageId), entry]));
      for (const batch of batchesOf(byId, { count: mostPoints, size: mostValues }, ([, entry]) => entry.vector.length))
        await points("upsert", { points: batch.map(([id, entry]) => toPoint(id, entry)) }, signal, ["PUT", "?wait=true"]);
    },

    async query(query, signal) {
      begin("query", signal);
      checkLength(query.vector);
      const conditions = toConditions(query);
      if (query.limit < 1 || conditions === undefined) return [];
      const body = {
        query: unitVector(query.vector),
        filter: { must: conditions },
        limit: query.limit,
        with_payload: returned,
        params: exact ? { exact: true } : { hnsw_ef: Math.max(searchEf, query.limit) },
      };
      const result = (await points("query", body, signal, ["POST", "/query"])) as { points: readonly ScoredPoint[] };
      return result.points.map(toMatch);
    },

    async delete(selection, signal) {
      begin("delete", signal);
      const { messageIds } = selection;
      if (messageIds === undefined) {
        await points("delete", { filter: { must: selectionConditions(selection) } }, signal, ["POST", "/delete?wait=true"]);
        return;
      }
      const { tenant, userId, conversationId } = selection;
      if (userId === undefined || conversationId === undefined)
        throw new InvalidArgumentError("messageIds", "stand for messages of one conversation: give userId and conversationId too");
      for (const batch of batchesOf(messageIds, { count: mostIds })) {
        const ids = batch.map((id) => pointId({ tenant, userId, conversationId }, id));
        await points("delete", { points: ids }, signal, ["POST", "/delete?wait=true"]);
      }
    },

    async count(scope, signal) {
      const result = (await points("count", { filter: { must: scopeConditions(scope) }, exact: true }, signal, ["POST", "/count"])) as {
        count: number;
      };
      return result.count;
    },
  };
}

/** Addresses of Qdrant Cloud are told without their port, which every client of Qdrant's adds. */
function withCloudPort(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.port !== "" || !parsed.hostname.endsWith(".cloud.qdrant.io")) return url;
  parsed.port = "6333";
  return parsed.href;
}
