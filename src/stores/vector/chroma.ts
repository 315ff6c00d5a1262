import { BackendError, DimensionMismatchError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { VectorEntry, VectorMatch, VectorStore } from "../../domain/vector-store.ts";
import { abortable } from "../../internal/abort.ts";
import { batchesOf } from "../../internal/batches.ts";
import { type HttpRequest, httpJson } from "../../internal/http-json.ts";
import { once } from "../../internal/once.ts";
import { unitVector } from "../../internal/unit-vector.ts";
import { chromaCollections, validName } from "../chroma/collections.ts";
import { combine, type Metadata, queryConditions, recordId, scopeConditions, toMatch, toMetadata, type Where } from "../chroma/records.ts";

/** Options of {@link chromaVectorStore}. */
export interface ChromaVectorStoreOptions {
  /** @default "localhost" */
  readonly host?: string | undefined;
  /** @default 8000 */
  readonly port?: number | undefined;
  /** Speaks https to `host`. @default false */
  readonly ssl?: boolean | undefined;
  /** The whole address in place of `host`, `port` and `ssl`; a path before the interface is kept. */
  readonly url?: string | undefined;
  /** Chroma's own tenant. It must be there. @default "default_tenant" */
  readonly tenant?: string | undefined;
  /** Chroma's own database. It must be there. @default "default_database" */
  readonly database?: string | undefined;
  /** Begins the names of the collections, one for each tenant of the memory: 3 or more of `a-z A-Z 0-9 . _ -`. @default "unforget" */
  readonly collection?: string | undefined;
  /** Sent as `x-chroma-token`. */
  readonly apiKey?: string | undefined;
  /** Further HTTP headers, such as `authorization` for a server that wants it. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long one request may take, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Further attempts after HTTP 429, 502, 503, 504 and broken connections, with growing pauses. @default 3 */
  readonly maxRetries?: number | undefined;
  /** The graph of a collection made by this store: more finds more and takes longer. @default 32, 200 and 512 */
  readonly hnsw?: { readonly maxNeighbors?: number; readonly efConstruction?: number; readonly efSearch?: number } | undefined;
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

const mostRecords = 250;
const mostValues = 200_000;
const mostIds = 1_000;
const countPage = 5_000;

/**
 * Vectors in Chroma 1.x, over version 2 of its REST interface: a collection for each tenant.
 *
 * Nothing is to be installed. The official client brings the server's program along (50 MB), and cannot be interrupted.
 *
 * @example
 * createMemory({ vectors: { store: "chroma", host: "localhost", port: 8000, collection: "agent-memory" } });
 */
export function chromaVectorStore(options: ChromaVectorStoreOptions = {}): VectorStore {
  const {
    host = "localhost",
    port = 8000,
    ssl = false,
    url = `${ssl ? "https" : "http"}://${host}:${port}`,
    tenant: chromaTenant = "default_tenant",
    database = "default_database",
    collection = "unforget",
    apiKey,
    headers,
    timeoutMs = 10_000,
    maxRetries = 3,
    hnsw: { maxNeighbors = 32, efConstruction = 200, efSearch = 512 } = {},
    fetch,
  } = options;
  if (!validName.test(collection))
    throw new InvalidArgumentError("vectors.collection", "must be 3 or more of a-z A-Z 0-9 . _ - and begin and end with a letter or digit");
  const urlField = options.url === undefined ? "vectors.host" : "vectors.url";
  const send = httpJson({
    store: "chroma",
    urlField,
    url,
    headers: { ...headers, "x-chroma-token": apiKey },
    timeoutMs,
    maxRetries,
    fetch,
  });
  const home = `/api/v2/tenants/${encodeURIComponent(chromaTenant)}/databases/${encodeURIComponent(database)}`;
  let isClosed = false;
  let current: EmbeddingSpace | undefined;

  const collections = chromaCollections(call, {
    collection,
    root: `${home}/collections`,
    hnsw: { maxNeighbors, efConstruction, efSearch },
  });
  const opened = once(() => checkDatabase(undefined));

  function begin(operation: string, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("chroma", operation, "the store was closed: make a new one", { code: "closed" });
  }

  async function call(request: HttpRequest) {
    begin(request.operation, request.signal);
    return send(request);
  }

  async function checkDatabase(signal: AbortSignal | undefined): Promise<void> {
    const { status } = await call({ method: "GET", path: home, operation: "open", signal, accept: [404] });
    if (status !== 404) return;
    const what = `the database "${database}" of the tenant "${chromaTenant}" is not there`;
    throw new BackendError("chroma", "open", `${what}: create it, or correct the names (Chroma before 1.0 has not this interface)`);
  }

  function checkLength(vector: Float32Array): void {
    if (current !== undefined && vector.length !== current.dimensions)
      throw new DimensionMismatchError(current.dimensions, vector.length, current.model);
  }

  async function upsertOf(tenant: string, entries: ReadonlyMap<string, VectorEntry>, signal: AbortSignal | undefined): Promise<void> {
    const request = (path: string, body: unknown) =>
      collections.request(tenant, { method: "POST", path, body, operation: "upsert", signal }, true);
    for (const batch of batchesOf(entries, { count: mostRecords, size: mostValues }, ([, entry]) => entry.vector.length)) {
      const ids = batch.map(([id]) => id);
      const before = toRecords((await request("/get", { ids, include: ["metadatas"] })) as Page);
      const metadatas = batch.map(([id, entry]) => toMetadata(entry, before.get(id)));
      await request("/upsert", { ids, embeddings: batch.map(([, entry]) => unitVector(entry.vector)), metadatas });
    }
  }

  /**
   * What the graph did not reach: it may lose sight of records after many deletes, or under narrow conditions. Asked for
   * only when fewer came back than were wanted.
   */
  async function missed(
    tenant: string,
    where: Where | undefined,
    found: ReadonlySet<string>,
    vector: readonly number[],
    limit: number,
    signal: AbortSignal | undefined,
  ) {
    const request = async (body: object) =>
      (await collections.request(tenant, { method: "POST", path: "/get", body, operation: "query", signal }, false)) as Page | undefined;
    const all = await request({ where, limit, include: [] });
    const ids = all?.ids.filter((id) => !found.has(id)) ?? [];
    if (ids.length === 0) return [];
    const page = await request({ ids, include: ["metadatas", "embeddings"] });
    return (page?.ids ?? []).map((_, index) => toMatch(page?.metadatas?.[index] ?? {}, dot(vector, page?.embeddings?.[index] ?? [])));
  }

  return {
    name: "chroma",
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
        await checkDatabase(signal);
        const { body } = await call({ method: "GET", path: "/api/v2/version", operation: "health", signal });
        return {
          ok: true,
          store: "chroma",
          latencyMs: performance.now() - started,
          versions: { chroma: String(body) },
          problem: undefined,
        };
      } catch (error) {
        const problem = MemoryError.isInstance(error) ? error.message : "[chroma] the check was interrupted: repeat it";
        return { ok: false, store: "chroma", latencyMs: undefined, versions: {}, problem };
      }
    },

    async useSpace(space, signal) {
      begin("useSpace", signal);
      await collections.useSpace(space, signal);
      current = space;
    },

    async upsert(entries, signal) {
      begin("upsert", signal);
      const tenants = new Map<string, Map<string, VectorEntry>>();
      for (const entry of entries) {
        checkLength(entry.vector);
        const byId = tenants.get(entry.tenant) ?? new Map<string, VectorEntry>();
        // Of one id in a batch twice, the last counts.
        tenants.set(entry.tenant, byId.set(recordId(entry, entry.messageId), entry));
      }
      for (const [tenant, byId] of tenants) await upsertOf(tenant, byId, signal);
    },

    async query(query, signal) {
      begin("query", signal);
      checkLength(query.vector);
      const conditions = queryConditions(query);
      const { limit, scope } = query;
      if (limit < 1 || conditions === undefined) return [];
      const where = combine("$and", conditions);
      const vector = unitVector(query.vector);
      const body = { query_embeddings: [vector], n_results: limit, where, include: ["metadatas", "distances"] };
      const answer = await collections.request(scope.tenant, { method: "POST", path: "/query", body, operation: "query", signal }, false);
      if (answer === undefined) return [];
      const { ids, metadatas, distances } = answer as QueryAnswer;
      const matches = ids[0].map((_, index) => toMatch(metadatas[0][index] ?? {}, 1 - (distances[0][index] ?? 1)));
      if (matches.length < limit) matches.push(...(await missed(scope.tenant, where, new Set(ids[0]), vector, limit, signal)));
      return matches.sort(bestFirst).slice(0, limit);
    },

    async delete({ tenant, userId, conversationId, messageIds }, signal) {
      begin("delete", signal);
      const request = (body: object) =>
        collections.request(tenant, { method: "POST", path: "/delete", body, operation: "delete", signal }, false);
      if (messageIds === undefined) {
        const where = combine("$and", scopeConditions({ userId, conversationId }));
        await (where === undefined ? collections.drop(tenant, signal) : request({ where }));
        return;
      }
      if (userId === undefined || conversationId === undefined)
        throw new InvalidArgumentError("messageIds", "stand for messages of one conversation: give userId and conversationId too");
      for (const batch of batchesOf(messageIds, { count: mostIds }))
        await request({ ids: batch.map((id) => recordId({ userId, conversationId }, id)) });
    },

    async count({ tenant, ...scope }, signal) {
      begin("count", signal);
      const where = combine("$and", scopeConditions(scope));
      const operation = "count";
      if (where === undefined)
        return (
          ((await collections.request(tenant, { method: "GET", path: "/count", operation, signal }, false)) as number | undefined) ?? 0
        );
      for (let count = 0; ; count += countPage) {
        const body = { where, limit: countPage, offset: count, include: [] };
        const page = (await collections.request(tenant, { method: "POST", path: "/get", body, operation, signal }, false)) as
          | Page
          | undefined;
        const length = page?.ids.length ?? 0;
        if (length < countPage) return count + length;
      }
    },
  };
}

interface Page {
  readonly ids: readonly string[];
  readonly metadatas?: readonly (Metadata | null)[] | null;
  readonly embeddings?: readonly (readonly number[])[] | null;
}

interface QueryAnswer {
  readonly ids: readonly [readonly string[]];
  readonly metadatas: readonly [readonly (Metadata | null)[]];
  readonly distances: readonly [readonly (number | null)[]];
}

function toRecords({ ids, metadatas }: Page): ReadonlyMap<string, Metadata> {
  return new Map(ids.map((id, index) => [id, metadatas?.[index] ?? {}]));
}

/** Both are of length 1. */
function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);
}

const bestFirst = (left: VectorMatch, right: VectorMatch) => right.similarity - left.similarity;
