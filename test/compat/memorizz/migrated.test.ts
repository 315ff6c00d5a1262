import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { MongoClient } from "mongodb";
import { Pool } from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { MemorizzProvider as Provider } from "../../../src/compat/memorizz/provider.ts";
import {
  type MemorizzProvider,
  type MemorizzRow,
  MemoryType,
  MongoDBConfig,
  MongoDBProvider,
  PostgreSQLConfig,
  PostgreSQLProvider,
} from "../../../src/compat/memorizz.ts";
import { createMemory } from "../../../src/index.ts";
import { cli, newDirectory } from "../../cli/run-cli.ts";
import { newId } from "../../support/engines.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

const own =
  "id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP, metadata JSONB, embedding vector(3)";
const idOf = (letter: string) => `00000000-0000-0000-0000-00000000000${letter}`;
/** As Memorizz 0.0.21 has them: two conversations of one memory, within one millisecond, and stored all at once. */
const tables = (schema: string) => `CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA "${schema}";
  CREATE TABLE "${schema}".personas (${own}, role VARCHAR, goals TEXT, background TEXT, persona_id VARCHAR);
  CREATE TABLE "${schema}".conversation_memory (${own}, memory_id VARCHAR, content TEXT, role VARCHAR, timestamp TIMESTAMP, conversation_id VARCHAR);
  INSERT INTO "${schema}".personas (id, name, role, goals, created_at) VALUES ('${idOf("1")}', 'Guide', 'Helper', 'Help', '2025-05-28 12:00:00');
  INSERT INTO "${schema}".conversation_memory (id, memory_id, content, role, timestamp, conversation_id, metadata, created_at) VALUES
    ('${idOf("f")}', 'mem', 'First', 'user', '2025-05-28 12:00:00.100001', 'c2', '{"mood": "good", "tags": ["a"]}', '2025-06-01 00:00:00'),
    ('${idOf("b")}', 'mem', 'Second', 'assistant', '2025-05-28 12:00:00.1000015', 'c2', NULL, '2025-06-01 00:00:00'),
    ('${idOf("a")}', 'mem', '{"said": "Third"}', 'user', '2025-05-28 12:00:00.1002', 'c1', NULL, '2025-06-01 00:00:00'),
    ('${idOf("c")}', 'mem', 'Fourth', 'user', '2025-05-28 12:00:01', 'c1', NULL, '2025-06-01 00:00:00'),
    ('${idOf("d")}', 'other', 'Elsewhere', 'user', '2025-05-28 12:00:00', 'c3', NULL, '2025-06-01 00:00:00');`;
const said = ["First", "Second", '{"said": "Third"}', "Fourth"];

interface Place {
  readonly from: Parameters<MemorizzProvider["migrateFrom"]>[0];
  open(tenant: string): MemorizzProvider;
}

const contentsOf = (rows: readonly MemorizzRow[]) => rows.map(({ content }) => content);

function promises(place: () => Promise<Place>): void {
  test("after a migration the facade gives the old history in order, once, and its rows as they were", async () => {
    const { from, open } = await place();
    const provider = open(newId("tenant"));
    for (const _ of [1, 2]) {
      expect(await provider.migrateFrom(from)).toMatchObject({ written: { messages: 0, conversations: 0, records: 6 }, skipped: [] });
      const history = await provider.retrieveConversationHistoryOrderedByTimestamp("mem");
      expect(contentsOf(history)).toEqual(said);
      expect(history[0]).toMatchObject({ role: "user", memory_id: "mem", conversation_id: "c2", metadata: { mood: "good", tags: ["a"] } });
      expect(await provider.listAll(MemoryType.CONVERSATION_MEMORY)).toHaveLength(5);
    }
    const conversations = MemoryType.CONVERSATION_MEMORY;
    expect(contentsOf(await provider.retrieveConversationHistoryOrderedByTimestamp("mem", { limit: 1 }))).toEqual(["Fourth"]);
    expect(contentsOf(await provider.retrieveByQuery({ metadata: { mood: "good" } }, conversations, { limit: 9 }))).toEqual(["First"]);
    expect(contentsOf(await provider.retrieveByQuery("elsewhere", conversations))).toEqual(["Elsewhere"]);
    const persona = await provider.retrieveByName("Guide", MemoryType.PERSONAS);
    expect(persona).toMatchObject({ role: "Helper", goals: "Help" });
    expect(persona).not.toHaveProperty("content");

    const [first] = await provider.retrieveConversationHistoryOrderedByTimestamp("mem");
    await provider.store({ content: "Fifth", role: "user", memory_id: "mem" }, conversations);
    await provider.updateById(first?.id as string, { seen: true }, conversations);
    expect(contentsOf(await provider.retrieveConversationHistoryOrderedByTimestamp("mem"))).toEqual([...said, "Fifth"]);
  });

  test("who has migrated into conversations before finds his history in the facade when he does it again", async () => {
    const { from, open } = await place();
    const provider = open(newId("tenant"));
    await provider.memory.importFrom({ ...from, system: "memorizz" });
    expect((await provider.memory.stats()).messages).toBe(5);
    await provider.migrateFrom(from);
    await provider.migrateFrom(from);
    expect(contentsOf(await provider.retrieveConversationHistoryOrderedByTimestamp("mem"))).toEqual(said);
    expect((await provider.memory.stats()).messages).toBe(5);
  });
}

const opened = <Some extends MemorizzProvider>(provider: Some): Some => {
  onTestFinished(() => provider.close());
  return provider;
};

describe("migrating from Memorizz to its facade (PGlite)", () => {
  const client = new PGlite({ extensions: { vector } });
  afterAll(() => client.close());
  promises(async () => {
    const schema = newId("old").replace("-", "_");
    await client.exec(tables(schema));
    return {
      from: { client, schema },
      open: (tenant) => opened(new PostgreSQLProvider(new PostgreSQLConfig({ client, tenant, embedding: false }))),
    };
  });
});

describeServer("postgres", "migrating from Memorizz to its facade", (url) => {
  const schema = tempSchema(url);
  const client = new Pool({ connectionString: url, max: 2 });
  const sources: string[] = [];
  afterAll(async () => {
    for (const source of sources) await client.query(`DROP SCHEMA "${source}" CASCADE`);
    await client.end();
  });
  promises(async () => {
    const source = `${schema}_${newId("old").replace("-", "_")}`;
    sources.push(source);
    await client.query(tables(source));
    return {
      from: { from: url, schema: source },
      open: (tenant) => opened(new PostgreSQLProvider(new PostgreSQLConfig({ client, schema, tenant, embedding: false }))),
    };
  });
});

describeServer("mongodb", "migrating from Memorizz' collections to its facade", (uri) => {
  const client = new MongoClient(uri);
  const names = [`test_old_memorizz_${process.pid}`, `test_new_memorizz_${process.pid}`] as const;
  afterAll(async () => {
    for (const name of names) await client.db(name).dropDatabase();
    await client.close();
  });

  test("the history comes in order, once", async () => {
    const [old, own] = names;
    const rows = said.map((content, place) => ({
      content,
      role: "user",
      memory_id: "mem",
      timestamp: `2025-05-28T12:00:0${place}.000001`,
    }));
    await client.db(old).collection("conversation_memory").insertMany(rows.toReversed());
    const provider = opened(new MongoDBProvider(new MongoDBConfig({ client, db_name: own, embedding: false })));
    for (const _ of [1, 2]) await provider.migrateFrom({ from: uri, database: old });
    expect(contentsOf(await provider.retrieveConversationHistoryOrderedByTimestamp("mem"))).toEqual(said);
    expect(await provider.listAll(MemoryType.CONVERSATION_MEMORY)).toHaveLength(4);
  });
});

test("unforget migrate-from memorizz --rows is for the facade; without it, it says so", async () => {
  const cwd = newDirectory();
  const rows = said.map((content, place) => ({
    id: `row ${9 - place}`,
    data: { content, role: "user", memory_id: "mem", timestamp: `2025-05-28T12:00:0${place}`, user_id: "ada" },
  }));
  const archive = { format: "memorizz.memory", version: 1, manifest: { record_count: 4 }, stores: { conversation_memory: rows } };
  writeFileSync(join(cwd, "archive.json"), JSON.stringify(archive));
  const migrate = (...flags: string[]) => cli(["migrate-from", "memorizz", "--from", "archive.json", ...flags], { cwd });
  expect(await migrate()).toMatchObject({ code: 0, stderr: expect.stringContaining("--rows") });
  for (const _ of [1, 2])
    expect(await migrate("--rows")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Wrote 0 messages, 0 conversations, 4 records"),
    });
  const memory = createMemory({ dataDir: join(cwd, ".unforget"), embedding: false, worker: "manual" });
  const provider = opened(new Provider({ memory, sharesModel: false, upsertByName: false, logger: undefined }));
  expect(contentsOf(await provider.retrieveConversationHistoryOrderedByTimestamp("mem", { userId: "ada" }))).toEqual(said);
  expect(await provider.listAll(MemoryType.CONVERSATION_MEMORY)).toHaveLength(4);
  await expect(memory.importFrom({ system: "mem0", from: "x", conversations: "rows" })).rejects.toMatchObject({ field: "conversations" });
}, 90_000);
