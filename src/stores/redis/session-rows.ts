import type { Conversation } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { NewMessage, StoredMessage } from "../../domain/session-store.ts";
import { markTime } from "../marks.ts";

/** A message as it is kept: a payload that no script looks into, and what they read beside it. */
export interface RedisRow {
  readonly seq: number;
  readonly createdAt: number;
  readonly importance: number | null;
  readonly role: string;
  readonly toolIds: readonly string[] | null;
  readonly payload: Payload;
}

interface Payload {
  readonly id: string;
  readonly name: string | null;
  readonly text: string;
  readonly type: string;
  readonly parts: string;
  readonly metadata: string;
  readonly toolIds: readonly string[] | null;
}

export function encodePayload(message: NewMessage): string {
  const { id, name, text, type, partsJson, metadataJson, toolIds } = message;
  return JSON.stringify({ id, name, text, type, parts: partsJson, metadata: metadataJson, toolIds } satisfies Payload);
}

/** A row of the three texts scripts answer with. `meta`: creation time, importance, revision, role, by tabs. */
export function decodeRow(seq: string, meta: string, json: string): RedisRow {
  const [createdAt = "", importance = "", , ...role] = meta.split("\t");
  const payload = JSON.parse(json) as Payload;
  return {
    seq: Number(seq),
    createdAt: Number(createdAt),
    importance: importance === "" ? null : Number(importance),
    role: role.join("\t"),
    toolIds: payload.toolIds,
    payload,
  };
}

/** Rows of a flat answer of threes. */
export function decodeRows(flat: readonly string[]): RedisRow[] {
  const rows: RedisRow[] = [];
  for (let index = 0; index + 2 < flat.length; index += 3)
    rows.push(decodeRow(flat[index] as string, flat[index + 1] as string, flat[index + 2] as string));
  return rows;
}

export function toMessage(userId: string, conversationId: string, row: RedisRow): Message {
  const { id, name, text, parts, metadata } = row.payload;
  return {
    id,
    conversationId,
    userId,
    seq: row.seq,
    role: row.role,
    name: name ?? undefined,
    content: text,
    parts: decodeParts(parts),
    metadata: JSON.parse(metadata),
    createdAt: new Date(row.createdAt),
  };
}

export function toStored(userId: string, conversationId: string, resourceId: string, row: RedisRow): StoredMessage {
  return { message: toMessage(userId, conversationId, row), resourceId, importance: row.importance, toolIds: row.toolIds };
}

/** What of a conversation is kept as one text. */
export interface ConversationData {
  readonly title: string;
  readonly metadata: string;
  readonly language: string | null;
  /** Epoch milliseconds; missing in what was written before there were pins. */
  readonly pinnedAt?: number | null;
  readonly archivedAt?: number | null;
}

/** A conversation of the fields scripts answer with: user, resource, data, createdAt, updatedAt. */
export function toConversation(id: string, fields: readonly string[]): Conversation {
  const [userId = "", resourceId = "", json = "", createdAt = "", updatedAt = ""] = fields;
  const { title, metadata, language, pinnedAt, archivedAt } = JSON.parse(json) as ConversationData;
  return {
    id,
    userId,
    resourceId,
    title,
    metadata: JSON.parse(metadata),
    language: language ?? undefined,
    createdAt: new Date(Number(createdAt)),
    updatedAt: new Date(Number(updatedAt)),
    pinnedAt: markTime(pinnedAt),
    archivedAt: markTime(archivedAt),
  };
}
