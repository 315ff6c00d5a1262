import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

// A server on 127.0.0.1 that speaks as much of Pinecone's REST API (version 2026-04, as its documentation describes it)
// as a store of vectors needs. It refuses what the API refuses: fields it does not know, sizes above its limits, values of
// types it has not. It answers by brute force, and late where it is told to: queries see a write `lagMs` after its answer.

/** What the next request gets in place of its answer. */
export interface PineconeFault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface PineconeRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export interface PineconeServer {
  readonly controllerUrl: string;
  readonly requests: PineconeRequest[];
  /** One for each of the next requests whose path begins so. */
  readonly faults: { readonly path: string; readonly fault: PineconeFault }[];
  /** The host of an index, as its description names it. */
  hostOf(index: string): string | undefined;
  /** Makes an index that nobody asked this server for. */
  addIndex(name: string, dimension: number, metric?: string): void;
  close(): Promise<void>;
}

export interface PineconeServerOptions {
  readonly apiKey?: string;
  /** How long after a write queries see it. @default 0 */
  readonly lagMs?: number;
  /** How long a new index takes. @default 0 */
  readonly readyMs?: number;
  /** Refuses to delete by metadata, as serverless indexes did. @default false */
  readonly refusesFilteredDeletes?: boolean;
}

type Metadata = Readonly<Record<string, unknown>>;

interface Vector {
  readonly id: string;
  readonly values: readonly number[];
  readonly metadata?: Metadata;
}

interface Namespace {
  /** What queries see. */
  readonly seen: Map<string, Vector>;
  /** What was written, whether seen or not. */
  readonly written: Map<string, Vector>;
  lastLsn: number;
  seenLsn: number;
}

interface Index {
  readonly name: string;
  readonly dimension: number;
  readonly metric: string;
  readonly spec: unknown;
  readonly readyAt: number;
  readonly namespaces: Map<string, Namespace>;
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface Answer {
  readonly status?: number;
  readonly body: unknown;
  readonly lsn?: Readonly<Record<string, string>>;
}

const regions: Readonly<Record<string, readonly string[]>> = {
  aws: ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"],
  gcp: ["us-central1", "europe-west4"],
  azure: ["eastus2"],
};

export async function pineconeServer(options: PineconeServerOptions = {}): Promise<PineconeServer> {
  const { apiKey = "pinecone-key", lagMs = 0, readyMs = 0, refusesFilteredDeletes = false } = options;
  const indexes = new Map<string, Index>();
  const requests: PineconeRequest[] = [];
  const faults: { path: string; fault: PineconeFault }[] = [];
  let origin = "";

  function addIndex(name: string, dimension: number, metric = "cosine", spec: unknown = {}): Index {
    const index = { name, dimension, metric, spec, readyAt: Date.now() + readyMs, namespaces: new Map<string, Namespace>() };
    indexes.set(name, index);
    return index;
  }

  const hostOf = (name: string) => (indexes.has(name) ? `${origin}/hosts/${name}` : undefined);

  function describe(index: Index): object {
    const isReady = Date.now() >= index.readyAt;
    const { name, dimension, metric, spec } = index;
    const status = { ready: isReady, state: isReady ? "Ready" : "Initializing" };
    return { name, vector_type: "dense", metric, dimension, status, host: hostOf(name), spec, deletion_protection: "disabled", tags: null };
  }

  function control(method: string, path: string, body: unknown): Answer {
    const name = /^\/indexes\/([^/]+)$/.exec(path)?.[1];
    if (method === "GET" && path === "/indexes") return { body: { indexes: [...indexes.values()].map(describe) } };
    if (method === "GET" && name !== undefined) {
      const index = indexes.get(name);
      if (index === undefined) throw new Refused(404, `Resource ${name} not found`);
      return { body: describe(index) };
    }
    if (method === "POST" && path === "/indexes") return { status: 201, body: describe(createIndex(body)) };
    throw new Refused(404, `no such operation: ${method} ${path}`);
  }

  function createIndex(body: unknown): Index {
    const {
      name,
      dimension,
      metric = "cosine",
      spec,
    } = fields(body, ["name", "vector_type", "dimension", "metric", "spec", "deletion_protection", "tags"]);
    if (typeof name !== "string" || !/^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$/.test(name))
      throw new Refused(400, "Name must consist of lower case letters");
    if (!Number.isInteger(dimension) || (dimension as number) < 1 || (dimension as number) > 20_000)
      throw new Refused(400, "Invalid dimension");
    if (!["cosine", "euclidean", "dotproduct"].includes(metric as string)) throw new Refused(400, "Invalid metric");
    const { serverless } = fields(spec, ["serverless"]);
    const { cloud, region } = fields(serverless, ["cloud", "region"]);
    if (!regions[cloud as string]?.includes(region as string))
      throw new Refused(404, `Resource cloud: ${String(cloud)} region: ${String(region)} not found`);
    if (indexes.has(name)) throw new Refused(409, "Resource already exists");
    return addIndex(name, dimension as number, metric as string, spec);
  }

  function data(index: Index, method: string, path: string, query: URLSearchParams, body: unknown): Answer {
    if (Date.now() < index.readyAt) throw new Refused(503, "index is not ready");
    const operation = `${method} ${path}`;
    if (operation === "POST /vectors/upsert") return upsert(index, body);
    if (operation === "POST /query") return search(index, body);
    if (operation === "POST /vectors/delete") return remove(index, body);
    if (operation === "POST /describe_index_stats") return stats(index, body);
    if (operation === "GET /vectors/fetch") return fetchVectors(index, query);
    if (operation === "GET /vectors/list") return list(index, query);
    if (method === "GET" && path.startsWith("/namespaces/")) return describeNamespace(index, decodeURIComponent(path.slice(12)));
    throw new Refused(404, `no such operation: ${operation}`);
  }

  /** Writes at once, is seen later; the answer tells the number of the write. */
  function write(index: Index, name: string, change: (vectors: Map<string, Vector>) => void): Readonly<Record<string, string>> {
    const namespace = index.namespaces.get(name) ?? { seen: new Map(), written: new Map(), lastLsn: 0, seenLsn: 0 };
    index.namespaces.set(name, namespace);
    const lsn = ++namespace.lastLsn;
    change(namespace.written);
    const show = () => {
      change(namespace.seen);
      namespace.seenLsn = lsn;
    };
    if (lagMs === 0) show();
    else setTimeout(show, lagMs);
    return { "x-pinecone-request-lsn": String(lsn) };
  }

  function upsert(index: Index, body: unknown): Answer {
    const { vectors, namespace = "" } = fields(body, ["vectors", "namespace"]);
    if (!Array.isArray(vectors) || vectors.length === 0) throw new Refused(400, "No vectors");
    if (vectors.length > 1_000) throw new Refused(400, "Batch size exceeds maximum of 1000");
    const given = vectors.map((vector) => checkVector(index, vector));
    const lsn = write(index, checkNamespace(namespace), (all) => {
      for (const vector of given) all.set(vector.id, vector);
    });
    return { body: { upsertedCount: given.length }, lsn };
  }

  function search(index: Index, body: unknown): Answer {
    const names = ["vector", "topK", "namespace", "filter", "includeMetadata", "includeValues"];
    const { vector, topK, namespace = "", filter, includeMetadata } = fields(body, names);
    const wanted = checkValues(index, vector);
    if (!Number.isInteger(topK) || (topK as number) < 1 || (topK as number) > 10_000)
      throw new Refused(400, "topK must be from 1 to 10000");
    const passes = toPredicate(filter);
    const found = index.namespaces.get(checkNamespace(namespace));
    const matches = [...(found?.seen.values() ?? [])]
      .filter(({ metadata }) => passes(metadata ?? {}))
      .map(({ id, values, metadata }) => ({ id, score: cosine(values, wanted), values: [], ...(includeMetadata === true && { metadata }) }))
      .sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1))
      .slice(0, topK as number);
    const answer = { matches, namespace, usage: { readUnits: 1 } };
    if (Buffer.byteLength(JSON.stringify(answer)) > 4 * 1024 * 1024) throw new Refused(400, "Result size exceeds 4MB");
    return { body: answer, lsn: { "x-pinecone-max-indexed-lsn": String(found?.seenLsn ?? 0) } };
  }

  function remove(index: Index, body: unknown): Answer {
    const { ids, deleteAll, filter, namespace = "" } = fields(body, ["ids", "deleteAll", "filter", "namespace"]);
    if ([ids, deleteAll, filter].filter((one) => one !== undefined).length !== 1)
      throw new Refused(400, "Give one of ids, deleteAll and filter");
    const name = checkNamespace(namespace);
    if (!index.namespaces.has(name)) throw new Refused(404, "Namespace not found");
    if (ids !== undefined) {
      if (!Array.isArray(ids) || ids.length === 0 || ids.length > 1_000) throw new Refused(400, "Give 1 to 1000 ids");
      const gone = ids.map(checkId);
      return { body: {}, lsn: write(index, name, (all) => gone.forEach((id) => void all.delete(id))) };
    }
    if (filter === undefined) return { body: {}, lsn: write(index, name, (all) => all.clear()) };
    if (refusesFilteredDeletes) throw new Refused(400, "Serverless and Starter indexes do not support deleting with metadata filtering");
    const passes = toPredicate(filter);
    const gone = [...(index.namespaces.get(name)?.seen.values() ?? [])].filter(({ metadata }) => passes(metadata ?? {}));
    return { body: {}, lsn: write(index, name, (all) => gone.forEach(({ id }) => void all.delete(id))) };
  }

  function stats(index: Index, body: unknown): Answer {
    fields(body, []);
    const namespaces = Object.fromEntries([...index.namespaces].map(([name, { seen }]) => [name, { vectorCount: seen.size }]));
    const totalVectorCount = Object.values(namespaces).reduce((sum, { vectorCount }) => sum + vectorCount, 0);
    return {
      body: { namespaces, dimension: index.dimension, indexFullness: 0, totalVectorCount, metric: index.metric, vectorType: "dense" },
    };
  }

  function fetchVectors(index: Index, query: URLSearchParams): Answer {
    const ids = query.getAll("ids").map(checkId);
    if (ids.length === 0 || ids.length > 1_000) throw new Refused(400, "Give 1 to 1000 ids");
    const namespace = checkNamespace(query.get("namespace") ?? "");
    const found = ids.flatMap((id) => index.namespaces.get(namespace)?.seen.get(id) ?? []);
    return { body: { vectors: Object.fromEntries(found.map((vector) => [vector.id, vector])), namespace, usage: { readUnits: 1 } } };
  }

  function list(index: Index, query: URLSearchParams): Answer {
    const namespace = checkNamespace(query.get("namespace") ?? "");
    const limit = Number(query.get("limit") ?? 100);
    if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw new Refused(400, "limit must be from 1 to 100");
    const after = Buffer.from(query.get("paginationToken") ?? "", "base64url").toString();
    const prefix = query.get("prefix") ?? "";
    const ids = [...(index.namespaces.get(namespace)?.seen.keys() ?? [])].filter((id) => id.startsWith(prefix) && id > after).sort();
    const page = ids.slice(0, limit);
    const next = ids.length > limit ? Buffer.from(page.at(-1) as string).toString("base64url") : undefined;
    return {
      body: {
        vectors: page.map((id) => ({ id })),
        namespace,
        usage: { readUnits: 1 },
        ...(next !== undefined && { pagination: { next } }),
      },
    };
  }

  function describeNamespace(index: Index, name: string): Answer {
    const found = index.namespaces.get(checkNamespace(name));
    if (found === undefined) throw new Refused(404, "Namespace not found");
    return { body: { name, record_count: found.seen.size } };
  }

  function answer(request: IncomingMessage, content: string): Answer {
    if (request.headers["api-key"] !== apiKey) throw new Refused(401, "Invalid API key");
    if (request.headers["x-pinecone-api-version"] !== "2026-04") throw new Refused(400, "Unknown API version");
    if (content !== "" && !request.headers["content-type"]?.startsWith("application/json")) throw new Refused(415, "Not JSON");
    if (Buffer.byteLength(content) > 2 * 1024 * 1024) throw new Refused(400, "Request size exceeds 2MB");
    const body = content === "" ? undefined : (JSON.parse(content) as unknown);
    const { pathname, searchParams } = new URL(request.url ?? "/", origin);
    const [, name, rest] = /^\/hosts\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    if (name === undefined) return control(request.method ?? "", pathname, body);
    const index = indexes.get(name);
    if (index === undefined) throw new Refused(404, "index not found");
    return data(index, request.method ?? "", rest as string, searchParams, body);
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const content = Buffer.concat(chunks).toString();
    const path = (request.url ?? "").replace(/^\/hosts\/[^/]+/, "");
    requests.push({ method: request.method ?? "", path, body: content === "" ? undefined : JSON.parse(content) });
    const send = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    const at = faults.findIndex((one) => path.startsWith(one.path));
    if (at >= 0) {
      const [made] = faults.splice(at, 1);
      return send(
        made?.fault.status ?? 500,
        made?.fault.body ?? { error: { code: "UNKNOWN", message: "made by the test" } },
        made?.fault.headers,
      );
    }
    try {
      const { status = 200, body, lsn } = answer(request, content);
      send(status, body, lsn);
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500;
      send(status, { error: { code: "REFUSED", message: String(error) }, status });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    controllerUrl: origin,
    requests,
    faults,
    hostOf,
    addIndex,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The fields of an object; others than those named are refused. */
function fields(value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Refused(400, "expected an object");
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Refused(400, `unknown field ${unknown}`);
  return value as Readonly<Record<string, unknown>>;
}

function checkId(id: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what the API asks for
  if (typeof id !== "string" || id === "" || id.length > 512 || !/^[\x01-\x7f]*$/.test(id))
    throw new Refused(400, "ids are 1 to 512 ASCII characters");
  return id;
}

function checkNamespace(name: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what the API asks for
  if (typeof name !== "string" || name.length > 512 || !/^[\x01-\x7f]*$/.test(name))
    throw new Refused(400, "namespaces are up to 512 ASCII characters");
  return name === "__default__" ? "" : name;
}

function checkValues(index: Index, values: unknown): number[] {
  if (!Array.isArray(values) || !values.every((value) => typeof value === "number" && Number.isFinite(value)))
    throw new Refused(400, "values are numbers");
  if (values.length !== index.dimension)
    throw new Refused(400, `Vector dimension ${values.length} does not match the dimension of the index ${index.dimension}`);
  if (values.every((value) => Math.fround(value) === 0)) throw new Refused(400, "Dense vectors must contain at least one non-zero value");
  return values as number[];
}

function checkVector(index: Index, vector: unknown): Vector {
  const { id, values, metadata } = fields(vector, ["id", "values", "metadata"]);
  return { id: checkId(id), values: checkValues(index, values), ...(metadata !== undefined && { metadata: checkMetadata(metadata) }) };
}

function checkMetadata(metadata: unknown): Metadata {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) throw new Refused(400, "metadata is an object");
  for (const [name, value] of Object.entries(metadata)) {
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    if (name.startsWith("$")) throw new Refused(400, "names of metadata do not begin with $");
    if (!isList && !["string", "number", "boolean"].includes(typeof value))
      throw new Refused(
        400,
        `Metadata value must be a string, number, boolean or list of strings, got '${JSON.stringify(value)}' for field '${name}'`,
      );
  }
  if (Buffer.byteLength(JSON.stringify(metadata)) > 40 * 1024)
    throw new Refused(400, "Metadata size exceeds the limit of 40960 bytes per vector");
  return metadata as Metadata;
}

type Predicate = (metadata: Metadata) => boolean;

/** Pinecone's filter language, as far as a store needs it. */
function toPredicate(filter: unknown): Predicate {
  if (filter === undefined) return () => true;
  const conditions = Object.entries(fieldsOf(filter)).map(([name, condition]): Predicate => {
    if (name === "$and" || name === "$or") {
      if (!Array.isArray(condition) || condition.length === 0) throw new Refused(400, `${name} takes a list`);
      const parts = condition.map(toPredicate);
      return (metadata) => (name === "$and" ? parts.every((part) => part(metadata)) : parts.some((part) => part(metadata)));
    }
    if (name.startsWith("$")) throw new Refused(400, `unknown operator ${name}`);
    const tests = Object.entries(fieldsOf(condition)).map(([operator, operand]) => toTest(operator, operand));
    return (metadata) => Object.hasOwn(metadata, name) && tests.every((test) => test(metadata[name]));
  });
  return (metadata) => conditions.every((condition) => condition(metadata));
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    throw new Refused(400, "a filter is an object with fields");
  return value as Readonly<Record<string, unknown>>;
}

function toTest(operator: string, operand: unknown): (value: unknown) => boolean {
  /** A list fulfils what one of its items does. */
  const some = (value: unknown, test: (one: unknown) => boolean) => (Array.isArray(value) ? value.some(test) : test(value));
  if (operator === "$eq" && ["string", "number", "boolean"].includes(typeof operand))
    return (value) => some(value, (one) => one === operand);
  if (operator === "$in" && Array.isArray(operand) && operand.length > 0 && operand.length <= 10_000)
    return (value) => some(value, (one) => operand.includes(one));
  if (operator === "$gte" && typeof operand === "number") return (value) => typeof value === "number" && value >= operand;
  if (operator === "$lt" && typeof operand === "number") return (value) => typeof value === "number" && value < operand;
  throw new Refused(400, `the operator ${operator} does not take this operand`);
}

function cosine(left: readonly number[], right: readonly number[]): number {
  let [dot, lengths, others] = [0, 0, 0];
  for (const [at, value] of left.entries()) {
    const other = right[at] ?? 0;
    dot += value * other;
    lengths += value * value;
    others += other * other;
  }
  return dot / Math.sqrt(lengths * others);
}
