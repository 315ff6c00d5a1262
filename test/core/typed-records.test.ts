import { describe, expect, onTestFinished, test } from "vitest";
import { createMemory, type Embedder, type Memory, type MemoryOptions, type ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { describeServer } from "../support/servers.ts";

/** Three directions: sea, code, food. */
const topics: readonly (readonly string[])[] = [
  ["harbour", "boat", "ship", "sail"],
  ["compiler", "rust", "code", "program"],
  ["bread", "oven", "bake", "dough"],
];

function topicEmbedder(fields: Partial<Embedder> = {}): Embedder & { readonly texts: string[] } {
  const texts: string[] = [];
  return {
    texts,
    model: "topics",
    dimensions: 3,
    maxBatchSize: 50,
    async embed(batch, options) {
      if (options?.purpose !== "query") texts.push(...batch);
      return batch.map((text) => Float32Array.from(topics, (words) => words.filter((word) => text.toLowerCase().includes(word)).length));
    },
    ...fields,
  };
}

function promises(open: (options: MemoryOptions) => Memory): void {
  const opened = (embedder: Embedder | false = topicEmbedder()): { memory: Memory; mine: ScopedMemory } => {
    const memory = open({ embedding: embedder, worker: "manual" });
    return { memory, mine: memory.scope({ userId: newId("user") }) };
  };
  const idsOf = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);
  const found = async (mine: ScopedMemory, options: Parameters<ScopedMemory["records"]["query"]>[0]) =>
    idsOf((await mine.records.query(options)).map(({ record }) => record));

  test("a record comes back as it went in, and is replaced by its type and id", async () => {
    const { mine } = opened();
    const metadata = { b: 1, a: { nested: [null, "x"] } };
    const put = await mine.records.put({ id: "a", type: "note", name: "Name", content: "a boat", metadata });
    expect(put).toMatchObject({ id: "a", type: "note", name: "Name", content: "a boat", metadata, version: 1, resourceId: "default" });
    expect(await mine.records.get("note", "a")).toEqual(put);
    expect(await mine.records.get("other", "a")).toBeUndefined();
    const again = await mine.records.put({ id: "a", type: "note", content: "a ship" });
    expect(again).toMatchObject({ name: undefined, content: "a ship", metadata: {}, version: 2, createdAt: put.createdAt });
    expect(await mine.records.count({ type: "note" })).toBe(1);
  });

  test("a record is found by its words at once, and by meaning when the worker has embedded it", async () => {
    const { memory, mine } = opened();
    await mine.records.putMany([
      { id: "sea", type: "note", name: "Weekend", content: "We rented a boat." },
      { id: "code", type: "note", content: "The compiler is written in Rust." },
    ]);
    expect(await found(mine, { text: "boat" })).toEqual(["sea"]);
    expect(await found(mine, { text: "ship harbour" })).toEqual([]);
    await memory.flush();
    expect((await found(mine, { text: "ship harbour" }))[0]).toBe("sea");
    expect(await found(mine, { text: "ship harbour", minSimilarity: 0.5 })).toEqual(["sea"]);
    const [hit] = await mine.records.query({ text: "boat" });
    expect(hit).toMatchObject({ record: { id: "sea" }, scores: { vector: expect.closeTo(1), text: expect.any(Number) } });
  });

  test("what changed is embedded anew, what did not is not", async () => {
    const embedder = topicEmbedder();
    const { memory, mine } = opened(embedder);
    await mine.records.put({ id: "a", type: "note", name: "Hobby", content: "bake bread" });
    await memory.flush();
    expect(embedder.texts).toEqual(["Hobby: bake bread"]);
    await mine.records.update("note", "a", { metadata: { seen: true } });
    await memory.flush();
    expect(embedder.texts).toHaveLength(1);
    expect(await found(mine, { text: "oven", minSimilarity: 0.5 })).toEqual(["a"]);
    await mine.records.update("note", "a", { content: "sail" });
    expect(await found(mine, { text: "oven", minSimilarity: 0.5 })).toEqual([]);
    await memory.flush();
    expect(await found(mine, { text: "harbour", minSimilarity: 0.5 })).toEqual(["a"]);
  });

  test("a vector of one's own is kept, checked, and never compared with another model's", async () => {
    const embedder = topicEmbedder();
    const { memory, mine } = opened(embedder);
    await mine.records.put({ id: "own", type: "note", content: "walrus", embedding: [0, 0, 1] });
    await mine.records.put({ id: "other", type: "note", content: "walrus", embedding: [1, 2], embeddingModel: "mine" });
    await memory.flush();
    expect(embedder.texts).toEqual([]);
    expect(await mine.records.getEmbedding("note", "other")).toEqual(Float32Array.from([1, 2]));
    expect(await found(mine, { text: "oven", minSimilarity: 0.5 })).toEqual(["own"]);
    expect(await found(mine, { embedding: [2, 4], embeddingModel: "mine" })).toEqual(["other"]);
    await expect(mine.records.put({ type: "note", embedding: [1, 2] })).rejects.toMatchObject({ code: "dimension_mismatch" });
    await expect(mine.records.query({ embedding: [1, 2] })).rejects.toMatchObject({ code: "dimension_mismatch" });
    await expect(mine.records.put({ type: "note", embedding: [1, Number.NaN, 0] })).rejects.toMatchObject({ field: "embedding" });
    await expect(mine.records.put({ type: "note", embedding: [0, 0, 0] })).rejects.toMatchObject({ field: "embedding" });
    await mine.records.update("note", "other", { content: "a ship" });
    await memory.flush();
    expect(embedder.texts).toEqual(["a ship"]);
  });

  test("a model that fails loses nothing: words answer, and the vector is made later", async () => {
    let isDown = true;
    const working = topicEmbedder();
    const embed: Embedder["embed"] = async (texts, options) => {
      if (isDown) throw new Error("down");
      return working.embed(texts, options);
    };
    const { memory, mine } = opened(topicEmbedder({ embed }));
    await mine.records.put({ id: "a", type: "note", content: "a boat" });
    await expect(memory.flush()).rejects.toThrow("down");
    expect(await found(mine, { text: "boat" })).toEqual(["a"]);
    isDown = false;
    await memory.flush();
    expect(await found(mine, { text: "harbour" })).toEqual(["a"]);
  });

  test("a worker in the background embeds by itself, also what a process before has left", async () => {
    const { mine } = opened();
    await mine.records.put({ id: "a", type: "note", content: "a boat" });
    const embedder = topicEmbedder();
    const next = open({ embedding: embedder, worker: "background" });
    const again = next.scope({ userId: (await mine.records.get("note", "a"))?.userId as string });
    await again.records.put({ id: "b", type: "note", content: "a compiler" });
    await expect.poll(() => found(again, { text: "rust" }), { timeout: 5_000 }).toContain("b");
    if ((await again.records.count()) > 1) expect(embedder.texts.toSorted()).toEqual(["a boat", "a compiler"]);
  });

  test("filters, types, names and conversations narrow lists, counts, queries and deletes", async () => {
    const { memory, mine } = opened();
    await mine.records.putMany([
      { id: "1", type: "note", name: "n", content: "boat", metadata: { memory_id: "m1", n: 1 }, createdAt: "2026-01-01" },
      { id: "2", type: "note", content: "boat", metadata: { memory_id: "m2", n: 2 }, conversationId: "c", createdAt: "2026-01-02" },
      { id: "3", type: "task", name: "n", content: "boat", metadata: { memory_id: "m1" }, createdAt: "2026-01-03" },
    ]);
    await memory.flush();
    expect(idsOf((await mine.records.list()).items)).toEqual(["3", "2", "1"]);
    expect(idsOf((await mine.records.list({ type: "note", direction: "asc" })).items)).toEqual(["1", "2"]);
    expect((await found(mine, { text: "boat", filter: { memory_id: "m1" } })).sort()).toEqual(["1", "3"]);
    expect(await found(mine, { text: "boat", type: "note", filter: { n: [2, 3] } })).toEqual(["2"]);
    expect(await mine.records.count({ conversationId: "c" })).toBe(1);
    expect(await mine.records.getByName("task", "n")).toMatchObject({ id: "3" });
    expect(await mine.records.clear({ filter: { memory_id: "m1" } })).toBe(2);
    await expect(mine.records.clear({})).rejects.toMatchObject({ code: "invalid_argument" });
    expect(await mine.records.delete("note", ["2", "none"])).toBe(1);
    expect(await mine.records.count()).toBe(0);
  });

  test("pages hold each record once while others arrive", async () => {
    const { mine } = opened();
    const all = Array.from({ length: 23 }, (_, index) => ({ id: `r${index}`, type: "note", createdAt: 1_000 + index }));
    await mine.records.putMany(all);
    const seen: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await mine.records.list({ type: "note", limit: 5, cursor });
      seen.push(...idsOf(page.items));
      await mine.records.put({ type: "note", createdAt: 10_000 });
      if (page.nextCursor === undefined) break;
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(idsOf(all).reverse());
  });

  test("what other users, tenants and resources keep is not there", async () => {
    const { memory, mine } = opened();
    await mine.records.put({ id: "a", type: "note", content: "boat" });
    await memory.flush();
    const userId = (await mine.records.get("note", "a"))?.userId as string;
    for (const stranger of [
      memory.scope({ userId: `${userId}x` }),
      memory.scope({ userId, tenant: newId("tenant") }),
      memory.scope({ userId, resourceId: "other" }),
    ]) {
      expect(await stranger.records.get("note", "a")).toBeUndefined();
      expect(await stranger.records.getEmbedding("note", "a")).toBeUndefined();
      expect(await stranger.records.count()).toBe(0);
      expect(await found(stranger, { text: "boat" })).toEqual([]);
      await expect(stranger.records.update("note", "a", { content: "x" })).rejects.toMatchObject({ code: "not_found" });
      expect(await stranger.records.delete("note", "a")).toBe(0);
    }
    const agent = memory.scope({ userId, resourceId: "other" });
    await expect(agent.records.put({ id: "a", type: "note" })).rejects.toMatchObject({ code: "conflict" });
    expect(await memory.records.get("note", "a", { userId })).toMatchObject({ content: "boat" });
    await expect(memory.records.put({ type: "note" })).rejects.toMatchObject({ field: "userId" });
  });

  test("what memory keeps under its own types is out of reach", async () => {
    const { mine } = opened();
    await mine.working.set("notes");
    await mine.facts.put({ subject: "user", predicate: "likes", object: "boats" });
    expect(await mine.records.count()).toBe(0);
    expect(await found(mine, { text: "boats" })).toEqual([]);
    await expect(mine.records.get("fact", "x")).rejects.toMatchObject({ field: "type" });
    await expect(mine.records.put({ type: "working_memory" })).rejects.toMatchObject({ field: "type" });
  });

  test("a record expires", async () => {
    const { mine } = opened();
    await mine.records.put({ id: "a", type: "note", content: "boat", ttlSeconds: 0.3 });
    await mine.records.put({ id: "kept", type: "note", content: "boat", ttlSeconds: 3_600 });
    await expect.poll(() => mine.records.get("note", "a"), { timeout: 5_000 }).toBeUndefined();
    expect(await found(mine, { text: "boat" })).toEqual(["kept"]);
    expect(await mine.records.update("note", "kept", { expiresAt: null })).toMatchObject({ expiresAt: undefined });
    await expect(mine.records.put({ type: "note", ttlSeconds: 0 })).rejects.toMatchObject({ field: "ttlSeconds" });
  });

  test("changes of many at once lose none, and a version guards against another's", async () => {
    const { mine } = opened();
    await mine.records.put({ id: "a", type: "counter", metadata: { n: 0 } });
    const add = () => mine.records.update("counter", "a", ({ metadata }) => ({ metadata: { n: (metadata.n as number) + 1 } }));
    await Promise.all(Array.from({ length: 20 }, add));
    const now = await mine.records.get("counter", "a");
    expect(now).toMatchObject({ metadata: { n: 20 }, version: 21 });
    await mine.records.put({ id: "a", type: "counter" }, { ifVersion: 21 });
    await expect(mine.records.put({ id: "a", type: "counter" }, { ifVersion: 21 })).rejects.toMatchObject({ code: "conflict" });
    await expect(mine.records.put({ id: "a", type: "counter" }, { ifVersion: 0 })).rejects.toMatchObject({ code: "conflict" });
  });

  test("a batch lands whole or not at all", async () => {
    const { mine } = opened();
    await expect(
      mine.records.putMany([
        { id: "a", type: "note" },
        { id: "b", type: "" },
      ]),
    ).rejects.toMatchObject({ field: "type" });
    expect(await mine.records.count()).toBe(0);
  });

  test("records go with their conversation and with their user", async () => {
    const { memory, mine } = opened();
    await mine.addMessages("c", "hello");
    await mine.records.putMany([
      { id: "a", type: "note", conversationId: "c" },
      { id: "b", type: "note", content: "boat" },
    ]);
    await memory.flush();
    await mine.conversations.delete("c");
    expect(idsOf((await mine.records.list()).items)).toEqual(["b"]);
    await mine.erase();
    expect(await mine.records.count()).toBe(0);
    expect(await found(mine, { text: "boat" })).toEqual([]);
  });

  test("without a model, words answer", async () => {
    const { memory, mine } = opened(false);
    await mine.records.put({ id: "a", type: "note", content: "a boat" });
    await memory.flush();
    expect(await found(mine, { text: "boat" })).toEqual(["a"]);
    await expect(mine.records.put({ type: "note", embedding: [1] })).rejects.toMatchObject({ field: "embedding" });
  });
}

const closing = (memory: Memory): Memory => {
  onTestFinished(() => memory.close());
  return memory;
};

describeEngines("typed records in Postgres", (engine) => promises((options) => engine.memory(options)));

describe("typed records in SQLite", () =>
  promises((options) => closing(createMemory({ ...options, sessions: { store: "sqlite", path: ":memory:" } }))));

describe("typed records in this process", () =>
  promises((options) => closing(createMemory({ ...options, sessions: { store: "memory" } }))));

describeServer("mongodb", "typed records in MongoDB", (uri) =>
  promises((options) =>
    closing(
      createMemory({
        ...options,
        sessions: { store: "mongodb", uri, database: `${newId("test")}_${process.pid}_${Date.now().toString(36)}`.replaceAll("-", "_") },
      }),
    ),
  ),
);
