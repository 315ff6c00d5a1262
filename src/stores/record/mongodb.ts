import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import { type MongodbConnectionOptions, mongoGateway } from "../mongodb/connection.ts";
import { finishOrphans, openRecords } from "../mongodb/record-database.ts";
import { count, erase, get, list, searchRecords } from "../mongodb/record-reads.ts";
import { write } from "../mongodb/record-writes.ts";

export interface MongodbRecordStoreOptions extends MongodbConnectionOptions {}

/** Records in MongoDB: each write in a transaction where the server has them, and written down beforehand where it has none. */
export function mongodbRecordStore(options: MongodbRecordStoreOptions = {}): RecordStore {
  const { language = "english" } = options;
  let hasText = true;
  const { during, close, health } = mongoGateway(options, async (connection) => {
    const database = await openRecords(connection, language);
    await finishOrphans(database, {});
    hasText = database.hasText;
    return database;
  });
  const search: NonNullable<RecordStore["searchText"]> = (scope, query, signal) =>
    during("search text", signal, (database) => searchRecords(database, scope, query));

  return {
    name: "mongodb",
    guarantees,
    open: (signal) => during("open", signal, async () => {}),
    close,
    health,
    write: (operations, signal) => during("write", signal, (database) => write(database, operations)),
    get: (tenant, names, signal) => during("get", signal, (database) => get(database, tenant, names)),
    list: (scope, query, signal) => during("list", signal, (database) => list(database, scope, query)),
    count: (scope, conditions, signal) => during("count", signal, (database) => count(database, scope, conditions)),
    /** Absent once the server has refused a text index. */
    get searchText() {
      return (hasText ? search : undefined) as typeof search;
    },
    erase: (scope, signal) => during("erase", signal, (database) => erase(database, scope)),
  };
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
};
