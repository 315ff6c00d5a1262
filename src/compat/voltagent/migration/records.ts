import type { NewRecord } from "../../../domain/record-store.ts";
import { getRecords } from "../../../stores/postgres/record-reads.ts";
import { writeRecords } from "../../../stores/postgres/records.ts";
import type { SqlClient, SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import type { ImportContext } from "./conversations.ts";

/** Stores those records that are not there yet; of two of one name the first. Answers them. */
export async function putMissing(context: ImportContext, language: string, records: readonly NewRecord[]): Promise<NewRecord[]> {
  const distinct = [...new Map(records.toReversed().map((record) => [nameOf(record), record])).values()].toReversed();
  const { names, installation, tenant, transaction } = context;
  const { vectorSchema, vectorTypeId } = installation;
  const database = {
    client: clientWithin(transaction),
    names,
    language,
    vectorSchema,
    vectorTypeId,
    purge: { dueAt: Number.POSITIVE_INFINITY },
  };
  const found = await getRecords(database, tenant, distinct);
  const missing = distinct.filter((_, index) => found[index] === undefined);
  await writeRecords(
    database,
    missing.map((put) => ({ put })),
  );
  return missing;
}

const nameOf = ({ userId, type, id }: NewRecord) => JSON.stringify([userId, type, id]);

/** What wants a client gets the transaction that is open. */
export function clientWithin(transaction: SqlTransaction): SqlClient {
  return {
    engine: "server",
    query: (statement) => transaction.query(statement),
    execute: (sql) => transaction.execute(sql),
    transaction: (work) => work(transaction),
    close: async () => {},
  };
}
