import type { OwedChoice, OwedItem, SettledItem } from "../../domain/memory-store.ts";
import { type Database, knownLanguage, statementName } from "./database.ts";
import { encodeVectorArray } from "./vectors.ts";

interface OwedRow {
  readonly tenant: string;
  readonly userId: string;
  readonly entry: number;
  readonly revision: number;
  readonly needsVector: boolean;
  readonly needsContext: boolean;
  readonly attempts: number;
  readonly role: string;
  readonly name: string | null;
  readonly text: string;
  readonly previous: readonly string[];
  readonly conversationId: string;
  readonly messageId: string;
}

/** How much of an earlier turn travels to the worker: more than its words weigh. */
const previousCharacters = 2000;

/**
 * Leases what is due, oldest first, with the texts needed to do it, in one statement. Rows another worker holds are
 * passed over; without an embedder only the words of earlier turns can be done. The texts are looked up row by row,
 * in an order only the primary keys have: right after a bulk load a planner without statistics takes any index that begins with
 * (tenant, user_id) for unique, and reads all of a user's rows for each one.
 */
export async function leaseOwed(
  database: Database,
  limit: number,
  leaseMs: number,
  which: OwedChoice,
  signal?: AbortSignal,
): Promise<OwedItem[]> {
  const { table } = database.names;
  const text = `WITH due AS MATERIALIZED (
  SELECT tenant, user_id, entry FROM ${table.outbox} WHERE (available_at <= now() OR $4::boolean AND last_error IS NOT NULL) AND ($3::boolean OR needs_context) ORDER BY available_at LIMIT $1 FOR UPDATE SKIP LOCKED
), leased AS (
  UPDATE ${table.outbox} o SET available_at = now() + $2::float8 * interval '1 millisecond', attempts = o.attempts + 1, last_error = NULL
  FROM due d WHERE o.tenant = d.tenant AND o.user_id = d.user_id AND o.entry = d.entry
  RETURNING o.tenant, o.user_id, o.entry, o.revision, o.needs_vector, o.needs_context, o.attempts
)
SELECT l.tenant, l.user_id AS "userId", l.entry, l.revision, l.needs_vector AS "needsVector", l.needs_context AS "needsContext", l.attempts,
  m.conversation_id AS "conversationId", m.message_id AS "messageId", m.role, m.name, m.content AS text, CASE WHEN l.needs_context THEN ARRAY(
    SELECT concat_ws(' ', p.name, left(p.content, ${previousCharacters})) FROM ${table.messages} p
    WHERE p.tenant = m.tenant AND p.user_id = m.user_id AND p.conversation_id = m.conversation_id AND p.seq < m.seq AND p.content <> '' ORDER BY p.seq DESC LIMIT 2
  ) ELSE '{}' END AS previous
FROM leased l
CROSS JOIN LATERAL (
  SELECT s.conversation_id, s.seq FROM ${table.search} s
  WHERE s.tenant = l.tenant AND s.user_id = l.user_id AND s.entry BETWEEN l.entry AND l.entry ORDER BY s.entry LIMIT 1
) s
CROSS JOIN LATERAL (
  SELECT * FROM ${table.messages} m
  WHERE m.tenant = l.tenant AND m.user_id = l.user_id AND m.conversation_id = s.conversation_id AND m.seq BETWEEN s.seq AND s.seq ORDER BY m.seq LIMIT 1
) m`;
  const { rows } = await database.client.query<OwedRow>({
    text,
    name: statementName(text),
    values: [limit, leaseMs, which.vectors, which.failed],
    signal,
  });
  return rows.map(({ conversationId, messageId, ...row }) => ({
    ...row,
    revision: String(row.revision),
    reference: { userId: row.userId, conversationId, messageId },
  }));
}

export async function renewOwed(database: Database, items: readonly OwedItem[], leaseMs: number): Promise<void> {
  const text = `UPDATE ${database.names.table.outbox} o SET available_at = now() + $5::float8 * interval '1 millisecond' FROM ${keys} WHERE ${sameKeys}`;
  await database.client.query({ text, name: statementName(text), values: [...keyValues(items), leaseMs] });
}

/**
 * Stores what a worker made. The outbox row is locked first: when it is gone or carries another revision, the message
 * was changed or deleted meanwhile and nothing is stored for it.
 */
export async function settleOwed(database: Database, items: readonly SettledItem[], signal?: AbortSignal): Promise<void> {
  if (items.length === 0) return;
  const { table } = database.names;
  const space = database.space;
  const hasVectors = space !== undefined && items.some((item) => item.vector !== undefined);
  const vectorType = `${database.installation.vectorSchema}.vector`;
  const text = `WITH input AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[]${hasVectors ? `, $8::${vectorType}[]` : ""})
    i(tenant, user_id, entry, revision, context, is_done${hasVectors ? ", embedding" : ""})
), held AS MATERIALIZED (
  SELECT i.* FROM input i CROSS JOIN LATERAL (
    SELECT FROM ${table.outbox} o WHERE o.tenant = i.tenant AND o.user_id = i.user_id AND o.entry = i.entry AND o.revision = i.revision OFFSET 0 FOR UPDATE
  ) o
), worded AS (
  UPDATE ${table.search} s SET words = ts_filter(s.words, '{a}') || setweight(to_tsvector(COALESCE(c.language, $7::text)::regconfig, h.context), 'D')
  FROM held h, ${table.conversations} c
  WHERE h.context IS NOT NULL AND s.tenant = h.tenant AND s.user_id = h.user_id AND s.entry = h.entry
    AND c.tenant = s.tenant AND c.user_id = s.user_id AND c.id = s.conversation_id
), half_done AS (
  UPDATE ${table.outbox} o SET needs_context = false, available_at = now(), attempts = 0 FROM held h
  WHERE NOT h.is_done AND h.context IS NOT NULL AND o.tenant = h.tenant AND o.user_id = h.user_id AND o.entry = h.entry
)${
    hasVectors
      ? `, vectored AS (
  INSERT INTO ${space.table} (tenant, user_id, entry, revision, embedding)
  SELECT tenant, user_id, entry, revision, embedding FROM held WHERE embedding IS NOT NULL
  ON CONFLICT (tenant, user_id, entry) DO UPDATE SET revision = EXCLUDED.revision, embedding = EXCLUDED.embedding
)`
      : ""
  }
DELETE FROM ${table.outbox} o USING held h WHERE h.is_done AND o.tenant = h.tenant AND o.user_id = h.user_id AND o.entry = h.entry`;
  await database.client.query({
    text,
    name: statementName(text),
    values: [
      ...keyValues(items.map(({ item }) => item)),
      items.map((item) => item.context ?? null),
      items.map((item) => item.isDone),
      knownLanguage(database, database.language),
      ...(hasVectors
        ? [
            encodeVectorArray(
              items.map((item) => item.vector),
              database.installation.vectorTypeId,
            ),
          ]
        : []),
    ],
    signal,
  });
}

export async function failOwed(database: Database, items: readonly OwedItem[], error: string, retryAt: Date): Promise<void> {
  const text = `UPDATE ${database.names.table.outbox} o SET available_at = to_timestamp($5::float8 / 1000.0), last_error = $6::text FROM ${keys} WHERE ${sameKeys}`;
  await database.client.query({ text, name: statementName(text), values: [...keyValues(items), retryAt.getTime(), error] });
}

export async function countOwed(
  database: Database,
  vectors: boolean,
  signal?: AbortSignal,
): Promise<{ count: number; nextDueInMs: number | undefined }> {
  const text = `SELECT count(*) AS count, (extract(epoch FROM min(available_at) - now()) * 1000)::float8 AS "nextDueInMs" FROM ${database.names.table.outbox} WHERE $1::boolean OR needs_context`;
  const { rows } = await database.client.query<{ count: number; nextDueInMs: number | null }>({
    text,
    name: statementName(text),
    values: [vectors],
    signal,
  });
  return { count: rows[0]?.count ?? 0, nextDueInMs: rows[0]?.nextDueInMs ?? undefined };
}

const keys = "unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) i(tenant, user_id, entry, revision)";
const sameKeys = "o.tenant = i.tenant AND o.user_id = i.user_id AND o.entry = i.entry AND o.revision = i.revision";

function keyValues(items: readonly OwedItem[]) {
  return [
    items.map((item) => item.tenant),
    items.map((item) => item.userId),
    items.map((item) => item.entry),
    items.map((item) => item.revision),
  ];
}
