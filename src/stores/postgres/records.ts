import type { Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { FilterValue } from "../../domain/filter.ts";
import type { Metadata } from "../../domain/message.ts";
import type {
  RecordConditions,
  RecordMatch,
  RecordName,
  RecordOperation,
  RecordQuery,
  RecordTextQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import { filterableMetadata } from "../../domain/search-text.ts";
import type { StoreScope } from "../../domain/session-store.ts";
import { segmentWords } from "../../domain/words.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { epochMs, fromEpochMs, Parameters, statementName } from "./database.ts";
import type { Names } from "./names.ts";
import type { SqlClient, SqlTransaction, SqlValue } from "./sql-client.ts";

/** What the statements on records are written against. */
export interface RecordDatabase {
  readonly client: SqlClient;
  readonly names: Names;
  /** A text-search configuration the server has. */
  readonly language: string;
  /** When a write next takes out what has expired. */
  readonly purge: { dueAt: number };
}

/** How often a process takes out what has expired, as it writes, and how much at once. */
const purgeEveryMs = 60_000;
const mostPurged = 1_000;

/** A tsvector holds at most 1 MB; three bytes a character leave room for any script. */
const mostIndexedCharacters = 100_000;

interface RecordRow {
  readonly tenant: string;
  readonly userId: string;
  readonly type: string;
  readonly id: string;
  readonly resourceId: string;
  readonly conversationId: string | null;
  readonly name: string | null;
  readonly key: string | null;
  readonly content: string;
  readonly data: string;
  readonly position: number;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
}

const columns = `r.tenant, r.user_id AS "userId", r.type, r.id, r.resource_id AS "resourceId", r.conversation_id AS "conversationId", r.name, r.key,
  r.content, r.data::text AS data, r.position, r.version, ${epochMs("r.created_at")} AS "createdAt", ${epochMs("r.updated_at")} AS "updatedAt", ${epochMs("r.expires_at")} AS "expiresAt"`;

function toRecord(row: RecordRow): StoredRecord {
  return {
    tenant: row.tenant,
    userId: row.userId,
    type: row.type,
    id: row.id,
    resourceId: row.resourceId,
    conversationId: row.conversationId ?? undefined,
    name: row.name ?? undefined,
    key: row.key ?? undefined,
    content: row.content,
    data: JSON.parse(row.data),
    position: row.position,
    version: row.version,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    expiresAt: row.expiresAt === null ? undefined : new Date(row.expiresAt),
  };
}

const isThere = ({ expiresAt }: StoredRecord, now: number) => expiresAt === undefined || expiresAt.getTime() > now;
const targetOf = (operation: RecordOperation) => ("put" in operation ? operation.put : operation.delete);
const keyOf = ({ tenant, userId, type, id }: RecordName & { readonly tenant: string }) => JSON.stringify([tenant, userId, type, id]);
const ownerOf = ({ tenant, userId }: { readonly tenant: string; readonly userId: string }) => JSON.stringify([tenant, userId]);

/**
 * One writer of a user's records at a time, by a lock of the transaction's: what it has read stays so until it commits.
 * Rows that change are deleted, and the new ones inserted after them, so that keys may change hands in any order.
 */
export async function writeRecords(
  database: RecordDatabase,
  operations: readonly RecordOperation[],
  signal?: AbortSignal,
): Promise<(StoredRecord | undefined)[]> {
  if (operations.length === 0) return [];
  return database.client.transaction(
    async (transaction) => {
      await lockOwners(database.names, transaction, operations.map(targetOf));
      const { rows } = await transaction.query<RecordRow>(touchedRows(database, operations));
      const now = Date.now();
      const found = rows.map(toRecord);
      const after = new Map(found.filter((record) => isThere(record, now)).map((record) => [keyOf(record), record]));
      const before = new Map(after);
      const answers = operations.map((operation) => apply(after, operation, now));
      checkKeys([...after.values()]);
      const gone = found.filter((record) => after.get(keyOf(record)) !== before.get(keyOf(record)) || !isThere(record, now));
      const made = [...after].filter(([key, record]) => before.get(key) !== record).map(([, record]) => record);
      await deleteRows(database, transaction, gone);
      await insertRows(database, transaction, made);
      if (now >= database.purge.dueAt) await purgeIn(database, transaction, now);
      return answers.map((answer) => answer && structuredClone(answer));
    },
    { signal },
  );
}

/** Takes out records that have expired, some at a time. Nobody waits for it. */
export async function purgeRecords(database: RecordDatabase): Promise<void> {
  await database.client.transaction((transaction) => purgeIn(database, transaction, Date.now()));
}

async function purgeIn({ names, purge }: RecordDatabase, transaction: SqlTransaction, now: number): Promise<void> {
  const { records } = names.table;
  purge.dueAt = now + purgeEveryMs;
  const { rowCount } = await transaction.query({
    text: `DELETE FROM ${records} WHERE (tenant, user_id, type, id) IN (
  SELECT tenant, user_id, type, id FROM ${records} WHERE expires_at <= ${fromEpochMs("$1::float8")} LIMIT ${mostPurged} FOR UPDATE SKIP LOCKED)`,
    values: [now],
  });
  if (rowCount === mostPurged) purge.dueAt = now;
}

/** Tenants are shared with their other writers, and held against who erases a whole one. */
async function lockOwners(
  names: Names,
  transaction: SqlTransaction,
  whom: readonly { readonly tenant: string; readonly userId: string }[],
): Promise<void> {
  const tenants = [...new Set(whom.map(({ tenant }) => JSON.stringify([tenant])))];
  const owners = [...new Set(whom.map(ownerOf))];
  await transaction.query({
    text: `WITH shared AS MATERIALIZED (
  SELECT count(pg_advisory_xact_lock_shared(key)) AS count FROM (SELECT DISTINCT ${lockKey("$1", "tenant")} AS key FROM unnest($2::text[]) t(tenant) ORDER BY 1) k
)
SELECT count(pg_advisory_xact_lock(key)) FROM (SELECT DISTINCT ${lockKey("$1", "owner")} AS key FROM shared, unnest($3::text[]) o(owner) ORDER BY 1) k`,
    values: [lockSpace(names), tenants, owners],
  });
}

/** Waits for the writers of the user, or of the whole tenant, and holds off the next ones. */
async function lockOut(names: Names, transaction: SqlTransaction, { tenant, userId }: StoreScope): Promise<void> {
  const whom = JSON.stringify(userId === undefined ? [tenant] : [tenant, userId]);
  const text = `SELECT pg_advisory_xact_lock(${lockKey("$1::text", "$2::text")})::text`;
  await transaction.query({ text, values: [lockSpace(names), whom] });
}

const lockSpace = ({ schema, prefix }: Names) => `unforget records ${schema}.${prefix}`;

/** SQL: the number that stands for a tenant or an owner. */
const lockKey = (space: string, whom: string) => `hashtextextended(${space} || ${whom}, 3)`;

/** The records of these names, and those that hold the keys that are wanted. */
function touchedRows({ names }: RecordDatabase, operations: readonly RecordOperation[]) {
  const targets = operations.map(targetOf);
  const keys = operations.map((operation) => ("put" in operation ? (operation.put.key ?? null) : null));
  const text = `SELECT DISTINCT ON (r.tenant, r.user_id, r.type, r.id) ${columns}
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) t(tenant, user_id, type, id, key)
JOIN ${names.table.records} r ON r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND (r.id = t.id OR r.key = t.key)`;
  return { text, values: [...nameValues(targets), keys] };
}

function nameValues(targets: readonly (RecordName & { readonly tenant: string })[]): SqlValue[] {
  return [
    targets.map(({ tenant }) => tenant),
    targets.map(({ userId }) => userId),
    targets.map(({ type }) => type),
    targets.map(({ id }) => id),
  ];
}

/** Does one operation; answers what was stored, or deleted. */
function apply(records: Map<string, StoredRecord>, operation: RecordOperation, now: number): StoredRecord | undefined {
  const target = targetOf(operation);
  const before = records.get(keyOf(target));
  const version = before?.version ?? 0;
  if (operation.ifVersion !== undefined && operation.ifVersion !== version) {
    throw new ConflictError(target.id, `[record] "${target.id}" is not of the version expected: read it again`, {
      expected: String(operation.ifVersion),
      actual: String(version),
    });
  }
  if ("delete" in operation) {
    records.delete(keyOf(target));
    return before;
  }
  const after = { ...operation.put, version: version + 1, updatedAt: new Date(Math.max(now, before?.updatedAt.getTime() ?? 0)) };
  records.set(keyOf(target), after);
  return after;
}

function checkKeys(records: readonly StoredRecord[]): void {
  const holders = new Set<string>();
  for (const { tenant, userId, type, key, id } of records) {
    if (key === undefined) continue;
    const place = JSON.stringify([tenant, userId, type, key]);
    if (holders.has(place)) throw new ConflictError(id, `[record] the key of "${id}" is taken: choose another, or change its holder`);
    holders.add(place);
  }
}

async function deleteRows({ names }: RecordDatabase, transaction: SqlTransaction, records: readonly StoredRecord[]): Promise<void> {
  if (records.length === 0) return;
  await transaction.query({
    text: `DELETE FROM ${names.table.records} r USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
WHERE r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND r.id = t.id`,
    values: nameValues(records),
  });
}

async function insertRows(
  { names, language }: RecordDatabase,
  transaction: SqlTransaction,
  records: readonly StoredRecord[],
): Promise<void> {
  if (records.length === 0) return;
  const of = (read: (record: StoredRecord) => string | number | null) => records.map(read);
  const data = records.map((record) => JSON.stringify(record.data));
  await transaction.query({
    text: `INSERT INTO ${names.table.records} (tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data, metadata, position, version, created_at, updated_at, expires_at, words)
SELECT tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data::json, metadata::jsonb, position, version,
  ${fromEpochMs("created_at")}, ${fromEpochMs("updated_at")}, ${fromEpochMs("expires_at")}, to_tsvector($17::text::regconfig, words)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::float8[], $13::bigint[], $14::float8[], $15::float8[], $16::float8[], $18::text[])
  t(tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data, metadata, position, version, created_at, updated_at, expires_at, words)`,
    values: [
      ...nameValues(records),
      of(({ resourceId }) => resourceId),
      of(({ conversationId }) => conversationId ?? null),
      of(({ name }) => name ?? null),
      of(({ key }) => key ?? null),
      of(({ content }) => content),
      data,
      records.map((record) => filterableFields(record.data)),
      of(({ position }) => position),
      of(({ version }) => version),
      of(({ createdAt }) => createdAt.getTime()),
      of(({ updatedAt }) => updatedAt.getTime()),
      of(({ expiresAt }) => expiresAt?.getTime() ?? null),
      language,
      of(({ name, content }) => segmentWords(`${name ?? ""} ${content.slice(0, mostIndexedCharacters)}`)),
    ],
  });
}

/** Filters compare fields that are no lists or objects: nothing else is kept twice. */
function filterableFields(data: Metadata): string | null {
  let isWhole = true;
  const json = JSON.stringify(data, (_, value: unknown) => {
    const isField = !isWhole;
    isWhole = false;
    return isField && typeof value === "object" && value !== null ? undefined : value;
  });
  return filterableMetadata(json);
}

export async function getRecords(
  { client, names }: RecordDatabase,
  tenant: string,
  wanted: readonly RecordName[],
  signal?: AbortSignal,
): Promise<(StoredRecord | undefined)[]> {
  if (wanted.length === 0) return [];
  const named = wanted.map((name) => ({ ...name, tenant }));
  const { rows } = await client.query<RecordRow>({
    text: `SELECT DISTINCT ON (r.tenant, r.user_id, r.type, r.id) ${columns} FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
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

/** SQL: the record `r` is in scope, there, and fulfils the conditions. */
function matching(scope: StoreScope, conditions: RecordConditions, parameters: Parameters<SqlValue>): string {
  return `${fulfilling(scope, conditions, parameters)} AND ${notExpired("r.expires_at", parameters)}`;
}

function notExpired(column: string, parameters: Parameters<SqlValue>): string {
  return `(${column} IS NULL OR ${column} > ${fromEpochMs(parameters.add(Date.now(), "float8"))})`;
}

/** SQL: the record `r` is in scope and fulfils the conditions, expired or not. */
function fulfilling(scope: StoreScope, conditions: RecordConditions, parameters: Parameters<SqlValue>): string {
  const { types, ids, name, names, key, conversationId, positionFrom, positionBefore, filter } = conditions;
  const terms = inScope(scope, parameters);
  if (types !== undefined) terms.push(oneOf("r.type", types, parameters));
  if (ids !== undefined) terms.push(oneOf("r.id", ids, parameters));
  if (name !== undefined) terms.push(`r.name = ${parameters.add(name, "text")}`);
  if (names !== undefined) terms.push(oneOf("r.name", names, parameters));
  if (positionFrom !== undefined) terms.push(`r.position >= ${parameters.add(positionFrom, "float8")}`);
  if (positionBefore !== undefined) terms.push(`r.position < ${parameters.add(positionBefore, "float8")}`);
  if (key !== undefined) terms.push(`r.key = ${parameters.add(key, "text")}`);
  if (conversationId !== undefined) terms.push(`r.conversation_id = ${parameters.add(conversationId, "text")}`);
  for (const [field, value] of Object.entries(filter ?? {})) {
    const values: readonly FilterValue[] = Array.isArray(value) ? value : [value as FilterValue];
    const objects = values.map((one) => filterableMetadata(JSON.stringify({ [field]: one })));
    terms.push(`r.metadata @> ANY(${parameters.add(objects, "text[]")}::jsonb[])`);
  }
  return terms.join(" AND ");
}

/** SQL: one alone keeps the order of an index. */
function oneOf(column: string, values: readonly string[], parameters: Parameters<SqlValue>): string {
  const [first] = values;
  if (first !== undefined && values.length === 1) return `${column} = ${parameters.add(first, "text")}`;
  return `${column} = ANY(${parameters.add(values, "text[]")})`;
}

function inScope({ tenant, userId, resourceId }: StoreScope, parameters: Parameters<SqlValue>): string[] {
  const terms = [`r.tenant = ${parameters.add(tenant, "text")}`];
  if (userId !== undefined) terms.push(`r.user_id = ${parameters.add(userId, "text")}`);
  if (resourceId !== undefined) terms.push(`r.resource_id = ${parameters.add(resourceId, "text")}`);
  return terms;
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
  const terms = [matching(scope, query, parameters)];
  if (query.cursor !== undefined) {
    const [value = null, ...name] = decodeCursor(query, query.cursor, 4);
    const first = parameters.add(value, query.orderBy === "name" ? "text" : "float8");
    const isTime = query.orderBy === "createdAt" || query.orderBy === "updatedAt";
    const place = [isTime ? fromEpochMs(first) : first, ...name.map((part) => parameters.add(part, "text"))].join(", ");
    terms.push(`(${column}, r.user_id, r.type, r.id) ${query.direction === "asc" ? ">" : "<"} (${place})`);
  }
  const order = [column, "r.user_id", "r.type", "r.id"].map((name) => `${name} ${direction}`).join(", ");
  const text = `SELECT ${columns} FROM ${names.table.records} r WHERE ${terms.join(" AND ")} ORDER BY ${order}
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
  SELECT r.tenant, r.user_id, r.type, r.id, r.words FROM ${names.table.records} r WHERE ${matching(scope, query, parameters)}
), found AS MATERIALIZED (
  SELECT h.*, q.lexeme, ts_rank(h.words, q.query) AS rank FROM here h JOIN question q ON h.words @@ q.query
), frequency AS (
  SELECT lexeme, ln(1 + ((SELECT count(*) FROM here) - count(*) + 0.5) / (count(*) + 0.5)) AS rarity FROM found GROUP BY lexeme
), ranked AS (
  SELECT tenant, user_id, type, id, sum(rank * rarity)::float8 AS rank FROM found JOIN frequency USING (lexeme)
  GROUP BY tenant, user_id, type, id ORDER BY rank DESC, user_id, type, id LIMIT ${parameters.add(query.limit, "int")}
)
SELECT ${columns}, k.rank FROM ranked k JOIN ${names.table.records} r USING (tenant, user_id, type, id) ORDER BY k.rank DESC, r.user_id, r.type, r.id`;
  const { rows } = await client.query<RecordRow & { readonly rank: number }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ record: toRecord(row), rank: row.rank }));
}

/** How many there were that had not expired. */
export async function eraseRecords(
  database: RecordDatabase,
  scope: StoreScope,
  conditions: RecordConditions,
  signal?: AbortSignal,
): Promise<number> {
  return database.client.transaction((transaction) => eraseRecordsIn(database, transaction, scope, conditions), { signal });
}

/** The same as a part of another's transaction. */
export async function eraseRecordsIn(
  { names }: Pick<RecordDatabase, "names">,
  transaction: SqlTransaction,
  scope: StoreScope,
  conditions: RecordConditions,
): Promise<number> {
  await lockOut(names, transaction, scope);
  const parameters = new Parameters<SqlValue>();
  const { rows } = await transaction.query<{ count: number }>({
    text: `WITH gone AS (DELETE FROM ${names.table.records} r WHERE ${fulfilling(scope, conditions, parameters)} RETURNING r.expires_at)
SELECT count(*) AS count FROM gone WHERE ${notExpired("expires_at", parameters)}`,
    values: parameters.values,
  });
  return rows[0]?.count ?? 0;
}

export interface ConversationName {
  readonly id: string;
  readonly userId: string;
}

/** Deletes what hangs on these conversations, whichever resource wrote it. */
export async function eraseConversationsIn(
  { names }: Pick<RecordDatabase, "names">,
  transaction: SqlTransaction,
  tenant: string,
  conversations: readonly ConversationName[],
): Promise<void> {
  if (conversations.length === 0) return;
  const whom = conversations.map(({ userId }) => ({ tenant, userId }));
  await lockOwners(names, transaction, whom);
  await transaction.query({
    text: `DELETE FROM ${names.table.records} WHERE tenant = $1 AND (conversation_id, user_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))`,
    values: [tenant, conversations.map(({ id }) => id), conversations.map(({ userId }) => userId)],
  });
}
