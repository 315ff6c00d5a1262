import { randomUUID } from "node:crypto";
import { BackendError } from "../../domain/errors.ts";
import type { Message } from "../../domain/message.ts";
import { indexedWords, textRevision } from "../../domain/search-text.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { batchesOf } from "../../internal/batches.ts";
import { scalarTokens } from "../../internal/scalar-tokens.ts";
import {
  type ConversationDocument,
  changed,
  documentId,
  type MessageChange,
  type MessageDocument,
  type OwedField,
  toMessage,
  toUpdate,
} from "./documents.ts";
import { type Hold, holding, type Wish } from "./hold.ts";
import { indexLanguage } from "./language.ts";
import { expiryOf, keptUntil, type SessionDatabase } from "./session-database.ts";

/** Ids looked up at once. */
const idsAtOnce = 1_000;

export async function append(database: SessionDatabase, requests: readonly AppendRequest[]): Promise<(Message[] | undefined)[]> {
  if (requests.length === 0) return [];
  const groups = new Map<string, AppendRequest[]>();
  for (const request of requests) {
    const key = conversationKey(request);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [request]);
    else group.push(request);
  }
  const wishes = [...groups].map(([key, group]) => toWish(database, key, group));
  return holding(database, wishes, async (hold) => {
    const plans = await plan(database, hold, groups);
    if (plans.length > 0) await land(database, hold, plans);
    const answers = new Map(plans.flatMap((one) => [...one.answers]));
    return requests.map((request) => answers.get(request));
  });
}

const conversationKey = ({ tenant, conversationId }: AppendRequest) => documentId(tenant, conversationId);

function toWish(database: SessionDatabase, key: string, group: readonly AppendRequest[]): Wish {
  const creating = group.find((request) => request.createConversation);
  return {
    key,
    users: [...new Set(group.map((request) => request.userId))],
    resourceId: undefined,
    create: creating && (() => newConversation(database, key, creating)),
  };
}

function newConversation(database: SessionDatabase, key: string, { tenant, userId, conversationId, create, messages }: AppendRequest) {
  const times = messages.map((message) => message.createdAt.getTime());
  return {
    _id: key,
    tenant,
    userId,
    id: conversationId,
    resourceId: create.resourceId,
    title: create.title,
    metadata: create.metadataJson,
    ...(create.language === undefined ? {} : { language: create.language }),
    createdAt: new Date(times.reduce((one, other) => Math.min(one, other))),
    updatedAt: new Date(times.reduce((one, other) => Math.max(one, other))),
    nextSeq: 1,
    ...expiryOf(database),
  };
}

/** What is to be written to one conversation. */
interface Plan {
  readonly conversation: ConversationDocument;
  readonly added: readonly MessageDocument[];
  readonly changes: readonly MessageChange[];
  readonly nextSeq: number;
  readonly updatedAt: Date;
  readonly answers: ReadonlyMap<AppendRequest, Message[]>;
}

async function plan(database: SessionDatabase, hold: Hold, groups: ReadonlyMap<string, readonly AppendRequest[]>): Promise<Plan[]> {
  const known = await findKnown(database, hold, groups);
  return [...hold.conversations.values()].map((conversation) => {
    const allowed = (groups.get(conversation._id) ?? []).filter(
      (request) =>
        request.userId === conversation.userId &&
        (request.requiredResourceId === undefined || !conversation.isVisible || request.requiredResourceId === conversation.resourceId),
    );
    return planOne(database, conversation, allowed, known);
  });
}

/** Messages of these ids that are there already. */
async function findKnown(
  database: SessionDatabase,
  { conversations, session }: Hold,
  groups: ReadonlyMap<string, readonly AppendRequest[]>,
): Promise<Map<string, MessageDocument>> {
  const ids = [...conversations.values()]
    .filter((conversation) => conversation.isVisible)
    .flatMap(({ _id }) => groups.get(_id) ?? [])
    .flatMap((request) => request.messages.map((message) => messageKey(request, message.id)));
  const found: MessageDocument[] = [];
  for (const some of batchesOf(ids, { count: idsAtOnce })) {
    const documents = await database.messages.find({ _id: { $in: some } }, session === undefined ? {} : { session }).toArray();
    found.push(...(documents as unknown as MessageDocument[]));
  }
  return new Map(found.map((document) => [document._id, document]));
}

const messageKey = ({ tenant, conversationId }: AppendRequest, id: string) => documentId(tenant, conversationId, id);

function planOne(
  database: SessionDatabase,
  conversation: ConversationDocument,
  requests: readonly AppendRequest[],
  known: ReadonlyMap<string, MessageDocument>,
): Plan {
  let { nextSeq } = conversation;
  let latest = conversation.updatedAt.getTime();
  const added = new Map<string, MessageDocument>();
  const changes = new Map<string, MessageChange>();
  const answers = new Map<AppendRequest, Message[]>();
  for (const request of requests) {
    const stored = request.messages.map((message) => {
      latest = Math.max(latest, message.createdAt.getTime());
      const key = messageKey(request, message.id);
      const before = known.get(key);
      const own = added.get(key);
      if (before !== undefined) {
        const pending = changes.get(key);
        const current = pending === undefined ? before : changed(before, pending);
        const change = changeOf(database, conversation, current, message);
        const whole = pending === undefined ? change : merge(pending, change);
        changes.set(key, whole);
        return toMessage(changed(before, whole));
      }
      const document =
        own === undefined
          ? newMessage(database, conversation, key, nextSeq++, message)
          : changed(own, changeOf(database, conversation, own, message));
      added.set(key, document);
      return toMessage(document);
    });
    answers.set(request, stored);
  }
  return { conversation, added: [...added.values()], changes: [...changes.values()], nextSeq, updatedAt: new Date(latest), answers };
}

function merge(first: MessageChange, second: MessageChange): MessageChange {
  const unset = new Set([...first.unset.filter((field) => !(field in second.set)), ...second.unset]);
  const set = Object.fromEntries(Object.entries({ ...first.set, ...second.set }).filter(([field]) => !unset.has(field as never)));
  return { _id: first._id, set, unset: [...unset] };
}

function newMessage(
  database: SessionDatabase,
  conversation: ConversationDocument,
  key: string,
  seq: number,
  message: NewMessage,
): MessageDocument {
  const until = keptUntil(database);
  const { set } = contentOf(database, conversation, message, message.createdAt);
  return {
    _id: key,
    conversation: conversation._id,
    tenant: conversation.tenant,
    userId: conversation.userId,
    conversationId: conversation.id,
    resourceId: conversation.resourceId,
    id: message.id,
    seq,
    createdAt: new Date(message.createdAt),
    ...set,
    ...(owesVector(message) ? { owed: newOwed() } : {}),
    ...(until === undefined ? {} : { expiresAt: until }),
  };
}

/** It keeps its place, its time of creation, and its importance when none is given. */
function changeOf(
  database: SessionDatabase,
  conversation: ConversationDocument,
  before: MessageDocument,
  message: NewMessage,
): MessageChange {
  const { set, unset } = contentOf(database, conversation, message, before.createdAt);
  const hasNewText = revisionOf(before) !== textRevision(message);
  const owed = !owesVector(message) ? "no" : hasNewText ? "anew" : "as before";
  return {
    _id: before._id,
    set: { ...set, ...(owed === "anew" ? { owed: newOwed() } : {}) },
    unset: [...unset.filter((field) => field !== "importance"), ...(owed === "no" ? (["owed"] as const) : [])],
  };
}

/** The fields that a message of the same id replaces. */
function contentOf(database: SessionDatabase, conversation: ConversationDocument, message: NewMessage, createdAt: Date) {
  const { role, name, text, partsJson, metadataJson, type, toolIds, importance } = message;
  const optional = {
    name: name ?? undefined,
    words: text === "" ? undefined : indexedWords({ name, text, createdAt }),
    toolIds: toolIds === null ? undefined : [...toolIds],
    importance: importance ?? undefined,
  };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  const missing = Object.entries(optional).filter(([, value]) => value === undefined);
  return {
    set: {
      role,
      text,
      language: conversation.language === undefined ? database.language : indexLanguage(conversation.language),
      parts: partsJson,
      metadata: metadataJson,
      fields: metadataJson === "{}" ? [] : scalarTokens(JSON.parse(metadataJson)),
      type,
      ...(Object.fromEntries(given) as { name?: string; words?: string; toolIds?: string[]; importance?: number }),
    },
    unset: missing.map(([field]) => field as keyof typeof optional),
  };
}

const owesVector = ({ text, embedding }: NewMessage) => text !== "" && embedding === null;

export const revisionOf = ({ role, name, text }: MessageDocument) => textRevision({ role, name, text });

export function newOwed(): OwedField {
  return { generation: randomUUID(), dueAt: new Date(), attempts: 0 };
}

/** Stores what is planned; nobody sees any of it before the conversations are updated. */
async function land(database: SessionDatabase, hold: Hold, plans: readonly Plan[]): Promise<void> {
  const options = hold.session === undefined ? {} : { session: hold.session };
  const added = plans.flatMap((one) => one.added);
  const changes = plans.flatMap((one) => one.changes);
  if (added.length > 0) await database.messages.insertMany(added, options);
  const changesNow = hold.session !== undefined && changes.length > 0;
  if (changesNow) await database.messages.bulkWrite(changes.map(toUpdate), options);
  await prolong(database, plans, options);
  const { matchedCount } = await database.conversations.bulkWrite(
    plans.map((one) => landing(database, hold, one, changesNow)),
    { ordered: false, ...options },
  );
  if (matchedCount < plans.length)
    throw new BackendError("mongodb", "append", "storing took longer than others wait: repeat the call", { retryable: true });
  if (changesNow || changes.length === 0) return;
  await database.messages.bulkWrite(changes.map(toUpdate), options);
  const ids = plans.map((one) => one.conversation._id);
  await database.conversations.updateMany({ _id: { $in: ids }, "writing.token": hold.token }, { $unset: { writing: "", changes: "" } });
}

/** The one update by which a batch is there; changes that are still to be carried out are part of it. */
function landing(
  database: SessionDatabase,
  { token }: Hold,
  { conversation, changes, nextSeq, updatedAt, answers }: Plan,
  changesNow: boolean,
): object {
  const mine = { _id: conversation._id, "writing.token": token };
  const isLast = changesNow || changes.length === 0;
  if (answers.size === 0 && conversation.isVisible) return { updateOne: { filter: mine, update: { $unset: { writing: "" } } } };
  const until = keptUntil(database);
  const isProlonged = until !== undefined && mustProlong(database, conversation);
  const set = {
    nextSeq,
    updatedAt,
    isVisible: true,
    ...expiryOf(database),
    ...(isProlonged ? { messagesUntil: until } : {}),
    ...(isLast ? {} : { changes }),
  };
  return { updateOne: { filter: mine, update: { $set: set, ...(isLast ? { $unset: { writing: "" } } : {}) } } };
}

/** Whether its messages would end before it. */
function mustProlong({ ttlMs = 0 }: SessionDatabase, { messagesUntil }: ConversationDocument): boolean {
  return messagesUntil === undefined || messagesUntil.getTime() < Date.now() + ttlMs;
}

async function prolong(database: SessionDatabase, plans: readonly Plan[], options: object): Promise<void> {
  const until = keptUntil(database);
  if (until === undefined) return;
  const due = plans.map((one) => one.conversation).filter((one) => one.isVisible && mustProlong(database, one));
  if (due.length > 0)
    await database.messages.updateMany({ conversation: { $in: due.map((one) => one._id) } }, { $set: { expiresAt: until } }, options);
}
