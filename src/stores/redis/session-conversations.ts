import type { Conversation, Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery, NewConversation, SessionStats, StoredConversationChanges } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { isListed, markedSince } from "../marks.ts";
import { conversationKeys, idOfTitleMember, listingKeys, tenantsKey, titleMember } from "./session-keys.ts";
import { type ConversationData, toConversation } from "./session-rows.ts";
import { createScript, getScript, updateScript } from "./session-scripts.ts";
import {
  addToListings,
  conversationIds,
  keysOf,
  orAny,
  pageByMember,
  pageByScore,
  type RedisSpace,
  relist,
  removeFromListings,
} from "./session-space.ts";

export async function createConversation(space: RedisSpace, conversation: NewConversation): Promise<Conversation> {
  const { tenant, userId, id, resourceId, title } = conversation;
  const now = String(Date.now());
  const data = encodeData(conversation.title, conversation.metadataJson, conversation.language);
  const { connection } = space;
  const listed = { tenant, userId, id, createdAt: now, updatedAt: now, titleMember: titleMember(title, id) };
  await Promise.all([
    connection.run("SADD", tenantsKey(space.prefix), tenant),
    ...(connection.isCluster ? [addToListings(space, listed, "before")] : []),
  ]);
  const values = [space.ttlMs, connection.isCluster ? 0 : 1, userId, id, resourceId, data, listed.titleMember, now];
  const made = await connection.script(createScript, keysOf(space, tenant, userId, id), values);
  if (made !== 1) throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
  if (connection.isCluster) await addToListings(space, listed, "after");
  return toConversation(id, [userId, resourceId, data, now, now]);
}

export function encodeData(title: string, metadata: string, language: string | undefined): string {
  return JSON.stringify({ title, metadata, language: language ?? null } satisfies ConversationData);
}

export async function getConversation(space: RedisSpace, scope: StoreScope, id: string): Promise<Conversation | undefined> {
  const fields = await readFields(space, scope, id, true);
  return fields && toConversation(id, fields);
}

/** The fields of a conversation of the scope; `slides`: its life is prolonged. */
async function readFields(space: RedisSpace, scope: StoreScope, id: string, slides: boolean): Promise<string[] | undefined> {
  const keys = conversationKeys(space.prefix, scope.tenant, id);
  const values = [orAny(scope.userId), orAny(scope.resourceId), slides ? space.ttlMs : 0];
  const fields = (await space.connection.script(getScript, keys, values)) as string[];
  return fields.length === 0 ? undefined : fields;
}

export async function updateConversation(
  space: RedisSpace,
  scope: StoreScope,
  id: string,
  changes: StoredConversationChanges,
): Promise<Conversation | undefined> {
  for (;;) {
    const fields = await readFields(space, scope, id, false);
    if (fields === undefined) return undefined;
    const [userId = "", resourceId = "", old = "", createdAt = ""] = fields;
    const known = JSON.parse(old) as ConversationData;
    if (changes.ifTitle !== undefined && changes.ifTitle !== known.title) return toConversation(id, fields);
    const metadata = changes.metadata === undefined ? known.metadata : JSON.stringify(changes.metadata);
    const title = changes.title ?? known.title;
    const now = Date.now();
    const pinnedAt = markedSince(known.pinnedAt, changes.pinned, now);
    const archivedAt = markedSince(known.archivedAt, changes.archived, now);
    const data = JSON.stringify({ ...known, title, metadata, pinnedAt, archivedAt } satisfies ConversationData);
    const member = titleMember(title, id);
    // Marks leave the time of the last update as it is.
    const changedAt = changes.title === undefined && changes.metadata === undefined ? 0 : now;
    const values = [old, data, member, changedAt, space.ttlMs, space.connection.isCluster ? 0 : 1, id];
    const updatedAt = await space.connection.script(updateScript, keysOf(space, scope.tenant, userId, id), values);
    // Somebody else changed it meanwhile: what is left out must stay as they made it.
    if (typeof updatedAt !== "string") continue;
    const listed = { tenant: scope.tenant, userId, id, createdAt, updatedAt, titleMember: member };
    if (space.connection.isCluster) await addToListings(space, listed, "after");
    return toConversation(id, [userId, resourceId, data, createdAt, updatedAt]);
  }
}

/** What a crash left between a conversation and its listings is made good by the next read. */
async function repair(
  space: RedisSpace,
  tenant: string,
  orderBy: ConversationQuery["orderBy"],
  listed: readonly { readonly conversation: Conversation; readonly member: Member }[],
): Promise<void> {
  const currentOf = (conversation: Conversation) =>
    orderBy === "title" ? conversation.title.replaceAll("\0", "") : conversation[orderBy].getTime();
  const stale = listed.filter(({ conversation, member }) => currentOf(conversation) !== member.value);
  await relist(
    space,
    tenant,
    stale.map(({ conversation }) => conversation.id),
  );
}

interface Member {
  readonly id: string;
  readonly value: string | number;
}

const leastPage = 64;

/** Goes through a listing in its order; entries of conversations that are gone are taken out on the way. */
export async function listConversations(space: RedisSpace, scope: StoreScope, query: ConversationQuery): Promise<Page<Conversation>> {
  const found: { readonly conversation: Conversation; readonly member: Member }[] = [];
  let offset = query.offset;
  const size = Math.max(leastPage, query.limit + 1);
  for await (const members of listingPages(space, scope, query, size)) {
    const listed = await readListed(space, scope, members);
    if (space.connection.isCluster) await repair(space, scope.tenant, query.orderBy, listed);
    for (const { conversation, member } of listed) {
      if (!isListed(conversation, query)) continue;
      if (offset > 0) offset--;
      else found.push({ conversation, member });
    }
    if (found.length > query.limit) break;
  }
  const page = found.slice(0, query.limit);
  const last = found.length > query.limit ? page.at(-1)?.member : undefined;
  return { items: page.map(({ conversation }) => conversation), nextCursor: last && encodeCursor(query, [last.value, last.id]) };
}

async function* listingPages(space: RedisSpace, scope: StoreScope, query: ConversationQuery, size: number): AsyncIterable<Member[]> {
  const listing = listingKeys(space.prefix, scope.tenant, scope.userId);
  const [value, id] = query.cursor === undefined ? [] : decodeCursor(query, query.cursor, 2);
  const { direction, orderBy } = query;
  if (orderBy === "title") {
    let start = id === undefined ? (direction === "asc" ? "-" : "+") : `(${titleMember(String(value), String(id))}`;
    for (;;) {
      const members = await pageByMember(space, listing.title, start, direction, size);
      yield members.map((member) => ({ id: idOfTitleMember(member), value: member.slice(0, member.indexOf("\0")) }));
      if (members.length < size) return;
      start = `(${members.at(-1)}`;
    }
  }
  let after: Member | undefined = id === undefined ? undefined : { id: String(id), value: Number(value) };
  // Entries of the same time stand in the order of their ids: those up to the last one are passed over.
  for (let offset = 0; ; ) {
    const start = after === undefined ? (direction === "asc" ? "-inf" : "+inf") : String(after.value);
    const flat = await pageByScore(space, listing[orderBy], start, direction, offset, size);
    const members: Member[] = [];
    for (let index = 0; index < flat.length; index += 2) members.push({ id: flat[index] as string, value: Number(flat[index + 1]) });
    const last = after;
    const further = last === undefined ? members : members.filter((member) => isAfter(member, last, direction));
    yield further;
    if (members.length < size) return;
    if (further.length === 0) offset += members.length;
    else {
      after = further.at(-1);
      offset = 0;
    }
  }
}

function isAfter(member: Member, last: Member, direction: "asc" | "desc"): boolean {
  if (member.value !== last.value) return true;
  const order = Buffer.compare(Buffer.from(member.id), Buffer.from(last.id));
  return direction === "asc" ? order > 0 : order < 0;
}

async function readListed(space: RedisSpace, scope: StoreScope, members: readonly Member[]) {
  const read = await Promise.all(members.map(({ id }) => readFields(space, { ...scope, resourceId: undefined }, id, false)));
  const gone = members.filter((_, index) => read[index] === undefined).map(({ id }) => id);
  await removeFromListings(space, scope.tenant, scope.userId, gone);
  return members.flatMap((member, index) => {
    const fields = read[index];
    if (fields === undefined || (scope.resourceId !== undefined && fields[1] !== scope.resourceId)) return [];
    return [{ conversation: toConversation(member.id, fields), member }];
  });
}

const countedAtOnce = 500;

/** The scope's conversations that are there. */
async function existing(space: RedisSpace, scope: StoreScope): Promise<{ readonly id: string; readonly userId: string }[]> {
  const ids = await conversationIds(space, scope);
  const there: { id: string; userId: string }[] = [];
  for (let start = 0; start < ids.length; start += countedAtOnce) {
    const members = ids.slice(start, start + countedAtOnce).map((id) => ({ id, value: 0 }));
    for (const { conversation } of await readListed(space, scope, members))
      there.push({ id: conversation.id, userId: conversation.userId });
  }
  return there;
}

export async function countConversations(space: RedisSpace, scope: StoreScope): Promise<number> {
  return (await existing(space, scope)).length;
}

export async function sessionStats(space: RedisSpace, scope: StoreScope): Promise<SessionStats> {
  const conversations = await existing(space, scope);
  const sizes = await Promise.all(
    conversations.map(({ id }) => space.connection.run("HLEN", conversationKeys(space.prefix, scope.tenant, id)[1] as string)),
  );
  return {
    conversations: conversations.length,
    users: new Set(conversations.map(({ userId }) => userId)).size,
    messages: sizes.reduce((sum: number, size) => sum + Number(size), 0),
  };
}

/** How far {@link sweep} has come, in this process. */
export interface Swept {
  tenant: string;
  offset: number;
}

const sweptAtOnce = 1_000;

/**
 * Takes conversations that expired out of the listings, a thousand at a time: perhaps nobody reads those listings again.
 */
export async function sweep(space: RedisSpace, swept: Swept): Promise<void> {
  const { connection, prefix, ttlMs } = space;
  if (ttlMs === 0) return;
  const tenants = ((await connection.run("SMEMBERS", tenantsKey(prefix))) as string[]).map(String).sort();
  const tenant = tenants.find((one) => one >= swept.tenant) ?? tenants[0];
  if (tenant === undefined) return;
  const offset = tenant === swept.tenant ? swept.offset : 0;
  const { createdAt } = listingKeys(prefix, tenant, undefined);
  const ids = (await connection.run("ZRANGE", createdAt, String(offset), String(offset + sweptAtOnce - 1))) as string[];
  const there = await Promise.all(ids.map((id) => connection.run("EXISTS", conversationKeys(prefix, tenant, id)[0] as string)));
  const gone = ids.filter((_, index) => there[index] !== 1);
  await removeFromListings(space, tenant, undefined, gone);
  const isThrough = ids.length < sweptAtOnce;
  swept.tenant = isThrough ? `${tenant}\0` : tenant;
  swept.offset = isThrough ? 0 : offset + ids.length - gone.length;
}
