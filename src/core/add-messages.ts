import { DimensionMismatchError, InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { AddMessagesOptions } from "../domain/memory.ts";
import type { Message, MessageInput } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { AppendRequest, NewMessage } from "../domain/session-store.ts";
import { abortable } from "../internal/abort.ts";
import type { MemoryCore } from "./memory-core.ts";
import { normalizeMessages, validateId } from "./messages/normalize-message.ts";
import { forgetPruned, pruneMessages } from "./prune-messages.ts";
import { ownerOf } from "./scope.ts";
import { encodeMetadata, parseCount, parseText } from "./validate.ts";

/** How often the owner of a conversation is looked up. */
const mostRounds = 3;

/** Appends a caller's messages to a conversation of a scope. */
export async function addMessages(
  core: MemoryCore,
  scope: StoreScope,
  conversationId: string,
  input: MessageInput | readonly MessageInput[],
  options: AddMessagesOptions,
): Promise<readonly Message[]> {
  validateId("conversationId", conversationId);
  const resourceId = scope.resourceId ?? options.resourceId ?? "default";
  validateId("resourceId", resourceId);
  const keepNewest = options.keepNewest === undefined ? undefined : parseCount("keepNewest", options.keepNewest, 1, 1, 1_000_000);
  const target = {
    tenant: scope.tenant,
    conversationId,
    requiredResourceId: scope.resourceId,
    createConversation: options.createConversation ?? true,
    create: {
      resourceId,
      title: parseText("conversation.title", options.conversation?.title, 10_000) ?? "",
      metadataJson: encodeMetadata("conversation.metadata", options.conversation?.metadata),
      language: options.conversation?.language,
    },
  };
  const owner = ownerOf(scope, options.userId);
  for (let round = 1; ; round++) {
    const userId = owner ?? (await ownerOfConversation(core, scope, conversationId, options.signal));
    const stored = await appendPruning(core, { ...target, userId }, input, keepNewest, options.signal);
    if (stored !== undefined) return stored;
    // Who was looked up may have given it away meanwhile.
    if (owner === undefined && round < mostRounds) continue;
    throw new NotFoundError(
      "conversation",
      conversationId,
      target.createConversation ? undefined : "create it first, or leave createConversation out",
    );
  }
}

/** Appends, and deletes what is beyond `keepNewest`; undefined when the conversation is not there for this user. */
async function appendPruning(
  core: MemoryCore,
  target: Target,
  input: MessageInput | readonly MessageInput[],
  keepNewest: number | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Message[] | undefined> {
  const { tenant, userId, conversationId } = target;
  const place = { tenant, userId, conversationId };
  const pruned: string[] = [];
  const isInStep = core.store.prunes === true;
  const request = {
    ...target,
    keepNewest: isInStep ? keepNewest : undefined,
    onPruned: (ids: readonly string[]) => void pruned.push(...ids),
  };
  const stored = await appendMessages(core, request, input, signal);
  if (stored !== undefined && keepNewest !== undefined && !isInStep) await pruneMessages(core, place, keepNewest, signal);
  if (pruned.length > 0) await forgetPruned(core, place, pruned, signal);
  if (stored !== undefined) core.titles.noteStored(place, stored);
  return stored;
}

/** On the administrator's handle a known conversation says whose it is. */
async function ownerOfConversation(
  core: MemoryCore,
  scope: StoreScope,
  conversationId: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  await core.open();
  const conversation = await core.store.getConversation(scope, conversationId, signal);
  if (conversation === undefined)
    throw new InvalidArgumentError(
      "userId",
      "is required for a new conversation: whose is it? Pass userId, or use memory.scope({ userId })",
    );
  return conversation.userId;
}

type Target = Omit<AppendRequest, "messages" | "create"> & Partial<Pick<AppendRequest, "create">>;

/** Normalises and appends; undefined when the conversation is not there for this user. */
export async function appendMessages(
  core: MemoryCore,
  target: Target,
  input: MessageInput | readonly MessageInput[],
  signal: AbortSignal | undefined,
): Promise<readonly Message[] | undefined> {
  signal?.throwIfAborted();
  const messages = normalizeMessages(input, new Date());
  await core.open();
  if (messages.length === 0) return [];
  await checkVectors(core, messages);
  const create = withTitle(core, target.create, messages) ?? { resourceId: "default", title: "", metadataJson: "{}", language: undefined };
  const stored = await abortable(core.queue.add({ ...target, create, messages, areNew: areNew(input) }), signal);
  core.worker.wake();
  if (stored !== undefined) core.reading.noteStored(target, stored);
  return stored;
}

/** Whether all ids are ours. */
function areNew(input: MessageInput | readonly MessageInput[]): boolean {
  const all = Array.isArray(input) ? (input as readonly MessageInput[]) : [input as MessageInput];
  return all.every((one) => typeof one === "string" || one.id === undefined);
}

/** A conversation that is created without a title may have it from its first message. */
function withTitle(core: MemoryCore, create: Target["create"], messages: readonly NewMessage[]): Target["create"] {
  return create === undefined || create.title !== "" ? create : { ...create, title: core.titles.fromFirst(messages) };
}

/** Vectors brought by the caller belong to the memory's embedding space, or the call fails before anything is stored. */
export async function checkVectors(core: MemoryCore, messages: readonly NewMessage[]): Promise<void> {
  for (const [index, { embedding }] of messages.entries()) {
    if (embedding === null) continue;
    const expected = core.embedder?.dimensions;
    if (core.embedder !== undefined && expected !== undefined && embedding.length !== expected) {
      throw new DimensionMismatchError(expected, embedding.length, core.embedder.model);
    }
    if (embedding.every((value) => value === 0))
      throw new InvalidArgumentError(`messages[${index}].embedding`, "has length 0 and no direction: leave it out");
    await core.useSpace(embedding.length);
  }
}
