import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceTable } from "../../domain/import-source.ts";
import { langswarmModel, toConversation, toMessage, toSummary } from "./langswarm-rows.ts";
import { inPages, mongodbCollections } from "./mongodb-collections.ts";
import type { Row } from "./row-values.ts";

/** LangSwarm's sessions in MongoDB. */
export function langswarmMongodb(source: ImportFromSource): ImportSource {
  const { tablePrefix: prefix = "", embeddingModel: model = langswarmModel } = source;
  const database = mongodbCollections(source, "langswarm_memory");
  const [sessions, messages, summaries] = [`${prefix}sessions`, `${prefix}messages`, `${prefix}summaries`];
  const sessionsOf = async (rows: readonly Row[]) => {
    const found = await database.lookup(sessions, "session_id", [...new Set(rows.map((row) => row.session_id))]);
    return new Map(found.map((row) => [row.session_id, row]));
  };
  return {
    identity: JSON.stringify(["langswarm", database.place, prefix]),
    async detect() {
      const names = await database.names();
      const [session, message] = await Promise.all([database.fields(sessions), database.fields(messages)]);
      if (!session.has("session_id") && !(message.has("session_id") && message.has("message_id")))
        throw new InvalidArgumentError(
          "from",
          `${database.place} has no sessions of LangSwarm: name the database and collection prefix they are under`,
        );
      const tables: SourceTable[] = [];
      for (const [name, holds] of [
        [messages, "messages"],
        [sessions, "conversations"],
        [summaries, "summaries"],
      ] as const)
        if (names.has(name)) tables.push({ name, holds, rows: await database.count(name) });
      return { system: "langswarm", version: "session memory in MongoDB", place: database.place, tables };
    },
    async *read(_after, signal) {
      for await (const page of inPages(database.all(messages, { session_id: 1, timestamp: 1, _id: 1 }))) {
        signal?.throwIfAborted();
        const known = await sessionsOf(page);
        for (const row of page)
          yield { name: `${messages} ${String(row.message_id)}`, items: [toMessage(row, known.get(row.session_id), model)] };
      }
      for await (const row of database.all(sessions, { _id: 1 }))
        yield { name: `${sessions} ${String(row.session_id)}`, items: [toConversation(row)] };
      for await (const page of inPages(database.all(summaries, { _id: 1 }))) {
        signal?.throwIfAborted();
        const known = await sessionsOf(page);
        for (const row of page)
          yield { name: `${summaries} ${String(row.summary_id)}`, items: [toSummary(row, known.get(row.session_id))] };
      }
    },
    close: () => database.close(),
  };
}
