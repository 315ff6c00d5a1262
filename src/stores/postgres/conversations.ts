import type { Conversation } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { NewConversation, StoredConversationChanges } from "../../domain/session-store.ts";
import { type Database, epochMs, knownLanguage, Parameters, statementName } from "./database.ts";
import type { SqlValue } from "./sql-client.ts";

export interface ConversationRow {
  readonly id: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly title: string;
  readonly metadata: string;
  readonly language: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly pinnedAt: number | null;
  readonly archivedAt: number | null;
}

/** SQL: the columns of a conversation `c`, named as {@link ConversationRow} has them. */
export const conversationColumns = `c.id, c.user_id AS "userId", c.resource_id AS "resourceId", c.title, c.metadata::text AS metadata, c.language, ${epochMs("c.created_at")} AS "createdAt", ${epochMs("c.updated_at")} AS "updatedAt", ${epochMs("c.pinned_at")} AS "pinnedAt", ${epochMs("c.archived_at")} AS "archivedAt"`;

/** SQL: the conversation `c` is this one, and this scope's. An administrator's scope finds the owner in the directory. */
export function isConversation(database: Database, scope: StoreScope, id: string, parameters: Parameters<SqlValue>): string {
  const tenant = parameters.add(scope.tenant, "text");
  const conversation = parameters.add(id, "text");
  const user =
    scope.userId === undefined
      ? `(SELECT o.user_id FROM ${database.names.table.conversation_owners} o WHERE o.tenant = ${tenant} AND o.conversation_id = ${conversation})`
      : parameters.add(scope.userId, "text");
  const resource = scope.resourceId === undefined ? "" : ` AND c.resource_id = ${parameters.add(scope.resourceId, "text")}`;
  return `c.tenant = ${tenant} AND c.user_id = ${user} AND c.id = ${conversation}${resource}`;
}

export async function createConversation(database: Database, conversation: NewConversation, signal?: AbortSignal): Promise<Conversation> {
  const { table } = database.names;
  const text = `WITH claimed AS (
  INSERT INTO ${table.conversation_owners} (tenant, conversation_id, user_id) VALUES ($1::text, $3::text, $2::text) ON CONFLICT DO NOTHING RETURNING 1
) INSERT INTO ${table.conversations} AS c (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::json, $7::text, 1, now(), now() FROM claimed
RETURNING ${conversationColumns}`;
  const { rows } = await database.client.query<ConversationRow>({
    text,
    name: statementName(text),
    values: [
      conversation.tenant,
      conversation.userId,
      conversation.id,
      conversation.resourceId,
      conversation.title,
      conversation.metadataJson,
      conversation.language === undefined ? null : knownLanguage(database, conversation.language),
    ],
    signal,
  });
  const row = rows[0];
  if (row === undefined)
    throw new ConflictError(conversation.id, `[conversation] the id "${conversation.id}" is taken: choose another, or leave the id out`);
  return toConversation(row);
}

export async function getConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const parameters = new Parameters<SqlValue>();
  const text = `SELECT ${conversationColumns} FROM ${database.names.table.conversations} c WHERE ${isConversation(database, scope, id, parameters)}`;
  const { rows } = await database.client.query<ConversationRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0] === undefined ? undefined : toConversation(rows[0]);
}

export async function updateConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  changes: StoredConversationChanges,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const parameters = new Parameters<SqlValue>();
  const which = isConversation(database, scope, id, parameters);
  const { title, metadata, pinned, archived, ifTitle } = changes;
  const settings = [
    ...(title === undefined ? [] : [`title = ${parameters.add(title, "text")}`]),
    ...(metadata === undefined ? [] : [`metadata = ${parameters.add(JSON.stringify(metadata), "json")}`]),
    ...(title === undefined && metadata === undefined ? [] : ["updated_at = GREATEST(now(), c.updated_at)"]),
    ...(pinned === undefined ? [] : [`pinned_at = ${pinned ? "COALESCE(c.pinned_at, now())" : "NULL"}`]),
    ...(archived === undefined ? [] : [`archived_at = ${archived ? "COALESCE(c.archived_at, now())" : "NULL"}`]),
  ];
  if (settings.length === 0) return getConversation(database, scope, id, signal);
  const condition = ifTitle === undefined ? "" : ` AND c.title = ${parameters.add(ifTitle, "text")}`;
  const text = `UPDATE ${database.names.table.conversations} c SET ${settings.join(", ")} WHERE ${which}${condition} RETURNING ${conversationColumns}`;
  const { rows } = await database.client.query<ConversationRow>({ text, name: statementName(text), values: parameters.values, signal });
  if (rows[0] === undefined && ifTitle !== undefined) return getConversation(database, scope, id, signal);
  return rows[0] === undefined ? undefined : toConversation(rows[0]);
}

export async function countConversations(database: Database, scope: StoreScope, signal?: AbortSignal): Promise<number> {
  const parameters = new Parameters<SqlValue>();
  const conditions = inScope(scope, parameters);
  const text = `SELECT count(*) AS count FROM ${database.names.table.conversations} c WHERE ${conditions.join(" AND ")}`;
  const { rows } = await database.client.query<{ count: number }>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0]?.count ?? 0;
}

export function inScope(scope: StoreScope, parameters: Parameters<SqlValue>): string[] {
  const conditions = [`c.tenant = ${parameters.add(scope.tenant, "text")}`];
  if (scope.userId !== undefined) conditions.push(`c.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) conditions.push(`c.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  return conditions;
}

export function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    userId: row.userId,
    resourceId: row.resourceId,
    title: row.title,
    metadata: row.metadata === "{}" ? {} : JSON.parse(row.metadata),
    language: row.language ?? undefined,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    pinnedAt: row.pinnedAt === null ? undefined : new Date(row.pinnedAt),
    archivedAt: row.archivedAt === null ? undefined : new Date(row.archivedAt),
  };
}
