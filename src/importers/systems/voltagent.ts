import { decodeMessage } from "../../compat/voltagent/migration/decode-message.ts";
import type { ImportFromSource, ImportSource, SourceItem } from "../../domain/import-source.ts";
import { postgresTables } from "./postgres-tables.ts";
import { objectOf, otherFields, type Row, textOf, timeOf, vectorOf } from "./row-values.ts";
import {
  type Columns,
  countTables,
  findPrefix,
  hasColumns,
  type ReadRow,
  readTables,
  type TableReader,
  type TablesDatabase,
} from "./tables.ts";
import { runReaders } from "./voltagent-runs.ts";
import type { VoltagentOwner, VoltagentTables } from "./voltagent-tables.ts";

/** The tables of VoltAgent in Postgres, of every version. */
export function voltagentSource(source: ImportFromSource): ImportSource {
  const database = postgresTables(source);
  const open = async () => {
    const found = await findTables(database, source);
    return { found, readers: readersOf(found, source.embeddingModel) };
  };
  return {
    identity:
      source.client !== undefined ? undefined : JSON.stringify(["voltagent", database.place, source.tablePrefix, source.vectorTablePrefix]),
    async detect() {
      const { found, readers } = await open();
      return { system: "voltagent", version: versionOf(found), place: database.place, tables: await countTables(database, readers) };
    },
    async *read(after, signal) {
      const { readers } = await open();
      yield* readTables(database, readers, after, signal);
    },
    close: () => database.close(),
  };
}

async function findTables(database: TablesDatabase, source: ImportFromSource): Promise<VoltagentTables> {
  const tables = await database.tables();
  const prefix = findPrefix("VoltAgent", database.place, tables, source.tablePrefix, "voltagent_memory", [
    // Tables of ours have a tenant.
    { suffix: "_conversations", columns: ["id", "resource_id", "title", "metadata", "created_at"], without: "tenant" },
    { suffix: "_messages", columns: ["conversation_id", "message_id", "role", "created_at"], without: "tenant" },
  ]);
  const vectors = `${source.vectorTablePrefix ?? "voltagent_vector"}_vectors`;
  return {
    database,
    prefix,
    tables,
    vectors: hasColumns(tables.get(vectors), "id", "vector", "dimensions") ? vectors : undefined,
    owners: (ids) => ownersOf(database, tables, prefix, ids),
  };
}

function versionOf({ tables, prefix }: VoltagentTables): string {
  const has = (suffix: string, ...columns: string[]) => hasColumns(tables.get(prefix + suffix), ...columns);
  if (has("_users", "id") || (has("_messages", "parts") && !has("_workflow_history", "id"))) return "1.x or newer";
  if (has("_messages", "parts")) return "1.0-next";
  if (has("_workflow_history", "id")) return "0.1.x since July 2025";
  return has("_conversations", "user_id") ? "0.1.2 or newer" : "0.1.1 or older";
}

/** A conversation is its own user's, else that of its first message. */
async function ownersOf(
  database: TablesDatabase,
  tables: ReadonlyMap<string, Columns>,
  prefix: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, VoltagentOwner>> {
  const rows = new Map((await database.lookup(`${prefix}_conversations`, "id", ids)).map((row) => [String(row.id), row]));
  const unnamed = ids.filter((id) => textOf(rows.get(id)?.user_id) === undefined);
  const firsts = new Map<string, string | undefined>();
  if (unnamed.length > 0 && hasColumns(tables.get(`${prefix}_messages`), "user_id")) {
    const found = await database.firsts(`${prefix}_messages`, "conversation_id", unnamed, ["created_at", "message_id"]);
    for (const row of found) firsts.set(String(row.conversation_id), textOf(row.user_id));
  }
  return new Map(ids.map((id) => [id, { userId: textOf(rows.get(id)?.user_id) ?? firsts.get(id), row: rows.get(id) }]));
}

function readersOf(found: VoltagentTables, model: string | undefined): TableReader[] {
  const { tables, prefix, vectors } = found;
  const readers: (TableReader | undefined)[] = [
    messages(found, model),
    conversations(found),
    tables.has(`${prefix}_users`) ? users(`${prefix}_users`) : undefined,
    ...runReaders(found),
    vectors === undefined ? undefined : documents(vectors),
  ];
  return readers.filter((reader) => reader !== undefined);
}

function messages(found: VoltagentTables, model: string | undefined): TableReader {
  const { database, prefix, tables, vectors } = found;
  const table = `${prefix}_messages`;
  // Before conversations had users, a message was named by its user too.
  const usersShareIds = !hasColumns(tables.get(`${prefix}_conversations`), "user_id");
  return {
    table,
    holds: "messages",
    keys: ["conversation_id", "created_at", database.rowKey],
    async toRows(rows) {
      const owners = await found.owners([...new Set(rows.map((row) => String(row.conversation_id)))]);
      const made = vectors === undefined ? new Map<string, Row>() : await vectorsOf(database, vectors, rows);
      return rows.map((row) => {
        const conversation = String(row.conversation_id);
        const owner = owners.get(conversation);
        const vector = vectorFor(made.get(vectorId(row)), row);
        const message = toMessage(row, owner?.userId, usersShareIds);
        const item: SourceItem = {
          kind: "message",
          message: {
            ...message,
            conversation,
            ...conversationFields(owner?.row),
            userId: owner?.userId,
            ...(vector !== undefined && model !== undefined && { embedding: { model, vector } }),
          },
        };
        return { name: `${table} ${conversation}/${String(row.message_id)}`, items: [item] };
      });
    },
  };
}

function toMessage(row: Row, owner: string | undefined, usersShareIds: boolean) {
  const decoded = decodeMessage({
    id: String(row.message_id),
    role: String(row.role),
    content: typeof row.content === "string" ? row.content : null,
    type: typeof row.type === "string" ? row.type : null,
    parts: row.parts === null || row.parts === undefined ? null : JSON.stringify(row.parts),
    metadata: row.metadata === null || row.metadata === undefined ? null : JSON.stringify(row.metadata),
    createdAt: timeOf(row.created_at)?.getTime() ?? Number.NaN,
  });
  const writer = textOf(row.user_id);
  const isOthers = writer !== undefined && writer !== "default" && writer !== owner;
  const metadata = { ...(decoded.metadata as Row | undefined), ...(isOthers && { userId: writer }) };
  return {
    id: usersShareIds && writer !== undefined && writer !== owner ? `${decoded.id}~${writer}` : (decoded.id as string),
    role: decoded.role as string,
    parts: decoded.parts as readonly unknown[],
    createdAt: decoded.createdAt ?? new Date(0),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** Titles and metadata stand with each message, so that the conversation is whole from its first one on. */
function conversationFields(row: Row | undefined) {
  if (row === undefined) return { title: "Migrated Conversation" };
  return { title: textOf(row.title), resourceId: textOf(row.resource_id), conversationMetadata: withoutNotes(row.metadata) };
}

/** Working memory stood in the metadata; here it has its own place. */
function withoutNotes(metadata: unknown): Row {
  const { workingMemory: _notes, ...rest } = objectOf(metadata);
  return rest;
}

function conversations(found: VoltagentTables): TableReader {
  const table = `${found.prefix}_conversations`;
  return {
    table,
    holds: "conversations and their notes",
    keys: ["id"],
    async toRows(rows) {
      const owners = await found.owners(rows.map((row) => String(row.id)));
      return rows.map((row) => {
        const id = String(row.id);
        const userId = owners.get(id)?.userId;
        const resourceId = textOf(row.resource_id) ?? "default";
        const title = textOf(row.title);
        const { workingMemory } = objectOf(row.metadata);
        const items: SourceItem[] = [{ kind: "conversation", id, userId, resourceId, title, metadata: withoutNotes(row.metadata) }];
        if (typeof workingMemory === "string")
          items.push({ kind: "notes", userId, conversation: { id, resourceId }, content: workingMemory });
        return { name: `${table} ${id}`, items };
      });
    },
  };
}

function users(table: string): TableReader {
  return {
    table,
    holds: "notes of users",
    keys: ["id"],
    toRows: (rows) =>
      rows.map((row) => {
        const userId = String(row.id);
        const { workingMemory, ...data } = objectOf(row.metadata);
        const items: SourceItem[] = [];
        if (typeof workingMemory === "string") items.push({ kind: "notes", userId, content: workingMemory });
        if (Object.keys(data).length > 0)
          items.push({ kind: "record", type: "users", id: userId, userId, content: "", data, createdAt: timeOf(row.created_at) });
        return { name: `${table} ${userId}`, items, ...(items.length === 0 && { skipped: "nothing is kept of the user" }) };
      }),
  };
}

const vectorId = (row: Row) => `msg_${String(row.conversation_id)}_${String(row.message_id)}`;

async function vectorsOf(database: TablesDatabase, table: string, rows: readonly Row[]): Promise<Map<string, Row>> {
  const found = await database.lookup(table, "id", rows.map(vectorId));
  return new Map(found.map((row) => [String(row.id), row]));
}

/** Ids may hold `_`, so two messages may share one id of a vector: its metadata says which is meant. */
function vectorFor(vector: Row | undefined, row: Row): Float32Array | undefined {
  if (vector === undefined) return undefined;
  const { messageId, conversationId } = objectOf(vector.metadata);
  if (textOf(messageId) !== undefined && messageId !== row.message_id) return undefined;
  if (textOf(conversationId) !== undefined && conversationId !== row.conversation_id) return undefined;
  return vectorOf(vector.vector);
}

/** What was added as a document. The vectors of messages came with these. */
function documents(table: string): TableReader {
  return {
    table,
    holds: "vectors of messages, and documents",
    keys: ["id"],
    toRows: (rows) =>
      rows.map((row): ReadRow => {
        const id = String(row.id);
        const name = `${table} ${id}`;
        const metadata = objectOf(row.metadata);
        if (textOf(metadata.messageId) !== undefined && textOf(metadata.conversationId) !== undefined) return { name, items: [] };
        const content = textOf(row.content);
        if (content === undefined) return { name, items: [], skipped: "a vector with neither a message nor a text" };
        const data = { ...metadata, ...otherFields({ dimensions: row.dimensions }) };
        const userId = textOf(metadata.userId);
        return {
          name,
          items: [{ kind: "record", type: "long_term_memory", id, userId, content, data, createdAt: timeOf(row.created_at) }],
        };
      }),
  };
}
