import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createMemory, loadConfig, type Memory, type MemoryOptions, type RecordStore, type SessionStore } from "../../src/index.ts";
import { memoryRecordStore } from "../../src/stores/record/memory.ts";
import { postgresRecordStore } from "../../src/stores/record/postgres.ts";
import { memorySessionStore } from "../../src/stores/session/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { describeServer } from "../support/servers.ts";

const quiet = { embedding: false, worker: "manual" } as const;

function opened(options: MemoryOptions): Memory {
  const memory = createMemory({ ...quiet, ...options });
  onTestFinished(() => memory.close());
  return memory;
}

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** One that keeps no records. */
function sessionsAlone(): SessionStore {
  const { records: _records, ...sessions } = memorySessionStore();
  return sessions;
}

/** Writes a run with a step, and notes, to a conversation; whether all is there. */
async function fill(memory: Memory, userId: string, conversationId: string): Promise<void> {
  const mine = memory.scope({ userId });
  await mine.addMessages(conversationId, "hello");
  await mine.runs.start({ id: "r", agentId: "a", conversationId });
  await mine.runs.record("r", { steps: [{ id: "s", type: "t" }] });
  await mine.working.set("notes", { conversationId });
}

describeEngines("records in Postgres", (engine) => {
  const records = (table = "records") =>
    engine.sql<{ type: string; userId: string }>(`SELECT type, user_id AS "userId" FROM "${engine.schema}".${table} ORDER BY type, id`);

  test("are in the schema of the conversations, and deleted in the same transaction", async () => {
    const memory = engine.memory({ ...quiet });
    const userId = newId("user");
    await fill(memory, userId, "c");
    expect((await records()).map(({ type }) => type)).toEqual(["run", "run_step", "working_memory"]);
    await memory.conversations.delete("c");
    expect(await records()).toEqual([]);
    await fill(memory, userId, "c");
    await memory.erase({ userId });
    expect(await records()).toEqual([]);
  });

  test("need no second connection", async () => {
    const memory = engine.memory({ ...quiet, ...(engine.name === "embedded" ? {} : { maxConnections: 1 }) });
    const userId = newId("user");
    await Promise.all(Array.from({ length: 16 }, (_, index) => fill(memory, userId, `c${index}`)));
    await Promise.all(Array.from({ length: 16 }, (_, index) => memory.conversations.delete(`c${index}`)));
    expect(await records()).toEqual([]);
  });

  test("are with the conversations also when the vectors are elsewhere, under their prefix", async () => {
    const { place } = engine;
    const memory = opened({ sessions: { store: "postgres", ...place, tablePrefix: "mine" } as never, vectors: { store: "memory" } });
    await fill(memory, "me", "c");
    expect((await records("mine_records")).map(({ type }) => type)).toEqual(["run", "run_step", "working_memory"]);
    await memory.conversations.delete("c");
    expect(await records("mine_records")).toEqual([]);
  });

  test("that have expired are taken out by writes, and by the worker's upkeep", async () => {
    const user = { userId: newId("user") };
    const old = { agentId: "a", startedAt: new Date(Date.now() - 48 * 3_600_000) };
    const first = engine.memory({ ...quiet, runs: { keepDays: 1 } });
    await first.scope(user).runs.start({ ...old, id: "old" });
    await engine
      .memory({ ...quiet })
      .scope(user)
      .runs.start({ id: "new", agentId: "a" });
    expect((await records()).map(({ type }) => type)).toEqual(["run"]);
    await first.scope(user).runs.start({ ...old, id: "old" });
    expect(await records()).toHaveLength(2);
    const other = engine.memory({ ...quiet });
    await other.flush();
    expect(await records()).toHaveLength(1);
    await other.erase(user);
  });

  test("may be erased with every byte", async () => {
    const userId = newId("user");
    const memory = engine.memory({ ...quiet });
    await fill(memory, userId, "c");
    await memory.erase({ userId, compact: true });
    expect(await records()).toEqual([]);
  });
});

describeEngines("records under row-level security", (engine) => {
  const role = `test_records_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  beforeAll(async () => void (await engine.sql(`CREATE ROLE ${role} NOLOGIN`)));
  afterAll(async () => {
    await engine.sql(`DROP OWNED BY ${role}`);
    await engine.sql(`DROP ROLE ${role}`);
  });

  /** What the role sees of the table when it names this scope, by a statement that forgot its WHERE. */
  const seen = (tenant: string, userId: string, prefix = "") =>
    engine.client.transaction(async (transaction) => {
      await transaction.query({
        text: "SELECT set_config('unforget.tenant', $1, true), set_config('unforget.user_id', $2, true)",
        values: [tenant, userId],
      });
      await transaction.execute(`SET LOCAL ROLE ${role}`);
      const text = `SELECT DISTINCT user_id AS "userId" FROM "${engine.schema}".${prefix}records ORDER BY 1`;
      return (await transaction.query<{ userId: string }>({ text })).rows.map((row) => row.userId);
    });

  test("with the conversations, hold a statement that forgot its WHERE to the scope", async () => {
    const memory = engine.memory({ ...quiet, rls: { role } });
    for (const userId of ["me", "you"]) await fill(memory, userId, `of ${userId}`);
    expect(await seen("=default", "=me")).toEqual(["me"]);
    expect(await seen("=default", "*")).toEqual(["me", "you"]);
    expect([await seen("=another", "=me"), await seen("", "")]).toEqual([[], []]);
    expect(await memory.runs.tree("r", { userId: "you" })).toMatchObject({ userId: "you", steps: [{ id: "s" }] });
    expect(await memory.runs.count()).toBe(2);
    await memory.conversations.delete("of me");
    await memory.scope({ userId: "you" }).erase();
    expect(await seen("*", "*")).toEqual([]);
  });

  test("of a store of their own too", async () => {
    const { dataDir, url } = engine.place;
    const place = dataDir === undefined ? { url, schema: engine.schema } : { dataDir };
    const records = postgresRecordStore({ ...place, tablePrefix: "own", rls: { role } });
    const memory = opened({ sessions: sessionsAlone(), records });
    for (const userId of ["me", "you"]) await fill(memory, userId, `of ${userId}`);
    expect(await seen("=default", "=me", "own_")).toEqual(["me"]);
    expect(await memory.runs.count()).toBe(2);
  });

  test("records are embedded and found under it, each user's by that user", async () => {
    const memory = engine.memory({ worker: "manual", rls: { role } });
    for (const userId of ["rls-me", "rls-you"]) await memory.records.put({ id: "r", type: "note", content: "a walrus" }, { userId });
    await memory.flush();
    const hits = await memory.scope({ userId: "rls-me" }).records.query({ text: "walrus", minSimilarity: 0.1 });
    expect(hits.map(({ record }) => record.userId)).toEqual(["rls-me"]);
    expect(await memory.records.update("note", "r", { metadata: { seen: true } }, { userId: "rls-you" })).toMatchObject({ version: 2 });
    expect(await memory.records.getEmbedding("note", "r", { userId: "rls-you" })).toBeInstanceOf(Float32Array);
  });
});

describe("records beside other stores", () => {
  test("are in the SQLite file of the conversations", async () => {
    const path = join(newDirectory(), "memory.sqlite");
    const memory = opened({ sessions: { store: "sqlite", path } });
    await fill(memory, "me", "c");
    const file = new DatabaseSync(path, { readOnly: true });
    onTestFinished(() => file.close());
    const count = () => file.prepare("SELECT count(*) AS count FROM records").get()?.count;
    expect(count()).toBe(3);
    await memory.conversations.delete("c");
    expect(count()).toBe(0);
  });

  test("are in the SQLite database that keeps nothing", async () => {
    const memory = opened({ sessions: { store: "sqlite", path: ":memory:" } });
    await fill(memory, "me", "c");
    expect(await memory.runs.tree("r")).toMatchObject({ steps: [{ id: "s" }] });
    await memory.erase({ userId: "me" });
    expect(await memory.runs.count()).toBe(0);
  });

  test("are where `records` says, also beside a store that keeps some", async () => {
    const records = memoryRecordStore();
    const memory = opened({ sessions: { store: "sqlite", path: ":memory:" }, records });
    await fill(memory, "me", "c");
    const everything = { tenant: "default", userId: undefined, resourceId: undefined };
    expect(await records.count(everything, {})).toBe(3);
    await memory.conversations.delete("c");
    expect(await records.count(everything, {})).toBe(0);
    await memory.close();
    await expect(records.count(everything, {})).rejects.toMatchObject({ code: "closed" });
  });

  test("are made ready with the memory, and asked for its health", async () => {
    const directory = newDirectory();
    const path = join(directory, "records.sqlite");
    const memory = opened({ sessions: sessionsAlone(), records: { store: "sqlite", path } });
    await memory.ready();
    expect(existsSync(path)).toBe(true);
    expect(await memory.health()).toMatchObject({ ok: true, store: "memory + sqlite", versions: { sqlite: expect.any(String) } });
    const broken = opened({ sessions: { store: "memory" }, records: { store: "sqlite", path: directory } });
    expect(await broken.health()).toMatchObject({ ok: false, problem: expect.stringContaining("[sqlite]") });
    await expect(broken.ready()).rejects.toMatchObject({ code: "backend_denied" });
    expect(await opened({ sessions: { store: "memory" } }).health()).toMatchObject({ ok: true, versions: {} });
  });

  test("are told from a name that is not known", () => {
    expect(() => createMemory({ records: { store: "redis" } as never })).toThrow(
      '[records.store] "redis" is not known: use memory, postgres',
    );
    expect(() => createMemory({ records: 7 as never })).toThrow("[records] is not a store");
  });

  test("may be named by a configuration file, with how long runs are kept", async () => {
    const path = join(newDirectory(), "unforget.yaml");
    writeFileSync(path, "sessions: { store: memory }\nrecords: { store: sqlite, path: ':memory:' }\nruns: { keepDays: 30 }\n");
    const memory = opened(await loadConfig(path));
    await memory.runs.start({ userId: "me", agentId: "a" });
    await memory.runs.start({ userId: "me", agentId: "a", startedAt: new Date(Date.now() - 31 * 86_400_000) });
    expect(await memory.runs.count()).toBe(1);
  });

  test("that fail keep their conversation, so that its deletion can be repeated", async () => {
    const store = memoryRecordStore();
    let isDown = false;
    const records: RecordStore = {
      ...store,
      erase: async (...given) => {
        if (isDown) throw new Error("down");
        return store.erase(...given);
      },
    };
    const memory = opened({ sessions: sessionsAlone(), records });
    await fill(memory, "me", "c");
    isDown = true;
    await expect(memory.conversations.delete("c")).rejects.toThrow("down");
    await expect(memory.erase({ userId: "me" })).rejects.toThrow("down");
    expect((await memory.messages.list("c")).items).toHaveLength(1);
    isDown = false;
    expect(await memory.conversations.delete("c")).toBe(true);
    expect(await memory.runs.count()).toBe(0);
  });

  test("of other resources go with the conversations of an erased resource", async () => {
    const memory = opened({ sessions: sessionsAlone(), records: memoryRecordStore() });
    await memory.scope({ userId: "me", resourceId: "app" }).addMessages("c", "hello");
    await memory.runs.start({ userId: "me", agentId: "a", conversationId: "c", resourceId: "another" });
    await memory.runs.start({ id: "stays", userId: "me", agentId: "a", resourceId: "another" });
    await memory.scope({ userId: "me", resourceId: "app" }).erase();
    expect((await memory.runs.list()).items.map(({ id }) => id)).toEqual(["stays"]);
  });
});

describe("records of a store that keeps none, when nothing says where", () => {
  const before = process.cwd();
  beforeEach(() => {
    process.chdir(newDirectory());
    onTestFinished(() => process.chdir(before));
  });

  test("are in an embedded Postgres, which their first use makes", async () => {
    const memory = createMemory({ ...quiet, sessions: sessionsAlone() });
    await memory.ready();
    await memory.scope({ userId: "me" }).addMessages("c", "hello");
    await memory.conversations.delete("c");
    await memory.erase({ userId: "me" });
    expect(await memory.runs.delete("r")).toBe(0);
    expect((await memory.stats()).records).toEqual({ count: 0, owed: 0 });
    expect(existsSync(".unforget")).toBe(false);
    await fill(memory, "me", "c");
    expect(existsSync(".unforget")).toBe(true);
    await memory.close();

    const next = createMemory({ ...quiet, sessions: sessionsAlone() });
    expect(await next.conversations.delete("c")).toBe(false);
    expect(await next.runs.count()).toBe(0);
    await next.close();
  });

  test("are not made by closing", async () => {
    const memory = createMemory({ ...quiet, sessions: sessionsAlone() });
    await memory.close();
    expect(existsSync(".unforget")).toBe(false);
    await expect(memory.runs.count()).rejects.toMatchObject({ code: "closed" });
    expect(existsSync(".unforget")).toBe(false);
  });
});

describeServer("redis", "records beside Redis", (url) => {
  test("are where `records` says, and go with their conversation", async () => {
    const keyPrefix = `test-${process.pid}-${Date.now().toString(36)}`;
    const memory = opened({ sessions: { store: "redis", url, keyPrefix } as never, records: { store: "sqlite", path: ":memory:" } });
    await fill(memory, "me", "c");
    expect(await memory.runs.tree("r")).toMatchObject({ steps: [{ id: "s" }] });
    expect(await memory.working.get({ conversationId: "c" })).toMatchObject({ content: "notes" });
    await memory.conversations.delete("c");
    expect(await memory.runs.count()).toBe(0);
    await fill(memory, "me", "c");
    await memory.erase({ userId: "me" });
    expect(await memory.runs.count()).toBe(0);
  });
});
