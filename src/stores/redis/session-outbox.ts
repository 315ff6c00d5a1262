import type { StoreScope } from "../../domain/scope.ts";
import type { MessageReference, OutboxChoice, OutboxCount, OutboxItem } from "../../domain/session-store.ts";
import { conversationKeys, dueKey, dueMember, parseDueMember, spaceKey, tenantsKey } from "./session-keys.ts";
import { decodeRow, toStored } from "./session-rows.ts";
import { leaseScript, moveDueScript, owedScript, oweScript, workScript } from "./session-scripts.ts";
import { conversationIds, pageByScore, type RedisSpace } from "./session-space.ts";

// What is owed stands with its conversation, written by the script that changes it; an index says which conversations to
// look at, and when. An entry too many costs a look, and is taken out once it is old.

/** An entry that leads nowhere is kept so long: a write may just be on its way. */
const emptyForMs = 10_000;
const conversationsAtOnce = 100;
const entriesAtOnce = 1_000;
/** Entries one lease looks at; the rest is for the next. */
const mostEntries = 10_000;
const leasedAtOnce = 16;

export async function adopt(space: RedisSpace, name: string): Promise<void> {
  const { connection, prefix } = space;
  if ((await connection.run("GET", spaceKey(prefix))) === name) return;
  await connection.run("SET", spaceKey(prefix), name);
  for (const tenant of (await connection.run("SMEMBERS", tenantsKey(prefix))) as Iterable<string>) {
    const ids = await conversationIds(space, { tenant, userId: undefined, resourceId: undefined });
    for (let start = 0; start < ids.length; start += conversationsAtOnce)
      await Promise.all(ids.slice(start, start + conversationsAtOnce).map((id) => oweIn(space, tenant, id, ["*"])));
  }
}

async function oweIn({ connection, prefix, ttlMs }: RedisSpace, tenant: string, id: string, which: readonly string[]): Promise<void> {
  const now = Date.now();
  const owing = await connection.script(oweScript, conversationKeys(prefix, tenant, id), [now, ttlMs, ...which]);
  if (owing !== 0) await connection.run("ZADD", dueKey(prefix), "LT", String(now), dueMember(tenant, id));
}

export async function owe(space: RedisSpace, tenant: string, references: readonly MessageReference[]): Promise<void> {
  const groups = Map.groupBy(references, ({ conversationId }) => conversationId);
  await Promise.all([...groups].map(([id, group]) => oweIn(space, tenant, id, ["ids", ...group.map(({ messageId }) => messageId)])));
}

/** Looks at the conversations that are due, the oldest first, until there is enough. */
export async function lease(space: RedisSpace, limit: number, leaseMs: number, which: OutboxChoice): Promise<OutboxItem[]> {
  const now = Date.now();
  const entries = await dueEntries(space, which.failed ? Number.POSITIVE_INFINITY : now);
  const items: { readonly item: OutboxItem; readonly dueAt: number }[] = [];
  for (let start = 0; start < entries.length && items.length < limit; ) {
    // Several at once, each a part of what is still wanted; one that fills its part may have more.
    const some = entries.slice(start, start + Math.min(leasedAtOnce, limit - items.length));
    const share = Math.floor((limit - items.length) / some.length);
    const leased = await Promise.all(some.map(({ member, score }) => leaseIn(space, member, score, now, share, leaseMs, which)));
    items.push(...leased.flat());
    for (const [index, { member }] of some.entries()) {
      if (items.length === limit) break;
      if (leased[index]?.length === share)
        items.push(...(await leaseIn(space, member, undefined, now, limit - items.length, leaseMs, which)));
    }
    start += some.length;
  }
  return inOrder(items);
}

interface DueEntry {
  readonly member: string;
  readonly score: string;
}

/** All that is due by then, read before anything of it is moved. */
async function dueEntries(space: RedisSpace, until: number): Promise<DueEntry[]> {
  const entries: DueEntry[] = [];
  while (entries.length < mostEntries) {
    const flat = await pageByScore(space, dueKey(space.prefix), "-inf", "asc", entries.length, entriesAtOnce);
    for (let index = 0; index < flat.length; index += 2) {
      const entry = { member: flat[index] as string, score: flat[index + 1] as string };
      if (Number(entry.score) > until) return entries;
      entries.push(entry);
    }
    if (flat.length < 2 * entriesAtOnce) break;
  }
  return entries;
}

const inOrder = (items: readonly { readonly item: OutboxItem; readonly dueAt: number }[]) =>
  items.toSorted((left, right) => left.dueAt - right.dueAt).map(({ item }) => item);

async function leaseIn(
  space: RedisSpace,
  member: string,
  score: string | undefined,
  now: number,
  limit: number,
  leaseMs: number,
  { kinds, failed }: OutboxChoice,
) {
  const [tenant, conversationId] = parseDueMember(member);
  const keys = conversationKeys(space.prefix, tenant, conversationId);
  const wants = [kinds.includes("embed"), kinds.includes("forget"), failed].map((wanted) => (wanted ? 1 : 0));
  const answer = (await space.connection.script(leaseScript, keys, [now, now + leaseMs, limit, ...wants])) as string[];
  const [nextDue = "", userId = "", resourceId = "", ...flat] = answer;
  if (score !== undefined) await space.connection.script(moveDueScript, [dueKey(space.prefix)], [member, score, nextDue, now - emptyForMs]);
  const items: { item: OutboxItem; dueAt: number }[] = [];
  for (let index = 0; index < flat.length; index += 7) {
    const [name = "", dueAt = "", attempts = "", revision = "", first = "", meta = "", payload = ""] = flat.slice(index, index + 7);
    const base = { key: JSON.stringify([name, revision]), tenant, conversationId, attempts: Number(attempts) };
    if (name.startsWith("f:")) {
      const [owner, messageIds] = JSON.parse(first) as [string, string[]];
      items.push({ dueAt: Number(dueAt), item: { ...base, kind: "forget", userId: owner, messageIds } });
    } else {
      const message = toStored(userId, conversationId, resourceId, decodeRow(first, meta, payload));
      items.push({ dueAt: Number(dueAt), item: { ...base, kind: "embed", userId, message, revision } });
    }
  }
  return items;
}

export async function settle(space: RedisSpace, items: readonly OutboxItem[]): Promise<OutboxItem[]> {
  const done = await work(space, items, "settle", 0, "");
  return items.filter((item) => !done.has(item) && item.kind === "embed");
}

export async function renew(space: RedisSpace, items: readonly OutboxItem[], leaseMs: number): Promise<void> {
  await work(space, items, "renew", Date.now() + leaseMs, "");
}

export async function fail(space: RedisSpace, items: readonly OutboxItem[], error: string, retryAt: Date): Promise<void> {
  await work(space, items, "fail", retryAt.getTime(), error || "failed");
  const entries = new Set(items.map(({ tenant, conversationId }) => dueMember(tenant, conversationId)));
  const words = [...entries].flatMap((entry) => [String(retryAt.getTime()), entry]);
  if (words.length > 0) await space.connection.run("ZADD", dueKey(space.prefix), "LT", ...words);
}

/** Does something to the items that are still what was leased; which they are. */
async function work(
  space: RedisSpace,
  items: readonly OutboxItem[],
  what: string,
  time: number,
  problem: string,
): Promise<Set<OutboxItem>> {
  const done = new Set<OutboxItem>();
  const groups = Map.groupBy(items, ({ tenant, conversationId }) => dueMember(tenant, conversationId));
  await Promise.all(
    [...groups].map(async ([member, group]) => {
      const [tenant, id] = parseDueMember(member);
      const names = group.map((item) => JSON.parse(item.key) as [string, string]);
      const values = [what, time, problem.replaceAll("\t", " "), ...names.flat()];
      const taken = new Set((await space.connection.script(workScript, conversationKeys(space.prefix, tenant, id), values)) as string[]);
      group.forEach((item, index) => {
        if (taken.has(names[index]?.[0] as string)) done.add(item);
      });
    }),
  );
  return done;
}

export async function count(space: RedisSpace, scope: StoreScope | undefined, kinds: readonly OutboxItem["kind"][]): Promise<OutboxCount> {
  const total = { pending: 0, failing: 0, lastError: undefined as string | undefined, nextDueInMs: undefined as number | undefined };
  const now = Date.now();
  for (let offset = 0; ; offset += conversationsAtOnce) {
    const flat = await pageByScore(space, dueKey(space.prefix), "-inf", "asc", offset, conversationsAtOnce);
    const members = flat
      .filter((_, index) => index % 2 === 0)
      .filter((member) => scope === undefined || parseDueMember(member)[0] === scope.tenant);
    const answers = await Promise.all(members.map((member) => owedIn(space, member)));
    for (const piece of answers.flat()) {
      if (!kinds.includes(piece.kind) || (scope?.userId !== undefined && piece.userId !== scope.userId)) continue;
      total.pending++;
      if (piece.problem !== "") {
        total.failing++;
        total.lastError = piece.problem;
      }
      total.nextDueInMs = Math.min(total.nextDueInMs ?? Number.POSITIVE_INFINITY, piece.dueAt - now);
    }
    if (flat.length < 2 * conversationsAtOnce) return total;
  }
}

async function owedIn({ connection, prefix }: RedisSpace, member: string) {
  const [tenant, id] = parseDueMember(member);
  const [owner = "", ...flat] = (await connection.script(owedScript, conversationKeys(prefix, tenant, id), [])) as string[];
  const pieces: { kind: OutboxItem["kind"]; userId: string; dueAt: number; problem: string }[] = [];
  for (let index = 0; index < flat.length; index += 4) {
    const [name = "", dueAt = "", state = "", ids = ""] = flat.slice(index, index + 4);
    const isRemoval = name.startsWith("f:");
    const userId = isRemoval && ids !== "" ? (JSON.parse(ids) as [string])[0] : owner;
    const problem = state.split("\t")[2] ?? "";
    pieces.push({ kind: isRemoval ? "forget" : "embed", userId, dueAt: Number(dueAt), problem });
  }
  return pieces;
}
