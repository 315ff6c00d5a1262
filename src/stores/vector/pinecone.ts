import { BackendError, DimensionMismatchError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorStore } from "../../domain/vector-store.ts";
import { abortable } from "../../internal/abort.ts";
import { batchesOf } from "../../internal/batches.ts";
import { type HttpAnswer, type HttpJson, type HttpRequest, httpJson } from "../../internal/http-json.ts";
import { once } from "../../internal/once.ts";
import { stableId } from "../../internal/stable-id.ts";
import { unitVector } from "../../internal/unit-vector.ts";
import { freshness } from "../pinecone/freshness.ts";
import { findIndex, type PineconeIndex, withProtocol } from "../pinecone/index-host.ts";
import {
  allOf,
  type Filter,
  type Metadata,
  type PineconeRecord,
  prefixOf,
  queryConditions,
  recordId,
  scopeConditions,
  toMatch,
  toRecord,
} from "../pinecone/records.ts";
import { regionOfEnvironment } from "../pinecone/region.ts";
import { noteSpace } from "../pinecone/space-note.ts";

/** Options of {@link pineconeVectorStore}. */
export interface PineconeVectorStoreOptions {
  /** Of the project. Its role must allow writing, and creating indexes unless the index is there. */
  readonly apiKey: string;
  /** A serverless index with cosine similarity, made when it is missing: up to 45 of `a-z 0-9 -`. @default "unforget" */
  readonly index?: string | undefined;
  /** Begins the names of the namespaces, one for each tenant. Two memories may share an index with different ones. @default "unforget" */
  readonly namespace?: string | undefined;
  /** Where a new index runs. @default "aws" */
  readonly cloud?: "aws" | "gcp" | "azure" | undefined;
  /** Where a new index runs. @default "us-east-1", the one region of the free plan */
  readonly region?: string | undefined;
  /** A region in the manner of Pinecone's earlier days, such as `us-west1-gcp`, when `region` is not given. */
  readonly environment?: string | undefined;
  /** The index's own address. With it the index must be there, and a key that may not manage indexes will do. */
  readonly host?: string | undefined;
  /** Where indexes are managed: for the local emulator. @default "https://api.pinecone.io" */
  readonly controllerUrl?: string | undefined;
  /** How long one request may take, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Further attempts after HTTP 429, 502, 503, 504 and broken connections, with growing pauses. @default 3 */
  readonly maxRetries?: number | undefined;
  /** How long a new index may take to get ready, in milliseconds. @default 120_000 */
  readonly readyTimeoutMs?: number | undefined;
  /** How long a query waits for the writes of its own process to be seen, in milliseconds; 0 does not. @default 5_000 */
  readonly freshnessMs?: number | undefined;
  /** Sends the requests in place of the global `fetch`: for a proxy, or certificates of your own. */
  readonly fetch?: typeof fetch | undefined;
}

const late =
  "Pinecone answers a write before queries see it: a query waits up to freshnessMs for the writes of its own process, and sees those of others later";

const guarantees: VectorGuarantees = {
  durable: "required",
  exact: "required",
  isolated: "required",
  readYourWrites: { level: "repaired", why: late },
  deleted: { level: "repaired", why: late },
  filters: "required",
};

const apiVersion = "2026-04";
/** The API's own: 1,000 records and 2 MB in an upsert, 1,000 ids in a delete, 10,000 matches. */
const mostRecords = 1_000;
const mostBytes = 1_800_000;
const mostIds = 1_000;
const mostMatches = 10_000;
const listPage = 100;

/**
 * Vectors in a serverless index of Pinecone, over its REST interface: a namespace for each tenant.
 *
 * Nothing is to be installed. The official client keeps back the headers that tell how fresh an answer is, and cannot be
 * interrupted.
 *
 * @example
 * createMemory({ vectors: { store: "pinecone", apiKey, index: "agent-memory", cloud: "aws", region: "us-east-1" } });
 */
export function pineconeVectorStore(options: PineconeVectorStoreOptions): VectorStore {
  const {
    apiKey,
    index = "unforget",
    namespace: namespacePrefix = "unforget",
    environment,
    cloud = "aws",
    region,
    host,
    controllerUrl = "https://api.pinecone.io",
    timeoutMs = 10_000,
    maxRetries = 3,
    readyTimeoutMs = 120_000,
    freshnessMs = 5_000,
    fetch,
  } = options;
  if (typeof apiKey !== "string" || apiKey === "")
    throw new InvalidArgumentError("vectors.apiKey", "is empty: give the key of your project");
  if (!/^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$/.test(index))
    throw new InvalidArgumentError("vectors.index", "must be 1 to 45 of a-z 0-9 - and begin and end with a letter or digit");
  if (!/^[\w-]{1,64}$/.test(namespacePrefix)) throw new InvalidArgumentError("vectors.namespace", "must be 1 to 64 of a-z A-Z 0-9 _ -");

  const connect = (url: string, urlField: string): HttpJson =>
    httpJson({
      store: "pinecone",
      urlField,
      url,
      headers: { "api-key": apiKey, "x-pinecone-api-version": apiVersion },
      timeoutMs,
      maxRetries,
      fetch,
    });
  const controller = connect(controllerUrl, "vectors.controllerUrl");
  const settings = {
    index,
    region: region === undefined && environment !== undefined ? regionOfEnvironment(environment) : { cloud, region: region ?? "us-east-1" },
    readyTimeoutMs,
    protocol: new URL(controllerUrl).protocol,
  };
  const fresh = freshness(freshnessMs);
  let data: HttpJson | undefined;
  let dimensions: number | undefined;
  let current: EmbeddingSpace | undefined;
  let isClosed = false;

  // A dot ends the prefix, which holds none: the note of the model has the prefix alone, and no tenant has its name.
  const namespaceOf = (tenant: string) => `${namespacePrefix}.${/^[\w-]{1,64}$/.test(tenant) ? `t-${tenant}` : `h-${stableId(tenant)}`}`;

  const opened = once(() => find(undefined, undefined));

  function begin(operation: string, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("pinecone", operation, "the store was closed: make a new one", { code: "closed" });
  }

  /** Finds the index, or makes it for vectors of this length. */
  async function find(wanted: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (data !== undefined) return;
    const found = host === undefined ? await findIndex(controller, settings, wanted, signal) : await describeHost(host, signal);
    if (found === undefined) return;
    data = connect(found.url, "vectors.host");
    dimensions = found.dimensions;
  }

  async function describeHost(address: string, signal: AbortSignal | undefined): Promise<PineconeIndex> {
    const url = withProtocol(address, settings.protocol);
    const request: HttpRequest = { method: "POST", path: "/describe_index_stats", body: {}, operation: "open", signal };
    const { dimension } = (await connect(url, "vectors.host")(request)).body as { dimension?: number };
    if (dimension === undefined)
      throw new BackendError("pinecone", "open", "the index at this host was made for other vectors: name another one");
    return { url, dimensions: dimension };
  }

  async function call(request: HttpRequest): Promise<HttpAnswer> {
    begin(request.operation, request.signal);
    if (data === undefined) await find(undefined, request.signal);
    if (data === undefined)
      throw new BackendError("pinecone", request.operation, `the index "${index}" is not there: call useSpace first, which makes it`);
    return data(request);
  }

  async function write(
    path: string,
    namespace: string,
    body: object,
    operation: string,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    // 404: there is no such namespace, so nothing to delete.
    const accept = operation === "delete" ? [404] : [];
    const answer = await call({ method: "POST", path, body: { ...body, namespace }, operation, signal, accept });
    fresh.noteWrite(namespace, answer);
    return answer;
  }

  async function ask(namespace: string, body: object, operation: string, signal: AbortSignal | undefined): Promise<readonly Match[]> {
    const request: HttpRequest = { method: "POST", path: "/query", body: { ...body, namespace, includeValues: false }, operation, signal };
    const answer = await fresh.ask(namespace, () => call(request), signal);
    return (answer.body as { matches?: readonly Match[] }).matches ?? [];
  }

  /** Any direction will do where all matches are wanted. */
  const anyVector = () => Array.from({ length: dimensions ?? 1 }, () => 1);

  function checkLength(vector: Float32Array): void {
    if (current !== undefined && vector.length !== current.dimensions)
      throw new DimensionMismatchError(current.dimensions, vector.length, current.model);
  }

  /** The ids of a user or conversation, which begin alike, page by page. */
  async function* listIds(namespace: string, prefix: string, operation: string, signal: AbortSignal | undefined): AsyncGenerator<string[]> {
    let token: string | undefined;
    do {
      const parameters = { namespace, prefix, limit: String(listPage), ...(token !== undefined && { paginationToken: token }) };
      const { body } = await call({ method: "GET", path: `/vectors/list?${new URLSearchParams(parameters)}`, operation, signal });
      const { vectors = [], pagination } = body as { vectors?: readonly { id: string }[]; pagination?: { next?: string } };
      yield vectors.map(({ id }) => id);
      token = pagination?.next;
    } while (token !== undefined);
  }

  async function deleteScope(
    namespace: string,
    userId: string | undefined,
    conversationId: string | undefined,
    signal: AbortSignal | undefined,
  ) {
    const filter = allOf(scopeConditions({ userId, conversationId }));
    if (filter === undefined) return void (await write("/vectors/delete", namespace, { deleteAll: true }, "delete", signal));
    // What is not seen yet is not selected either.
    if (fresh.isPending(namespace)) await ask(namespace, { vector: anyVector(), topK: 1 }, "delete", signal);
    try {
      await write("/vectors/delete", namespace, { filter }, "delete", signal);
    } catch (error) {
      const isRefused = error instanceof BackendError && error.code === "backend_error" && !error.retryable;
      if (!isRefused || userId === undefined) throw error;
      // An index that does not delete by a condition.
      for await (const ids of listIds(namespace, prefixOf(userId, conversationId), "delete", signal))
        if (ids.length > 0) await write("/vectors/delete", namespace, { ids }, "delete", signal);
    }
  }

  async function countMatches(
    namespace: string,
    { userId, resourceId }: Omit<StoreScope, "tenant">,
    filter: Filter,
    signal: AbortSignal | undefined,
  ) {
    const { length } = await ask(namespace, { vector: anyVector(), topK: mostMatches, filter }, "count", signal);
    if (length < mostMatches || userId === undefined || resourceId !== undefined) return length;
    let count = 0;
    for await (const ids of listIds(namespace, prefixOf(userId, undefined), "count", signal)) count += ids.length;
    return count;
  }

  return {
    name: "pinecone",
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
        begin("health", signal);
        if (host === undefined) await controller({ method: "GET", path: `/indexes/${index}`, operation: "health", signal, accept: [404] });
        else await describeHost(host, signal);
        const versions = { pinecone: apiVersion };
        return { ok: true, store: "pinecone", latencyMs: performance.now() - started, versions, problem: undefined };
      } catch (error) {
        const problem = MemoryError.isInstance(error) ? error.message : "[pinecone] the check was interrupted: repeat it";
        return { ok: false, store: "pinecone", latencyMs: undefined, versions: {}, problem };
      }
    },

    async useSpace(space, signal) {
      begin("useSpace", signal);
      await find(space.dimensions, signal);
      await noteSpace(call, { index, namespacePrefix, dimensions: dimensions ?? space.dimensions }, space, signal);
      current = space;
    },

    async upsert(entries, signal) {
      begin("upsert", signal);
      const namespaces = new Map<string, Map<string, VectorEntry>>();
      for (const entry of entries) {
        checkLength(entry.vector);
        const namespace = namespaceOf(entry.tenant);
        const byId = namespaces.get(namespace) ?? new Map<string, VectorEntry>();
        // Of one id in a batch twice, the last counts.
        namespaces.set(namespace, byId.set(recordId(entry, entry.messageId), entry));
      }
      const most = { count: mostRecords, size: mostBytes };
      for (const [namespace, byId] of namespaces) {
        const records = [...byId].map(([id, entry]) => toRecord(id, entry));
        for (const vectors of batchesOf(records, most, sizeOf)) await write("/vectors/upsert", namespace, { vectors }, "upsert", signal);
      }
    },

    async query(query, signal) {
      begin("query", signal);
      checkLength(query.vector);
      const conditions = queryConditions(query);
      if (query.limit < 1 || conditions === undefined) return [];
      const body = {
        vector: unitVector(query.vector),
        topK: Math.min(query.limit, mostMatches),
        filter: allOf(conditions),
        includeMetadata: true,
      };
      const matches = await ask(namespaceOf(query.scope.tenant), body, "query", signal);
      return matches.map(({ metadata, score }) => toMatch(metadata ?? {}, score));
    },

    async delete({ tenant, userId, conversationId, messageIds }, signal) {
      begin("delete", signal);
      const namespace = namespaceOf(tenant);
      if (messageIds === undefined) return deleteScope(namespace, userId, conversationId, signal);
      if (userId === undefined || conversationId === undefined)
        throw new InvalidArgumentError("messageIds", "stand for messages of one conversation: give userId and conversationId too");
      for (const batch of batchesOf(messageIds, { count: mostIds })) {
        const ids = batch.map((id) => recordId({ userId, conversationId }, id));
        await write("/vectors/delete", namespace, { ids }, "delete", signal);
      }
    },

    async count({ tenant, ...scope }, signal) {
      begin("count", signal);
      const namespace = namespaceOf(tenant);
      const filter = allOf(scopeConditions(scope));
      if (filter !== undefined) return countMatches(namespace, scope, filter, signal);
      const path = `/namespaces/${encodeURIComponent(namespace)}`;
      const { status, body } = await call({ method: "GET", path, operation: "count", signal, accept: [404] });
      return status === 404 ? 0 : Number((body as { record_count?: number | string }).record_count ?? 0);
    },
  };
}

interface Match {
  readonly score: number;
  readonly metadata?: Metadata;
}

function sizeOf(record: PineconeRecord): number {
  return Buffer.byteLength(JSON.stringify(record));
}
