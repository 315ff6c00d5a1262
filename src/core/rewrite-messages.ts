import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { ExportPosition, MessageReference, StoredMessage } from "../domain/session-store.ts";
import { batchesOf } from "../internal/batches.ts";
import type { MemoryCore } from "./memory-core.ts";
import { normalizeMessages } from "./messages/normalize-message.ts";

const readAtOnce = 1_000;
const changedAtOnce = 100;

/** A message as it is, with another text or importance. */
export interface RewrittenMessage {
  readonly message: Message;
  readonly content: string;
  /** Null: what it was, unless the store dropped it with the text. */
  readonly importance: number | null;
}

/** Makes something of messages as they are stored now. */
export type MessageChange<Value> = (stored: readonly StoredMessage[]) => Promise<Value>;

/** Reads messages of one conversation and changes them, while who else changes one of them in this process waits. */
export function changeMessages<Value>(
  core: Pick<MemoryCore, "store" | "writers">,
  scope: StoreScope,
  some: readonly MessageReference[],
  change: MessageChange<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  const keys = some.map(({ conversationId, messageId }) => JSON.stringify(["message", scope.tenant, conversationId, messageId]));
  return core.writers.run(keys, async () => change(await core.store.getMessages(scope, some, signal)));
}

/** Writes messages of one conversation over themselves: place, parts and metadata stay, and nothing new is read from them. */
export async function rewriteMessages(
  core: Pick<MemoryCore, "queue" | "worker">,
  tenant: string,
  changes: readonly RewrittenMessage[],
): Promise<void> {
  const [first] = changes;
  if (first === undefined) return;
  const { userId, conversationId } = first.message;
  const inputs = changes.map(({ message: { id, role, name, parts, metadata, createdAt }, content, importance }) => {
    return { id, role, name, parts, metadata, createdAt, content, importance: importance ?? undefined };
  });
  await core.queue.add({
    ...{ tenant, userId, conversationId, requiredResourceId: undefined, createConversation: false },
    create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
    messages: normalizeMessages(inputs, new Date()),
  });
  core.worker.wake();
}

/** Every message of a scope, or of one conversation of it, conversation by conversation, in order. */
export async function* everyMessage(
  core: Pick<MemoryCore, "store">,
  scope: StoreScope,
  { conversationId, signal }: { readonly conversationId?: string | undefined; readonly signal: AbortSignal | undefined },
): AsyncGenerator<Message[]> {
  const only = conversationId === undefined ? undefined : await core.store.getConversation(scope, conversationId, signal);
  if (conversationId !== undefined && only === undefined) return;
  let after: ExportPosition | undefined = only && { userId: only.userId, conversationId: only.id, seq: Number.MIN_SAFE_INTEGER };
  for (;;) {
    const rows = await core.store.exportMessages(scope, after, readAtOnce, signal);
    const messages = rows.map(({ message }) => message);
    yield only === undefined ? messages : messages.filter((message) => message.conversationId === only.id);
    const last = messages.at(-1);
    if (last === undefined || rows.length < readAtOnce) return;
    if (only !== undefined && last.conversationId !== only.id) return;
    after = { userId: last.userId, conversationId: last.conversationId, seq: last.seq };
  }
}

/** Batches of one conversation each, in order. */
export function* byConversation<Item extends { readonly userId: string; readonly conversationId: string }>(
  items: readonly Item[],
  count = changedAtOnce,
): Generator<Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = JSON.stringify([item.userId, item.conversationId]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  for (const group of groups.values()) yield* batchesOf(group, { count });
}
