// What a good engineer writes by hand with `pg` against the same tables, columns and indexes, for exactly one known
// job each: named prepared statements, one round trip, binary vectors. It keeps no promise beyond that job: no upsert,
// no scope but the WHERE, no coalescing, no retries.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { Query } from "./data.ts";

export interface ReferenceMessage {
  readonly role: string;
  readonly content: string;
  readonly createdAt: Date;
}

export interface BulkConversation {
  readonly id: string;
  readonly messages: readonly ReferenceMessage[];
}

export interface Reference {
  createConversation(userId: string, id: string): Promise<void>;
  append(userId: string, conversationId: string, message: ReferenceMessage): Promise<void>;
  /** New conversations, their messages complete. */
  bulk(userId: string, conversations: readonly BulkConversation[]): Promise<void>;
  lastMessages(userId: string, conversationId: string, limit: number): Promise<{ readonly id: string }[]>;
  /** Words, vectors, fusion and the conversation's weight for a user known to have few messages: all of them are ranked. */
  recall(query: Query, limit: number): Promise<{ readonly id: string }[]>;
}

const tenant = "default";

export function reference(pool: pg.Pool, schema: string): Reference {
  const table = (name: string) => `"${schema}".${name}`;
  const run = <Row extends pg.QueryResultRow>(name: string, text: string, values: unknown[]) =>
    pool.query<Row>({ name: `${schema}_${name}`, text, values });

  const append = `WITH place AS (
  UPDATE ${table("conversations")} SET next_seq = next_seq + 1, updated_at = $5::timestamptz
  WHERE tenant = $1::text AND user_id = $2::text AND id = $3::text RETURNING next_seq - 1 AS seq, resource_id
), message AS (
  INSERT INTO ${table("messages")} (tenant, user_id, conversation_id, seq, message_id, role, type, content, parts, metadata, created_at)
  SELECT $1::text, $2::text, $3::text, seq, $4::text, $6::text, 'text', $7::text, $8::json, '{}', $5::timestamptz FROM place
), found AS (
  INSERT INTO ${table("search")} (tenant, user_id, kind, conversation_id, seq, resource_id, role, created_at, digest, revision, words)
  SELECT $1::text, $2::text, 'message', $3::text, seq, resource_id, $6::text, $5::timestamptz, hashtextextended($9::text, 0), $10::bigint,
    setweight(to_tsvector('english', $9::text), 'A') FROM place RETURNING entry
), owed AS (
  INSERT INTO ${table("outbox")} (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
  SELECT $1::text, $2::text, entry, $10::bigint, true, true, now() FROM found
)
SELECT seq FROM place`;

  const bulk = `WITH head AS (
  SELECT * FROM unnest($2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[]) h(id, count, first_at, last_at)
), owner AS (
  INSERT INTO ${table("conversation_owners")} (tenant, conversation_id, user_id) SELECT '${tenant}', id, $1::text FROM head
), conversation AS (
  INSERT INTO ${table("conversations")} (tenant, user_id, id, resource_id, title, metadata, next_seq, created_at, updated_at)
  SELECT '${tenant}', $1::text, id, 'default', '', '{}', count + 1, first_at, last_at FROM head
), input AS (
  SELECT * FROM unnest($6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::text[], $14::text[], $15::bigint[])
    i(conversation_id, seq, message_id, role, content, parts, created_at, words, context, revision)
), message AS (
  INSERT INTO ${table("messages")} (tenant, user_id, conversation_id, seq, message_id, role, type, content, parts, metadata, created_at)
  SELECT '${tenant}', $1::text, conversation_id, seq, message_id, role, 'text', content, parts::json, '{}', created_at FROM input
), found AS (
  INSERT INTO ${table("search")} (tenant, user_id, kind, conversation_id, seq, resource_id, role, created_at, digest, revision, words)
  SELECT '${tenant}', $1::text, 'message', conversation_id, seq, 'default', role, created_at, hashtextextended(words, 0), revision,
    setweight(to_tsvector('english', words), 'A') || setweight(to_tsvector('english', context), 'D') FROM input RETURNING entry, revision
)
INSERT INTO ${table("outbox")} (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
SELECT '${tenant}', $1::text, entry, revision, true, false, now() FROM found`;

  const last = `SELECT message_id AS id, seq, role, name, content, parts, metadata, created_at AS "createdAt" FROM ${table("messages")}
WHERE tenant = '${tenant}' AND user_id = $1 AND conversation_id = $2 ORDER BY seq DESC LIMIT $3`;

  // Each word is matched once against each row of the user; its rarity and its ranks come out of the same matches.
  const recall = `WITH question AS MATERIALIZED (
  SELECT lexeme, quote_literal(lexeme)::tsquery AS query FROM unnest(tsvector_to_array(to_tsvector('english', $2))) lexeme
), mine AS MATERIALIZED (
  SELECT s.entry, s.conversation_id, s.seq, s.words, 1 - (v.embedding <=> $3) AS similarity
  FROM ${table("search")} s JOIN ${table("vectors_1")} v ON v.tenant = s.tenant AND v.user_id = s.user_id AND v.entry = s.entry AND v.revision = s.revision
  WHERE s.tenant = '${tenant}' AND s.user_id = $1
), matched AS MATERIALIZED (
  SELECT m.entry, q.lexeme, ts_rank('{0.3,0.4,0.4,1.0}', m.words, q.query) AS rank FROM mine m JOIN question q ON m.words @@ q.query
), rare AS (
  SELECT lexeme, ln(1 + ((SELECT count(*) FROM mine) - count(*) + 0.5) / (count(*) + 0.5)) AS rarity FROM matched GROUP BY lexeme
), ranked AS (
  SELECT entry, sum(rarity * rank) AS rank FROM matched JOIN rare USING (lexeme) GROUP BY entry
), based AS (
  SELECT m.entry, m.conversation_id, m.seq, m.similarity, 0.5 * COALESCE(r.rank / max(r.rank) OVER (), 0)
    + 0.5 * (m.similarity - min(m.similarity) OVER ()) / (max(m.similarity) OVER () - min(m.similarity) OVER ()) AS base
  FROM mine m LEFT JOIN ranked r USING (entry)
), placed AS (
  SELECT *, lead(base, 1, 0) OVER (PARTITION BY conversation_id ORDER BY seq) AS neighbour, row_number() OVER (PARTITION BY conversation_id ORDER BY base DESC) AS place FROM based
), top AS (
  SELECT *, base + 0.1 * neighbour + 0.75 * sum(base) FILTER (WHERE place <= 2) OVER (PARTITION BY conversation_id) / 2 AS score
  FROM placed ORDER BY score DESC LIMIT $4
)
SELECT t.score, t.similarity, m.message_id AS id, m.conversation_id AS "conversationId", m.seq, m.role, m.name, m.content, m.parts, m.metadata, m.created_at AS "createdAt"
FROM top t JOIN ${table("messages")} m ON m.tenant = '${tenant}' AND m.user_id = $1 AND m.conversation_id = t.conversation_id AND m.seq = t.seq
ORDER BY t.score DESC`;

  return {
    async createConversation(userId, id) {
      await pool.query(`INSERT INTO ${table("conversation_owners")} (tenant, conversation_id, user_id) VALUES ($1, $2, $3)`, [
        tenant,
        id,
        userId,
      ]);
      await pool.query(
        `INSERT INTO ${table("conversations")} (tenant, user_id, id, resource_id, title, metadata, next_seq, created_at, updated_at)
         VALUES ($1, $2, $3, 'default', '', '{}', 1, now(), now())`,
        [tenant, userId, id],
      );
    },
    async append(userId, conversationId, { role, content, createdAt }) {
      const parts = JSON.stringify([{ type: "text", text: content }]);
      const time = createdAt.toISOString();
      await run("append", append, [
        tenant,
        userId,
        conversationId,
        randomUUID(),
        time,
        role,
        content,
        parts,
        indexed(content, createdAt),
        newRevision(),
      ]);
    },
    async bulk(userId, conversations) {
      const rows = conversations.flatMap(({ id, messages }) => messages.map((message, index) => ({ id, index, messages, message })));
      await run("bulk", bulk, [
        userId,
        conversations.map(({ id }) => id),
        conversations.map(({ messages }) => messages.length),
        conversations.map(({ messages }) => messages[0]?.createdAt.toISOString()),
        conversations.map(({ messages }) => messages.at(-1)?.createdAt.toISOString()),
        rows.map(({ id }) => id),
        rows.map(({ index }) => index + 1),
        rows.map(() => randomUUID()),
        rows.map(({ message }) => message.role),
        rows.map(({ message }) => message.content),
        rows.map(({ message }) => JSON.stringify([{ type: "text", text: message.content }])),
        rows.map(({ message }) => message.createdAt.toISOString()),
        rows.map(({ message }) => indexed(message.content, message.createdAt)),
        rows.map(({ index, messages }) => `${messages[index - 1]?.content ?? ""}\n${messages[index - 2]?.content ?? ""}`),
        rows.map(newRevision),
      ]);
    },
    async lastMessages(userId, conversationId, limit) {
      const { rows } = await run<{ id: string }>("last", last, [userId, conversationId, limit]);
      return rows.reverse();
    },
    async recall(query, limit) {
      const { rows } = await run<{ id: string }>("recall", recall, [query.userId, query.text, binaryVector(query.vector), limit]);
      return rows;
    },
  };
}

const months = "January February March April May June July August September October November December".split(" ");

/** The words a message is found by: its day and its text. */
function indexed(content: string, createdAt: Date): string {
  return `${createdAt.getUTCDate()} ${months[createdAt.getUTCMonth()]} ${createdAt.getUTCFullYear()} ${content}`;
}

function newRevision(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}

/** pgvector's binary form: int16 length, int16 zero, big-endian float32 each. */
function binaryVector(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(4 + 4 * vector.length);
  bytes.writeInt16BE(vector.length, 0);
  vector.forEach((value, index) => {
    bytes.writeFloatBE(value, 4 + 4 * index);
  });
  return bytes;
}
