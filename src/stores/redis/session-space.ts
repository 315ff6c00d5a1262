import type { StoreScope } from "../../domain/scope.ts";
import { batchesOf } from "../../internal/batches.ts";
import type { SessionConnection } from "./session-connection.ts";
import { conversationKeys, keysOfListing, listingKeys, ownersKey } from "./session-keys.ts";
import { listScript, pageScript, unlistScript } from "./session-scripts.ts";

const unlistedAtOnce = 500;

/** What every operation of the session store works with. */
export interface RedisSpace {
  readonly connection: SessionConnection;
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
  const levels = [listingKeys(prefix, tenant, userId), listingKeys(prefix, tenant, undefined)];
  return [...keys, ...levels.flatMap(keysOfListing), ownersKey(prefix, tenant)];
}

export interface Listed {
  readonly tenant: string;
  readonly userId: string;
  readonly id: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly titleMember: string;
}

/**
 * Writes a conversation into its listings, on a cluster: steps of their own. Before the conversation itself, where it is in
 * none, so that none is ever missing; and after it, as it has become.
 */
export async function addToListings({ connection, prefix }: RedisSpace, listed: Listed, when: "before" | "after"): Promise<void> {
  const { tenant, userId, id, createdAt, updatedAt, titleMember } = listed;
  const values = [id, userId, createdAt, updatedAt, titleMember, when === "before" ? 1 : 0];
  const tenants = [...keysOfListing(listingKeys(prefix, tenant, undefined)), ownersKey(prefix, tenant)];
  await Promise.all([
    connection.script(listScript, keysOfListing(listingKeys(prefix, tenant, userId)), values),
    connection.script(listScript, tenants, values),
  ]);
}

/** Takes conversations that are gone, or another user's by now, out of a user's listings, and when nobody has them of the tenant's. */
export async function removeFromListings(
  space: RedisSpace,
  tenant: string,
  userId: string | undefined,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  const owners = userId === undefined ? await ownersOf(space, tenant, ids) : ids.map(() => userId);
  const byUser = Map.groupBy(ids.keys(), (index) => owners[index]);
  await Promise.all([
    removeFromListing(space, tenant, undefined, ids),
    ...[...byUser].flatMap(([user, own]) =>
      user == null
        ? []
        : [
            removeFromListing(
              space,
              tenant,
              user,
              own.map((index) => ids[index] as string),
            ),
          ],
    ),
  ]);
  // On a cluster somebody may have made them anew in between.
  if (space.connection.isCluster) await relist(space, tenant, ids);
}

async function removeFromListing(
  { connection, prefix }: RedisSpace,
  tenant: string,
  userId: string | undefined,
  ids: readonly string[],
): Promise<void> {
  const listing = [...keysOfListing(listingKeys(prefix, tenant, userId)), userId === undefined ? ownersKey(prefix, tenant) : undefined];
  for (const some of batchesOf(ids, { count: unlistedAtOnce })) {
    const own = connection.isCluster ? [] : some.map((id) => conversationKeys(prefix, tenant, id)[0] as string);
    // A user's listing has no owners: the key before is named twice, so that the conversations' stand in one place.
    const keys = listing.map((key) => key ?? (listing[3] as string));
    await connection.script(unlistScript, [...keys, ...own], [orAny(userId), ...some]);
  }
}

/** Writes conversations that are there into their listings again. */
export async function relist(space: RedisSpace, tenant: string, ids: readonly string[]): Promise<void> {
  const { connection, prefix } = space;
  await Promise.all(
    ids.map(async (id) => {
      const key = conversationKeys(prefix, tenant, id)[0] as string;
      const fields = (await connection.run("HMGET", key, "userId", "createdAt", "updatedAt", "title")) as (string | null)[];
      const [userId, createdAt, updatedAt, titleMember] = fields;
      if (userId == null || createdAt == null || updatedAt == null || titleMember == null) return;
      await addToListings(space, { tenant, userId, id, createdAt, updatedAt, titleMember }, "after");
    }),
  );
}

/** Whose each of these is: by the tenant's list, else by the conversation itself. */
export async function ownersOf({ connection, prefix }: RedisSpace, tenant: string, ids: readonly string[]): Promise<(string | null)[]> {
  const listed = (await connection.run("HMGET", ownersKey(prefix, tenant), ...ids)) as (string | null)[];
  const ask = async (id: string) =>
    (await connection.run("HGET", conversationKeys(prefix, tenant, id)[0] as string, "userId")) as string | null;
  return Promise.all(ids.map((id, index) => listed[index] ?? ask(id)));
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
