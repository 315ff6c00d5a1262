import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { MongoClient } from "mongodb";
import { Pool } from "pg";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  type MemorizzProvider,
  MemoryType,
  MongoDBConfig,
  MongoDBProvider,
  PostgreSQLConfig,
  PostgreSQLProvider,
  type ProviderOptions,
} from "../../../src/compat/memorizz.ts";
import type { Logger } from "../../../src/index.ts";
import { newId } from "../../support/engines.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

const allTypes = Object.values(MemoryType);

/** `open` gives a provider of its own tenant. */
function promises(open: (options?: ProviderOptions) => MemorizzProvider): void {
  const opened = (options: ProviderOptions = {}): MemorizzProvider => {
    const provider = open({ tenant: newId("tenant"), ...options });
    onTestFinished(() => provider.close());
    return provider;
  };
  const namesOf = (rows: readonly { readonly name?: string }[]) => rows.map(({ name }) => name);

  test("the document's basic usage: store, retrieve by id, search by a vector", async () => {
    const provider = opened();
    const data = { name: "My Memory", content: "This is important information", embedding: [0.1, 0.2, 0.3] };
    const memoryId = await provider.store(data, MemoryType.LONG_TERM_MEMORY);
    expect(memoryId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const retrieved = await provider.retrieve_by_id(memoryId, MemoryType.LONG_TERM_MEMORY);
    expect(retrieved).toEqual({
      ...data,
      id: memoryId,
      embedding: [0.1, 0.2, 0.3].map((value) => expect.closeTo(value, 6)),
      created_at: expect.any(Date),
      updated_at: expect.any(Date),
    });
    await provider.store({ name: "Far", content: "off", embedding: [-0.1, -0.2, -0.3] }, MemoryType.LONG_TERM_MEMORY);
    await provider.store({ name: "Near", content: "by", embedding: [0.1, 0.2, 0.2] }, MemoryType.LONG_TERM_MEMORY);
    const similar = await provider.retrieve_by_query({ embedding: [0.1, 0.2, 0.3] }, MemoryType.LONG_TERM_MEMORY, { limit: 5 });
    expect(namesOf(similar)).toEqual(["My Memory", "Near", "Far"]);
    expect(similar[0]?.distance).toBeCloseTo(0, 5);
    expect(similar[2]?.distance).toBeCloseTo(2, 5);
    expect(namesOf(await provider.retrieveByQuery({ embedding: [1, 2, 3] }, MemoryType.LONG_TERM_MEMORY))).toEqual(["My Memory"]);
  });

  test("the document's efficient query: a vector within one memory", async () => {
    const provider = opened();
    const rows = ["specific_memory", "other_memory"].flatMap((memory_id) =>
      [1, 2].map((n) => ({ name: `${memory_id} ${n}`, content: "text", memory_id, embedding: [1, n / 10] })),
    );
    await provider.storeMany(rows, MemoryType.CONVERSATION_MEMORY);
    const results = await provider.retrieve_by_query({ embedding: [1, 0], memory_id: "specific_memory" }, MemoryType.CONVERSATION_MEMORY, {
      limit: 10,
    });
    expect(namesOf(results)).toEqual(["specific_memory 1", "specific_memory 2"]);
    expect(await provider.list_all(MemoryType.CONVERSATION_MEMORY)).toHaveLength(4);
  });

  test("every type of the document and the newer ones keeps its own rows", async () => {
    const provider = opened();
    for (const type of new Set(allTypes)) await provider.store({ name: type, content: `of ${type}` }, type);
    for (const type of new Set(allTypes)) expect(namesOf(await provider.listAll(type))).toEqual([type]);
    expect(namesOf(await provider.listAll("knowledge_base"))).toEqual(["long_term_memory"]);
    await expect(provider.listAll("facts" as never)).rejects.toMatchObject({ field: "memoryType" });
  });

  test("a text is embedded for the caller, and found by its words at once", async () => {
    const provider = opened();
    await provider.store({ name: "Weekend", content: "We rented a boat in the harbour." }, MemoryType.SHORT_TERM_MEMORY);
    await provider.store({ name: "Work", content: "The compiler is written in Rust." }, MemoryType.SHORT_TERM_MEMORY);
    expect(namesOf(await provider.retrieveByQuery("boat", MemoryType.SHORT_TERM_MEMORY))).toEqual(["Weekend"]);
    await provider.memory.flush();
    const found = await provider.retrieveByQuery("sailing at sea", MemoryType.SHORT_TERM_MEMORY, { limit: 2 });
    expect(namesOf(found)[0]).toBe("Weekend");
    expect(found[0]?.distance).toBeLessThan(1);
    const components = await provider.retrieveMemoryComponentsByQuery({ query: "boat", memoryType: MemoryType.SHORT_TERM_MEMORY });
    expect(components[0]?.name).toBe("Weekend");
  });

  test("fields come back to the letter, and any of them filters", async () => {
    const provider = opened();
    const row = {
      name: "n",
      content: "c",
      memory_id: "m'; DROP TABLE records; --",
      user_id: "u",
      importance: 0.5,
      tags: ["a", "b"],
      metadata: { source: "mail", deep: { x: [1, null] } },
    };
    const id = await provider.store(row, MemoryType.LONG_TERM_MEMORY);
    await provider.store({ name: "other", content: "c", metadata: { source: "web" } }, MemoryType.LONG_TERM_MEMORY);
    expect(await provider.retrieveById(id, MemoryType.LONG_TERM_MEMORY)).toMatchObject({ ...row, id });
    for (const filter of [
      { memory_id: row.memory_id },
      { importance: 0.5 },
      { metadata: { source: "mail" } },
      { user_id: "u" },
      { name: "n" },
      { id },
    ])
      expect(namesOf(await provider.retrieveByQuery(filter, MemoryType.LONG_TERM_MEMORY, 10))).toEqual(["n"]);
    expect(await provider.retrieveByQuery({ memory_id: "m" }, MemoryType.LONG_TERM_MEMORY, 10)).toEqual([]);
    expect(await provider.retrieveByQuery({ "x'); --": 1 }, MemoryType.LONG_TERM_MEMORY, 10)).toEqual([]);
    await expect(provider.retrieveByQuery({ tags: { a: 1 } }, MemoryType.LONG_TERM_MEMORY)).rejects.toMatchObject({ field: "tags" });
  });

  test("the same id again changes the row; the same name only where that is asked for", async () => {
    const provider = opened();
    const id = await provider.store({ name: "one", content: "first", kept: true }, MemoryType.PERSONAS);
    expect(await provider.store({ id, content: "second" }, MemoryType.PERSONAS)).toBe(id);
    expect(await provider.retrieveById(id, MemoryType.PERSONAS)).toMatchObject({ name: "one", content: "second", kept: true });
    await provider.store({ name: "one", content: "another" }, MemoryType.PERSONAS);
    expect(await provider.listAll(MemoryType.PERSONAS)).toHaveLength(2);
    const byName = opened({ upsertByName: true });
    const first = await byName.store({ name: "one", content: "first" }, MemoryType.PERSONAS);
    expect(await byName.store({ name: "one", content: "second" }, MemoryType.PERSONAS)).toBe(first);
    expect(await byName.retrieveByName("one", MemoryType.PERSONAS)).toMatchObject({ content: "second" });
  });

  test("what is updated keeps its other fields and its vector, as long as it says the same", async () => {
    const provider = opened();
    const id = await provider.store({ name: "n", content: "c", a: 1, embedding: [1, 0] }, MemoryType.TOOLBOX);
    expect(await provider.update_by_id(id, { a: 2 }, MemoryType.TOOLBOX)).toBe(true);
    expect(await provider.retrieveById(id, MemoryType.TOOLBOX)).toMatchObject({ name: "n", content: "c", a: 2, embedding: [1, 0] });
    await provider.updateById(id, { content: "changed" }, MemoryType.TOOLBOX);
    // Embedded by the worker, or not yet.
    expect((await provider.retrieveById(id, MemoryType.TOOLBOX))?.embedding).not.toEqual([1, 0]);
    await provider.updateById(id, { embedding: [0, 1] }, MemoryType.TOOLBOX);
    expect(await provider.retrieveById(id, MemoryType.TOOLBOX)).toMatchObject({ embedding: [0, 1] });
    expect(await provider.updateById("none", { a: 1 }, MemoryType.TOOLBOX)).toBe(false);
  });

  test("deletes say whether there was anything", async () => {
    const provider = opened();
    const id = await provider.store({ name: "a" }, MemoryType.WORKFLOW_MEMORY);
    await provider.storeMany([{ name: "b" }, { name: "b" }, { name: "c" }], MemoryType.WORKFLOW_MEMORY);
    expect(await provider.delete_by_id(id, MemoryType.WORKFLOW_MEMORY)).toBe(true);
    expect(await provider.deleteById(id, MemoryType.WORKFLOW_MEMORY)).toBe(false);
    expect(await provider.delete_by_name("b", MemoryType.WORKFLOW_MEMORY)).toBe(true);
    expect(await provider.deleteByName("b", MemoryType.WORKFLOW_MEMORY)).toBe(false);
    expect(namesOf(await provider.listAll(MemoryType.WORKFLOW_MEMORY))).toEqual(["c"]);
    expect(await provider.delete_all(MemoryType.WORKFLOW_MEMORY)).toBe(true);
    expect(await provider.listAll(MemoryType.WORKFLOW_MEMORY)).toEqual([]);
  });

  test("lists are newest first, in pages", async () => {
    const provider = opened();
    await provider.storeMany(
      Array.from({ length: 12 }, (_, index) => ({ name: `r${index}` })),
      MemoryType.SHARED_MEMORY,
    );
    expect(namesOf(await provider.listAll(MemoryType.SHARED_MEMORY)).slice(0, 2)).toEqual(["r11", "r10"]);
    const page = await provider.listAll(MemoryType.SHARED_MEMORY, { limit: 5, offset: 5 });
    expect(namesOf(page)).toEqual(["r6", "r5", "r4", "r3", "r2"]);
  });

  test("a conversation comes back in the order it was held, or in that of its timestamps", async () => {
    const provider = opened();
    const said = Array.from({ length: 20 }, (_, index) => ({
      role: index % 2 ? "assistant" : "user",
      content: `m${index}`,
      memory_id: "held",
    }));
    for (const row of said.slice(0, 10)) await provider.store(row, MemoryType.CONVERSATION_MEMORY);
    await provider.storeMany(said.slice(10), MemoryType.CONVERSATION_MEMORY);
    const history = await provider.retrieve_conversation_history_ordered_by_timestamp("held");
    expect(history.map(({ content }) => content)).toEqual(said.map(({ content }) => content));
    const newest = await provider.retrieveConversationHistoryOrderedByTimestamp("held", { limit: 2 });
    expect(newest.map(({ content }) => content)).toEqual(["m18", "m19"]);
    const timed = ["2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"].map((timestamp) => ({
      content: timestamp,
      timestamp,
      memory_id: "timed",
    }));
    await provider.storeMany(timed, MemoryType.CONVERSATION_MEMORY);
    const sorted = await provider.retrieveConversationHistoryOrderedByTimestamp("timed");
    expect(sorted.map(({ content }) => content)).toEqual(["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]);
  });

  test("rows of users are apart where a user is named", async () => {
    const provider = opened();
    await provider.storeMany(
      [{ name: "ada's", user_id: "ada" }, { name: "bob's", user_id: "bob" }, { name: "nobody's" }],
      MemoryType.ENTITY_MEMORY,
    );
    expect(namesOf(await provider.listAll(MemoryType.ENTITY_MEMORY, { userId: "ada" }))).toEqual(["ada's"]);
    expect(namesOf(await provider.listAll(MemoryType.ENTITY_MEMORY, { userId: null }))).toEqual(["nobody's"]);
    expect(await provider.listAll(MemoryType.ENTITY_MEMORY)).toHaveLength(3);
    expect(await provider.retrieveByName("bob's", MemoryType.ENTITY_MEMORY, { userId: "ada" })).toBeNull();
    expect(namesOf(await provider.retrieveByQuery({ query: "bob's nobody's", user_id: "bob" }, MemoryType.ENTITY_MEMORY, 5))).toEqual([
      "bob's",
    ]);
  });

  test("agents have memories, which go with them where that is asked for", async () => {
    const provider = opened();
    const agentId = await provider.storeMemagent({ name: "agent", instruction: "You help.", memory_ids: ["m1"] });
    expect(await provider.update_memagent_memory_ids(agentId, ["m1", "m2"])).toBe(true);
    expect(await provider.retrieveMemagent(agentId)).toMatchObject({ name: "agent", memory_ids: ["m1", "m2"] });
    await provider.store({ name: "persona" }, MemoryType.PERSONAS);
    for (const memory_id of ["m1", "m2", "m3"]) await provider.store({ content: memory_id, memory_id }, MemoryType.CONVERSATION_MEMORY);
    expect(namesOf(await provider.listMemagents())).toEqual(["agent"]);
    expect(await provider.deleteMemagent(agentId, true)).toBe(true);
    expect((await provider.listAll(MemoryType.CONVERSATION_MEMORY)).map(({ content }) => content)).toEqual(["m3"]);
    expect(await provider.listAll(MemoryType.PERSONAS)).toHaveLength(1);
    expect(await provider.deleteMemagent(agentId)).toBe(false);
    const kept = await provider.storeMemagent({ name: "kept", memory_ids: ["m3"] });
    expect(await provider.deleteMemagentMemoryIds(kept)).toBe(true);
    expect(await provider.retrieveMemagent(kept)).toMatchObject({ memory_ids: [] });
  });

  test("the document's troubleshooting: a vector of another length is an error that names both", async () => {
    const provider = opened();
    await provider.store({ content: "a", embedding: [1, 2, 3] }, MemoryType.LONG_TERM_MEMORY);
    await expect(provider.store({ content: "b", embedding: [1, 2] }, MemoryType.TOOLBOX)).rejects.toMatchObject({
      code: "dimension_mismatch",
      expected: 3,
      actual: 2,
    });
    await expect(provider.retrieveByQuery({ embedding: [1] }, MemoryType.LONG_TERM_MEMORY)).rejects.toMatchObject({
      code: "dimension_mismatch",
    });
    await expect(provider.store({ content: "c", embedding: [1, 2, Number.NaN] }, MemoryType.TOOLBOX)).rejects.toMatchObject({
      field: "embedding",
    });
  });

  test("the document's debug mode logs what is called, and nothing of what is in it", async () => {
    const logger = { debug: vi.fn<NonNullable<Logger["debug"]>>(), warn: vi.fn(), error: vi.fn() };
    const provider = opened({ debug: true, logger });
    await provider.store({ name: "secret", content: "secret" }, MemoryType.LONG_TERM_MEMORY);
    expect(logger.debug).toHaveBeenCalledWith("[memorizz] store", { type: "long_term_memory", milliseconds: expect.any(Number) });
    expect(JSON.stringify(logger.debug.mock.calls)).not.toContain("secret");
  });

  test("writers of one row lose none of its fields", async () => {
    const provider = opened();
    const id = await provider.store({ name: "n" }, MemoryType.SHARED_MEMORY);
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => provider.updateById(id, { [`field${index}`]: index }, MemoryType.SHARED_MEMORY)),
    );
    expect(
      Object.keys((await provider.retrieveById(id, MemoryType.SHARED_MEMORY)) ?? {}).filter((key) => key.startsWith("field")),
    ).toHaveLength(8);
  });

  test("rows made at once of one id, or of one name, are one row with the fields of all", async () => {
    const provider = opened({ upsertByName: true });
    const fields = Array.from({ length: 8 }, (_, index) => ({ [`field${index}`]: index }));
    const ids = await Promise.all(fields.map((field) => provider.store({ name: "n", ...field }, MemoryType.SHARED_MEMORY)));
    expect(new Set(ids).size).toBe(1);
    await Promise.all(fields.map((field) => provider.storeMany([{ id: "x", ...field }], MemoryType.SHARED_MEMORY)));
    const rows = await provider.listAll(MemoryType.SHARED_MEMORY);
    expect(rows.map((row) => Object.keys(row).filter((key) => key.startsWith("field")).length)).toEqual([8, 8]);
  });

  test("a batch may name a row twice", async () => {
    const provider = opened({ upsertByName: true });
    await provider.store({ id: "old", name: "known", a: 1 }, MemoryType.TOOL_LOG);
    const rows = [
      { id: "x", a: 1 },
      { id: "x", b: 2 },
      { name: "n", a: 1 },
      { name: "n", b: 2 },
      { name: "known", b: 2 },
      { id: "old", c: 3 },
    ];
    const [x, again, n, alike, known, old] = await provider.storeMany(rows, MemoryType.TOOL_LOG);
    expect([again, alike, known, old]).toEqual([x, n, "old", "old"]);
    expect(await provider.retrieveById("x", MemoryType.TOOL_LOG)).toMatchObject({ a: 1, b: 2 });
    expect(await provider.retrieveByName("n", MemoryType.TOOL_LOG)).toMatchObject({ a: 1, b: 2 });
    expect(await provider.retrieveById("old", MemoryType.TOOL_LOG)).toMatchObject({ name: "known", a: 1, b: 2, c: 3 });
    expect(await provider.listAll(MemoryType.TOOL_LOG)).toHaveLength(3);
  });

  test("a row of nobody's never changes a user's", async () => {
    const provider = opened();
    await provider.store({ id: "x", user_id: "ada", a: 1 }, MemoryType.ENTITY_MEMORY);
    await provider.store({ id: "x", user_id: null, b: 2 }, MemoryType.ENTITY_MEMORY);
    expect(await provider.retrieveById("x", MemoryType.ENTITY_MEMORY, { userId: "ada" })).toMatchObject({ user_id: "ada", a: 1 });
    expect(await provider.retrieveById("x", MemoryType.ENTITY_MEMORY, { userId: null })).toMatchObject({ user_id: null, b: 2 });
    await provider.store({ id: "y", user_id: "ada" }, MemoryType.ENTITY_MEMORY);
    await expect(provider.updateById("y", { user_id: null }, MemoryType.ENTITY_MEMORY)).rejects.toMatchObject({ field: "user_id" });
  });

  test("a changed timestamp gives a message its new place", async () => {
    const provider = opened();
    const said = (id: string, timestamp: string) => ({ id, content: id, memory_id: "m", timestamp });
    await provider.storeMany([said("a", "2026-03-01T00:00:00Z"), said("b", "2026-03-02T00:00:00Z")], MemoryType.CONVERSATION_MEMORY);
    await provider.updateById("a", { timestamp: "2026-03-03T00:00:00Z" }, MemoryType.CONVERSATION_MEMORY);
    await provider.updateById("b", { seen: true }, MemoryType.CONVERSATION_MEMORY);
    const history = await provider.retrieveConversationHistoryOrderedByTimestamp("m");
    expect(history.map(({ id }) => id)).toEqual(["b", "a"]);
  });
}

describe("Memorizz's PostgreSQL provider (PGlite)", () => {
  const client = new PGlite({ extensions: { vector } });
  afterAll(() => client.close());
  promises((options) => new PostgreSQLProvider(new PostgreSQLConfig({ client, ...options })));

  test("a client of the caller's stays open", async () => {
    const provider = new PostgreSQLProvider(new PostgreSQLConfig({ client, tenant: newId("tenant") }));
    await provider.store({ name: "n" }, MemoryType.PERSONAS);
    await provider.close();
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });
});

describeServer("postgres", "Memorizz's PostgreSQL provider", (url) => {
  const schema = tempSchema(url);
  const client = new Pool({ connectionString: url, max: 2 });
  afterAll(() => client.end());
  promises((options) => new PostgreSQLProvider(new PostgreSQLConfig({ client, schema, ...options })));
});

describeServer("mongodb", "Memorizz's MongoDB provider", (uri) => {
  const dbName = `test_memorizz_${process.pid}`;
  const client = new MongoClient(uri);
  afterAll(async () => {
    await client.db(dbName).dropDatabase();
    await client.close();
  });
  promises((options) => new MongoDBProvider(new MongoDBConfig({ client, db_name: dbName, ...options })));
});

describe("Memorizz's configuration", () => {
  test("reads the document's environment variables where nothing is given", () => {
    vi.stubEnv("POSTGRES_HOST", "db.example.com");
    vi.stubEnv("POSTGRES_PORT", "6543");
    vi.stubEnv("POSTGRES_DB", "agents");
    vi.stubEnv("POSTGRES_USER", "ada");
    vi.stubEnv("POSTGRES_PASSWORD", "secret");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(new PostgreSQLConfig().options).toMatchObject({
      host: "db.example.com",
      port: 6543,
      database: "agents",
      user: "ada",
      password: "secret",
    });
    expect(new PostgreSQLConfig({ host: "other", database: "memorizz" }).options).toMatchObject({
      host: "other",
      database: "memorizz",
      user: "ada",
    });
  });

  test("has the document's defaults, and a pool of up to 20 connections", () => {
    for (const name of ["HOST", "PORT", "DB", "USER", "PASSWORD"]) vi.stubEnv(`POSTGRES_${name}`, undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(new PostgreSQLConfig().options).toEqual({
      ...{ host: "localhost", port: 5432, database: "memorizz", user: "postgres", password: "password", maxConnections: 20 },
    });
    vi.stubEnv("POSTGRES_PORT", "none");
    expect(() => new PostgreSQLConfig()).toThrow("POSTGRES_PORT");
  });

  test("a server that cannot be reached is an error that says so, without the password", async () => {
    const config = new PostgreSQLConfig({ host: "127.0.0.1", port: 1, password: "hunter2", connectTimeoutMs: 1_000 });
    const provider = new PostgreSQLProvider(config);
    onTestFinished(() => provider.close());
    const error: Error = await provider.listAll(MemoryType.PERSONAS).then(
      () => new Error("it answered"),
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: "backend_unavailable", retryable: true });
    expect(error.message).not.toContain("hunter2");
  });
});
