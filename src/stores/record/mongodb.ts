import type { RecordStore } from "../../domain/record-store.ts";
import { type MongodbConnectionOptions, mongoGateway } from "../mongodb/connection.ts";
import { prepareRecords, recordStoreOn } from "../mongodb/record-store.ts";

/** Which MongoDB holds the records, and where in it. */
export interface MongodbRecordStoreOptions extends MongodbConnectionOptions {}

/** Records in MongoDB: each write in a transaction where the server has them, and written down beforehand where it has none. */
export function mongodbRecordStore(options: MongodbRecordStoreOptions = {}): RecordStore {
  const { language = "english" } = options;
  return recordStoreOn(mongoGateway(options, (connection) => prepareRecords(connection, language)));
}
