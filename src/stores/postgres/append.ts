import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import { filterableMetadata, indexedWords, previousTurns } from "../../domain/search-text.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { type Database, epochMs, fromEpochMs, knownLanguage, statementName } from "./database.ts";
import { SqlError, type SqlValue } from "./sql-client.ts";
import { encodeVectorArray } from "./vectors.ts";

/**
 * Stores any number of requests in one statement: places in their conversations, ledger rows, search rows and what a
 * worker owes. New conversations are claimed in the same statement. A request without rows in the answer was not allowed.
 */
export async function append(
  database: Database,
  requests: readonly AppendRequest[],
  signal?: AbortSignal,
): Promise<(Message[] | undefined)[]> {
  const conversations = groupByConversation(requests);
  const outcome = await appendOnce(database, conversations, signal);
  // A conversation that another transaction was just creating is invisible to this statement's snapshot: look again, once.
  const missed = conversations.filter(
    (conversation) => conversation.requests.some((index) => requests[index]?.createConversation) && !outcome.has(conversation),
  );
  if (missed.length > 0) {
    for (const [conversation, rows] of await appendOnce(database, missed, signal)) outcome.set(conversation, rows);
  }
  return collect(requests, conversations, outcome);
}

/** SQLSTATE by which {@link appendSql} says that it looked at an old snapshot. */
const divisionByZero = "22012";

/** The requests of one call to one conversation, in order; conversations sorted, so that rows are locked in one order everywhere. */
interface ConversationAppend {
  readonly first: AppendRequest;
  /** Indexes of the requests. */
  readonly requests: number[];
  readonly messages: NewMessage[];
}

interface PlacedRow {
  readonly conversation: number;
  readonly position: number;
  readonly seq: number;
  readonly createdAt: number;
}

function groupByConversation(requests: readonly AppendRequest[]): ConversationAppend[] {
  const groups = new Map<string, ConversationAppend>();
  requests.forEach((request, index) => {
    const key = JSON.stringify([
      request.tenant,
      request.userId,
      request.conversationId,
      request.requiredResourceId,
      request.createConversation,
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: request, requests: [index], messages: [...request.messages] });
    else {
      group.requests.push(index);
      group.messages.push(...request.messages);
    }
  });
  return [...groups.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, group]) => group);
}

async function appendOnce(database: Database, conversations: readonly ConversationAppend[], signal: AbortSignal | undefined) {
  const hasVectors =
    database.space !== undefined && conversations.some(({ messages }) => messages.some((message) => message.embedding !== null));
  const text = appendSql(database, hasVectors);
  const statement = { text, name: statementName(text), values: parameters(database, conversations, hasVectors), signal };
  const { rows } = await database.client.query<PlacedRow>(statement).catch((error: unknown) => {
    if (!(error instanceof SqlError && error.sqlState === divisionByZero)) throw error;
    return database.client.query<PlacedRow>(statement);
  });
  const outcome = new Map<ConversationAppend, PlacedRow[]>();
  for (const row of rows) {
    const conversation = conversations[row.conversation - 1] as ConversationAppend;
    const placed = outcome.get(conversation);
    if (placed === undefined) outcome.set(conversation, [row]);
    else placed.push(row);
  }
  return outcome;
}

function parameters(database: Database, conversations: readonly ConversationAppend[], hasVectors: boolean): SqlValue[] {
  const heads = conversations.map(({ first }) => first);
  const rows = conversations.flatMap(({ messages }, conversation) =>
    messages.map((message, position) => ({
      message,
      conversation: conversation + 1,
      position,
      previous: previousTurns(messages, position),
    })),
  );
  const times = conversations.map(({ messages }) => messages.map((message) => message.createdAt.getTime()));
  const values: SqlValue[] = [
    heads.map((head) => head.tenant),
    heads.map((head) => head.userId),
    heads.map((head) => head.conversationId),
    heads.map((head) => head.requiredResourceId ?? null),
    heads.map((head) => head.createConversation),
    heads.map((head) => head.create.resourceId),
    heads.map((head) => head.create.title),
    heads.map((head) => head.create.metadataJson),
    heads.map((head) => (head.create.language === undefined ? null : knownLanguage(database, head.create.language))),
    conversations.map(({ messages }) => messages.length),
    times.map((all) => all.reduce((least, time) => Math.min(least, time))),
    times.map((all) => all.reduce((most, time) => Math.max(most, time))),
    rows.map((row) => row.conversation),
    rows.map((row) => row.position),
    rows.map(({ message }) => message.id),
    rows.map(({ message }) => message.role),
    rows.map(({ message }) => message.name),
    rows.map(({ message }) => message.type),
    rows.map(({ message }) => message.text),
    rows.map(({ message }) => message.partsJson),
    rows.map(({ message }) => message.metadataJson),
    rows.map(({ message }) => (message.toolIds === null ? null : JSON.stringify(message.toolIds))),
    rows.map(({ message }) => message.createdAt.getTime()),
    rows.map(({ message }) => message.importance),
    rows.map(({ message }) => indexedWords(message)),
    rows.map(({ previous }) => previous.words),
    rows.map(({ previous }) => previous.complete),
    rows.map(() => Math.floor(Math.random() * Number.MAX_SAFE_INTEGER)),
    knownLanguage(database, database.language),
    database.space !== undefined,
    rows.map(({ message }) => filterableMetadata(message.metadataJson)),
  ];
  if (hasVectors) {
    values.push(
      encodeVectorArray(
        rows.map(({ message }) => message.embedding ?? undefined),
        database.installation.vectorTypeId,
      ),
    );
  }
  return values;
}

/*
 * What is there already is looked up row by row (OFFSET 0), and everything later flows from `landed`: joining what was
 * stored with what came in took quadratic time under plans made for small batches.
 *
 * The look-up sees the statement's snapshot, which may be older than the conversation's lock. When the same message was
 * written meanwhile, its place differs from the one looked up: dividing by zero then fails the statement, and the
 * second try sees it.
 */
function appendSql(database: Database, hasVectors: boolean): string {
  const { table } = database.names;
  const sequence = `${database.names.quotedSchema}.${database.names.index("search_entry_seq")}`.replaceAll("'", "''");
  const vectorType = `${database.installation.vectorSchema}.vector`;
  return `WITH head AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int[], $11::float8[], $12::float8[])
    WITH ORDINALITY AS h(tenant, user_id, id, required_resource, may_create, resource_id, title, metadata, language, count, first_at, last_at, ordinal)
), existing AS (
  UPDATE ${table.conversations} c SET next_seq = c.next_seq + h.count, updated_at = GREATEST(c.updated_at, ${fromEpochMs("h.last_at")})
  FROM head h WHERE c.tenant = h.tenant AND c.user_id = h.user_id AND c.id = h.id AND (h.required_resource IS NULL OR c.resource_id = h.required_resource)
  RETURNING h.ordinal, c.next_seq - h.count AS base, c.resource_id, c.language
), claimed AS (
  INSERT INTO ${table.conversation_owners} (tenant, conversation_id, user_id)
  SELECT h.tenant, h.id, h.user_id FROM head h WHERE h.may_create AND NOT EXISTS (SELECT FROM existing e WHERE e.ordinal = h.ordinal)
  ON CONFLICT DO NOTHING RETURNING tenant, conversation_id, user_id
), fresh AS MATERIALIZED (
  SELECT h.* FROM claimed k JOIN head h ON h.tenant = k.tenant AND h.id = k.conversation_id AND h.user_id = k.user_id AND h.may_create
), made AS (
  INSERT INTO ${table.conversations} (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
  SELECT tenant, user_id, id, resource_id, title, metadata::json, language, 1 + count, ${fromEpochMs("first_at")}, ${fromEpochMs("last_at")} FROM fresh
), place AS MATERIALIZED (
  SELECT ordinal, base, resource_id, language, false AS is_fresh FROM existing
  UNION ALL SELECT ordinal, 1, resource_id, language, true FROM fresh
), incoming AS MATERIALIZED (
  SELECT m.*, h.tenant, h.user_id, h.id AS conversation_id, p.resource_id, p.is_fresh, COALESCE(p.language, $29::text)::regconfig AS language,
    e.seq IS NOT NULL AS is_update, COALESCE(e.seq, p.base + m.position) AS place, COALESCE(e.created_at, ${fromEpochMs("m.written_at")}) AS created_at,
    s.entry AS old_entry, s.revision AS old_revision, hashtextextended(m.words, 0) AS digest, s.digest IS DISTINCT FROM hashtextextended(m.words, 0) AS is_changed
  FROM unnest($13::int[], $14::int[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::float8[], $24::real[], $25::text[], $26::text[], $27::boolean[], $28::bigint[], $31::text[]${hasVectors ? `, $32::${vectorType}[]` : ""})
    AS m(conversation, position, message_id, role, name, type, content, parts, metadata, tool_ids, written_at, importance, words, context, context_complete, revision, filterable${hasVectors ? ", embedding" : ""})
  JOIN place p ON p.ordinal = m.conversation JOIN head h ON h.ordinal = m.conversation
  LEFT JOIN LATERAL (
    SELECT x.seq, x.created_at FROM ${table.messages} x
    WHERE NOT p.is_fresh AND x.tenant = h.tenant AND x.message_id = m.message_id AND x.conversation_id = h.id AND x.user_id = h.user_id OFFSET 0
  ) e ON true
  LEFT JOIN LATERAL (
    SELECT x.entry, x.revision, x.digest FROM ${table.search} x
    WHERE x.tenant = h.tenant AND x.conversation_id = h.id AND x.user_id = h.user_id AND x.seq = e.seq OFFSET 0
  ) s ON true
), landed AS MATERIALIZED (
  SELECT *, CASE WHEN content <> '' THEN COALESCE(old_entry, nextval('${sequence}'::regclass)) END AS entry,
    CASE WHEN is_changed THEN revision ELSE old_revision END AS current_revision,
    $30::boolean${hasVectors ? " AND embedding IS NULL" : ""} AS needs_vector, NOT is_fresh AND (is_update OR NOT context_complete) AS needs_context
  FROM incoming
), stored AS (
  INSERT INTO ${table.messages} AS s (tenant, user_id, conversation_id, seq, message_id, role, name, type, content, parts, metadata, tool_ids, created_at)
  SELECT tenant, user_id, conversation_id, place, message_id, role, name, type, content, parts::json, metadata::json,
    CASE WHEN tool_ids IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(tool_ids::json)) END, created_at FROM landed
  ON CONFLICT (tenant, user_id, conversation_id, message_id) DO UPDATE SET seq = s.seq / (s.seq = EXCLUDED.seq)::int, role = EXCLUDED.role, name = EXCLUDED.name,
    type = EXCLUDED.type, content = EXCLUDED.content, parts = EXCLUDED.parts, metadata = EXCLUDED.metadata, tool_ids = EXCLUDED.tool_ids
), indexed AS (
  INSERT INTO ${table.search} AS s (tenant, user_id, entry, kind, conversation_id, seq, resource_id, role, importance, created_at, metadata, digest, revision, words)
  SELECT tenant, user_id, entry, 'message', conversation_id, place, resource_id, role, importance, created_at, filterable::jsonb, digest, current_revision,
    CASE WHEN context = '' THEN setweight(to_tsvector(language, words), 'A')
      ELSE setweight(to_tsvector(language, words), 'A') || setweight(to_tsvector(language, context), 'D') END
  FROM landed WHERE content <> ''
  ON CONFLICT (tenant, user_id, conversation_id, seq) DO UPDATE SET role = EXCLUDED.role, importance = COALESCE(EXCLUDED.importance, s.importance),
    metadata = EXCLUDED.metadata, digest = EXCLUDED.digest, revision = EXCLUDED.revision,
    words = CASE WHEN s.digest = EXCLUDED.digest THEN s.words ELSE EXCLUDED.words END
), emptied AS MATERIALIZED (
  SELECT tenant, user_id, conversation_id, place, old_entry AS entry FROM landed WHERE content = '' AND old_entry IS NOT NULL
), unindexed AS (
  DELETE FROM ${table.search} s USING emptied e WHERE s.tenant = e.tenant AND s.user_id = e.user_id AND s.entry = e.entry
), unowed AS (
  DELETE FROM ${table.outbox} o USING emptied e WHERE o.tenant = e.tenant AND o.user_id = e.user_id AND o.entry = e.entry
), ${
    database.space === undefined
      ? ""
      : `unvectored AS (
  DELETE FROM ${database.space.table} v USING emptied e WHERE v.tenant = e.tenant AND v.user_id = e.user_id AND v.entry = e.entry
), `
  }neighbours AS MATERIALIZED (
  SELECT DISTINCT n.tenant, n.user_id, n.entry, n.revision
  FROM (SELECT tenant, user_id, conversation_id, place FROM landed WHERE is_update AND is_changed AND content <> '' UNION ALL SELECT tenant, user_id, conversation_id, place FROM emptied) t
  CROSS JOIN LATERAL (SELECT s.* FROM ${table.search} s WHERE s.tenant = t.tenant AND s.user_id = t.user_id AND s.conversation_id = t.conversation_id AND s.seq > t.place ORDER BY s.seq LIMIT 2) n
  WHERE NOT EXISTS (SELECT FROM landed m WHERE m.tenant = n.tenant AND m.user_id = n.user_id AND m.conversation_id = n.conversation_id AND m.place = n.seq)
), forgotten_context AS (
  UPDATE ${table.search} s SET words = ts_filter(s.words, '{a}') FROM neighbours n WHERE s.tenant = n.tenant AND s.user_id = n.user_id AND s.entry = n.entry
), owed AS (
  INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
  SELECT tenant, user_id, entry, revision, needs_vector, needs_context, now() FROM landed WHERE content <> '' AND is_changed AND (needs_vector OR needs_context)
  UNION ALL SELECT tenant, user_id, entry, revision, false, true, now() FROM neighbours
  ON CONFLICT (tenant, user_id, entry) DO UPDATE SET revision = EXCLUDED.revision, needs_vector = o.needs_vector OR EXCLUDED.needs_vector,
    needs_context = o.needs_context OR EXCLUDED.needs_context, available_at = EXCLUDED.available_at, attempts = 0, last_error = NULL
)${
    hasVectors
      ? `, brought AS (
  INSERT INTO ${database.space?.table} (tenant, user_id, entry, revision, embedding)
  SELECT tenant, user_id, entry, current_revision, embedding FROM landed WHERE embedding IS NOT NULL AND content <> ''
  ON CONFLICT (tenant, user_id, entry) DO UPDATE SET revision = EXCLUDED.revision, embedding = EXCLUDED.embedding
)`
      : ""
  }
SELECT conversation, position, place AS seq, ${epochMs("created_at")} AS "createdAt" FROM landed`;
}

/** Deals the stored rows out to the requests they came from. */
function collect(
  requests: readonly AppendRequest[],
  conversations: readonly ConversationAppend[],
  outcome: ReadonlyMap<ConversationAppend, readonly PlacedRow[]>,
) {
  const answers: (Message[] | undefined)[] = new Array(requests.length).fill(undefined);
  for (const conversation of conversations) {
    const placed = outcome.get(conversation);
    if (placed === undefined) continue;
    const byPosition = new Map(placed.map((row) => [row.position, row]));
    let position = 0;
    for (const index of conversation.requests) {
      const request = requests[index] as AppendRequest;
      answers[index] = request.messages.map((message) => toMessage(request, message, byPosition.get(position++) as PlacedRow));
    }
  }
  return answers;
}

function toMessage(request: AppendRequest, message: NewMessage, row: PlacedRow): Message {
  return {
    id: message.id,
    conversationId: request.conversationId,
    userId: request.userId,
    seq: row.seq,
    role: message.role,
    name: message.name ?? undefined,
    content: message.text,
    parts: decodeParts(message.partsJson),
    metadata: JSON.parse(message.metadataJson),
    createdAt: new Date(row.createdAt),
  };
}
