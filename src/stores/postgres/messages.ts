import type { Page } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { ExportPosition, ExportRow, MessageQuery, StoreScope } from "../../domain/session-store.ts";
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

export function toMessage(row: MessageRow): Message {
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

/**
 * Rows read beyond the window on its older side: they tell whether there is more, and nearly always hold the calls
 * of results the window begins with, so that closing it takes no second trip.
 */
const lookBehind = 2;

export async function listMessages(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
  signal?: AbortSignal,
): Promise<Page<Message> | undefined> {
  const rows = await windowRows(database, scope, conversationId, query, signal);
  if (rows.length === 0 && (await getConversation(database, scope, conversationId, signal)) === undefined) return undefined;
  const window = new Map(rows.slice(0, query.limit).map((row) => [row.seq, row]));
  const behind = rows.slice(query.limit);
  const oldest = await closeWindow(database, scope, conversationId, query, window, behind, signal);
  const hasMore = rows.length > query.limit && (rows.at(-1)?.seq ?? 0) < oldest;
  const items = [...window.values()].sort((left, right) => left.seq - right.seq).map(toMessage);
  return { items, nextCursor: hasMore || (rows.length === query.limit + lookBehind && oldest > 1) ? String(oldest) : undefined };
}

/** The newest rows that match, newest first, and a few older ones. */
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
  const text = `SELECT ${messageColumns} FROM ${database.names.table.messages} m WHERE ${conditions.join(" AND ")} ORDER BY m.seq DESC LIMIT ${parameters.add(query.limit + lookBehind, "int")}`;
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

/**
 * Widens `window` (by seq) until no tool call in it lacks a result that the ledger has, and no result its call.
 * Between the old edge and a call it fetches, the messages that match the query come along, so that the next page
 * can go on below. Returns the oldest place that was taken.
 */
async function closeWindow(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
  window: Map<number, MessageRow>,
  behind: readonly MessageRow[],
  signal: AbortSignal | undefined,
): Promise<number> {
  let oldest = Math.min(...window.keys());
  for (const searched = new Set<string>(); ; ) {
    const open = openEdges([...window.values()], query.roles === undefined).filter((edge) => !searched.has(edgeKey(edge)));
    if (open.length === 0) return oldest;
    const partners: MessageRow[] = [];
    const unknown: Edge[] = [];
    for (const edge of open) {
      const near = edge.isResult
        ? behind.find((row) => row.seq < edge.seq && row.toolIds?.some((toolId) => idOf(toolId) === edge.id))
        : undefined;
      if (near === undefined) unknown.push(edge);
      else if (near.toolIds?.includes(`call:${edge.id}`)) partners.push(near);
      searched.add(edgeKey(edge));
    }
    // A call at the very end of the ledger has no result yet: looked for only where something was cut off above.
    const askable = unknown.filter(
      (edge) => edge.isResult || query.beforeSeq !== undefined || query.before !== undefined || query.roles !== undefined,
    );
    if (askable.length > 0) partners.push(...(await findPartners(database, scope, conversationId, askable, signal)));
    for (const partner of partners) window.set(partner.seq, partner);
    const edge = Math.min(oldest, ...partners.map((partner) => partner.seq));
    if (edge < oldest) {
      const between = behind.filter((row) => row.seq >= edge);
      const known = behind.at(-1)?.seq ?? oldest;
      for (const row of between) window.set(row.seq, row);
      if (edge < known && query.roles?.length !== 0) {
        const further = { ...query, afterSeq: edge - 1, beforeSeq: known, before: undefined, after: undefined, limit: 10_000 };
        for (const row of await windowRows(database, scope, conversationId, further, signal)) window.set(row.seq, row);
      }
      oldest = edge;
    }
  }
}

interface Edge {
  readonly seq: number;
  readonly id: string;
  readonly isResult: boolean;
}

const edgeKey = (edge: Edge) => `${edge.seq} ${edge.id}`;

/** A tool id without its direction: `call:ID` and `result:ID` belong together. */
const idOf = (toolId: string) => toolId.slice(toolId.indexOf(":") + 1);

/**
 * Results without their call below them, and calls without a result above. Ids may be reused in one conversation: what
 * belongs together is nearest. Among rows with gaps between them nothing is known to be nearest, and all are open.
 */
function openEdges(rows: readonly MessageRow[], areWithoutGaps: boolean): Edge[] {
  const calls = new Map<string, Edge>();
  const open: Edge[] = [];
  for (const row of rows.filter((row) => row.toolIds !== null).sort((left, right) => left.seq - right.seq)) {
    // Results first: a message may answer one call and make the next under the same id.
    for (const toolId of [...(row.toolIds ?? [])].sort().reverse()) {
      const edge = { seq: row.seq, id: idOf(toolId), isResult: toolId.startsWith("result:") };
      if (edge.isResult && areWithoutGaps && calls.delete(edge.id)) continue;
      if (edge.isResult || !areWithoutGaps) open.push(edge);
      else calls.set(edge.id, edge);
    }
  }
  return [...open, ...calls.values()];
}

/** The nearest earlier call of each result and the nearest later result of each call, where the ledger has them. */
async function findPartners(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  edges: readonly Edge[],
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

/** The messages that complete the tool exchanges `rows` are part of, by the seq of the row that needs them. */
export async function completeExchanges(
  database: Database,
  scope: StoreScope,
  rows: readonly MessageRow[],
  signal?: AbortSignal,
): Promise<Map<MessageRow, Message[]>> {
  const exchanges = new Map<MessageRow, Message[]>();
  for (const row of rows) {
    if (row.toolIds === null) continue;
    const window = new Map([[row.seq, row]]);
    const anywhere: MessageQuery = { limit: 1, beforeSeq: row.seq, afterSeq: undefined, before: undefined, after: undefined, roles: [] };
    await closeWindow(database, { ...scope, userId: row.userId }, row.conversationId, anywhere, window, [], signal);
    window.delete(row.seq);
    exchanges.set(row, [...window.values()].sort((left, right) => left.seq - right.seq).map(toMessage));
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
