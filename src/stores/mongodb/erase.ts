import { randomUUID } from "node:crypto";
import type { StoreScope } from "../../domain/scope.ts";
import { batchesOf } from "../../internal/batches.ts";
import { type ConversationDocument, documentId } from "./documents.ts";
import { type Hold, holding, wishIn } from "./hold.ts";
import { isAdopted, type RemovalDocument } from "./outbox.ts";
import { inScope, type SessionDatabase } from "./session-database.ts";

/** Removals name at most so many messages each. */
const removalSize = 1_000;
/** Conversations erased in one step. */
const erasedAtOnce = 100;
/** Without transactions a removal waits for its delete; one that was broken off is tried after this. */
const brokenOffMs = 60_000;

export async function deleteConversation(database: SessionDatabase, scope: StoreScope, id: string): Promise<boolean> {
  return holding(database, [wishIn(scope, documentId(scope.tenant, id))], async (hold) => {
    await removeHeld(database, hold);
    return hold.conversations.size > 0;
  });
}

export async function deleteMessages(
  database: SessionDatabase,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
): Promise<number | undefined> {
  const key = documentId(scope.tenant, conversationId);
  return holding(database, [wishIn(scope, key)], async (hold) => {
    if (!hold.conversations.has(key)) return undefined;
    let deleted = 0;
    if (messageIds === undefined) deleted = await removeMessages(database, hold, { conversation: key });
    for (const ids of batchesOf(messageIds ?? [], { count: removalSize }))
      deleted += await removeMessages(database, hold, { _id: { $in: ids.map((id) => documentId(scope.tenant, conversationId, id)) } });
    await database.conversations.updateOne({ _id: key, "writing.token": hold.token }, { $unset: { writing: "" } }, optionsOf(hold));
    return deleted;
  });
}

/** In steps, as one user may have more than a transaction holds; each conversation goes whole. */
export async function erase(
  database: SessionDatabase,
  scope: StoreScope,
  { compact }: { readonly compact: boolean },
): Promise<{ conversations: number; messages: number }> {
  const erased = { conversations: 0, messages: 0 };
  for (;;) {
    const options = { projection: { _id: 1 }, limit: erasedAtOnce };
    const found = await database.conversations.find({ ...inScope(scope), isVisible: true }, options).toArray();
    if (found.length === 0) break;
    const wishes = found.map(({ _id }) => wishIn(scope, String(_id)));
    await holding(database, wishes, async (hold) => {
      const messages = await removeHeld(database, hold);
      return { conversations: hold.conversations.size, messages };
    }).then(({ conversations, messages }) => {
      erased.conversations += conversations;
      erased.messages += messages;
    });
  }
  if (compact) await compactCollections(database);
  return erased;
}

/** Deletes the conversations that are held, from one moment on; how many messages they had. */
async function removeHeld(database: SessionDatabase, hold: Hold): Promise<number> {
  const held = [...hold.conversations.values()];
  if (held.length === 0) return 0;
  const mine = { _id: { $in: held.map(({ _id }) => _id) }, "writing.token": hold.token };
  await database.conversations.updateMany(mine, { $set: { isVisible: false } }, optionsOf(hold));
  const messages = await removeMessages(database, hold, { conversation: { $in: held.map(({ _id }) => _id) } });
  await database.conversations.deleteMany(mine, optionsOf(hold));
  return messages;
}

const optionsOf = ({ session }: Hold) => (session === undefined ? {} : { session });

/** Deletes messages of conversations that are held; what a vector store has of them is owed its removal. */
async function removeMessages(database: SessionDatabase, hold: Hold, filter: object): Promise<number> {
  const options = optionsOf(hold);
  const removals = (await isAdopted(database)) ? await removalsOf(database, hold, filter) : [];
  if (removals.length > 0) await database.removals.insertMany(removals, options);
  const { deletedCount } = await database.messages.deleteMany(filter, options);
  if (removals.length > 0 && hold.session === undefined)
    await database.removals.updateMany({ _id: { $in: removals.map(({ _id }) => _id) } }, { $set: { dueAt: new Date() } });
  return deletedCount;
}

async function removalsOf(database: SessionDatabase, hold: Hold, filter: object): Promise<RemovalDocument[]> {
  const options = { projection: { conversation: 1, id: 1 }, ...optionsOf(hold) };
  const found = await database.messages.find({ ...filter, text: { $ne: "" } }, options).toArray();
  const ids = new Map<string, string[]>();
  for (const { conversation, id } of found as unknown as { readonly conversation: string; readonly id: string }[]) {
    const own = ids.get(conversation);
    if (own === undefined) ids.set(conversation, [id]);
    else own.push(id);
  }
  const dueAt = new Date(Date.now() + (hold.session === undefined ? brokenOffMs : 0));
  return [...ids].flatMap(([key, all]) => {
    const { tenant, userId, id: conversationId } = hold.conversations.get(key) as ConversationDocument;
    return [...batchesOf(all, { count: removalSize })].map((messageIds) => {
      return { _id: randomUUID(), tenant, userId, conversationId, messageIds, dueAt, attempts: 0 };
    });
  });
}

/** Gives space back where the server and the user's rights allow it; it is no part of what was promised. */
async function compactCollections({ connection }: SessionDatabase): Promise<void> {
  for (const name of ["messages", "conversations", "outbox"])
    await connection.database.command({ compact: connection.nameOf(name) }).catch(() => {});
}
