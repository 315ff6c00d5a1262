import type { ImportFromSource, ImportSource, SourceItem } from "../../domain/import-source.ts";
import type { ImportedMessage } from "../../domain/transfer.ts";
import { postgresTables } from "./postgres-tables.ts";
import { type Row, textOf, timeOf, vectorOf } from "./row-values.ts";
import { countTables, findPrefix, readTables, type TableReader } from "./tables.ts";

const standardModel = "openai/text-embedding-3-small";

/** The table of the pgvector tutorial for agents: exchanges with their vectors. */
export function tutorialSource(source: ImportFromSource): ImportSource {
  const database = postgresTables(source);
  const { embeddingModel: model = standardModel } = source;
  const readers = async (): Promise<TableReader[]> => {
    const prefix = findPrefix("the tutorial", database.place, await database.tables(), source.tablePrefix, "", [
      { suffix: "agent_memories", columns: ["id", "session_id", "content", "embedding"], without: "tenant" },
    ]);
    const table = `${prefix}agent_memories`;
    return [
      {
        table,
        holds: "exchanges",
        keys: ["id"],
        toRows: (rows) => rows.map((row) => ({ name: `${table} ${String(row.id)}`, items: toItems(row, model) })),
      },
    ];
  };
  return {
    identity: source.client !== undefined ? undefined : JSON.stringify(["tutorial", database.place, source.tablePrefix]),
    detect: async () => ({
      system: "tutorial",
      version: "agent_memories",
      place: database.place,
      tables: await countTables(database, await readers()),
    }),
    async *read(after, signal) {
      yield* readTables(database, await readers(), after, signal);
    },
    close: () => database.close(),
  };
}

/** An exchange is two messages; its vector stands for both together, so each is embedded anew. */
function toItems(row: Row, model: string): SourceItem[] {
  const content = textOf(row.content) ?? "";
  const conversation = textOf(row.session_id) ?? "default";
  const createdAt = timeOf(row.created_at) ?? new Date(0);
  const id = String(row.id);
  const toItem = (message: Pick<ImportedMessage, "id" | "role" | "content" | "embedding">): SourceItem => ({
    kind: "message",
    message: { ...message, conversation, createdAt },
  });
  const [asked = "", ...answer] = content.split("\nAssistant: ");
  if (!asked.startsWith("User: ") || answer.length === 0) {
    const vector = vectorOf(row.embedding);
    return [toItem({ id, role: "user", content, ...(vector !== undefined && { embedding: { model, vector } }) })];
  }
  return [
    toItem({ id: `${id}-user`, role: "user", content: asked.slice("User: ".length) }),
    toItem({ id: `${id}-assistant`, role: "assistant", content: answer.join("\nAssistant: ") }),
  ];
}
