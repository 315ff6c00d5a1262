import { randomUUID } from "node:crypto";
import type { Page } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { textRevision } from "../../domain/search-text.ts";
import type {
  AppendRequest,
  ConversationDescription,
  ExportPosition,
  ExportRow,
  MessageQuery,
  MessageReference,
  NewMessage,
  StoredMessage,
} from "../../domain/session-store.ts";
import { batchesOf } from "../../internal/batches.ts";
import { partnersAmong, readWindow, type WindowReader } from "../windows.ts";
import { encodeData } from "./session-conversations.ts";
import { conversationKeys, dueKey, dueMember, tenantsKey, titleMember } from "./session-keys.ts";
import { decodeRows, encodePayload, type RedisRow, toMessage, toStored } from "./session-rows.ts";
import { appendScript, deleteScript, exportScript, messagesScript, toolsScript, windowScript } from "./session-scripts.ts";
import { addToListings, conversationIds, keysOf, orAny, ownersOf, type RedisSpace, removeFromListings } from "./session-space.ts";

/** The requests of one call to one conversation under the same rules. */
interface Group {
  readonly first: AppendRequest;
  readonly requests: { readonly index: number; readonly count: number }[];
  readonly messages: NewMessage[];
}

/**
 * One script for all conversations on a single server; on a cluster one for each, as they are on different nodes. What a
 * worker owes is announced before and after: a crash between leaves an entry that leads nowhere, never one too few.
 */
export async function append(space: RedisSpace, requests: readonly AppendRequest[]): Promise<(Message[] | undefined)[]> {
  if (requests.length === 0) return [];
  const groups = groupByConversation(requests);
  const { connection, prefix } = space;
  const now = Date.now();
  const firsts = groups.map(({ first }) => first);
  await Promise.all([
    announce(space, now, firsts),
    ...[...new Set(firsts.map(({ tenant }) => tenant))].map((tenant) => connection.run("SADD", tenantsKey(prefix), tenant)),
    ...(connection.isCluster ? firsts.filter(({ createConversation }) => createConversation).map((first) => foretell(space, first)) : []),
  ]);
  const batches = connection.isCluster ? groups.map((group) => [group]) : [groups];
  const written = (await Promise.all(batches.map((batch) => appendBatch(space, batch, now)))).flat();
  const answers: (Message[] | undefined)[] = new Array(requests.length).fill(undefined);
  const listed: Promise<void>[] = [];
  groups.forEach((group, index) => {
    const [isAllowed, createdAt, updatedAt, member, ...places] = written[index] as [number, string, string, string, ...string[]];
    const { tenant, userId, conversationId: id } = group.first;
    if (isAllowed === 1) deal(group, places, answers);
    if (!connection.isCluster) return;
    if (isAllowed !== 1) listed.push(removeFromListings(space, tenant, userId, [id]));
    else listed.push(addToListings(space, { tenant, userId, id, createdAt, updatedAt, titleMember: member }, "after"));
  });
  await Promise.all(listed);
  await announce(space, now, firsts);
  return answers;
}

/** Lists a conversation before it is written: a crash between leaves an entry that leads nowhere, never one too few. */
async function foretell(space: RedisSpace, { tenant, userId, conversationId: id, create, messages }: AppendRequest): Promise<void> {
  const createdAt = String(messages[0]?.createdAt.getTime());
  await addToListings(space, { tenant, userId, id, createdAt, updatedAt: createdAt, titleMember: titleMember(create.title, id) }, "before");
}

function groupByConversation(requests: readonly AppendRequest[]): Group[] {
  const groups = new Map<string, Group>();
  requests.forEach((request, index) => {
    const { tenant, userId, conversationId, requiredResourceId, createConversation } = request;
    const key = JSON.stringify([tenant, userId, conversationId, requiredResourceId, createConversation]);
    const group = groups.get(key) ?? { first: request, requests: [], messages: [] };
    groups.set(key, group);
    group.requests.push({ index, count: request.messages.length });
    group.messages.push(...request.messages);
  });
  return [...groups.values()];
}

/** Says in the index of what is due that these conversations are to be looked at. */
async function announce({ connection, prefix, owes }: RedisSpace, now: number, requests: readonly AppendRequest[]): Promise<void> {
  if (!owes) return;
  const entries = requests.flatMap(({ tenant, conversationId }) => [String(now), dueMember(tenant, conversationId)]);
  await connection.run("ZADD", dueKey(prefix), "LT", ...entries);
}

async function appendBatch(space: RedisSpace, groups: readonly Group[], now: number): Promise<unknown[]> {
  const { connection, ttlMs, owes } = space;
  const values: (string | number)[] = [ttlMs, now, owes ? 1 : 0, groups.length, connection.isCluster ? 0 : 1];
  for (const { first, messages } of groups) {
    const { userId, conversationId, requiredResourceId, createConversation, create } = first;
    const times = messages.map((message) => message.createdAt.getTime());
    const [firstAt, lastAt] = times.reduce(([least, most], time) => [Math.min(least, time), Math.max(most, time)], [Infinity, -Infinity]);
    values.push(userId, conversationId, orAny(requiredResourceId), createConversation ? 1 : 0, create.resourceId);
    values.push(encodeData(create.title, create.metadataJson, create.language), titleMember(create.title, conversationId));
    values.push(firstAt as number, lastAt as number, messages.length);
    for (const message of messages) values.push(...messageValues(message));
  }
  const keys = groups.flatMap(({ first }) => keysOf(space, first.tenant, first.userId, first.conversationId));
  return (await connection.script(appendScript, keys, values)) as unknown[];
}

function messageValues(message: NewMessage): (string | number)[] {
  const { id, role, text, importance, toolIds, embedding } = message;
  return [
    id,
    message.createdAt.getTime(),
    importance ?? "",
    text === "" ? "" : textRevision(message),
    embedding === null ? 0 : 1,
    toolIds === null ? "" : JSON.stringify(toolIds),
    role,
    encodePayload(message),
  ];
}

/** Deals the places out to the requests they came from; of two versions of one message both answer the later one. */
function deal({ first, requests, messages }: Group, places: readonly string[], answers: (Message[] | undefined)[]): void {
  const latest = new Map(messages.map((message) => [message.id, message]));
  let position = 0;
  for (const { index, count } of requests) {
    answers[index] = messages.slice(position, position + count).map(({ id }, offset) => {
      const message = latest.get(id) as NewMessage;
      const at = 2 * (position + offset);
      return {
        id,
        conversationId: first.conversationId,
        userId: first.userId,
        seq: Number(places[at]),
        role: message.role,
        name: message.name ?? undefined,
        content: message.text,
        parts: decodeParts(message.partsJson),
        metadata: JSON.parse(message.metadataJson),
        createdAt: new Date(Number(places[at + 1])),
      };
    });
    position += count;
  }
}

class NoConversation extends Error {}

/** One trip, unless a tool exchange reaches far beyond the window. */
const newest: MessageQuery = {
  limit: 1,
  beforeSeq: undefined,
  afterSeq: undefined,
  before: undefined,
  after: undefined,
  roles: undefined,
};

/** Count and newest message of each conversation; all are asked for at once, and travel together. */
export async function describeConversations(
  space: RedisSpace,
  scope: StoreScope,
  ids: readonly string[],
): Promise<ConversationDescription[]> {
  return Promise.all(
    ids.map(async (id) => {
      const [count, page] = await Promise.all([
        space.connection.run("HLEN", conversationKeys(space.prefix, scope.tenant, id)[1] as string),
        listMessages(space, scope, id, newest),
      ]);
      return { messageCount: page === undefined ? 0 : Number(count), lastMessage: page?.items.at(-1) };
    }),
  );
}

export async function listMessages(
  space: RedisSpace,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
): Promise<Page<Message> | undefined> {
  try {
    const { reader, owner } = ledger(space, scope, conversationId);
    const window = await readWindow(reader, query);
    const userId = window.rows.length === 0 ? "" : await owner();
    return { items: window.rows.map((row) => toMessage(userId, conversationId, row)), nextCursor: window.nextCursor };
  } catch (error) {
    if (error instanceof NoConversation) return undefined;
    throw error;
  }
}

/** A conversation as windows are read from it. */
function ledger(space: RedisSpace, scope: StoreScope, conversationId: string) {
  const { connection, prefix, ttlMs } = space;
  const keys = conversationKeys(prefix, scope.tenant, conversationId);
  const whose = [orAny(scope.userId), orAny(scope.resourceId), ttlMs] as const;
  const reader: WindowReader<RedisRow> = {
    async rows({ beforeSeq, afterSeq, before, after, roles, limit }) {
      const bounds = [beforeSeq === undefined ? "+inf" : `(${beforeSeq}`, afterSeq === undefined ? "-inf" : `(${afterSeq}`];
      const times = [before?.getTime() ?? "", after?.getTime() ?? ""];
      const values = [...whose, ...bounds, ...times, limit, ...(roles === undefined ? [] : ["roles", ...roles])];
      const [isThere, ...flat] = (await connection.script(windowScript, keys, values)) as [number, ...string[]];
      if (isThere !== 1) throw new NoConversation();
      return decodeRows(flat);
    },
    async partners(edges) {
      const flat = (await connection.script(toolsScript, keys, [])) as string[];
      const tools: { seq: number; toolIds: string[] }[] = [];
      for (let index = 0; index < flat.length; index += 2)
        tools.push({ seq: Number(flat[index]), toolIds: JSON.parse(flat[index + 1] as string) as string[] });
      const places = partnersAmong(tools, edges).map(({ seq }) => String(seq));
      if (places.length === 0) return [];
      const [, , ...rows] = (await connection.script(messagesScript, keys, [...whose, "s", ...places])) as string[];
      return decodeRows(rows);
    },
  };
  const owner = async () => scope.userId ?? String(await connection.run("HGET", keys[0] as string, "userId"));
  return { reader, owner };
}

export async function getMessage(
  space: RedisSpace,
  scope: StoreScope,
  conversationId: string,
  messageId: string,
): Promise<Message | undefined> {
  return (await readMessages(space, scope, conversationId, [messageId]))[0]?.message;
}

/** A script a conversation, sent together. */
export async function getMessages(space: RedisSpace, scope: StoreScope, references: readonly MessageReference[]): Promise<StoredMessage[]> {
  const groups = Map.groupBy(references, ({ userId, conversationId }) => JSON.stringify([userId, conversationId]));
  const read = await Promise.all(
    [...groups.values()].map((group) => {
      const { userId, conversationId } = group[0] as MessageReference;
      if (scope.userId !== undefined && scope.userId !== userId) return [];
      const ids = new Set(group.map(({ messageId }) => messageId));
      return readMessages(space, { ...scope, userId }, conversationId, [...ids]);
    }),
  );
  return read.flat();
}

async function readMessages(
  space: RedisSpace,
  scope: StoreScope,
  conversationId: string,
  ids: readonly string[],
): Promise<StoredMessage[]> {
  const keys = conversationKeys(space.prefix, scope.tenant, conversationId);
  const values = [orAny(scope.userId), orAny(scope.resourceId), space.ttlMs, "i", ...ids];
  const [userId = "", resourceId = "", ...rows] = (await space.connection.script(messagesScript, keys, values)) as string[];
  return decodeRows(rows).map((row) => toStored(userId, conversationId, resourceId, row));
}

const erasedAtOnce = 100;

/** Arguments of one script stay within what Lua unpacks. */
const deletedAtOnce = 5_000;

export async function deleteMessages(
  space: RedisSpace,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
): Promise<number | undefined> {
  if (messageIds === undefined) return remove(space, scope, conversationId, ["*"]);
  let deleted = 0;
  for (let start = 0; start === 0 || start < messageIds.length; start += deletedAtOnce) {
    const some = await remove(space, scope, conversationId, ["ids", ...messageIds.slice(start, start + deletedAtOnce)]);
    if (some === undefined) return undefined;
    deleted += some;
  }
  return deleted;
}

async function remove(space: RedisSpace, scope: StoreScope, id: string, what: readonly string[]): Promise<number | undefined> {
  const { connection, prefix, ttlMs, owes } = space;
  const now = Date.now();
  const entry = [String(now), dueMember(scope.tenant, id)] as const;
  if (owes) await connection.run("ZADD", dueKey(prefix), "LT", ...entry);
  const values = [orAny(scope.userId), orAny(scope.resourceId), ttlMs, owes ? 1 : 0, now, randomUUID(), ...what];
  const deleted = (await connection.script(deleteScript, conversationKeys(prefix, scope.tenant, id), values)) as number;
  if (deleted === -1) return undefined;
  if (owes) await connection.run("ZADD", dueKey(prefix), "LT", ...entry);
  return deleted;
}

/** How many messages went with it; undefined when it was not there. */
export async function deleteConversation(space: RedisSpace, scope: StoreScope, id: string): Promise<number | undefined> {
  return (await deleteConversations(space, scope, [id]))[0];
}

async function deleteConversations(space: RedisSpace, scope: StoreScope, ids: readonly string[]): Promise<(number | undefined)[]> {
  const { connection, prefix } = space;
  const { tenant } = scope;
  const owners = await Promise.all(ids.map((id) => connection.run("HGET", conversationKeys(prefix, tenant, id)[0] as string, "userId")));
  const deleted = await Promise.all(ids.map((id) => remove(space, scope, id, ["-"])));
  // Those that were gone before are taken off the scope's own listings, those deleted now off their owner's.
  const byUser = Map.groupBy(
    [...ids.keys()].filter((index) => deleted[index] !== undefined || owners[index] == null),
    (index) => (owners[index] == null ? scope.userId : String(owners[index])),
  );
  await Promise.all(
    [...byUser].map(([userId, own]) =>
      removeFromListings(
        space,
        tenant,
        userId,
        own.map((index) => ids[index] as string),
      ),
    ),
  );
  return deleted;
}

export async function erase(space: RedisSpace, scope: StoreScope): Promise<{ conversations: number; messages: number }> {
  const erased = { conversations: 0, messages: 0 };
  for (const ids of batchesOf(await conversationIds(space, scope), { count: erasedAtOnce }))
    for (const messages of await deleteConversations(space, scope, ids)) {
      if (messages === undefined) continue;
      erased.conversations++;
      erased.messages += messages;
    }
  return erased;
}

const exportedAtOnce = 100;

/** Users and conversations in the order of their ids' bytes, messages by place. */
export async function exportMessages(
  space: RedisSpace,
  scope: StoreScope,
  after: ExportPosition | undefined,
  limit: number,
): Promise<ExportRow[]> {
  const rows: ExportRow[] = [];
  const orderOf = ({ userId, id }: Owned) => (after === undefined ? 1 : byBytes(userId, after.userId) || byBytes(id, after.conversationId));
  const further = (await ownedConversations(space, scope)).filter((owned) => orderOf(owned) >= 0);
  for (const some of batchesOf(further, { count: exportedAtOnce })) {
    const headers = await Promise.all(some.map((owned) => exportHeader(space, scope, owned)));
    const wanted = headers.filter((header) => header !== undefined);
    while (wanted.length > 0 && rows.length < limit) {
      const read = await Promise.all(
        takeFilling(wanted, limit - rows.length).map((header) =>
          exportOf(space, scope, header, orderOf(header) === 0 ? `(${after?.seq}` : "-inf", limit),
        ),
      );
      rows.push(...read.flat());
    }
    if (rows.length >= limit) return rows.slice(0, limit);
  }
  return rows;
}

interface Owned {
  readonly userId: string;
  readonly id: string;
}

interface ExportHeader extends Owned {
  readonly resourceId: string;
  readonly size: number;
}

async function exportHeader({ connection, prefix }: RedisSpace, scope: StoreScope, { userId, id }: Owned) {
  const [conversation = "", messages = ""] = conversationKeys(prefix, scope.tenant, id);
  const [fields, size] = await Promise.all([
    connection.run("HMGET", conversation, "userId", "resourceId") as Promise<(string | null)[]>,
    connection.run("HLEN", messages),
  ]);
  const [owner, resourceId] = fields;
  if (owner !== userId || resourceId == null || (scope.resourceId !== undefined && resourceId !== scope.resourceId)) return undefined;
  return { userId, id, resourceId, size: Number(size) } satisfies ExportHeader;
}

/** Takes off the list as many as hold so many messages together. */
function takeFilling(headers: ExportHeader[], count: number): ExportHeader[] {
  let size = 0;
  let taken = 0;
  while (taken < headers.length && size < count) size += (headers[taken++] as ExportHeader).size;
  return headers.splice(0, taken);
}

async function exportOf({ connection, prefix }: RedisSpace, scope: StoreScope, header: ExportHeader, from: string, limit: number) {
  const { userId, id, resourceId } = header;
  const flat = (await connection.script(exportScript, conversationKeys(prefix, scope.tenant, id), [from, limit])) as string[];
  return decodeRows(flat).map((row) => ({ message: toMessage(userId, id, row), resourceId }));
}

async function ownedConversations(space: RedisSpace, scope: StoreScope): Promise<Owned[]> {
  const ids = await conversationIds(space, scope);
  if (ids.length === 0) return [];
  const { userId } = scope;
  const owners = userId === undefined ? await ownersOf(space, scope.tenant, ids) : ids.map(() => userId);
  return ids
    .flatMap((id, index) => (owners[index] == null ? [] : [{ id, userId: owners[index] }]))
    .sort((left, right) => byBytes(left.userId, right.userId) || byBytes(left.id, right.id));
}

const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right));
