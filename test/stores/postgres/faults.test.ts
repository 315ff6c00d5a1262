import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { createMemory, type Memory, type MemoryOptions } from "../../../src/index.ts";
import { describeEngines, describeServerEngine, newId } from "../../support/engines.ts";
import { memoryProcess } from "../../support/memory-process.ts";
import { tempDatabase } from "../../support/temp-schema.ts";

const secret = "hunter2-secret";

/** The error of a call, after checking that nothing about it tells the password. */
async function failure(options: MemoryOptions, call = (memory: Memory): Promise<unknown> => memory.ready()) {
  const memory = createMemory({ embedding: false, ...options });
  onTestFinished(() => memory.close());
  const error: Error = await call(memory).then(
    () => expect.unreachable("the call did not fail"),
    (reason) => reason,
  );
  expect(`${error.message} ${error.stack} ${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)}`).not.toContain(
    secret,
  );
  return error;
}

/** Calls of every kind, as many as there are methods. */
function everyCall(memory: Memory, id: string): Promise<unknown>[] {
  const mine = memory.scope({ userId: "u" });
  const drained = async () => {
    for await (const _ of mine.export());
  };
  return [
    mine.addMessages(id, "x"),
    mine.recall("x"),
    mine.conversations.get(id),
    mine.conversations.create(),
    mine.conversations.update(id, { title: "t" }),
    mine.conversations.delete("gone"),
    mine.conversations.list(),
    mine.conversations.count(),
    mine.messages.list(id),
    mine.messages.get(id, "m"),
    mine.messages.update(id, "m", { content: "y" }),
    mine.messages.delete(id, "gone"),
    mine.messages.clear("empty"),
    drained(),
    mine.import([{ conversation: id, role: "user", content: "z" }]),
    memory.stats(),
    memory.health(),
    memory.flush(),
    memory.scope({ userId: "nobody" }).erase(),
  ];
}

describe("a server that is not there", () => {
  test("is a rejected promise with what to check, in every call, and health answers", async () => {
    const options = { url: `postgres://user:${secret}@127.0.0.1:1/db` };
    expect(await failure(options)).toMatchObject({
      code: "backend_unavailable",
      retryable: true,
      message: expect.stringMatching(/could not be reached: check/),
    });
    const memory = createMemory({ ...options, embedding: false });
    const outcomes = await Promise.allSettled(everyCall(memory, "c"));
    const codes = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : outcome.value));
    expect(codes.filter((code) => code !== "backend_unavailable")).toEqual([
      expect.objectContaining({ ok: false, problem: expect.stringContaining("could not be reached") }),
    ]);
    await memory.close();
  });

  test("and one whose name does not resolve are told alike", async () => {
    expect(await failure({ url: `postgres://user:${secret}@no-such-host.invalid/db` })).toMatchObject({ code: "backend_unavailable" });
  });

  test("and one that accepts and says nothing ends in time", async () => {
    const silent = createServer(() => {}).listen(0);
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    expect(await failure({ host: "127.0.0.1", port, user: "u", password: secret, database: "d", connectTimeoutMs: 300 })).toMatchObject({
      code: "backend_unavailable",
    });
  });

  test("and one that hangs up at once is a lost connection", async () => {
    const rude = createServer((socket) => socket.destroy()).listen(0);
    onTestFinished(() => void rude.close());
    const { port } = rude.address() as { port: number };
    expect(await failure({ url: `postgres://user:${secret}@127.0.0.1:${port}/db` })).toMatchObject({ code: "backend_unavailable" });
  });

  test("may come later: the same memory then works", async () => {
    const memory = createMemory({ url: "postgres://127.0.0.1:1/db", embedding: false });
    await expect(memory.ready()).rejects.toMatchObject({ code: "backend_unavailable" });
    await expect(memory.ready()).rejects.toMatchObject({ code: "backend_unavailable" });
    await memory.close();
  });

  test("a URL that is none is refused without telling it", async () => {
    for (const url of [`http://user:${secret}@x`, `nonsense ${secret}`, ""])
      expect(await failure({ url })).toMatchObject({ code: expect.any(String) });
  });
});

describe("a directory that cannot be used", () => {
  const parent = mkdtempSync(join(tmpdir(), "unforget-test-"));
  afterAll(() => rmSync(parent, { recursive: true, force: true }));

  test("because it is below a file, is told", async () => {
    writeFileSync(join(parent, "file"), "");
    for (const dataDir of [join(parent, "file"), join(parent, "file", "below")]) {
      expect(await failure({ dataDir })).toMatchObject({ code: "backend_error", message: expect.stringContaining("choose another") });
    }
  });

  test("because it is read-only, is told", async () => {
    const dataDir = join(parent, "readonly");
    mkdirSync(dataDir, { mode: 0o555 });
    chmodSync(parent, 0o755);
    // Root may write everywhere: then another user tries.
    const opening = memoryProcess("open", { dataDir }, "", process.getuid?.() === 0 ? { uid: 65_534 } : {});
    await opening.printed(1);
    expect(JSON.parse(opening.lines[0] ?? "")).toMatchObject({ code: "backend_denied", message: expect.stringContaining("permissions") });
  });
});

describeEngines("a memory", (engine) => {
  test("that is closed refuses every call, and may be closed again", async () => {
    const memory = createMemory({ ...engine.place, embedding: hashedEmbedder() });
    await memory.scope({ userId: "u" }).addMessages("closing", "x");
    await Promise.all([memory.close(), memory.close()]);
    await memory.close();
    const outcomes = await Promise.allSettled(everyCall(memory, "closing"));
    const codes = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : outcome.value));
    expect(codes.filter((code) => code !== "closed")).toEqual([expect.objectContaining({ ok: false })]);
  });

  test("that was never used closes without opening anything", async () => {
    await createMemory({ ...engine.place }).close();
  });

  test("finishes the writes that were made before close", async () => {
    const memory = createMemory({ ...engine.place, embedding: hashedEmbedder() });
    const id = newId("conversation");
    await memory.ready();
    const writes = Promise.all(Array.from({ length: 20 }, () => memory.scope({ userId: "u" }).addMessages(id, "x")));
    await memory.close();
    expect(await writes).toHaveLength(20);
    expect((await engine.memory().scope({ userId: "u" }).messages.list(id)).items).toHaveLength(20);
  });

  test("rejects with the signal's own reason, before and during a call", async () => {
    const memory = engine.memory();
    const mine = memory.scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, { id: "m", content: "x" });
    const reason = { why: "enough" };
    const calls = [
      (signal: AbortSignal) => mine.addMessages(id, "y", { signal }),
      (signal: AbortSignal) => mine.recall("x", { signal }),
      (signal: AbortSignal) => mine.conversations.get(id, { signal }),
      (signal: AbortSignal) => mine.conversations.list({ signal }),
      (signal: AbortSignal) => mine.messages.list(id, { signal }),
      (signal: AbortSignal) => mine.messages.update(id, "m", { content: "z" }, { signal }),
      (signal: AbortSignal) => mine.messages.delete(id, "m", { signal }),
      (signal: AbortSignal) => mine.erase({ signal }),
      (signal: AbortSignal) => memory.stats({ signal }),
      (signal: AbortSignal) => memory.flush({ signal }),
      (signal: AbortSignal) => memory.ready({ signal }),
    ];
    for (const call of calls) await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect((await mine.messages.list(id)).items.map((item) => item.content)).toEqual(["x"]);
    const abort = new AbortController();
    const call = mine.recall("x", { signal: abort.signal });
    abort.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(await mine.recall("x")).toHaveLength(1);
  });

  test("started many times at once migrates once, and all of them work", async () => {
    const tablePrefix = "race";
    const memories = Array.from({ length: 6 }, () => engine.memory({ tablePrefix }));
    await Promise.all(memories.map((memory, index) => memory.scope({ userId: "u" }).addMessages("c", { id: `m${index}`, content: "x" })));
    expect((await memories[0]?.messages.list("c"))?.items).toHaveLength(6);
    const applied = await engine.sql<{ version: number }>(`SELECT version FROM "${engine.schema}".race_migrations ORDER BY 1`);
    expect(applied.map((row) => row.version)).toEqual(applied.map((_, index) => index + 1));
  });

  test("touches nothing outside its schema and prefix", async () => {
    const names = async () =>
      (
        await engine.sql<{ name: string }>(
          "SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 ORDER BY 1",
          [engine.schema],
        )
      ).map((row) => row.name);
    await engine.memory().ready();
    const before = await names();
    const memory = engine.memory({ tablePrefix: "my-App$" });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", "hello");
    await memory.flush();
    expect(await mine.recall("hello")).toHaveLength(1);
    const added = (await names()).filter((name) => !before.includes(name));
    expect(added.length).toBeGreaterThan(10);
    expect(added.filter((name) => !name.startsWith(`${engine.schema}.my-App$_`))).toEqual([]);
    expect((await engine.memory().scope({ userId: "u" }).recall("hello")).map((hit) => hit.conversationId)).not.toContain("c");
  });

  test("refuses a schema or prefix that is no identifier, and options that contradict each other", () => {
    for (const options of [
      { schema: 'a"b' },
      { schema: "" },
      { schema: "a b" },
      { tablePrefix: "1" },
      { tablePrefix: "x".repeat(31) },
      { tenant: "" },
      { url: "postgres://x", dataDir: "y" },
    ]) {
      expect(() => createMemory(options)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    }
  });
});

describeServerEngine("postgres", "a server", (engine, url) => {
  const parts = new URL(url);
  const single = {
    host: parts.hostname,
    port: Number(parts.port),
    database: parts.pathname.slice(1),
    user: decodeURIComponent(parts.username),
    password: decodeURIComponent(parts.password),
  };

  test("is reached by single settings as by a URL, or through a pool that stays open", async () => {
    const pool = new pg.Pool({ connectionString: url });
    onTestFinished(() => pool.end());
    for (const place of [single, { client: pool }]) {
      const memory = createMemory({ ...place, schema: engine.schema, embedding: false });
      await memory.ready();
      await memory.close();
    }
    const viaSessions = createMemory({ sessions: pool, embedding: false });
    await viaSessions.close();
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("refuses a wrong password and a missing database, and tells neither", async () => {
    expect(await failure({ ...single, password: secret })).toMatchObject({
      code: "backend_denied",
      message: expect.stringContaining("check user and password"),
    });
    const wrong = new URL(url);
    wrong.password = secret;
    expect(await failure({ url: wrong.href })).toMatchObject({
      code: "backend_denied",
      message: expect.stringContaining("check user and password"),
    });
    expect(await failure({ ...single, database: "no_such_database" })).toMatchObject({
      code: "backend_denied",
      message: expect.stringContaining("database does not exist"),
    });
  });

  async function roleWithoutRights(database: string) {
    const name = newId("test_role").replaceAll("-", "_") + process.pid;
    const admin = new pg.Client({ connectionString: database });
    await admin.connect();
    await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${secret}'`);
    onTestFinished(async () => {
      await admin.query(`DROP OWNED BY ${name}`);
      await admin.query(`DROP ROLE ${name}`);
      await admin.end();
    });
    const own = new URL(database);
    own.username = name;
    own.password = secret;
    return { url: own.href, admin, name };
  }

  test("without pgvector, a role that may not create it is told the SQL", async () => {
    const role = await roleWithoutRights(await tempDatabase(url));
    expect(await failure({ url: role.url })).toMatchObject({
      code: "backend_denied",
      message: expect.stringContaining("CREATE EXTENSION vector;"),
    });
  });

  test("a role that may not create a schema is told the SQL, and works when it has been run", async () => {
    const database = await tempDatabase(url);
    const role = await roleWithoutRights(database);
    await role.admin.query("CREATE EXTENSION vector");
    expect(await failure({ url: role.url })).toMatchObject({
      code: "backend_denied",
      message: expect.stringMatching(/CREATE SCHEMA IF NOT EXISTS "unforget".*GRANT CREATE/),
    });
    await role.admin.query(`CREATE SCHEMA IF NOT EXISTS "unforget"; GRANT CREATE, USAGE ON SCHEMA "unforget" TO ${role.name}`);
    const memory = createMemory({ url: role.url, embedding: hashedEmbedder() });
    onTestFinished(() => memory.close());
    await memory.scope({ userId: "u" }).addMessages("c", "hello");
    await memory.flush();
    expect(await memory.scope({ userId: "u" }).recall("hello")).toHaveLength(1);
    await memory.close();
  });

  test("a table of somebody else's with our name is left alone", async () => {
    const schema = `${engine.schema}_taken`;
    await engine.sql(`CREATE SCHEMA "${schema}"`);
    onTestFinished(async () => void (await engine.sql(`DROP SCHEMA "${schema}" CASCADE`)));
    await engine.sql(`CREATE TABLE "${schema}".messages (mine int)`);
    expect(await failure({ url, schema })).toMatchObject({
      code: "backend_error",
      message: expect.stringContaining("choose another schema"),
    });
    expect(await engine.sql(`SELECT * FROM "${schema}".messages`)).toEqual([]);
    expect(await engine.sql("SELECT 1 FROM pg_tables WHERE schemaname = $1", [schema])).toHaveLength(1);
  });

  test("with pgvector in another schema, outside of the search path, works", async () => {
    const database = await tempDatabase(url);
    const admin = new pg.Client({ connectionString: database });
    await admin.connect();
    await admin.query('CREATE SCHEMA "Ext 1"; CREATE EXTENSION vector SCHEMA "Ext 1"');
    await admin.end();
    const memory = createMemory({ url: database, embedding: hashedEmbedder(), worker: "manual" });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", ["hello", { content: "brought", embedding: Float32Array.from({ length: 64 }, () => 1) }]);
    await memory.flush();
    expect((await mine.recall("hello"))[0]?.scores.vector).toBeGreaterThan(0);
    await memory.close();
  });

  test("may kill connections in the middle: calls go on", async () => {
    const memory = engine.memory({ tablePrefix: "killed" });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", "first");
    for (let round = 0; round < 3; round++) {
      const calls = Promise.all([
        ...Array.from({ length: 20 }, (_, index) => mine.addMessages("c", { id: `${round}-${index}`, content: "x" })),
        mine.recall("first"),
      ]);
      await engine.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'unforget' AND query LIKE '%killed_%' AND pid <> pg_backend_pid()",
      );
      await calls;
    }
    expect((await mine.messages.list("c", { limit: 1000 })).items).toHaveLength(61);
  });

  test("with one connection, 64 callers of every method do not block each other", async () => {
    const memory = engine.memory({ maxConnections: 1, tablePrefix: "single" });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", { id: "m", content: "x" });
    await mine.conversations.create({ id: "empty" });
    const outcomes = await Promise.allSettled(Array.from({ length: 64 }, () => everyCall(memory, "c")).flat());
    expect(outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason)).toEqual([]);
  });
});

for (const server of ["pgbouncer", "postgres15"] as const) {
  describeServerEngine(server, "everything works on", (engine) => {
    test("every call, many at once, vectors and words", async () => {
      const memory = engine.memory({ maxConnections: 8 });
      const mine = memory.scope({ userId: "u" });
      await mine.addMessages("c", { id: "m", content: "the harbour" });
      await mine.conversations.create({ id: "empty" });
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => everyCall(memory, "c")).flat());
      expect(outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason)).toEqual([]);
      await memory.flush();
      await mine.messages.update("c", "m", { content: "the harbour" });
      await memory.flush();
      expect((await mine.recall("harbour"))[0]).toMatchObject({
        id: "m",
        scores: { vector: expect.any(Number), text: expect.any(Number) },
      });
      expect(await mine.conversations.delete("c")).toBe(true);
      expect(await mine.erase({ compact: true })).toMatchObject({ messages: 0 });
      expect(await memory.health()).toMatchObject({
        ok: true,
        versions: { postgres: expect.stringMatching(server === "postgres15" ? /^15/ : /^17/) },
      });
    });
  });
}

describeServerEngine("postgres", "a collision with other work", (engine) => {
  test("is repeated by itself: a delete that deadlocks with a worker", async () => {
    const memory = engine.memory({ worker: "manual" });
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const id = newId("conversation");
    await mine.addMessages(id, [
      { id: "m1", content: "one" },
      { id: "m2", content: "two" },
      { id: "m3", content: "three" },
    ]);
    let deleted: Promise<number> | undefined;
    // What a worker does: it locks what is owed, then the search rows. A delete comes the other way.
    await engine.client.transaction(async (transaction) => {
      await transaction.query({ text: `SELECT 1 FROM ${engine.schema}.outbox WHERE user_id = $1 FOR UPDATE`, values: [userId] });
      deleted = mine.messages.clear(id);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await transaction.query({ text: `UPDATE ${engine.schema}.search SET importance = importance WHERE user_id = $1`, values: [userId] });
    });
    expect(await deleted).toBe(3);
    expect((await mine.messages.list(id)).items).toEqual([]);
  });
});
