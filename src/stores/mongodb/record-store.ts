import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import type { MongoConnection } from "./connection.ts";
import { finishOrphans, openRecords, type RecordDatabase } from "./record-database.ts";
import { count, erase, get, list, searchRecords } from "./record-reads.ts";
import { countMissingVectors, getVectors, missingVectors, searchVectors, setVectors } from "./record-vectors.ts";
import { change, write } from "./record-writes.ts";

/** How a record store reaches its database: by a connection of its own, or by that of the conversations. */
export interface RecordGateway extends Pick<RecordStore, "close" | "health"> {
  during<Value>(operation: string, signal: AbortSignal | undefined, work: (opened: RecordDatabase) => Promise<Value>): Promise<Value>;
}

export function recordStoreOn({ during, close, health }: RecordGateway): RecordStore {
  let hasText = true;
  const search: NonNullable<RecordStore["searchText"]> = (scope, query, signal) =>
    during("search text", signal, (database) => searchRecords(database, scope, query));

  return {
    name: "mongodb",
    guarantees,
    open: (signal) =>
      during("open", signal, async (database) => {
        hasText = database.hasText;
      }),
    close,
    health,
    write: (operations, signal) => during("write", signal, (database) => write(database, operations)),
    change: (tenant, names, decide, signal) => during("change", signal, (database) => change(database, tenant, names, decide)),
    get: (tenant, names, signal) => during("get", signal, (database) => get(database, tenant, names)),
    list: (scope, query, signal) => during("list", signal, (database) => list(database, scope, query)),
    count: (scope, conditions, signal) => during("count", signal, (database) => count(database, scope, conditions)),
    /** Absent once the server has refused a text index. */
    get searchText() {
      return (hasText ? search : undefined) as typeof search;
    },
    vectors: {
      set: (entries, signal) => during("set vectors", signal, (database) => setVectors(database, entries)),
      get: (tenant, names, signal) => during("get vectors", signal, (database) => getVectors(database, tenant, names)),
      missing: (model, limit, signal) => during("look for missing vectors", signal, (database) => missingVectors(database, model, limit)),
      countMissing: (scope, model, signal) =>
        during("count missing vectors", signal, (database) => countMissingVectors(database, scope, model)),
      search: (scope, query, signal) => during("search vectors", signal, (database) => searchVectors(database, scope, query)),
    },
    erase: (scope, conditions, signal) => during("erase", signal, (database) => erase(database, scope, conditions)),
  };
}

/** The collections, indexed, and what writers that died had left undone. */
export async function prepareRecords(connection: MongoConnection, language: string): Promise<RecordDatabase> {
  const database = await openRecords(connection, language);
  await finishOrphans(database, {});
  return database;
}

const guarantees: RecordGuarantees = {
  durable: "required",
  atomic: {
    level: "repaired",
    why: "a replica set writes in a transaction; on a server without transactions a write of several records that is broken off is completed by the next writer",
  },
  consistent: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  text: "required",
  vectors: "required",
};
