import type { Page } from "../../domain/conversation.ts";
import type { RecordConditions, RecordMatch, RecordName, RecordQuery, RecordTextQuery, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { fromEpochMs, Parameters, statementName } from "./database.ts";
import type { Names } from "./names.ts";
import { isThere, keyOf, matching, nameValues, type RecordDatabase, type RecordRow, recordColumns, toRecord } from "./record-rows.ts";
import type { SqlClient, SqlTransaction, SqlValue } from "./sql-client.ts";

export async function getRecords(
  { client, names }: RecordDatabase,
  tenant: string,
  wanted: readonly RecordName[],
  signal?: AbortSignal,
): Promise<(StoredRecord | undefined)[]> {
  return getRecordsOn(client, names, tenant, wanted, signal);
}

/** The same on a client, or as a part of a transaction. */
export async function getRecordsOn(
  client: Pick<SqlClient, "query"> | SqlTransaction,
  names: Names,
  tenant: string,
  wanted: readonly RecordName[],
  signal?: AbortSignal,
): Promise<(StoredRecord | undefined)[]> {
  if (wanted.length === 0) return [];
  const named = wanted.map((name) => ({ ...name, tenant }));
  const { rows } = await client.query<RecordRow>({
    text: `SELECT DISTINCT ON (r.tenant, r.user_id, r.type, r.id) ${recordColumns} FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
JOIN ${names.table.records} r ON r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND r.id = t.id`,
    values: nameValues(named),
    signal,
  });
  const now = Date.now();
  const found = new Map(rows.map((row) => [keyOf(row), row]));
  return named.map((name) => {
    const row = found.get(keyOf(name));
    const record = row && toRecord(row);
    return record !== undefined && isThere(record, now) ? record : undefined;
  });
}

/** SQL: what a list is ordered by. */
const orderColumns = {
  createdAt: "r.created_at",
  updatedAt: "r.updated_at",
  position: "r.position",
  name: "COALESCE(r.name, '')",
} as const;

export async function listRecords(
  { client, names }: RecordDatabase,
  scope: StoreScope,
  query: RecordQuery,
  signal?: AbortSignal,
): Promise<Page<StoredRecord>> {
  const parameters = new Parameters<SqlValue>();
  const column = orderColumns[query.orderBy];
  const direction = query.direction === "asc" ? "ASC" : "DESC";
  const types = [...new Set(query.types)];
  // One type alone, or each of several by itself, comes in the order of an index.
  const eachType = query.orderBy === "position" && types.length > 1;
  const terms = [matching(scope, eachType ? { ...query, types: undefined } : query, parameters)];
  if (query.cursor !== undefined) {
    const [value = null, ...name] = decodeCursor(query, query.cursor, 4);
    const first = parameters.add(value, query.orderBy === "name" ? "text" : "float8");
    const isTime = query.orderBy === "createdAt" || query.orderBy === "updatedAt";
    const place = [isTime ? fromEpochMs(first) : first, ...name.map((part) => parameters.add(part, "text"))].join(", ");
    terms.push(`(${column}, r.user_id, r.type, r.id) ${query.direction === "asc" ? ">" : "<"} (${place})`);
  }
  const order = [column, "r.user_id", "r.type", "r.id"].map((name) => `${name} ${direction}`).join(", ");
  const matched = `FROM ${names.table.records} r WHERE ${terms.join(" AND ")}`;
  const ofEach = () =>
    `FROM unnest(${parameters.add(types, "text[]")}) t(type) CROSS JOIN LATERAL (
  SELECT r.* ${matched} AND r.type = t.type ORDER BY ${order} LIMIT ${parameters.add(query.offset + query.limit + 1, "bigint")}
) r`;
  const text = `SELECT ${recordColumns} ${eachType ? ofEach() : matched} ORDER BY ${order}
LIMIT ${parameters.add(query.limit + 1, "int")} OFFSET ${parameters.add(query.offset, "bigint")}`;
  const { rows } = await client.query<RecordRow>({ text, name: statementName(text), values: parameters.values, signal });
  const page = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? page.at(-1) : undefined;
  const cursor = last && encodeCursor(query, [last[query.orderBy] ?? "", last.userId, last.type, last.id]);
  return { items: page.map(toRecord), nextCursor: cursor };
}

export async function countRecords(
  { client, names }: RecordDatabase,
  scope: StoreScope,
  conditions: RecordConditions,
  signal?: AbortSignal,
): Promise<number> {
  const parameters = new Parameters<SqlValue>();
  const text = `SELECT count(*) AS count FROM ${names.table.records} r WHERE ${matching(scope, conditions, parameters)}`;
  const { rows } = await client.query<{ count: number }>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0]?.count ?? 0;
}

/** Each word's `ts_rank`, weighed by its rarity among the records that fulfil the conditions (the IDF of BM25). */
export async function searchRecords(
  { client, names, language }: RecordDatabase,
  scope: StoreScope,
  query: RecordTextQuery,
  signal?: AbortSignal,
): Promise<RecordMatch[]> {
  const parameters = new Parameters<SqlValue>();
  const words = parameters.add(query.words.replaceAll("\0", " ").toWellFormed(), "text");
  const text = `WITH question AS MATERIALIZED (
  SELECT lexeme, ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery AS query
  FROM unnest(tsvector_to_array(to_tsvector(${parameters.add(language, "text")}::regconfig, ${words}))) lexeme
), here AS MATERIALIZED (
  SELECT r.tenant, r.user_id, r.type, r.id, CASE WHEN r.words @@ (SELECT string_agg(query::text, ' | ')::tsquery FROM question) THEN r.words END AS words FROM ${names.table.records} r WHERE ${matching(scope, query, parameters)}
), found AS MATERIALIZED (
  SELECT h.*, q.lexeme, ts_rank(h.words, q.query) AS rank FROM here h JOIN question q ON h.words @@ q.query
), frequency AS (
  SELECT lexeme, ln(1 + ((SELECT count(*) FROM here) - count(*) + 0.5) / (count(*) + 0.5)) AS rarity FROM found GROUP BY lexeme
), ranked AS (
  SELECT tenant, user_id, type, id, sum(rank * rarity)::float8 AS rank FROM found JOIN frequency USING (lexeme)
  GROUP BY tenant, user_id, type, id ORDER BY rank DESC, user_id, type, id LIMIT ${parameters.add(query.limit, "int")}
)
SELECT ${recordColumns}, k.rank FROM ranked k JOIN ${names.table.records} r USING (tenant, user_id, type, id) ORDER BY k.rank DESC, r.user_id, r.type, r.id`;
  const { rows } = await client.query<RecordRow & { readonly rank: number }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ record: toRecord(row), rank: row.rank }));
}
