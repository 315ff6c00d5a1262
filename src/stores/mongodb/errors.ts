import { BackendError, MemoryError } from "../../domain/errors.ts";

/** What the driver threw, as far as it is read; its own text may hold contents and is kept as the cause alone. */
interface MongoFailure {
  readonly name?: string;
  readonly code?: number | string;
  readonly codeName?: string;
  /** Of a bulk write: what it failed by, when that was no answer of the server. */
  readonly errorResponse?: unknown;
}

function failureOf(error: unknown): MongoFailure {
  const failure = (error ?? {}) as MongoFailure;
  const { errorResponse } = failure;
  return failure.name === "MongoBulkWriteError" && errorResponse instanceof Error ? failureOf(errorResponse) : failure;
}

const duplicateKey = 11_000;
const writeConflict = 112;
const transactionAborted = 251;

/** Whether a document of this key is there already. */
export function isDuplicateKey(error: unknown): boolean {
  return failureOf(error).code === duplicateKey;
}

/** Whether somebody else wrote in the same moment: it is to be looked at again. */
export function isCollision(error: unknown): boolean {
  const { code } = failureOf(error);
  return code === duplicateKey || code === writeConflict || code === transactionAborted;
}

const unreachable =
  /^Mongo(ServerSelection|Network|NetworkTimeout|PoolCleared|WaitQueueTimeout|ConnectionPoolClosed|ServerClosed|TopologyClosed|NotConnected|ClientClosed)\w*Error$/;
/** The server is stopping, or another member of the set took over. */
const stopping: ReadonlySet<unknown> = new Set([6, 7, 89, 91, 189, 10_107, 11_600, 11_602, 13_435, 13_436]);

/** Whether the server was lost, so that a call to clean up would only wait for it. */
export function isUnreachable(error: unknown): boolean {
  const { name = "", code } = failureOf(error);
  return unreachable.test(name) || stopping.has(code);
}

/** Turns what the driver threw into the error a caller can act on. */
function toMemoryError(error: unknown, operation: string): unknown {
  const { name = "", code, codeName } = failureOf(error);
  const fail = (kind: BackendError["code"], message: string, retryable = false) =>
    new BackendError("mongodb", operation, message, { code: kind as "backend_error", cause: error, retryable });
  if (name === "MongoServerSelectionError")
    return fail("backend_unavailable", "the server could not be reached: check that it runs, and its host, port and firewall", true);
  if (isUnreachable(error))
    return fail("backend_unavailable", `the connection was lost during ${operation}: the call can be repeated`, true);
  if (code === 18) return fail("backend_denied", "the server refused the login: check user, password and authSource");
  if (code === 13) return fail("backend_denied", `this user may not do it (${operation}): give it the role readWrite on the database`);
  if (code === writeConflict || code === transactionAborted)
    return fail("backend_error", `${operation} collided with another transaction: repeat the call`, true);
  if (name === "MongoParseError") return fail("backend_error", "the driver does not take these options: check the uri");
  if (!/^(Mongo|BSON)/.test(name)) return error;
  return fail("backend_error", `${operation} failed (${codeName ?? name}${code === undefined ? "" : ` ${code}`}): see the cause`);
}

/** Runs `work` and rethrows what the driver throws as {@link MemoryError}s. */
export async function speaking<Value>(operation: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw MemoryError.isInstance(error) ? error : toMemoryError(error, operation);
  }
}
