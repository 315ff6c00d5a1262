import { BackendError } from "../../../domain/errors.ts";
import { abortable } from "../../../internal/abort.ts";
import { type SqlClient, SqlError, type SqlTransaction } from "../sql-client.ts";
import { preparedStatements, runUnnamed, type Send } from "./statements.ts";
import { readReply, scriptMessage } from "./wire.ts";

/** What this library uses of a PGlite instance (`@electric-sql/pglite` 0.3 and later, or its worker). */
export interface PgliteLike {
  readonly waitReady: Promise<void>;
  readonly closed: boolean;
  execProtocol(message: Uint8Array, options?: { throwOnError?: boolean }): Promise<{ data: Uint8Array }>;
  /** Keeps other queries out. */
  runExclusive<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Keeps other transactions out; without it a statement could land in the middle of one of the lender's. */
  _runExclusiveTransaction?<Result>(work: () => Promise<Result>): Promise<Result>;
}

/**
 * Statements on a PGlite instance that the caller owns: it stays usable beside this client, and open after `close()`.
 * Create it with pgvector: `new PGlite({ extensions: { vector } })`.
 */
export function pgliteClient(instance: PgliteLike): SqlClient {
  const statements = preparedStatements();
  let closed = false;

  const send: Send = (message) =>
    instance.runExclusive(async () => {
      // Not execProtocolRaw: PGlite 0.5 keeps every reply to it in memory for good.
      const { data } = await instance.execProtocol(message, { throwOnError: false });
      return data;
    });

  async function exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    if (closed) throw closedError("this client was closed");
    if (instance.closed) throw closedError("the PGlite instance was closed: close the memory first, then the instance");
    await instance.waitReady;
    return instance._runExclusiveTransaction === undefined ? work() : instance._runExclusiveTransaction(work);
  }

  return {
    engine: "embedded",
    async query<Row>(statement: Parameters<SqlClient["query"]>[0]) {
      statement.signal?.throwIfAborted();
      return abortable(
        exclusively(() => statements.run<Row>(statement, send)),
        statement.signal,
      );
    },
    async execute(sql) {
      await exclusively(async () => readReply(await send(scriptMessage(sql))));
    },
    async transaction(work, options) {
      options?.signal?.throwIfAborted();
      return abortable(
        exclusively(() => inTransaction(send, work, options?.signal)),
        options?.signal,
      );
    },
    async close() {
      closed = true;
    },
  };
}

async function inTransaction<Result>(
  send: Send,
  work: (transaction: SqlTransaction) => Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  signal?.throwIfAborted();
  const script = async (sql: string) => readReply(await send(scriptMessage(sql)));
  await script("BEGIN");
  const { transaction, end } = openTransaction(send);
  try {
    const result = await abortable(work(transaction), signal);
    end();
    checkCommitted((await script("COMMIT")).tag);
    return result;
  } catch (error) {
    end();
    // After a failed COMMIT this only warns.
    await script("ROLLBACK");
    throw error;
  }
}

/** The transaction handed to `work`; after `end()` it refuses to be used, as its statements would run outside. */
export function openTransaction(send: Send): { transaction: SqlTransaction; end(): void } {
  let ended = false;
  const check = (signal?: AbortSignal | undefined) => {
    if (ended) throw new SqlError("25P01", "the transaction has ended");
    signal?.throwIfAborted();
  };
  return {
    transaction: {
      async query(statement) {
        check(statement.signal);
        return abortable(runUnnamed(statement, send), statement.signal);
      },
      async execute(sql) {
        check();
        readReply(await send(scriptMessage(sql)));
      },
    },
    end() {
      ended = true;
    },
  };
}

/** PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error; silence would lose the writes. */
export function checkCommitted(tag: string): void {
  if (tag !== "COMMIT") throw new SqlError("25P02", "the transaction was rolled back, as one of its statements had failed");
}

function closedError(what: string): BackendError {
  return new BackendError("embedded", "query", what, { code: "closed" });
}
