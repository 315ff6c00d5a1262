import type { Page } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ExportPosition, ExportRow, MessageQuery, MessageReference, StoredMessage } from "../../domain/session-store.ts";
import { completeExchange, readWindow, type ToolEdge, type WindowReader } from "../windows.ts";
import { getConversation } from "./conversations.ts";
import { type Database, epochMs, fromEpochMs, Parameters, statementName } from "./database.ts";
import type { SqlValue } from "./sql-client.ts";

export interface MessageRow {
  readonly id: string;
  readonly conversationId: string;
  readonly userId: string;
  readonly seq: number;
  readonly role: string;
  readonly name: string | null;
  readonly type: string;
  readonly content: string;
  readonly parts: string;
  readonly metadata: string;
  readonly toolIds: readonly string[] | null;
  readonly createdAt: number;
}

/** SQL: the columns of a message `m`, named as {@link MessageRow} has them. */
export const messageColumns = `m.message_id AS id, m.conversation_id AS "conversationId", m.user_id AS "userId", m.seq, m.role, m.name, m.type, m.content, m.parts, m.metadata, m.tool_ids AS "toolIds", ${epochMs("m.created_at")} AS "createdAt"`;

export function toMessage(row: Omit<MessageRow, "type" | "toolIds">): Message {
  return {
    id: row.id,
    conversationId: row.conversationId,
    userId: row.userId,
    seq: row.seq,
    role: row.role,
    name: row.name ?? undefined,
    content: row.content,
    parts: decodeParts(row.parts),
    metadata: row.metadata === "{}" ? {} : JSON.parse(row.metadata),
    createdAt: new Date(row.createdAt),
  };
}

export async function listMessages(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
  signal?: AbortSignal,
): Promise<Page<Message> | undefined> {
  const window = await readWindow(ledger(database, scope, conversationId, signal), query);
  if (window.rows.length === 0 && (await getConversation(database, scope, conversationId, signal)) === undefined) return undefined;
  return { items: window.rows.map(toMessage), nextCursor: window.nextCursor };
}

/** A conversation as windows are read from it. */
function ledger(database: Database, scope: StoreScope, conversationId: string, signal: AbortSignal | undefined): WindowReader<MessageRow> {
  return {
    rows: (query) => windowRows(database, scope, conversationId, query, signal),
    partners: (edges) => findPartners(database, scope, conversationId, edges, signal),
  };
}

/** The newest rows that match, newest first. */
async function windowRows(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
  signal: AbortSignal | undefined,
) {
  const parameters = new Parameters<SqlValue>();
  const conditions = [ofConversation(database, scope, conversationId, parameters)];
  if (query.beforeSeq !== undefined) conditions.push(`m.seq < ${parameters.add(query.beforeSeq, "bigint")}`);
  if (query.afterSeq !== undefined) conditions.push(`m.seq > ${parameters.add(query.afterSeq, "bigint")}`);
  if (query.before !== undefined) conditions.push(`m.created_at < ${fromEpochMs(parameters.add(query.before.getTime(), "float8"))}`);
  if (query.after !== undefined) conditions.push(`m.created_at > ${fromEpochMs(parameters.add(query.after.getTime(), "float8"))}`);
  if (query.roles !== undefined) conditions.push(`m.role = ANY(${parameters.add(query.roles, "text[]")})`);
  const text = `SELECT ${messageColumns} FROM ${database.names.table.messages} m WHERE ${conditions.join(" AND ")} ORDER BY m.seq DESC LIMIT ${parameters.add(query.limit, "int")}`;
  const { rows } = await database.client.query<MessageRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows;
}

/** SQL: the message `m` is in this conversation, and the conversation is this scope's. */
function ofConversation(database: Database, scope: StoreScope, conversationId: string, parameters: Parameters<SqlValue>): string {
  const { table } = database.names;
  const tenant = parameters.add(scope.tenant, "text");
  const conversation = parameters.add(conversationId, "text");
  const user =
    scope.userId === undefined
      ? `(SELECT o.user_id FROM ${table.conversation_owners} o WHERE o.tenant = ${tenant} AND o.conversation_id = ${conversation})`
      : parameters.add(scope.userId, "text");
  const resource =
    scope.resourceId === undefined
      ? ""
      : ` AND EXISTS (SELECT FROM ${table.conversations} c WHERE c.tenant = m.tenant AND c.user_id = m.user_id AND c.id = m.conversation_id AND c.resource_id = ${parameters.add(scope.resourceId, "text")})`;
  return `m.tenant = ${tenant} AND m.user_id = ${user} AND m.conversation_id = ${conversation}${resource}`;
}

/** The nearest earlier call of each result and the nearest later result of each call, where the ledger has them. */
async function findPartners(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  edges: readonly ToolEdge[],
  signal: AbortSignal | undefined,
) {
  const parameters = new Parameters<SqlValue>();
  const which = ofConversation(database, scope, conversationId, parameters);
  const seqs = parameters.add(
    edges.map((edge) => edge.seq),
    "bigint[]",
  );
  const ids = parameters.add(
    edges.map((edge) => edge.id),
    "text[]",
  );
  const results = parameters.add(
    edges.map((edge) => edge.isResult),
    "boolean[]",
  );
  // The nearest message with the id decides: a call that was made again before it was answered has no result.
  const nearest = (condition: string, order: string) =>
    `SELECT m.* FROM ${database.names.table.messages} m WHERE ${which} AND m.tool_ids IS NOT NULL AND m.tool_ids && ARRAY['call:' || e.id, 'result:' || e.id] AND ${condition} ORDER BY m.seq ${order} LIMIT 1`;
  const text = `SELECT DISTINCT ON (m.seq) ${messageColumns} FROM unnest(${seqs}, ${ids}, ${results}) e(seq, id, is_result)
CROSS JOIN LATERAL ((${nearest("e.is_result AND m.seq < e.seq", "DESC")}) UNION ALL (${nearest("NOT e.is_result AND m.seq > e.seq", "ASC")})) m
WHERE (CASE WHEN e.is_result THEN 'call:' ELSE 'result:' END) || e.id = ANY(m.tool_ids)`;
  const { rows } = await database.client.query<MessageRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows;
}

/** Messages by their names, in one statement; importance and resource come with them. */
export async function getMessages(
  database: Database,
  scope: StoreScope,
  references: readonly MessageReference[],
  signal?: AbortSignal,
): Promise<StoredMessage[]> {
  const { table } = database.names;
  const conditions = ["true"];
  const parameters = new Parameters<SqlValue>();
  const tenant = parameters.add(scope.tenant, "text");
  const columns = [
    references.map((reference) => reference.userId),
    references.map((reference) => reference.conversationId),
    references.map((reference) => reference.messageId),
  ].map((values) => parameters.add(values, "text[]"));
  if (scope.userId !== undefined) conditions.push(`r.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) conditions.push(`c.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  // Row by row: planners without statistics take joins that read all of a user's rows for each reference.
  const text = `SELECT ${messageColumns}, c.resource_id AS "resourceId", s.importance
FROM (SELECT DISTINCT user_id, conversation_id, message_id FROM unnest(${columns.join(", ")}) r(user_id, conversation_id, message_id)) r
CROSS JOIN LATERAL (
  SELECT * FROM ${table.messages} m
  WHERE m.tenant = ${tenant} AND m.message_id = r.message_id AND m.conversation_id = r.conversation_id AND m.user_id = r.user_id OFFSET 0
) m
CROSS JOIN LATERAL (
  SELECT c.resource_id FROM ${table.conversations} c WHERE c.tenant = m.tenant AND c.user_id = m.user_id AND c.id = m.conversation_id OFFSET 0
) c
LEFT JOIN LATERAL (
  SELECT s.importance FROM ${table.search} s WHERE s.tenant = m.tenant AND s.conversation_id = m.conversation_id AND s.seq = m.seq AND s.user_id = m.user_id OFFSET 0
) s ON true
WHERE ${conditions.join(" AND ")}`;
  const { rows } = await database.client.query<MessageRow & { resourceId: string; importance: number | null }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ message: toMessage(row), resourceId: row.resourceId, importance: row.importance, toolIds: row.toolIds }));
}

export async function getMessage(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  messageId: string,
  signal?: AbortSignal,
): Promise<Message | undefined> {
  const parameters = new Parameters<SqlValue>();
  const which = ofConversation(database, scope, conversationId, parameters);
  const text = `SELECT ${messageColumns} FROM ${database.names.table.messages} m WHERE ${which} AND m.message_id = ${parameters.add(messageId, "text")}`;
  const { rows } = await database.client.query<MessageRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0] === undefined ? undefined : toMessage(rows[0]);
}

/** The messages that complete the tool exchanges `rows` are part of, by the row that needs them. */
export async function completeExchanges(
  database: Database,
  scope: StoreScope,
  rows: readonly MessageRow[],
  signal?: AbortSignal,
): Promise<Map<MessageRow, Message[]>> {
  const exchanges = new Map<MessageRow, Message[]>();
  for (const row of rows) {
    if (row.toolIds === null) continue;
    const partners = await completeExchange(ledger(database, { ...scope, userId: row.userId }, row.conversationId, signal), row);
    exchanges.set(row, partners.map(toMessage));
  }
  return exchanges;
}

export async function exportMessages(
  database: Database,
  scope: StoreScope,
  after: ExportPosition | undefined,
  limit: number,
  signal?: AbortSignal,
): Promise<ExportRow[]> {
  const { table } = database.names;
  const parameters = new Parameters<SqlValue>();
  const conditions = [`m.tenant = ${parameters.add(scope.tenant, "text")}`];
  if (scope.userId !== undefined) conditions.push(`m.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) conditions.push(`c.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  if (after !== undefined) {
    conditions.push(
      `(m.user_id, m.conversation_id, m.seq) > (${parameters.add(after.userId, "text")}, ${parameters.add(after.conversationId, "text")}, ${parameters.add(after.seq, "bigint")})`,
    );
  }
  const text = `SELECT ${messageColumns}, c.resource_id AS "resourceId" FROM ${table.messages} m
JOIN ${table.conversations} c ON c.tenant = m.tenant AND c.user_id = m.user_id AND c.id = m.conversation_id
WHERE ${conditions.join(" AND ")} ORDER BY m.user_id, m.conversation_id, m.seq LIMIT ${parameters.add(limit, "int")}`;
  const { rows } = await database.client.query<MessageRow & { resourceId: string }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ message: toMessage(row), resourceId: row.resourceId }));
}
