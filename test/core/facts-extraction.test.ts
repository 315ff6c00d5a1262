import { expect, test } from "vitest";
import type { Fact } from "../../src/domain/facts.ts";
import { recalledMark } from "../../src/domain/recalled.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";

const day = (text: string) => new Date(`${text}T00:00:00Z`);
const told = (facts: readonly Fact[]) =>
  facts.map(({ subject, predicate, object, statement }) => (predicate ? `${subject} ${predicate} ${object}` : statement)).sort();

/** One fact as a model answers it. */
const decided = (fact: object) => ({
  message: 1,
  action: "add",
  known: null,
  subject: "user",
  predicate: null,
  object: null,
  statement: "",
  validFrom: null,
  validTo: null,
  confidence: 0.9,
  ...fact,
});
const answering = (...facts: object[]) => JSON.stringify({ facts: facts.map(decided) });

describeEngines("reading facts out of messages", (engine) => {
  const memory = engine.memory({ worker: "manual" });
  const someone = () => ({ mine: memory.scope({ userId: newId("user") }), id: newId("conversation") });

  test("by rules: each message once, and again when it changed", async () => {
    const { mine, id } = someone();
    const [first] = await mine.addMessages(id, [
      { content: "My name is Priya and I live in Oslo.", createdAt: day("2025-01-05") },
      { role: "assistant", content: "My name is HAL.", createdAt: day("2025-01-05") },
      { content: "I moved to Berlin.", createdAt: day("2025-03-10") },
    ]);
    expect(await mine.facts.extract(id)).toEqual({ messages: 3, added: 3, superseded: 1, confirmed: 0 });
    expect(told(await mine.facts.current())).toEqual(["user lives_in Berlin", "user name Priya"]);
    expect(told(await mine.facts.asOf(day("2025-02-01")))).toEqual(["user lives_in Oslo", "user name Priya"]);
    expect(await mine.facts.current("user", "name")).toMatchObject([
      { sources: [{ conversationId: id, messageId: first?.id }], recordedAt: day("2025-01-05"), confidence: 0.8 },
    ]);
    expect(await mine.facts.extract()).toEqual({ messages: 0, added: 0, superseded: 0, confirmed: 0 });
    await mine.messages.update(id, first?.id as string, { content: "My name is Priyanka." });
    expect(await mine.facts.extract(id)).toMatchObject({ messages: 1, added: 1 });
    expect(told(await mine.facts.history("user"))).toEqual(["user lives_in Berlin", "user name Priyanka"]);
    await mine.addMessages(id, "My name is Priyanka!");
    expect(await mine.facts.extract(id)).toMatchObject({ messages: 1, added: 0, confirmed: 1 });
  });

  test("never from the system, from tools, or from what was recalled", async () => {
    const { mine, id } = someone();
    const parts = [
      { type: "text", text: "I live in Ankara.", providerOptions: recalledMark },
      { type: "text", text: "Where was I born?" },
    ];
    await mine.addMessages(id, [
      { role: "system", content: "I live in Oslo." },
      {
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "1", toolName: "x", output: { type: "text", value: "I live in Rome." } }],
      },
      { role: "user", content: "<unforget-memory>\nI live in Paris.\n</unforget-memory>\nWhat now?" },
      { role: "user", content: "I live in Lima.", metadata: { ...recalledMark } },
      { role: "user", parts },
    ]);
    const asked = scriptedModel(() => answering());
    await mine.facts.extract(id);
    await mine.facts.extract(id, { model: asked.model });
    expect(await mine.facts.current()).toEqual([]);
    for (const city of ["Oslo", "Rome", "Paris", "Lima", "Ankara"]) expect(asked.asked.join()).not.toContain(city);
    expect(asked.asked.join()).toContain("What now?");
  });

  test("a model adds, supersedes, ends or leaves, knowing what is known", async () => {
    const { mine, id } = someone();
    await mine.facts.put({ predicate: "lives_in", object: "Oslo", validFrom: day("2024-01-01"), recordedAt: day("2024-01-01") });
    const tea = await mine.facts.put({ predicate: "likes", object: "tea", validFrom: day("2024-01-01"), recordedAt: day("2024-01-02") });
    await mine.addMessages(id, [
      { content: "We are in Bergen since May, and I still drink tea.", createdAt: day("2025-06-01") },
      { role: "assistant", content: "You like kayaking.", createdAt: day("2025-06-01") },
      { content: "No bullet points please, ever.", createdAt: day("2025-06-02") },
    ]);
    let answer = answering(
      { action: "supersede", known: 2, predicate: "lives_in", object: "Bergen", validFrom: "2025-05-01" },
      { action: "nothing", known: 1, predicate: "likes", object: "tea" },
      { message: 2, predicate: "likes", object: "kayaking" },
      { message: 3, statement: "The user wants no bullet points", confidence: 7 },
      { message: 3, predicate: "works_at", object: "Hallucinated Corp" },
      { message: 9, predicate: "name", object: "Bergen" },
    );
    const { model, asked } = scriptedModel(() => answer);
    expect(await mine.facts.extract(id, { model })).toEqual({ messages: 3, added: 2, superseded: 1, confirmed: 1 });
    expect(told(await mine.facts.current())).toEqual(["The user wants no bullet points", "user likes tea", "user lives_in Bergen"]);
    expect(await mine.facts.asOf(day("2025-05-02"), { predicate: "lives_in" })).toMatchObject([
      { object: "Bergen", validFrom: day("2025-05-01") },
    ]);
    expect((await mine.facts.get(tea.id)).sources).toHaveLength(1);
    expect(asked).toHaveLength(1);
    await mine.facts.extract(id, { model });
    expect(asked).toHaveLength(1);

    await mine.addMessages(id, { content: "Coffee it is: no tea for me from now on.", createdAt: day("2025-07-01") });
    const known = (await mine.facts.current()).findIndex(({ object }) => object === "tea") + 1;
    answer = answering({ action: "end", known }, { predicate: "likes", object: "coffee" });
    await mine.facts.extract(id, { model });
    expect(told(await mine.facts.current("user", "likes"))).toEqual(["user likes coffee"]);
    expect(asked[1]).toContain("bullet points please");
  });

  test("what a tool says is marked, and supersedes nothing the user said", async () => {
    const { mine, id } = someone();
    const output = { type: "tool-result", toolCallId: "1", toolName: "profile", output: { type: "text", value: "home: Rome, job: pilot" } };
    await mine.addMessages(id, [{ content: "I live in Oslo." }, { role: "tool", content: [output] }]);
    await mine.facts.extract(id);
    const { model } = scriptedModel(() =>
      answering({ message: 2, predicate: "lives_in", object: "Rome" }, { message: 2, predicate: "works_as", object: "pilot" }),
    );
    await mine.facts.extract(id, { model, toolOutput: true });
    expect(told(await mine.facts.current())).toEqual(["user lives_in Oslo", "user works_as pilot"]);
    expect(await mine.facts.current("user", "works_as")).toMatchObject([{ isUntrusted: true, confidence: 0.5 }]);
  });

  test("a message that is deleted while the model reads it leaves nothing", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, { id: "m", content: "I live in Oslo." });
    const asked = scriptedModel(() => answering({ predicate: "lives_in", object: "Oslo" }));
    asked.shut();
    const reading = mine.facts.extract(id, { model: asked.model });
    while (asked.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await mine.messages.delete(id, "m");
    asked.open();
    await reading;
    expect(await mine.facts.history("user")).toEqual([]);
  });

  test("in the background: never in the way of messages, and gone on with after a restart", async () => {
    const tablePrefix = newId("background").replace("-", "_");
    const failing = scriptedModel(() => new Error("no: sk-secret"));
    const warnings: unknown[] = [];
    const logger = { debug() {}, info() {}, warn: (...said: unknown[]) => void warnings.push(said), error() {} };
    const before = engine.memory({ worker: "manual", tablePrefix, facts: { extract: { model: failing.model } }, logger });
    const userId = newId("user");
    await before.scope({ userId }).addMessages("c", "My name is Priya.");
    await before.flush();
    expect(JSON.stringify(warnings)).toContain("[facts]");
    expect(JSON.stringify(warnings)).not.toContain("sk-secret");
    await before.close();

    const after = engine.memory({ worker: "manual", tablePrefix, facts: { extract: true } });
    const mine = after.scope({ userId });
    await after.ready();
    await after.flush({ all: true });
    expect(told(await mine.facts.current())).toEqual(["user name Priya"]);
    await mine.addMessages("c", "I live in Oslo.");
    await mine.addMessages("d", "I like tea.");
    await after.flush();
    expect(told(await mine.facts.current())).toEqual(["user likes tea", "user lives_in Oslo", "user name Priya"]);
  });

  test("a process of its own reads what others store, each time it is asked to", async () => {
    const tablePrefix = newId("worker").replace("-", "_");
    const writing = engine.memory({ worker: "manual", tablePrefix });
    const reading = engine.memory({ worker: "manual", tablePrefix, facts: { extract: true } });
    const userId = newId("user");
    const mine = writing.scope({ userId });
    await mine.addMessages("c", "My name is Priya.");
    await reading.flush({ all: true });
    expect(told(await mine.facts.current())).toEqual(["user name Priya"]);
    await mine.addMessages("c", "I live in Oslo.");
    await mine.addMessages("d", "I like tea.");
    await reading.flush({ all: true });
    expect(told(await mine.facts.current()).sort()).toEqual(["user likes tea", "user lives_in Oslo", "user name Priya"]);
  });

  test("of a conversation that is not there, and by what is no model", async () => {
    const { mine, id } = someone();
    await expect(mine.facts.extract(id)).rejects.toMatchObject({ code: "not_found", kind: "conversation" });
    await expect(mine.facts.extract(id, { model: {} as never })).rejects.toMatchObject({ field: "model" });
    expect(() => engine.memory({ facts: { extract: { model: "gpt" as never } } })).toThrow(
      expect.objectContaining({ field: "facts.extract.model" }),
    );
  });
});
