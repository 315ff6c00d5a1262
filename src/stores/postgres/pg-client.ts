import { abortable } from "../../internal/abort.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";
import { type SqlClient, SqlError, type SqlResult, type SqlStatement, type SqlTransaction } from "./sql-client.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** What this library needs of a `pg.Pool`. */
export interface PgPoolLike {
  connect(): Promise<PgConnectionLike>;
  query(config: PgQuery): Promise<PgResult>;
  end(): Promise<void>;
}

export interface PgConnectionLike {
  query(config: PgQuery): Promise<PgResult>;
  release(destroy?: boolean | Error): void;
}

export interface PgQuery {
  readonly text: string;
  readonly values?: unknown[];
  readonly name?: string;
  readonly types?: { getTypeParser(typeId: number, format?: string): (value: string) => unknown };
}

export interface PgResult {
  readonly rows: unknown[];
  readonly rowCount: number | null;
}

/**
 * How to reach a server: a URL, or single settings. What they leave open `pg` itself takes from the environment: user,
 * password, database and TLS from PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE, and of a URL also host and port from PGHOST
 * and PGPORT.
 */
export interface PgConnectionOptions {
  readonly url?: string | undefined;
  /** Without `url`. @default "localhost" */
  readonly host?: string | undefined;
  /** @default 5432 */
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** @default 10 */
  readonly maxConnections?: number | undefined;
  /** @default 10,000 */
  readonly connectTimeoutMs?: number | undefined;
}

const types = { getTypeParser: (typeId: number) => (value: string) => decodeValue(typeId, value) };

/** A client over a pool of our own, made on first use and ended by `close`. */
export function pgClient(options: PgConnectionOptions): SqlClient {
  let made: PgPoolLike | undefined;
  let closed = false;
  const pool = once(async () => {
    const { default: pg } = await loadDependency("postgres", "pg", () => import("pg"));
    const created = new pg.Pool({
      ...(options.url === undefined
        ? {
            host: options.host ?? "localhost",
            port: options.port ?? 5432,
            database: options.database,
            user: options.user,
            password: options.password,
          }
        : { connectionString: options.url }),
      ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
      max: options.maxConnections ?? 10,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
      // A worker that only waits must not hold the process; queries under way do, by their sockets.
      allowExitOnIdle: true,
      application_name: "unforget",
    });
    // An idle connection the server drops is replaced on next use; without a listener it would end the process.
    created.on("error", () => {});
    made = created as unknown as PgPoolLike;
    return made;
  });
  return poolClient(
    async () => {
      if (closed) throw new SqlError("57P03", "the memory was closed");
      return pool();
    },
    async () => {
      closed = true;
      const ending = made;
      made = undefined;
      await ending?.end();
    },
  );
}

/** A client over a pool the caller lent; `close` leaves it open. */
export function lentPgClient(pool: PgPoolLike): SqlClient {
  return poolClient(
    async () => pool,
    async () => {},
  );
}

function poolClient(pool: () => Promise<PgPoolLike>, end: () => Promise<void>): SqlClient {
  // Set to false once a connection proves to be pooled by transaction, where a prepared name means nothing.
  let prepares = true;

  async function query<Row>(statement: SqlStatement): Promise<SqlResult<Row>> {
    statement.signal?.throwIfAborted();
    const connected = await pool();
    const run = async (): Promise<SqlResult<Row>> => {
      for (let attempt = 1; ; attempt++) {
        const isNamed = prepares && statement.name !== undefined;
        try {
          return toResult<Row>(await connected.query(toQuery(statement, isNamed)));
        } catch (error) {
          const failure = toSqlError(error);
          if (preparedNameLost.has(failure.sqlState) && isNamed) {
            prepares = false;
            continue;
          }
          // Every statement of this library may run twice: ids are made by the caller.
          if (connectionLost(failure) && attempt < 3) continue;
          throw failure;
        }
      }
    };
    return abortable(run(), statement.signal);
  }

  async function transaction<Result>(
    work: (transaction: SqlTransaction) => Promise<Result>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Result> {
    const couldPrepare = prepares;
    try {
      return await transactionOnce(work, options);
    } catch (error) {
      // It may just have been found out that names mean nothing here; all was rolled back.
      const isNameLost = error instanceof SqlError && preparedNameLost.has(error.sqlState);
      if (!isNameLost || !couldPrepare || prepares) throw error;
      return transactionOnce(work, options);
    }
  }

  async function transactionOnce<Result>(
    work: (transaction: SqlTransaction) => Promise<Result>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Result> {
    options?.signal?.throwIfAborted();
    const connection = await connect(await pool());
    const run = async (statement: SqlStatement) => {
      options?.signal?.throwIfAborted();
      const isNamed = prepares && statement.name !== undefined;
      try {
        return await connection.query(toQuery(statement, isNamed));
      } catch (error) {
        const failure = toSqlError(error);
        if (isNamed && preparedNameLost.has(failure.sqlState)) prepares = false;
        throw failure;
      }
    };
    let broken: Error | undefined;
    try {
      await run({ text: "BEGIN" });
      const result = await work({
        query: async <Row>(statement: SqlStatement) => toResult<Row>(await run(statement)),
        execute: async (sql) => void (await run({ text: sql })),
      });
      await run({ text: "COMMIT" });
      return result;
    } catch (error) {
      try {
        await connection.query({ text: "ROLLBACK" });
      } catch (rollbackError) {
        broken = rollbackError as Error;
      }
      throw error;
    } finally {
      connection.release(broken);
    }
  }

  return {
    engine: "server",
    query,
    transaction,
    async execute(sql) {
      try {
        await (await pool()).query({ text: sql });
      } catch (error) {
        throw toSqlError(error);
      }
    },
    close: once(end),
  };
}

async function connect(pool: PgPoolLike): Promise<PgConnectionLike> {
  try {
    return await pool.connect();
  } catch (error) {
    throw toSqlError(error);
  }
}

function toQuery(statement: SqlStatement, prepares: boolean): PgQuery {
  return {
    text: statement.text,
    ...(statement.values === undefined ? {} : { values: statement.values.map(toParameter) }),
    ...(prepares && statement.name !== undefined ? { name: statement.name } : {}),
    types,
  };
}

function toParameter(value: Parameters<typeof encodeValue>[0]): string | Buffer | null {
  const encoded = encodeValue(value);
  return encoded instanceof Uint8Array ? Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength) : encoded;
}

function toResult<Row>(result: PgResult): SqlResult<Row> {
  return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
}

/** invalid_sql_statement_name, duplicate_prepared_statement, and a plan that a migration made stale. */
const preparedNameLost = new Set(["26000", "42P05", "0A000"]);

function connectionLost(error: SqlError): boolean {
  return error.sqlState === "08006" || error.sqlState === "57P01" || error.sqlState === "57P02";
}

function toSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const { code, message, constraint } = error as { code?: unknown; message?: unknown; constraint?: unknown };
  const text = typeof message === "string" ? message : "unknown error";
  const name = typeof constraint === "string" ? constraint : undefined;
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) {
    // Class 22 (data exceptions) quotes the offending value, and the driver's error carries whole rows in `detail`:
    // neither may reach a log, so the cause is not kept.
    return new SqlError(code, code.startsWith("22") ? "a value does not fit its type" : text, { constraint: name });
  }
  if (
    /timeout exceeded when trying to connect|ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT|EAI_AGAIN|ENOENT/.test(`${String(code)} ${text}`)
  ) {
    return new SqlError("08001", "could not connect", { cause: error });
  }
  if (/terminat|ECONNRESET|EPIPE|Connection ended|not queryable|server closed/i.test(`${String(code)} ${text}`)) {
    return new SqlError("08006", "the connection was lost", { cause: error });
  }
  return new SqlError("XX000", text, { cause: error });
}
