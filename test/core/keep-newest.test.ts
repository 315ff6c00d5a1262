import { describe, expect, test } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { createMemory, type Memory } from "../../src/index.ts";
import { describeEngines, describeServerEngine, newId } from "../support/engines.ts";

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ id: `m${from + index}`, role: "user", content: `word${from + index} said` }));
const idsOf = async (memory: Memory, conversation: string) => (await memory.messages.list(conversation)).items.map(({ id }) => id);
const call = (id: string) => ({
  id: `call-${id}`,
  role: "assistant",
  content: [{ type: "tool-call", toolCallId: id, toolName: "t", args: {} }],
});
const result = (id: string) => ({ id: `result-${id}`, role: "tool", content: [{ type: "tool-result", toolCallId: id, output: "x" }] });

function suite(memory: Memory) {
  test("a conversation keeps its newest messages, whatever the batches they came in", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(id, numbered(1, 7), { userId, keepNewest: 3 });
    expect(await idsOf(memory, id)).toEqual(["m5", "m6", "m7"]);
    for (const message of numbered(8, 9)) await memory.addMessages(id, message, { userId, keepNewest: 3 });
    expect(await idsOf(memory, id)).toEqual(["m7", "m8", "m9"]);
    await memory.addMessages(id, numbered(8, 8), { userId, keepNewest: 3 });
    expect(await idsOf(memory, id)).toEqual(["m7", "m8", "m9"]);
  });

  test("what is too old is found no more, neither by its words nor by its neighbours'", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(
      id,
      [
        { id: "a", content: "the zebra sleeps" },
        { id: "b", content: "it is late" },
      ],
      { userId },
    );
    await memory.flush();
    await memory.addMessages(id, [{ id: "c", content: "good night" }], { userId, keepNewest: 2 });
    await memory.flush();
    const hits = await memory.recall("zebra", { userId, legs: ["text"] });
    expect(hits).toEqual([]);
    expect((await memory.stats({ userId })).messages).toBe(2);
  });

  test("an exchange with a tool is kept whole", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(id, [...numbered(1, 2), call("x"), result("x"), ...numbered(3, 3)], { userId, keepNewest: 2 });
    expect(await idsOf(memory, id)).toEqual(["call-x", "result-x", "m3"]);
    await memory.addMessages(id, numbered(4, 4), { userId, keepNewest: 2 });
    expect(await idsOf(memory, id)).toEqual(["m3", "m4"]);
  });

  test("what an old message was before it was edited goes with it", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(id, numbered(1, 2), { userId });
    await memory.messages.update(id, "m1", { content: "edited" });
    await memory.addMessages(id, numbered(3, 3), { userId, keepNewest: 2 });
    await memory.addMessages(id, [{ id: "m1", content: "another one" }], { userId });
    expect(await memory.messages.history(id, "m1")).toEqual([]);
  });

  test("what is known from an old message alone goes with it", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(id, numbered(1, 2), { userId });
    const { facts } = memory.scope({ userId });
    const told = (predicate: string, ...messageIds: string[]) =>
      facts.put({ subject: "Ada", predicate, object: "yes", sources: messageIds.map((messageId) => ({ conversationId: id, messageId })) });
    await told("codes", "m1");
    await told("reads", "m1", "m2");
    await memory.addMessages(id, numbered(3, 3), { userId, keepNewest: 2 });
    expect((await facts.current()).map(({ predicate, sources }) => [predicate, sources.map(({ messageId }) => messageId)])).toEqual([
      ["reads", ["m2"]],
    ]);
  });

  test("64 writers at once leave the newest of each conversation", async () => {
    const userId = newId("user");
    const ids = [newId("conversation"), newId("conversation")];
    await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        memory.addMessages(ids[index % 2] as string, { id: `w${index}`, content: `writer ${index}` }, { userId, keepNewest: 10 }),
      ),
    );
    for (const [place, id] of ids.entries())
      expect(await idsOf(memory, id)).toEqual(Array.from({ length: 10 }, (_, index) => `w${(22 + index) * 2 + place}`));
  });

  test("a number that cannot be right is refused", async () => {
    await expect(memory.addMessages("c", "x", { userId: "u", keepNewest: 0 })).rejects.toThrow("keepNewest");
  });
}

describeEngines("keepNewest", (engine) => {
  const memory = engine.memory();
  suite(memory);

  test("leaves nothing behind in any table", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    await memory.addMessages(id, numbered(1, 20), { userId, keepNewest: 4 });
    await memory.flush();
    await memory.addMessages(id, numbered(21, 23), { userId, keepNewest: 4 });
    await memory.flush();
    const count = async (table: string) =>
      (await engine.sql<{ count: number }>(`SELECT count(*) AS count FROM "${engine.schema}".${table} WHERE user_id = $1`, [userId]))[0]
        ?.count;
    const [space] = await engine.sql<{ id: number }>(`SELECT id FROM "${engine.schema}".spaces WHERE is_current`);
    for (const table of ["messages", "search", `vectors_${space?.id}`]) expect(await count(table)).toBe(4);
    expect(await count("outbox")).toBe(0);
  });
});

describeServerEngine("pgbouncer", "keepNewest", (engine) => {
  suite(engine.memory());
});

describe("keepNewest (memory)", () => {
  suite(createMemory({ sessions: { store: "memory" }, embedding: hashedEmbedder() }));
});

describe("keepNewest (sqlite)", () => {
  suite(createMemory({ sessions: { store: "sqlite", path: ":memory:" }, embedding: hashedEmbedder() }));
});
