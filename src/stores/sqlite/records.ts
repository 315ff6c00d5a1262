import type { Page } from "../../domain/conversation.ts";
import type {
  NewRecord,
  RecordConditions,
  RecordMatch,
  RecordName,
  RecordOperation,
  RecordQuery,
  RecordTextQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { segmentWords } from "../../domain/words.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { checkExpected, hasSameText, keyTaken, targetOf } from "../record-operations.ts";
import { addCondition, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import { fulfilling, isThere, matching, type RecordRow, selectRecord, toRecord } from "./record-rows.ts";
import { storeVector } from "./record-vectors.ts";
import { anyOf, scopeToken } from "./words.ts";

/** Expired records a write takes out along the way. */
const mostExpired = 200;
/** Of a longer text the beginning is indexed. */
const mostIndexedCharacters = 100_000;

/**
 * Keys are given when all operations are done, so that they may change hands in any order. Whatever fails takes the
 * transaction with it.
 */
export function writeRecords(rows: SqliteRows, operations: readonly RecordOperation[]): (StoredRecord | undefined)[] {
  const now = Date.now();
  removeExpired(rows, now);
  const written = new Map<number, RecordRow>();
  const answers = operations.map((operation) => {
    const target = targetOf(operation);
    const before = findRecord(rows, target.tenant, target, now);
    checkExpected(operation, before?.version ?? 0);
    if (!("put" in operation)) {
      if (before !== undefined && "delete" in operation) remove(rows, before.entry);
      return before && toRecord({ ...before, key: written.get(before.entry)?.key ?? before.key });
    }
    const row = put(rows, operation, now);
    written.set(row.entry, row);
    const { vector } = operation;
    if (vector !== undefined) storeVector(rows, row.entry, vector);
    else if (before !== undefined && !hasSameText(operation.put, toRecord(before))) storeVector(rows, row.entry, undefined);
    return toRecord(row);
  });
  for (const row of written.values()) giveKey(rows, row, now);
  for (const row of written.values()) indexRecord(rows, row);
  return answers;
}

/** Stores the record without its key, and answers it with. */
function put(rows: SqliteRows, { put: record, aboveVersion = 0 }: Extract<RecordOperation, { put: NewRecord }>, now: number): RecordRow {
  const row = rows.get<RecordRow>(
    `INSERT INTO {records} (tenant, user_id, type, id, resource_id, conversation_id, name, content, data, position, version, created_at, updated_at, expires_at, wants_vector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, user_id, type, id) DO UPDATE SET
  resource_id = excluded.resource_id, conversation_id = excluded.conversation_id, name = excluded.name, key = NULL, content = excluded.content,
  data = excluded.data, position = excluded.position, version = max(version + 1, excluded.version), created_at = excluded.created_at,
  updated_at = max(updated_at, excluded.updated_at), expires_at = excluded.expires_at, wants_vector = excluded.wants_vector RETURNING *`,
    record.tenant,
    record.userId,
    record.type,
    record.id,
    record.resourceId,
    record.conversationId ?? null,
    record.name ?? null,
    record.content,
    JSON.stringify(record.data),
    record.position,
    aboveVersion + 1,
    record.createdAt.getTime(),
    now,
    record.expiresAt?.getTime() ?? null,
    record.wantsVector === true ? 1 : 0,
  ) as RecordRow;
  return { ...row, key: record.key ?? null };
}

function giveKey(rows: SqliteRows, { entry, tenant, user_id, type, key }: RecordRow, now: number): void {
  if (key === null) return;
  const holder = rows.get<RecordRow>(
    "SELECT * FROM {records} WHERE tenant = ? AND user_id = ? AND type = ? AND key = ?",
    tenant,
    user_id,
    type,
    key,
  );
  if (holder !== undefined && isThere(holder, now)) throw keyTaken(holder.id);
  if (holder !== undefined) remove(rows, holder.entry);
  rows.run("UPDATE {records} SET key = ? WHERE entry = ?", key, entry);
}

function indexRecord(rows: SqliteRows, { entry, tenant, user_id, name, content }: RecordRow): void {
  rows.run("DELETE FROM {record_words} WHERE rowid = ?", entry);
  if (rows.get("SELECT 1 FROM {records} WHERE entry = ?", entry) === undefined || `${name ?? ""}${content}` === "") return;
  rows.run(
    "INSERT INTO {record_words} (rowid, name, content, scope) VALUES (?, ?, ?, ?)",
    entry,
    segmentWords(name ?? ""),
    segmentWords(content.slice(0, mostIndexedCharacters)),
    [[tenant], [tenant, user_id]].map(scopeToken).join(" "),
  );
}

function remove(rows: SqliteRows, entry: number): void {
  rows.run("DELETE FROM {record_vectors} WHERE entry = ?", entry);
  rows.run("DELETE FROM {record_words} WHERE rowid = ?", entry);
  rows.run("DELETE FROM {records} WHERE entry = ?", entry);
}

function removeExpired(rows: SqliteRows, now: number): void {
  const expired = rows.all<{ entry: number }>("SELECT entry FROM {records} WHERE expires_at <= ? LIMIT ?", now, mostExpired);
  for (const { entry } of expired) remove(rows, entry);
}

/** An expired one is taken out. */
function findRecord(rows: SqliteRows, tenant: string, name: RecordName, now: number): RecordRow | undefined {
  const row = selectRecord(rows, tenant, name);
  if (row === undefined || isThere(row, now)) return row;
  remove(rows, row.entry);
  return undefined;
}

export function getRecords(rows: SqliteRows, tenant: string, names: readonly RecordName[]): (StoredRecord | undefined)[] {
  const now = Date.now();
  return names.map((name) => {
    const row = selectRecord(rows, tenant, name);
    return row !== undefined && isThere(row, now) ? toRecord(row) : undefined;
  });
}

/** SQL: what a list is ordered by. */
const orderColumns = { createdAt: "created_at", updatedAt: "updated_at", position: "position", name: "coalesce(name, '')" } as const;

export function listRecords(rows: SqliteRows, scope: StoreScope, query: RecordQuery): Page<StoredRecord> {
  const column = orderColumns[query.orderBy];
  const direction = query.direction === "asc" ? "ASC" : "DESC";
  const conditions = matching(scope, query);
  if (query.cursor !== undefined) {
    const place = decodeCursor(query, query.cursor, 4);
    addCondition(conditions, `(${column}, user_id, type, id) ${query.direction === "asc" ? ">" : "<"} (?, ?, ?, ?)`, ...place);
  }
  const order = [column, "user_id", "type", "id"].map((name) => `${name} ${direction}`).join(", ");
  const found = rows.all<RecordRow>(
    `SELECT * FROM {records} ${where(conditions)} ORDER BY ${order} LIMIT ? OFFSET ?`,
    ...conditions.values,
    query.limit + 1,
    query.offset,
  );
  const page = found.slice(0, query.limit);
  const last = found.length > query.limit ? page.at(-1) : undefined;
  return { items: page.map(toRecord), nextCursor: last && encodeCursor(query, placeOf(last, query)) };
}

function placeOf(row: RecordRow, { orderBy }: RecordQuery): (string | number)[] {
  const values = { createdAt: row.created_at, updatedAt: row.updated_at, position: row.position, name: row.name ?? "" };
  return [values[orderBy], row.user_id, row.type, row.id];
}

export function countRecords(rows: SqliteRows, scope: StoreScope, conditions: RecordConditions): number {
  const found = matching(scope, conditions);
  return rows.get<{ n: number }>(`SELECT count(*) AS n FROM {records} ${where(found)}`, ...found.values)?.n ?? 0;
}

export function searchRecords(rows: SqliteRows, scope: StoreScope, query: RecordTextQuery): RecordMatch[] {
  const question = anyOf(query.words);
  if (question === undefined) return [];
  const conditions = matching(scope, query);
  const token = scopeToken(scope.userId === undefined ? [scope.tenant] : [scope.tenant, scope.userId]);
  const found = rows.all<RecordRow & { readonly score: number }>(
    `SELECT {records}.*, score FROM (SELECT rowid AS found, bm25({record_words}, 1.0, 1.0, 0.0) AS score FROM {record_words} WHERE {record_words} MATCH ?)
JOIN {records} ON entry = found ${where(conditions)} AND score < 0 ORDER BY score, entry DESC LIMIT ?`,
    `scope : ${token} AND {name content} : (${question.match})`,
    ...conditions.values,
    query.limit,
  );
  return found.map((row) => ({ record: toRecord(row), rank: -row.score }));
}

/** How many there were that had not expired. */
export function eraseRecords(rows: SqliteRows, scope: StoreScope, query: RecordConditions): number {
  const conditions = fulfilling(scope, query);
  const count = countRecords(rows, scope, query);
  rows.run(`DELETE FROM {record_words} WHERE rowid IN (SELECT entry FROM {records} ${where(conditions)})`, ...conditions.values);
  rows.run(`DELETE FROM {record_vectors} WHERE entry IN (SELECT entry FROM {records} ${where(conditions)})`, ...conditions.values);
  rows.run(`DELETE FROM {records} ${where(conditions)}`, ...conditions.values);
  return count;
}
