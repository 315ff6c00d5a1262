import { setTimeout as sleep } from "node:timers/promises";
import { BackendError, InvalidArgumentError } from "../domain/errors.ts";

/** Options of {@link httpJson}. */
export interface HttpJsonOptions {
  /** Names the store in messages. */
  readonly store: string;
  /** Names the option that holds the address, in messages. */
  readonly urlField: string;
  /** A user and password in it are sent as a header. */
  readonly url: string;
  /** Undefined ones are left out. Their values appear in no message. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Further attempts after an answer that asks for one (HTTP 408, 425, 429, 502, 503, 504) and after a broken connection. */
  readonly maxRetries: number;
  readonly fetch?: typeof fetch | undefined;
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the address, with every segment encoded. */
  readonly path: string;
  readonly body?: unknown;
  /** What is being done, in messages: `upsert`. */
  readonly operation: string;
  readonly signal?: AbortSignal | undefined;
  /** Statuses beyond 2xx that are answers and no errors. */
  readonly accept?: readonly number[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON; undefined for an empty answer. */
  readonly body: unknown;
}

export type HttpJson = (request: HttpRequest) => Promise<HttpAnswer>;

const firstPauseMs = 200;
/** A server that asks for a longer pause is given up on: the caller knows better what to do meanwhile. */
const longestPauseMs = 10_000;
const passing: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);

/**
 * Requests with JSON to one server. Every request must be safe to repeat. Failures are {@link BackendError}s that tell
 * the status and what to do; the server's own words, without the keys, are in `cause` only, since they may quote contents.
 */
export function httpJson(options: HttpJsonOptions): HttpJson {
  const { store, timeoutMs, maxRetries, fetch: send = fetch } = options;
  const { base, headers, secrets } = target(options);

  async function attempt({ method, path, body, operation, signal }: HttpRequest): Promise<Response & { readonly content: string }> {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await send(`${base}${path}`, {
        method,
        headers,
        // A redirect would carry the key to an address nobody has checked.
        redirect: "manual",
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      return Object.assign(response, { content: await response.text() });
    } catch (cause) {
      signal?.throwIfAborted();
      const problem = timeout.aborted
        ? `gave no answer to ${operation} within ${timeoutMs} ms: check that it runs and is not overloaded, or raise timeoutMs`
        : "could not be reached: check that it runs, its address, and the network between";
      throw new BackendError(store, operation, `the server ${problem}`, { code: "backend_unavailable", retryable: true, cause });
    }
  }

  return async (request) => {
    const { operation, signal, accept = [] } = request;
    for (let retries = 0; ; retries++) {
      signal?.throwIfAborted();
      let response: Awaited<ReturnType<typeof attempt>>;
      try {
        response = await attempt(request);
      } catch (error) {
        if (retries >= maxRetries || !isBroken(error)) throw error;
        await pause(pauseMs(retries, undefined), signal);
        continue;
      }
      if (response.ok || accept.includes(response.status)) return readAnswer(store, operation, response);
      const wait = pauseMs(retries, response.headers.get("retry-after"));
      if (!passing.has(response.status) || retries >= maxRetries || wait > longestPauseMs)
        throw refusal(store, operation, response, secrets);
      await pause(wait, signal);
    }
  };
}

/** The address without what must not be in one, and the headers, checked while there is nobody else to blame. */
function target({ store, urlField, url, headers }: HttpJsonOptions): {
  readonly base: string;
  readonly headers: Headers;
  readonly secrets: readonly string[];
} {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new InvalidArgumentError(urlField, "is no http or https address: give one such as http://localhost:6333");
  const { username, password } = parsed;
  const login = username === "" && password === "" ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const all = {
    "content-type": "application/json",
    ...(login !== undefined && { authorization: `Basic ${Buffer.from(login).toString("base64")}` }),
    ...headers,
  };
  const sent = new Headers();
  for (const [name, value] of Object.entries(all)) {
    if (value === undefined) continue;
    try {
      sent.set(name, value);
    } catch {
      throw new InvalidArgumentError(
        `${store}.${name}`,
        "cannot be sent as a header: check the key for line breaks and other strange characters",
      );
    }
  }
  const secrets = [password, ...Object.values(headers ?? {})].filter((value) => value !== undefined && value.length > 3) as string[];
  return { base: `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/+$/, "")}`, headers: sent, secrets };
}

function readAnswer(store: string, operation: string, response: Response & { readonly content: string }): HttpAnswer {
  const { status, headers, content } = response;
  if (content === "") return { status, headers, body: undefined };
  try {
    return { status, headers, body: JSON.parse(content) as unknown };
  } catch {
    if (!response.ok) return { status, headers, body: undefined };
    throw new BackendError(store, operation, `the answer to ${operation} is not JSON: check that the address is the server's own`);
  }
}

/** The connection broke under the request, as it does when a kept-alive one outlives its server. */
function isBroken(error: unknown): boolean {
  const cause = ((error as Error).cause as { cause?: { code?: unknown } } | undefined)?.cause;
  return ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"].includes(String(cause?.code));
}

function pauseMs(retries: number, retryAfter: string | null | undefined): number {
  const asked = retryAfter === null || retryAfter === undefined ? Number.NaN : secondsOf(retryAfter) * 1000;
  if (Number.isFinite(asked)) return Math.max(0, asked);
  return firstPauseMs * 2 ** retries * (0.75 + Math.random() / 2);
}

/** `Retry-After` is a number of seconds or a date. */
function secondsOf(retryAfter: string): number {
  return /^\d+$/.test(retryAfter.trim()) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
}

function refusal(
  store: string,
  operation: string,
  response: Response & { readonly content: string },
  secrets: readonly string[],
): BackendError {
  const { status, content } = response;
  const words = secrets.reduce((text, secret) => text.replaceAll(secret, "…"), content).slice(0, 500);
  const cause = new Error(`HTTP ${status}${words === "" ? "" : `: ${words}`}`);
  const fail = (code: "backend_error" | "backend_unavailable" | "backend_denied", message: string, retryable = false) =>
    new BackendError(store, operation, message, { code, cause, retryable });
  if (status === 401 || status === 403)
    return fail("backend_denied", `the server refused ${operation} (HTTP ${status}): check apiKey, and what it may do`);
  if (status === 404)
    return fail("backend_error", `the server knows nothing at the address of ${operation} (HTTP 404): check the address and names given`);
  if (status === 429) {
    const after = secondsOf(response.headers.get("retry-after") ?? "");
    const when = Number.isFinite(after) ? `in ${Math.max(1, Math.ceil(after))} s` : "later";
    return fail("backend_unavailable", `the server takes no more requests now (HTTP 429): try again ${when}, or raise its limits`, true);
  }
  if (passing.has(status))
    return fail("backend_unavailable", `the server is not available for ${operation} (HTTP ${status}): try again later`, true);
  if (status >= 500) return fail("backend_error", `the server failed at ${operation} (HTTP ${status}): see its log`, true);
  if (status >= 300 && status < 400)
    return fail("backend_error", `the server sends ${operation} elsewhere (HTTP ${status}): give the address it answers at`);
  return fail("backend_error", `the server refused ${operation} (HTTP ${status}): the cause has its reason`);
}
