import type {
  RecordName,
  RecordOperation,
  RecordSimilarity,
  RecordVector,
  RecordVectorEntry,
  RecordVectorQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { hasSameText, targetOf } from "../record-operations.ts";
import { fromEpochMs, Parameters, statementName } from "./database.ts";
import { keyOf, matching, nameValues, type RecordDatabase, type RecordRow, recordColumns, toRecord } from "./record-rows.ts";
import type { SqlTransaction, SqlValue } from "./sql-client.ts";
import { encodeVector, encodeVectorArray } from "./vectors.ts";

type Name = RecordName & { readonly tenant: string };

/** Vectors of these records, by their names. */
export async function storedVectors(
  { names }: Pick<RecordDatabase, "names">,
  client: Pick<SqlTransaction, "query">,
  wanted: readonly Name[],
  signal?: AbortSignal,
): Promise<Map<string, RecordVector>> {
  if (wanted.length === 0) return new Map();
  const { rows } = await client.query<Name & { readonly model: string; readonly values: string | null }>({
    text: `SELECT r.tenant, r.user_id AS "userId", r.type, r.id, r.embedding_model AS model, r.embedding::text AS values
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
JOIN ${names.table.records} r ON r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND r.id = t.id
WHERE r.embedding_model IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > ${fromEpochMs("$5::float8")})`,
    values: [...nameValues(wanted), Date.now()],
    signal,
  });
  return new Map(rows.map((row) => [keyOf(row), { model: row.model, values: decode(row.values) }]));
}

/** What an operation makes of the vector of its record. */
export function changeVector(vectors: Map<string, RecordVector>, operation: RecordOperation, before: StoredRecord | undefined): void {
  if ("check" in operation) return;
  const key = keyOf(targetOf(operation));
  if (!("put" in operation) || !hasSameText(operation.put, before)) vectors.delete(key);
  if ("put" in operation && operation.vector !== undefined) vectors.set(key, operation.vector);
}

export async function setVectors(
  { client, names, vectorSchema, vectorTypeId }: RecordDatabase,
  entries: readonly RecordVectorEntry[],
  signal?: AbortSignal,
): Promise<void> {
  if (entries.length === 0) return;
  const records = entries.map(({ record }) => record);
  await client.query({
    text: `UPDATE ${names.table.records} r SET embedding_model = t.model, embedding = t.embedding
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::${vectorSchema}.vector[]) t(tenant, user_id, type, id, name, content, model, embedding)
WHERE r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND r.id = t.id AND r.name IS NOT DISTINCT FROM t.name AND r.content = t.content
  AND r.wants_vector AND r.embedding_model IS DISTINCT FROM t.model`,
    values: [
      ...nameValues(records),
      records.map(({ name }) => name ?? null),
      records.map(({ content }) => content),
      entries.map(({ model }) => model),
      encodeVectorArray(
        entries.map(({ values }) => values),
        vectorTypeId,
      ),
    ],
    signal,
  });
}

export async function getVectors(
  database: RecordDatabase,
  tenant: string,
  wanted: readonly RecordName[],
  signal?: AbortSignal,
): Promise<(RecordVector | undefined)[]> {
  const named = wanted.map((name) => ({ ...name, tenant }));
  const found = await storedVectors(database, database.client, named, signal);
  return named.map((name) => found.get(keyOf(name)));
}

const decode = (values: string | null) => (values === null ? undefined : Float32Array.from(JSON.parse(values) as number[]));

/** Each range of the index of models by itself. */
export async function missingVectors(
  { client, names }: RecordDatabase,
  model: string,
  limit: number,
  signal?: AbortSignal,
): Promise<StoredRecord[]> {
  const range = (condition: string) => `(SELECT r.* FROM ${names.table.records} r
  WHERE r.wants_vector AND r.embedding_model ${condition} AND r.content <> '' AND (r.expires_at IS NULL OR r.expires_at > ${fromEpochMs("$3::float8")}) LIMIT $2::int)`;
  const text = `SELECT ${recordColumns} FROM (
${["IS NULL", "< $1::text", "> $1::text"].map(range).join("\nUNION ALL\n")}
) r LIMIT $2::int`;
  const { rows } = await client.query<RecordRow>({ text, name: statementName(text), values: [model, limit, Date.now()], signal });
  return rows.map(toRecord);
}

/** By the index of models: it has those that want a vector alone, and what is not owed is passed over. */
export async function countMissingVectors(
  { client, names }: RecordDatabase,
  scope: StoreScope,
  model: string,
  signal?: AbortSignal,
): Promise<number> {
  const parameters = new Parameters<SqlValue>();
  const ours = parameters.add(model, "text");
  const other = `(r.embedding_model IS NULL OR r.embedding_model < ${ours} OR r.embedding_model > ${ours})`;
  const text = `SELECT count(*) AS count FROM ${names.table.records} r
WHERE r.wants_vector AND ${other} AND r.content <> '' AND ${matching(scope, {}, parameters)}`;
  const { rows } = await client.query<{ readonly count: number }>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0]?.count ?? 0;
}

/** Exact: only vectors of the scope are read, of those the ones compared that can be, and none is kept meanwhile. */
export async function searchVectors(
  { client, names, vectorSchema }: RecordDatabase,
  scope: StoreScope,
  query: RecordVectorQuery,
  signal?: AbortSignal,
): Promise<RecordSimilarity[]> {
  const { model, values, limit, minSimilarity } = query;
  const parameters = new Parameters<SqlValue>();
  const question = parameters.add(encodeVector(values), `${vectorSchema}.vector`);
  const text = `WITH measured AS MATERIALIZED (
  SELECT r.tenant, r.user_id, r.type, r.id, CASE WHEN ${vectorSchema}.vector_dims(r.embedding) = ${parameters.add(values.length, "int")}
    THEN 1 - (r.embedding OPERATOR(${vectorSchema}.<=>) ${question}) END AS similarity
  FROM ${names.table.records} r WHERE ${matching(scope, query, parameters)} AND r.embedding_model = ${parameters.add(model, "text")}
), nearest AS (
  SELECT * FROM measured WHERE similarity >= ${parameters.add(minSimilarity ?? -2, "float8")} ORDER BY similarity DESC, user_id, type, id
  LIMIT ${parameters.add(limit, "int")}
)
SELECT ${recordColumns}, n.similarity FROM nearest n JOIN ${names.table.records} r USING (tenant, user_id, type, id)
ORDER BY n.similarity DESC, r.user_id, r.type, r.id`;
  const { rows } = await client.query<RecordRow & { readonly similarity: number }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ record: toRecord(row), similarity: row.similarity }));
}
