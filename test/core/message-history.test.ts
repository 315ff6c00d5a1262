import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Memory } from "../../src/index.ts";
import { memoryRecordStore } from "../../src/stores/record/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

/** What edits leave behind, of a memory on any store. */
function remembering(open: () => Memory) {
  test("an edit keeps what the message was, newest first", async () => {
    const mine = open().scope({ userId: newId("user") });
    const id = newId("conversation");
    const parts = [
      { type: "text", text: "one" },
      { type: "data-x", bytes: new Uint8Array([1, 2]) },
    ];
    await mine.addMessages(id, [
      { id: "m", name: "Ann", parts, metadata: { k: 1 } },
      { id: "n", content: "other" },
    ]);
    expect(await mine.messages.history(id, "m")).toEqual([]);
    await mine.messages.update(id, "m", { content: "two", name: "Ben", metadata: { k: 2 } });
    await mine.messages.update(id, "m", { content: "three" });
    const [newest, oldest, ...others] = await mine.messages.history(id, "m");
    expect(newest).toMatchObject({ content: "two", name: "Ben", metadata: { k: 2 }, parts: [{ type: "text", text: "two" }] });
    expect(oldest).toEqual({ content: "one", name: "Ann", metadata: { k: 1 }, parts, replacedAt: expect.any(Date) });
    expect(others).toEqual([]);
    expect(Math.abs((newest?.replacedAt.getTime() ?? 0) - Date.now())).toBeLessThan(600_000);
    expect(await mine.messages.history(id, "n")).toEqual([]);
    expect((await mine.messages.get(id, "m")).content).toBe("three");
  });

  test("edits at once lose none of what was", async () => {
    const mine = open().scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, { id: "m", content: "0" });
    await Promise.all(["1", "2", "3", "4"].map((content) => mine.messages.update(id, "m", { content })));
    const all = [(await mine.messages.get(id, "m")).content, ...(await mine.messages.history(id, "m")).map(({ content }) => content)];
    expect(all).toEqual(["4", "3", "2", "1", "0"]);
  });

  test("a refused edit leaves no trace", async () => {
    const mine = open().scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, { id: "m", content: "0" });
    await expect(mine.messages.update(id, "m", { importance: 7 })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(mine.messages.update(id, "unknown", { content: "x" })).rejects.toMatchObject({ code: "not_found" });
    expect(await mine.messages.history(id, "m")).toEqual([]);
  });

  test("history is deleted with its message, its conversation and its user, and is nobody else's", async () => {
    const memory = open();
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const id = newId("conversation");
    const edit = async () => {
      await mine.addMessages(
        id,
        ["m", "n"].map((name) => ({ id: name, content: "secret" })),
      );
      for (const name of ["m", "n"]) await mine.messages.update(id, name, { content: "public" });
    };
    const left = async () => [await mine.messages.history(id, "m"), await mine.messages.history(id, "n")].map(({ length }) => length);
    await edit();
    await expect(memory.scope({ userId: newId("user") }).messages.history(id, "m")).rejects.toMatchObject({ code: "not_found" });
    expect(await memory.messages.history(id, "m")).toHaveLength(1);
    await mine.messages.delete(id, "m");
    await mine.addMessages(id, { id: "m", content: "new" });
    expect(await left()).toEqual([0, 1]);
    await mine.messages.clear(id);
    await mine.addMessages(id, { id: "n", content: "new" });
    await expect(mine.messages.history(id, "m")).rejects.toMatchObject({ code: "not_found", kind: "message" });
    expect(await mine.messages.history(id, "n")).toEqual([]);
    await edit();
    await mine.conversations.delete(id);
    await mine.addMessages(
      id,
      ["m", "n"].map((name) => ({ id: name, content: "new" })),
    );
    expect(await left()).toEqual([0, 0]);
    await edit();
    await mine.erase();
    await mine.addMessages(
      id,
      ["m", "n"].map((name) => ({ id: name, content: "new" })),
    );
    expect(await left()).toEqual([0, 0]);
  });
}

describeEngines("history of messages", (engine) => {
  const memory = engine.memory();
  remembering(() => memory);

  test("an edit is stored although its history cannot be", async () => {
    const down = { ...memoryRecordStore(), write: async () => Promise.reject(new Error("down")) };
    const warnings: unknown[] = [];
    const logger = { debug() {}, warn: (message: string) => void warnings.push(message), error() {} };
    const other = engine.memory({ records: down, logger });
    const mine = other.scope({ userId: newId("user") });
    const id = newId("conversation");
    await mine.addMessages(id, { id: "m", content: "old" });
    expect(await mine.messages.update(id, "m", { content: "new" })).toMatchObject({ content: "new" });
    expect(await mine.messages.history(id, "m")).toEqual([]);
    expect(warnings).toHaveLength(1);
  });
});

plainStores("history of messages", (store) => {
  remembering(() => {
    const memory = createMemory({ sessions: store(), embedding: false });
    onTestFinished(() => memory.close());
    return memory;
  });
});
