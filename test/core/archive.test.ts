import { expect, onTestFinished, test } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { type ArchiveEntry, type ArchiveStore, createMemory, type Memory, type MemoryOptions } from "../../src/index.ts";
import { memoryVectorStore } from "../../src/stores/vector/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";

/** An archive in this process that can be taken down. */
function memoryArchive() {
  const entries = new Map<string, ArchiveEntry>();
  const archive = { isDown: false, entries, store: undefined as unknown as ArchiveStore };
  const up = () => {
    if (archive.isDown) throw new Error("down");
  };
  archive.store = {
    name: "shelf",
    async open() {},
    async close() {},
    health: async () => ({ ok: !archive.isDown, store: "shelf", latencyMs: 1, versions: {}, problem: undefined }),
    async write(written) {
      up();
      for (const entry of written) entries.set(JSON.stringify([entry.tenant, entry.message.conversationId, entry.message.id]), entry);
    },
    async remove({ tenant, userId, conversationId, messageIds }) {
      up();
      for (const [key, { tenant: owner, message }] of entries)
        if (
          owner === tenant &&
          (userId === undefined || userId === message.userId) &&
          (conversationId === undefined || conversationId === message.conversationId) &&
          (messageIds === undefined || messageIds.includes(message.id))
        )
          entries.delete(key);
    },
  };
  return archive;
}

describeEngines("an archive beside the store", (engine) => {
  const ways = (): readonly (readonly [string, MemoryOptions])[] => [
    ["that keeps the vectors too", engine.place],
    [
      "with the vectors elsewhere",
      {
        sessions: { store: "postgres", ...engine.place, schema: `${engine.schema}` } as MemoryOptions["sessions"],
        vectors: memoryVectorStore(),
      },
    ],
  ];
  test.each(ways())("%s goes with a conversation that is given away, and gets the messages of a branch", async (_, place) => {
    const archive = memoryArchive();
    const memory: Memory = createMemory({ ...place, archive: archive.store, embedding: hashedEmbedder(), worker: "manual" });
    onTestFinished(() => memory.close());
    const [ann, ben] = [newId("ann"), newId("ben")];
    const id = newId("c");
    await memory.addMessages(
      id,
      [
        { id: "a", content: "low tide" },
        { id: "b", content: "high tide" },
      ],
      { userId: ann },
    );
    await memory.flush();
    const branch = await memory.conversations.branch(id, { upTo: "a" });
    await memory.flush();
    await memory.conversations.update(id, { userId: ben });
    await memory.flush();
    const copies = [...archive.entries.values()].map(({ message }) => [message.conversationId, message.userId, message.id].join(" "));
    expect(copies.filter((copy) => copy.startsWith(`${id} `)).toSorted()).toEqual([`${id} ${ben} a`, `${id} ${ben} b`]);
    expect(copies.filter((copy) => copy.startsWith(`${branch.id} `))).toEqual([`${branch.id} ${ann} a`]);
  });

  test.each(ways())("%s gets every message, tool calls too, once the worker has been there", async (_, place) => {
    const archive = memoryArchive();
    const memory: Memory = createMemory({ ...place, archive: archive.store, embedding: hashedEmbedder(), worker: "manual" });
    onTestFinished(() => memory.close());
    const mine = memory.scope({ userId: newId("user") });
    const id = newId("c");
    await mine.addMessages(id, [
      { id: "ask", content: "When is high tide?" },
      { id: "call", role: "assistant", content: [{ type: "tool-call", toolCallId: "t1", toolName: "tides", input: {} }] },
      {
        id: "result",
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "t1", toolName: "tides", output: { type: "json", value: 6 } }],
      },
      { id: "answer", role: "assistant", content: "At six." },
    ]);
    expect(archive.entries.size).toBe(0);
    await memory.flush();
    const copies = () => [...archive.entries.values()].filter(({ message }) => message.conversationId === id);
    expect(new Set(copies().map(({ message }) => message.id))).toEqual(new Set(["ask", "call", "result", "answer"]));
    expect(copies().find(({ message }) => message.id === "call")?.message.parts).toEqual([
      { type: "tool-call", toolCallId: "t1", toolName: "tides", input: {} },
    ]);

    await mine.messages.update(id, "answer", { content: "At seven." });
    await memory.flush();
    expect(copies().find(({ message }) => message.id === "answer")?.message.content).toBe("At seven.");

    await mine.messages.delete(id, "ask");
    expect(copies()).toHaveLength(3);
    archive.isDown = true;
    await expect(mine.conversations.delete(id)).rejects.toMatchObject({ message: expect.stringContaining("call again"), retryable: true });
    archive.isDown = false;
    await mine.conversations.delete(id);
    expect(copies()).toEqual([]);
  });

  test("an archive that is down costs no vectors, and is caught up with", async () => {
    const archive = memoryArchive();
    const memory = createMemory({ ...engine.place, archive: archive.store, embedding: hashedEmbedder(), worker: "manual" });
    onTestFinished(() => memory.close());
    const userId = newId("user");
    const mine = memory.scope({ userId });
    archive.isDown = true;
    await mine.addMessages(newId("c"), "the ferry leaves at noon");
    await expect(memory.flush()).rejects.toThrow();
    expect((await memory.stats({ userId })).vectors).toBe(1);
    expect((await memory.stats({ userId })).owed.pending).toBe(1);
    expect((await mine.recall("ferry", { legs: ["vector"] }))[0]?.text).toBe("the ferry leaves at noon");
    archive.isDown = false;
    await memory.flush();
    expect([...archive.entries.values()].filter(({ message }) => message.userId === userId)).toHaveLength(1);
  });
});

test("an archive without an embedding model is refused, as nothing would fill it", () => {
  expect(() => createMemory({ dataDir: "memory://", embedding: false, archive: memoryArchive().store })).toThrow(
    "choose an embedding model",
  );
});
