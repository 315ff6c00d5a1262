import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { createMemory, type EmbeddingChoice } from "../../../src/index.ts";
import { broughtVectors } from "../../support/embedders.ts";
import { describeEngines, describeServerEngine } from "../../support/engines.ts";
import { tempDatabase } from "../../support/temp-schema.ts";

const tables = ["conversations", "messages", "search", "outbox", "vectors_1"];
const roleName = () => `test_rls_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;

describeEngines("row-level security for a role", (engine) => {
  const role = roleName();
  const memory = engine.memory({ rls: { role }, worker: "manual" });
  const mine = memory.scope({ tenant: "acme", userId: "me" });
  beforeAll(async () => {
    await engine.sql(`CREATE ROLE ${role} NOLOGIN`);
    await mine.addMessages("c", [
      { id: "m1", content: "the harbour" },
      { id: "m2", content: "the mountain" },
    ]);
    await memory.scope({ tenant: "acme", userId: "you" }).addMessages("yours", "the forest");
    await memory.flush();
    await mine.addMessages("owing", "still owed");
  });
  afterAll(async () => {
    await engine.sql(`DROP OWNED BY ${role}`);
    await engine.sql(`DROP ROLE ${role}`);
  });

  /** Rows the role sees in every table, by a statement that forgot its WHERE. */
  const seen = (tenant?: string, userId?: string) =>
    engine.client.transaction(async (transaction) => {
      if (tenant !== undefined)
        await transaction.query({
          text: "SELECT set_config('unforget.tenant', $1, true), set_config('unforget.user_id', $2, true)",
          values: [tenant, userId ?? ""],
        });
      await transaction.execute(`SET LOCAL ROLE ${role}`);
      const counts: number[] = [];
      for (const table of tables) {
        const { rows } = await transaction.query<{ count: number }>({ text: `SELECT count(*) AS count FROM "${engine.schema}".${table}` });
        counts.push(rows[0]?.count ?? -1);
      }
      return counts;
    });

  test("raw SQL sees the rows of the scope it names, and no others", async () => {
    expect(await seen("=acme", "=me")).toEqual([2, 3, 3, 1, 2]);
    expect(await seen("=acme", "=you")).toEqual([1, 1, 1, 0, 1]);
    for (const [tenant, user] of [
      ["=acme-corp", "=me"],
      ["=acm", "=me"],
      ["=", "="],
      ["acme", "me"],
      ["", ""],
      ["=acme", "=Me"],
      ["=acme", "=m"],
    ]) {
      expect(await seen(tenant, user)).toEqual([0, 0, 0, 0, 0]);
    }
  });

  test("raw SQL that names no scope sees nothing", async () => {
    expect(await seen()).toEqual([0, 0, 0, 0, 0]);
  });

  test("raw SQL cannot write into another scope", async () => {
    const write = engine.client.transaction(async (transaction) => {
      await transaction.query({
        text: "SELECT set_config('unforget.tenant', '=acme', true), set_config('unforget.user_id', '=you', true)",
      });
      await transaction.execute(`SET LOCAL ROLE ${role}`);
      await transaction.execute(`UPDATE "${engine.schema}".messages SET user_id = 'me'`);
    });
    await expect(write).rejects.toMatchObject({ sqlState: "42501" });
  });

  test("nothing of it stays on the connection", async () => {
    const [row] = await engine.sql("SELECT current_setting('unforget.tenant', true) AS tenant, current_user <> $1 AS is_other", [role]);
    expect(row).toMatchObject({ is_other: true });
    expect((row as { tenant: string | null }).tenant || null).toBeNull();
  });

  test("everything works with it", async () => {
    await memory.flush();
    expect((await mine.recall("harbour"))[0]).toMatchObject({ id: "m1", scores: { vector: expect.any(Number) } });
    expect(await mine.messages.update("c", "m1", { content: "the lake" })).toMatchObject({ seq: 1 });
    expect(await mine.recall("lake")).not.toEqual([]);
    expect((await mine.conversations.list()).items).toHaveLength(2);
    expect(await mine.conversations.update("c", { title: "T" })).toMatchObject({ title: "T" });
    await expect(mine.addMessages("yours", "x")).rejects.toMatchObject({ code: "not_found" });
    await expect(mine.conversations.create({ id: "yours" })).rejects.toMatchObject({ code: "conflict" });
    expect(await memory.scope({ tenant: "acme" }).messages.list("yours")).toMatchObject({ items: [{ userId: "you" }] });
    expect(await memory.scope({ tenant: "acme" }).recall("forest", { allUsers: true })).not.toEqual([]);
    const several = ["me", "you", "them"].map((userId) => memory.scope({ tenant: "acme", userId }).addMessages(`of-${userId}`, "x"));
    expect(await Promise.all(several)).toHaveLength(3);
    await memory.flush();
    expect(await mine.messages.delete("c", "m2")).toBe(1);
    expect(await mine.conversations.delete("owing")).toBe(true);
    expect(await mine.erase({ compact: true })).toEqual({ conversations: 2, messages: 2 });
    expect((await memory.scope({ tenant: "acme", userId: "you" }).conversations.list()).items).toHaveLength(2);
  });

  test("conversations are searched, branched and given away with it", async () => {
    const her = memory.scope({ tenant: "acme", userId: "her" });
    await her.addMessages("river", [{ id: "a", content: "an otter swims" }, "a heron waits"], { conversation: { title: "River" } });
    await her.messages.update("river", "a", { content: "an otter dives" });
    await memory.flush();
    expect((await her.conversations.search("otter"))[0]).toMatchObject({ conversation: { id: "river" }, message: { id: "a" } });
    expect(await memory.scope({ tenant: "acme", userId: "you" }).conversations.search("otter river")).toEqual([]);
    const branch = await her.conversations.branch("river", { upTo: "a" });
    const moved = await memory.scope({ tenant: "acme" }).conversations.update("river", { userId: "him" });
    expect(moved).toMatchObject({ userId: "him", title: "River" });
    const him = memory.scope({ tenant: "acme", userId: "him" });
    expect((await him.recall("otter", { legs: ["vector"], limit: 1 }))[0]).toMatchObject({ conversationId: "river" });
    expect(await him.messages.history("river", "a")).toMatchObject([{ content: "an otter swims" }]);
    expect((await her.conversations.list({ include: ["messageCount"] })).items).toMatchObject([{ id: branch.id, messageCount: 1 }]);
    expect((await her.recall("otter", { legs: ["vector"] })).map(({ conversationId }) => conversationId)).toEqual([branch.id]);
  });

  test("several may open it at once, and again", async () => {
    const memories = Array.from({ length: 4 }, () => engine.memory({ rls: { role } }));
    await Promise.all(memories.map((one, index) => one.scope({ userId: `u${index}` }).addMessages(`again${index}`, "x")));
    await engine.memory({ rls: { role } }).ready();
  });

  test("a role that policies do not bind is refused", async () => {
    const open = createMemory({ ...engine.place, embedding: false, rls: true });
    await expect(open.ready()).rejects.toMatchObject({ code: "backend_denied", message: expect.stringContaining("BYPASSRLS") });
    await open.close();
    const unknown = createMemory({ ...engine.place, embedding: false, rls: { role: "no_such_role" } });
    await expect(unknown.ready()).rejects.toMatchObject({ code: "backend_denied" });
    await unknown.close();
  });
});

describeServerEngine("postgres", "row-level security for the connecting role", (_, url) => {
  test("binds the owner of the tables too, and an embedding model may come later but not be exchanged", async () => {
    const database = new URL(await tempDatabase(url));
    const admin = new pg.Client({ connectionString: database.href });
    await admin.connect();
    const role = roleName();
    await admin.query(`CREATE EXTENSION vector; CREATE ROLE ${role} LOGIN PASSWORD 'p'; CREATE SCHEMA unforget AUTHORIZATION ${role}`);
    database.username = role;
    database.password = "p";
    const opened: { close(): Promise<void> }[] = [];
    onTestFinished(async () => {
      for (const one of opened) await one.close();
      await admin.query(`DROP OWNED BY ${role} CASCADE`);
      await admin.query(`DROP ROLE ${role}`);
      await admin.end();
    });
    const open = (embedding: EmbeddingChoice) => {
      const memory = createMemory({ url: database.href, rls: true, worker: "manual", embedding });
      opened.push(memory);
      return memory;
    };
    await open(false).scope({ userId: "u" }).addMessages("c", "written before there was a model");
    const later = open(hashedEmbedder());
    await later.flush();
    expect(await later.stats()).toMatchObject({ messages: 1, vectors: 1 });
    await expect(open(broughtVectors("test/other", 10)).ready()).rejects.toMatchObject({ code: "dimension_mismatch" });
    expect((await later.scope({ userId: "u" }).recall("model"))[0]?.scores.vector).toBeGreaterThan(0);
    const raw = new pg.Client({ connectionString: database.href });
    await raw.connect();
    expect((await raw.query("SELECT * FROM unforget.messages")).rows).toEqual([]);
    await raw.end();
  });
});
