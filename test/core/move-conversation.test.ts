import { expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { createMemory, type Memory } from "../../src/index.ts";
import { memoryVectorStore } from "../../src/stores/vector/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

/** What giving a conversation away promises, of a memory on any store that can. */
function moving(open: () => Memory) {
  test("all that belongs to a conversation goes to its new owner", async () => {
    const memory = open();
    const [ann, ben] = [newId("ann"), newId("ben")];
    const id = newId("conversation");
    await memory.addMessages(id, [{ id: "m", content: "the walrus sleeps" }, "penguins swim"], { userId: ann });
    await memory.flush();
    await memory.messages.update(id, "m", { content: "the walrus snores" });
    await memory.working.set("notes", { conversationId: id });
    const run = await memory.runs.start({ agentId: "bot", conversationId: id });
    const vector = { embedding: [0, 1], embeddingModel: "own" };
    const record = await memory.records.put({ type: "note", conversationId: id, ...vector }, { userId: ann });
    const moved = await memory.conversations.update(id, { userId: ben, resourceId: "desk", title: "Given" });
    expect(moved).toMatchObject({ userId: ben, resourceId: "desk", title: "Given" });
    const [hers, his] = [memory.scope({ userId: ann }), memory.scope({ userId: ben, resourceId: "desk" })];
    await expect(hers.conversations.get(id)).rejects.toMatchObject({ code: "not_found" });
    expect(await hers.recall("walrus")).toEqual([]);
    expect(await hers.runs.list()).toMatchObject({ items: [] });
    expect(await hers.working.get()).toBeUndefined();
    await memory.flush();
    expect((await his.recall("walrus", { limit: 1 }))[0]).toMatchObject({ text: "the walrus snores", conversationId: id });
    expect(await his.messages.history(id, "m")).toMatchObject([{ content: "the walrus sleeps" }]);
    expect(await memory.scope({ userId: ben }).working.get({ conversationId: id })).toMatchObject({ content: "notes" });
    expect(await memory.scope({ userId: ben }).runs.get(run.id)).toMatchObject({ userId: ben, conversationId: id });
    expect((await memory.records.query({ userId: ben, ...vector })).map((hit) => hit.record.id)).toEqual([record.id]);
    await his.addMessages(id, "an emu runs");
    expect((await his.messages.list(id)).items).toHaveLength(3);
    await hers.erase();
    expect((await his.messages.list(id)).items).toHaveLength(3);
    expect(await memory.stats({ userId: ann })).toMatchObject({ conversations: 0, messages: 0 });
    await his.erase();
    expect(await memory.stats({ userId: ben })).toMatchObject({ conversations: 0, messages: 0, vectors: 0 });
  });

  test("records of a conversation come along with vectors of their own, forgotten ones as forgotten", async () => {
    const memory = open();
    const [ann, ben] = [newId("ann"), newId("ben")];
    const id = newId("conversation");
    const [hers, his] = [memory.scope({ userId: ann }), memory.scope({ userId: ben })];
    await hers.addMessages(id, "the walrus sleeps");
    const own = { conversationId: id, embedding: [1, 2, 3], embeddingModel: "mine" };
    for (const type of ["note", "task"]) await hers.records.put({ ...own, id: "a", type, content: `a ${type}`, createdAt: 0 });
    await hers.forgetting.run({ rules: [{ kind: "record", types: ["task"], olderThanDays: 1 }] });
    await memory.conversations.update(id, { userId: ben });
    expect(await hers.records.count()).toBe(0);
    expect(await hers.forgetting.restore()).toBe(0);
    expect(await his.records.getEmbedding("note", "a")).toEqual(Float32Array.of(1, 2, 3));
    expect(await his.records.get("task", "a")).toBeUndefined();
    expect(await his.forgetting.restore()).toBe(1);
    expect(await his.records.get("task", "a")).toMatchObject({ userId: ben, content: "a task", conversationId: id });
    expect(await his.records.getEmbedding("task", "a")).toEqual(Float32Array.of(1, 2, 3));
  });

  test("who writes for whoever owns it writes for the new owner, also in that very moment", async () => {
    const memory = open();
    const users = [newId("ann"), newId("ben")] as const;
    const id = newId("conversation");
    await memory.addMessages(id, "first", { userId: users[0] });
    for (let round = 1; round <= 10; round++) {
      const give = memory.conversations.update(id, { userId: users[round % 2] });
      await Promise.all([memory.addMessages(id, `said ${round}`, { createConversation: round % 3 === 0 }), give]);
    }
    expect((await memory.messages.list(id)).items).toHaveLength(11);
  });

  test("a scope gives nothing away, and an unknown conversation is not found", async () => {
    const memory = open();
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const { id } = await mine.conversations.create();
    await expect(mine.conversations.update(id, { userId: "other" })).rejects.toMatchObject({ field: "userId" });
    expect(await mine.conversations.update(id, { userId, title: "T" })).toMatchObject({ userId, title: "T" });
    await expect(memory.conversations.update("unknown", { userId })).rejects.toMatchObject({ code: "not_found" });
    expect(await mine.conversations.update(id, { resourceId: "desk" })).toMatchObject({ resourceId: "desk" });
    const desk = memory.scope({ userId, resourceId: "desk" });
    await expect(desk.conversations.update(id, { resourceId: "other" })).rejects.toMatchObject({ field: "resourceId" });
  });
}

describeEngines("conversations that are given away", (engine) => {
  const memory = engine.memory();
  moving(() => memory);

  test("with vectors beside the database they are made anew, and the old ones go", async () => {
    const vectors = memoryVectorStore();
    const beside = createMemory({
      sessions: { store: "postgres", ...engine.place, tablePrefix: "beside" },
      vectors,
      embedding: hashedEmbedder(),
      worker: "manual",
    });
    onTestFinished(() => beside.close());
    const id = newId("conversation");
    await beside.addMessages(id, "the walrus sleeps", { userId: "ann" });
    await beside.flush();
    await beside.conversations.update(id, { userId: "ben" });
    await beside.flush();
    const count = (userId: string) => vectors.count({ tenant: "default", userId, resourceId: undefined });
    expect([await count("ann"), await count("ben")]).toEqual([0, 1]);
    expect(await beside.recall("walrus", { userId: "ben", legs: ["vector"] })).toHaveLength(1);
  });

  test("what a worker was just embedding is stored for the new owner", async () => {
    const manual = engine.memory({ tablePrefix: "manual", worker: "manual" });
    const [ann, ben] = [newId("ann"), newId("ben")];
    const id = newId("conversation");
    await manual.addMessages(id, "the walrus sleeps", { userId: ann });
    await manual.conversations.update(id, { userId: ben });
    await manual.flush();
    expect(await manual.stats({ userId: ben })).toMatchObject({ vectors: 1, owed: { pending: 0 } });
  });
});

plainStores("conversations that are given away", (store, name) => {
  const open = () => {
    const memory = createMemory({ sessions: store(), vectors: memoryVectorStore(), embedding: hashedEmbedder() });
    onTestFinished(() => memory.close());
    return memory;
  };
  if (!name.startsWith("a store without")) return moving(open);

  test("a store that cannot do that says so", async () => {
    const memory = open();
    const { id } = await memory.conversations.create({ userId: "ann" });
    await expect(memory.conversations.update(id, { userId: "ben", title: "T" })).rejects.toMatchObject({ code: "unsupported" });
    expect(await memory.conversations.get(id)).toMatchObject({ userId: "ann", title: "" });
  });
});
