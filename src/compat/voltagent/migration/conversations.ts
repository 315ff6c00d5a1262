import type { Installation } from "../../../stores/postgres/migrate.ts";
import type { Names } from "../../../stores/postgres/names.ts";
import type { SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import { type MigrationState, migrationTables, movedTable } from "./state.ts";
import { type FoundTable, findTables, type LegacyTable } from "./tables.ts";

/** Where an import reads and writes. */
export interface ImportContext {
  readonly transaction: SqlTransaction;
  readonly names: Names;
  readonly installation: Installation;
  readonly tenant: string;
  readonly state: MigrationState;
}

/** How many conversations were made, and how many messages wait for their turn. */
export interface Queued {
  readonly conversations: number;
  readonly messages: number;
}

/**
 * All old conversations in one statement, and the order in which their messages follow. What is there already is passed
 * over, so that it can be done again.
 *
 * A conversation is its own user's, else its first message's, else `"default"`; messages without a conversation get one.
 */
export async function importConversations(context: ImportContext): Promise<Queued> {
  const conversations = await columnsOf(context, "conversations");
  const messages = await columnsOf(context, "messages");
  const { rows } = await context.transaction.query<{ count: number }>({
    text: conversationsSql(context, conversations, messages),
    values: [context.tenant],
  });
  return { conversations: rows[0]?.count ?? 0, messages: await queueMessages(context) };
}

/** Columns of an old table under its present name; undefined: there is none. */
export async function columnsOf(
  { transaction, names, state }: ImportContext,
  table: LegacyTable,
): Promise<FoundTable["columns"] | undefined> {
  const from = state.tables[table];
  const to = state.moved.find((rename) => rename.kind === "table" && rename.from === from)?.to;
  if (to === undefined) return undefined;
  return (await findTables(transaction, names.schema, [to])).get(to)?.columns;
}

type Columns = FoundTable["columns"] | undefined;

function conversationsSql({ names, state }: ImportContext, conversations: Columns, messages: Columns): string {
  const old = movedTable(names, state, "conversations");
  const oldMessages = movedTable(names, state, "messages");
  const { table } = names;
  const own = conversations?.has("user_id") === true ? "NULLIF(c.user_id, '')" : "NULL";
  const firstUser = messages?.has("user_id") === true ? "user_id" : "NULL::text AS user_id";
  const spoken =
    oldMessages === undefined
      ? "SELECT NULL::text AS conversation_id, NULL::text AS user_id, now() AS first_at, now() AS last_at WHERE false"
      : `SELECT conversation_id, f.user_id, t.first_at, t.last_at
    FROM (SELECT conversation_id, min(created_at) AS first_at, max(created_at) AS last_at FROM ${oldMessages} GROUP BY conversation_id) t
    JOIN (SELECT DISTINCT ON (conversation_id) conversation_id, ${firstUser} FROM ${oldMessages} ORDER BY conversation_id, created_at, ctid) f USING (conversation_id)`;
  const known =
    old === undefined
      ? ""
      : `SELECT c.id, COALESCE(NULLIF(c.resource_id, ''), 'default') AS resource_id, COALESCE(${own}, NULLIF(s.user_id, ''), 'default') AS user_id,
      COALESCE(c.title, '') AS title, ${metadataSql(state)} AS metadata, c.created_at, c.updated_at
    FROM ${old} c LEFT JOIN spoken s ON s.conversation_id = c.id
    UNION ALL `;
  const orphaned = old === undefined ? "" : ` WHERE NOT EXISTS (SELECT FROM ${old} c WHERE c.id = s.conversation_id)`;
  return `WITH spoken AS MATERIALIZED (
    ${spoken}
  ), source AS MATERIALIZED (
    ${known}SELECT s.conversation_id, 'default', COALESCE(NULLIF(s.user_id, ''), 'default'), 'Migrated Conversation', '{}'::json, s.first_at, s.last_at
    FROM spoken s${orphaned}
  ), claimed AS (
    INSERT INTO ${table.conversation_owners} (tenant, conversation_id, user_id) SELECT $1::text, id, user_id FROM source
    ON CONFLICT DO NOTHING RETURNING conversation_id
  ), made AS (
    INSERT INTO ${table.conversations} (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
    SELECT $1::text, s.user_id, s.id, s.resource_id, s.title, s.metadata, NULL, 1, s.created_at, s.updated_at
    FROM source s JOIN claimed k ON k.conversation_id = s.id RETURNING 1
  ) SELECT count(*) AS count FROM made`;
}

/** SQL: metadata as an object, without the notes that become working memory. */
function metadataSql({ version }: MigrationState): string {
  const kept =
    version === "2.x"
      ? "CASE WHEN jsonb_typeof(c.metadata -> 'workingMemory') = 'string' THEN c.metadata - 'workingMemory' ELSE c.metadata END"
      : "c.metadata";
  return `(CASE jsonb_typeof(COALESCE(c.metadata, 'null')) WHEN 'object' THEN ${kept} WHEN 'null' THEN '{}' ELSE jsonb_build_object('value', c.metadata) END)::text::json`;
}

/**
 * Numbers the old messages in the order they will stand in: by conversation, time, and where rows of one time lie in
 * their table, which is the order they came in. `copy` tells apart what different users wrote under one id.
 *
 * Not logged, so it is empty after a crash of the server: then it is made anew, of what is still missing.
 */
export async function queueMessages(context: ImportContext): Promise<number> {
  const { transaction, names, tenant, state } = context;
  const { queue } = migrationTables(names);
  await transaction.execute(`DROP TABLE IF EXISTS ${queue};
    CREATE UNLOGGED TABLE ${queue} (place bigint NOT NULL, row tid NOT NULL, copy integer NOT NULL, bytes bigint NOT NULL)`);
  const old = movedTable(names, state, "messages");
  if (old === undefined) return 0;
  const columns = (await columnsOf(context, "messages")) ?? new Set();
  const sizes = ["content", "parts", "metadata"].filter((column) => columns.has(column)).map((column) => sizeSql(column));
  const { rowCount } = await transaction.query({
    text: `INSERT INTO ${queue} (place, row, copy, bytes)
      SELECT row_number() OVER (ORDER BY m.conversation_id COLLATE "C", m.created_at, m.row), m.row, m.copy, m.bytes FROM (
        SELECT o.ctid AS row, o.conversation_id, o.message_id, o.created_at, ${sizes.join(" + ")} + 200 AS bytes,
          row_number() OVER (PARTITION BY o.conversation_id, o.message_id ORDER BY o.created_at, o.ctid) AS copy
        FROM ${old} o
      ) m
      WHERE EXISTS (SELECT FROM ${names.table.conversation_owners} k WHERE k.tenant = $1 AND k.conversation_id = m.conversation_id)
        AND NOT EXISTS (SELECT FROM ${names.table.messages} x WHERE x.tenant = $1 AND x.conversation_id = m.conversation_id AND x.message_id = ${messageIdSql})`,
    values: [tenant],
  });
  await transaction.execute(`ALTER TABLE ${queue} ADD PRIMARY KEY (place)`);
  return rowCount;
}

/** SQL: the id a message gets: its own, and of several with one id each further one a number. */
export const messageIdSql = "COALESCE(NULLIF(m.message_id, ''), 'migrated') || CASE WHEN m.copy = 1 THEN '' ELSE '~' || m.copy END";

/** SQL: how large a value is, without reading what is stored apart; jsonb may be compressed there. */
function sizeSql(column: string): string {
  return column === "content" ? "COALESCE(octet_length(o.content), 0)" : `COALESCE(pg_column_size(o.${column}), 0) * 3`;
}
