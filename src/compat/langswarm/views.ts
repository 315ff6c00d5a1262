import { BackendError, UnsupportedError } from "../../domain/errors.ts";
import { embeddedClient } from "../../stores/postgres/embedded/embedded-client.ts";
import { type PgliteLike, pgliteClient } from "../../stores/postgres/embedded/pglite-client.ts";
import { makeNames, quoteIdentifier } from "../../stores/postgres/names.ts";
import { lentPgClient, type PgPoolLike, pgClient } from "../../stores/postgres/pg-client.ts";
import { type SqlClient, SqlError } from "../../stores/postgres/sql-client.ts";
import type { PostgresSessionStoreOptions } from "../../stores/session/postgres.ts";
import { metadataKey } from "./session-metadata.ts";

/**
 * Makes LangSwarm's tables `sessions`, `messages` and `summaries` exist as views of ours, under the same schema and the
 * prefix given, so that SQL written against its documents still works. Made anew each time, as our tables may have grown.
 *
 * @throws UnsupportedError when sessions are not in Postgres
 * @throws BackendError when tables of these names are there; they are not touched
 */
export async function createViews(sessions: unknown, prefix: string): Promise<void> {
  const options = sessions as (PostgresSessionStoreOptions & { readonly store?: string }) | undefined;
  if (options?.store !== "postgres") throw new UnsupportedError("langswarm", "views", "views need the postgres backend: leave `views` out");
  const { schema = "public", tablePrefix = "" } = options;
  const { table } = makeNames(schema, tablePrefix);
  const view = (name: string) => `${quoteIdentifier(schema)}.${quoteIdentifier(`${prefix}${name}`)}`;
  const client = openClient(options);
  try {
    await client.execute(viewsSql(view, table));
  } catch (error) {
    // "is not a view", and columns that an older view has otherwise.
    if (!(error instanceof SqlError) || !["42809", "42P16"].includes(error.sqlState)) throw error;
    const names = ["sessions", "messages", "summaries"].map(view).join(", ");
    throw new BackendError(
      "langswarm",
      "views",
      `the views ${names} cannot be made, as something of that name is there: rename it, give another schema or table_prefix, or leave views out`,
      { cause: error },
    );
  } finally {
    await client.close();
  }
}

function openClient(options: PostgresSessionStoreOptions): SqlClient {
  const { client, dataDir, schema, tablePrefix, language, rls, ...server } = options;
  if (client !== undefined) return "execProtocolRaw" in client ? pgliteClient(client as PgliteLike) : lentPgClient(client as PgPoolLike);
  return dataDir === undefined ? pgClient({ ...server, maxConnections: 1 }) : embeddedClient({ dataDir });
}

function viewsSql(view: (name: string) => string, table: ReturnType<typeof makeNames>["table"]): string {
  const field = (name: string) => `c.metadata->'${metadataKey}'->>'${name}'`;
  const part = (name: string) => `c.metadata->'${metadataKey}'->'${name}'`;
  const summary = (name: string) => `${part("summary")}->>'${name}'`;
  // Of several levels, the highest stand for the rest.
  const texts = `(SELECT string_agg(r.content, E'\\n' ORDER BY r.position) FROM ${table.records} r
      WHERE r.tenant = c.tenant AND r.user_id = c.user_id AND r.type = 'summary' AND r.conversation_id = c.id AND NOT EXISTS (
        SELECT FROM ${table.records} h WHERE h.tenant = r.tenant AND h.user_id = r.user_id AND h.type = r.type AND h.conversation_id = r.conversation_id
          AND (h.data->'summaryIds')::jsonb ? r.id))`;
  const extra = (name: string) => `m.metadata->'${metadataKey}'->'${name}'`;
  return `CREATE OR REPLACE VIEW ${view("sessions")} WITH (security_invoker = true) AS
  SELECT c.id AS session_id, c.user_id, NULLIF(c.resource_id, 'default') AS agent_id, ${field("workflowId")} AS workflow_id,
    COALESCE(${field("status")}, 'active') AS status, COALESCE((${field("maxMessages")})::int, 100) AS max_messages, (${field("maxTokens")})::int AS max_tokens,
    COALESCE((${field("autoSummarize")})::boolean, true) AS auto_summarize, COALESCE((${field("summaryThreshold")})::int, 50) AS summary_threshold,
    c.created_at, c.updated_at, (${field("expiresAt")})::timestamptz AS expires_at,
    COALESCE(${part("tags")}, '[]'::json) AS tags, COALESCE(${part("properties")}, '{}'::json) AS properties
  FROM ${table.conversations} c WHERE c.tenant = 'default';
CREATE OR REPLACE VIEW ${view("messages")} WITH (security_invoker = true) AS
  SELECT m.message_id, m.conversation_id AS session_id, m.role, m.content, m.created_at AS "timestamp",
    (m.metadata->'${metadataKey}'->>'tokenCount')::int AS token_count, m.metadata, ${extra("functionCall")} AS function_call, ${extra("toolCalls")} AS tool_calls
  FROM ${table.messages} m WHERE m.tenant = 'default';
CREATE OR REPLACE VIEW ${view("summaries")} WITH (security_invoker = true) AS
  SELECT ${summary("summaryId")} AS summary_id, c.id AS session_id, concat_ws(E'\\n', ${summary("summary")}, ${texts}) AS summary, (${summary("messageCount")})::int AS message_count,
    (${summary("startTime")})::timestamptz AS start_time, (${summary("endTime")})::timestamptz AS end_time,
    ${part("summary")}->'keyTopics' AS key_topics, (${summary("createdAt")})::timestamptz AS created_at
  FROM ${table.conversations} c WHERE c.tenant = 'default' AND ${part("summary")} IS NOT NULL`;
}
