import type { FilterValue, MetadataFilter } from "../../domain/filter.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { filterableMetadata } from "../../domain/search-text.ts";
import type { VectorMatch, VectorQuery } from "../../domain/vector-store.ts";
import { epochMs, fromEpochMs, Parameters, statementName } from "../postgres/database.ts";
import type { LargeScopes } from "../postgres/recall.ts";
import type { SqlValue } from "../postgres/sql-client.ts";
import { encodeVector } from "../postgres/vectors.ts";
import { type Layout, toSimilarity } from "./layout.ts";
import { lookForIndex, type VectorDatabase, type VectorSpace, wantIndex } from "./space.ts";

/** A scope is never counted further than this. */
const mostCountedRows = 200_000;
/** Below this share of the table an index scan would pass over too many strangers' rows. */
const leastIndexShare = 0.02;
/** Candidates the index is asked for, for each match that is wanted: they are compared anew, exactly. */
const oversampling = { vector: 2, halfvec: 2, bit: 20 } as const;
const leastCandidates = { vector: 40, halfvec: 40, bit: 1000 } as const;
/** Found 0.98 and more of the exact neighbours among 100,000 vectors. */
const leastSearchWidth = 300;
/** pgvector allows no more. */
const mostSearchWidth = 1000;
/** Share of an ivfflat index's lists that is read at first, and the fewest. */
const probedShare = { vector: 0.5, halfvec: 0.5, bit: 1 } as const;
const fewestLists = 20;

/** What queries remember between them. */
export interface QueryMemory {
  readonly large: LargeScopes;
  /** When the index was last looked for. */
  lookedAt: number;
}

interface MatchRow {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly seq: number;
  readonly createdAtMs: number;
  readonly importance: number | null;
  readonly revision: string;
  readonly distance: number;
}

const columns = `v.user_id AS "userId", v.conversation_id AS "conversationId", v.message_id AS "messageId", v.seq, ${epochMs("v.created_at")} AS "createdAtMs", v.importance, v.revision`;
const order = `distance, "userId", "conversationId", "messageId"`;

/**
 * The nearest of a scope. A scope of up to `exactRows` is compared in one statement that guards itself: it reads up to
 * that bound and answers nothing when there is more. A larger one is searched through the index when there is one and
 * the scope is a good part of the table, and is compared as a whole otherwise.
 */
export async function nearest(
  database: VectorDatabase,
  space: VectorSpace,
  memory: QueryMemory,
  query: VectorQuery,
  exactRows: number,
  signal: AbortSignal | undefined,
): Promise<VectorMatch[]> {
  const run = (sql: (parameters: Parameters<SqlValue>) => string) => runQuery(database, query, sql, signal);
  const key = scopeKey(query);
  if (!space.canIndex) return run((parameters) => exactSql(database, space, query, parameters));
  if (memory.large.get(key) === undefined) {
    const answer = await bounded(database, space, query, exactRows, signal);
    if (answer !== undefined) return answer;
  }
  const known = memory.large.get(key) ?? memory.large.set(key, await countScope(database, query, signal));
  if (known.rows <= exactRows || known.share < leastIndexShare || !(await hasIndex(database, space, memory, signal)))
    return run((parameters) => exactSql(database, space, query, parameters));
  const matches = await run((parameters) => indexSql(database, space, query, parameters));
  // The scope has shrunk, or the index passed over rows: exactness before speed.
  if (matches.length >= Math.min(query.limit, known.rows)) return matches;
  memory.large.delete(key);
  return run((parameters) => exactSql(database, space, query, parameters));
}

/** Looks for an index that is missing, at most once in a minute, and asks for one. */
async function hasIndex(
  database: VectorDatabase,
  space: VectorSpace,
  memory: QueryMemory,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (space.hasIndex || Date.now() - memory.lookedAt < 60_000) return space.hasIndex;
  memory.lookedAt = Date.now();
  await lookForIndex(database, space, signal);
  if (!space.hasIndex) await wantIndex(database);
  return space.hasIndex;
}

async function runQuery(
  database: VectorDatabase,
  query: VectorQuery,
  sql: (parameters: Parameters<SqlValue>) => string,
  signal: AbortSignal | undefined,
): Promise<VectorMatch[]> {
  const parameters = new Parameters<SqlValue>();
  const text = sql(parameters);
  const { rows } = await database.client.query<MatchRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows.slice(0, query.limit).map((row) => toMatch(database, row));
}

function toMatch({ layout }: VectorDatabase, { distance, createdAtMs, ...row }: MatchRow): VectorMatch {
  return { ...row, createdAt: new Date(createdAtMs), similarity: toSimilarity(layout, distance) };
}

/** The whole scope compared, or undefined when it has more rows than the bound. */
async function bounded(
  database: VectorDatabase,
  space: VectorSpace,
  query: VectorQuery,
  exactRows: number,
  signal: AbortSignal | undefined,
): Promise<VectorMatch[] | undefined> {
  const parameters = new Parameters<SqlValue>();
  const vector = vectorParameter(database, query, parameters);
  const text = `WITH mine AS MATERIALIZED (
  SELECT ${columns}, ${space.sql.distance(vector)} AS distance FROM ${database.tables.embeddings} v WHERE ${conditions(query, parameters)} LIMIT ${exactRows + 1}
), size AS MATERIALIZED (SELECT count(*) AS n FROM mine)
SELECT (SELECT n FROM size) AS size, best.* FROM (SELECT 1) one LEFT JOIN (
  SELECT * FROM mine WHERE (SELECT n FROM size) <= ${exactRows} ORDER BY ${order} LIMIT ${parameters.add(query.limit, "int")}
) best ON true ORDER BY ${order}`;
  const { rows } = await database.client.query<MatchRow & { size: number }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  if ((rows[0]?.size ?? 0) > exactRows) return undefined;
  return rows.flatMap(({ size: _, ...row }) => (row.messageId === null ? [] : [toMatch(database, row)]));
}

function exactSql(database: VectorDatabase, space: VectorSpace, query: VectorQuery, parameters: Parameters<SqlValue>): string {
  const vector = vectorParameter(database, query, parameters);
  return `SELECT ${columns}, ${space.sql.distance(vector)} AS distance FROM ${database.tables.embeddings} v
WHERE ${conditions(query, parameters)} ORDER BY ${order} LIMIT ${parameters.add(query.limit, "int")}`;
}

/** The index finds candidates and goes on until there are enough that fulfil the conditions; then they are compared exactly. */
function indexSql(database: VectorDatabase, space: VectorSpace, query: VectorQuery, parameters: Parameters<SqlValue>): string {
  const { type } = database.layout;
  const vector = vectorParameter(database, query, parameters);
  const depth = Math.max(leastCandidates[type], oversampling[type] * query.limit);
  // The settings hold for this statement's transaction alone; the lateral join makes sure that they are made first.
  return `WITH tuned AS MATERIALIZED (SELECT ${settings(database.layout, space, depth)} AS done),
near AS MATERIALIZED (
  SELECT one.* FROM tuned CROSS JOIN LATERAL (
    SELECT v.* FROM ${database.tables.embeddings} v WHERE (${conditions(query, parameters)}) AND tuned.done IS NOT NULL
    ORDER BY ${space.sql.indexDistance(vector)} LIMIT ${depth}
  ) one
)
SELECT ${columns}, ${space.sql.distance(vector)} AS distance FROM near v ORDER BY ${order} LIMIT ${parameters.add(query.limit, "int")}`;
}

function settings({ index, type }: Layout, { lists }: VectorSpace, depth: number): string {
  const probes = Math.min(lists, Math.max(fewestLists, Math.ceil(lists * probedShare[type])));
  const values =
    index === "ivfflat"
      ? { "ivfflat.probes": probes, "ivfflat.iterative_scan": "relaxed_order" }
      : {
          "hnsw.ef_search": Math.min(mostSearchWidth, Math.max(leastSearchWidth, depth)),
          "hnsw.iterative_scan": "relaxed_order",
          "hnsw.max_scan_tuples": 100_000,
        };
  return Object.entries(values)
    .map(([name, value]) => `set_config('${name}', '${value}', true)`)
    .join(" || ");
}

function vectorParameter({ installation }: VectorDatabase, query: VectorQuery, parameters: Parameters<SqlValue>): string {
  return parameters.add(encodeVector(query.vector), `${installation.vectorSchema}.vector`);
}

async function countScope(
  database: VectorDatabase,
  query: VectorQuery,
  signal: AbortSignal | undefined,
): Promise<{ readonly rows: number; readonly share: number }> {
  const parameters = new Parameters<SqlValue>();
  const { embeddings } = database.tables;
  const text = `SELECT (SELECT count(*) FROM (SELECT 1 FROM ${embeddings} v WHERE ${conditions(query, parameters)} LIMIT ${mostCountedRows}) x) AS rows,
  (SELECT GREATEST(reltuples, 0)::float8 FROM pg_class WHERE oid = ${parameters.add(embeddings, "text")}::regclass) AS total`;
  const { rows } = await database.client.query<{ rows: number; total: number }>({ text, values: parameters.values, signal });
  const { rows: count = 0, total = 0 } = rows[0] ?? {};
  return { rows: count, share: count >= mostCountedRows ? 1 : count / Math.max(count, total) };
}

function scopeKey({ scope, conversationId, roles, since, until, filter }: VectorQuery): string {
  return JSON.stringify([scope.tenant, scope.userId, scope.resourceId, conversationId, roles, since, until, filter]);
}

/** SQL: the row `v` is the scope's. */
export function scopeConditions(scope: StoreScope, parameters: Parameters<SqlValue>): string[] {
  const terms = [`v.tenant = ${parameters.add(scope.tenant, "text")}`];
  if (scope.userId !== undefined) terms.push(`v.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) terms.push(`v.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  return terms;
}

function conditions(query: VectorQuery, parameters: Parameters<SqlValue>): string {
  const { scope, conversationId, roles, since, until, filter } = query;
  const terms = scopeConditions(scope, parameters);
  if (conversationId !== undefined) terms.push(`v.conversation_id = ${parameters.add(conversationId, "text")}`);
  if (roles !== undefined) terms.push(`v.role = ANY(${parameters.add(roles, "text[]")})`);
  if (since !== undefined) terms.push(`v.created_at >= ${fromEpochMs(parameters.add(since.getTime(), "float8"))}`);
  if (until !== undefined) terms.push(`v.created_at < ${fromEpochMs(parameters.add(until.getTime(), "float8"))}`);
  if (filter !== undefined) terms.push(...metadataConditions(filter, parameters));
  return terms.join(" AND ");
}

function metadataConditions(filter: MetadataFilter, parameters: Parameters<SqlValue>): string[] {
  return Object.entries(filter).map(([field, value]) => {
    const values: readonly FilterValue[] = Array.isArray(value) ? value : [value as FilterValue];
    const objects = values.map((one) => filterableMetadata(JSON.stringify({ [field]: one })) as string);
    return `v.metadata @> ANY(${parameters.add(objects, "text[]")}::jsonb[])`;
  });
}
