import { BackendError, DimensionMismatchError } from "../../../domain/errors.ts";
import type { Installation } from "../../../stores/postgres/migrate.ts";
import { type Names, quoteIdentifier, quoteLiteral } from "../../../stores/postgres/names.ts";
import { type SqlClient, SqlError, type SqlTransaction } from "../../../stores/postgres/sql-client.ts";

/** pgvector indexes half-precision vectors up to this length; longer ones are compared one by one. */
const mostIndexedDimensions = 4000;

/** A connected database with pgvector, and the table in it. */
export interface VectorDatabase {
  readonly client: SqlClient;
  readonly names: Names;
  readonly installation: Installation;
  /** Quoted and qualified. */
  readonly table: string;
  /** Bare name of the table. */
  readonly tableName: string;
}

export type Queryable = Pick<SqlTransaction, "query" | "execute">;

/** What stands in the table's place. */
export type TableState =
  | { readonly kind: "absent" }
  /** VoltAgent's own table: bytes in a column. */
  | { readonly kind: "legacy" }
  | { readonly kind: "ready"; readonly dimensions: number; readonly hasIndex: boolean };

interface ColumnRow {
  readonly type: string;
  readonly dimensions: number;
  readonly columns: readonly string[];
  readonly hasIndex: boolean;
}

export const indexName = "vectors_hnsw";

/** @throws BackendError when a table of the name is there that is neither VoltAgent's nor ours */
export async function inspectTable({ names, tableName }: VectorDatabase, within: Pick<Queryable, "query">): Promise<TableState> {
  const { rows } = await within.query<ColumnRow>({
    text: `SELECT y.typname AS type, a.atttypmod AS dimensions,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
  EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisvalid AND x.relname = $3) AS "hasIndex"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'vector' AND NOT a.attisdropped
LEFT JOIN pg_type y ON y.oid = a.atttypid
WHERE n.nspname = $1 AND c.relname = $2`,
    values: [names.schema, tableName, names.bare(indexName)],
  });
  const [found] = rows;
  if (found === undefined) return { kind: "absent" };
  if (found.type === "bytea") return { kind: "legacy" };
  if (found.type === "vector" && found.columns.includes("filterable"))
    return { kind: "ready", dimensions: found.dimensions, hasIndex: found.hasIndex };
  throw new BackendError(
    "voltagent",
    "open",
    `the schema "${names.schema}" holds a table "${tableName}" that is neither VoltAgent's nor unforget's: choose another schema or tablePrefix`,
  );
}

/** Whoever changes the table, one at a time over all processes. */
export async function locked<Value>(database: VectorDatabase, work: (transaction: SqlTransaction) => Promise<Value>): Promise<Value> {
  const { client, names } = database;
  return client.transaction(async (transaction) => {
    await transaction.query({
      text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 3))::text",
      values: [`unforget voltagent vectors ${names.schema}.${names.prefix}`],
    });
    return work(transaction);
  });
}

/**
 * The table, ready for vectors of this length: made where there is none, and anew where it holds none.
 *
 * @throws DimensionMismatchError when it holds vectors of another length
 */
export async function prepareTable(database: VectorDatabase, dimensions: number): Promise<void> {
  await locked(database, async (transaction) => {
    const found = await inspectTable(database, transaction);
    if (found.kind === "ready") {
      if (found.dimensions === dimensions) return;
      // Nothing may be stored between the look and the drop.
      await transaction.execute(`LOCK TABLE ${database.table} IN ACCESS EXCLUSIVE MODE`);
      const { rows } = await transaction.query({ text: `SELECT 1 FROM ${database.table} LIMIT 1` });
      if (rows.length > 0) throw mismatch(found.dimensions, dimensions);
      await transaction.execute(`DROP TABLE ${database.table}`);
    }
    await createTable(database, transaction, dimensions);
  });
}

export function mismatch(expected: number, actual: number): DimensionMismatchError {
  return new DimensionMismatchError(
    expected,
    actual,
    "voltagent",
    `[voltagent] a vector of ${actual} dimensions does not fit the table, which holds vectors of ${expected}: use the embedding model they come from, or another tablePrefix for the new one`,
  );
}

export async function createTable(database: VectorDatabase, transaction: Queryable, dimensions: number): Promise<void> {
  const { names, table, installation } = database;
  const { rows } = await transaction.query({ text: "SELECT 1 FROM pg_namespace WHERE nspname = $1", values: [names.schema] });
  if (rows.length === 0) await transaction.execute(`CREATE SCHEMA IF NOT EXISTS ${names.quotedSchema}`);
  // metadata is json: what comes out is what went in, to the letter. Filters look into the copy beside it.
  await transaction.execute(`CREATE TABLE ${table} (
  id text COLLATE "C" NOT NULL, vector ${installation.vectorSchema}.vector(${dimensions}) NOT NULL, dimensions integer NOT NULL,
  metadata json, filterable jsonb, content text, content_json json,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT ${names.index("vectors_id")} PRIMARY KEY (id));
CREATE INDEX ${names.index("vectors_filterable")} ON ${table} USING gin (filterable jsonb_path_ops)`);
}

/** Whether vectors of this length can have an index. */
export const canIndex = (dimensions: number) => dimensions <= mostIndexedDimensions;

/** What the index orders by. */
export function indexKey({ installation: { vectorSchema } }: VectorDatabase, vector: string, dimensions: number): string {
  return `(${vector})::${vectorSchema}.halfvec(${dimensions})`;
}

/** Builds the graph. Searches go on meanwhile; what is stored waits. */
export async function buildIndex(database: VectorDatabase): Promise<void> {
  const { names, table, installation, client } = database;
  await locked(database, async (transaction) => {
    const found = await inspectTable(database, transaction);
    if (found.kind !== "ready" || found.hasIndex || !canIndex(found.dimensions)) return;
    // More memory than the usual 64 MB: a graph that does not fit is built many times slower.
    await transaction.execute(`SET LOCAL maintenance_work_mem = ${quoteLiteral(client.engine === "embedded" ? "256MB" : "1GB")}`);
    const key = indexKey(database, "vector", found.dimensions);
    await transaction.execute(
      `CREATE INDEX IF NOT EXISTS ${names.index(indexName)} ON ${table} USING hnsw ((${key}) ${installation.vectorSchema}.halfvec_cosine_ops)`,
    );
  });
}

/** A name for the old table that nothing has. */
export async function renameToBackup({ names, table, tableName }: VectorDatabase, transaction: Queryable): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const backup = `${tableName}_backup${attempt === 1 ? "" : `_${attempt}`}`;
    const { rows } = await transaction.query<{ taken: boolean }>({
      text: "SELECT to_regclass($1) IS NOT NULL AS taken",
      values: [`${names.quotedSchema}.${quoteIdentifier(backup)}`],
    });
    if (rows[0]?.taken === true) continue;
    await transaction.execute(`ALTER TABLE ${table} RENAME TO ${quoteIdentifier(backup)}`);
    return `${names.quotedSchema}.${quoteIdentifier(backup)}`;
  }
}

/** The table went away, or was made anew for vectors of another length, under a process that had it open. */
export function isStale(error: unknown): boolean {
  return error instanceof SqlError && (error.sqlState === "42P01" || error.sqlState === "22000");
}
