import { BackendError } from "../../domain/errors.ts";
import { abortable } from "../../internal/abort.ts";

/*
 * Requests to Elasticsearch and OpenSearch over plain `fetch`. Their REST interface is the one thing both keep stable:
 * the official client of the one refuses the other, each weighs megabytes, and of either nothing but its transport would
 * be used here. Who has a client lends it, and requests go through its transport.
 */

const store = "elasticsearch";

export interface ElasticRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** JSON. */
  readonly body?: object | undefined;
  /** Lines of `_bulk`, each a JSON value. */
  readonly lines?: readonly object[] | undefined;
  /** Statuses beside 2xx that are answers. */
  readonly expected?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ElasticAnswer<Body> {
  readonly status: number;
  readonly body: Body;
}

export interface ElasticTransport {
  request<Body>(operation: string, request: ElasticRequest): Promise<ElasticAnswer<Body>>;
}

/** What is used of an `@elastic/elasticsearch` (8 and later) or `@opensearch-project/opensearch` (2 and later) client. */
export interface ElasticClientLike {
  readonly transport: {
    request(parameters: LentRequest, options?: LentRequestOptions): PromiseLike<unknown>;
  };
}

interface LentRequest {
  method: string;
  path: string;
  querystring?: Record<string, string | number | boolean>;
  body?: string | Record<string, unknown>;
  bulkBody?: string;
}

interface LentRequestOptions {
  ignore?: number[];
  meta?: boolean;
  requestTimeout?: number;
}

export interface HttpOptions {
  readonly hosts: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Tries of a request that was refused for now, over all hosts. */
const mostTries = 4;
const firstWaitMs = 100;

/** Several hosts take turns; one that cannot be reached, or is busy, hands its turn to the next. */
export function httpTransport({ hosts, headers, timeoutMs }: HttpOptions): ElasticTransport {
  let turn = 0;

  async function attempt(host: string, request: ElasticRequest): Promise<ElasticAnswer<string>> {
    const limit = AbortSignal.timeout(timeoutMs);
    const { content, type } = encodeBody(request);
    const response = await fetch(`${host}${request.path}${encodeQuery(request.query)}`, {
      method: request.method,
      headers: type === undefined ? headers : { ...headers, "content-type": type },
      signal: request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]),
      ...(content === undefined ? {} : { body: content }),
    });
    return { status: response.status, body: await response.text() };
  }

  return {
    async request<Body>(operation: string, request: ElasticRequest): Promise<ElasticAnswer<Body>> {
      request.signal?.throwIfAborted();
      const first = turn++;
      for (let tries = 1; ; tries++) {
        const mayRetry = tries < Math.max(mostTries, hosts.length);
        try {
          const { status, body } = await attempt(hosts[(first + tries - 1) % hosts.length] as string, request);
          if (mayRetry && isBusy(status)) {
            await pause(firstWaitMs * 2 ** (tries - 1) * (0.5 + Math.random()), request.signal);
            continue;
          }
          return answered(operation, request, status, parseBody(body));
        } catch (error) {
          request.signal?.throwIfAborted();
          if (error instanceof BackendError) throw error;
          // Refused connections never reached the server; whatever was sent may have been done, and is the caller's to repeat.
          if (mayRetry && tries < hosts.length && wasNotSent(error)) continue;
          throw unreachable(operation, error);
        }
      }
    },
  };
}

/** Requests through a client of the caller's own, with its hosts, login, retries and product check. */
export function lentTransport(client: ElasticClientLike, timeoutMs: number): ElasticTransport {
  return {
    async request<Body>(operation: string, request: ElasticRequest): Promise<ElasticAnswer<Body>> {
      request.signal?.throwIfAborted();
      const { method, path, query, body } = request;
      const { content } = encodeBody({ ...request, body: undefined });
      const parameters: LentRequest = {
        method,
        path,
        ...(query === undefined ? {} : { querystring: { ...query } }),
        ...(body === undefined ? {} : { body: { ...body } }),
        ...(content === undefined ? {} : { bulkBody: content }),
      };
      const expected = [...(request.expected ?? [])];
      const sent = client.transport.request(parameters, { ignore: expected, meta: true, requestTimeout: timeoutMs });
      try {
        const { statusCode, body: answer } = (await abortable(Promise.resolve(sent), request.signal)) as LentAnswer;
        return answered(operation, request, statusCode, answer);
      } catch (error) {
        request.signal?.throwIfAborted();
        if (error instanceof BackendError) throw error;
        const { statusCode, body: refusal } = (error as { meta?: Partial<LentAnswer> }).meta ?? {};
        if (typeof statusCode === "number" && statusCode > 0) return answered(operation, request, statusCode, refusal);
        throw unreachable(operation, error);
      }
    },
  };
}

interface LentAnswer {
  readonly statusCode: number;
  readonly body: unknown;
}

function encodeBody(request: ElasticRequest): { content?: string; type?: string } {
  if (request.lines !== undefined) {
    return { content: `${request.lines.map((line) => JSON.stringify(line)).join("\n")}\n`, type: "application/x-ndjson" };
  }
  if (request.body !== undefined) return { content: JSON.stringify(request.body), type: "application/json" };
  return {};
}

function encodeQuery(query: ElasticRequest["query"]): string {
  const pairs = Object.entries(query ?? {}).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function parseBody(body: string): unknown {
  if (body === "") return undefined;
  try {
    return JSON.parse(body);
  } catch {
    // A proxy's page: its status tells enough.
    return undefined;
  }
}

function answered<Body>(operation: string, request: ElasticRequest, status: number, body: unknown): ElasticAnswer<Body> {
  if (status < 300 || request.expected?.includes(status) === true) return { status, body: body as Body };
  throw refused(operation, status, body);
}

const isBusy = (status: number) => status === 429 || status === 502 || status === 503;

function wasNotSent(error: unknown): boolean {
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  return code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "UND_ERR_CONNECT_TIMEOUT";
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return abortable(new Promise((resolve) => setTimeout(resolve, ms)), signal);
}

function unreachable(operation: string, cause: unknown): BackendError {
  const isSlow = (cause as { name?: unknown }).name === "TimeoutError";
  const message = isSlow
    ? `the server did not answer ${operation} in time: check that it is not overloaded, or raise timeoutMs`
    : `the server could not be reached during ${operation}: check that it runs, and its hosts, ports and firewall`;
  return new BackendError(store, operation, message, { code: "backend_unavailable", cause, retryable: true });
}

/** The reason of a refusal names types and fields; texts of the server may quote contents and are left out. */
export function refused(operation: string, status: number, body: unknown): BackendError {
  const kind = (body as { error?: { type?: unknown } } | undefined)?.error?.type;
  const reason = typeof kind === "string" ? `${status}, ${kind}` : `${status}`;
  const fail = (code: "backend_error" | "backend_unavailable" | "backend_denied", message: string, retryable = false) =>
    new BackendError(store, operation, message, { code, retryable });
  if (status === 401) return fail("backend_denied", "the server refused the login: check apiKey, or username and password");
  if (status === 403)
    return fail("backend_denied", `${operation} is not allowed (${reason}): give this login the right to the store's indexes`);
  if (status === 413)
    return fail(
      "backend_error",
      `${operation} is larger than the server takes: send fewer messages at once, or raise http.max_content_length`,
    );
  if (isBusy(status)) return fail("backend_unavailable", `the server is busy or not ready (${reason}): repeat ${operation} later`, true);
  return fail("backend_error", `${operation} failed (${reason}): see the log of the server`, status >= 500);
}
