import { randomUUID } from "node:crypto";
import { branchMetadata } from "../domain/branch.ts";
import type { Conversation } from "../domain/conversation.ts";
import { NotFoundError } from "../domain/errors.ts";
import type { BranchOptions } from "../domain/memory.ts";
import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { BranchRequest } from "../domain/session-store.ts";
import type { MemoryCore } from "./memory-core.ts";
import { normalizeMessages, validateId } from "./messages/normalize-message.ts";
import { parseText } from "./validate.ts";

const longestTitle = 10_000;
const mostMessages = 10_000;
/** Messages of one append. */
const batchSize = 500;

/** A new conversation that begins as another did: by the store in one step, else message by message. */
export async function branchConversation(
  core: MemoryCore,
  scope: StoreScope,
  conversationId: string,
  options: BranchOptions,
): Promise<Conversation> {
  validateId("conversationId", conversationId);
  const { upTo, id = randomUUID(), signal } = options;
  validateId("id", id);
  if (upTo !== undefined) validateId("upTo", upTo);
  const branch: BranchRequest = { id, upTo, title: parseText("title", options.title, longestTitle) };
  await core.open();
  const made =
    core.store.branchConversation === undefined
      ? await copyMessages(core, scope, conversationId, branch, signal)
      : await core.store.branchConversation(scope, conversationId, branch, signal);
  if (made === undefined) throw new NotFoundError("conversation", conversationId);
  core.worker.wake();
  return made;
}

async function copyMessages(
  { store }: MemoryCore,
  scope: StoreScope,
  conversationId: string,
  { id, upTo, title }: BranchRequest,
  signal: AbortSignal | undefined,
): Promise<Conversation | undefined> {
  const source = await store.getConversation(scope, conversationId, signal);
  if (source === undefined) return undefined;
  const last = upTo === undefined ? undefined : await store.getMessage(scope, conversationId, upTo, signal);
  if (upTo !== undefined && last === undefined) throw new NotFoundError("message", upTo);
  const messages = await readUpTo(store, scope, conversationId, last, signal);
  const owner = { tenant: scope.tenant, userId: source.userId, resourceId: undefined };
  const made = await store.createConversation(
    {
      tenant: scope.tenant,
      userId: source.userId,
      id,
      resourceId: source.resourceId,
      title: title ?? source.title,
      metadataJson: JSON.stringify(branchMetadata(source.metadata, conversationId, upTo ?? messages.at(-1)?.id)),
      language: source.language,
    },
    signal,
  );
  try {
    for (let start = 0; start < messages.length; start += batchSize) {
      await appendCopies(store, scope.tenant, made, messages.slice(start, start + batchSize), signal);
    }
    return (await store.getConversation(owner, id, signal)) ?? made;
  } catch (error) {
    await store.deleteConversation(owner, id).catch(() => {});
    throw error;
  }
}

/** Oldest first. A window ends with the results of the tool calls in it, which may open further calls. */
async function readUpTo(
  store: MemoryCore["store"],
  scope: StoreScope,
  conversationId: string,
  last: Message | undefined,
  signal: AbortSignal | undefined,
): Promise<Message[]> {
  const found = new Map<number, Message>();
  let beforeSeq = last === undefined ? undefined : last.seq + 1;
  for (let isEnd = false; ; ) {
    const query = { limit: mostMessages, beforeSeq, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
    const page = await store.listMessages(scope, conversationId, query, signal);
    const items = page?.items ?? [];
    const end = items.at(-1)?.seq ?? 0;
    if (!isEnd && beforeSeq !== undefined && end >= beforeSeq) {
      beforeSeq = end + 1;
      continue;
    }
    isEnd = true;
    for (const message of items) found.set(message.seq, message);
    if (page?.nextCursor === undefined) return [...found.values()].sort((left, right) => left.seq - right.seq);
    beforeSeq = Number(page.nextCursor);
  }
}

async function appendCopies(
  store: MemoryCore["store"],
  tenant: string,
  { id, userId, resourceId }: Conversation,
  messages: readonly Message[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const references = messages.map((message) => ({ userId, conversationId: message.conversationId, messageId: message.id }));
  const stored = await store.getMessages({ tenant, userId, resourceId: undefined }, references, signal);
  const importance = new Map(stored.map((one) => [one.message.id, one.importance ?? undefined]));
  const inputs = messages.map((message) => ({
    id: message.id,
    role: message.role,
    name: message.name,
    parts: message.parts,
    ...(message.content === "" ? {} : { content: message.content }),
    metadata: message.metadata,
    createdAt: message.createdAt,
    importance: importance.get(message.id),
  }));
  const request = {
    tenant,
    userId,
    conversationId: id,
    requiredResourceId: undefined,
    createConversation: false,
    create: { resourceId, title: "", metadataJson: "{}", language: undefined },
    messages: normalizeMessages(inputs, new Date()),
  };
  const [answer] = await store.append([request], signal);
  if (answer === undefined) throw new NotFoundError("conversation", id, "it was deleted while it was being made: call again");
}
