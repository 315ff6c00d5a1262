import type { Conversation, Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery, NewConversation, SessionStats, StoredConversationChanges } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { type ConversationDocument, documentId, toConversation } from "./documents.ts";
import { holding } from "./hold.ts";
import type { MongoCollectionLike } from "./mongo-client.ts";
import { expiryOf, inScope, isLive, type SessionDatabase } from "./session-database.ts";

/** The condition of one conversation that this scope may see. */
export function isConversation(database: SessionDatabase, scope: StoreScope, id: string): object {
  return { _id: documentId(scope.tenant, id), ...inScope(scope), ...isLive(database) };
}

export async function createConversation(database: SessionDatabase, conversation: NewConversation): Promise<Conversation> {
  const { tenant, userId, id, resourceId, title, metadataJson, language } = conversation;
  const key = documentId(tenant, id);
  const now = new Date();
  const document = {
    _id: key,
    tenant,
    userId,
    id,
    resourceId,
    title,
    metadata: metadataJson,
    ...(language === undefined ? {} : { language }),
    createdAt: now,
    updatedAt: now,
    nextSeq: 1,
    ...expiryOf(database),
  };
  const isMade = await holding(database, [{ key, users: [], resourceId: undefined, create: () => document }], async (hold) => {
    if (!hold.conversations.has(key)) return false;
    const options = hold.session === undefined ? {} : { session: hold.session };
    const update = { $set: { isVisible: true }, $unset: { writing: "" } };
    await database.conversations.updateOne({ _id: key, "writing.token": hold.token }, update, options);
    return true;
  });
  if (!isMade) throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
  return toConversation({ ...document, isVisible: true });
}

async function findConversations(collection: MongoCollectionLike, filter: object, options?: object): Promise<ConversationDocument[]> {
  return (await collection.find(filter, options).toArray()) as unknown as ConversationDocument[];
}

export async function getConversation(database: SessionDatabase, scope: StoreScope, id: string): Promise<Conversation | undefined> {
  const [found] = await findConversations(database.conversations, isConversation(database, scope, id));
  return found && toConversation(found);
}

export async function updateConversation(
  database: SessionDatabase,
  scope: StoreScope,
  id: string,
  { title, metadata, ifTitle, ...marks }: StoredConversationChanges,
): Promise<Conversation | undefined> {
  const which = { ...isConversation(database, scope, id), ...(ifTitle === undefined ? {} : { title: ifTitle }) };
  // What is marked already keeps its time: it does not match.
  if (marks.pinned === true) await database.conversations.updateOne({ ...which, pinnedAt: null }, { $set: { pinnedAt: new Date() } });
  if (marks.archived === true) await database.conversations.updateOne({ ...which, archivedAt: null }, { $set: { archivedAt: new Date() } });
  const set = {
    ...(title === undefined ? {} : { title }),
    ...(metadata === undefined ? {} : { metadata: JSON.stringify(metadata) }),
  };
  const unset = { ...(marks.pinned === false ? { pinnedAt: "" } : {}), ...(marks.archived === false ? { archivedAt: "" } : {}) };
  const update = {
    ...(Object.keys(set).length === 0 ? {} : { $set: set, $max: { updatedAt: new Date() } }),
    ...(Object.keys(unset).length === 0 ? {} : { $unset: unset }),
  };
  if (Object.keys(update).length > 0) await database.conversations.updateOne(which, update);
  return getConversation(database, scope, id);
}

export async function listConversations(
  database: SessionDatabase,
  scope: StoreScope,
  query: ConversationQuery,
): Promise<Page<Conversation>> {
  const { orderBy, limit, cursor, offset } = query;
  const isTime = orderBy !== "title";
  const direction = query.direction === "asc" ? 1 : -1;
  const beyond = query.direction === "asc" ? "$gt" : "$lt";
  const conditions: object[] = [{ ...inScope(scope), ...isLive(database) }];
  if (query.archived !== undefined) conditions.push({ archivedAt: query.archived ? { $ne: null } : null });
  if (query.pinned !== undefined) conditions.push({ pinnedAt: query.pinned ? { $ne: null } : null });
  if (cursor !== undefined) {
    const [place, id] = decodeCursor(query, cursor, 2);
    const value = isTime ? new Date(Number(place)) : String(place);
    conditions.push({ $or: [{ [orderBy]: { [beyond]: value } }, { [orderBy]: value, id: { [beyond]: id } }] });
  }
  const options = { sort: { [orderBy]: direction, id: direction }, skip: offset, limit: limit + 1 };
  const documents = await findConversations(database.conversations, { $and: conditions }, options);
  const page = documents.slice(0, limit);
  const last = documents.length > limit ? page.at(-1) : undefined;
  const placeOf = (document: ConversationDocument) => (isTime ? document[orderBy].getTime() : document.title);
  return {
    items: page.map(toConversation),
    nextCursor: last && encodeCursor(query, [placeOf(last), last.id]),
  };
}

export async function countConversations(database: SessionDatabase, scope: StoreScope): Promise<number> {
  return database.conversations.countDocuments({ ...inScope(scope), ...isLive(database) });
}

export async function countAll(database: SessionDatabase, scope: StoreScope): Promise<SessionStats> {
  const owned = inScope({ ...scope, resourceId: undefined });
  const [users, messages] = await Promise.all([
    database.conversations
      .aggregate([{ $match: { ...owned, ...isLive(database) } }, { $group: { _id: "$userId", conversations: { $sum: 1 } } }])
      .toArray(),
    database.messages.countDocuments(owned),
  ]);
  return {
    conversations: users.reduce((sum, user) => sum + Number(user.conversations), 0),
    messages,
    users: users.length,
  };
}
