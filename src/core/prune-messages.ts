import type { MessageQuery } from "../domain/session-store.ts";
import { readingType, sourceType } from "./facts/fact-record.ts";
import { forgetSources } from "./facts/write-facts.ts";
import type { MemoryCore } from "./memory-core.ts";
import { deleteVersions, messageRecordTypes } from "./message-history.ts";

/** Messages read and deleted at once. */
const deletedAtOnce = 1_000;

const everything: Omit<MessageQuery, "limit"> = {
  beforeSeq: undefined,
  afterSeq: undefined,
  before: undefined,
  after: undefined,
  roles: undefined,
};

/** A conversation of a user. */
export interface ConversationPlace {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
}

/** Deletes all but the newest messages of a conversation, widened to whole tool exchanges: for stores that cannot as they append. */
export async function pruneMessages(
  core: MemoryCore,
  { tenant, userId, conversationId }: ConversationPlace,
  keepNewest: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { store } = core;
  const scope = { tenant, userId, resourceId: undefined };
  const list = (query: Partial<MessageQuery> & { readonly limit: number }) =>
    store.listMessages(scope, conversationId, { ...everything, ...query }, signal);
  const kept = await list({ limit: keepNewest });
  const oldest = kept?.items[0]?.seq;
  if (oldest === undefined || kept?.nextCursor === undefined) return;
  for (;;) {
    const old = await list({ limit: deletedAtOnce, beforeSeq: oldest });
    const messageIds = old?.items.filter(({ seq }) => seq < oldest).map(({ id }) => id) ?? [];
    if (messageIds.length === 0) return;
    await store.deleteMessages(scope, conversationId, messageIds, signal);
    await forgetPruned(core, { tenant, userId, conversationId }, messageIds, signal);
    core.worker.wake();
  }
}

/** What messages were before they were edited, and what is known from them alone, goes with them. */
export async function forgetPruned(
  core: MemoryCore,
  { tenant, userId, conversationId }: ConversationPlace,
  messageIds: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const records = await core.records.openToDelete();
  const scope = { tenant, userId, resourceId: undefined };
  const types = [...messageRecordTypes, sourceType, readingType];
  // Most conversations have none of it, and a chat prunes at every turn.
  if (records === undefined || (await records.count(scope, { types, conversationId }, signal)) === 0) return;
  await deleteVersions(records, { tenant, userId, conversationId, messageIds }, signal);
  await forgetSources(core, { records, tenant, userId, signal }, conversationId, messageIds);
}
