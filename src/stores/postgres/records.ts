import type { Metadata } from "../../domain/message.ts";
import type { RecordConditions, RecordName, RecordOperation, RecordVector, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { filterableMetadata } from "../../domain/search-text.ts";
import { segmentWords } from "../../domain/words.ts";
import { checkExpected, goneSince, keyTaken, targetOf, versionAfter } from "../record-operations.ts";
import { fromEpochMs, Parameters } from "./database.ts";
import type { Names } from "./names.ts";
import { getRecordsOn } from "./record-reads.ts";
import {
  fulfilling,
  isThere,
  keyOf,
  nameValues,
  notExpired,
  type RecordDatabase,
  type RecordRow,
  recordColumns,
  toRecord,
} from "./record-rows.ts";
import { changeVector, storedVectors } from "./record-vectors.ts";
import type { SqlTransaction, SqlValue } from "./sql-client.ts";
import { encodeVectorArray } from "./vectors.ts";

/** How often a process takes out what has expired, as it writes, and how much at once. */
const purgeEveryMs = 60_000;
const mostPurged = 1_000;

/** A tsvector holds at most 1 MB; three bytes a character leave room for any script. */
const mostIndexedCharacters = 100_000;

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
      return writeIn(database, transaction, operations);
    },
    { signal },
  );
}

/** Reads and writes while nobody else writes to these users' records. */
export async function changeRecords(
  database: RecordDatabase,
  tenant: string,
  wanted: readonly RecordName[],
  change: (found: readonly (StoredRecord | undefined)[]) => readonly RecordOperation[],
  signal?: AbortSignal,
): Promise<(StoredRecord | undefined)[]> {
  return database.client.transaction(
    async (transaction) => {
      await lockOwners(
        database.names,
        transaction,
        wanted.map(({ userId }) => ({ tenant, userId })),
      );
      return writeIn(database, transaction, change(await getRecordsOn(transaction, database.names, tenant, wanted)));
    },
    { signal },
  );
}

/** The owners are locked. */
async function writeIn(
  database: RecordDatabase,
  transaction: SqlTransaction,
  operations: readonly RecordOperation[],
): Promise<(StoredRecord | undefined)[]> {
  if (operations.length === 0) return [];
  const { rows } = await transaction.query<RecordRow>(touchedRows(database, operations));
  const now = Date.now();
  const found = rows.map(toRecord);
  const after = new Map(found.filter((record) => isThere(record, now)).map((record) => [keyOf(record), record]));
  const before = new Map(after);
  const vectors = await storedVectors(
    database,
    transaction,
    rows.filter(({ vectorModel }) => vectorModel !== null),
  );
  const answers = operations.map((operation) => {
    changeVector(vectors, operation, after.get(keyOf(targetOf(operation))));
    return apply(after, operation, now);
  });
  checkKeys([...after.values()]);
  const gone = found.filter((record) => after.get(keyOf(record)) !== before.get(keyOf(record)) || !isThere(record, now));
  const made = [...after].filter(([key, record]) => before.get(key) !== record).map(([, record]) => record);
  await deleteRows(database, transaction, gone, now);
  await insertRows(database, transaction, made, vectors);
  if (now >= database.purge.dueAt) await purgeIn(database, transaction, now);
  return answers.map((answer) => answer && structuredClone(answer));
}

/** Takes out records that have expired, some at a time. Nobody waits for it. */
export async function purgeRecords(database: Pick<RecordDatabase, "client" | "names" | "purge">): Promise<void> {
  await database.client.transaction((transaction) => purgeIn(database, transaction, Date.now()));
}

async function purgeIn({ names, purge }: Pick<RecordDatabase, "names" | "purge">, transaction: SqlTransaction, now: number): Promise<void> {
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
export async function lockOwners(
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

/** The records of these names, and those that hold the keys that are wanted: each looked up by an index of its own. */
function touchedRows({ names }: RecordDatabase, operations: readonly RecordOperation[]) {
  const { records } = names.table;
  const keyed = operations.flatMap((operation) => ("put" in operation && operation.put.key !== undefined ? [operation.put] : []));
  const ofKind = "r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type";
  const named = `SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
  JOIN ${records} r ON ${ofKind} AND r.id = t.id`;
  const holders = `SELECT r.* FROM unnest($5::text[], $6::text[], $7::text[], $8::text[]) t(tenant, user_id, type, key)
  JOIN ${records} r ON ${ofKind} AND r.key = t.key`;
  const [tenants = [], users = [], types = []] = nameValues(keyed);
  return {
    text: `SELECT DISTINCT ON (r.tenant, r.user_id, r.type, r.id) ${recordColumns} FROM (
  ${keyed.length === 0 ? named : `${named} UNION ALL ${holders}`}
) r`,
    values: [
      ...nameValues(operations.map(targetOf)),
      ...(keyed.length === 0 ? [] : [tenants, users, types, keyed.map(({ key }) => key as string)]),
    ],
  };
}

/** Does one operation; answers what was stored, or deleted. */
function apply(records: Map<string, StoredRecord>, operation: RecordOperation, now: number): StoredRecord | undefined {
  const target = targetOf(operation);
  const before = records.get(keyOf(target));
  const version = before?.version ?? 0;
  checkExpected(operation, version);
  if ("check" in operation) return before;
  if ("delete" in operation) {
    records.delete(keyOf(target));
    return before;
  }
  const after = {
    ...operation.put,
    version: versionAfter(operation, version),
    updatedAt: new Date(Math.max(now, before?.updatedAt.getTime() ?? 0)),
  };
  records.set(keyOf(target), after);
  return after;
}

function checkKeys(records: readonly StoredRecord[]): void {
  const holders = new Set<string>();
  for (const { tenant, userId, type, key, id } of records) {
    if (key === undefined) continue;
    const place = JSON.stringify([tenant, userId, type, key]);
    if (holders.has(place)) throw keyTaken(id);
    holders.add(place);
  }
}

/**
 * @throws ConflictError when one was deleted since it was read: messages that change take their summaries, and the leases of
 * those being made, along without the owner's lock
 */
async function deleteRows(
  { names }: RecordDatabase,
  transaction: SqlTransaction,
  records: readonly StoredRecord[],
  now: number,
): Promise<void> {
  if (records.length === 0) return;
  const { rows } = await transaction.query<RecordName & { readonly tenant: string }>({
    text: `DELETE FROM ${names.table.records} r USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(tenant, user_id, type, id)
WHERE r.tenant = t.tenant AND r.user_id = t.user_id AND r.type = t.type AND r.id = t.id
RETURNING r.tenant, r.user_id AS "userId", r.type, r.id`,
    values: nameValues(records),
  });
  if (rows.length === records.length) return;
  const deleted = new Set(rows.map(keyOf));
  const lost = records.find((record) => isThere(record, now) && !deleted.has(keyOf(record)));
  if (lost !== undefined) throw goneSince(lost.id);
}

async function insertRows(
  { names, language, vectorSchema, vectorTypeId }: RecordDatabase,
  transaction: SqlTransaction,
  records: readonly StoredRecord[],
  vectors: ReadonlyMap<string, RecordVector>,
): Promise<void> {
  if (records.length === 0) return;
  const of = (read: (record: StoredRecord) => string | number | null) => records.map(read);
  const data = records.map((record) => JSON.stringify(record.data));
  await transaction.query({
    text: `INSERT INTO ${names.table.records} (tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data, metadata, position, version, created_at, updated_at, expires_at, words, wants_vector, embedding_model, embedding)
SELECT tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data::json, metadata::jsonb, position, version,
  ${fromEpochMs("created_at")}, ${fromEpochMs("updated_at")}, ${fromEpochMs("expires_at")}, to_tsvector($17::text::regconfig, words),
  wants_vector, embedding_model, embedding
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::float8[], $13::bigint[], $14::float8[], $15::float8[], $16::float8[], $18::text[], $19::boolean[], $20::text[], $21::${vectorSchema}.vector[])
  t(tenant, user_id, type, id, resource_id, conversation_id, name, key, content, data, metadata, position, version, created_at, updated_at, expires_at, words, wants_vector, embedding_model, embedding)`,
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
      records.map(({ wantsVector }) => wantsVector === true),
      of((record) => vectors.get(keyOf(record))?.model ?? null),
      encodeVectorArray(
        records.map((record) => vectors.get(keyOf(record))?.values),
        vectorTypeId,
      ),
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
