import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import type { SqliteFile } from "./database.ts";
import { countMissingVectors, getVectors, missingVectors, searchVectors, setVectors } from "./record-vectors.ts";
import { countRecords, eraseRecords, getRecords, listRecords, searchRecords, writeRecords } from "./records.ts";

/** Records of a file that has their schema: of their own, or that of the conversations, which closes it. */
export function recordStoreIn(file: SqliteFile, close: () => Promise<void>): RecordStore {
  return {
    name: "sqlite",
    guarantees,
    open: file.open,
    close,
    health: file.health,
    write: (operations, signal) => file.write("write", signal, (rows) => writeRecords(rows, operations)),
    change: (tenant, names, change, signal) =>
      file.write("change", signal, (rows) => writeRecords(rows, change(getRecords(rows, tenant, names)))),
    get: (tenant, names, signal) => file.read("get", signal, (rows) => getRecords(rows, tenant, names)),
    list: (scope, query, signal) => file.read("list", signal, (rows) => listRecords(rows, scope, query)),
    count: (scope, conditions, signal) => file.read("count", signal, (rows) => countRecords(rows, scope, conditions)),
    searchText: (scope, query, signal) => file.read("search text", signal, (rows) => searchRecords(rows, scope, query)),
    vectors: {
      set: (entries, signal) => file.write("set vectors", signal, (rows) => setVectors(rows, entries)),
      get: (tenant, names, signal) => file.read("get vectors", signal, (rows) => getVectors(rows, tenant, names)),
      missing: (model, limit, signal) => file.read("look for missing vectors", signal, (rows) => missingVectors(rows, model, limit)),
      countMissing: (scope, model, signal) => file.read("count missing vectors", signal, (rows) => countMissingVectors(rows, scope, model)),
      search: (scope, query, signal) => file.read("search vectors", signal, (rows) => searchVectors(rows, scope, query)),
    },
    erase: (scope, conditions, signal) => file.write("erase", signal, (rows) => eraseRecords(rows, scope, conditions)),
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
  vectors: "required",
};
