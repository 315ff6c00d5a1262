import { InvalidArgumentError } from "../../../domain/errors.ts";
import { filterableMetadata } from "../../../domain/search-text.ts";
import { Parameters, statementName } from "../../../stores/postgres/database.ts";
import type { LargeScopes } from "../../../stores/postgres/recall.ts";
import type { SqlValue } from "../../../stores/postgres/sql-client.ts";
import { encodeVector } from "../../../stores/postgres/vectors.ts";
import type { SearchResult } from "../shapes.ts";
import { type ItemRow, itemColumns, toItem } from "./rows.ts";
import { canIndex, indexKey, type VectorDatabase } from "./table.ts";

/** What matches is never counted further than this. */
const mostCountedRows = 200_000;
/** Below this share of the table an index scan would pass over too many rows that do not match. */
const leastIndexShare = 0.02;
/** Candidates the index is asked for: they are compared anew, in full precision. */
const oversampling = 2;
const leastCandidates = 40;
/** Found 0.98 and more of the exact neighbours among 100,000 vectors. */
const leastSearchWidth = 300;
/** pgvector allows no more. */
const mostSearchWidth = 1000;

export interface VectorSearch {
  readonly vector: Float32Array;
  readonly limit: number;
  readonly threshold: number;
  readonly filter: Readonly<Record<string, unknown>>;
}

export interface SearchMemory {
  /** How many rows match filters that match many. */
  readonly large: LargeScopes;
  /** Up to so many matching rows are compared one by one. */
  readonly exactRows: number;
  readonly hasIndex: boolean;
  /** Called when a search met more rows than it should compare, and there is no index. */
  wantIndex(): void;
}

type HitRow = ItemRow & { readonly distance: number };

/**
 * The nearest of what the filter matches. Few rows are compared in one statement that guards itself: it reads up to a
 * bound and answers nothing when there are more. Many are found through the index, where there is one and they are a good
 * part of the table, and are compared as a whole otherwise.
 */
export async function search(database: VectorDatabase, memory: SearchMemory, query: VectorSearch): Promise<SearchResult[]> {
  const key = JSON.stringify(Object.entries(query.filter).map(([field, value]) => [field, value === undefined ? [] : value]));
  if (memory.large.get(key) === undefined) {
    const answer = await bounded(database, query, memory.exactRows);
    if (answer !== undefined) return answer;
  }
  const known = memory.large.get(key) ?? memory.large.set(key, await countMatching(database, query));
  const isServed = known.rows > memory.exactRows && known.share >= leastIndexShare && canIndex(query.vector.length);
  if (isServed && !memory.hasIndex) memory.wantIndex();
  // A vector without direction is no place in the graph.
  if (!isServed || !memory.hasIndex || query.vector.every((value) => value === 0)) return exact(database, query);
  const found = await throughIndex(database, query);
  // Rows were deleted, or the index passed over them: exactness before speed.
  if (found.candidates >= Math.min(query.limit, known.rows)) return found.results;
  memory.large.delete(key);
  return exact(database, query);
}

/** Everything that matches, compared; or undefined when that is more than the bound. */
async function bounded(database: VectorDatabase, query: VectorSearch, exactRows: number): Promise<SearchResult[] | undefined> {
  const parameters = new Parameters<SqlValue>();
  const distance = exactDistance(database, query, parameters);
  const text = `WITH mine AS MATERIALIZED (
  SELECT v.id, ${distance} AS distance FROM ${database.table} v WHERE ${conditions(query, parameters)} LIMIT ${exactRows + 1}
), size AS MATERIALIZED (SELECT count(*) AS n FROM mine),
best AS MATERIALIZED (
  SELECT id, distance FROM mine WHERE (SELECT n FROM size) <= ${exactRows} AND ${isNear(query, parameters)} ORDER BY distance, id LIMIT ${parameters.add(query.limit, "int")}
)
SELECT (SELECT n FROM size) AS size, best.distance, ${itemColumns} FROM (SELECT 1) one
LEFT JOIN best ON true LEFT JOIN ${database.table} v ON v.id = best.id ORDER BY best.distance, best.id`;
  const rows = await run<HitRow & { size: number }>(database, text, parameters);
  if ((rows[0]?.size ?? 0) > exactRows) return undefined;
  return rows.filter(({ id }) => id !== null).map(toResult);
}

async function exact(database: VectorDatabase, query: VectorSearch): Promise<SearchResult[]> {
  const parameters = new Parameters<SqlValue>();
  const distance = exactDistance(database, query, parameters);
  const text = `WITH near AS MATERIALIZED (
  SELECT v.id, ${distance} AS distance FROM ${database.table} v WHERE ${conditions(query, parameters)} ORDER BY distance, id LIMIT ${parameters.add(query.limit, "int")}
)
SELECT near.distance, ${itemColumns} FROM near JOIN ${database.table} v ON v.id = near.id WHERE ${isNear(query, parameters)} ORDER BY near.distance, near.id`;
  return (await run<HitRow>(database, text, parameters)).map(toResult);
}

/** The index finds candidates and goes on until there are enough that match; then they are compared exactly. */
async function throughIndex(
  database: VectorDatabase,
  query: VectorSearch,
): Promise<{ readonly results: SearchResult[]; readonly candidates: number }> {
  const parameters = new Parameters<SqlValue>();
  const distance = exactDistance(database, query, parameters);
  const dimensions = query.vector.length;
  const depth = Math.max(leastCandidates, oversampling * query.limit);
  // The settings hold for this statement's transaction alone; the lateral join makes sure that they are made first.
  const text = `WITH tuned AS MATERIALIZED (SELECT ${settings(depth)} AS done),
near AS MATERIALIZED (
  SELECT one.* FROM tuned CROSS JOIN LATERAL (
    SELECT v.* FROM ${database.table} v WHERE (${conditions(query, parameters)}) AND tuned.done IS NOT NULL
    ORDER BY ${indexKey(database, "v.vector", dimensions)} OPERATOR(${database.installation.vectorSchema}.<=>) ${indexKey(database, vectorOf(database, dimensions), dimensions)} LIMIT ${depth}
  ) one
), ranked AS MATERIALIZED (SELECT v.*, ${distance} AS distance FROM near v)
SELECT (SELECT count(*) FROM near) AS candidates, best.* FROM (SELECT 1) one LEFT JOIN (
  SELECT v.distance, ${itemColumns} FROM ranked v WHERE ${isNear(query, parameters)} ORDER BY v.distance, v.id LIMIT ${parameters.add(query.limit, "int")}
) best ON true ORDER BY best.distance, best.id`;
  const rows = await run<HitRow & { candidates: number }>(database, text, parameters);
  return { results: rows.filter(({ id }) => id !== null).map(toResult), candidates: rows[0]?.candidates ?? 0 };
}

async function run<Row>({ client }: VectorDatabase, text: string, parameters: Parameters<SqlValue>): Promise<Row[]> {
  return (await client.query<Row>({ text, name: statementName(text), values: parameters.values })).rows;
}

function settings(depth: number): string {
  const values = {
    "hnsw.ef_search": Math.min(mostSearchWidth, Math.max(leastSearchWidth, depth)),
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": 100_000,
  };
  return Object.entries(values)
    .map(([name, value]) => `set_config('${name}', '${value}', true)`)
    .join(" || ");
}

/** The query's vector, which {@link exactDistance} makes the first parameter. */
const vectorOf = ({ installation }: VectorDatabase, dimensions: number) => `$1::${installation.vectorSchema}.vector(${dimensions})`;

/** Adding zero keeps the planner from an index, which would not be exact. A vector of length 0 has no angle: it counts as square to all. */
function exactDistance(database: VectorDatabase, { vector }: VectorSearch, parameters: Parameters<SqlValue>): string {
  parameters.values.push(encodeVector(vector));
  const operator = `OPERATOR(${database.installation.vectorSchema}.<=>)`;
  return `coalesce(nullif((v.vector ${operator} ${vectorOf(database, vector.length)}) + 0, 'NaN'), 1)`;
}

/** SQL: the score, (cosine + 1) / 2, is at least the threshold. */
const isNear = ({ threshold }: VectorSearch, parameters: Parameters<SqlValue>) =>
  `1 - distance / 2 >= ${parameters.add(threshold, "float8")}`;

async function countMatching(database: VectorDatabase, query: VectorSearch): Promise<{ readonly rows: number; readonly share: number }> {
  const parameters = new Parameters<SqlValue>();
  const text = `SELECT (SELECT count(*) FROM (SELECT 1 FROM ${database.table} v WHERE ${conditions(query, parameters)} LIMIT ${mostCountedRows}) x) AS rows,
  (SELECT GREATEST(reltuples, 0)::float8 FROM pg_class WHERE oid = ${parameters.add(database.table, "text")}::regclass) AS total`;
  const [found] = await run<{ rows: number; total: number }>(database, text, parameters);
  const { rows = 0, total = 0 } = found ?? {};
  return { rows, share: rows >= mostCountedRows ? 1 : rows / Math.max(rows, total, 1) };
}

/** SQL: top-level fields of the metadata are what the filter says; `undefined`: are not there. */
function conditions({ filter }: VectorSearch, parameters: Parameters<SqlValue>): string {
  const terms = Object.entries(filter).map(([field, value]) => {
    const key = () => parameters.add(field.replaceAll("\0", "").toWellFormed(), "text");
    if (value === undefined) return `NOT coalesce(jsonb_exists(v.filterable, ${key()}), false)`;
    const wanted = filterableMetadata(jsonOf(field, { [field]: value })) as string;
    const holds = `v.filterable @> ${parameters.add(wanted, "text")}::jsonb`;
    // Objects and arrays contain others; equality is asked for.
    if (typeof value !== "object" || value === null) return holds;
    return `(${holds} AND v.filterable -> ${key()} = ${parameters.add(wanted, "text")}::jsonb -> ${key()})`;
  });
  return terms.length === 0 ? "true" : terms.join(" AND ");
}

function jsonOf(field: string, filter: object): string {
  try {
    return JSON.stringify(filter);
  } catch (error) {
    throw new InvalidArgumentError(`filter.${field}`, "cannot be written as JSON", { cause: error });
  }
}

function toResult(row: HitRow): SearchResult {
  const distance = Math.min(2, Math.max(0, row.distance));
  return { ...toItem(row), score: 1 - distance / 2, distance };
}
