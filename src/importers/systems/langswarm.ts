import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceItem } from "../../domain/import-source.ts";
import { langswarmMongodb } from "./langswarm-mongodb.ts";
import { langswarmRedis } from "./langswarm-redis.ts";
import { langswarmModel, sessionOwner, toConversation, toMessage, toSummary } from "./langswarm-rows.ts";
import { postgresTables } from "./postgres-tables.ts";
import { jsonOf, objectOf, otherFields, type Row, required, textOf, timeOf } from "./row-values.ts";
import { sqliteTables } from "./sqlite-tables.ts";
import { type Columns, countTables, findPrefix, hasColumns, readTables, type TableReader, type TablesDatabase } from "./tables.ts";

/** LangSwarm's memory in Postgres, SQLite, Redis or MongoDB: the address says which. */
export function langswarmSource(source: ImportFromSource): ImportSource {
  if (source.client !== undefined) return langswarmTables(source, postgresTables(source));
  const from = required(source.from);
  const protocol = /^([a-z][a-z0-9+]+):\/\//i.exec(from)?.[1]?.toLowerCase();
  switch (protocol) {
    case "postgres":
    case "postgresql":
      return langswarmTables(source, postgresTables(source));
    case "redis":
    case "rediss":
      return langswarmRedis(source);
    case "mongodb":
    case "mongodb+srv":
      return langswarmMongodb(source);
    case undefined:
    case "sqlite":
      return langswarmTables(source, sqliteTables(from.replace(/^sqlite:\/\//, "")));
    default:
      throw new InvalidArgumentError(
        "from",
        `LangSwarm is not read over ${protocol}: give a postgres://, redis:// or mongodb:// URL, or a SQLite file`,
      );
  }
}

function langswarmTables(source: ImportFromSource, database: TablesDatabase): ImportSource {
  const model = source.embeddingModel ?? langswarmModel;
  const open = async () => {
    const tables = await database.tables();
    return { tables, readers: readersOf(database, tables, source, model) };
  };
  return {
    identity: source.client !== undefined ? undefined : JSON.stringify(["langswarm", database.place, source.tablePrefix]),
    async detect() {
      const { tables, readers } = await open();
      return {
        system: "langswarm",
        version: versionOf(tables, readers),
        place: database.place,
        tables: await countTables(database, readers),
      };
    },
    async *read(after, signal) {
      const { readers } = await open();
      yield* readTables(database, readers, after, signal);
    },
    close: () => database.close(),
  };
}

function versionOf(tables: ReadonlyMap<string, Columns>, readers: readonly TableReader[]): string {
  const kinds = [
    readers.some(({ table }) => hasColumns(tables.get(table), "message_id", "session_id", "tool_calls")) && "session memory",
    readers.some(({ table }) => hasColumns(tables.get(table), "message_id", "embedding")) && "with vectors",
    readers.some(({ holds }) => holds.startsWith("indexed")) && "a vector store",
    readers.some(({ table }) => table.endsWith("memory_records")) && "typed memory",
  ];
  return kinds.filter((kind) => kind !== false).join(", ");
}

function readersOf(
  database: TablesDatabase,
  tables: ReadonlyMap<string, Columns>,
  source: ImportFromSource,
  model: string,
): readonly TableReader[] {
  const { tablePrefix } = source;
  const own = tablePrefix ?? "";
  const vectors = hasColumns(tables.get(`${own}vectors`), "id", "content", "embedding", "metadata") ? `${own}vectors` : undefined;
  const typed = hasColumns(tables.get(`${own}memory_records`), "memory_id", "memory_type", "content") ? own : undefined;
  const sessions = ["session_id", "status", "max_messages", "properties"];
  const messages = ["message_id", "session_id", "role", "content", "timestamp", "tool_calls"];
  const isBeside = vectors !== undefined || typed !== undefined;
  // Their names are general: another program's tables of these names are not LangSwarm's.
  const hasSessions = hasColumns(tables.get(`${own}sessions`), ...sessions) && hasColumns(tables.get(`${own}messages`), ...messages);
  const prefix =
    isBeside && !hasSessions
      ? undefined
      : findPrefix("LangSwarm", database.place, tables, tablePrefix, "", [
          { suffix: "sessions", columns: sessions, without: "tenant" },
          { suffix: "messages", columns: messages, without: "tenant" },
        ]);
  return [
    ...(prefix === undefined ? [] : sessionReaders(database, tables, prefix, model)),
    ...(vectors === undefined ? [] : [indexedMessages(database, vectors, model)]),
    ...(typed === undefined ? [] : typedReaders(database, tables, typed)),
  ];
}

function sessionReaders(database: TablesDatabase, tables: ReadonlyMap<string, Columns>, prefix: string, model: string): TableReader[] {
  const sessionsOf = async (rows: readonly Row[]) => {
    const ids = [...new Set(rows.map((row) => String(row.session_id)))];
    const found = await database.lookup(`${prefix}sessions`, "session_id", ids);
    return new Map(found.map((row) => [String(row.session_id), row]));
  };
  const messages: TableReader = {
    table: `${prefix}messages`,
    holds: "messages",
    keys: ["session_id", "timestamp", database.rowKey],
    async toRows(rows) {
      const sessions = await sessionsOf(rows);
      return rows.map((row) => ({
        name: `${prefix}messages ${String(row.message_id)}`,
        items: [toMessage(row, sessions.get(String(row.session_id)), model)],
      }));
    },
  };
  const conversations: TableReader = {
    table: `${prefix}sessions`,
    holds: "conversations",
    keys: ["session_id"],
    toRows: (rows) => rows.map((row) => ({ name: `${prefix}sessions ${String(row.session_id)}`, items: [toConversation(row)] })),
  };
  const summaries: TableReader = {
    table: `${prefix}summaries`,
    holds: "summaries",
    keys: ["summary_id"],
    async toRows(rows) {
      const sessions = await sessionsOf(rows);
      return rows.map((row) => ({
        name: `${prefix}summaries ${String(row.summary_id)}`,
        items: [toSummary(row, sessions.get(String(row.session_id)))],
      }));
    },
  };
  const hasSummaries = hasColumns(tables.get(`${prefix}summaries`), "summary_id", "session_id", "summary");
  return [messages, conversations, ...(hasSummaries ? [summaries] : [])];
}

/** LangSwarm's vector store: the message stands as JSON in the metadata of its vector. */
function indexedMessages(database: TablesDatabase, table: string, model: string): TableReader {
  return {
    table,
    holds: "indexed messages",
    keys: [database.rowKey],
    toRows: (rows) =>
      rows.map((row) => {
        const name = `${table} ${String(row.id)}`;
        const metadata = objectOf(row.metadata);
        const data = jsonOf(metadata.message_data);
        const session = textOf(metadata.session_id);
        if (session === undefined) return { name, items: [document(row, metadata)] };
        const message = typeof data === "object" && data !== null ? (data as Row) : {};
        const id = textOf(message.message_id) ?? textOf(metadata.message_id) ?? String(row.id);
        const fields: Row = {
          role: metadata.role,
          content: row.content,
          timestamp: row.timestamp ?? row.created_at,
          ...message,
          message_id: id,
          session_id: session,
        };
        const owner = { user_id: metadata.user_id };
        const { message: read, kind } = toMessage(fields, undefined, model, row.embedding);
        return { name, items: [{ kind, message: { ...read, userId: sessionOwner(owner) } }] };
      }),
  };
}

function document(row: Row, metadata: Row): SourceItem {
  return {
    kind: "record",
    type: "long_term_memory",
    id: String(row.id),
    userId: textOf(metadata.user_id),
    content: textOf(row.content) ?? "",
    data: metadata,
    createdAt: timeOf(row.timestamp ?? row.created_at),
  };
}

/** Typed memories of agents: what is called working memory there does not last. */
function typedReaders(database: TablesDatabase, tables: ReadonlyMap<string, Columns>, prefix: string): TableReader[] {
  const records: TableReader = {
    table: `${prefix}memory_records`,
    holds: "typed memories",
    keys: [database.rowKey],
    toRows: (rows) =>
      rows.map((row) => {
        const id = String(row.memory_id);
        const type = row.memory_type === "working" ? "short_term_memory" : "long_term_memory";
        const data = {
          ...otherFields(row, "memory_id", "content", "user_id", "created_at", "metadata", "tags", "categories"),
          metadata: objectOf(row.metadata),
          tags: jsonOf(row.tags) ?? [],
          categories: jsonOf(row.categories) ?? [],
        };
        return {
          name: `${prefix}memory_records ${id}`,
          items: [
            {
              kind: "record",
              type,
              id,
              userId: textOf(row.user_id),
              content: textOf(row.content) ?? "",
              data,
              createdAt: timeOf(row.created_at),
            },
          ],
        };
      }),
  };
  const associations: TableReader = {
    table: `${prefix}memory_associations`,
    holds: "associations of typed memories",
    keys: [database.rowKey],
    async toRows(rows) {
      const known = await database.lookup(`${prefix}memory_records`, "memory_id", [
        ...new Set(rows.map((row) => String(row.from_memory_id))),
      ]);
      const owners = new Map(known.map((row) => [String(row.memory_id), textOf(row.user_id)]));
      return rows.map((row) => {
        const from = String(row.from_memory_id);
        const id = JSON.stringify([from, row.to_memory_id, row.association_type]);
        return {
          name: `${prefix}memory_associations ${id}`,
          items: [
            {
              kind: "record",
              type: "memory_associations",
              id,
              userId: owners.get(from),
              content: "",
              data: otherFields(row, "id", "created_at"),
              createdAt: timeOf(row.created_at),
            },
          ],
        };
      });
    },
  };
  return [records, ...(hasColumns(tables.get(associations.table), "from_memory_id", "to_memory_id") ? [associations] : [])];
}
