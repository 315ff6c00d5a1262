import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { Installation } from "../postgres/migrate.ts";
import { type Names, quoteIdentifier, quoteLiteral } from "../postgres/names.ts";
import { type SqlClient, SqlError, type SqlTransaction } from "../postgres/sql-client.ts";
import { columnType, indexedAs, type Layout, type LayoutSql, layoutSql, mostDimensions, type TableNames } from "./layout.ts";

/** A connected database with pgvector. */
export interface VectorDatabase {
  readonly client: SqlClient;
  readonly names: Names;
  readonly tables: TableNames;
  readonly installation: Installation;
  readonly layout: Layout;
}

/** The embedding space of the table, ready for vectors. */
export interface VectorSpace extends EmbeddingSpace {
  readonly sql: LayoutSql;
  /** Whether there may be an index at all. */
  readonly canIndex: boolean;
  hasIndex: boolean;
  /** Of an ivfflat index. */
  lists: number;
}

interface SpaceRow extends EmbeddingSpace {
  readonly columnType: string;
}

/**
 * Makes the table for vectors of this space, unless it is there.
 *
 * @throws DimensionMismatchError when vectors of another model or length are there
 */
export async function useSpace(database: VectorDatabase, wanted: EmbeddingSpace, signal: AbortSignal | undefined): Promise<VectorSpace> {
  const { client, names, layout, installation } = database;
  if (!Number.isInteger(wanted.dimensions) || wanted.dimensions < 1 || wanted.dimensions > mostDimensions)
    throw new BackendError(
      "pgvector",
      "useSpace",
      `a vector of ${wanted.dimensions} dimensions cannot be stored: pgvector holds 1 to ${mostDimensions}`,
    );
  const held = await heldSpace(database, client, signal);
  if (held === undefined || !isSame(held, wanted, layout)) {
    await client.transaction(
      async (transaction) => {
        await lock(names, transaction);
        await establish(database, wanted, transaction);
      },
      { signal },
    );
  }
  const space: VectorSpace = {
    model: wanted.model,
    dimensions: wanted.dimensions,
    sql: layoutSql(layout, wanted.dimensions, installation),
    canIndex: indexedAs(layout, wanted.dimensions) !== undefined,
    hasIndex: false,
    lists: 1,
  };
  await lookForIndex(database, space, signal);
  return space;
}

function isSame(held: SpaceRow, wanted: EmbeddingSpace, layout: Layout): boolean {
  return held.model === wanted.model && held.dimensions === wanted.dimensions && held.columnType === columnType(layout);
}

async function heldSpace(
  { tables }: VectorDatabase,
  client: Pick<SqlTransaction, "query">,
  signal?: AbortSignal,
): Promise<SpaceRow | undefined> {
  const { rows: found } = await client.query<{ there: boolean }>({
    text: "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL AS there",
    values: [tables.space, tables.embeddings],
    signal,
  });
  if (found[0]?.there !== true) return undefined;
  const { rows } = await client.query<SpaceRow>({
    text: `SELECT model, dimensions, column_type AS "columnType" FROM ${tables.space}`,
    signal,
  });
  return rows[0];
}

async function lock(names: Names, transaction: SqlTransaction): Promise<void> {
  await transaction.query({
    text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))::text",
    values: [`unforget embeddings ${names.schema}.${names.prefix}`],
  });
}

async function establish(database: VectorDatabase, wanted: EmbeddingSpace, transaction: SqlTransaction): Promise<void> {
  const { names, tables, layout, installation } = database;
  const held = await heldSpace(database, transaction);
  if (held !== undefined) {
    if (isSame(held, wanted, layout)) return;
    const { rows } = await transaction.query({ text: `SELECT 1 FROM ${tables.embeddings} LIMIT 1` });
    if (rows.length > 0) refuse(held, wanted, layout);
  }
  const { rows } = await transaction.query({ text: "SELECT 1 FROM pg_namespace WHERE nspname = $1", values: [names.schema] });
  if (rows.length === 0) await transaction.execute(`CREATE SCHEMA IF NOT EXISTS ${names.quotedSchema}`);
  await transaction.execute(`DROP TABLE IF EXISTS ${tables.embeddings};
CREATE TABLE ${tables.embeddings} (
  tenant text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, conversation_id text COLLATE "C" NOT NULL, message_id text COLLATE "C" NOT NULL,
  resource_id text COLLATE "C" NOT NULL, role text COLLATE "C" NOT NULL, seq bigint NOT NULL, created_at timestamptz NOT NULL,
  importance real, revision text NOT NULL, metadata jsonb, embedding ${layoutSql(layout, wanted.dimensions, installation).column} NOT NULL,
  CONSTRAINT ${names.index("embeddings_pkey")} PRIMARY KEY (tenant, user_id, conversation_id, message_id));
CREATE TABLE IF NOT EXISTS ${tables.space} (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), model text NOT NULL, dimensions integer NOT NULL, column_type text NOT NULL,
  wants_index boolean NOT NULL DEFAULT false)`);
  await transaction.query({
    text: `INSERT INTO ${tables.space} (model, dimensions, column_type) VALUES ($1, $2, $3)
ON CONFLICT (one) DO UPDATE SET model = EXCLUDED.model, dimensions = EXCLUDED.dimensions, column_type = EXCLUDED.column_type, wants_index = false`,
    values: [wanted.model, wanted.dimensions, columnType(layout)],
  });
}

/** Another process may have chosen another model since, while there were no vectors. */
export async function refuseOther(database: VectorDatabase, wanted: EmbeddingSpace, signal: AbortSignal | undefined): Promise<void> {
  const held = await heldSpace(database, database.client, signal);
  if (held !== undefined && !isSame(held, wanted, database.layout)) refuse(held, wanted, database.layout);
}

function refuse(held: SpaceRow, wanted: EmbeddingSpace, layout: Layout): never {
  if (held.model === wanted.model && held.dimensions === wanted.dimensions) {
    throw new BackendError(
      "pgvector",
      "useSpace",
      `the table holds vectors as ${held.columnType}, and the option type asks for ${columnType(layout)}: set the type it has, or use another tablePrefix`,
    );
  }
  throw new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[pgvector] the table holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: use the model it has, or another schema or tablePrefix for the new one`,
  );
}

/** Whether the index of this layout is there, which another process may have built. */
export async function lookForIndex(database: VectorDatabase, space: VectorSpace, signal?: AbortSignal): Promise<void> {
  if (!space.canIndex) return;
  const { rows } = await database.client.query<{ options: readonly string[] | null }>({
    text: `SELECT c.reloptions AS options FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND i.indisvalid`,
    values: [database.names.schema, database.names.bare(space.sql.indexName)],
    signal,
  });
  space.hasIndex = rows.length > 0;
  space.lists = Number(rows[0]?.options?.find((option) => option.startsWith("lists="))?.slice(6) ?? 1);
}

/** Asks whoever maintains the table, in this process or another, for its index. */
export async function wantIndex({ client, tables }: VectorDatabase): Promise<void> {
  await client.query({ text: `UPDATE ${tables.space} SET wants_index = true WHERE NOT wants_index` });
}

/** An ivfflat index serves tables of up to so many times the rows it was built for. */
const mostGrowth = 4;

/**
 * Builds the index when a query has met a scope that needs one, and an ivfflat index anew when the table has outgrown
 * it. Reads go on; vectors that are written wait.
 */
export async function maintainIndex(database: VectorDatabase, space: VectorSpace, signal: AbortSignal | undefined): Promise<void> {
  if (!space.canIndex) return;
  const { client, tables, layout } = database;
  const { rows } = await client.query<{ wanted: boolean; total: number }>({
    text: `SELECT wants_index AS wanted, (SELECT GREATEST(reltuples, 0)::float8 FROM pg_class WHERE oid = '${tables.embeddings.replaceAll("'", "''")}'::regclass) AS total FROM ${tables.space}`,
    signal,
  });
  const { wanted = false, total = 0 } = rows[0] ?? {};
  await lookForIndex(database, space, signal);
  const isOutgrown = space.hasIndex && layout.index === "ivfflat" && listsFor(total) > mostGrowth * space.lists;
  if ((wanted && !space.hasIndex) || isOutgrown) await buildIndex(database, space, signal);
}

async function buildIndex(database: VectorDatabase, space: VectorSpace, signal: AbortSignal | undefined): Promise<void> {
  const { client, names, tables, layout } = database;
  await client.transaction(
    async (transaction) => {
      await lock(names, transaction);
      const { rows } = await transaction.query<{ total: number }>({ text: `SELECT count(*) AS total FROM ${tables.embeddings}` });
      const lists = listsFor(rows[0]?.total ?? 0);
      await dropIndexes(database, transaction);
      // More memory than the usual 64 MB: a graph that does not fit is built many times slower.
      await transaction.execute(`SET LOCAL maintenance_work_mem = ${quoteLiteral(client.engine === "embedded" ? "256MB" : "1GB")}`);
      await transaction.execute(
        `CREATE INDEX ${names.index(space.sql.indexName)} ON ${tables.embeddings} USING ${space.sql.indexDefinition}${layout.index === "ivfflat" ? ` WITH (lists = ${lists})` : ""}`,
      );
    },
    { signal },
  );
  await lookForIndex(database, space, signal);
}

/** Of whatever layout: one at a time is kept. */
async function dropIndexes({ names, tables }: VectorDatabase, transaction: SqlTransaction): Promise<void> {
  const { rows } = await transaction.query<{ name: string }>({
    text: "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE i.indrelid = $1::text::regclass AND a.amname IN ('hnsw', 'ivfflat')",
    values: [tables.embeddings],
  });
  for (const { name } of rows) await transaction.execute(`DROP INDEX ${names.quotedSchema}.${quoteIdentifier(name)}`);
}

/** As pgvector recommends: a list for a thousand rows, and fewer of them beyond a million. */
function listsFor(rows: number): number {
  return Math.max(1, Math.round(rows <= 1_000_000 ? rows / 1000 : Math.sqrt(rows)));
}

/** Whether the table went away under a store that had it open. */
export function isTableGone(error: unknown): boolean {
  return error instanceof SqlError && error.sqlState === "42P01";
}
