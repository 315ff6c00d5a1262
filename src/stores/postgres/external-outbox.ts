import type { StoreScope } from "../../domain/scope.ts";
import { contextWords, textRevision } from "../../domain/search-text.ts";
import type { MessageReference, Outbox, OutboxCount, OutboxItem, OwedRemoval, OwedVector } from "../../domain/session-store.ts";
import { type Database, Parameters, statementName } from "./database.ts";
import { type MessageRow, messageColumns, toMessage } from "./messages.ts";
import { leaseOwed, settleOwed } from "./outbox.ts";
import { adoptExternalSpace } from "./spaces.ts";
import type { SqlValue } from "./sql-client.ts";

/** Entries whose words of earlier turns are added in one step. */
const contextBatch = 512;
const contextLeaseMs = 10_000;

/**
 * The outbox as a vector store beside this database is served from it: what it is owed, and which of its vectors must
 * go. Words of earlier turns stay this database's own work, see {@link addContexts}.
 */
export function externalOutbox(database: () => Promise<Database>): Outbox {
  return {
    adopt: async (space, signal) => adoptExternalSpace(await database(), space, signal),
    async lease(limit, leaseMs, which, signal) {
      const opened = await database();
      const removals = which.kinds.includes("forget") ? await leaseRemovals(opened, limit, leaseMs, which.failed, signal) : [];
      if (!which.kinds.includes("embed") || removals.length >= limit) return removals;
      return [...removals, ...(await leaseVectors(opened, limit - removals.length, leaseMs, which.failed, signal))];
    },
    async renew(items, leaseMs) {
      const set = "available_at = now() + $5::float8 * interval '1 millisecond'";
      await update(await database(), items, set, [leaseMs]);
    },
    settle: async (items, signal) => settle(await database(), items, signal),
    async fail(items, error, retryAt) {
      const set = "available_at = to_timestamp($5::float8 / 1000.0), last_error = $6::text";
      await update(await database(), items, set, [retryAt.getTime(), error]);
    },
    owe: async (tenant, references, signal) => owe(await database(), tenant, references, signal),
    count: async (scope, kinds, signal) => count(await database(), scope, kinds, signal),
  };
}

/** Adds the words of earlier turns where they are owed, until none are. */
export async function addContexts(database: Database, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const items = await leaseOwed(database, contextBatch, contextLeaseMs, { vectors: false, failed: false }, signal);
    if (items.length === 0) return;
    const settled = items.map((item) => ({
      item,
      vector: undefined,
      context: contextWords(item.previous),
      isDone: !item.needsVector,
    }));
    await settleOwed(database, settled, signal);
  }
}

/** An item's own name: where its row is, and which state of it was leased. */
interface Place {
  readonly id: number;
  readonly revision: string;
}

const encodeKey = (place: Place) => JSON.stringify([place.id, place.revision]);

function decodeKey(key: string): Place {
  const [id, revision] = JSON.parse(key) as [number, string];
  return { id, revision };
}

interface VectorRow extends MessageRow {
  readonly tenant: string;
  readonly entry: number;
  readonly revision: number;
  readonly attempts: number;
  readonly resourceId: string;
  readonly importance: number | null;
}

async function leaseVectors(
  database: Database,
  limit: number,
  leaseMs: number,
  failed: boolean,
  signal: AbortSignal | undefined,
): Promise<OwedVector[]> {
  const { table } = database.names;
  // Row by row, as in leaseOwed and for the same reason.
  const text = `WITH due AS MATERIALIZED (
  SELECT tenant, user_id, entry FROM ${table.outbox} WHERE (available_at <= now() OR $3::boolean AND last_error IS NOT NULL) AND needs_vector ORDER BY available_at LIMIT $1 FOR UPDATE SKIP LOCKED
), leased AS (
  UPDATE ${table.outbox} o SET available_at = now() + $2::float8 * interval '1 millisecond', attempts = o.attempts + 1, last_error = NULL
  FROM due d WHERE o.tenant = d.tenant AND o.user_id = d.user_id AND o.entry = d.entry
  RETURNING o.tenant, o.user_id, o.entry, o.revision, o.attempts
)
SELECT l.tenant, l.entry, l.revision::text AS revision, l.attempts, s.resource_id AS "resourceId", s.importance, ${messageColumns}
FROM leased l
CROSS JOIN LATERAL (
  SELECT s.conversation_id, s.seq, s.resource_id, s.importance FROM ${table.search} s
  WHERE s.tenant = l.tenant AND s.user_id = l.user_id AND s.entry BETWEEN l.entry AND l.entry ORDER BY s.entry LIMIT 1
) s
CROSS JOIN LATERAL (
  SELECT * FROM ${table.messages} m
  WHERE m.tenant = l.tenant AND m.user_id = l.user_id AND m.conversation_id = s.conversation_id AND m.seq BETWEEN s.seq AND s.seq ORDER BY m.seq LIMIT 1
) m`;
  const { rows } = await database.client.query<VectorRow>({ text, name: statementName(text), values: [limit, leaseMs, failed], signal });
  return rows.map((row) => ({
    kind: "embed",
    key: encodeKey({ id: row.entry, revision: String(row.revision) }),
    tenant: row.tenant,
    userId: row.userId,
    conversationId: row.conversationId,
    attempts: row.attempts,
    message: { message: toMessage(row), resourceId: row.resourceId, importance: row.importance, toolIds: row.toolIds },
    revision: textRevision({ role: row.role, name: row.name, text: row.content }),
  }));
}

interface RemovalRow {
  readonly tenant: string;
  readonly userId: string;
  readonly id: number;
  readonly conversationId: string;
  readonly messageIds: readonly string[];
  readonly attempts: number;
}

async function leaseRemovals(
  database: Database,
  limit: number,
  leaseMs: number,
  failed: boolean,
  signal: AbortSignal | undefined,
): Promise<OwedRemoval[]> {
  const { removals } = database.names.table;
  const text = `WITH due AS MATERIALIZED (
  SELECT tenant, user_id, id FROM ${removals} WHERE available_at <= now() OR $3::boolean AND last_error IS NOT NULL ORDER BY available_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE ${removals} r SET available_at = now() + $2::float8 * interval '1 millisecond', attempts = r.attempts + 1, last_error = NULL
FROM due d WHERE r.tenant = d.tenant AND r.user_id = d.user_id AND r.id = d.id
RETURNING r.tenant, r.user_id AS "userId", r.id, r.conversation_id AS "conversationId", r.message_ids AS "messageIds", r.attempts`;
  const { rows } = await database.client.query<RemovalRow>({ text, name: statementName(text), values: [limit, leaseMs, failed], signal });
  return rows.map(({ id, ...row }) => ({ kind: "forget", key: encodeKey({ id, revision: "" }), ...row }));
}

/** Sets something on the rows of items that are still what was leased. */
async function update(database: Database, items: readonly OutboxItem[], set: string, values: readonly SqlValue[]): Promise<void> {
  const { table } = database.names;
  for (const [kind, name, id] of rowsOfKinds(database)) {
    const some = items.filter((item) => item.kind === kind);
    if (some.length === 0) continue;
    const current = name === table.outbox ? " AND t.revision = i.revision::bigint" : "";
    await database.client.query({
      text: `UPDATE ${name} t SET ${set} FROM ${placesSql} WHERE t.tenant = i.tenant AND t.user_id = i.user_id AND t.${id} = i.id${current}`,
      values: [...placeValues(some), ...values],
    });
  }
}

const rowsOfKinds = ({ names: { table } }: Database) =>
  [
    ["embed", table.outbox, "entry"],
    ["forget", table.removals, "id"],
  ] as const;

const placesSql = "unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) i(tenant, user_id, id, revision)";

function placeValues(items: readonly OutboxItem[]): SqlValue[] {
  const places = items.map((item) => decodeKey(item.key));
  return [
    items.map((item) => item.tenant),
    items.map((item) => item.userId),
    places.map((place) => place.id),
    places.map((place) => place.revision),
  ];
}

async function settle(database: Database, items: readonly OutboxItem[], signal: AbortSignal | undefined): Promise<OutboxItem[]> {
  const { table } = database.names;
  const removals = items.filter((item) => item.kind === "forget");
  if (removals.length > 0) {
    await database.client.query({
      text: `DELETE FROM ${table.removals} t USING ${placesSql} WHERE t.tenant = i.tenant AND t.user_id = i.user_id AND t.id = i.id`,
      values: placeValues(removals),
      signal,
    });
  }
  const vectors = items.filter((item) => item.kind === "embed");
  if (vectors.length === 0) return [];
  const text = `WITH held AS MATERIALIZED (
  SELECT i.tenant, i.user_id, i.id, o.needs_context FROM ${placesSql} CROSS JOIN LATERAL (
    SELECT o.needs_context FROM ${table.outbox} o
    WHERE o.tenant = i.tenant AND o.user_id = i.user_id AND o.entry = i.id AND o.revision = i.revision::bigint AND o.needs_vector OFFSET 0 FOR UPDATE
  ) o
), done AS (
  DELETE FROM ${table.outbox} o USING held h WHERE NOT h.needs_context AND o.tenant = h.tenant AND o.user_id = h.user_id AND o.entry = h.id
), half_done AS (
  UPDATE ${table.outbox} o SET needs_vector = false, available_at = now(), attempts = 0 FROM held h
  WHERE h.needs_context AND o.tenant = h.tenant AND o.user_id = h.user_id AND o.entry = h.id
) SELECT tenant, user_id AS "userId", id FROM held`;
  const { rows } = await database.client.query<{ tenant: string; userId: string; id: number }>({
    text,
    name: statementName(text),
    values: placeValues(vectors),
    signal,
  });
  const settled = new Set(rows.map((row) => JSON.stringify([row.tenant, row.userId, row.id])));
  return vectors.filter((item) => !settled.has(JSON.stringify([item.tenant, item.userId, decodeKey(item.key).id])));
}

async function owe(
  database: Database,
  tenant: string,
  references: readonly MessageReference[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { table } = database.names;
  await database.client.query({
    text: `INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
SELECT s.tenant, s.user_id, s.entry, s.revision, true, false, now()
FROM unnest($2::text[], $3::text[], $4::text[]) r(user_id, conversation_id, message_id)
JOIN ${table.messages} m ON m.tenant = $1 AND m.user_id = r.user_id AND m.conversation_id = r.conversation_id AND m.message_id = r.message_id
JOIN ${table.search} s ON s.tenant = m.tenant AND s.conversation_id = m.conversation_id AND s.seq = m.seq AND s.user_id = m.user_id
ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_vector = true, revision = EXCLUDED.revision, available_at = now(), attempts = 0, last_error = NULL`,
    values: [tenant, ...referenceValues(references)],
    signal,
  });
}

/** Columns of message references, in the order (user, conversation, message). */
export function referenceValues(references: readonly MessageReference[]): SqlValue[] {
  return [
    references.map((reference) => reference.userId),
    references.map((reference) => reference.conversationId),
    references.map((reference) => reference.messageId),
  ];
}

async function count(
  database: Database,
  scope: StoreScope | undefined,
  kinds: readonly OutboxItem["kind"][],
  signal: AbortSignal | undefined,
): Promise<OutboxCount> {
  const parameters = new Parameters<SqlValue>();
  const owned = [
    ...(scope === undefined ? [] : [`tenant = ${parameters.add(scope.tenant, "text")}`]),
    ...(scope?.userId === undefined ? [] : [`user_id = ${parameters.add(scope.userId, "text")}`]),
  ];
  const { table } = database.names;
  const rowsOf = (name: string, conditions: readonly string[]) =>
    `SELECT available_at, last_error FROM ${name} WHERE ${["true", ...conditions].join(" AND ")}`;
  const parts = [
    ...(kinds.includes("embed") ? [rowsOf(table.outbox, [...owned, "needs_vector"])] : []),
    ...(kinds.includes("forget") ? [rowsOf(table.removals, owned)] : []),
  ];
  if (parts.length === 0) return { pending: 0, failing: 0, lastError: undefined, nextDueInMs: undefined };
  const { rows } = await database.client.query<{ pending: number; failing: number; lastError: string | null; nextDueInMs: number | null }>({
    text: `SELECT count(*) AS pending, count(*) FILTER (WHERE last_error IS NOT NULL) AS failing, max(last_error) AS "lastError",
  (extract(epoch FROM min(available_at) - now()) * 1000)::float8 AS "nextDueInMs" FROM (${parts.join(" UNION ALL ")}) x`,
    values: parameters.values,
    signal,
  });
  const row = rows[0];
  return {
    pending: row?.pending ?? 0,
    failing: row?.failing ?? 0,
    lastError: row?.lastError ?? undefined,
    nextDueInMs: row?.nextDueInMs ?? undefined,
  };
}
