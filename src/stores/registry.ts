import { existsSync } from "node:fs";
import type { ArchiveStore } from "../domain/archive-store.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { RecordStore } from "../domain/record-store.ts";
import type { SessionStore } from "../domain/session-store.ts";
import type { VectorStore } from "../domain/vector-store.ts";
import { bigqueryArchiveStore } from "./archive/bigquery.ts";
import type { PgliteLike } from "./postgres/embedded/pglite-client.ts";
import type { PgPoolLike } from "./postgres/pg-client.ts";
import { memoryRecordStore } from "./record/memory.ts";
import { mongodbRecordStore } from "./record/mongodb.ts";
import { postgresRecordStore } from "./record/postgres.ts";
import { sqliteRecordStore } from "./record/sqlite.ts";
import { bigquerySessionStore } from "./session/bigquery.ts";
import { elasticsearchSessionStore } from "./session/elasticsearch.ts";
import { memorySessionStore } from "./session/memory.ts";
import { mongodbSessionStore } from "./session/mongodb.ts";
import { postgresSessionStore } from "./session/postgres.ts";
import { redisSessionStore } from "./session/redis.ts";
import { sqliteSessionStore } from "./session/sqlite.ts";
import { chromaVectorStore } from "./vector/chroma.ts";
import { memoryVectorStore } from "./vector/memory.ts";
import { pgvectorVectorStore } from "./vector/pgvector.ts";
import { pineconeVectorStore } from "./vector/pinecone.ts";
import { qdrantVectorStore } from "./vector/qdrant.ts";
import { redisVectorStore } from "./vector/redis.ts";
import { sqliteVectorStore } from "./vector/sqlite.ts";

// Each backend is one file and one line here. Drivers are loaded on first use.

/** Stores of conversations and messages, by name. */
export const sessionStores = {
  memory: memorySessionStore,
  postgres: postgresSessionStore,
  sqlite: sqliteSessionStore,
  redis: redisSessionStore,
  mongodb: mongodbSessionStore,
  elasticsearch: elasticsearchSessionStore,
  bigquery: bigquerySessionStore,
};

/** Stores of vectors, by name. */
export const vectorStores = {
  memory: memoryVectorStore,
  pgvector: pgvectorVectorStore,
  sqlite: sqliteVectorStore,
  redis: redisVectorStore,
  qdrant: qdrantVectorStore,
  chroma: chromaVectorStore,
  pinecone: pineconeVectorStore,
};

/** Stores of records, by name. */
export const recordStores = {
  memory: memoryRecordStore,
  postgres: postgresRecordStore,
  sqlite: sqliteRecordStore,
  mongodb: mongodbRecordStore,
};

/** Archives of messages, by name. */
export const archiveStores = {
  bigquery: bigqueryArchiveStore,
};

/** The options of each entry of a registry, with its name as `store`. */
type Named<Stores> = {
  [Name in keyof Stores]: Stores[Name] extends (options: infer Options) => unknown
    ? { readonly store: Name } & Exclude<Options, undefined>
    : never;
}[keyof Stores];

/**
 * Options of stores that `registerStore` made known. Add yours, so that they are checked:
 * `declare module "unforget" { interface CustomStores { files: { store: "files"; directory: string } } }`
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by its users
export interface CustomStores {}

/** A store by name with its options, a `pg.Pool` or PGlite instance of yours, or a store of your own. */
export type SessionsOption =
  | Named<typeof sessionStores>
  | PgPoolLike
  | PgliteLike
  | SessionStore
  | MemoryStore
  | CustomStores[keyof CustomStores];

/** A store by name with its options, or a store of your own. */
export type VectorsOption = Named<typeof vectorStores> | VectorStore | CustomStores[keyof CustomStores];

/** A store by name with its options, or a store of your own. */
export type RecordsOption = Named<typeof recordStores> | RecordStore | CustomStores[keyof CustomStores];

/** An archive by name with its options, or one of your own. */
export type ArchiveOption = Named<typeof archiveStores> | ArchiveStore | CustomStores[keyof CustomStores];

interface Kinds {
  readonly archive: ArchiveStore;
  readonly sessions: SessionStore;
  readonly vectors: VectorStore;
  readonly records: RecordStore;
}

type Factory = (options: never) => unknown;

const registered: { readonly [Kind in keyof Kinds]: Map<string, Factory> } = {
  archive: new Map(Object.entries(archiveStores)),
  sessions: new Map(Object.entries(sessionStores)),
  vectors: new Map(Object.entries(vectorStores)),
  records: new Map(Object.entries(recordStores)),
};

/**
 * Makes a store of your own known by a name, for `createMemory({ sessions: { store: name, … } })` and for configuration
 * files. It holds for this process.
 *
 * @throws InvalidArgumentError when the name is taken
 * @example
 * registerStore("sessions", "files", (options: { directory: string }) => fileStore(options.directory));
 */
export function registerStore<Kind extends keyof Kinds, Options extends object>(
  kind: Kind,
  name: string,
  factory: (options: Options) => Kinds[Kind],
): void {
  if (registered[kind].has(name)) throw new InvalidArgumentError("name", `is taken: there is a store "${name}" for ${kind}`);
  registered[kind].set(name, factory);
}

/** The names that may stand as `store`. */
export function storeNames(kind: keyof Kinds): string[] {
  return [...registered[kind].keys()];
}

/** @throws InvalidArgumentError when it is neither a known name nor a client nor a store */
export function resolveSessionStore(option: SessionsOption): SessionStore | MemoryStore {
  if (isObject(option) && "append" in option && typeof option.append === "function") return option as unknown as SessionStore;
  if (isObject(option) && ("execProtocolRaw" in option || typeof option.connect === "function"))
    return postgresSessionStore({ client: option as unknown as PgPoolLike | PgliteLike });
  return byName("sessions", option, "a pg.Pool, a PGlite instance, or a SessionStore");
}

/** @throws InvalidArgumentError when it is neither a known name nor a store */
export function resolveVectorStore(option: VectorsOption): VectorStore {
  if (isObject(option) && "upsert" in option && typeof option.upsert === "function") return option as unknown as VectorStore;
  return byName("vectors", option, "or a VectorStore");
}

/** @throws InvalidArgumentError when it is neither a known name nor a store */
export function resolveRecordStore(option: RecordsOption): RecordStore {
  if (isObject(option) && "write" in option && typeof option.write === "function") return option as unknown as RecordStore;
  return byName("records", option, "or a RecordStore");
}

/** @throws InvalidArgumentError when it is neither a known name nor an archive */
export function resolveArchiveStore(option: ArchiveOption): ArchiveStore {
  if (isObject(option) && "write" in option && typeof option.write === "function") return option as unknown as ArchiveStore;
  return byName("archive", option, "or an ArchiveStore");
}

function byName<Kind extends keyof Kinds>(kind: Kind, option: unknown, others: string): Kinds[Kind] {
  if (isObject(option) && typeof option.store === "string") {
    const { store, ...options } = option;
    const factory = registered[kind].get(store as string);
    if (factory !== undefined) return factory(options as never) as Kinds[Kind];
    throw new InvalidArgumentError(`${kind}.store`, `"${store}" is not known: use ${storeNames(kind).join(", ")}`);
  }
  throw new InvalidArgumentError(
    kind,
    `is not a store: give { store: ${storeNames(kind)
      .map((name) => `"${name}"`)
      .join(" | ")}, … }, ${others}`,
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Which of a Postgres store's options say where it is. */
const placeFields = ["url", "host", "port", "database", "user", "password", "ssl", "client", "dataDir"] as const;

/**
 * Vectors in pgvector that name no database are in that of the sessions. Undefined: they name nothing at all, and
 * Postgres keeps them itself, ranking in one statement.
 */
export function besideSessions(vectors: VectorsOption, sessions: SessionsOption): VectorsOption | undefined {
  if (isObject(sessions) && "append" in sessions) return vectors;
  if (!isObject(vectors) || vectors.store !== "pgvector" || placeFields.some((field) => vectors[field] !== undefined)) return vectors;
  const place: Readonly<Record<string, unknown>> = isObject(sessions) && "store" in sessions ? sessions : { client: sessions };
  if ("store" in place && place.store !== "postgres") return vectors;
  if (Object.keys(vectors).length === 1) return undefined;
  const given = placeFields.filter((field) => place[field] !== undefined).map((field) => [field, place[field]]);
  return { ...Object.fromEntries(given), ...vectors } as VectorsOption;
}

/**
 * Where vectors go when nothing says so: a session store that is a vector store too, with the same options, or none.
 * Postgres keeps its own and needs no other.
 */
export function companionVectors(sessions: SessionsOption): VectorStore | undefined {
  if (!isObject(sessions) || typeof sessions.store !== "string" || !companions.has(sessions.store)) return undefined;
  return byName("vectors", sessions, "or a VectorStore");
}

/** Where records go when nothing says so and the session store keeps none. It is made by its first use. */
export function recordsOfTheirOwn(): { readonly store: RecordStore; readonly exists: () => boolean } {
  const dataDir = "./.unforget";
  return { store: postgresRecordStore({ dataDir }), exists: () => existsSync(dataDir) };
}

const companions: ReadonlySet<string> = new Set(["memory", "sqlite", "redis"]);
