import { randomUUID } from "node:crypto";
import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import { abortable } from "../../internal/abort.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";

/*
 * Five calls of the REST interface, by `fetch`: the official client brings streams, paginators and an HTTP stack of its own
 * for what is a JSON body here. Only the login is a library's: `google-auth-library`, on first use.
 */

const store = "bigquery";
const scope = "https://www.googleapis.com/auth/bigquery";

/** Which project and dataset hold the rows, where they are, and who logs in. */
export interface BigqueryConnectionOptions {
  /** The project that owns the dataset and pays for the queries. */
  readonly projectId: string;
  /** Made when it is missing. Nothing outside of it is read or written. @default "unforget" */
  readonly dataset?: string | undefined;
  /** Where the dataset is; it cannot be moved. @default "US" */
  readonly location?: string | undefined;
  /** A service account key as an object, or the path of its file. @default what the machine is logged in as */
  readonly credentials?: BigqueryCredentials | undefined;
  /** Rows are deleted by the server so many days after their creation time, at least 1. @default never */
  readonly retentionDays?: number | undefined;
  /**
   * A login of yours: a `GoogleAuth` of `google-auth-library`, or a `BigQuery` of `@google-cloud/bigquery`. It is lent:
   * nothing of it is closed.
   */
  readonly client?: BigqueryClientLike | undefined;
  /** Another endpoint, without the path: an emulator's. Without `credentials` or `client` it is not logged in to. @default "https://bigquery.googleapis.com" */
  readonly apiEndpoint?: string | undefined;
  /** How long one statement may take. @default 60000 */
  readonly timeoutMs?: number | undefined;
}

/** A service account: its key, or the path of the file that holds it. */
export type BigqueryCredentials = { readonly client_email: string; readonly private_key: string } | { readonly keyFilename: string };

interface TokenSource {
  getAccessToken(): PromiseLike<unknown>;
}

/** What is used of a lent client. */
export type BigqueryClientLike = TokenSource | { readonly authClient: TokenSource };

type ScalarType = "STRING" | "INT64" | "FLOAT64" | "BOOL";

/** A value and its type, as a named parameter of a statement. */
export interface Parameter {
  readonly type: ScalarType | readonly [ScalarType | StructType];
  readonly value: unknown;
}

/** Field names and their types. */
export interface StructType {
  readonly [field: string]: ScalarType;
}

export type Row = Readonly<Record<string, string | null>>;

export interface BigqueryRest {
  readonly projectId: string;
  readonly dataset: string;
  readonly location: string;
  readonly retentionDays: number | undefined;
  /** `signal` ends the wait, not the statement. */
  query(operation: string, sql: string, parameters: Readonly<Record<string, Parameter>>, signal?: AbortSignal): Promise<QueryAnswer>;
  /** A call to the management part; the statuses in `expected` are answers. */
  call<Body>(operation: string, method: string, path: string, body?: object, expected?: readonly number[]): Promise<Body | undefined>;
}

export interface QueryAnswer {
  readonly rows: readonly Row[];
  readonly affected: number;
}

const mostTries = 4;

export function bigqueryRest(options: BigqueryConnectionOptions): BigqueryRest {
  const { projectId, dataset = "unforget", location = "US", retentionDays, timeoutMs = 60_000 } = options;
  if (!/^[a-z0-9.:-]{1,100}$/i.test(projectId ?? ""))
    throw new InvalidArgumentError("projectId", "must be the id of a Google Cloud project");
  if (!/^\w{1,1024}$/.test(dataset)) throw new InvalidArgumentError("dataset", "must be letters, digits and underscores");
  if (retentionDays !== undefined && !(retentionDays >= 1)) throw new InvalidArgumentError("retentionDays", "must be at least 1");
  const base = `${(options.apiEndpoint ?? "https://bigquery.googleapis.com").replace(/\/+$/, "")}/bigquery/v2/projects/${projectId}`;
  const token = tokenSource(options);

  async function send(operation: string, method: string, path: string, body: object | undefined, signal?: AbortSignal): Promise<Reply> {
    signal?.throwIfAborted();
    const authorization = await abortable(login(operation, token), signal);
    const limit = AbortSignal.timeout(timeoutMs);
    for (let tries = 1; ; tries++) {
      try {
        const response = await fetch(`${base}${path}`, {
          method,
          headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
          signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const reply = { status: response.status, body: parse(await response.text()) };
        // A statement carries a `requestId`: sent again, it is not run again.
        if (tries >= mostTries || !isBusy(reply.status)) return reply;
      } catch (error) {
        signal?.throwIfAborted();
        throw unreachable(operation, error);
      }
      await abortable(new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries * (0.5 + Math.random()))), signal);
    }
  }

  return {
    projectId,
    dataset,
    location,
    retentionDays,

    async query(operation, sql, parameters, signal) {
      const began = Date.now();
      const request = {
        ...{ query: sql, useLegacySql: false, location, requestId: randomUUID(), timeoutMs: 10_000 },
        ...{ parameterMode: "NAMED", queryParameters: Object.entries(parameters).map(encodeParameter) },
      };
      let reply = await send(operation, "POST", "/queries", request, signal);
      const rows: Row[] = [];
      for (;;) {
        if (reply.status >= 300) throw refused(operation, reply);
        const answer = reply.body as QueryReply;
        if (answer.jobComplete) rows.push(...toRows(answer));
        else if (Date.now() - began > timeoutMs) throw unreachable(operation, Object.assign(new Error(), { name: "TimeoutError" }));
        if (answer.jobComplete && answer.pageToken === undefined) return { rows, affected: Number(answer.numDmlAffectedRows ?? 0) };
        const { jobId } = answer.jobReference;
        const page = answer.pageToken === undefined ? "" : `&pageToken=${encodeURIComponent(answer.pageToken)}`;
        const path = `/queries/${encodeURIComponent(jobId)}?location=${encodeURIComponent(location)}&timeoutMs=10000${page}`;
        reply = await send(operation, "GET", path, undefined, signal);
      }
    },

    async call<Body>(operation: string, method: string, path: string, body?: object, expected: readonly number[] = []) {
      const reply = await send(operation, method, path, body);
      if (reply.status >= 300 && !expected.includes(reply.status)) throw refused(operation, reply);
      return reply.status >= 300 ? undefined : (reply.body as Body);
    },
  };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

interface QueryReply {
  readonly jobComplete: boolean;
  readonly jobReference: { readonly jobId: string };
  readonly pageToken?: string;
  readonly numDmlAffectedRows?: string;
  readonly schema?: { readonly fields: readonly { readonly name: string }[] };
  readonly rows?: readonly { readonly f: readonly { readonly v: string | null }[] }[];
}

function toRows({ schema, rows = [] }: QueryReply): Row[] {
  return rows.map(({ f }) => Object.fromEntries(f.map(({ v }, index) => [schema?.fields[index]?.name ?? "", v])));
}

function encodeParameter([name, { type, value }]: readonly [string, Parameter]): object {
  if (typeof type === "string") return { name, parameterType: { type }, parameterValue: scalar(value) };
  const [element] = type;
  const values = value as readonly unknown[];
  if (typeof element === "string") {
    return { name, parameterType: { type: "ARRAY", arrayType: { type: element } }, parameterValue: { arrayValues: values.map(scalar) } };
  }
  const fields = Object.entries(element);
  const structTypes = fields.map(([field, of]) => ({ name: field, type: { type: of } }));
  const arrayValues = (values as readonly Readonly<Record<string, unknown>>[]).map((row) => ({
    structValues: Object.fromEntries(fields.map(([field]) => [field, scalar(row[field])])),
  }));
  return { name, parameterType: { type: "ARRAY", arrayType: { type: "STRUCT", structTypes } }, parameterValue: { arrayValues } };
}

const scalar = (value: unknown) => ({ value: value === null || value === undefined ? null : String(value) });

function tokenSource({ credentials, client, apiEndpoint }: BigqueryConnectionOptions): (() => Promise<unknown>) | undefined {
  if (client !== undefined) {
    if (credentials !== undefined) throw new InvalidArgumentError("client", "brings its own login: give either a client or credentials");
    return async () => ("authClient" in client ? client.authClient : client).getAccessToken();
  }
  if (credentials === undefined && apiEndpoint !== undefined) return undefined;
  const auth = once(async () => {
    const { GoogleAuth } = await loadDependency(store, "google-auth-library", () => import("google-auth-library"));
    const given = credentials === undefined ? {} : "keyFilename" in credentials ? credentials : { credentials: { ...credentials } };
    return new GoogleAuth({ ...given, scopes: [scope] });
  });
  return async () => (await auth()).getAccessToken();
}

async function login(operation: string, token: (() => Promise<unknown>) | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined;
  try {
    return `Bearer ${await token()}`;
  } catch (cause) {
    if (cause instanceof Error && cause.name === "DependencyMissingError") throw cause;
    throw new BackendError(store, operation, "there is no login: give credentials, or log the machine in to Google Cloud", {
      code: "backend_denied",
      cause,
    });
  }
}

const isBusy = (status: number) => status === 429 || status === 500 || status === 502 || status === 503;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(operation: string, cause: unknown): BackendError {
  const isSlow = (cause as { name?: unknown }).name === "TimeoutError";
  const message = isSlow
    ? `the server did not finish ${operation} in time: repeat it, or raise timeoutMs`
    : `the server could not be reached during ${operation}: check the network, and apiEndpoint where one is given`;
  return new BackendError(store, operation, message, { code: "backend_unavailable", cause, retryable: true });
}

/** The reason is a word; the server's sentences may quote values. */
function refused(operation: string, { status, body }: Reply): BackendError {
  const error = (body as { error?: { errors?: readonly { reason?: unknown }[] } } | undefined)?.error;
  const reason = error?.errors?.[0]?.reason;
  const why = typeof reason === "string" ? `${status}, ${reason}` : `${status}`;
  const fail = (code: "backend_error" | "backend_unavailable" | "backend_denied", message: string, retryable = false) =>
    new BackendError(store, operation, message, { code, retryable });
  if (status === 401) return fail("backend_denied", "the server refused the login: check the credentials");
  if (status === 403 && reason !== "rateLimitExceeded" && reason !== "quotaExceeded") {
    return fail("backend_denied", `${operation} is not allowed (${why}): give this login the roles BigQuery Data Editor and Job User`);
  }
  if (isBusy(status) || status === 403)
    return fail("backend_unavailable", `the server is busy, or a quota is used up (${why}): repeat ${operation} later`, true);
  return fail("backend_error", `${operation} failed (${why}): see the project's job history`);
}
