import type { StoreScope } from "../../domain/session-store.ts";
import type { RedisConnection } from "./session-connection.ts";
import { conversationKeys, type Listing, listingKeys, ownersKey, titleMember } from "./session-keys.ts";
import { pageScript } from "./session-scripts.ts";

/** What every operation of the session store works with. */
export interface RedisSpace {
  readonly connection: RedisConnection;
  readonly prefix: string;
  /** 0: nothing expires. */
  readonly ttlMs: number;
  /** Whether vectors are owed, as far as this process knows. */
  readonly owes: boolean;
}

/** What scripts take for "any". */
export const orAny = (id: string | undefined) => id ?? "";

/** The keys of a conversation, and of its listings where one script reaches them all. */
export function keysOf({ connection, prefix }: RedisSpace, tenant: string, userId: string, id: string): string[] {
  const keys = conversationKeys(prefix, tenant, id);
  if (connection.isCluster) return keys;
  const listings = [listingKeys(prefix, tenant, userId), listingKeys(prefix, tenant, undefined)];
  return [...keys, ...listings.flatMap((listing) => [listing.updatedAt, listing.createdAt, listing.title]), ownersKey(prefix, tenant)];
}

export interface Listed {
  readonly tenant: string;
  readonly userId: string;
  readonly id: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly title: string;
  readonly oldTitle?: string | undefined;
}

/** Writes a conversation into its listings, on a cluster: a step of its own, repaired by the next write or read. */
export async function addToListings({ connection, prefix }: RedisSpace, listed: Listed): Promise<void> {
  const { tenant, userId, id, createdAt, updatedAt, title, oldTitle } = listed;
  const member = titleMember(title, id);
  const levels = [listingKeys(prefix, tenant, userId), listingKeys(prefix, tenant, undefined)];
  await Promise.all([
    ...levels.flatMap((level) => [
      connection.run("ZADD", level.updatedAt, updatedAt, id),
      connection.run("ZADD", level.createdAt, createdAt, id),
      connection.run("ZADD", level.title, "0", member),
      ...(oldTitle === undefined || oldTitle === member ? [] : [connection.run("ZREM", level.title, oldTitle)]),
    ]),
    connection.run("HSET", ownersKey(prefix, tenant), id, userId),
  ]);
}

/** Takes a conversation that is gone, or another user's by now, out of a user's listings, and when nobody has it of the tenant's. */
export async function removeFromListings(
  { connection, prefix }: RedisSpace,
  tenant: string,
  userId: string | undefined,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  const levels =
    userId === undefined
      ? [listingKeys(prefix, tenant, undefined)]
      : [listingKeys(prefix, tenant, userId), listingKeys(prefix, tenant, undefined)];
  await Promise.all([
    ...levels.map((level) => removeFromListing(connection, level, ids)),
    connection.run("HDEL", ownersKey(prefix, tenant), ...ids),
  ]);
}

export async function removeFromListing(connection: RedisConnection, listing: Listing, ids: readonly string[]): Promise<void> {
  const gone = new Set(ids);
  const titles: string[] = [];
  // A title is not known any more: its entry is found by the id at its end.
  for (let start = 0; ; start += 1_000) {
    const some = (await connection.run("ZRANGE", listing.title, String(start), String(start + 999))) as string[];
    titles.push(...some.filter((member) => gone.has(member.slice(member.indexOf("\0") + 1))));
    if (some.length < 1_000) break;
  }
  await Promise.all([
    connection.run("ZREM", listing.updatedAt, ...ids),
    connection.run("ZREM", listing.createdAt, ...ids),
    ...(titles.length === 0 ? [] : [connection.run("ZREM", listing.title, ...titles)]),
  ]);
}

/** Ids of a scope's conversations, oldest first; some may be gone, or of another resource. */
export async function conversationIds({ connection, prefix }: RedisSpace, scope: StoreScope): Promise<string[]> {
  const { createdAt } = listingKeys(prefix, scope.tenant, scope.userId);
  return (await connection.run("ZRANGE", createdAt, "0", "-1")) as string[];
}

/** Part of a sorted set by score, flat: member, score. */
export async function pageByScore(
  { connection }: RedisSpace,
  key: string,
  start: string,
  direction: "asc" | "desc",
  offset: number,
  limit: number,
): Promise<string[]> {
  const stop = direction === "asc" ? "+inf" : "-inf";
  return (await connection.script(pageScript, [key], [start, stop, "BYSCORE", direction, offset, limit])) as string[];
}

/** Part of a sorted set by its members' own order. */
export async function pageByMember(
  { connection }: RedisSpace,
  key: string,
  start: string,
  direction: "asc" | "desc",
  limit: number,
): Promise<string[]> {
  const stop = direction === "asc" ? "+" : "-";
  return (await connection.script(pageScript, [key], [start, stop, "BYLEX", direction, 0, limit])) as string[];
}
