import { BackendError } from "../../domain/errors.ts";
import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import { once } from "../../internal/once.ts";
import { chooseClient } from "../postgres/choose-client.ts";
import type { PgliteLike } from "../postgres/embedded/pglite-client.ts";
import { speaking } from "../postgres/errors.ts";
import { migrate } from "../postgres/migrate.ts";
import { makeNames } from "../postgres/names.ts";
import type { PgConnectionOptions, PgPoolLike } from "../postgres/pg-client.ts";
import {
  countRecords,
  eraseRecords,
  getRecords,
  listRecords,
  type RecordDatabase,
  searchRecords,
  writeRecords,
} from "../postgres/records.ts";

export interface PostgresRecordStoreOptions extends PgConnectionOptions {
  /** A client of yours: a `pg.Pool`, or a PGlite instance made with the `vector` extension. It is lent: `close` leaves it open. */
  readonly client?: PgPoolLike | PgliteLike | undefined;
  /** Directory of an embedded Postgres; several processes may open it. `"memory://"` keeps nothing. @default "./.unforget" when no server is named */
  readonly dataDir?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "unforget" */
  readonly schema?: string | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /** Text-search configuration of all records; one the server does not have becomes `"simple"`. @default "english" */
  readonly language?: string | undefined;
}

/** Records in PostgreSQL: a server, a lent client, or embedded (PGlite); in the schema of the conversations, or another. */
export function postgresRecordStore(options: PostgresRecordStoreOptions = {}): RecordStore {
  const { schema = "unforget", tablePrefix = "", language = "english" } = options;
  const names = makeNames(schema, tablePrefix);
  const client = chooseClient("records", options);
  const store = client.engine === "embedded" ? "embedded" : "postgres";
  let serverVersion = "";
  let isClosed = false;

  const database = once(() =>
    speaking("open", client.engine, async (): Promise<RecordDatabase> => {
      const installation = await migrate(client, names);
      serverVersion = installation.serverVersion;
      return { client, names, language: installation.languages.has(language) ? language : "simple" };
    }),
  );

  /** A lent client still answers when this store was closed. */
  async function opened(operation: string, signal?: AbortSignal): Promise<RecordDatabase> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError(store, operation, "the store was closed: make a new one", { code: "closed" });
    return database();
  }

  async function on<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (database: RecordDatabase) => Promise<Value>,
  ): Promise<Value> {
    const found = await opened(operation, signal);
    return speaking(operation, client.engine, () => work(found));
  }

  return {
    name: store,
    guarantees,
    open: async (signal) => void (await opened("open", signal)),
    async close() {
      isClosed = true;
      await client.close();
    },
    async health(signal) {
      try {
        await opened("health");
        const started = performance.now();
        await speaking("health", client.engine, () => client.query({ text: "SELECT 1", signal }));
        return { ok: true, store, latencyMs: performance.now() - started, versions: { postgres: serverVersion }, problem: undefined };
      } catch (error) {
        return { ok: false, store, latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
    write: (operations, signal) => on("write", signal, (found) => writeRecords(found, operations, signal)),
    get: (tenant, wanted, signal) => on("get", signal, (found) => getRecords(found, tenant, wanted, signal)),
    list: (scope, query, signal) => on("list", signal, (found) => listRecords(found, scope, query, signal)),
    count: (scope, conditions, signal) => on("count", signal, (found) => countRecords(found, scope, conditions, signal)),
    searchText: (scope, query, signal) => on("search text", signal, (found) => searchRecords(found, scope, query, signal)),
    erase: (scope, signal) => on("erase", signal, (found) => eraseRecords(found, scope, signal)),
  };
}

const guarantees: RecordGuarantees = {
  durable: "required",
  atomic: "required",
  consistent: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  text: "required",
};
