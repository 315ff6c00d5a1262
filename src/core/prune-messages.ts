import type { MessageQuery } from "../domain/session-store.ts";
import type { MemoryCore } from "./memory-core.ts";
import { deleteVersions } from "./message-history.ts";

/** Messages read and deleted at once. */
const deletedAtOnce = 1_000;

const everything: Omit<MessageQuery, "limit"> = {
  beforeSeq: undefined,
  afterSeq: undefined,
  before: undefined,
  after: undefined,
  roles: undefined,
};

/** Deletes all but the newest messages of a conversation, widened to whole tool exchanges: for stores that cannot as they append. */
export async function pruneMessages(
  core: MemoryCore,
  { tenant, userId, conversationId }: { readonly tenant: string; readonly userId: string; readonly conversationId: string },
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
    if (store.records !== undefined) await deleteVersions(store.records, { tenant, userId, conversationId, messageIds }, signal);
    core.worker.wake();
  }
}
