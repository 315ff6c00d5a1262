import type { StoreScope } from "../../domain/scope.ts";
import { KeyedQueue } from "../../internal/keyed-queue.ts";
import type { MongoConnection } from "./connection.ts";
import { indexLanguage } from "./language.ts";
import type { MongoCollectionLike } from "./mongo-client.ts";

/** The collections of a session store, indexed. */
export interface SessionDatabase {
  readonly connection: MongoConnection;
  readonly conversations: MongoCollectionLike;
  readonly messages: MongoCollectionLike;
  /** Name of the collection of messages. */
  readonly messageCollection: string;
  /** Vectors that must go. */
  readonly removals: MongoCollectionLike;
  /** One document, `_id: "space"`: the vectors that are owed. */
  readonly settings: MongoCollectionLike;
  /** As the word index takes it. */
  readonly language: string;
  readonly ttlMs: number | undefined;
  readonly hasText: boolean;
  readonly writers: KeyedQueue;
  /** Whether vectors are owed; once they are, they are for good. */
  readonly adoption: { isKnown: boolean };
}

export async function openSessions(
  connection: MongoConnection,
  { language, ttlSeconds }: { readonly language: string; readonly ttlSeconds: number | undefined },
): Promise<SessionDatabase> {
  const conversations = connection.collection("conversations");
  const messages = connection.collection("messages");
  const removals = connection.collection("outbox");
  const [hasText] = await Promise.all([indexMessages(messages), indexConversations(conversations), indexRemovals(removals)]);
  return {
    connection,
    conversations,
    messages,
    messageCollection: connection.nameOf("messages"),
    removals,
    settings: connection.collection("settings"),
    language: indexLanguage(language),
    ttlMs: ttlSeconds === undefined ? undefined : ttlSeconds * 1_000,
    hasText,
    writers: new KeyedQueue(),
    adoption: { isKnown: false },
  };
}

async function indexConversations(conversations: MongoCollectionLike): Promise<void> {
  await conversations.createIndex({ tenant: 1, userId: 1, updatedAt: 1, id: 1 });
  await conversations.createIndex({ tenant: 1, updatedAt: 1, id: 1 });
  await conversations.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 });
}

async function indexRemovals(removals: MongoCollectionLike): Promise<void> {
  await removals.createIndex({ dueAt: 1 });
}

/** Whether words can be searched: the one index a server may not have. */
async function indexMessages(messages: MongoCollectionLike): Promise<boolean> {
  await messages.createIndex({ tenant: 1, userId: 1, conversationId: 1, seq: 1 });
  await messages.createIndex({ conversation: 1, seq: 1 }, { unique: true });
  await messages.createIndex({ conversation: 1, toolIds: 1 }, { partialFilterExpression: { toolIds: { $exists: true } } });
  await messages.createIndex({ "owed.dueAt": 1 }, { partialFilterExpression: { "owed.dueAt": { $exists: true } } });
  await messages.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 });
  return hasWordIndex(messages, "words");
}

/** Makes the text index of a field, within each tenant. */
export async function hasWordIndex(collection: MongoCollectionLike, field: string): Promise<boolean> {
  try {
    await collection.createIndex(
      { tenant: 1, [field]: "text" },
      { name: "words", default_language: "none", language_override: "language" },
    );
    return true;
  } catch (error) {
    // Refused, not unreachable: the server answered with a code of its own.
    if (typeof (error as { code?: unknown }).code === "number") return false;
    throw error;
  }
}

/** The condition of a conversation that is there for its readers. */
export function isLive({ ttlMs }: SessionDatabase): object {
  return { isVisible: true, ...(ttlMs === undefined ? {} : { expiresAt: { $gt: new Date() } }) };
}

export function inScope({ tenant, userId, resourceId }: StoreScope): object {
  return { tenant, ...(userId === undefined ? {} : { userId }), ...(resourceId === undefined ? {} : { resourceId }) };
}

/** When a conversation ends that is used now. */
export function expiryOf({ ttlMs }: SessionDatabase): { readonly expiresAt?: Date } {
  return ttlMs === undefined ? {} : { expiresAt: new Date(Date.now() + ttlMs) };
}

/** Messages are kept this much longer than their conversation, so that few of its uses need to write to all of them. */
const spareLife = 1.25;

/** Until when messages are kept that are written now. */
export function keptUntil({ ttlMs }: SessionDatabase): Date | undefined {
  return ttlMs === undefined ? undefined : new Date(Date.now() + ttlMs * spareLife);
}
