import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ExportPosition, ExportRow, MessageQuery, MessageReference, StoredMessage } from "../../domain/session-store.ts";
import type { ToolEdge, WindowRow } from "../windows.ts";
import { addCondition, inScope, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";

export interface MessageRow {
  readonly entry: number;
  readonly tenant: string;
  readonly user_id: string;
  readonly conversation_id: string;
  readonly seq: number;
  readonly message_id: string;
  readonly resource_id: string;
  readonly role: string;
  readonly name: string | null;
  readonly type: string;
  readonly content: string;
  readonly parts: string;
  readonly metadata: string;
  readonly tool_ids: string | null;
  readonly importance: number | null;
  readonly created_at: number;
}

export function toMessage(row: MessageRow): Message {
  return {
    id: row.message_id,
    conversationId: row.conversation_id,
    userId: row.user_id,
    seq: row.seq,
    role: row.role,
    name: row.name ?? undefined,
    content: row.content,
    parts: decodeParts(row.parts),
    metadata: JSON.parse(row.metadata),
    createdAt: new Date(row.created_at),
  };
}

export function toStoredMessage(row: MessageRow): StoredMessage {
  return { message: toMessage(row), resourceId: row.resource_id, importance: row.importance, toolIds: toolIdsOf(row) };
}

const toolIdsOf = (row: MessageRow): string[] | null => (row.tool_ids === null ? null : JSON.parse(row.tool_ids));

/** A row as windows are made of it. */
export interface LedgerRow extends WindowRow {
  readonly row: MessageRow;
}

const toLedgerRow = (row: MessageRow): LedgerRow => ({ seq: row.seq, toolIds: toolIdsOf(row), row });

/** SQL: the messages of one conversation, whose owner is known. */
const ofConversation = "tenant = ? AND user_id = ? AND conversation_id = ?";

/** Tenant, user, conversation. */
export type ConversationKey = readonly [tenant: string, userId: string, conversationId: string];

/** The newest rows that match, newest first. */
export function windowRows(rows: SqliteRows, key: ConversationKey, query: MessageQuery): LedgerRow[] {
  const conditions = { sql: [ofConversation], values: [...key] };
  const { beforeSeq, afterSeq, before, after, roles } = query;
  if (beforeSeq !== undefined) addCondition(conditions, "seq < ?", beforeSeq);
  if (afterSeq !== undefined) addCondition(conditions, "seq > ?", afterSeq);
  if (before !== undefined) addCondition(conditions, "created_at < ?", before.getTime());
  if (after !== undefined) addCondition(conditions, "created_at > ?", after.getTime());
  if (roles !== undefined) addCondition(conditions, "role IN (SELECT value FROM json_each(?))", JSON.stringify(roles));
  const sql = `SELECT * FROM {messages} ${where(conditions)} ORDER BY seq DESC LIMIT ?`;
  return rows.all<MessageRow>(sql, ...conditions.values, query.limit).map(toLedgerRow);
}

/** The other side of each edge, where the nearest row with its id is that. */
export function findPartners(rows: SqliteRows, key: ConversationKey, edges: readonly ToolEdge[]): LedgerRow[] {
  const found = new Map<number, LedgerRow>();
  for (const { seq, id, isResult } of edges) {
    const row = rows.get<MessageRow>(
      `SELECT * FROM {messages} WHERE ${ofConversation} AND tool_ids IS NOT NULL AND seq ${isResult ? "<" : ">"} ?
AND EXISTS (SELECT 1 FROM json_each(tool_ids) WHERE value IN (?, ?)) ORDER BY seq ${isResult ? "DESC" : "ASC"} LIMIT 1`,
      ...key,
      seq,
      `call:${id}`,
      `result:${id}`,
    );
    const nearest = row && toLedgerRow(row);
    if (nearest?.toolIds?.includes(`${isResult ? "call" : "result"}:${id}`)) found.set(nearest.seq, nearest);
  }
  return [...found.values()];
}

export function findMessage(rows: SqliteRows, key: ConversationKey, messageId: string): MessageRow | undefined {
  const [tenant, userId, conversationId] = key;
  const row = rows.get<MessageRow>(
    "SELECT * FROM {messages} WHERE tenant = ? AND conversation_id = ? AND message_id = ?",
    tenant,
    conversationId,
    messageId,
  );
  return row?.user_id === userId ? row : undefined;
}

export function getMessages(rows: SqliteRows, scope: StoreScope, references: readonly MessageReference[]): StoredMessage[] {
  const conditions = inScope(scope);
  const found = new Map<number, MessageRow>();
  for (const { userId, conversationId, messageId } of references) {
    const row = rows.get<MessageRow>(
      `SELECT * FROM {messages} ${where(conditions)} AND user_id = ? AND conversation_id = ? AND message_id = ?`,
      ...conditions.values,
      userId,
      conversationId,
      messageId,
    );
    if (row !== undefined) found.set(row.entry, row);
  }
  return [...found.values()].map(toStoredMessage);
}

export function exportMessages(rows: SqliteRows, scope: StoreScope, after: ExportPosition | undefined, limit: number): ExportRow[] {
  const conditions = inScope(scope);
  if (after !== undefined) {
    addCondition(conditions, "(user_id, conversation_id, seq) > (?, ?, ?)", after.userId, after.conversationId, after.seq);
  }
  const sql = `SELECT * FROM {messages} ${where(conditions)} ORDER BY user_id, conversation_id, seq LIMIT ?`;
  const found = rows.all<MessageRow>(sql, ...conditions.values, limit);
  return found.map((row) => ({ message: toMessage(row), resourceId: row.resource_id }));
}
