import type { Page } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type {
  ConversationDescription,
  ExportPosition,
  ExportRow,
  MessageQuery,
  MessageReference,
  StoredMessage,
} from "../../domain/session-store.ts";
import { partnersAmong, readWindow, type ToolEdge } from "../windows.ts";
import { isConversation } from "./conversations.ts";
import { type ConversationDocument, changed, documentId, type MessageDocument, toMessage, toStoredMessage } from "./documents.ts";
import { inScope, isLive, type SessionDatabase } from "./session-database.ts";

/** What of a conversation tells which of its messages are there. */
export type Bounds = Pick<ConversationDocument, "nextSeq" | "changes">;

/** A message as it is for readers; undefined when it is not there yet, or any more. */
export function asSeen(document: MessageDocument, bounds: Bounds | undefined): MessageDocument | undefined {
  if (bounds === undefined || document.seq >= bounds.nextSeq) return undefined;
  const change = bounds.changes?.find(({ _id }) => _id === document._id);
  return change === undefined ? document : changed(document, change);
}

/** Messages as they are for readers, in the same order, without those that are not there. */
export async function seen(database: SessionDatabase, documents: readonly MessageDocument[]): Promise<MessageDocument[]> {
  if (documents.length === 0) return [];
  const keys = [...new Set(documents.map((document) => document.conversation))];
  const found = await database.conversations
    .find({ _id: { $in: keys }, ...isLive(database) }, { projection: { nextSeq: 1, changes: 1 } })
    .toArray();
  const bounds = new Map((found as unknown as ConversationDocument[]).map((conversation) => [conversation._id, conversation]));
  return documents.flatMap((document) => asSeen(document, bounds.get(document.conversation)) ?? []);
}

export async function listMessages(
  database: SessionDatabase,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
): Promise<Page<Message> | undefined> {
  const ledger = ledgerOf(database, scope, conversationId);
  const window = await readWindow(ledger, query);
  if (!ledger.exists()) return undefined;
  return { items: window.rows.map(toMessage), nextCursor: window.nextCursor };
}

/** Count and newest message of each conversation, in three trips for all of them. */
export async function describeConversations(
  database: SessionDatabase,
  scope: StoreScope,
  ids: readonly string[],
): Promise<ConversationDescription[]> {
  const keys = ids.map((id) => documentId(scope.tenant, id));
  const bounds = (await database.conversations
    .find({ _id: { $in: keys }, ...inScope(scope), ...isLive(database) }, { projection: { nextSeq: 1 } })
    .toArray()) as unknown as Pick<ConversationDocument, "_id" | "nextSeq">[];
  if (bounds.length === 0) return ids.map(() => ({ messageCount: 0, lastMessage: undefined }));
  const landed = { $or: bounds.map(({ _id, nextSeq }) => ({ conversation: _id, seq: { $lt: nextSeq } })) };
  const groups = await database.messages
    .aggregate([{ $match: landed }, { $group: { _id: "$conversation", count: { $sum: 1 }, last: { $max: "$seq" } } }])
    .toArray();
  const places = groups.map(({ _id, last }) => ({ conversation: _id, seq: last }));
  const found = places.length === 0 ? [] : await database.messages.find({ $or: places }).toArray();
  const messages = new Map((await seen(database, found as unknown as MessageDocument[])).map((one) => [one.conversation, toMessage(one)]));
  const counts = new Map(groups.map(({ _id, count }) => [_id, Number(count)]));
  return keys.map((key) => ({ messageCount: counts.get(key) ?? 0, lastMessage: messages.get(key) }));
}

/** A message as windows are made of it. */
type WindowMessage = Omit<MessageDocument, "toolIds"> & { readonly toolIds: readonly string[] | null };

const toRow = (document: MessageDocument): WindowMessage => ({ ...document, toolIds: document.toolIds ?? null });

function ledgerOf(database: SessionDatabase, scope: StoreScope, conversationId: string) {
  let bounds: Bounds | undefined;
  return {
    exists: () => bounds !== undefined,
    async rows(query: MessageQuery): Promise<WindowMessage[]> {
      const read = await readRows(database, scope, conversationId, query);
      bounds ??= read.bounds;
      return read.rows.map(toRow);
    },
    async partners(edges: readonly ToolEdge[]): Promise<readonly WindowMessage[]> {
      const toolIds = edges.flatMap(({ id }) => [`call:${id}`, `result:${id}`]);
      const filter = { conversation: documentId(scope.tenant, conversationId), toolIds: { $in: toolIds } };
      const found = (await database.messages.find(filter).toArray()) as unknown as MessageDocument[];
      const rows = found.flatMap((document) => asSeen(document, bounds) ?? []).map(toRow);
      return partnersAmong(rows, edges);
    },
  };
}

/** The newest messages that match, newest first, with the bounds they were read by, in one trip. */
async function readRows(
  database: SessionDatabase,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
): Promise<{ readonly rows: MessageDocument[]; readonly bounds: Bounds | undefined }> {
  const key = documentId(scope.tenant, conversationId);
  // The bounds come first: a batch that lands afterwards has later places, and is not seen in part.
  const newest = [
    { $match: { conversation: key, ...rowConditions(query), $expr: { $lt: ["$seq", "$$nextSeq"] } } },
    { $sort: { seq: -1 } },
    { $limit: query.limit },
  ];
  const found = await database.conversations
    .aggregate([
      { $match: isConversation(database, scope, conversationId) },
      { $project: { nextSeq: 1, changes: 1 } },
      { $lookup: { from: database.messageCollection, let: { nextSeq: "$nextSeq" }, pipeline: newest, as: "message" } },
      { $unwind: { path: "$message", preserveNullAndEmptyArrays: true } },
    ])
    .toArray();
  const joined = found as unknown as (Bounds & { readonly message?: MessageDocument })[];
  return { rows: joined.flatMap(({ message, ...bounds }) => (message && asSeen(message, bounds)) ?? []), bounds: joined[0] };
}

function rowConditions({ beforeSeq, afterSeq, before, after, roles }: MessageQuery): object {
  const between = (least: unknown, most: unknown) => ({
    ...(least === undefined ? {} : { $gt: least }),
    ...(most === undefined ? {} : { $lt: most }),
  });
  return {
    ...(beforeSeq === undefined && afterSeq === undefined ? {} : { seq: between(afterSeq, beforeSeq) }),
    ...(before === undefined && after === undefined ? {} : { createdAt: between(after, before) }),
    ...(roles === undefined ? {} : { role: { $in: [...roles] } }),
  };
}

/** Messages by `_id`, as a scope sees them. */
async function findMessages(database: SessionDatabase, scope: StoreScope, ids: readonly string[]): Promise<MessageDocument[]> {
  const found = await database.messages.find({ _id: { $in: ids }, ...inScope(scope) }).toArray();
  return seen(database, found as unknown as MessageDocument[]);
}

export async function getMessage(
  database: SessionDatabase,
  scope: StoreScope,
  conversationId: string,
  messageId: string,
): Promise<Message | undefined> {
  const [found] = await findMessages(database, scope, [documentId(scope.tenant, conversationId, messageId)]);
  return found && toMessage(found);
}

export async function getMessages(
  database: SessionDatabase,
  scope: StoreScope,
  references: readonly MessageReference[],
): Promise<StoredMessage[]> {
  if (references.length === 0) return [];
  const ids = references.map(({ conversationId, messageId }) => documentId(scope.tenant, conversationId, messageId));
  const asked = new Set(ids.map((id, index) => JSON.stringify([references[index]?.userId, id])));
  const found = await findMessages(database, scope, [...new Set(ids)]);
  return found.filter(({ userId, _id }) => asked.has(JSON.stringify([userId, _id]))).map(toStoredMessage);
}

export async function exportMessages(
  database: SessionDatabase,
  scope: StoreScope,
  after: ExportPosition | undefined,
  limit: number,
): Promise<ExportRow[]> {
  for (let position = after; ; ) {
    const found = await exportPage(database, scope, position, limit);
    const rows = await seen(database, found);
    const last = found.at(-1);
    // A page of nothing but messages that have not landed is not the end.
    if (rows.length > 0 || last === undefined) return rows.map((row) => ({ message: toMessage(row), resourceId: row.resourceId }));
    position = last;
  }
}

async function exportPage(database: SessionDatabase, scope: StoreScope, after: ExportPosition | undefined, limit: number) {
  const conditions: object[] = [inScope(scope)];
  if (after !== undefined) {
    const { userId, conversationId, seq } = after;
    conditions.push({
      $or: [
        { userId: { $gt: userId } },
        { userId, conversationId: { $gt: conversationId } },
        { userId, conversationId, seq: { $gt: seq } },
      ],
    });
  }
  const options = { sort: { userId: 1, conversationId: 1, seq: 1 }, limit };
  return (await database.messages.find({ $and: conditions }, options).toArray()) as unknown as MessageDocument[];
}
