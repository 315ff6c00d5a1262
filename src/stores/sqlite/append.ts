import type { Message } from "../../domain/message.ts";
import { textRevision } from "../../domain/search-text.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { type ConversationRow, findConversation, insertConversation } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import { type ConversationKey, findMessage, type MessageRow, toMessage } from "./messages.ts";
import { cancelVector, owesVectors, oweVector } from "./outbox.ts";
import { contextOf, findFollowers, indexMessages, indexNewMessage } from "./words.ts";

export function append(rows: SqliteRows, requests: readonly AppendRequest[]): (Message[] | undefined)[] {
  const isOwed = owesVectors(rows);
  return requests.map((request) => appendOne(rows, request, isOwed));
}

function appendOne(rows: SqliteRows, request: AppendRequest, isOwed: boolean): Message[] | undefined {
  const conversation = conversationOf(rows, request);
  if (conversation === undefined) return undefined;
  const key: ConversationKey = [request.tenant, request.userId, request.conversationId];
  let seq = conversation.next_seq;
  const stored = request.messages.map((message) => {
    const before = findMessage(rows, key, message.id);
    const row = before === undefined ? insert(rows, request, conversation, message, seq++) : update(rows, before, message);
    if (isOwed) owe(rows, row, before, message);
    return row;
  });
  rows.run(
    "UPDATE {conversations} SET next_seq = ?, updated_at = max(updated_at, ?) WHERE tenant = ? AND id = ?",
    seq,
    latest(request),
    request.tenant,
    request.conversationId,
  );
  return stored.map(toMessage);
}

const timesOf = ({ messages }: AppendRequest) => messages.map(({ createdAt }) => createdAt.getTime());
const latest = (request: AppendRequest) => timesOf(request).reduce((one, other) => Math.max(one, other));
const earliest = (request: AppendRequest) => timesOf(request).reduce((one, other) => Math.min(one, other));

/** Undefined when it is somebody else's, or may not be created. */
function conversationOf(rows: SqliteRows, request: AppendRequest): ConversationRow | undefined {
  const { tenant, userId, conversationId, requiredResourceId, createConversation, create } = request;
  const found = findConversation(rows, { tenant, userId, resourceId: requiredResourceId }, conversationId);
  if (found !== undefined || !createConversation) return found;
  return insertConversation(rows, { tenant, userId, id: conversationId, ...create }, earliest(request), latest(request));
}

function insert(rows: SqliteRows, request: AppendRequest, conversation: ConversationRow, message: NewMessage, seq: number): MessageRow {
  const row = rows.get<MessageRow>(
    `INSERT INTO {messages} (tenant, user_id, conversation_id, seq, message_id, resource_id, role, name, type, content, parts, metadata, tool_ids, importance, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
    request.tenant,
    request.userId,
    request.conversationId,
    seq,
    message.id,
    conversation.resource_id,
    ...changeable(message),
    message.createdAt.getTime(),
  ) as MessageRow;
  indexNewMessage(rows, row, contextOf(rows, row));
  return row;
}

/** It keeps its place, its time of creation, and its importance when none is given. */
function update(rows: SqliteRows, before: MessageRow, message: NewMessage): MessageRow {
  const row = rows.get<MessageRow>(
    `UPDATE {messages} SET role = ?, name = ?, type = ?, content = ?, parts = ?, metadata = ?, tool_ids = ?, importance = coalesce(?, importance)
WHERE entry = ? RETURNING *`,
    ...changeable(message),
    before.entry,
  ) as MessageRow;
  if (before.content === row.content && before.name === row.name) return row;
  const followers = findFollowers(rows, [row.tenant, row.user_id, row.conversation_id], row.seq);
  indexMessages(rows, [row.entry, ...followers]);
  return row;
}

const changeable = (message: NewMessage) =>
  [
    message.role,
    message.name,
    message.type,
    message.text,
    message.partsJson,
    message.metadataJson,
    message.toolIds === null ? null : JSON.stringify(message.toolIds),
    message.importance,
  ] as const;

/** A vector is owed for a text that is new, unless the caller brought one. */
function owe(rows: SqliteRows, row: MessageRow, before: MessageRow | undefined, message: NewMessage): void {
  if (row.content === "" || message.embedding !== null) cancelVector(rows, row.entry);
  else if (before === undefined || revisionOf(before) !== revisionOf(row)) oweVector(rows, row);
}

export const revisionOf = ({ role, name, content }: MessageRow) => textRevision({ role, name, text: content });
