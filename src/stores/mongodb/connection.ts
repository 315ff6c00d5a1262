import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import { abortable } from "../../internal/abort.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";
import { speaking } from "./errors.ts";
import type { MongoClientLike, MongoCollectionLike, MongoDatabaseLike, MongoSessionLike } from "./mongo-client.ts";

/** How the stores of sessions and records reach a server. */
export interface MongodbConnectionOptions {
  /** Connection string, with user and password where the server asks for them. @default "mongodb://localhost:27017" */
  readonly uri?: string | undefined;
  /** A `MongoClient` of yours. It is lent: `close` leaves it open. */
  readonly client?: MongoClientLike | undefined;
  /** Nothing outside of this database is read or written. @default "unforget" */
  readonly database?: string | undefined;
  /** Prefix of every collection. @default "" */
  readonly collectionPrefix?: string | undefined;
  /** Language of the word index, of conversations that name none: `"german"`, or `"none"` without stemming. @default "english" */
  readonly language?: string | undefined;
  /** How long a call waits for a server that can be used. @default 10,000 */
  readonly serverSelectionTimeoutMs?: number | undefined;
}

/** A database that answered, and what it can do. */
export interface MongoConnection {
  readonly client: MongoClientLike;
  readonly database: MongoDatabaseLike;
  readonly version: string;
  readonly hasTransactions: boolean;
  /** A collection by its name without prefix. Everything is read from the primary and written to the majority. */
  collection(name: string): MongoCollectionLike;
  /** The same name with its prefix. */
  nameOf(name: string): string;
}

/** A connection made on first use, and what every method of a store begins with. */
export interface MongoGateway<Opened> {
  /** Runs `work` on the open database, with the store's own errors, until the signal aborts. */
  during<Value>(operation: string, signal: AbortSignal | undefined, work: (opened: Opened) => Promise<Value>): Promise<Value>;
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
}

export function mongoGateway<Opened extends { readonly connection: MongoConnection }>(
  options: MongodbConnectionOptions,
  prepare: (connection: MongoConnection) => Promise<Opened>,
): MongoGateway<Opened> {
  if (options.client !== undefined && options.uri !== undefined)
    throw new InvalidArgumentError("uri", "names a server beside a client: give one of the two");
  let made: MongoClientLike | undefined;
  let isClosed = false;

  const open = once(async () => {
    try {
      if (options.client === undefined) made = await newClient(options);
      return await prepare(await connect((options.client ?? made) as MongoClientLike, options));
    } catch (error) {
      await letGo();
      throw error;
    }
  });

  async function letGo(): Promise<void> {
    const ending = made;
    made = undefined;
    await ending?.close();
  }

  function expectOpen(operation: string): void {
    if (isClosed) throw new BackendError("mongodb", operation, "the store was closed: make a new one", { code: "closed" });
  }

  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: (opened: Opened) => Promise<Value>) {
    signal?.throwIfAborted();
    expectOpen(operation);
    const speak = speaking(operation, async () => work(await open())).catch((error: unknown) => {
      expectOpen(operation);
      throw error;
    });
    return abortable(speak, signal);
  }

  return {
    during,
    async close() {
      isClosed = true;
      await letGo();
    },
    async health(signal) {
      try {
        return await during("health", signal, async ({ connection }) => {
          const started = performance.now();
          await connection.database.command({ ping: 1 });
          const latencyMs = performance.now() - started;
          return { ok: true, store: "mongodb", latencyMs, versions: { mongodb: connection.version }, problem: undefined };
        });
      } catch (error) {
        return { ok: false, store: "mongodb", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
  };
}

async function newClient({ uri = "mongodb://localhost:27017", serverSelectionTimeoutMs = 10_000 }: MongodbConnectionOptions) {
  const { MongoClient } = await loadDependency("mongodb", "mongodb", () => import("mongodb"));
  const client: MongoClientLike = new MongoClient(uri, {
    appName: "unforget",
    serverSelectionTimeoutMS: serverSelectionTimeoutMs,
    connectTimeoutMS: serverSelectionTimeoutMs,
  });
  return client;
}

async function connect(
  client: MongoClientLike,
  { database: name = "unforget", collectionPrefix = "" }: MongodbConnectionOptions,
): Promise<MongoConnection> {
  await client.connect();
  const database = client.db(name, { readPreference: "primary", writeConcern: { w: "majority" } });
  const nameOf = (of: string) => `${collectionPrefix}${of}`;
  const collection = (of: string) => database.collection(nameOf(of));
  const [hello, build] = await Promise.all([database.command({ hello: 1 }), database.command({ buildInfo: 1 })]);
  const isOfSet = hello.setName !== undefined || hello.msg === "isdbgrid";
  return {
    client,
    database,
    version: String(build.version),
    hasTransactions: isOfSet && (await canTransact(client, collection("settings"))),
    collection,
    nameOf,
  };
}

/** Tried rather than concluded from a name: servers that speak MongoDB's protocol differ in this. */
async function canTransact(client: MongoClientLike, collection: MongoCollectionLike): Promise<boolean> {
  const session = client.startSession();
  try {
    await session.withTransaction(() => collection.find({ _id: "space" }, { session }).toArray(), transactionOptions);
    return true;
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === "number") return false;
    throw error;
  } finally {
    await session.endSession();
  }
}

const transactionOptions = { readConcern: { level: "snapshot" }, writeConcern: { w: "majority" }, readPreference: "primary" };

/** Options of every call that belongs to one unit of work. */
export interface UnitOptions {
  readonly session?: MongoSessionLike;
}

/** Runs `work` in a transaction where the server has them, else as it is. `work` may run more than once. */
export async function asUnit<Value>(
  { client, hasTransactions }: MongoConnection,
  work: (unit: UnitOptions) => Promise<Value>,
): Promise<Value> {
  if (!hasTransactions) return work({});
  const session = client.startSession();
  try {
    let value: Value | undefined;
    await session.withTransaction(async () => {
      value = await work({ session });
    }, transactionOptions);
    return value as Value;
  } finally {
    await session.endSession();
  }
}
