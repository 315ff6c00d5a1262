import type { Embedder } from "../domain/embedder.ts";
import { InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { ImportOptions, ImportReport } from "../domain/memory.ts";
import type { MessageInputObject } from "../domain/message.ts";
import { encodeParts } from "../domain/parts-codec.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { AppendRequest, ExportPosition } from "../domain/session-store.ts";
import type { ExportedMessage, ImportedEmbedding, ImportedMessage } from "../domain/transfer.ts";
import { checkVectors } from "./add-messages.ts";
import type { MemoryCore } from "./memory-core.ts";
import { normalizeMessages, validateId } from "./messages/normalize-message.ts";
import { ownerOf } from "./scope.ts";
import { encodeMetadata, parseText } from "./validate.ts";

const exportPage = 1_000;
/** Messages of one statement of an import. */
const importBatch = 2_000;

/** Every message of a scope, in order, a page at a time. */
export async function* exportMessages(
  core: MemoryCore,
  scope: StoreScope,
  signal: AbortSignal | undefined,
): AsyncIterable<ExportedMessage> {
  await core.open();
  let after: ExportPosition | undefined;
  for (;;) {
    const rows = await core.store.exportMessages(scope, after, exportPage, signal);
    for (const { message, resourceId } of rows) {
      yield {
        tenant: scope.tenant,
        userId: message.userId,
        resourceId,
        conversation: message.conversationId,
        id: message.id,
        seq: message.seq,
        role: message.role,
        ...(message.name === undefined ? {} : { name: message.name }),
        content: message.content,
        // Bytes, dates and URLs inside parts are written in their coded form, so that a line is plain JSON.
        parts: JSON.parse(encodeParts(message.parts)),
        createdAt: message.createdAt.toISOString(),
        metadata: message.metadata,
      };
    }
    const last = rows.at(-1)?.message;
    if (last === undefined || rows.length < exportPage) return;
    after = { userId: last.userId, conversationId: last.conversationId, seq: last.seq };
  }
}

/** Stores lines from anywhere, many to a statement; each statement lands whole. */
export async function importMessages(
  core: MemoryCore,
  scope: StoreScope,
  lines: Iterable<ImportedMessage> | AsyncIterable<ImportedMessage>,
  options: ImportOptions,
): Promise<ImportReport> {
  await core.open();
  const seen = new Set<string>();
  let messages = 0;
  let batch: ImportedMessage[] = [];
  let ids = new Set<string>();

  const store = async () => {
    if (batch.length === 0) return;
    options.signal?.throwIfAborted();
    const requests = toRequests(scope, batch, options, core.embedder);
    if (batch.some(({ embedding }) => embedding !== undefined))
      await checkVectors(
        core,
        requests.flatMap((request) => request.messages),
      );
    const outcomes = await core.store.append(requests, options.signal);
    outcomes.forEach((outcome, index) => {
      const request = requests[index] as AppendRequest;
      if (outcome === undefined)
        throw new NotFoundError(
          "conversation",
          request.conversationId,
          "the id is taken by another user: import under other ids, or as its owner",
        );
      messages += outcome.length;
      seen.add(JSON.stringify([request.userId, request.conversationId]));
    });
    batch = [];
    ids = new Set();
    core.worker.wake();
    options.onProgress?.({ messages, conversations: seen.size });
  };

  for await (const line of lines) {
    // One statement cannot write the same message twice: the second goes into the next.
    const key = line.id === undefined ? undefined : JSON.stringify([line.userId, line.conversation, line.id]);
    if (batch.length >= importBatch || (key !== undefined && ids.has(key))) await store();
    if (key !== undefined) ids.add(key);
    batch.push(line);
  }
  await store();
  return { messages, conversations: seen.size };
}

/** Lines as requests of a store, one for each conversation. */
export function toRequests(
  scope: StoreScope,
  lines: readonly ImportedMessage[],
  options: Pick<ImportOptions, "userId">,
  embedder: Pick<Embedder, "model" | "dimensions"> | undefined,
): AppendRequest[] {
  const groups = new Map<string, { readonly first: ImportedMessage; readonly userId: string; readonly inputs: MessageInputObject[] }>();
  for (const line of lines) {
    validateId("conversation", line.conversation);
    const userId = ownerOf(scope, scope.userId === undefined ? (line.userId ?? options.userId) : options.userId);
    if (userId === undefined) throw new InvalidArgumentError("userId", "is required: the lines name no user");
    const key = JSON.stringify([userId, line.conversation]);
    const group = groups.get(key);
    const { id, role, name, content, parts, metadata, createdAt } = line;
    const input = { id, role, name, content, parts, metadata, createdAt, embedding: ownVector(embedder, line.embedding) };
    if (group === undefined) groups.set(key, { first: line, userId, inputs: [input] });
    else group.inputs.push(input);
  }
  return [...groups.values()].map(({ first, userId, inputs }) => ({
    tenant: scope.tenant,
    userId,
    conversationId: first.conversation,
    requiredResourceId: scope.resourceId,
    createConversation: true,
    create: {
      resourceId: scope.resourceId ?? first.resourceId ?? "default",
      title: parseText("title", first.title, 10_000) ?? "",
      metadataJson: encodeMetadata("conversationMetadata", first.conversationMetadata),
      language: undefined,
    },
    messages: normalizeMessages(inputs, new Date()),
  }));
}

/** The vector when it can be compared with those of the memory; undefined: the message is embedded anew. */
export function ownVector(
  embedder: Pick<Embedder, "model" | "dimensions"> | undefined,
  embedding: ImportedEmbedding | undefined,
): ImportedEmbedding["vector"] | undefined {
  if (embedder === undefined || embedding === undefined || !isSameModel(embedder.model, embedding.model)) return undefined;
  const { vector } = embedding;
  const fits = vector.length > 0 && (embedder.dimensions === undefined || embedder.dimensions === vector.length);
  let length = 0;
  for (const value of vector) length += value * value;
  return fits && Number.isFinite(length) && length > 0 ? vector : undefined;
}

/** One name may lack the provider that the other begins with. */
function isSameModel(one: string, other: string): boolean {
  return one === other || one.endsWith(`/${other}`) || other.endsWith(`/${one}`);
}
