import { randomUUID } from "node:crypto";
import type { StoreScope } from "../../domain/scope.ts";
import type {
  MessageReference,
  Outbox,
  OutboxChoice,
  OutboxCount,
  OutboxItem,
  OwedRemoval,
  OwedVector,
} from "../../domain/session-store.ts";
import { newOwed, revisionOf } from "./append.ts";
import { documentId, type MessageDocument, type OwedField, toStoredMessage } from "./documents.ts";
import { seen } from "./messages.ts";
import type { MongoCollectionLike } from "./mongo-client.ts";
import { inScope, type SessionDatabase } from "./session-database.ts";

/*
 * A vector that is owed is a field of its message, so it is stored, changed and deleted with it in one step. It is
 * written from the beginning, and looked at from the first `adopt` on: no other process needs to learn of that in time.
 */

/** Vectors that must go, of one conversation. */
export interface RemovalDocument extends Omit<OwedField, "generation"> {
  readonly _id: string;
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly messageIds: readonly string[];
}

/** How often a lease looks again when others were quicker. */
const leaseRounds = 5;
/** When a message that has not landed yet is looked at again. */
const lookAgainMs = 1_000;

/** Every method of the outbox, on the open database. */
export function mongoOutbox(database: SessionDatabase): Outbox {
  return {
    adopt: (space) => adopt(database, space),
    async lease(limit, leaseMs, which) {
      if (!(await isAdopted(database))) return [];
      const removals = which.kinds.includes("forget") ? await leaseRemovals(database, limit, leaseMs, which) : [];
      if (!which.kinds.includes("embed") || removals.length >= limit) return removals;
      return [...removals, ...(await leaseVectors(database, limit - removals.length, leaseMs, which))];
    },
    renew: (items, leaseMs) => setAll(database, items, { dueAt: new Date(Date.now() + leaseMs) }),
    fail: (items, error, retryAt) => setAll(database, items, { dueAt: retryAt, error }),
    settle: (items) => settle(database, items),
    owe: (tenant, references) => owe(database, tenant, references),
    count: (scope, kinds) => count(database, scope, kinds),
  };
}

export async function isAdopted({ adoption, settings }: SessionDatabase): Promise<boolean> {
  adoption.isKnown ||= (await settings.find({ _id: "space" }).toArray()).length > 0;
  return adoption.isKnown;
}

async function adopt({ adoption, settings, messages }: SessionDatabase, space: string): Promise<void> {
  const [known] = await settings.find({ _id: "space" }).toArray();
  if (known?.space !== space) {
    await messages.updateMany({ text: { $ne: "" } }, { $set: { owed: newOwed() } });
    await settings.updateOne({ _id: "space" }, { $set: { space } }, { upsert: true });
  }
  adoption.isKnown = true;
}

/** Takes what is due in `field` (`""`: the document itself), oldest first; the documents as they are leased. */
async function take(
  collection: MongoCollectionLike,
  field: "owed." | "",
  limit: number,
  leaseMs: number,
  { failed }: OutboxChoice,
): Promise<Record<string, unknown>[]> {
  const dueAt = `${field}dueAt`;
  const taken: Record<string, unknown>[] = [];
  for (let round = 0; round < leaseRounds && taken.length < limit; round++) {
    const now = new Date();
    // `$exists` is said for the sake of planners that do not conclude it, and would not use the index.
    const isDue = { [dueAt]: { $exists: true, $lte: now } };
    const due = failed ? { $or: [isDue, { [`${field}error`]: { $exists: true } }] } : isDue;
    const wanted = limit - taken.length;
    const found = await collection.find(due, { sort: { [dueAt]: 1 }, limit: wanted, projection: { _id: 1 } }).toArray();
    if (found.length === 0) break;
    const lease = randomUUID();
    const ids = found.map(({ _id }) => _id);
    await collection.updateMany(
      { _id: { $in: ids }, ...due },
      {
        $set: { [dueAt]: new Date(now.getTime() + leaseMs), [`${field}lease`]: lease },
        $inc: { [`${field}attempts`]: 1 },
        $unset: { [`${field}error`]: "" },
      },
    );
    const mine = await collection.find({ _id: { $in: ids }, [`${field}lease`]: lease }).toArray();
    taken.push(...mine.sort((left, right) => ids.indexOf(left._id) - ids.indexOf(right._id)));
    if (found.length < wanted) break;
  }
  return taken;
}

async function leaseRemovals({ removals }: SessionDatabase, limit: number, leaseMs: number, which: OutboxChoice): Promise<OwedRemoval[]> {
  const taken = (await take(removals, "", limit, leaseMs, which)) as unknown as RemovalDocument[];
  return taken.map(({ _id, tenant, userId, conversationId, messageIds, attempts }) => {
    return { kind: "forget", key: encodeKey({ id: _id, generation: "" }), tenant, userId, conversationId, messageIds, attempts };
  });
}

async function leaseVectors(database: SessionDatabase, limit: number, leaseMs: number, which: OutboxChoice): Promise<OwedVector[]> {
  const taken = (await take(database.messages, "owed.", limit, leaseMs, which)) as unknown as MessageDocument[];
  const landed = await seen(database, taken);
  await giveBack(database, taken, landed);
  return landed.map((document) => ({
    kind: "embed",
    key: encodeKey({ id: document._id, generation: document.owed?.generation ?? "" }),
    tenant: document.tenant,
    userId: document.userId,
    conversationId: document.conversationId,
    attempts: document.owed?.attempts ?? 0,
    message: toStoredMessage(document),
    revision: revisionOf(document),
  }));
}

/** Messages of batches that have not landed: their time will come. */
async function giveBack(database: SessionDatabase, taken: readonly MessageDocument[], landed: readonly MessageDocument[]): Promise<void> {
  if (landed.length === taken.length) return;
  const isLanded = new Set(landed.map(({ _id }) => _id));
  const waiting = taken.filter(({ _id }) => !isLanded.has(_id));
  await database.messages.updateMany(
    { _id: { $in: waiting.map(({ _id }) => _id) }, "owed.lease": { $in: waiting.map(({ owed }) => owed?.lease) } },
    { $set: { "owed.dueAt": new Date(Date.now() + lookAgainMs) }, $inc: { "owed.attempts": -1 } },
  );
}

/** An item's own name: its document, and which vector of it was owed. */
interface ItemKey {
  readonly id: string;
  readonly generation: string;
}

const encodeKey = ({ id, generation }: ItemKey) => JSON.stringify([id, generation]);

function decodeKey(key: string): ItemKey {
  const [id, generation] = JSON.parse(key) as [string, string];
  return { id, generation };
}

const keysOf = (items: readonly OutboxItem[], kind: OutboxItem["kind"]) =>
  items.filter((item) => item.kind === kind).map((item) => decodeKey(item.key));

const stillOwed = ({ id, generation }: ItemKey) => ({ _id: id, "owed.generation": generation });

async function setAll(
  { messages, removals }: SessionDatabase,
  items: readonly OutboxItem[],
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const vectors = keysOf(items, "embed");
  const others = keysOf(items, "forget");
  const update = { $set: Object.fromEntries(Object.entries(fields).map(([field, value]) => [`owed.${field}`, value])) };
  if (vectors.length > 0) await messages.bulkWrite(vectors.map((key) => ({ updateOne: { filter: stillOwed(key), update } })));
  if (others.length > 0) await removals.updateMany({ _id: { $in: others.map(({ id }) => id) } }, { $set: fields });
}

async function settle({ messages, removals }: SessionDatabase, items: readonly OutboxItem[]): Promise<OutboxItem[]> {
  const others = keysOf(items, "forget");
  if (others.length > 0) await removals.deleteMany({ _id: { $in: others.map(({ id }) => id) } });
  const vectors = keysOf(items, "embed");
  if (vectors.length === 0) return [];
  const settling = vectors.map((key) => ({
    updateOne: { filter: stillOwed(key), update: { $set: { settled: key.generation }, $unset: { owed: "" } } },
  }));
  const { matchedCount } = await messages.bulkWrite(settling, { ordered: false });
  if (matchedCount === vectors.length) return [];
  const now = await messages.find({ _id: { $in: vectors.map(({ id }) => id) } }, { projection: { settled: 1 } }).toArray();
  const settled = new Map(now.map((document) => [document._id, document.settled]));
  return items.filter((item) => {
    const { id, generation } = decodeKey(item.key);
    return item.kind === "embed" && settled.get(id) !== generation;
  });
}

async function owe({ messages }: SessionDatabase, tenant: string, references: readonly MessageReference[]): Promise<void> {
  if (references.length === 0) return;
  await messages.bulkWrite(
    references.map(({ userId, conversationId, messageId }) => ({
      updateOne: {
        filter: { _id: documentId(tenant, conversationId, messageId), userId, text: { $ne: "" } },
        update: { $set: { owed: newOwed() } },
      },
    })),
  );
}

async function count(database: SessionDatabase, scope: StoreScope | undefined, kinds: readonly OutboxItem["kind"][]): Promise<OutboxCount> {
  const owned = scope === undefined ? {} : inScope({ ...scope, resourceId: undefined });
  const counts = (await isAdopted(database))
    ? await Promise.all([
        ...(kinds.includes("embed") ? [countDue(database.messages, "owed.", owned)] : []),
        ...(kinds.includes("forget") ? [countDue(database.removals, "", owned)] : []),
      ])
    : [];
  const due = counts.flatMap(({ dueAt }) => dueAt?.getTime() ?? []);
  return {
    pending: counts.reduce((sum, { pending }) => sum + pending, 0),
    failing: counts.reduce((sum, { failing }) => sum + failing, 0),
    lastError: counts.find(({ lastError }) => lastError !== null)?.lastError ?? undefined,
    nextDueInMs: due.length === 0 ? undefined : Math.min(...due) - Date.now(),
  };
}

interface DueCount {
  readonly pending: number;
  readonly failing: number;
  readonly lastError: string | null;
  readonly dueAt: Date | null;
}

async function countDue(collection: MongoCollectionLike, field: "owed." | "", owned: object): Promise<DueCount> {
  const [found] = await collection
    .aggregate([
      { $match: { ...owned, [`${field}dueAt`]: { $exists: true } } },
      {
        $group: {
          _id: null,
          pending: { $sum: 1 },
          failing: { $sum: { $cond: [{ $gt: [`$${field}error`, null] }, 1, 0] } },
          lastError: { $max: `$${field}error` },
          dueAt: { $min: `$${field}dueAt` },
        },
      },
    ])
    .toArray();
  return (found as unknown as DueCount | undefined) ?? { pending: 0, failing: 0, lastError: null, dueAt: null };
}
