import type { RecordStore } from "../../domain/record-store.ts";
import { type SqliteFileOptions, sqliteFile } from "../sqlite/database.ts";
import { recordSchema } from "../sqlite/record-schema.ts";
import { recordStoreIn } from "../sqlite/record-store.ts";

/** Which SQLite file holds the records. */
export interface SqliteRecordStoreOptions extends SqliteFileOptions {}

/** Records and their words in an SQLite file: that of the conversations, or one of its own. Needs no package. */
export function sqliteRecordStore(options: SqliteRecordStoreOptions = {}): RecordStore {
  const file = sqliteFile(options, recordSchema);
  return recordStoreIn(file, file.close);
}
