import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { CurrentSpace, Database } from "./database.ts";
import { quoteLiteral } from "./names.ts";
import { SqlError, type SqlTransaction } from "./sql-client.ts";

/** pgvector indexes halfvec up to 4,000 dimensions and stores vector up to 16,000. */
const mostIndexedDimensions = 4000;
const mostDimensions = 16_000;

interface SpaceRow {
  readonly id: number;
  readonly model: string;
  readonly dimensions: number;
}

/** The space vectors are stored in and compared with, as the database has it. */
export async function currentSpace(database: Database, signal?: AbortSignal): Promise<CurrentSpace | undefined> {
  const { rows } = await database.client.query<SpaceRow & { hasIndex: boolean; isExternal: boolean }>({
    text: `SELECT s.id, s.model, s.dimensions, s.is_external AS "isExternal", EXISTS (
      SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2::text || s.id::text AND i.indisvalid
    ) AS "hasIndex" FROM ${database.names.table.spaces} s WHERE s.is_current`,
    values: [database.names.schema, database.names.bare("vectors_hnsw_")],
    signal,
  });
  const row = rows[0];
  return row === undefined ? undefined : { ...row, table: database.names.vectors(row.id) };
}

/**
 * Makes `space` the current one. A store whose current space holds no vectors yet may change it freely.
 *
 * @throws DimensionMismatchError when vectors of another model are there
 */
export async function useSpace(database: Database, space: EmbeddingSpace, signal?: AbortSignal): Promise<void> {
  if (!Number.isInteger(space.dimensions) || space.dimensions < 1 || space.dimensions > mostDimensions) {
    throw new BackendError(
      "postgres",
      "useSpace",
      `a vector of ${space.dimensions} dimensions cannot be stored: pgvector holds 1 to ${mostDimensions}`,
    );
  }
  const found = await currentSpace(database, signal);
  if (found?.model === space.model && found.dimensions === space.dimensions && !found.isExternal) {
    database.space = found;
    return;
  }
  await database.client.transaction(
    async (transaction) => {
      await lockSpaces(database, transaction);
      const { rows } = await transaction.query<SpaceRow>({
        text: `SELECT id, model, dimensions FROM ${database.names.table.spaces} WHERE is_current`,
      });
      const current = rows[0];
      if (current !== undefined && (current.model !== space.model || current.dimensions !== space.dimensions))
        await retire(database, transaction, current, space);
      await establish(database, transaction, space, false);
    },
    { signal },
  );
  database.space = await currentSpace(database, signal);
}

/**
 * Makes the vectors of a store beside this database the ones that are owed. Vectors kept here stay, and are no longer
 * compared.
 */
export async function adoptExternalSpace(database: Database, name: string, signal?: AbortSignal): Promise<void> {
  const found = await currentSpace(database, signal);
  if (found?.model !== name || !found.isExternal) {
    await database.client.transaction(
      async (transaction) => {
        await lockSpaces(database, transaction);
        await transaction.query({ text: `UPDATE ${database.names.table.spaces} SET is_current = false WHERE is_current` });
        await establish(database, transaction, { model: name, dimensions: 1 }, true);
      },
      { signal },
    );
  }
  database.space = await currentSpace(database, signal);
}

async function lockSpaces(database: Database, transaction: SqlTransaction): Promise<void> {
  await transaction.query({
    text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))::text",
    values: [`unforget spaces ${database.names.schema}.${database.names.prefix}`],
  });
}

async function retire(database: Database, transaction: SqlTransaction, current: SpaceRow, wanted: EmbeddingSpace): Promise<void> {
  const { rows } = await transaction.query({ text: `SELECT 1 FROM ${database.names.vectors(current.id)} LIMIT 1` });
  if (rows.length > 0) {
    throw new DimensionMismatchError(
      current.dimensions,
      wanted.dimensions,
      current.model,
      `[embedding] this memory holds vectors of "${current.model}" (${current.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: open it with the model it has, with \`embedding: false\` to search by words, or use another tablePrefix or dataDir for the new model`,
    );
  }
  await transaction.query({ text: `UPDATE ${database.names.table.spaces} SET is_current = false WHERE id = $1`, values: [current.id] });
}

async function establish(database: Database, transaction: SqlTransaction, space: EmbeddingSpace, isExternal: boolean): Promise<void> {
  const { table } = database.names;
  const { rows } = await transaction.query<{ id: number }>({
    text: `INSERT INTO ${table.spaces} (model, dimensions, is_current, is_external) VALUES ($1, $2, true, $3)
      ON CONFLICT (model, dimensions) DO UPDATE SET is_current = true RETURNING id`,
    values: [space.model, space.dimensions, isExternal],
  });
  const id = rows[0]?.id as number;
  // A vector counts only while its revision is that of its search row.
  await transaction.execute(`CREATE TABLE IF NOT EXISTS ${database.names.vectors(id)} (
    tenant text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, entry bigint NOT NULL, revision bigint NOT NULL,
    embedding ${database.installation.vectorSchema}.vector(${space.dimensions}) NOT NULL,
    CONSTRAINT ${database.names.index(`vectors_${id}_pkey`)} PRIMARY KEY (tenant, user_id, entry))`);
  // Whatever was written while there was no embedding is owed its vector now.
  await transaction.query({
    text: `INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
      SELECT s.tenant, s.user_id, s.entry, s.revision, true, false, now() FROM ${table.search} s
      WHERE NOT EXISTS (SELECT FROM ${database.names.vectors(id)} v WHERE v.tenant = s.tenant AND v.user_id = s.user_id AND v.entry = s.entry AND v.revision = s.revision)
      ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_vector = true`,
  });
}

/**
 * Builds the HNSW index of the current space, once, whoever asks. Reads go on; vectors that workers bring wait.
 * m and ef_construction are pgvector's defaults (16, 64). Building after loading is three times as fast as upkeep.
 */
export async function buildVectorIndex(database: Database): Promise<void> {
  const space = database.space;
  if (space === undefined || space.isExternal || space.hasIndex || space.dimensions > mostIndexedDimensions) return;
  const schema = database.installation.vectorSchema;
  await database.client.transaction(async (transaction) => {
    await lockSpaces(database, transaction);
    // More memory than the usual 64 MB: a graph that does not fit is built many times slower.
    await transaction.execute(`SET LOCAL maintenance_work_mem = ${quoteLiteral(database.client.engine === "embedded" ? "256MB" : "1GB")}`);
    try {
      await transaction.execute(
        `CREATE INDEX IF NOT EXISTS ${database.names.index(`vectors_hnsw_${space.id}`)} ON ${space.table} USING hnsw ((embedding::${schema}.halfvec(${space.dimensions})) ${schema}.halfvec_cosine_ops)`,
      );
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof SqlError && (error.sqlState === "42P07" || error.sqlState === "23505"))) throw error;
    }
  });
  space.hasIndex = true;
}
