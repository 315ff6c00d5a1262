import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Logger, type Memory, type TitlesOption } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";
import { plainStores } from "../support/plain-stores.ts";

const exchange = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "How do I cook\nrice without burning it, if I may ask, in a pot that is far too small for it?" },
  { role: "assistant", content: "With more water." },
];
const fromFirst = "How do I cook rice without burning it, if I may ask, in a…";

/** Titles as every store keeps them. */
function titling(open: (titles: TitlesOption | undefined, logger?: Logger) => Memory) {
  const titleOf = async (memory: Memory, id: string) => (await memory.conversations.get(id)).title;
  const begin = async (memory: Memory, messages: Parameters<Memory["addMessages"]>[1] = exchange) => {
    const id = newId("conversation");
    await memory.addMessages(id, messages, { userId: newId("user") });
    return id;
  };

  test("without the option a conversation has the title it is given, or none", async () => {
    const memory = open(undefined);
    expect(await titleOf(memory, await begin(memory))).toBe("");
  });

  test("the first user message names a conversation that it creates", async () => {
    const memory = open("first-message");
    const id = await begin(memory);
    expect(await titleOf(memory, id)).toBe(fromFirst);
    await memory.addMessages(id, "Something else entirely");
    expect(await titleOf(memory, id)).toBe(fromFirst);
    expect(await titleOf(memory, await begin(memory, { role: "assistant", content: "Hello" }))).toBe("");
    const given = newId("conversation");
    await memory.addMessages(given, exchange, { userId: "ann", conversation: { title: "Mine" } });
    expect(await titleOf(memory, given)).toBe("Mine");
  });

  test("a model's title takes its place after the first exchange, and nobody waits for it", async () => {
    const { model, asked, shut, open: letGo } = scriptedModel(() => '<think>hm</think>\n**"Cooking rice."**\nBecause it is about rice.');
    const memory = open({ model });
    shut();
    const id = await begin(memory, exchange.slice(0, 2));
    expect(await titleOf(memory, id)).toBe(fromFirst);
    await memory.addMessages(id, { role: "assistant", content: "With more water." });
    expect(await titleOf(memory, id)).toBe(fromFirst);
    letGo();
    await memory.flush();
    expect(await titleOf(memory, id)).toBe("Cooking rice");
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain("With more water.");
    await memory.addMessages(id, ["More?", { role: "assistant", content: "No." }]);
    await memory.flush();
    expect(asked).toHaveLength(1);
  });

  test("a title that somebody sets stays, also while the model thinks", async () => {
    const { model, shut, open: letGo } = scriptedModel(() => "The model's");
    const memory = open({ model });
    shut();
    const id = await begin(memory);
    await memory.conversations.update(id, { title: "Mine" });
    letGo();
    await memory.flush();
    expect(await titleOf(memory, id)).toBe("Mine");
    const given = newId("conversation");
    await memory.addMessages(given, exchange, { userId: "ann", conversation: { title: "Given" } });
    await memory.flush();
    expect(await titleOf(memory, given)).toBe("Given");
  });

  test("a model that fails costs no message, and is asked again after the next exchange", async () => {
    const answers: (string | Error)[] = [new Error("key sk-123 refused"), "Rice"];
    const warnings: unknown[] = [];
    const note = (...entry: unknown[]) => void warnings.push(entry);
    const { model } = scriptedModel(() => answers.shift() ?? new Error("asked too often"));
    const memory = open({ model, maxLength: 20 }, { debug() {}, warn: note, error: note });
    const id = await begin(memory);
    await memory.flush();
    expect(await titleOf(memory, id)).toBe("How do I cook rice…");
    expect(JSON.stringify(warnings)).toContain("[titles]");
    expect(JSON.stringify(warnings)).not.toContain("sk-123");
    await memory.addMessages(id, ["And beans?", { role: "assistant", content: "The same." }]);
    await memory.flush();
    expect(await titleOf(memory, id)).toBe("Rice");
  });

  test("generateTitle asks now, and replaces what is there", async () => {
    const { model, asked } = scriptedModel(() => "Rice");
    const memory = open(undefined);
    const id = await begin(memory);
    await memory.conversations.update(id, { title: "Mine" });
    expect(await memory.conversations.generateTitle(id, { model })).toMatchObject({ id, title: "Rice" });
    expect(asked).toHaveLength(1);
    await expect(memory.conversations.generateTitle(id)).rejects.toMatchObject({ field: "model" });
    await expect(memory.conversations.generateTitle("unknown", { model })).rejects.toMatchObject({ code: "not_found" });
    const empty = await memory.conversations.create({ userId: "ann" });
    await expect(memory.conversations.generateTitle(empty.id, { model })).rejects.toMatchObject({ code: "invalid_argument" });
    const other = memory.scope({ userId: newId("user") });
    await expect(other.conversations.generateTitle(id, { model })).rejects.toMatchObject({ code: "not_found" });
  });
}

describeEngines("titles", (engine) => {
  // One memory may make the titles of another's conversations: each test's own names them apart.
  titling((titles, logger) => engine.memory({ titles, logger, embedding: false }));

  test("with a manual worker the title is made by flush", async () => {
    const { model, asked } = scriptedModel(() => "Rice");
    const memory = engine.memory({ titles: { model }, worker: "manual", embedding: false });
    const id = newId("conversation");
    await memory.addMessages(id, exchange, { userId: "ann" });
    expect(asked).toHaveLength(0);
    await memory.flush();
    expect((await memory.conversations.get(id)).title).toBe("Rice");
  });

  test("close gives up a title that is under way", async () => {
    const { model, shut } = scriptedModel(() => "Rice");
    shut();
    const memory = engine.memory({ titles: { model }, embedding: false });
    const id = newId("conversation");
    await memory.addMessages(id, exchange, { userId: "ann" });
    await memory.close();
    expect((await engine.memory({ embedding: false }).conversations.get(id)).title).toBe(fromFirst);
  });
});

plainStores("titles", (store) => {
  titling((titles, logger) => {
    const memory = createMemory({ sessions: store(), embedding: false, titles, logger });
    onTestFinished(() => memory.close());
    return memory;
  });
});

test("options that cannot be right are told at once", () => {
  const { model } = scriptedModel(() => "");
  const make = (titles: unknown) => () => createMemory({ titles: titles as TitlesOption });
  expect(make("first")).toThrow(expect.objectContaining({ field: "titles" }));
  expect(make({ model: "gpt" })).toThrow(expect.objectContaining({ field: "titles" }));
  expect(make(true)).toThrow(expect.objectContaining({ field: "titles" }));
  expect(make({ model, maxLength: 5 })).toThrow(expect.objectContaining({ field: "titles.maxLength" }));
});
