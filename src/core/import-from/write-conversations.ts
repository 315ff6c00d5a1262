import { isDeepStrictEqual } from "node:util";
import { ConflictError } from "../../domain/errors.ts";
import type { SourceConversation, SourceMessage } from "../../domain/import-source.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { checkVectors } from "../add-messages.ts";
import { validateId } from "../messages/normalize-message.ts";
import { toRequests } from "../transfer.ts";
import { encodeMetadata, parseText } from "../validate.ts";
import { type ImportTarget, type NamedItem, unlessInvalid } from "./target.ts";

const conversationsAtOnce = 8;
const takenId = "the memory has a conversation of this id that is another user's";

/** Stores messages, and makes their conversations where these are new. */
export async function writeMessages(target: ImportTarget, items: readonly NamedItem<SourceMessage>[]): Promise<void> {
  let requests = new Map<string, AppendRequest>();
  let names = new Map<string, string>();
  for (const { name, item } of items) {
    const line = { ...item.message, userId: item.message.userId ?? target.userId };
    // Checked one by one: a row that cannot be stored is told of, and the others are stored.
    const [request] = unlessInvalid(target, name, () => toRequests(target.scope, [line], {}, target.core.embedder)) ?? [];
    const id = request?.messages[0]?.id;
    if (request === undefined || id === undefined) continue;
    const key = keyOf(line.conversation, id);
    // One statement cannot write the same message twice: the second goes into the next.
    if (names.has(key)) {
      await append(target, [...requests.values()], names);
      requests = new Map();
      names = new Map();
    }
    names.set(key, name);
    const owner = keyOf(request.userId, request.conversationId);
    const before = requests.get(owner);
    if (before === undefined) requests.set(owner, { ...request, messages: [...request.messages] });
    else (before.messages as NewMessage[]).push(...request.messages);
  }
  await append(target, [...requests.values()], names);
}

async function append(target: ImportTarget, requests: readonly AppendRequest[], names: ReadonlyMap<string, string>): Promise<void> {
  if (requests.length === 0) return;
  const { core, dryRun, tally, signal } = target;
  if (!dryRun) {
    await checkVectors(
      core,
      requests.flatMap(({ messages }) => messages),
    );
  }
  const outcomes = dryRun ? requests.map(({ messages }) => messages) : await core.store.append(requests, signal);
  requests.forEach((request, index) => {
    if (outcomes[index] === undefined) {
      for (const { id } of request.messages) tally.skip(takenId, names.get(keyOf(request.conversationId, id)) ?? id);
      return;
    }
    tally.messages += request.messages.length;
    tally.vectors += request.messages.filter(({ embedding, text }) => embedding !== null && text !== "").length;
    tally.conversation(request.userId, request.conversationId);
  });
}

const keyOf = (conversation: string, id: string) => JSON.stringify([conversation, id]);

/** Makes the conversations that had no messages, and brings the others up to date. */
export async function writeConversations(target: ImportTarget, items: readonly NamedItem<SourceConversation>[]): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await writeConversation(target, next);
  };
  await Promise.all(Array.from({ length: conversationsAtOnce }, lane));
}

async function writeConversation(target: ImportTarget, { name, item }: NamedItem<SourceConversation>): Promise<void> {
  const { core, scope, dryRun, tally, signal } = target;
  const conversation = unlessInvalid(target, name, () => toConversation(target, item));
  if (conversation === undefined) return;
  const { userId, id, resourceId, title, metadataJson } = conversation;
  if (!dryRun) {
    const owner = { tenant: scope.tenant, userId, resourceId: undefined };
    const found = await core.store.getConversation(owner, id, signal);
    if (found === undefined) {
      try {
        await core.store.createConversation(
          { tenant: scope.tenant, userId, id, resourceId, title, metadataJson, language: undefined },
          signal,
        );
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        return tally.skip(takenId, name);
      }
    } else {
      const changed = {
        ...(title !== "" && title !== found.title && { title }),
        ...(!isDeepStrictEqual(JSON.parse(metadataJson), found.metadata) && { metadata: item.metadata }),
      };
      if (Object.keys(changed).length > 0) await core.store.updateConversation(owner, id, changed, signal);
    }
  }
  tally.conversation(userId, id);
}

function toConversation(target: ImportTarget, { id, userId = target.userId, resourceId = "default", title, metadata }: SourceConversation) {
  validateId("conversation", id);
  validateId("userId", userId);
  validateId("resourceId", resourceId);
  const metadataJson = encodeMetadata("metadata", metadata);
  return { id, userId, resourceId, title: parseText("title", title, 10_000) ?? "", metadataJson } satisfies Partial<
    AppendRequest["create"] & { id: string; userId: string }
  >;
}
