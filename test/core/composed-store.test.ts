import { expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { createMemory, type Memory, type MemoryOptions, type VectorStore } from "../../src/index.ts";
import { memoryVectorStore } from "../../src/stores/vector/memory.ts";
import { describeEngines, type Engine, newId } from "../support/engines.ts";
import { faultyVectors } from "../support/faulty-vectors.ts";

/** A memory with its sessions in an engine and its vectors elsewhere. */
function open(engine: Engine, vectors: VectorStore, options: MemoryOptions = {}): Memory {
  const { dataDir, url } = engine.place;
  const sessions = { store: "postgres", schema: engine.schema, ...(url === undefined ? { dataDir } : { url }) } as const;
  const memory = createMemory({ sessions, vectors, embedding: hashedEmbedder(), worker: "manual", ...options });
  onTestFinished(() => memory.close());
  return memory;
}

/** How many vectors there are, asked of the vector store itself. */
const count = (vectors: VectorStore, userId: string) => vectors.count({ tenant: "default", userId, resourceId: undefined });

describeEngines("sessions and vectors apart", (engine) => {
  test("a message is found by its words at once, and by meaning when the worker has been there", async () => {
    const vectors = memoryVectorStore();
    const memory = open(engine, vectors);
    const userId = newId("user");
    const mine = memory.scope({ userId });
    await mine.addMessages("a", ["The bridge opens in May.", { role: "assistant", content: "Noted." }]).catch(() => {});
    const id = newId("conversation");
    await mine.addMessages(id, ["The bridge opens in May.", { role: "assistant", content: "Noted: the tower stays closed." }]);
    const byWords = await mine.recall("bridge", { explain: true });
    expect(byWords[0]).toMatchObject({ text: "The bridge opens in May.", scores: { vector: undefined } });
    await memory.flush();
    const both = await mine.recall("bridge", { explain: true });
    expect(both[0]?.scores.vector).toBeGreaterThan(0);
    expect(both.explain?.legs.map(({ leg, used }) => [leg, used])).toEqual([
      ["vector", true],
      ["text", true],
    ]);
    expect((await memory.stats({ userId })).vectors).toBe(await count(vectors, userId));
  });

  test("ranks as the store that keeps both does", async () => {
    const apart = open(engine, memoryVectorStore());
    const userId = newId("user");
    const words = ["river", "bridge", "tower", "harbour", "market", "garden", "museum", "castle"];
    const mine = apart.scope({ userId });
    for (let conversation = 0; conversation < 4; conversation++) {
      await mine.addMessages(
        newId("conversation"),
        Array.from(
          { length: 12 },
          (_, index) => `The ${words[(index + conversation) % 8]} is near the ${words[(index * 3 + conversation) % 8]}, day ${index}.`,
        ),
      );
    }
    await apart.flush();
    const together = open(engine, memoryVectorStore(), {
      sessions: undefined,
      ...engine.place,
      schema: `${engine.schema}`,
      vectors: undefined,
    } as MemoryOptions);
    await together.flush();
    for (const query of ["castle near the river", "museum", "day 7 at the market"]) {
      const [left, right] = [await mine.recall(query, { limit: 5 }), await together.scope({ userId }).recall(query, { limit: 5 })];
      expect(left[0]?.id).toBe(right[0]?.id);
      // Words weigh a little otherwise where not every candidate has a similarity.
      expect(left.filter(({ id }) => right.some((hit) => hit.id === id)).length).toBeGreaterThanOrEqual(3);
    }
  });

  test("tenants, users and resources never mix", async () => {
    const vectors = memoryVectorStore();
    const memory = open(engine, vectors);
    const [one, two] = [newId("user"), newId("user")];
    await memory.scope({ userId: one, resourceId: "work" }).addMessages(newId("c"), "the zeppelin leaves on Monday");
    await memory.scope({ userId: two }).addMessages(newId("c"), "the zeppelin leaves on Friday");
    await memory.scope({ userId: one, tenant: "acme" }).addMessages(newId("c"), "the zeppelin leaves on Sunday");
    await memory.flush();
    const texts = async (scope: object) => (await memory.scope(scope).recall("zeppelin")).map(({ text }) => text);
    expect(await texts({ userId: one })).toEqual(["the zeppelin leaves on Monday"]);
    expect(await texts({ userId: one, resourceId: "home" })).toEqual([]);
    expect(await texts({ userId: one, tenant: "acme" })).toEqual(["the zeppelin leaves on Sunday"]);
  });

  test("what is deleted leaves the vector store too", async () => {
    const vectors = memoryVectorStore();
    const memory = open(engine, vectors);
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const [first, second] = [newId("c"), newId("c")];
    await mine.addMessages(first, [
      { id: "m1", content: "alpha" },
      { id: "m2", content: "beta" },
      { id: "m3", content: "gamma" },
    ]);
    await mine.addMessages(second, ["delta", "epsilon"]);
    await memory.flush();
    expect(await count(vectors, userId)).toBe(5);
    await mine.messages.delete(first, "m1");
    expect(await count(vectors, userId)).toBe(4);
    await mine.messages.clear(first);
    expect(await count(vectors, userId)).toBe(2);
    await mine.conversations.delete(second);
    expect(await count(vectors, userId)).toBe(0);
    await mine.addMessages(newId("c"), "zeta");
    await memory.flush();
    await mine.erase();
    expect(await count(vectors, userId)).toBe(0);
  });

  test("a vector store that is down loses no message, and is caught up with", async () => {
    const faulty = faultyVectors(memoryVectorStore());
    const memory = open(engine, faulty.store);
    const userId = newId("user");
    const mine = memory.scope({ userId });
    await memory.ready();
    faulty.isDown = true;
    const id = newId("c");
    await mine.addMessages(id, [
      { id: "m1", content: "the ferry leaves at noon" },
      { id: "m2", content: "bring a coat" },
    ]);
    await expect(memory.flush()).rejects.toMatchObject({ code: "backend_unavailable" });
    expect((await memory.stats({ userId })).owed).toMatchObject({ pending: 2, failing: 2, lastError: expect.stringContaining("down") });
    const hits = await mine.recall("ferry", { explain: true });
    expect(hits[0]?.id).toBe("m1");
    expect(hits.explain?.legs[0]).toMatchObject({ leg: "vector", used: false, reason: expect.stringContaining("vector store failed") });
    await expect(mine.recall("ferry", { legs: ["vector"] })).rejects.toMatchObject({ code: "backend_unavailable" });
    faulty.isDown = false;
    await memory.flush();
    expect(await count(faulty.store, userId)).toBe(2);
    // A delete while it is down is kept, and done when it is back; what is gone is no hit meanwhile.
    faulty.isDown = true;
    expect(await mine.messages.delete(id, "m1")).toBe(1);
    faulty.isDown = false;
    expect((await mine.recall("ferry")).map((hit) => hit.id)).not.toContain("m1");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await count(faulty.store, userId)).toBe(1);
  });

  test("a message that changes while its vector is made ends with the vector of its last text", async () => {
    const vectors = memoryVectorStore();
    const hashed = hashedEmbedder();
    let during: (() => Promise<unknown>) | undefined;
    const embedding = {
      ...hashed,
      async embed(texts: readonly string[], options?: object) {
        const made = await hashed.embed(texts, options);
        const act = during;
        during = undefined;
        await act?.();
        return made;
      },
    };
    const memory = open(engine, vectors, { embedding });
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const id = newId("c");
    await mine.addMessages(id, { id: "m1", content: "the first text" });
    during = () => mine.messages.update(id, "m1", { content: "something else altogether" });
    await memory.flush();
    expect((await mine.recall("something else altogether", { legs: ["vector"] }))[0]?.scores.vector).toBeGreaterThan(0.7);
    await mine.addMessages(id, { id: "m2", content: "soon gone" });
    during = () => mine.messages.delete(id, "m2");
    await memory.flush();
    expect(await count(vectors, userId)).toBe(1);
  });

  test("vectors that the caller brings are stored at once, and not made again", async () => {
    const vectors = memoryVectorStore();
    const memory = open(engine, vectors, { embedding: { provider: "caller", model: "mine", dimensions: 3 } });
    const userId = newId("user");
    const mine = memory.scope({ userId });
    await mine.addMessages(newId("c"), { content: "north", embedding: [0, 1, 0] });
    expect(await count(vectors, userId)).toBe(1);
    expect((await memory.stats({ userId })).owed.pending).toBe(0);
    expect((await mine.recall("", { embedding: [0, 2, 0] }))[0]).toMatchObject({ text: "north", scores: { vector: expect.closeTo(1, 5) } });
  });

  test("a vector store that comes later gets what was said before", async () => {
    const userId = newId("user");
    const words = open(engine, memoryVectorStore(), { vectors: false, embedding: false });
    await words.scope({ userId }).addMessages(newId("c"), "the lighthouse keeper plays the violin");
    const vectors = memoryVectorStore();
    const memory = open(engine, vectors, { embedding: hashedEmbedder({ dimensions: 128 }) });
    await memory.flush();
    expect(await count(vectors, userId)).toBe(1);
  });

  test("without a vector store words answer, and explain says so", async () => {
    const memory = open(engine, memoryVectorStore(), { vectors: false });
    const mine = memory.scope({ userId: newId("user") });
    await mine.addMessages(newId("c"), "the lighthouse keeper plays the violin");
    await memory.flush();
    const hits = await mine.recall("violin", { explain: true });
    expect(hits).toHaveLength(1);
    expect(hits.explain?.legs[0]).toMatchObject({ leg: "vector", used: false, reason: "this memory has no vector store" });
  });

  test("pgvector without a database of its own is in that of the sessions", async () => {
    const sessions = { store: "postgres", ...engine.place, schema: engine.schema } as NonNullable<MemoryOptions["sessions"]>;
    const userId = newId("user");
    for (const vectors of [
      { store: "pgvector" },
      { store: "pgvector", index: "ivfflat", schema: engine.schema, tablePrefix: "beside" },
    ] as const) {
      const memory = createMemory({ sessions, vectors, embedding: hashedEmbedder(), worker: "manual" });
      onTestFinished(() => memory.close());
      await memory.scope({ userId }).addMessages(newId("c"), "the lighthouse keeper plays the violin");
      await memory.flush();
      expect(
        (await memory.scope({ userId }).recall("the lighthouse keeper plays the violin", { legs: ["vector"] }))[0]?.scores.vector,
      ).toBeGreaterThan(0.5);
      expect((await memory.stats()).store).toContain("index" in vectors ? "pgvector" : engine.name);
    }
  });

  test("a tool call comes with its result", async () => {
    const memory = open(engine, memoryVectorStore());
    const mine = memory.scope({ userId: newId("user") });
    await mine.addMessages(newId("c"), [
      {
        role: "assistant",
        content: [
          { type: "text", text: "Looking up the tides." },
          { type: "tool-call", toolCallId: "t1", toolName: "tides", input: {} },
        ],
      },
      {
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "t1", toolName: "tides", output: { type: "text", value: "low at six" } }],
      },
    ]);
    const [hit] = await mine.recall("tides");
    expect(hit?.exchange).toHaveLength(1);
  });
});
