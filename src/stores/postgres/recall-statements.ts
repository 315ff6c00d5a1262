import type { FilterValue, MetadataFilter } from "../../domain/filter.ts";
import type { RecallQuery } from "../../domain/memory-store.ts";
import { type CurrentSpace, type Database, fromEpochMs, knownLanguage, type Parameters } from "./database.ts";
import { messageColumns } from "./messages.ts";
import type { SqlValue } from "./sql-client.ts";
import { encodeVector } from "./vectors.ts";

/** Up to this many rows a scope is read once and every row gets both scores. */
export const scannedScopeRows = 2_000;
/** Candidates of each leg: scaling scores to 0..1 and the conversation prior need a tail behind the hits. */
const leastDepth = 200;
/** Rows that words may bring up: the most frequent words of a query do not search (they still rank) until it fits. */
const mostWordRows = 2_000;
/** Rows of a larger scope in which the query's words are counted, newest first. */
const sampleRows = 1_000;
/** `ts_rank` weights of labels D, C, B, A: previous turns .3, own words 1 (tuned on public conversations, see docs/guide/recall.md). */
const rankWeights = "'{0.3,0.4,0.4,1.0}'";
/** Found 0.98 and more of the exact neighbours among 100,000 vectors, over several builds of the index. */
const searchWidth = 300;

/** "scan": read the scope once. "exact": each leg by itself, all vectors compared. "index": candidates from the indexes. */
export type Plan = "scan" | "exact" | "index";

/** The statement that ranks a scope by one of the plans. Its rows are those of {@link messageColumns} with the scores beside them. */
export function recallSql(database: Database, query: RecallQuery, plan: Plan, scopeRows: number, parameters: Parameters<SqlValue>): string {
  const { table } = database.names;
  const space = query.vector === undefined || database.space?.isExternal === true ? undefined : database.space;
  const usesText = query.words !== "";
  const vector = space === undefined ? undefined : vectorSql(database, space, query.vector as Float32Array, parameters);
  const steps =
    plan === "scan" ? scanSteps(database, query, vector, parameters) : lookUpSteps(database, query, plan, vector, scopeRows, parameters);
  const { weights } = query;
  // Within one user's scope the conversation alone tells conversations apart, and sorts faster.
  const conversation = query.scope.userId === undefined ? "user_id, conversation_id" : "conversation_id";
  const weigh = (value: number) => parameters.add(value, "float8");
  steps.push(
    // What came by the vector of a text it no longer has is no candidate.
    // Convex fusion: each leg scaled to 0..1 over the candidates. A text rank has a natural zero: no word in common.
    `fused AS (
  SELECT *, ${weigh(weights.text)} * COALESCE(rank / NULLIF(max(rank) OVER (), 0), 0)
    + ${weigh(weights.vector)} * COALESCE((similarity - min(similarity) OVER ()) / NULLIF(max(similarity) OVER () - min(similarity) OVER (), 0), CASE WHEN similarity IS NULL THEN 0 ELSE 1 END) AS base
  FROM scored WHERE similarity IS NOT NULL OR rank > 0
)`,
    `placed AS (
  SELECT *, CASE WHEN lead(seq) OVER turns = seq + 1 THEN lead(base) OVER turns ELSE 0 END AS neighbour,
    row_number() OVER (PARTITION BY ${conversation} ORDER BY base DESC) AS place
  FROM fused WINDOW turns AS (PARTITION BY ${conversation} ORDER BY seq)
)`,
    `signals AS (
  SELECT *, COALESCE(sum(base) FILTER (WHERE place <= 2) OVER (PARTITION BY ${conversation}), 0) / 2 AS prior,
    exp(-ln(2) * GREATEST(date_part('epoch', ${fromEpochMs(parameters.add(query.now.getTime(), "float8"))} - created_at), 0) / (86400 * ${weigh(query.recencyHalfLifeDays)})) AS recency
  FROM placed
)`,
    `top AS MATERIALIZED (
  SELECT *, base + ${weigh(weights.neighbour)} * neighbour + ${weigh(weights.conversation)} * prior + ${weigh(weights.recency)} * recency + ${weigh(weights.importance)} * COALESCE(importance, 0) AS score
  FROM signals${query.minSimilarity === undefined ? "" : ` WHERE similarity >= ${weigh(query.minSimilarity)}`}
  ORDER BY score DESC, similarity DESC NULLS LAST, entry DESC LIMIT ${parameters.add(query.limit, "int")}
)`,
  );
  return `WITH ${steps.join(", ")}
SELECT (SELECT n FROM size) AS "scopeSize",
  ${query.explain ? explainColumns(usesText, plan) : ""}
  t.score, t.similarity, t.rank, t.prior AS conversation, t.neighbour, t.recency, COALESCE(t.importance, 0)::float8 AS importance, ${messageColumns}
FROM (SELECT 1) one LEFT JOIN (top t CROSS JOIN LATERAL (
  SELECT * FROM ${table.messages} x WHERE x.tenant = ${parameters.add(query.scope.tenant, "text")} AND x.user_id = t.user_id AND x.conversation_id = t.conversation_id AND x.seq = t.seq OFFSET 0
) m) ON true
ORDER BY t.score DESC, t.similarity DESC NULLS LAST, t.entry DESC`;
}

/** SQL: what only an explanation tells; counting costs a small recall a tenth of its time. */
function explainColumns(usesText: boolean, plan: Plan): string {
  return `(SELECT count(*) FROM scored WHERE rank > 0) AS "textCandidates", (SELECT count(similarity) FROM scored) AS "vectorCandidates",
  ${usesText ? "(SELECT array_agg(lexeme) FROM question)" : "NULL::text[]"} AS lexemes, ${usesText && plan !== "scan" ? "(SELECT kept FROM narrow)" : "NULL::text[]"} AS kept,`;
}

/** Reads the scope once, up to a bound; beyond it nothing is scored. */
function scanSteps(database: Database, query: RecallQuery, vector: VectorSql | undefined, parameters: Parameters<SqlValue>): string[] {
  const usesText = query.words !== "";
  const conditions = scopeConditions(query, parameters).join(" AND ");
  return [
    `mine AS MATERIALIZED (
  SELECT s.user_id, s.entry, s.conversation_id, s.seq, s.created_at, s.importance${usesText ? ", s.words" : ""}, ${similaritySql(vector)} AS similarity
  FROM ${database.names.table.search} s${vectorJoin(vector)} WHERE ${conditions} LIMIT ${scannedScopeRows + 1}
)`,
    "size AS MATERIALIZED (SELECT count(*) AS n FROM mine)",
    ...(usesText ? [questionStep(database, query, parameters), ...matchSteps] : []),
    `scored AS MATERIALIZED (
  SELECT user_id, entry, conversation_id, seq, created_at, importance, similarity, ${usesText ? "rank" : "NULL::float8 AS rank"}
  FROM ${usesText ? "ranked" : "mine"} WHERE (SELECT n FROM size) <= ${scannedScopeRows}
)`,
  ];
}

/**
 * Each word is matched with each row once; how many rows it matched makes its rarity. The ranks come back to their rows
 * by grouping, which no plan does in quadratic time.
 */
const matchSteps = [
  `matched AS MATERIALIZED (SELECT s.user_id, s.entry, q.lexeme, ts_rank(${rankWeights}, s.words, q.query) AS rank FROM mine s JOIN question q ON s.words @@ q.query)`,
  "rarity AS MATERIALIZED (SELECT lexeme, ln(1 + ((SELECT n FROM size) - count(*) + 0.5) / (count(*) + 0.5)) AS weight FROM matched GROUP BY lexeme)",
  `ranked AS (
  SELECT user_id, entry, max(conversation_id) AS conversation_id, max(seq) AS seq, max(created_at) AS created_at, max(importance) AS importance, max(similarity) AS similarity, COALESCE(sum(rank), 0) AS rank
  FROM (
    SELECT user_id, entry, conversation_id, seq, created_at, importance, similarity, NULL::float8 AS rank FROM mine
    UNION ALL SELECT m.user_id, m.entry, NULL, NULL, NULL, NULL, NULL, r.weight * m.rank FROM matched m JOIN rarity r ON r.lexeme = m.lexeme
  ) x GROUP BY user_id, entry
)`,
];

/** Each leg finds its candidates by itself, and then all candidates get both scores. */
function lookUpSteps(
  database: Database,
  query: RecallQuery,
  plan: Plan,
  vector: VectorSql | undefined,
  scopeRows: number,
  parameters: Parameters<SqlValue>,
): string[] {
  const { search } = database.names.table;
  const usesText = query.words !== "";
  const conditions = scopeConditions(query, parameters);
  const depth = parameters.add(Math.max(leastDepth, 4 * query.limit), "int");
  const found = [
    ...(usesText ? ["SELECT user_id, entry, rank FROM text_leg"] : []),
    ...(vector === undefined ? [] : ["SELECT user_id, entry, NULL::float8 FROM vector_leg"]),
  ];
  const sample = `sample AS MATERIALIZED (SELECT s.words FROM ${search} s WHERE ${conditions.join(" AND ")} ORDER BY s.tenant DESC, s.user_id DESC, s.entry DESC LIMIT ${sampleRows})`;
  return [
    `size AS MATERIALIZED (SELECT ${parameters.add(scopeRows, "bigint")} AS n)`,
    ...(usesText
      ? [questionStep(database, query, parameters), sample, frequencyStep("sample"), narrowStep, textLeg(search, conditions, plan, depth)]
      : []),
    ...(vector === undefined ? [] : [vectorLeg(database, query, vector, conditions, plan, depth)]),
    `candidate AS MATERIALIZED (SELECT user_id, entry, max(rank) AS rank FROM (${found.join(" UNION ALL ")}) x(user_id, entry, rank) GROUP BY user_id, entry)`,
    `scored AS MATERIALIZED (
  SELECT s.user_id, s.entry, s.conversation_id, s.seq, s.created_at, s.importance, ${similaritySql(vector)} AS similarity, ${usesText ? `COALESCE(c.rank, ${wordRank("s")})` : "NULL::float8"} AS rank
  FROM candidate c CROSS JOIN LATERAL (
    SELECT x.* FROM ${search} x WHERE x.tenant = ${parameters.add(query.scope.tenant, "text")} AND x.user_id = c.user_id AND x.entry = c.entry OFFSET 0
  ) s${vectorJoin(vector)}
)`,
  ];
}

function similaritySql(vector: VectorSql | undefined): string {
  return vector === undefined ? "NULL::float8" : `(1 - (v.embedding ${vector.distance} ${vector.query}))::float8`;
}

/**
 * A vector counts only while its revision is that of the text. OFFSET 0 makes it a look-up by key for each row: without
 * statistics (a fresh import) planners took a join in quadratic time.
 */
function vectorJoin(vector: VectorSql | undefined): string {
  if (vector === undefined) return "";
  return `\n  LEFT JOIN LATERAL (SELECT embedding, revision FROM ${vector.space.table} x WHERE x.tenant = s.tenant AND x.user_id = s.user_id AND x.entry = s.entry OFFSET 0) v ON v.revision = s.revision`;
}

interface VectorSql {
  readonly space: CurrentSpace;
  /** Placeholder of the query vector. */
  readonly query: string;
  /** The cosine distance operator, qualified: the extension may live in any schema. */
  readonly distance: string;
}

function vectorSql(database: Database, space: CurrentSpace, vector: Float32Array, parameters: Parameters<SqlValue>): VectorSql {
  const schema = database.installation.vectorSchema;
  return { space, query: parameters.add(encodeVector(vector), `${schema}.vector`), distance: `OPERATOR(${schema}.<=>)` };
}

/** The query's words, stemmed for the memory's language, the query's, and those of the user's conversations. */
function questionStep(database: Database, query: RecallQuery, parameters: Parameters<SqlValue>): string {
  const languages = [
    ...new Set(
      [database.language, ...(query.language === undefined ? [] : [query.language])].map((language) => knownLanguage(database, language)),
    ),
  ];
  const { tenant, userId } = query.scope;
  const spoken =
    userId === undefined
      ? ""
      : ` UNION SELECT c.language FROM ${database.names.table.conversations} c WHERE c.tenant = ${parameters.add(tenant, "text")} AND c.user_id = ${parameters.add(userId, "text")} AND c.language IS NOT NULL`;
  return `question AS MATERIALIZED (
  SELECT DISTINCT lexeme, (${quotedLexeme("lexeme")})::tsquery AS query
  FROM (SELECT unnest(${parameters.add(languages, "text[]")})${spoken}) l(language), unnest(tsvector_to_array(to_tsvector(language::regconfig, ${parameters.add(query.words, "text")}))) lexeme
)`;
}

/** How many rows of the scope hold each word, counted in `rows` and scaled to the scope's size, and how much that makes it weigh. */
function frequencyStep(rows: string): string {
  return `frequency AS MATERIALIZED (
  SELECT lexeme, query, rows, ln(1 + ((SELECT n FROM size) - rows + 0.5) / (rows + 0.5)) AS rarity
  FROM (SELECT q.lexeme, q.query, (SELECT n FROM size)::float8 * count(*) FILTER (WHERE s.words @@ q.query) / count(*) AS rows FROM question q CROSS JOIN ${rows} s GROUP BY q.lexeme, q.query) x
)`;
}

/**
 * Which words search: the rarest ones that together bring up few enough rows, OR-ed, because AND-ed words of a question
 * match next to nothing. Where even the rarest is frequent, rows must hold the two rarest.
 */
const narrowStep = `narrow AS MATERIALIZED (
  SELECT CASE WHEN bool_or(place = 1 AND rows > ${mostWordRows}) THEN string_agg(${quotedLexeme("lexeme")}, ' & ') FILTER (WHERE place <= 2)
    ELSE string_agg(${quotedLexeme("lexeme")}, ' | ') FILTER (WHERE place = 1 OR running <= ${mostWordRows}) END::tsquery AS query,
    array_agg(lexeme) FILTER (WHERE place = 1 OR running <= ${mostWordRows}) AS kept
  FROM (SELECT lexeme, rows, sum(rows) OVER (ORDER BY rows, lexeme) AS running, row_number() OVER (ORDER BY rows, lexeme) AS place FROM frequency) x
)`;

/** SQL: a lexeme as a tsquery operand. */
function quotedLexeme(column: string): string {
  return `'''' || replace(replace(${column}, '\\', '\\\\'), '''', '''''') || ''''`;
}

/** SQL: how well the words of a search row answer: each word's `ts_rank`, weighed by its rarity in the scope (the IDF of BM25, Robertson 1994). */
function wordRank(row: string): string {
  return `COALESCE((SELECT sum(f.rarity * ts_rank(${rankWeights}, ${row}.words, f.query)) FROM frequency f), 0)`;
}

function textLeg(search: string, conditions: readonly string[], plan: Plan, depth: string): string {
  // IS TRUE keeps the word index out: a scope that is no large part of the table is read through its b-tree.
  const match = "s.words @@ (SELECT query FROM narrow)";
  return `text_leg AS MATERIALIZED (
  SELECT s.user_id, s.entry, ${wordRank("s")} AS rank
  FROM (SELECT s.* FROM ${search} s WHERE ${plan === "exact" ? `(${match}) IS TRUE` : match} AND ${conditions.join(" AND ")} LIMIT ${2 * mostWordRows}) s
  ORDER BY rank DESC, s.entry DESC LIMIT ${depth}
)`;
}

function vectorLeg(
  database: Database,
  query: RecallQuery,
  vector: VectorSql,
  conditions: readonly string[],
  plan: Plan,
  depth: string,
): string {
  const { space } = vector;
  const owner = conditions.slice(0, query.scope.userId === undefined ? 1 : 2).map((condition) => condition.replace("s.", "v."));
  const isFiltered = conditions.length > owner.length;
  const joined = isFiltered
    ? ` JOIN ${database.names.table.search} s ON s.tenant = v.tenant AND s.user_id = v.user_id AND s.entry = v.entry AND s.revision = v.revision AND ${conditions.slice(owner.length).join(" AND ")}`
    : "";
  if (plan === "exact") {
    // Adding 0 hides the distance from the HNSW index: every row of the scope is compared.
    return `vector_leg AS MATERIALIZED (
  SELECT v.user_id, v.entry FROM ${space.table} v${joined} WHERE ${owner.join(" AND ")}
  ORDER BY (v.embedding ${vector.distance} ${vector.query}) + 0 LIMIT ${depth}
)`;
  }
  const schema = database.installation.vectorSchema;
  const half = `${schema}.halfvec(${space.dimensions})`;
  // The settings hold for this statement's transaction alone; the lateral join makes sure that they are made first.
  return `tuned AS MATERIALIZED (
  SELECT set_config('hnsw.ef_search', '${searchWidth}', true) || set_config('hnsw.iterative_scan', 'relaxed_order', true) AS done
), vector_leg AS MATERIALIZED (
  SELECT near.user_id, near.entry FROM tuned CROSS JOIN LATERAL (
    SELECT v.user_id, v.entry FROM ${space.table} v${joined} WHERE (${owner.join(" AND ")}) IS TRUE AND tuned.done IS NOT NULL
    ORDER BY v.embedding::${half} ${vector.distance} ${vector.query}::${half} LIMIT ${depth}
  ) near
)`;
}

/** SQL: the search row `s` is in scope and passes the filters; tenant first, then the user when there is one. */
export function scopeConditions(query: RecallQuery, parameters: Parameters<SqlValue>): string[] {
  const { scope } = query;
  const conditions = [`s.tenant = ${parameters.add(scope.tenant, "text")}`];
  if (scope.userId !== undefined) conditions.push(`s.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) conditions.push(`s.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  if (query.conversationId !== undefined) conditions.push(`s.conversation_id = ${parameters.add(query.conversationId, "text")}`);
  if (query.kinds !== undefined) conditions.push(`s.kind = ANY(${parameters.add(query.kinds, "text[]")})`);
  if (query.roles !== undefined) conditions.push(`s.role = ANY(${parameters.add(query.roles, "text[]")})`);
  if (query.since !== undefined) conditions.push(`s.created_at >= ${fromEpochMs(parameters.add(query.since.getTime(), "float8"))}`);
  if (query.until !== undefined) conditions.push(`s.created_at < ${fromEpochMs(parameters.add(query.until.getTime(), "float8"))}`);
  if (query.filter !== undefined) conditions.push(...metadataConditions(query.filter, parameters));
  return conditions;
}

function metadataConditions(filter: MetadataFilter, parameters: Parameters<SqlValue>): string[] {
  return Object.entries(filter).map(([field, value]) => {
    const values: readonly FilterValue[] = Array.isArray(value) ? value : [value as FilterValue];
    const objects = values.map((one) => JSON.stringify({ [field]: one }));
    return `s.metadata @> ANY(${parameters.add(objects, "text[]")}::jsonb[])`;
  });
}
