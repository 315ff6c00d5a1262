import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MigrationProgress, migrateVoltagentSchema } from "../../../src/compat/voltagent/migrate-schema.ts";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { pgClient } from "../../../src/stores/postgres/pg-client.ts";
import { describeEngines, describeServerEngine } from "../../support/engines.ts";
import { tempDatabase } from "../../support/temp-schema.ts";
import { oldTables } from "./old-tables.ts";

/** Two conversations of Ada's, one without messages, and one of Grace's that has no row where the version allows it. */
const conversations = (
  user: boolean,
) => `INSERT INTO voltagent_memory_conversations (id, resource_id, ${user ? "user_id, " : ""}title, metadata, created_at, updated_at) VALUES
  ('c1', 'agent', ${user ? "'ada', " : ""}'Compilers', '{"tags": ["a", "b"], "workingMemory": {"not": "text"}}', '2025-01-01 10:00:00.123456+00', '2025-02-01 00:00:00.654321+00'),
  ('c2', 'other', ${user ? "'ada', " : ""}${user ? "''" : "NULL"}, '{}', '2025-01-02', '2025-01-03')`;

const messages = (
  user: boolean,
) => `INSERT INTO voltagent_memory_messages (${user ? "user_id, " : ""}conversation_id, message_id, role, content, type, created_at) VALUES
  (${user ? "'ada', " : ""}'c1', 'm1', 'user', 'What is a Rust compiler?', 'text', '2025-01-01 10:00:01+00'),
  (${user ? "'ada', " : ""}'c1', 'm2', 'assistant', '[{"type":"tool-call","toolCallId":"t1","toolName":"search","args":{"q":"Zürich \\"x\\" 🙂"}}]', 'tool-call', '2025-01-01 10:00:02+00'),
  (${user ? "'ada', " : ""}'c1', 'm3', 'tool', '[{"type":"tool-result","toolCallId":"t1","toolName":"search","result":"found"}]', 'tool-result', '2025-01-01 10:00:02+00'),
  (${user ? "'ada', " : ""}'c1', 'm4', 'assistant', '', 'text', '2025-01-01 10:00:02+00'),
  (${user ? "'ada', " : ""}'c1', 'm0', 'assistant', 'A program.', 'text', '2025-01-01 10:00:00+00')`;

describeEngines("migration of VoltAgent's tables", (engine) => {
  test("0.1.1: users stand on the messages, and the first message says whose a conversation is", async () => {
    const old = await oldTables(
      engine,
      "0.1.1",
      [
        conversations(false),
        messages(true),
        `INSERT INTO voltagent_memory_messages VALUES ('grace', 'c1', 'm1', 'user', 'The same id', 'text', '2025-01-05')`,
      ].join(";"),
    );
    const seen: MigrationProgress[] = [];
    expect(await old.migrate({ onProgress: (progress) => seen.push(progress) })).toEqual({
      success: true,
      migratedCount: 2,
      backupCreated: true,
    });
    expect(seen[0]).toMatchObject({ version: "0.1.1 or older", phase: "conversations" });
    expect(seen.at(-1)).toMatchObject({ phase: "finish", conversations: 2, messages: 6 });

    const memory = old.memory();
    expect(await memory.conversations.get("c1")).toMatchObject({
      userId: "ada",
      resourceId: "agent",
      title: "Compilers",
      metadata: { tags: ["a", "b"], workingMemory: { not: "text" } },
      createdAt: new Date("2025-01-01T10:00:00.123Z"),
      updatedAt: new Date("2025-02-01T00:00:00.654Z"),
    });
    expect(await memory.conversations.get("c2")).toMatchObject({ userId: "default", title: "", updatedAt: new Date("2025-01-03") });
    const { items } = await memory.messages.list("c1");
    expect(items.map(({ id }) => id)).toEqual(["m0", "m1", "m2", "m3", "m4", "m1~2"]);
    expect(items.map(({ content }) => content)).toEqual(["A program.", "What is a Rust compiler?", "", "", "", "The same id"]);
    expect(items[2]?.parts).toEqual([{ type: "tool-call", toolCallId: "t1", toolName: "search", args: { q: 'Zürich "x" 🙂' } }]);
    expect(items[1]?.createdAt).toEqual(new Date("2025-01-01T10:00:01Z"));
    const exchange = await memory.messages.list("c1", { limit: 1, beforeSeq: items[4]?.seq });
    expect(
      exchange.items.map(({ id }) => id),
      "a window keeps the pair together",
    ).toEqual(["m2", "m3"]);
    const hits = await memory.scope({ userId: "ada" }).recall("rust compiler");
    expect(hits[0]?.id).toBe("m1");
    expect((await memory.stats()).owed.pending).toBe(0);
  });

  test("0.1.2: users stand on the conversations; messages without one get one; VoltAgent's own backups stay as they are", async () => {
    const orphans = `INSERT INTO voltagent_memory_messages VALUES ('lost', 'o2', 'user', 'second', 'text', '2025-03-02'), ('lost', 'o1', 'user', 'first', 'text', '2025-03-01')`;
    const old = await oldTables(engine, "0.1.2", [conversations(true), messages(false), orphans].join(";"));
    const before = await old.relations();
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 3, backupCreated: true });
    const memory = old.memory();
    expect(await memory.conversations.get("lost")).toMatchObject({
      userId: "default",
      resourceId: "default",
      title: "Migrated Conversation",
      metadata: {},
      createdAt: new Date("2025-03-01"),
      updatedAt: new Date("2025-03-02"),
    });
    expect((await memory.messages.list("lost")).items.map(({ content }) => content)).toEqual(["first", "second"]);
    expect((await memory.conversations.list({ userId: "ada" })).items.map(({ id }) => id)).toEqual(["c1", "c2"]);
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_messages_backup_2")).toEqual([{ count: 7 }]);
    expect(await old.rows("SELECT * FROM voltagent_memory_messages_backup")).toEqual([]);
    expect(await old.relations()).toEqual(expect.arrayContaining(before.filter((name) => name.endsWith("_backup"))));
  });

  test("1.0-next: parts, metadata and users of messages", async () => {
    const old = await oldTables(
      engine,
      "1.0-next",
      `${conversations(true)};
      INSERT INTO voltagent_memory_messages (conversation_id, message_id, role, content, type, user_id, parts, metadata, created_at) VALUES
        ('c1', 'm1', 'user', 'old text', 'text', 'default', NULL, NULL, '2025-01-01'),
        ('c1', 'm2', 'assistant', NULL, NULL, 'ada', '[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "new text"}]', '{"model": "x", "n": 1.5}', '2025-01-02'),
        ('c1', 'm3', 'assistant', NULL, NULL, 'ada', NULL, NULL, '2025-01-02')`,
    );
    expect(await old.migrate()).toMatchObject({ success: true, migratedCount: 2 });
    const { items } = await old.memory().scope({ userId: "ada" }).messages.list("c1");
    expect(items.map(({ parts, metadata }) => ({ parts, metadata }))).toEqual([
      { parts: [{ type: "text", text: "old text" }], metadata: {} },
      {
        parts: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "new text" },
        ],
        metadata: { model: "x", n: 1.5 },
      },
      { parts: [], metadata: {} },
    ]);
  });

  test("messages keep the order they came in, over many batches", async () => {
    const old = await oldTables(
      engine,
      "0.1.2",
      `INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES ('long', 'agent', 'ada', 'Long', '{}'), ('short', 'agent', 'ada', 'Short', '{}');
      INSERT INTO voltagent_memory_messages SELECT CASE WHEN i % 100 = 0 THEN 'short' ELSE 'long' END, 'm' || i, 'user', 'message number ' || i, 'text', timestamptz '2025-01-01' FROM generate_series(1, 5000) i`,
    );
    expect(await old.migrate()).toMatchObject({ success: true });
    const rows = await old.rows<{ id: string }>(
      "SELECT message_id AS id FROM voltagent_memory_messages WHERE conversation_id = 'long' ORDER BY seq",
    );
    expect(rows.map(({ id }) => Number(id.slice(1)))).toEqual(
      Array.from({ length: 5000 }, (_, index) => index + 1).filter((number) => number % 100 !== 0),
    );
  });

  test("what was migrated is embedded like anything else", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    await old.migrate();
    const memory = old.memory({ embedding: hashedEmbedder() });
    await memory.flush();
    expect(await memory.stats()).toMatchObject({ messages: 5, vectors: 2, owed: { pending: 0 } });
  });

  test("a restore gives the old tables back whole, at any time, and loses nothing written since", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    const relations = await old.relations();
    const rows = await old.rows("SELECT * FROM voltagent_memory_messages ORDER BY message_id");
    await old.migrate();
    const since = old.memory();
    await since.addMessages("c1", { id: "since", content: "written since" });
    await since.addMessages("new", { id: "n1", content: "a new conversation" }, { userId: "ada" });
    await since.close();

    expect(await old.migrate({ restoreFromBackup: true })).toEqual({ success: true, backupCreated: false });
    expect(await old.rows("SELECT * FROM voltagent_memory_messages ORDER BY message_id")).toEqual(rows);
    expect(await old.relations()).toEqual(expect.arrayContaining(relations));
    expect(
      await old.rows("SELECT message_id FROM voltagent_memory_messages_unforget WHERE conversation_id = 'c1' AND message_id = 'since'"),
    ).toHaveLength(1);
    await old.execute("INSERT INTO voltagent_memory_messages VALUES ('ada', 'c1', 'again', 'user', 'by the old one', 'text', now())");

    expect(await old.migrate(), "a later migration").toEqual({ success: true, migratedCount: 0, backupCreated: true });
    const memory = old.memory();
    expect((await memory.messages.list("c1")).items.map(({ id }) => id)).toEqual(["m0", "m1", "m2", "m3", "m4", "since", "again"]);
    expect((await memory.messages.list("new")).items).toHaveLength(1);
    expect((await old.relations()).filter((name) => name.endsWith("_unforget"))).toEqual([]);
  });

  test("a restore in the middle of a migration", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    const half = await old.migrate({ onProgress: ({ phase }) => stopAt(phase, "messages") });
    expect(half).toMatchObject({ success: false, error: { message: "stopped" } });
    expect(await old.migrate({ restoreFromBackup: true })).toMatchObject({ success: true });
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_messages")).toEqual([{ count: 5 }]);
    expect(await old.migrate()).toMatchObject({ success: true });
    expect((await old.memory().messages.list("c1")).items).toHaveLength(5);
  });

  test("a restore overwrites nothing", async () => {
    const old = await oldTables(engine, "0.1.1", conversations(false));
    await old.migrate();
    await old.execute("CREATE TABLE voltagent_memory_agent_history (mine text)");
    const relations = await old.relations();
    const refused = await old.migrate({ restoreFromBackup: true });
    expect(refused).toMatchObject({
      success: false,
      error: { message: expect.stringContaining('"voltagent_memory_agent_history" stands where') },
    });
    expect(await old.relations()).toEqual(relations);
    expect(await old.memory().conversations.count()).toBe(2);
  });

  test("restored tables that are dropped leave ours in their place", async () => {
    const old = await oldTables(engine, "0.1.2", conversations(true));
    await old.migrate();
    await old.migrate({ restoreFromBackup: true });
    await old.execute("DROP TABLE voltagent_memory_messages, voltagent_memory_conversations");
    expect(await old.migrate()).toMatchObject({ success: true, migratedCount: 0 });
    expect(await old.memory().conversations.count()).toBe(2);
  });

  test("the backup goes only when that is asked for, then or later", async () => {
    for (const options of [{ createBackup: false }, { deleteBackupAfterSuccess: true }]) {
      const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
      expect(await old.migrate(options)).toEqual({ success: true, migratedCount: 2, backupCreated: false });
      expect((await old.relations()).filter((name) => name.includes("backup") || name.includes("agent_history"))).toEqual([]);
      expect(await old.migrate({ restoreFromBackup: true })).toMatchObject({
        success: false,
        error: { message: expect.stringContaining("no backup") },
      });
    }
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    expect(await old.migrate()).toMatchObject({ backupCreated: true });
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 0, backupCreated: true });
    expect(await old.migrate({ deleteBackupAfterSuccess: true })).toEqual({ success: true, migratedCount: 0, backupCreated: false });
    expect((await old.relations()).filter((name) => name.includes("backup"))).toEqual([]);
  });

  test("a backup something else hangs on is kept, and the result says why", async () => {
    const old = await oldTables(
      engine,
      "0.1.2",
      `${conversations(true)}; CREATE TABLE ratings (conversation TEXT REFERENCES voltagent_memory_conversations)`,
    );
    const result = await old.migrate({ createBackup: false });
    expect(result).toMatchObject({
      success: true,
      migratedCount: 2,
      backupCreated: true,
      error: { message: expect.stringContaining("depends on it") },
    });
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_conversations_backup_2")).toEqual([{ count: 2 }]);
  });

  test("callers that start at once migrate once", async () => {
    const old = await oldTables(
      engine,
      "0.1.1",
      `${conversations(false)}; INSERT INTO voltagent_memory_messages SELECT 'ada', 'c' || 1 + i % 2, 'm' || i, 'user', 'message ' || i, 'text', now() FROM generate_series(1, 6000) i`,
    );
    const results = await Promise.all(Array.from({ length: 8 }, () => old.migrate()));
    for (const result of results) expect(result).toMatchObject({ success: true, backupCreated: true });
    expect(Math.max(...results.map(({ migratedCount }) => migratedCount ?? 0))).toBe(2);
    expect(await old.rows("SELECT count(*) AS count, count(DISTINCT message_id) AS ids FROM voltagent_memory_messages")).toEqual([
      { count: 6000, ids: 6000 },
    ]);
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_search")).toEqual([{ count: 6000 }]);
  });

  test("a failure half way leaves the old data whole, and the next start goes on", async () => {
    const old = await oldTables(
      engine,
      "0.1.1",
      `${conversations(false)}; INSERT INTO voltagent_memory_messages SELECT 'ada', 'c' || 1 + i % 2, 'm' || i, 'user', 'message ' || i, 'text', timestamptz '2025-01-01' + i * interval '1 s' FROM generate_series(1, 6000) i`,
    );
    const half = await old.migrate({ onProgress: ({ done }) => stopAt(done, 2000) });
    expect(half).toMatchObject({ success: false, error: { message: "stopped" } });
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_messages_backup")).toEqual([{ count: 6000 }]);
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_messages")).toEqual([{ count: 2000 }]);
    // What a crash of the server does to a table that is not logged.
    await old.execute("TRUNCATE voltagent_memory_voltagent_queue");
    const seen: number[] = [];
    expect(await old.migrate({ onProgress: ({ messages }) => seen.push(messages) })).toMatchObject({ success: true, migratedCount: 2 });
    expect(seen.at(-1)).toBe(6000);
    const rows = await old.rows<{ id: string }>(
      "SELECT message_id AS id FROM voltagent_memory_messages WHERE conversation_id = 'c1' ORDER BY seq",
    );
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 3000 }, (_, index) => `m${2 * (index + 1)}`));
  });

  test("what somebody writes under the id of an old message meanwhile stays, and the others come", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    const writing = old.memory();
    const half = await old.migrate({ onProgress: ({ phase }) => stopAt(phase, "messages") });
    expect(half).toMatchObject({ success: false });
    await writing.addMessages("c1", { id: "m1", content: "written meanwhile" });
    expect(await old.migrate()).toMatchObject({ success: true });
    const { items } = await writing.messages.list("c1");
    expect(items.map(({ id }) => id)).toEqual(["m1", "m0", "m2", "m3", "m4"]);
    expect(items[0]?.content).toBe("written meanwhile");
  });

  test("an abort rejects, and the next call goes on", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    const stop = new AbortController();
    const aborted = old.migrate({
      signal: stop.signal,
      onProgress: ({ phase }) => (phase === "messages" ? stop.abort(new Error("enough")) : undefined),
    });
    await expect(aborted).rejects.toThrow("enough");
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 2, backupCreated: true });
  });

  test("a row that cannot be stored is named, and can be mended", async () => {
    const old = await oldTables(engine, "0.1.2", [conversations(true), messages(false)].join(";"));
    await old.execute("INSERT INTO voltagent_memory_messages VALUES (repeat('x', 600), 'm', 'user', 'text', 'text', now())");
    const relations = await old.relations();
    const refused = await old.migrate();
    expect(refused).toMatchObject({
      success: false,
      error: { message: expect.stringMatching(/voltagent_memory_messages.*1 of its rows/) },
    });
    expect(await old.relations(), "nothing was changed").toEqual(relations);
    await old.execute("DELETE FROM voltagent_memory_messages WHERE conversation_id LIKE 'xxx%'");
    expect(await old.migrate()).toMatchObject({ success: true, migratedCount: 2 });
  });

  test("tables of the same names that are neither ours nor VoltAgent's are refused", async () => {
    for (const ddl of [
      "CREATE TABLE voltagent_memory_conversations (id serial PRIMARY KEY, subject text)",
      "CREATE VIEW voltagent_memory_messages AS SELECT 1 AS one",
      "CREATE TABLE voltagent_memory_search (q text)",
    ]) {
      const old = await oldTables(engine, undefined, ddl);
      const relations = await old.relations();
      expect(await old.migrate()).toMatchObject({
        success: false,
        error: { code: "invalid_argument", message: expect.stringContaining("neither unforget's nor VoltAgent's") },
      });
      expect(await old.relations()).toEqual(relations);
    }
  });

  test("nothing outside of the schema and prefix is touched", async () => {
    const old = await oldTables(engine, "0.1.1", conversations(false));
    const others = `CREATE TABLE voltagent_memory_users (id text, metadata jsonb, created_at timestamptz, updated_at timestamptz, email text);
      CREATE TABLE conversations (id text); CREATE TABLE other_conversations AS SELECT * FROM voltagent_memory_conversations; CREATE TABLE voltagent_memory2_messages (id text)`;
    await old.execute(others);
    const elsewhere = await oldTables(engine, "0.1.1", conversations(false));
    const relations = await elsewhere.relations();
    expect(await old.migrate({ createBackup: false })).toMatchObject({ success: true, migratedCount: 2 });
    expect(await old.relations()).toEqual(
      expect.arrayContaining(["conversations", "other_conversations", "voltagent_memory2_messages", "voltagent_memory_users"]),
    );
    expect(await elsewhere.relations()).toEqual(relations);
  });

  test("prefixes that PostgreSQL kept in lower case, and the longest there are", async () => {
    for (const prefix of ["MyApp", "a_prefix_of_just_thirty_chars_"]) {
      const old = await oldTables(engine, "1.0-next", `${conversations(true)}`, prefix);
      const relations = await old.relations();
      expect(await old.migrate()).toMatchObject({ success: true, migratedCount: 2 });
      expect(await old.memory().conversations.count()).toBe(2);
      expect(await old.migrate({ restoreFromBackup: true })).toMatchObject({ success: true });
      expect(await old.relations()).toEqual(expect.arrayContaining(relations));
    }
  });

  test("there may be nothing to migrate", async () => {
    const old = await oldTables(engine, undefined);
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 0, backupCreated: false });
    expect(await old.relations()).toEqual([]);
    const memory = old.memory();
    await memory.ready();
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 0, backupCreated: false });
    expect(await old.migrate({ restoreFromBackup: true })).toMatchObject({ success: false });
  });
});

describeServerEngine("postgres", "migration of VoltAgent's tables", (engine, url) => {
  test("eight callers on a lent pool of one connection", async () => {
    const old = await oldTables(engine, "0.1.1", [conversations(false), messages(true)].join(";"));
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    onTestFinished(() => pool.end());
    const results = await Promise.all(Array.from({ length: 8 }, () => migrateVoltagentSchema({ client: pool, schema: old.schema })));
    for (const result of results) expect(result).toMatchObject({ success: true, backupCreated: true });
    expect((await pool.query("SELECT 1 AS one")).rows, "the pool stays open").toEqual([{ one: 1 }]);
    expect((await old.memory().messages.list("c1")).items).toHaveLength(5);
  });

  test("a server without pgvector is told of before anything is moved", async () => {
    const place = { url: await tempDatabase(url), schema: "public" };
    const client = pgClient({ url: place.url, user: undefined });
    onTestFinished(() => client.close());
    await client.execute(
      "CREATE TABLE voltagent_memory_conversations (id TEXT, resource_id TEXT, title TEXT, metadata JSONB, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ)",
    );
    const role = `migrator_${randomBytes(4).toString("hex")}`;
    await client.execute(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT ALL ON SCHEMA public TO ${role}; ALTER TABLE voltagent_memory_conversations OWNER TO ${role}`,
    );
    onTestFinished(() => client.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
    const login = new URL(place.url);
    login.username = role;
    login.password = "secret";
    const result = await migrateVoltagentSchema({ url: login.href });
    expect(result).toMatchObject({
      success: false,
      error: { code: "backend_denied", message: expect.stringContaining("CREATE EXTENSION vector") },
    });
    expect((await client.query({ text: "SELECT to_regclass('voltagent_memory_conversations') IS NOT NULL AS there" })).rows).toEqual([
      { there: true },
    ]);
  });
});

describe("migration of VoltAgent's tables in a PGlite instance of the caller's", () => {
  test("it is lent, and stays open", async () => {
    const instance = new PGlite({ extensions: { vector } });
    onTestFinished(() => instance.close());
    await instance.exec(await readFile(new URL("../../fixtures/voltagent/0.1.1.sql", import.meta.url), "utf8"));
    await instance.exec([conversations(false), messages(true)].join(";"));
    expect(await migrateVoltagentSchema({ client: instance })).toEqual({ success: true, migratedCount: 2, backupCreated: true });
    const { rows } = await instance.query("SELECT id, user_id, resource_id, title FROM voltagent_memory_conversations ORDER BY id");
    expect(rows).toEqual([
      { id: "c1", user_id: "ada", resource_id: "agent", title: "Compilers" },
      { id: "c2", user_id: "default", resource_id: "other", title: "" },
    ]);
    const messageRows = await instance.query(
      "SELECT conversation_id, message_id, role, content, type FROM voltagent_memory_messages ORDER BY seq LIMIT 3",
    );
    expect(messageRows.rows.slice(1)).toEqual([
      { conversation_id: "c1", message_id: "m1", role: "user", content: "What is a Rust compiler?", type: "text" },
      { conversation_id: "c1", message_id: "m2", role: "assistant", content: "", type: "tool-call" },
    ]);
  });
});

test("an unreachable server is an answer", async () => {
  const result = await migrateVoltagentSchema({ url: "postgres://nobody@127.0.0.1:1/none", connectTimeoutMs: 2000 });
  expect(result).toMatchObject({ success: false, error: { code: "backend_unavailable" } });
});

test("a call that names no database is refused", async () => {
  await expect(migrateVoltagentSchema({})).rejects.toThrow(/name the database/);
});

function stopAt<Value>(value: Value, at: Value): void {
  if (value === at) throw new Error("stopped");
}
