import { filterableMetadata, indexedWords, previousTurns } from "../../domain/search-text.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { type Database, epochMs, fromEpochMs, knownLanguage, Parameters, statementName } from "./database.ts";
import type { SqlStatement, SqlValue } from "./sql-client.ts";
import { forgottenSummaries } from "./summaries.ts";
import { encodeVector, encodeVectorArray } from "./vectors.ts";

/** The requests of one call to one conversation, in order. */
export interface ConversationAppend {
  readonly first: AppendRequest;
  /** Indexes of the requests, and where in {@link messages} each of their messages is. */
  readonly requests: { readonly index: number; readonly positions: readonly number[] }[];
  /** Ids are distinct: of two versions of a message the later one stands in the earlier one's place. */
  readonly messages: NewMessage[];
}

interface Inputs {
  readonly parameters: Parameters<SqlValue>;
  /** SQL: one row a conversation. */
  readonly heads: string;
  /** SQL: one row a message; `conversation` is the ordinal of its head, `position` its place in the request from 0. */
  readonly messages: string;
  readonly hasVectors: boolean;
  /** SQL: the language of conversations that name none. */
  readonly language: string;
  /** SQL: whether a message is owed a vector: there is an embedding space, and the caller brought none. */
  readonly owesVector: string;
}

function inputs(database: Database, conversations: readonly ConversationAppend[]): Inputs {
  const parameters = new Parameters<SqlValue>();
  const rows = conversations.flatMap(({ messages }, conversation) =>
    messages.map((message, position) => ({
      message,
      conversation: conversation + 1,
      position,
      previous: previousTurns(messages, position),
    })),
  );
  const areBrought = database.space !== undefined && rows.some(({ message }) => message.embedding !== null);
  const hasVectors = areBrought && database.space?.isExternal === false;
  const ofHeads = (read: (head: AppendRequest) => string | boolean | null) => conversations.map(({ first }) => read(first));
  const ofTimes = (choose: (one: number, other: number) => number) =>
    conversations.map(({ messages }) => messages.map((message) => message.createdAt.getTime()).reduce((one, other) => choose(one, other)));
  const of = (read: (message: NewMessage) => string | number | null) => rows.map(({ message }) => read(message));
  const heads = rowsSql(parameters, "h", {
    tenant: ["text", ofHeads((head) => head.tenant)],
    user_id: ["text", ofHeads((head) => head.userId)],
    id: ["text", ofHeads((head) => head.conversationId)],
    required_resource: ["text", ofHeads((head) => head.requiredResourceId ?? null)],
    may_create: ["boolean", ofHeads((head) => head.createConversation)],
    resource_id: ["text", ofHeads((head) => head.create.resourceId)],
    title: ["text", ofHeads((head) => head.create.title)],
    metadata: ["text", ofHeads((head) => head.create.metadataJson)],
    language: ["text", ofHeads((head) => (head.create.language === undefined ? null : knownLanguage(database, head.create.language)))],
    count: ["int", conversations.map(({ messages }) => messages.length)],
    first_at: ["float8", ofTimes(Math.min)],
    last_at: ["float8", ofTimes(Math.max)],
  });
  const columns: Record<string, Column> = {
    conversation: ["int", rows.map((row) => row.conversation)],
    position: ["int", rows.map((row) => row.position)],
    message_id: ["text", of((message) => message.id)],
    role: ["text", of((message) => message.role)],
    name: ["text", of((message) => message.name)],
    type: ["text", of((message) => message.type)],
    content: ["text", of((message) => message.text)],
    parts: ["text", of((message) => message.partsJson)],
    metadata: ["text", of((message) => message.metadataJson)],
    tool_ids: ["text", of((message) => (message.toolIds === null ? null : JSON.stringify(message.toolIds)))],
    written_at: ["float8", of((message) => message.createdAt.getTime())],
    importance: ["real", of((message) => message.importance)],
    words: ["text", of(indexedWords)],
    context: ["text", rows.map(({ previous }) => previous.words)],
    context_complete: ["boolean", rows.map(({ previous }) => previous.complete)],
    revision: ["bigint", of(() => Math.floor(Math.random() * Number.MAX_SAFE_INTEGER))],
    filterable: ["text", of((message) => filterableMetadata(message.metadataJson))],
    ...(areBrought ? { is_brought: ["boolean", rows.map(({ message }) => message.embedding !== null)] } : {}),
  };
  const vectors = {
    list: rows.map(({ message }) => message.embedding ?? undefined),
    type: `${database.installation.vectorSchema}.vector`,
    typeId: database.installation.vectorTypeId,
  };
  const messages = rowsSql(parameters, "m", columns, hasVectors ? vectors : undefined);
  const language = parameters.add(knownLanguage(database, database.language), "text");
  const owesVector = `${parameters.add(database.space !== undefined, "boolean")}${areBrought ? " AND NOT is_brought" : ""}`;
  return { parameters, heads, messages, hasVectors, language, owesVector };
}

/** A column of {@link rowsSql}: one value a row. Vectors are encoded by {@link rowsSql} itself. */
type Column = readonly [type: string, values: readonly (string | number | boolean | null)[]];

/**
 * SQL: values as rows, numbered by `ordinal` from 1: parallel arrays, or plain values when there is one row, which
 * PostgreSQL takes in faster.
 */
function rowsSql(parameters: Parameters<SqlValue>, alias: string, columns: Readonly<Record<string, Column>>, vectors?: Vectors): string {
  const names = [...Object.keys(columns), ...(vectors === undefined ? [] : ["embedding"]), "ordinal"].join(", ");
  const isSingle = Object.values(columns)[0]?.[1].length === 1;
  const places = Object.values(columns).map(([type, values]) =>
    isSingle ? parameters.add(values[0] ?? null, type) : parameters.add(values, `${type}[]`),
  );
  if (vectors !== undefined) {
    const [only] = vectors.list;
    places.push(
      isSingle
        ? parameters.add(only === undefined ? null : encodeVector(only), vectors.type)
        : parameters.add(encodeVectorArray(vectors.list, vectors.typeId), `${vectors.type}[]`),
    );
  }
  return isSingle
    ? `(VALUES (${places.join(", ")}, 1)) AS ${alias}(${names})`
    : `unnest(${places.join(", ")}) WITH ORDINALITY AS ${alias}(${names})`;
}

interface Vectors {
  readonly list: readonly (Float32Array | undefined)[];
  readonly type: string;
  readonly typeId: number;
}

function toStatement(text: string, parameters: Parameters<SqlValue>): SqlStatement {
  return { text, name: statementName(text), values: parameters.values };
}

/** SQL: the words of a message and those its neighbours lend, as they are indexed. */
const indexedWordsSql = `CASE WHEN context = '' THEN setweight(to_tsvector(language, words), 'A')
      ELSE setweight(to_tsvector(language, words), 'A') || setweight(to_tsvector(language, context), 'D') END`;

/** SQL: ids of tool calls travel as JSON, because arrays of arrays of different lengths are none in PostgreSQL. */
const toolIdsSql = "CASE WHEN tool_ids IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(tool_ids::json)) END";

/** SQL: what a search row was made of; when it changes, so must the row and the vector, in whose text the role stands. */
const digestSql = "hashtextextended(role || ' ' || words, 0)";

/** SQL: the next number of a search row. */
function nextEntry(database: Database): string {
  return `nextval('${`${database.names.quotedSchema}.${database.names.index("search_entry_seq")}`.replaceAll("'", "''")}'::regclass)`;
}

/** Inserts new messages into conversations that are there; nothing else. Fails with `unique_violation` when an id is there already. */
export function plainAppend(database: Database, conversations: readonly ConversationAppend[]): SqlStatement {
  const { table } = database.names;
  const { parameters, heads, messages, hasVectors, language, owesVector } = inputs(database, conversations);
  const text = `WITH existing AS (
  UPDATE ${table.conversations} c SET next_seq = c.next_seq + h.count, updated_at = GREATEST(c.updated_at, ${fromEpochMs("h.last_at")})
  FROM ${heads} WHERE c.tenant = h.tenant AND c.user_id = h.user_id AND c.id = h.id AND (h.required_resource IS NULL OR c.resource_id = h.required_resource)
  RETURNING h.ordinal, c.tenant, c.user_id, c.id AS conversation_id, c.resource_id, c.language, c.next_seq - h.count AS base
), landed AS MATERIALIZED (
  SELECT m.*, e.tenant, e.user_id, e.conversation_id, e.resource_id, COALESCE(e.language, ${language})::regconfig AS language, e.base + m.position AS place,
    CASE WHEN m.content <> '' THEN ${nextEntry(database)} END AS entry, ${owesVector} AS needs_vector
  FROM ${messages} JOIN existing e ON e.ordinal = m.conversation
), stored AS (
  INSERT INTO ${table.messages} (tenant, user_id, conversation_id, seq, message_id, role, name, type, content, parts, metadata, tool_ids, created_at)
  SELECT tenant, user_id, conversation_id, place, message_id, role, name, type, content, parts::json, metadata::json, ${toolIdsSql}, ${fromEpochMs("written_at")} FROM landed
), indexed AS (
  INSERT INTO ${table.search} (tenant, user_id, entry, kind, conversation_id, seq, resource_id, role, importance, created_at, metadata, digest, revision, words)
  SELECT tenant, user_id, entry, 'message', conversation_id, place, resource_id, role, importance, ${fromEpochMs("written_at")}, filterable::jsonb,
    ${digestSql}, revision, ${indexedWordsSql}
  FROM landed WHERE content <> ''
), owed AS (
  INSERT INTO ${table.outbox} (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
  SELECT tenant, user_id, entry, revision, needs_vector, NOT context_complete, now() FROM landed WHERE content <> '' AND (needs_vector OR NOT context_complete)
)${
    hasVectors
      ? `, brought AS (
  INSERT INTO ${database.space?.table} (tenant, user_id, entry, revision, embedding)
  SELECT tenant, user_id, entry, revision, embedding FROM landed WHERE embedding IS NOT NULL AND content <> ''
)`
      : ""
  }
SELECT conversation, position, place AS seq, written_at AS "createdAt" FROM landed`;
  return toStatement(text, parameters);
}

/**
 * Whatever the requests ask for: new conversations, new messages, and messages that are there and change.
 *
 * What is there already is looked up row by row (OFFSET 0), and everything later flows from `landed`: joining what was
 * stored with what came in took quadratic time under plans made for small batches. IS TRUE hides conditions that would
 * invite a planner without statistics to walk the primary key's beginning, a whole conversation a row.
 *
 * The look-up sees the statement's snapshot, which may be older than the conversation's lock. When the same message was
 * written meanwhile, its place differs from the one looked up: dividing by zero then fails the statement, and the
 * second try sees it.
 */
export function fullAppend(database: Database, conversations: readonly ConversationAppend[]): SqlStatement {
  const { table } = database.names;
  const { parameters, heads, messages, hasVectors, language, owesVector } = inputs(database, conversations);
  const text = `WITH head AS MATERIALIZED (
  SELECT * FROM ${heads}
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
  SELECT m.*, h.tenant, h.user_id, h.id AS conversation_id, p.resource_id, p.is_fresh, COALESCE(p.language, ${language})::regconfig AS language,
    e.seq IS NOT NULL AS is_update, e.is_same IS FALSE AS is_replaced, COALESCE(e.seq, p.base + m.position) AS place, COALESCE(e.created_at, ${fromEpochMs("m.written_at")}) AS created_at,
    s.entry AS old_entry, s.revision AS old_revision, ${digestSql} AS digest, s.digest IS DISTINCT FROM ${digestSql} AS is_changed
  FROM ${messages}
  JOIN place p ON p.ordinal = m.conversation JOIN head h ON h.ordinal = m.conversation
  LEFT JOIN LATERAL (
    SELECT x.seq, x.created_at, x.role = m.role AND x.name IS NOT DISTINCT FROM m.name AND x.content = m.content AND x.parts::text = m.parts AS is_same
    FROM ${table.messages} x
    WHERE NOT p.is_fresh AND x.tenant = h.tenant AND x.message_id = m.message_id AND (x.conversation_id = h.id AND x.user_id = h.user_id) IS TRUE OFFSET 0
  ) e ON true
  LEFT JOIN LATERAL (
    SELECT x.entry, x.revision, x.digest FROM ${table.search} x
    WHERE x.tenant = h.tenant AND x.conversation_id = h.id AND x.seq = e.seq AND (x.user_id = h.user_id) IS TRUE OFFSET 0
  ) s ON true
), landed AS MATERIALIZED (
  SELECT *, CASE WHEN content <> '' THEN COALESCE(old_entry, ${nextEntry(database)}) END AS entry,
    CASE WHEN is_changed THEN revision ELSE old_revision END AS current_revision,
    ${owesVector} AS needs_vector, NOT is_fresh AND (is_update OR NOT context_complete) AS needs_context
  FROM incoming
), stored AS (
  INSERT INTO ${table.messages} AS s (tenant, user_id, conversation_id, seq, message_id, role, name, type, content, parts, metadata, tool_ids, created_at)
  SELECT tenant, user_id, conversation_id, place, message_id, role, name, type, content, parts::json, metadata::json,
    ${toolIdsSql}, created_at FROM landed
  ON CONFLICT (tenant, user_id, conversation_id, message_id) DO UPDATE SET seq = s.seq / (s.seq = EXCLUDED.seq)::int, role = EXCLUDED.role, name = EXCLUDED.name,
    type = EXCLUDED.type, content = EXCLUDED.content, parts = EXCLUDED.parts, metadata = EXCLUDED.metadata, tool_ids = EXCLUDED.tool_ids
), indexed AS (
  INSERT INTO ${table.search} AS s (tenant, user_id, entry, kind, conversation_id, seq, resource_id, role, importance, created_at, metadata, digest, revision, words)
  SELECT tenant, user_id, entry, 'message', conversation_id, place, resource_id, role, importance, created_at, filterable::jsonb, digest, current_revision,
    ${indexedWordsSql}
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
  }${forgottenSummaries(database.names)}, neighbours AS MATERIALIZED (
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
SELECT conversation, position, place AS seq, ${epochMs("created_at")} AS "createdAt", is_replaced AS "isReplaced" FROM landed`;
  return toStatement(text, parameters);
}
