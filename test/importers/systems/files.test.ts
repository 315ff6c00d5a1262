import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createMemory } from "../../../src/index.ts";
import { loadSqlite } from "../../../src/internal/load-sqlite.ts";
import { memoryRecordStore } from "../../../src/stores/record/memory.ts";
import { cli } from "../../cli/run-cli.ts";
import { exported } from "./exported.ts";

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "unforget-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function file(name: string, text: string): string {
  const path = join(directory(), name);
  writeFileSync(path, text);
  return path;
}

function target() {
  const records = memoryRecordStore();
  const memory = createMemory({ sessions: { store: "memory" }, records, embedding: false, worker: "manual" });
  onTestFinished(() => memory.close());
  return {
    memory,
    async list(type: string) {
      const scope = { tenant: "default", userId: undefined, resourceId: undefined };
      const query = { types: [type], orderBy: "name", direction: "asc", limit: 100, cursor: undefined, offset: 0 } as const;
      return (await records.list(scope, query)).items;
    },
  };
}

const graph = [
  { type: "entity", name: "Ada", entityType: "person", observations: ["likes tea", "lives in Köln"] },
  { type: "entity", name: "Acme", entityType: "company", observations: [] },
  { type: "relation", from: "Ada", to: "Acme", relationType: "works_at" },
  { type: "relation", from: "Ghost", to: "Acme", relationType: "haunts" },
  { type: "note" },
]
  .map((line) => JSON.stringify(line))
  .join("\n");

test("the MCP memory server's graph becomes entities with observations and relations", async () => {
  const { memory, list } = target();
  const from = file("memory.json", graph);
  const report = await memory.importFrom({ system: "mcp-memory", from }, { userId: "ada" });
  expect(report).toMatchObject({ written: { records: 3 }, skipped: [{ count: 1, examples: ["line 5"] }] });
  const entities = await list("entity_memory");
  expect(entities.map(({ name, userId, content }) => [name, userId, content])).toEqual([
    ["Acme", "ada", "Acme"],
    ["Ada", "ada", "Ada\nlikes tea\nlives in Köln"],
    ["Ghost", "ada", "Ghost"],
  ]);
  expect(entities[1]?.data).toEqual({
    entityType: "person",
    observations: ["likes tea", "lives in Köln"],
    relations: [{ to: "Acme", relationType: "works_at" }],
  });
  await memory.importFrom({ system: "mcp-memory", from }, { userId: "ada" });
  expect((await list("entity_memory")).map(({ version }) => version)).toEqual([1, 1, 1]);
});

test("mem0's memories become records of their users, in each form of its exports", async () => {
  const one = { id: "m1", memory: "Likes tea", user_id: "ada", hash: "h", metadata: { a: 1 }, created_at: "2024-07-01T10:00:00-07:00" };
  const two = { id: "m2", memory: "No user" };
  const relation = { source: "ada", relationship: "likes", target: "tea" };
  const forms = {
    list: JSON.stringify([one, two]),
    "get_all of a server": JSON.stringify({ results: [one, two], relations: [relation] }, null, 2),
    "get_all on one line": JSON.stringify({ results: [one, two] }),
    export: JSON.stringify({ memories: [one, two] }),
    lines: `${JSON.stringify(one)}\n\n${JSON.stringify(two)}\n`,
  };
  for (const [form, text] of Object.entries(forms)) {
    const { memory, list } = target();
    await memory.importFrom({ system: "mem0", from: file("mem0.json", text) });
    const found = (await list("long_term_memory")).toSorted((a, b) => a.id.localeCompare(b.id));
    expect(found, form).toMatchObject([
      {
        id: "m1",
        userId: "ada",
        content: "Likes tea",
        createdAt: new Date("2024-07-01T17:00:00Z"),
        data: { hash: "h", metadata: { a: 1 } },
      },
      { id: "m2", userId: "default", content: "No user" },
    ]);
    expect(await list("entity_memory"), form).toHaveLength(form === "get_all of a server" ? 1 : 0);
  }
});

test("an archive of Memorizz: messages in order, records under their names, caches left out", async () => {
  const stores = {
    conversation_memory: [
      {
        id: "b",
        data: { content: "Second", role: "assistant", timestamp: "2025-05-28T12:00:01", memory_id: "mem", thread_id: "t", user_id: "ada" },
      },
      {
        id: "a",
        data: { content: "First", role: "user", timestamp: "2025-05-28T12:00:00", memory_id: "mem", thread_id: "t", user_id: "ada" },
      },
    ],
    knowledge_base: [{ id: "k", data: { content: "Tea is brewed", namespace: "drinks", embedding: [1, 2] } }],
    semantic_cache: [{ id: "q", data: { query: "?", response: "!" } }],
  };
  const archive = { format: "memorizz.memory", version: 1, manifest: { memorizz_version: "0.5.0", record_count: 4 }, stores };
  const { memory, list } = target();
  const report = await memory.importFrom({ system: "memorizz", from: file("archive.json", JSON.stringify(archive)) });
  expect(report).toMatchObject({ version: "archive of 0.5.0", read: 4, written: { messages: 2, records: 1 }, skipped: [{ count: 1 }] });
  const lines = await exported(memory);
  expect(lines.map(({ conversation, userId, content }) => [conversation, userId, content])).toEqual([
    ["t", "ada", "First"],
    ["t", "ada", "Second"],
  ]);
  expect(await list("knowledge_base")).toMatchObject([{ id: "k", content: "Tea is brewed", data: { namespace: "drinks" } }]);
  const cut = { ...archive, manifest: { record_count: 9 } };
  await expect(memory.importFrom({ system: "memorizz", from: file("cut.json", JSON.stringify(cut)) })).rejects.toThrow(
    "holds 4 records and says 9",
  );
});

test("files that are none of the system's are refused, and their contents are in no message", async () => {
  const { memory } = target();
  const secret = file("secret.json", "my secret is 42");
  for (const system of ["mem0", "mcp-memory", "memorizz", "langswarm"] as const) {
    const error = await memory.importFrom({ system, from: secret }).catch((error: unknown) => error as Error);
    expect(String(error)).not.toContain("my secret");
    expect(error).toBeInstanceOf(Error);
  }
  await expect(memory.importFrom({ system: "other" as never, from: secret })).rejects.toMatchObject({ field: "system" });
  await expect(memory.importFrom({ system: "mem0" })).rejects.toMatchObject({ field: "from" });
});

function langswarmFile(messages: number): string {
  const path = join(directory(), "langswarm.db");
  const database = new (loadSqlite().DatabaseSync)(path);
  database.exec(`CREATE TABLE sessions (session_id TEXT PRIMARY KEY, user_id TEXT, agent_id TEXT, workflow_id TEXT, status TEXT NOT NULL, max_messages INTEGER,
      max_tokens INTEGER, auto_summarize BOOLEAN, summary_threshold INTEGER, created_at TEXT, updated_at TEXT, expires_at TEXT, tags TEXT, properties TEXT);
    CREATE TABLE messages (message_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT, timestamp TEXT NOT NULL, token_count INTEGER,
      metadata TEXT, function_call TEXT, tool_calls TEXT);
    CREATE TABLE summaries (summary_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, summary TEXT, message_count INTEGER, start_time TEXT, end_time TEXT, key_topics TEXT, created_at TEXT);
    CREATE TABLE memory_records (memory_id TEXT PRIMARY KEY, memory_type TEXT, content TEXT, metadata TEXT, created_at TEXT, user_id TEXT, importance_score REAL, tags TEXT, categories TEXT);
    CREATE INDEX idx_messages_session ON messages(session_id);
    INSERT INTO sessions VALUES ('s1', 'ada', NULL, NULL, 'active', 100, NULL, 1, 50, '2025-05-01T10:00:00', '2025-05-01T10:00:00', NULL, '["x"]', '{"p": 1}');
    INSERT INTO summaries VALUES ('u1', 's1', 'Talked', 2, NULL, NULL, '["tea"]', '2025-05-01T10:00:05');
    INSERT INTO memory_records VALUES ('r1', 'semantic', 'Tea is hot', '{}', '2025-05-01T10:00:00', 'ada', 0.5, '["t"]', '[]');
    INSERT INTO messages (message_id, session_id, role, content, timestamp, metadata, tool_calls)
      WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${messages})
      SELECT 'm' || i, 's' || (1 + i / 1000), CASE WHEN i % 2 THEN 'assistant' ELSE 'user' END, 'message ' || i, printf('2025-05-01T10:%02d:%02d.%06d', (i / 60) % 60, i % 60, i), '{}', '' FROM n`);
  database.close();
  return path;
}

test("LangSwarm's SQLite: read-only, in order, with typed memories and summaries", async () => {
  const from = langswarmFile(3);
  const before = readFileSync(from);
  const { memory, list } = target();
  const report = await memory.importFrom({ system: "langswarm", from });
  expect(report).toMatchObject({
    version: "session memory, typed memory",
    written: { conversations: 1, messages: 3, records: 2 },
    skipped: [],
  });
  const lines = await exported(memory);
  expect(lines.map(({ userId, content, createdAt }) => [userId, content, createdAt])).toEqual([
    ["ada", "message 0", "2025-05-01T10:00:00.000Z"],
    ["ada", "message 1", "2025-05-01T10:00:01.000Z"],
    ["ada", "message 2", "2025-05-01T10:00:02.000Z"],
  ]);
  expect(await list("summaries")).toMatchObject([{ content: "Talked", conversationId: "s1", data: { key_topics: ["tea"] } }]);
  expect(await list("long_term_memory")).toMatchObject([{ content: "Tea is hot", data: { memory_type: "semantic", tags: ["t"] } }]);
  expect(readFileSync(from)).toEqual(before);
  expect(existsSync(`${from}-wal`)).toBe(false);
});

test("100,000 rows are read a page at a time", async () => {
  const { memory } = target();
  let most = 0;
  const started = process.memoryUsage().heapUsed;
  const report = await memory.importFrom(
    { system: "langswarm", from: langswarmFile(100_000) },
    {
      dryRun: true,
      onProgress() {
        most = Math.max(most, process.memoryUsage().heapUsed - started);
      },
    },
  );
  expect(report).toMatchObject({ read: 100_003, written: { messages: 100_000, conversations: 100 } });
  expect(most).toBeLessThan(250_000_000);
});

test("the command line shows what it found, tells what it would do, and does it", async () => {
  const cwd = directory();
  const from = file("memory.json", graph);
  const dry = await cli(["migrate-from", "mcp-memory", "--from", from, "--user", "ada", "--dry-run"], { cwd });
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain("entities: 2 rows, records");
  expect(dry.stdout).toContain("Would write 0 messages, 0 conversations, 3 records");
  expect(dry.stdout).toContain("Skipped 1 row: a line that is neither an entity nor a relation\n  line 5");
  expect(existsSync(join(cwd, ".unforget"))).toBe(false);
  const real = await cli(["migrate-from", "langswarm", "--from", langswarmFile(2), "--json"], { cwd });
  expect(JSON.parse(real.stdout)).toMatchObject({ dryRun: false, written: { messages: 2 }, layout: { system: "langswarm" } });
  const wrong = await cli(["migrate-from", "langswarm", "--from", join(cwd, "missing.db")], { cwd });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("does not exist: check the path");
});
