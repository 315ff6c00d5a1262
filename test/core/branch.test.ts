import { expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { createMemory, type Memory } from "../../src/index.ts";
import { memoryVectorStore } from "../../src/stores/vector/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

const call = (...ids: string[]) => ({
  role: "assistant",
  content: ids.map((toolCallId) => ({ type: "tool-call", toolCallId, toolName: "look", input: {} })),
});
const result = (toolCallId: string) => ({
  role: "tool",
  content: [{ type: "tool-result", toolCallId, toolName: "look", output: { type: "text", value: "seen" } }],
});

/** What branching promises, of a memory on any store. */
function branching(open: () => Memory) {
  test("a branch begins as the conversation did, and goes its own way", async () => {
    const userId = newId("user");
    const memory = open().scope({ userId });
    const id = newId("conversation");
    await memory.conversations.create({ id, title: "Trip", metadata: { a: 1 }, resourceId: "bot", language: "german" });
    const [first, second] = await memory.addMessages(id, [
      { id: "m1", content: "walrus", metadata: { k: [1] }, createdAt: new Date(1_000), name: "Ann", importance: 0.5 },
      {
        id: "m2",
        role: "assistant",
        parts: [
          { type: "text", text: "penguin" },
          { type: "data-x", n: 1 },
        ],
        createdAt: new Date(2_000),
      },
      { id: "m3", content: "ostrich" },
    ]);
    const made = await memory.conversations.branch(id, { upTo: "m2", id: newId("branch") });
    expect(made).toMatchObject({ title: "Trip", resourceId: "bot", language: "german", userId, pinnedAt: undefined });
    expect(made.metadata).toEqual({ a: 1, branchedFrom: { conversationId: id, messageId: "m2" } });
    expect(Math.abs(made.createdAt.getTime() - Date.now())).toBeLessThan(600_000);
    const copies = (await memory.messages.list(made.id)).items;
    expect(copies).toEqual([first, second].map((message) => ({ ...message, conversationId: made.id })));
    await memory.addMessages(made.id, "emu");
    await memory.messages.update(made.id, "m1", { content: "seal" });
    expect((await memory.messages.list(made.id)).items.map(({ content }) => content)).toEqual(["seal", "penguin", "emu"]);
    expect((await memory.messages.list(id)).items.map(({ content }) => content)).toEqual(["walrus", "penguin", "ostrich"]);
    await memory.conversations.delete(id);
    expect((await memory.messages.list(made.id)).items).toHaveLength(3);
  });

  test("a tool call is not separated from its results, nor they from the calls that came between", async () => {
    const memory = open().scope({ userId: newId("user") });
    const id = newId("conversation");
    const inputs = ["q", call("a", "b"), result("a"), "meanwhile", call("c"), result("b"), result("c"), "after"];
    const stored = await memory.addMessages(id, inputs);
    for (const [upTo, length] of [
      [0, 1],
      [1, 7],
      [3, 7],
      [6, 7],
      [7, 8],
    ] as const) {
      const made = await memory.conversations.branch(id, { upTo: stored[upTo]?.id });
      expect((await memory.messages.list(made.id)).items).toHaveLength(length);
    }
  });

  test("without a message all is copied, also nothing", async () => {
    const memory = open().scope({ userId: newId("user") });
    const { id } = await memory.conversations.create({ title: "T" });
    const empty = await memory.conversations.branch(id, { title: "Other" });
    expect(empty).toMatchObject({ title: "Other", metadata: { branchedFrom: { conversationId: id } } });
    const [, last] = await memory.addMessages(id, ["a", "b"]);
    const made = await memory.conversations.branch(id);
    expect(made.metadata).toEqual({ branchedFrom: { conversationId: id, messageId: last?.id } });
    expect((await memory.messages.list(made.id)).items.map(({ content }) => content)).toEqual(["a", "b"]);
  });

  test("what is not there, is somebody else's or is taken is an error, and nothing is left", async () => {
    const admin = open();
    const memory = admin.scope({ userId: newId("user") });
    const [id, taken, fresh] = [newId("conversation"), newId("conversation"), newId("conversation")];
    await memory.addMessages(id, { id: "m", content: "x" });
    await admin.addMessages(taken, "x", { userId: newId("user") });
    const other = admin.scope({ userId: newId("user") });
    await expect(other.conversations.branch(id, { id: fresh })).rejects.toMatchObject({ code: "not_found", kind: "conversation" });
    await expect(memory.conversations.branch("unknown")).rejects.toMatchObject({ code: "not_found", kind: "conversation" });
    await expect(memory.conversations.branch(id, { upTo: "unknown", id: fresh })).rejects.toMatchObject({
      code: "not_found",
      kind: "message",
    });
    await expect(memory.conversations.branch(id, { id: taken })).rejects.toMatchObject({ code: "conflict", id: taken });
    await expect(memory.conversations.get(fresh)).rejects.toMatchObject({ code: "not_found" });
    expect(await memory.conversations.count()).toBe(1);
  });
}

describeEngines("branches", (engine) => {
  const memory = engine.memory();
  branching(() => memory);

  test("a branch is found by meaning at once: vectors are copied, and nothing is embedded again", async () => {
    let embedded = 0;
    const hashed = hashedEmbedder();
    const counting = {
      ...hashed,
      embed: async (...given: Parameters<typeof hashed.embed>) => {
        embedded += given[0].length;
        return hashed.embed(...given);
      },
    };
    // By itself: the worker of another memory would take its work.
    const counted = engine.memory({ tablePrefix: "counted", embedding: counting, worker: "manual" });
    const mine = counted.scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, ["the walrus sleeps", "penguins swim"]);
    await counted.flush();
    await mine.addMessages(id, "an ostrich runs");
    const made = await mine.conversations.branch(id);
    const before = embedded;
    await counted.flush();
    // The one of the original and of the branch that were owed when it was made.
    expect(embedded - before).toBe(2);
    const hits = await mine.recall("the walrus sleeps", { conversationId: made.id, legs: ["vector"], limit: 1 });
    expect(hits[0]).toMatchObject({ conversationId: made.id, text: "the walrus sleeps" });
    expect((await mine.recall("ostrich", { conversationId: made.id, legs: ["text"] }))[0]?.text).toBe("an ostrich runs");
    await mine.conversations.delete(made.id);
    expect(await mine.recall("walrus", { conversationId: id, limit: 1 })).toHaveLength(1);
  });

  test("vectors beside the database are owed for a branch", async () => {
    const beside = createMemory({
      sessions: { store: "postgres", ...engine.place, tablePrefix: "beside" },
      vectors: memoryVectorStore(),
      embedding: hashedEmbedder(),
      worker: "manual",
    });
    onTestFinished(() => beside.close());
    const mine = beside.scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, ["the walrus sleeps", "penguins swim"]);
    await beside.flush();
    const made = await mine.conversations.branch(id);
    await beside.flush();
    const hits = await mine.recall("walrus sleeps", { conversationId: made.id, legs: ["vector"], limit: 1 });
    expect(hits[0]).toMatchObject({ conversationId: made.id, text: "the walrus sleeps" });
  });
});

plainStores("branches", (store) => {
  branching(() => {
    const memory = createMemory({ sessions: store(), embedding: false });
    onTestFinished(() => memory.close());
    return memory;
  });
});
