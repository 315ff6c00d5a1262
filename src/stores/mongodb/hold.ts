import { randomUUID } from "node:crypto";
import { BackendError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { asUnit, type UnitOptions } from "./connection.ts";
import { type ConversationDocument, toUpdate } from "./documents.ts";
import { isCollision, isUnreachable } from "./errors.ts";
import { isLive, type SessionDatabase } from "./session-database.ts";

/*
 * One writer at a time has a conversation: its document says who, and until when. Messages are stored with places from
 * `nextSeq` on, where no reader looks, and one update of the conversation then moves `nextSeq` beyond them: that is the
 * moment a batch lands. Where the server has transactions all of it happens in one, and several conversations land in the
 * same moment; where it has none, the next writer cleans up after one that died, once its time is over.
 */

/** How long a writer has a conversation. */
const holdMs = 30_000;
const longestWaitMs = 45_000;

export interface Wish {
  readonly key: string;
  /** Whose it must be; undefined: anybody's. One of others is nobody's business here. */
  readonly users: readonly string[] | undefined;
  readonly resourceId: string | undefined;
  /** Made when there is none; undefined: it may not be. */
  readonly create: (() => Omit<ConversationDocument, "isVisible" | "writing">) | undefined;
}

/** Conversations that are this writer's for now. */
export interface Hold extends UnitOptions {
  readonly token: string;
  /** By key; what was wished for and is not here may not be had. `isVisible` is false in those that are being made. */
  readonly conversations: ReadonlyMap<string, ConversationDocument>;
}

/** A wish for one conversation of a scope. */
export function wishIn(scope: StoreScope, key: string): Wish {
  return { key, users: scope.userId === undefined ? undefined : [scope.userId], resourceId: scope.resourceId, create: undefined };
}

function conditionOf({ users, resourceId }: Wish): object {
  return { ...(users === undefined ? {} : { userId: { $in: users } }), ...(resourceId === undefined ? {} : { resourceId }) };
}

function isAllowed({ users, resourceId }: Wish, document: ConversationDocument): boolean {
  return (users === undefined || users.includes(document.userId)) && (resourceId === undefined || resourceId === document.resourceId);
}

/**
 * Runs `work` while nobody else writes to these conversations. `work` sees to it that each is let go of by its last
 * update (`$unset: { writing: "" }`), or is deleted.
 */
export async function holding<Value>(
  database: SessionDatabase,
  wishes: readonly Wish[],
  work: (hold: Hold) => Promise<Value>,
): Promise<Value> {
  const deadline = Date.now() + longestWaitMs;
  const attempt = async (): Promise<{ readonly value: Value } | undefined> => {
    try {
      return await asUnit(database.connection, (unit) => holdOnce(database, wishes, unit, work));
    } catch (error) {
      // Somebody else made a conversation in the same moment; or, in a transaction, is just writing to one.
      if (error instanceof Busy || isCollision(error)) return undefined;
      throw error;
    }
  };
  return database.writers.run(
    wishes.map((wish) => wish.key),
    async () => {
      for (let pauseMs = 2; ; pauseMs = Math.min(2 * pauseMs, 200)) {
        const done = await attempt();
        if (done !== undefined) return done.value;
        if (Date.now() > deadline)
          throw new BackendError("mongodb", "append", "others were writing to the conversation all the time: repeat the call", {
            retryable: true,
          });
        await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
      }
    },
  );
}

class Busy extends Error {}

async function holdOnce<Value>(
  database: SessionDatabase,
  wishes: readonly Wish[],
  unit: UnitOptions,
  work: (hold: Hold) => Promise<Value>,
): Promise<{ readonly value: Value }> {
  const token = randomUUID();
  const keys = wishes.map((wish) => wish.key);
  try {
    const conversations = await take(database, wishes, token, unit);
    return { value: await work({ token, conversations, ...unit }) };
  } catch (error) {
    // A transaction takes all of it back by itself.
    if (unit.session === undefined) {
      const recovered = recover(database, keys, token).catch(() => {});
      if (!isUnreachable(error)) await recovered;
    }
    throw error;
  }
}

/** @throws Busy when one of them is somebody else's for now */
async function take(
  database: SessionDatabase,
  wishes: readonly Wish[],
  token: string,
  unit: UnitOptions,
): Promise<Map<string, ConversationDocument>> {
  const { conversations } = database;
  const writing = { token, until: new Date(Date.now() + holdMs) };
  await conversations.bulkWrite(
    wishes.map((wish) => ({
      updateOne: {
        filter: { _id: wish.key, ...conditionOf(wish), ...isLive(database), writing: { $exists: false } },
        update: { $set: { writing } },
      },
    })),
    { ordered: false, ...unit },
  );
  const filter = { _id: { $in: wishes.map((wish) => wish.key) } };
  const documents = (await conversations.find(filter, unit).toArray()) as unknown as ConversationDocument[];
  const taken = new Map(documents.map((document) => [document._id, document]));
  const made: ConversationDocument[] = [];
  for (const wish of wishes) {
    const { key, create } = wish;
    const document = taken.get(key);
    if (document === undefined) {
      if (create !== undefined) made.push({ ...create(), isVisible: false, writing });
    } else if (document.writing?.token !== token) {
      if ((await isPutInOrder(database, document)) || !document.isVisible || isAllowed(wish, document)) throw new Busy();
      taken.delete(key);
    }
  }
  if (made.length > 0) {
    await purge(database, made, unit);
    await conversations.insertMany(made, { ordered: false, ...unit });
    for (const document of made) taken.set(document._id, document);
  }
  return taken;
}

/** What a conversation that ended has left: its messages may outlive it. */
async function purge(database: SessionDatabase, made: readonly ConversationDocument[], unit: UnitOptions): Promise<void> {
  if (database.ttlMs === undefined) return;
  await database.messages.deleteMany({ conversation: { $in: made.map((document) => document._id) } }, unit);
}

/**
 * Whether a conversation had been left by a writer that died, or had ended, and is put in order now. Outside of any
 * transaction: the one that came across it begins anew.
 */
async function isPutInOrder(database: SessionDatabase, document: ConversationDocument): Promise<boolean> {
  const { writing, expiresAt } = document;
  const hasEnded = database.ttlMs !== undefined && expiresAt !== undefined && expiresAt.getTime() <= Date.now();
  const isFree = writing === undefined || writing.until.getTime() <= Date.now();
  if (!isFree || (writing === undefined && !hasEnded)) return hasEnded;
  const token = randomUUID();
  const until = new Date(Date.now() + holdMs);
  const same = writing === undefined ? { writing: { $exists: false } } : { "writing.token": writing.token };
  const update = { $set: { writing: { token, until }, ...(hasEnded ? { isVisible: false } : {}) } };
  const { matchedCount } = await database.conversations.updateOne({ _id: document._id, ...same }, update);
  if (matchedCount === 1) await recover(database, [document._id], token);
  return true;
}

/**
 * Brings conversations that carry this token into order: decided changes are carried out, messages that did not land
 * go, and so does what was being made or deleted.
 */
async function recover(database: SessionDatabase, keys: readonly string[], token: string): Promise<void> {
  const { conversations, messages } = database;
  const found = await conversations.find({ _id: { $in: keys }, "writing.token": token }).toArray();
  for (const { _id, nextSeq, isVisible, changes = [] } of found as unknown as ConversationDocument[]) {
    const mine = { _id, "writing.token": token };
    if (!isVisible) {
      await messages.deleteMany({ conversation: _id });
      await conversations.deleteOne(mine);
      continue;
    }
    if (changes.length > 0) await messages.bulkWrite(changes.map(toUpdate));
    await messages.deleteMany({ conversation: _id, seq: { $gte: nextSeq } });
    await conversations.updateOne(mine, { $unset: { writing: "", changes: "" } });
  }
}

/** Puts in order what writers have left that died; with it also what nobody writes to again. */
export async function recoverOrphans(database: SessionDatabase): Promise<void> {
  const orphans = await database.conversations.find({ "writing.until": { $lt: new Date() } }, { limit: 1_000 }).toArray();
  for (const document of orphans as unknown as ConversationDocument[]) await isPutInOrder(database, document);
}
