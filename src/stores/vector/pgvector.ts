import { BackendError, DimensionMismatchError, InvalidArgumentError } from "../../domain/errors.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import { filterableMetadata } from "../../domain/search-text.ts";
import type { VectorEntry, VectorSelection, VectorStore } from "../../domain/vector-store.ts";
import { once } from "../../internal/once.ts";
import { type Layout, type PgvectorIndex, type PgvectorMetric, type PgvectorType, tableNames } from "../pgvector/layout.ts";
import { nearest, type QueryMemory, scopeConditions } from "../pgvector/query.ts";
import { isTableGone, maintainIndex, refuseOther, useSpace, type VectorDatabase, type VectorSpace } from "../pgvector/space.ts";
import { fromEpochMs, Parameters } from "../postgres/database.ts";
import { embeddedClient } from "../postgres/embedded/embedded-client.ts";
import { type PgliteLike, pgliteClient } from "../postgres/embedded/pglite-client.ts";
import { speaking } from "../postgres/errors.ts";
import { prepareVector } from "../postgres/migrate.ts";
import { makeNames } from "../postgres/names.ts";
import { lentPgClient, type PgConnectionOptions, type PgPoolLike, pgClient } from "../postgres/pg-client.ts";
import { LargeScopes } from "../postgres/recall.ts";
import type { SqlClient, SqlValue } from "../postgres/sql-client.ts";
import { encodeVectorArray } from "../postgres/vectors.ts";

/** Which Postgres holds the vectors, in which precision, and how they are indexed and compared. */
export interface PgvectorVectorStoreOptions extends PgConnectionOptions {
  /** A client of yours: a `pg.Pool`, or a PGlite instance made with the `vector` extension. It is lent: `close` leaves it open. */
  readonly client?: PgPoolLike | PgliteLike | undefined;
  /** Directory of an embedded Postgres; several processes may open it. `"memory://"` keeps nothing. @default "./.unforget" when no server is named */
  readonly dataDir?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "unforget" */
  readonly schema?: string | undefined;
  /** Prefix of both tables, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /**
   * How large scopes are searched: a graph, which finds the most; lists, which are built faster; or not at all, so that
   * every answer is exact. @default "hnsw"
   */
  readonly index?: PgvectorIndex | undefined;
  /**
   * What is stored and indexed: `"vector"` 4 bytes a dimension; `"halfvec"` 2 bytes, at a thousandth of precision; `"bit"`
   * stores vectors and indexes a bit a dimension, the sign: the smallest index, whose candidates are compared exactly.
   * @default "vector"
   */
  readonly type?: PgvectorType | undefined;
  /** `similarity` is the cosine; for `"innerProduct"` the product, for `"l2"` the distance below zero. @default "cosine" */
  readonly metric?: PgvectorMetric | undefined;
  /** Scopes of up to so many vectors are compared one by one, larger ones through the index. @default 10_000 */
  readonly exactRows?: number | undefined;
}

const guarantees: VectorGuarantees = {
  durable: "required",
  exact: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  filters: "required",
};

/** Rows of one statement. */
const batchSize = 500;

/**
 * Vectors in PostgreSQL with pgvector 0.8 or later: a server, a lent client, or embedded (PGlite). One table holds them
 * with what filters need. The session store `postgres` keeps vectors by itself; this one goes with any other.
 *
 * @throws InvalidArgumentError when the options name two databases, or an unknown index, type or metric
 */
export function pgvectorVectorStore(options: PgvectorVectorStoreOptions = {}): VectorStore {
  const { schema = "unforget", tablePrefix = "", exactRows = 10_000 } = options;
  const names = makeNames(schema, tablePrefix);
  const layout = checkLayout(options);
  if (!Number.isInteger(exactRows) || exactRows < 0) throw new InvalidArgumentError("exactRows", "must be a whole number of at least 0");
  const client = makeClient(options);
  const memory: QueryMemory = { large: new LargeScopes(), lookedAt: 0 };
  let space: VectorSpace | undefined;
  let closed = false;

  const database = once(async (): Promise<VectorDatabase> => {
    const installation = await prepareVector(client, names);
    return { client, names, tables: tableNames(names), installation, layout };
  });

  async function run<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (database: VectorDatabase) => Promise<Value>,
  ): Promise<Value> {
    signal?.throwIfAborted();
    if (closed) throw new BackendError("pgvector", operation, "the store was closed: make a new one", { code: "closed" });
    return speaking(operation, client.engine, async () => {
      const opened = await database();
      signal?.throwIfAborted();
      return work(opened);
    });
  }

  function current(vector?: Float32Array): VectorSpace {
    if (space === undefined) throw new BackendError("pgvector", "useSpace", "no embedding space was chosen: call useSpace first");
    if (vector !== undefined && vector.length !== space.dimensions)
      throw new DimensionMismatchError(space.dimensions, vector.length, space.model);
    return space;
  }

  return {
    name: "pgvector",
    guarantees,

    open: (signal) => run("open", signal, async () => {}),
    async close() {
      closed = true;
      await client.close();
    },
    async health(signal) {
      const started = performance.now();
      try {
        const { installation } = await run("health", signal, async (opened) => {
          await client.query({ text: "SELECT 1", signal });
          return opened;
        });
        const versions = { postgres: installation.serverVersion, pgvector: installation.vectorVersion };
        return { ok: true, store: "pgvector", latencyMs: performance.now() - started, versions, problem: undefined };
      } catch (error) {
        return { ok: false, store: "pgvector", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },

    useSpace: (wanted, signal) =>
      run("useSpace", signal, async (opened) => {
        space = await useSpace(opened, wanted, signal);
      }),

    upsert: (entries, signal) =>
      run("upsert", signal, async (opened) => {
        for (const { vector } of entries) current(vector);
        const rows = lastOfEachKey(entries);
        for (let start = 0; start < rows.length; start += batchSize)
          await upsert(opened, current(), rows.slice(start, start + batchSize), signal);
      }),

    query: (query, signal) => run("query", signal, (opened) => nearest(opened, current(query.vector), memory, query, exactRows, signal)),

    delete: (selection, signal) => run("delete", signal, (opened) => unlessGone(undefined, remove(opened, selection, signal))),

    count: (scope, signal) =>
      run("count", signal, async ({ tables }) => {
        const parameters = new Parameters<SqlValue>();
        const text = `SELECT count(*) AS n FROM ${tables.embeddings} v WHERE ${scopeConditions(scope, parameters).join(" AND ")}`;
        const counted = client.query<{ n: number }>({ text, values: parameters.values, signal }).then(({ rows }) => rows[0]?.n ?? 0);
        return unlessGone(0, counted);
      }),

    maintain: (signal) =>
      run("maintain", signal, async (opened) => {
        if (space !== undefined) await maintainIndex(opened, space, signal);
      }),
  };
}

function checkLayout({ index = "hnsw", type = "vector", metric = "cosine" }: PgvectorVectorStoreOptions): Layout {
  const check = (field: string, value: string, known: readonly string[]) => {
    if (!known.includes(value)) throw new InvalidArgumentError(field, `"${value}" is not known: use ${known.join(", ")}`);
  };
  check("index", index, ["hnsw", "ivfflat", "none"]);
  check("type", type, ["vector", "halfvec", "bit"]);
  check("metric", metric, ["cosine", "l2", "innerProduct"]);
  return { index, type, metric };
}

function makeClient(options: PgvectorVectorStoreOptions): SqlClient {
  const { client, dataDir, url, host, database, user } = options;
  const named = [client, dataDir, url ?? host ?? database ?? user].filter((choice) => choice !== undefined);
  if (named.length > 1)
    throw new InvalidArgumentError("vectors", "names more than one database: give one of url (or host …), client, dataDir");
  if (client !== undefined) return "execProtocolRaw" in client ? pgliteClient(client as PgliteLike) : lentPgClient(client as PgPoolLike);
  if (dataDir !== undefined || named.length === 0) return embeddedClient({ dataDir: dataDir ?? "./.unforget" });
  return pgClient(options);
}

/** One statement must not meet a row twice; and in one order everywhere, two of them never wait for each other in a circle. */
function lastOfEachKey(entries: readonly VectorEntry[]): VectorEntry[] {
  const keyOf = (entry: VectorEntry) => JSON.stringify([entry.tenant, entry.userId, entry.conversationId, entry.messageId]);
  const last = new Map(entries.map((entry) => [keyOf(entry), entry]));
  return [...last].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, entry]) => entry);
}

async function upsert(
  database: VectorDatabase,
  space: VectorSpace,
  entries: readonly VectorEntry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { client, tables, installation } = database;
  const of = (field: (entry: VectorEntry) => string | number | null) => entries.map(field);
  const vectors = encodeVectorArray(
    entries.map((entry) => entry.vector),
    installation.vectorTypeId,
  );
  const text = `INSERT INTO ${tables.embeddings} (tenant, user_id, conversation_id, message_id, resource_id, role, seq, created_at, importance, revision, metadata, embedding)
SELECT tenant, user_id, conversation_id, message_id, resource_id, role, seq, ${fromEpochMs("created_at")}, importance, revision, metadata::jsonb, embedding
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::float8[], $9::real[], $10::text[], $11::text[], $12::${installation.vectorSchema}.vector[])
  AS given (tenant, user_id, conversation_id, message_id, resource_id, role, seq, created_at, importance, revision, metadata, embedding)
WHERE EXISTS (SELECT FROM ${tables.space} WHERE model = $13 AND dimensions = $14)
ON CONFLICT (tenant, user_id, conversation_id, message_id) DO UPDATE SET resource_id = EXCLUDED.resource_id, role = EXCLUDED.role, seq = EXCLUDED.seq,
  created_at = EXCLUDED.created_at, importance = EXCLUDED.importance, revision = EXCLUDED.revision, metadata = EXCLUDED.metadata, embedding = EXCLUDED.embedding`;
  const values = [
    of((entry) => entry.tenant),
    of((entry) => entry.userId),
    of((entry) => entry.conversationId),
    of((entry) => entry.messageId),
    of((entry) => entry.resourceId),
    of((entry) => entry.role),
    of((entry) => entry.seq),
    of((entry) => entry.createdAt.getTime()),
    of((entry) => entry.importance),
    of((entry) => entry.revision),
    of((entry) => filterableMetadata(JSON.stringify(entry.metadata))),
    vectors,
    space.model,
    space.dimensions,
  ];
  const { rowCount } = await client.query({ text, values, signal });
  if (rowCount === 0) await refuseOther(database, space, signal);
}

async function remove(database: VectorDatabase, selection: VectorSelection, signal: AbortSignal | undefined): Promise<void> {
  const { tenant, userId, conversationId, messageIds } = selection;
  const parameters = new Parameters<SqlValue>();
  const terms = scopeConditions({ tenant, userId, resourceId: undefined }, parameters);
  if (conversationId !== undefined) terms.push(`v.conversation_id = ${parameters.add(conversationId, "text")}`);
  if (messageIds !== undefined) terms.push(`v.message_id = ANY(${parameters.add(messageIds, "text[]")})`);
  const text = `DELETE FROM ${database.tables.embeddings} v WHERE ${terms.join(" AND ")}`;
  await database.client.query({ text, values: parameters.values, signal });
}

/** A table that is not made yet holds nothing. */
async function unlessGone<Value>(value: Value, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (isTableGone(error)) return value;
    throw error;
  }
}
