import { setTimeout as sleep } from "node:timers/promises";
import { BackendError, MemoryError } from "../../domain/errors.ts";
import { SqlError } from "./sql-client.ts";

/** Turns what a client threw into the error a caller can act on. `operation` says what was being done. */
export function toMemoryError(error: unknown, operation: string, engine: "server" | "embedded"): unknown {
  if (!(error instanceof SqlError)) return error;
  const store = engine === "server" ? "postgres" : "embedded";
  const fail = (code: BackendError["code"], message: string, retryable = false) =>
    new BackendError(store, operation, message, { code: code as "backend_error", cause: error, retryable });
  const state = error.sqlState;
  if (state === "57P03" && error.message.includes("closed"))
    return fail("closed", "the memory was closed: make a new one with createMemory");
  if (state === "08001" || state === "57P03") {
    return fail("backend_unavailable", "the server could not be reached: check that it runs, and its host, port and firewall", true);
  }
  if (state.startsWith("08") || state === "57P01" || state === "57P02") {
    return fail("backend_unavailable", `the connection was lost during ${operation}: the call can be repeated`, true);
  }
  if (state === "53300")
    return fail("backend_unavailable", "the server has no connection left: lower maxConnections or raise max_connections", true);
  if (state === "28P01" || state === "28000") return fail("backend_denied", "the server refused the login: check user and password");
  if (state === "3D000") return fail("backend_denied", "the database does not exist: create it, or correct its name");
  if (state === "42501" || state === "25006") {
    return fail("backend_denied", `${error.message}: give this role the right, or let an administrator run \`unforget migrate\``);
  }
  if (state === "53100") return fail("backend_error", "the disk is full: free space, then repeat the call", true);
  if (state === "40001" || state === "40P01" || state === "55P03")
    return fail("backend_error", `${operation} collided with another transaction: repeat the call`, true);
  return fail("backend_error", `${operation} failed (SQLSTATE ${state}): ${error.message}`);
}

/** Tries beyond the first: a worker that stores vectors and a delete may take their locks in opposite order. */
const mostRepeats = 3;

/** Repeats work that the server rolled back because it collided with other work (40P01 deadlock, 40001 serialization). */
async function repeated<Value>(work: () => Promise<Value>): Promise<Value> {
  for (let repeat = 1; ; repeat++) {
    try {
      return await work();
    } catch (error) {
      const collided = error instanceof SqlError && (error.sqlState === "40P01" || error.sqlState === "40001");
      if (!collided || repeat > mostRepeats) throw error;
      await sleep(10 * repeat * (0.5 + Math.random()));
    }
  }
}

/** Runs `work`, again when it collided with other work, and rethrows what clients throw as {@link MemoryError}s. */
export async function speaking<Value>(operation: string, engine: "server" | "embedded", work: () => Promise<Value>): Promise<Value> {
  try {
    return await repeated(work);
  } catch (error) {
    throw MemoryError.isInstance(error) ? error : toMemoryError(error, operation, engine);
  }
}
