/**
 * The one way this library talks to PostgreSQL. Three clients implement it: a `pg` pool (server), a lent PGlite
 * instance, and the embedded data directory that several processes share. All three encode and decode values with
 * `values.ts`, so a statement behaves the same on each.
 */
export interface SqlClient {
  /** Which engine runs the statements; for messages and `stats`. */
  readonly engine: "server" | "embedded";
  /** Runs one statement in one round trip, in a transaction of its own. */
  query<Row = Record<string, SqlResultValue>>(statement: SqlStatement): Promise<SqlResult<Row>>;
  /** Runs statements without parameters, separated by semicolons, in one implicit transaction (migrations). */
  execute(sql: string): Promise<void>;
  /**
   * Runs `work` in a transaction on one connection: committed when it resolves, rolled back when it throws.
   * Inside, only the given transaction may be used; it takes exactly one connection.
   */
  transaction<Result>(
    work: (transaction: SqlTransaction) => Promise<Result>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Result>;
  /** Lets go of what the client itself opened. Safe to call twice. */
  close(): Promise<void>;
}

export interface SqlTransaction {
  query<Row = Record<string, SqlResultValue>>(statement: SqlStatement): Promise<SqlResult<Row>>;
  execute(sql: string): Promise<void>;
}

export interface SqlStatement {
  /** With `$1`, `$2` … for values. */
  readonly text: string;
  readonly values?: readonly SqlValue[];
  /**
   * Prepare it under this name and reuse the plan. One name must always stand for one text. Ignored in transactions of the
   * embedded engine, and where the connection cannot keep prepared statements (PgBouncer in transaction mode).
   */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A `Uint8Array` travels in binary, whatever the parameter's type: it must hold that type's wire format. */
export type SqlValue = string | number | boolean | null | Date | Uint8Array | readonly (string | number | boolean | null)[];

/** How results arrive: json and jsonb as text (unparsed), int8 and numeric as numbers, timestamptz as Date, arrays as arrays. */
export type SqlResultValue = string | number | boolean | null | Date | readonly (string | number | boolean | null)[];

export interface SqlResult<Row> {
  readonly rows: Row[];
  /** Rows of the command tag. */
  readonly rowCount: number;
}

/** What every client throws when the server answers with an error. Message and fields hold no row contents. */
export class SqlError extends Error {
  override readonly name = "SqlError";
  /** SQLSTATE, e.g. `"23505"`; `"08006"` when the connection was lost. */
  readonly sqlState: string;
  readonly constraint: string | undefined;

  constructor(sqlState: string, message: string, options?: { constraint?: string | undefined; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.sqlState = sqlState;
    this.constraint = options?.constraint;
  }
}
