import type { Conversation } from "../domain/conversation.ts";
import { UnsupportedError } from "../domain/errors.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ConversationOwner } from "../domain/session-store.ts";
import { forgetConversation } from "./facts/taking-facts.ts";
import type { MemoryCore } from "./memory-core.ts";
import { leaseType } from "./summaries/summary-record.ts";

/** Gives a conversation to another owner; undefined when it is not there. */
export async function moveConversation(
  core: MemoryCore,
  scope: StoreScope,
  id: string,
  to: ConversationOwner,
  signal: AbortSignal | undefined,
): Promise<Conversation | undefined> {
  const { store } = core;
  if (store.moveConversation === undefined)
    throw new UnsupportedError(
      store.name,
      "move conversation",
      "conversations keep their owner here: export this one, import it for the other user, and delete it",
    );
  // Messages on their way to it arrive before it goes.
  await core.queue.drain();
  const before = await store.getConversation(scope, id, signal);
  // What was known from it was known of its old owner.
  if (before !== undefined && to.userId !== undefined && to.userId !== before.userId) await forgetConversation(core, scope, id, signal);
  const moved = await store.moveConversation(scope, id, to, signal);
  if (before !== undefined && moved !== undefined) {
    await moveRecords(core, scope.tenant, before, moved, signal);
    // Who was summarising it has lost it.
    const of = { tenant: scope.tenant, userId: moved.userId, resourceId: undefined };
    await (await core.records.openToDelete())?.erase(of, { types: [leaseType], conversationId: id }, signal);
  }
  core.worker.wake();
  return moved;
}

const recordsAtOnce = 1_000;

/** Records that did not come along with their conversation: they are kept elsewhere, or by a store that moves only messages. */
async function moveRecords(
  core: MemoryCore,
  tenant: string,
  before: Conversation,
  { userId, resourceId }: Conversation,
  signal: AbortSignal | undefined,
): Promise<void> {
  const records = await core.records.openToDelete();
  if (records === undefined || (userId === before.userId && resourceId === before.resourceId)) return;
  const scope = { tenant, userId: before.userId, resourceId: before.resourceId };
  const query = { conversationId: before.id, orderBy: "createdAt", direction: "asc", limit: recordsAtOnce, offset: 0 } as const;
  for (;;) {
    // What is moved is not found again: each round begins anew.
    const { items } = await records.list(scope, { ...query, cursor: undefined }, signal);
    if (items.length === 0) return;
    const vectors = (await records.vectors?.get(tenant, items, signal)) ?? [];
    const operations = items.flatMap(({ version, updatedAt: _updatedAt, ...record }, index) => [
      { delete: { tenant, userId: record.userId, type: record.type, id: record.id } },
      { put: { ...record, userId, resourceId }, vector: vectors[index], aboveVersion: version },
    ]);
    await records.write(operations, signal);
  }
}
