import type { Conversation } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type {
  AppendRequest,
  ConversationDescription,
  NewConversation,
  NewMessage,
  StoredConversationChanges,
  StoredMessage,
} from "../../domain/session-store.ts";
import { markedSince, markTime } from "../marks.ts";
import { partnersAmong } from "../windows.ts";

// A conversation as one value, for stores that keep it so. It is plain JSON; who writes holds it alone while writing.

export interface ConversationDocument {
  readonly tenant: string;
  readonly id: string;
  userId: string;
  resourceId: string;
  title: string;
  metadataJson: string;
  readonly language: string | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  updatedAt: number;
  /** Missing in documents of before there were pins. */
  pinnedAt?: number | null;
  archivedAt?: number | null;
  /** The next message's place; never goes back. */
  nextSeq: number;
  /** In the order of their places. Replaced as a whole when messages are removed, so that a reader may hold on to it. */
  messages: MessageDocument[];
}

export interface MessageDocument {
  readonly seq: number;
  readonly id: string;
  readonly role: string;
  readonly name: string | null;
  readonly text: string;
  readonly partsJson: string;
  readonly metadataJson: string;
  readonly toolIds: readonly string[] | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly importance: number | null;
}

/** A message that was stored. */
export interface Written {
  readonly message: MessageDocument;
  /** What it was written over. */
  readonly replaced: MessageDocument | undefined;
  /** Its role, name or text were not there like this before. */
  readonly isChanged: boolean;
}

export function isVisible(document: ConversationDocument, scope: StoreScope): boolean {
  return (
    document.tenant === scope.tenant &&
    (scope.userId === undefined || document.userId === scope.userId) &&
    (scope.resourceId === undefined || document.resourceId === scope.resourceId)
  );
}

/** Whether the request may write to the conversation that has its id. */
export function mayAppend(document: ConversationDocument, request: AppendRequest): boolean {
  return document.userId === request.userId && (request.requiredResourceId ?? document.resourceId) === document.resourceId;
}

export function newDocument(conversation: NewConversation, now: number): ConversationDocument {
  const { tenant, userId, id, resourceId, title, metadataJson, language = null } = conversation;
  return { tenant, id, userId, resourceId, title, metadataJson, language, createdAt: now, updatedAt: now, nextSeq: 1, messages: [] };
}

/** The conversation a request creates: as old as its first message. */
export function documentOf(request: AppendRequest): ConversationDocument {
  const { tenant, userId, conversationId: id, create } = request;
  const first = request.messages.reduce((least, message) => Math.min(least, message.createdAt.getTime()), Number.POSITIVE_INFINITY);
  return newDocument({ tenant, userId, id, ...create }, first);
}

/** Gives new messages the next places, and writes those that are there over themselves. */
export function appendMessages(document: ConversationDocument, messages: readonly NewMessage[]): Written[] {
  const positions = positionsOf(document);
  return messages.map((given) => {
    document.updatedAt = Math.max(document.updatedAt, given.createdAt.getTime());
    const position = positions.get(given.id);
    const before = position === undefined ? undefined : document.messages[position];
    const message = toDocument(given, before?.seq ?? document.nextSeq, before);
    if (position === undefined) {
      document.nextSeq++;
      positions.set(given.id, document.messages.push(message) - 1);
    } else document.messages[position] = message;
    const isChanged = before === undefined || before.role !== message.role || before.name !== message.name || before.text !== message.text;
    return { message, replaced: before, isChanged };
  });
}

function toDocument(given: NewMessage, seq: number, before: MessageDocument | undefined): MessageDocument {
  const { id, role, name, text, partsJson, metadataJson, toolIds } = given;
  return {
    seq,
    id,
    role,
    name,
    text,
    partsJson,
    metadataJson,
    toolIds: toolIds === null ? null : [...toolIds],
    createdAt: before?.createdAt ?? given.createdAt.getTime(),
    importance: given.importance ?? before?.importance ?? null,
  };
}

/** Removes these messages, or all; answers those that were there. */
export function removeMessages(document: ConversationDocument, ids: readonly string[] | undefined): MessageDocument[] {
  if (ids?.length === 0) return [];
  const doomed = ids === undefined ? undefined : new Set(ids);
  const removed = doomed === undefined ? document.messages : document.messages.filter((message) => doomed.has(message.id));
  if (removed.length === 0) return [];
  document.messages = doomed === undefined ? [] : document.messages.filter((message) => !doomed.has(message.id));
  return removed;
}

/** Removes the oldest messages beyond `most`, and the results of calls that go with them; answers them. */
export function trimMessages(document: ConversationDocument, most: number): MessageDocument[] {
  const excess = document.messages.length - most;
  if (excess <= 0) return [];
  const doomed = document.messages.slice(0, excess);
  const calls = doomed.flatMap(({ seq, toolIds }) =>
    (toolIds ?? []).filter((id) => id.startsWith("call:")).map((id) => ({ seq, id: id.slice("call:".length), isResult: false })),
  );
  const results = calls.length === 0 ? [] : partnersAmong(document.messages, calls);
  return removeMessages(
    document,
    [...doomed, ...results].map((message) => message.id),
  );
}

export function changeConversation(document: ConversationDocument, changes: StoredConversationChanges, now: number): void {
  const { title, metadata, pinned, archived, ifTitle = document.title } = changes;
  if (ifTitle !== document.title) return;
  if (title !== undefined) document.title = title;
  if (metadata !== undefined) document.metadataJson = JSON.stringify(metadata);
  if (title !== undefined || metadata !== undefined) document.updatedAt = Math.max(document.updatedAt, now);
  document.pinnedAt = markedSince(document.pinnedAt, pinned, now);
  document.archivedAt = markedSince(document.archivedAt, archived, now);
}

/** Count and newest message; nothing of a conversation that is not there. */
export function describe(document: ConversationDocument | undefined): ConversationDescription {
  if (document === undefined) return { messageCount: 0, lastMessage: undefined };
  const last = document.messages.at(-1);
  return { messageCount: document.messages.length, lastMessage: last && toMessage(document, last) };
}

export function findMessage(document: ConversationDocument, id: string): MessageDocument | undefined {
  const position = positionsOf(document).get(id);
  return position === undefined ? undefined : document.messages[position];
}

/** Where each message stands, by the list they stand in: a list that was replaced is counted anew. */
const knownPositions = new WeakMap<readonly MessageDocument[], Map<string, number>>();

function positionsOf({ messages }: ConversationDocument): Map<string, number> {
  const known = knownPositions.get(messages);
  if (known !== undefined) return known;
  const positions = new Map(messages.map((message, position) => [message.id, position]));
  knownPositions.set(messages, positions);
  return positions;
}

export function toConversation(document: ConversationDocument): Conversation {
  const { id, userId, resourceId, title, metadataJson, language, createdAt, updatedAt, pinnedAt, archivedAt } = document;
  return {
    id,
    userId,
    resourceId,
    title,
    metadata: JSON.parse(metadataJson),
    language: language ?? undefined,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    pinnedAt: markTime(pinnedAt),
    archivedAt: markTime(archivedAt),
  };
}

export function toMessage(document: ConversationDocument, message: MessageDocument): Message {
  return {
    id: message.id,
    conversationId: document.id,
    userId: document.userId,
    seq: message.seq,
    role: message.role,
    name: message.name ?? undefined,
    content: message.text,
    parts: decodeParts(message.partsJson),
    metadata: JSON.parse(message.metadataJson),
    createdAt: new Date(message.createdAt),
  };
}

export function toStored(document: ConversationDocument, message: MessageDocument): StoredMessage {
  const { importance, toolIds } = message;
  return {
    message: toMessage(document, message),
    resourceId: document.resourceId,
    importance,
    toolIds: toolIds === null ? null : [...toolIds],
  };
}
