import { expect, test, vi } from "vitest";
import { createMemory, EmbeddingError } from "../../src/index.ts";
import { gatedEmbedder } from "../support/embedders.ts";
import { describeEngines } from "../support/engines.ts";
import { memoryProcess } from "../support/memory-process.ts";

let prefixes = 0;

describeEngines("the embedding worker", (engine) => {
  /** Tables of the test's own, so that what is owed is its own too. */
  function opened(worker: "background" | "manual" = "manual", embedding = gatedEmbedder(), tablePrefix = `w${++prefixes}`) {
    const memory = engine.memory({ embedding, worker, tablePrefix });
    return {
      memory,
      embedding,
      tablePrefix,
      mine: memory.scope({ userId: "me" }),
      table: (name: string) => `"${engine.schema}"."${tablePrefix}_${name}"`,
    };
  }

  test("a recall right after addMessages finds by words, before there is a vector", async () => {
    const { memory, mine } = opened();
    await mine.addMessages("c", ["I adopted a greyhound", "The weather is fine"]);
    expect((await mine.recall("Who has a greyhound?"))[0]).toMatchObject({ text: "I adopted a greyhound", scores: { vector: undefined } });
    expect(await memory.stats()).toMatchObject({ messages: 2, vectors: 0, owed: { pending: 2, failing: 0 } });
  });

  test("flush makes every vector that is owed", async () => {
    const { memory, mine } = opened();
    await mine.addMessages(
      "c",
      Array.from({ length: 700 }, (_, index) => `number${index}`),
    );
    await memory.flush();
    expect(await memory.stats()).toMatchObject({
      vectors: 700,
      owed: { pending: 0 },
      embedding: { model: "unforget/hashed-64", dimensions: 64 },
    });
    expect(await mine.recall("number7", { legs: ["vector"], minSimilarity: 0.5 })).not.toEqual([]);
  });

  test("in the background vectors come by themselves", async () => {
    const { memory, mine } = opened("background");
    await mine.addMessages("c", "hello");
    await vi.waitFor(async () => expect((await memory.stats()).vectors).toBe(1), { timeout: 3_000 });
  });

  test("a failing model loses nothing: words answer, the debt is told, and it is paid when the model is back", async () => {
    const { memory, mine, embedding } = opened("background");
    embedding.error = new EmbeddingError("test", "is out of order: check it", { retryable: true });
    await mine.addMessages("c", "the harbour at dawn");
    await vi.waitFor(async () => expect((await memory.stats()).owed.failing).toBe(1), { timeout: 3_000 });
    expect((await memory.stats()).owed).toEqual({ pending: 1, failing: 1, lastError: "[test] is out of order: check it" });
    expect((await mine.recall("harbour")).map((hit) => hit.text)).toEqual(["the harbour at dawn"]);
    await expect(memory.flush()).rejects.toThrow("out of order");
    embedding.error = undefined;
    await vi.waitFor(async () => expect((await memory.stats()).vectors).toBe(1), { timeout: 10_000 });
    expect((await memory.stats()).owed).toEqual({ pending: 0, failing: 0, lastError: undefined });
  });

  test("it waits longer after each failure", async () => {
    const { memory, mine, embedding, table } = opened();
    embedding.error = new EmbeddingError("test", "is out of order", { retryable: true });
    await mine.addMessages("c", "x");
    const waits: number[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      await expect(memory.flush()).rejects.toThrow("out of order");
      const [row] = await engine.sql<{ wait: number }>(
        `SELECT extract(epoch FROM available_at - now())::float8 AS wait FROM ${table("outbox")}`,
      );
      waits.push(row?.wait ?? 0);
    }
    expect(waits.map((wait, index) => wait > 0.6 * 2 ** index && wait < 1.3 * 2 ** index)).toEqual([true, true, true, true]);
  });

  test("a model that throws what it likes is a failing model", async () => {
    const { memory, mine, embedding } = opened();
    await mine.addMessages("c", "the harbour at dawn");
    embedding.error = new TypeError("fetch failed: key sk-secret");
    await expect(memory.flush()).rejects.toThrow();
    expect((await memory.stats()).owed.lastError).toBe("the embedding model failed");
    expect((await mine.recall("harbour")).map((hit) => hit.text)).toEqual(["the harbour at dawn"]);
  });

  test("a model that gives too few vectors, or vectors of another length, stores none", async () => {
    const { memory, mine, embedding } = opened();
    await mine.addMessages("c", ["one", "two"]);
    const embed = embedding.embed;
    embedding.embed = async (texts, options) => (await embed(texts, options)).slice(1);
    await expect(memory.flush()).rejects.toMatchObject({ code: "embedding_failed" });
    embedding.embed = async (texts) => texts.map(() => new Float32Array(63).fill(1));
    await expect(memory.flush()).rejects.toMatchObject({ code: "dimension_mismatch", expected: 64, actual: 63 });
    let count = 0;
    embedding.embed = async (texts) => texts.map(() => new Float32Array(64 - count++).fill(1));
    await expect(memory.flush()).rejects.toMatchObject({ code: expect.stringMatching(/embedding_failed|dimension_mismatch/) });
    expect((await memory.stats()).vectors).toBe(0);
    embedding.embed = embed;
    await memory.flush();
    expect((await memory.stats()).vectors).toBe(2);
  });

  test("no connection is held while the model works", async () => {
    const { memory, mine, embedding } = opened("manual");
    await mine.addMessages("c", "x");
    embedding.shut();
    const flushed = memory.flush();
    await embedding.waiting();
    const open = await engine.sql(
      "SELECT 1 FROM pg_stat_activity WHERE application_name = 'unforget' AND state LIKE 'idle in transaction%' AND query LIKE $1",
      [`%"w${prefixes}_%`],
    );
    expect(open).toEqual([]);
    expect((await mine.messages.list("c")).items).toHaveLength(1);
    embedding.open();
    await flushed;
  });

  test("a vector is not stored when its message changed while the model worked", async () => {
    const { memory, mine, embedding, table } = opened();
    await mine.addMessages("c", { id: "m", content: "old harbour" });
    embedding.shut();
    const flushed = memory.flush();
    await embedding.waiting();
    await mine.messages.update("c", "m", { content: "new mountain" });
    embedding.open();
    await flushed;
    expect(embedding.calls.flat()).toEqual(['User said, "old harbour"', 'User said, "new mountain"']);
    expect(
      await engine.sql(`SELECT 1 AS is_current FROM ${table("vectors_1")} v JOIN ${table("search")} s USING (entry, revision)`),
    ).toEqual([{ is_current: 1 }]);
  });

  test("nothing is stored for a message that was deleted while the model worked", async () => {
    const { memory, mine, embedding, table } = opened();
    await mine.addMessages("c", ["one", { id: "m", content: "two" }]);
    await mine.addMessages("gone", "three");
    embedding.shut();
    const flushed = memory.flush();
    await embedding.waiting();
    await mine.messages.delete("c", "m");
    await mine.conversations.delete("gone");
    embedding.open();
    await flushed;
    expect(await engine.sql(`SELECT count(*) AS count FROM ${table("vectors_1")}`)).toEqual([{ count: 1 }]);
    expect(await engine.sql(`SELECT count(*) AS count FROM ${table("outbox")}`)).toEqual([{ count: 0 }]);
  });

  test("an edit takes effect at once: neither the old words nor the old vector match", async () => {
    const { memory, mine } = opened();
    await mine.addMessages("c", { id: "m", content: "harbour" });
    await memory.flush();
    await mine.messages.update("c", "m", { content: "violin" });
    expect(await mine.recall("harbour")).toEqual([]);
    expect((await mine.recall("violin")).map((hit) => hit.scores.vector)).toEqual([undefined]);
    await memory.flush();
    expect((await mine.recall("violin"))[0]?.scores.vector).toBeGreaterThan(0.3);
    expect(await mine.recall("harbour", { minSimilarity: 0.3 })).toEqual([]);
  });

  test("a change that leaves the text alone owes nothing", async () => {
    const { memory, mine, embedding } = opened();
    await mine.addMessages("c", { id: "m", content: "harbour" });
    await memory.flush();
    await mine.messages.update("c", "m", { metadata: { seen: true } });
    await memory.flush();
    expect(embedding.calls).toHaveLength(1);
    expect(await mine.recall("harbour", { filter: { seen: true } })).toHaveLength(1);
  });

  test("a message is found by the words of the two turns before it, also when they came one by one", async () => {
    const { memory, mine } = opened();
    for (const text of ["alpha", "beta", "gamma", "delta"]) await mine.addMessages("c", text);
    await mine.addMessages("batch", ["alpha", "beta", "gamma", "delta"]);
    await memory.flush();
    for (const conversationId of ["c", "batch"]) {
      const found = await mine.recall("alpha", { legs: ["text"], conversationId });
      expect(found.map((hit) => hit.text).sort()).toEqual(["alpha", "beta", "gamma"]);
      expect(found[0]?.text).toBe("alpha");
    }
  });

  test("when a turn is edited or deleted, the turns after it lose its words at once and get the new ones", async () => {
    const { memory, mine } = opened();
    await mine.addMessages("c", [
      { id: "m1", content: "alpha" },
      { id: "m2", content: "beta" },
      { id: "m3", content: "gamma" },
      { id: "m4", content: "delta" },
    ]);
    const texts = async (query: string) => (await mine.recall(query, { legs: ["text"] })).map((hit) => hit.text).sort();
    expect(await texts("alpha")).toEqual(["alpha", "beta", "gamma"]);
    await mine.messages.update("c", "m1", { content: "omega" });
    expect(await texts("alpha")).toEqual([]);
    await memory.flush();
    expect(await texts("omega")).toEqual(["beta", "gamma", "omega"]);
    await mine.messages.delete("c", "m2");
    expect(await texts("beta")).toEqual([]);
    await memory.flush();
    expect(await texts("beta")).toEqual([]);
    expect(await texts("omega")).toEqual(["delta", "gamma", "omega"]);
    await mine.messages.update("c", "m3", { content: "" });
    expect(await texts("gamma")).toEqual([]);
    await memory.flush();
    expect(await texts("omega")).toEqual(["delta", "omega"]);
  });

  test("messages written without a model get their vectors once there is one", async () => {
    const tablePrefix = `w${++prefixes}`;
    const before = createMemory({ ...engine.place, tablePrefix, embedding: false });
    await before.scope({ userId: "me" }).addMessages("c", ["one", "two"]);
    await before.close();
    const { memory } = opened("manual", gatedEmbedder(), tablePrefix);
    await memory.flush();
    expect((await memory.stats()).vectors).toBe(2);
  });

  test("two memories that flush together embed each message once", async () => {
    const { memory, mine, embedding, tablePrefix } = opened();
    const other = opened("manual", gatedEmbedder(), tablePrefix);
    await mine.addMessages(
      "c",
      Array.from({ length: 900 }, (_, index) => `number${index}`),
    );
    await Promise.all([memory.flush(), other.memory.flush()]);
    expect([...embedding.calls, ...other.embedding.calls].flat()).toHaveLength(900);
    expect((await memory.stats()).vectors).toBe(900);
  });

  test("flush can be aborted, and what it left is done by the next", async () => {
    const { memory, mine, embedding } = opened();
    await mine.addMessages("c", "x");
    embedding.shut();
    const abort = new AbortController();
    const flushed = memory.flush({ signal: abort.signal });
    await embedding.waiting();
    abort.abort(new Error("enough"));
    embedding.open();
    await expect(flushed).rejects.toThrow("enough");
  });

  test("what a killed process left half done is done by the next one", async () => {
    const tablePrefix = `w${++prefixes}`;
    const killed = memoryProcess("embedSlowly", { ...engine.place, tablePrefix });
    await killed.printed(3);
    await killed.kill();
    const { memory, table } = opened("manual", gatedEmbedder(), tablePrefix);
    await memory.ready();
    expect((await memory.stats()).owed.pending).toBeGreaterThan(20);
    const [lease] = await engine.sql<{ seconds: number }>(
      `SELECT extract(epoch FROM max(available_at) - now())::float8 AS seconds FROM ${table("outbox")}`,
    );
    expect(lease?.seconds).toBeLessThanOrEqual(10);
    // Nobody renews the dead process's lease; the test does not wait for its end.
    await engine.sql(`UPDATE ${table("outbox")} SET available_at = now()`);
    await memory.flush();
    expect(await memory.stats()).toMatchObject({ messages: 60, vectors: 60, owed: { pending: 0 } });
  });
});
