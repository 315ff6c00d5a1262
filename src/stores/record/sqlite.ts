import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import { type SqliteFileOptions, sqliteFile } from "../sqlite/database.ts";
import { recordSchema } from "../sqlite/record-schema.ts";
import { countRecords, eraseRecords, getRecords, listRecords, searchRecords, writeRecords } from "../sqlite/records.ts";

export interface SqliteRecordStoreOptions extends SqliteFileOptions {}

/** Records and their words in an SQLite file: that of the conversations, or one of its own. Needs no package. */
export function sqliteRecordStore(options: SqliteRecordStoreOptions = {}): RecordStore {
  const file = sqliteFile(options, recordSchema);
  return {
    name: "sqlite",
    guarantees,
    open: file.open,
    close: file.close,
    health: file.health,
    write: (operations, signal) => file.write("write", signal, (rows) => writeRecords(rows, operations)),
    get: (tenant, names, signal) => file.read("get", signal, (rows) => getRecords(rows, tenant, names)),
    list: (scope, query, signal) => file.read("list", signal, (rows) => listRecords(rows, scope, query)),
    count: (scope, conditions, signal) => file.read("count", signal, (rows) => countRecords(rows, scope, conditions)),
    searchText: (scope, query, signal) => file.read("search text", signal, (rows) => searchRecords(rows, scope, query)),
    erase: (scope, signal) => file.write("erase", signal, (rows) => eraseRecords(rows, scope)),
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
