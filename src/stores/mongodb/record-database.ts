import { randomUUID } from "node:crypto";
import { BackendError } from "../../domain/errors.ts";
import { KeyedQueue } from "../../internal/keyed-queue.ts";
import { asUnit, type MongoConnection, type UnitOptions } from "./connection.ts";
import { documentId } from "./documents.ts";
import { isCollision, isDuplicateKey } from "./errors.ts";
import { indexLanguage } from "./language.ts";
import type { MongoCollectionLike } from "./mongo-client.ts";
import type { RecordDocument } from "./record-documents.ts";
import { hasWordIndex } from "./session-database.ts";

/** The collections of a record store, indexed. */
export interface RecordDatabase {
  readonly connection: MongoConnection;
  readonly records: MongoCollectionLike;
  /** Where the server has no transactions: who is writing to a tenant, and what. */
  readonly writing: MongoCollectionLike;
  readonly language: string;
  readonly hasText: boolean;
  readonly writers: KeyedQueue;
}

export async function openRecords(connection: MongoConnection, language: string): Promise<RecordDatabase> {
  const records = connection.collection("records");
  const [hasText] = await Promise.all([indexRecords(records), connection.collection("record_writers").createIndex({ until: 1 })]);
  return {
    connection,
    records,
    writing: connection.collection("record_writers"),
    language: indexLanguage(language),
    hasText,
    writers: new KeyedQueue(),
  };
}

async function indexRecords(records: MongoCollectionLike): Promise<boolean> {
  await records.createIndex({ uniqueKey: 1 }, { unique: true, partialFilterExpression: { uniqueKey: { $exists: true } } });
  await records.createIndex({ tenant: 1, userId: 1, type: 1, createdAt: 1 });
  await records.createIndex({ tenant: 1, type: 1, id: 1 });
  await records.createIndex({ tenant: 1, name: 1, type: 1 }, { partialFilterExpression: { name: { $exists: true } } });
  await records.createIndex({ tenant: 1, userId: 1, type: 1, position: 1, id: 1 });
  await records.createIndex({ tenant: 1, type: 1, position: 1, userId: 1, id: 1 });
  await records.createIndex({ tenant: 1, conversationId: 1 }, { partialFilterExpression: { conversationId: { $exists: true } } });
  await records.createIndex({ vectorModel: 1 }, { partialFilterExpression: { wantsVector: { $exists: true } } });
  await records.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 });
  return hasWordIndex(records, "words");
}

/** What a write comes down to; carrying it out twice changes nothing. */
export interface RecordChanges {
  readonly deleted: readonly string[];
  /** Those that give up their key, before another may have it. */
  readonly freed: readonly string[];
  readonly stored: readonly RecordDocument[];
}

export async function carryOut(records: MongoCollectionLike, { deleted, freed, stored }: RecordChanges, unit: UnitOptions): Promise<void> {
  const operations: object[] = [];
  if (deleted.length > 0) operations.push({ deleteMany: { filter: { _id: { $in: deleted } } } });
  if (freed.length > 0) operations.push({ updateMany: { filter: { _id: { $in: freed } }, update: { $unset: { uniqueKey: "" } } } });
  for (const replacement of stored) operations.push({ replaceOne: { filter: { _id: replacement._id }, replacement, upsert: true } });
  if (operations.length > 0) await records.bulkWrite(operations, { ordered: true, ...unit });
}

/** How long a writer has a tenant, and how long others wait for it. */
const holdMs = 30_000;
const longestWaitMs = 45_000;

interface WriterDocument {
  readonly _id: string;
  readonly token: string;
  readonly until: Date;
  readonly changes?: RecordChanges;
}

/** What is decided for each tenant is carried out, also when this process dies in the middle. */
export type Decide = (changes: ReadonlyMap<string, RecordChanges>) => Promise<void>;

/**
 * Runs `work` in a transaction; or, where the server has none, while nobody else writes to these tenants. What it
 * decides is then written down first: the next writer carries out what one that died has left.
 */
export async function writingTo<Value>(
  database: RecordDatabase,
  tenants: readonly string[],
  work: (unit: UnitOptions, decide: Decide) => Promise<Value>,
): Promise<Value> {
  const { connection, records, writers } = database;
  const deadline = Date.now() + longestWaitMs;
  const attempt = (): Promise<{ readonly value: Value } | undefined> =>
    connection.hasTransactions
      ? asUnit(connection, async (unit) => {
          const decide: Decide = async (changes) => {
            for (const one of changes.values()) await carryOut(records, one, unit);
          };
          return { value: await work(unit, decide) };
        })
      : holdTenants(database, tenants, (decide) => work({}, decide));
  return writers.run(tenants, async () => {
    for (let pauseMs = 2; Date.now() < deadline; pauseMs = Math.min(2 * pauseMs, 200)) {
      // A key or a record that somebody else stored in the same moment: looked at again, it is a conflict or none.
      const done = await attempt().catch((error: unknown) => {
        if (!isCollision(error)) throw error;
        return undefined;
      });
      if (done !== undefined) return done.value;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
    }
    throw new BackendError("mongodb", "write", "others were writing all the time: repeat the call", { retryable: true });
  });
}

/** Undefined when somebody else has one of them. */
async function holdTenants<Value>(
  { records, writing }: RecordDatabase,
  tenants: readonly string[],
  work: (decide: Decide) => Promise<Value>,
): Promise<{ readonly value: Value } | undefined> {
  const token = randomUUID();
  const ids = tenants.map((tenant) => documentId(tenant));
  try {
    const until = new Date(Date.now() + holdMs);
    await writing.insertMany(ids.map((_id) => ({ _id, token, until })));
  } catch (error) {
    await writing.deleteMany({ token });
    if (!isDuplicateKey(error)) throw error;
    await finishOrphans({ records, writing }, { _id: { $in: ids } });
    return undefined;
  }
  let isDecided = false;
  try {
    const value = await work(async (changes) => {
      isDecided = true;
      const noted = [...changes].map(([tenant, one]) => ({
        updateOne: { filter: { _id: documentId(tenant), token }, update: { $set: { changes: one } } },
      }));
      const { matchedCount } = await writing.bulkWrite(noted);
      if (matchedCount < noted.length)
        throw new BackendError("mongodb", "write", "storing took longer than others wait: repeat the call", { retryable: true });
      for (const one of changes.values()) await carryOut(records, one, {});
    });
    await writing.deleteMany({ token });
    return { value };
  } catch (error) {
    // What is decided stays written down, for whoever comes next.
    if (isDecided) await writing.updateMany({ token }, { $set: { until: new Date() } }).catch(() => {});
    else await writing.deleteMany({ token }).catch(() => {});
    throw error;
  }
}

/** Carries out what writers had decided before they died. */
export async function finishOrphans({ records, writing }: Pick<RecordDatabase, "records" | "writing">, filter: object): Promise<void> {
  const orphans = await writing.find({ ...filter, until: { $lte: new Date() } }).toArray();
  for (const { _id, token, changes } of orphans as unknown as WriterDocument[]) {
    const mine = { token: randomUUID(), until: new Date(Date.now() + holdMs) };
    const { matchedCount } = await writing.updateOne({ _id, token }, { $set: mine });
    if (matchedCount === 0) continue;
    if (changes !== undefined) await carryOut(records, changes, {});
    await writing.deleteOne({ _id, token: mine.token });
  }
}
