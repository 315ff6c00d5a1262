import type {
  RecordName,
  RecordSimilarity,
  RecordVector,
  RecordVectorEntry,
  RecordVectorQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { bytesOf, cosine, floatsOf } from "../../internal/cosine.ts";
import { hasSameText } from "../record-operations.ts";
import { addCondition, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import { isThere, matching, type RecordRow, selectRecord, toRecord } from "./record-rows.ts";

/** Undefined takes the vector away. */
export function storeVector(rows: SqliteRows, entry: number, vector: RecordVector | undefined): void {
  rows.run("UPDATE {records} SET vector_model = ? WHERE entry = ?", vector?.model ?? null, entry);
  rows.run("DELETE FROM {record_vectors} WHERE entry = ?", entry);
  if (vector?.values !== undefined) rows.run("INSERT INTO {record_vectors} (entry, vector) VALUES (?, ?)", entry, bytesOf(vector.values));
}

export function setVectors(rows: SqliteRows, entries: readonly RecordVectorEntry[]): void {
  for (const { record, model, values } of entries) {
    const row = selectRecord(rows, record.tenant, record);
    const isMissing = row?.wants_vector === 1 && row.vector_model !== model;
    if (row !== undefined && isMissing && hasSameText(record, toRecord(row))) storeVector(rows, row.entry, { model, values });
  }
}

export function getVectors(rows: SqliteRows, tenant: string, names: readonly RecordName[]): (RecordVector | undefined)[] {
  const now = Date.now();
  return names.map((name) => {
    const row = selectRecord(rows, tenant, name);
    if (row === undefined || row.vector_model === null || !isThere(row, now)) return undefined;
    const found = rows.get<{ vector: Uint8Array }>("SELECT vector FROM {record_vectors} WHERE entry = ?", row.entry);
    return { model: row.vector_model, values: found && floatsOf(found.vector).slice() };
  });
}

/** SQL: of the model, twice. */
const isOwed = "wants_vector = 1 AND (vector_model IS NULL OR vector_model < ? OR vector_model > ?) AND content <> ''";

export function countMissingVectors(rows: SqliteRows, scope: StoreScope, model: string): number {
  const conditions = matching(scope, {});
  addCondition(conditions, isOwed, model, model);
  return rows.get<{ count: number }>(`SELECT count(*) AS count FROM {records} ${where(conditions)}`, ...conditions.values)?.count ?? 0;
}

export function missingVectors(rows: SqliteRows, model: string, limit: number): StoredRecord[] {
  const found = rows.all<RecordRow>(
    `SELECT * FROM {records} WHERE ${isOwed} AND (expires_at IS NULL OR expires_at > ?) LIMIT ?`,
    model,
    model,
    Date.now(),
    limit,
  );
  return found.map(toRecord);
}

/** Compares what matches, all of it: exact. */
export function searchVectors(rows: SqliteRows, scope: StoreScope, query: RecordVectorQuery): RecordSimilarity[] {
  const { model, values, limit, minSimilarity = -1 } = query;
  const conditions = matching(scope, query);
  addCondition(conditions, "vector_model = ?", model);
  addCondition(conditions, "length(vector) = ?", values.byteLength);
  const best = rows
    .all<{ readonly entry: number; readonly place: string; readonly vector: Uint8Array }>(
      `SELECT entry, json_array(user_id, type, id) AS place, vector FROM {records} JOIN {record_vectors} USING (entry) ${where(conditions)}`,
      ...conditions.values,
    )
    .map(({ entry, place, vector }) => ({ entry, place, similarity: cosine(floatsOf(vector), values) }))
    .filter(({ similarity }) => similarity >= minSimilarity)
    .sort((left, right) => right.similarity - left.similarity || (left.place < right.place ? -1 : 1))
    .slice(0, limit);
  return best.flatMap(({ entry, similarity }) => {
    const row = rows.get<RecordRow>("SELECT * FROM {records} WHERE entry = ?", entry);
    return row === undefined ? [] : [{ record: toRecord(row), similarity }];
  });
}
