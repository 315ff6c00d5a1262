import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMemory, type Memory, NotFoundError } from "../../src/index.ts";
import { memorySessionStore } from "../../src/stores/session/memory.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

const day = (index: number) => new Date(Date.UTC(2026, 0, 1) + index * 3_600_000);

/** Talk of about 15 tokens a message, with a fact here and there. */
function talk(count: number, facts: Readonly<Record<number, string>> = {}, from = 0) {
  return Array.from({ length: count }, (_, index) => ({
    id: `m${from + index}`,
    role: index % 2 === 0 ? "user" : "assistant",
    content: facts[from + index] ?? `Well, that is how it goes with the garden on such days, number ${from + index} of many`,
    createdAt: day(from + index),
  }));
}

describeRecordPlaces("summaries", (place) => {
  const memory = place.memory();

  async function conversation(messages: readonly object[], on: Memory = memory) {
    const userId = newId("user");
    const id = newId("c");
    const mine = on.scope({ userId });
    await mine.addMessages(id, messages as never);
    return { userId, id, mine };
  }

  test("a call summarises, without a model too; the messages stay", async () => {
    const { mine, id } = await conversation(talk(12, { 4: "We decided to ship version 3 to Oslo on 14 May" }));
    expect(await mine.summaries.current(id)).toBeUndefined();
    const made = await mine.summaries.create(id);
    expect(made).toMatchObject({ conversationId: id, messageCount: 12, until: day(11) });
    expect(made?.text).toContain("user: We decided to ship version 3 to Oslo on 14 May");
    expect(made?.summaries).toMatchObject([{ level: 1, method: "extractive", summaryIds: [], from: day(0) }]);
    expect(await mine.summaries.current(id)).toEqual(made);
    expect((await mine.messages.list(id)).items).toHaveLength(12);
    expect(await mine.summaries.create(id)).toEqual(made);
    expect((await mine.summaries.list(id)).items).toEqual(made?.summaries);
    const [only] = made?.summaries ?? [];
    expect(await mine.summaries.get(id, only?.id as string)).toEqual(only);
  });

  test("keepTokens leaves the newest messages out, and a tool exchange is never split", async () => {
    const call = { type: "tool-call", toolCallId: "t", toolName: "look", input: {} };
    const result = { type: "tool-result", toolCallId: "t", toolName: "look", output: { type: "text", value: "sunny ".repeat(30) } };
    const { mine, id } = await conversation([
      ...talk(6),
      { role: "assistant", parts: [call] },
      { role: "tool", parts: [result] },
      { role: "user", content: "Thank you" },
    ]);
    const ends = new Set<number | undefined>();
    for (let keepTokens = 6; keepTokens < 80; keepTokens += 2)
      ends.add((await mine.summaries.create(id, { keepTokens, force: true }))?.toSeq);
    const seq = async (message: string) => (await mine.messages.get(id, message)).seq;
    // Before the exchange or after it, and never between.
    expect([...ends]).toEqual([(await seq("m5")) + 2, await seq("m5"), await seq("m4")]);
    const all = await mine.summaries.create(id);
    expect(all?.messageCount).toBe(9);
    await mine.addMessages(id, { role: "assistant", parts: [{ ...call, toolCallId: "waiting" }] });
    expect((await mine.summaries.create(id))?.messageCount).toBe(9);
  });

  test("what a first summary kept is in all that are made of it", async () => {
    const kept = ["My name is Priya Raman and my daughter is called Asha", "The budget of the compiler is 48200 euros"];
    const { mine, id } = await conversation(talk(10, { 2: kept[0] as string, 6: kept[1] as string }));
    await mine.summaries.create(id);
    for (let round = 1; round <= 20; round++) {
      await mine.addMessages(
        id,
        talk(10, { [round * 10 + 4]: `In round ${round} we chose Paris over Rome for ${round} days` }, round * 10),
      );
      await mine.summaries.create(id);
    }
    const made = await mine.summaries.current(id);
    expect(Math.max(...(made?.summaries.map(({ level }) => level) ?? []))).toBe(3);
    expect(made?.messageCount).toBe(210);
    for (const one of kept) expect(made?.text).toContain(one);
    for (let round = 1; round <= 20; round++) expect(made?.text).toContain(`In round ${round} we chose Paris`);
    expect((await mine.summaries.list(id, { level: 1 })).items).toHaveLength(21);
  });

  test("an edited or deleted message takes at once what was made of it, and nothing else", async () => {
    const { mine, id } = await conversation([]);
    for (let part = 0; part < 5; part++) {
      await mine.addMessages(id, talk(6, { [part * 6 + 2]: `The secret of part ${part} is Wolfram ${part}00` }, part * 6));
      await mine.summaries.create(id);
    }
    const levels = async () => (await mine.summaries.list(id)).items.map(({ level }) => level).sort();
    expect(await levels()).toEqual([1, 1, 1, 1, 1, 2]);
    await mine.messages.update(id, "m8", { content: "Nothing to see" });
    expect(await levels()).toEqual([1, 1, 1, 1]);
    expect((await mine.summaries.current(id))?.text).not.toContain("part 1");
    const again = await mine.summaries.create(id);
    expect(await levels()).toEqual([1, 1, 1, 1, 1, 2]);
    expect(again?.text).not.toContain("part 1");
    expect(again?.text).toContain("part 0");

    await mine.messages.delete(id, "m26");
    expect(await levels()).toEqual([1, 1, 1, 1, 2]);
    await mine.addMessages(id, { ...talk(1, {}, 3)[0], content: "Said otherwise" } as never);
    expect(await levels()).toEqual([1, 1, 1]);
    await mine.addMessages(id, { ...talk(1, {}, 20)[0], role: (await mine.messages.get(id, "m20")).role } as never);
    expect((await mine.summaries.create(id))?.text).toContain("part 0");
    await mine.addMessages(id, "The newest", { keepNewest: 20 });
    expect((await mine.summaries.current(id))?.text).not.toContain("part 0");
    expect((await mine.summaries.create(id))?.text).toContain("part 2");
    await mine.messages.clear(id);
    expect(await levels()).toEqual([]);
  });

  test("they go with their conversation, and with their user", async () => {
    const { mine, id } = await conversation(talk(6));
    const other = newId("c");
    await mine.addMessages(other, talk(6));
    for (const one of [id, other]) await mine.summaries.create(one);
    await mine.conversations.delete(id);
    await expect(mine.summaries.current(id)).rejects.toThrow(NotFoundError);
    await mine.addMessages(id, "I am here again");
    expect(await mine.summaries.current(id)).toBeUndefined();
    expect(await mine.summaries.current(other)).toBeDefined();
    await mine.erase();
    await mine.addMessages(other, "I am here again");
    expect(await mine.summaries.current(other)).toBeUndefined();
  });

  test("only the owner has them; one that is deleted takes along what was made of it", async () => {
    const { mine, id, userId } = await conversation(talk(6));
    for (let part = 1; part <= 4; part++) {
      await mine.summaries.create(id);
      await mine.addMessages(id, talk(6, {}, part * 6));
    }
    const stranger = memory.scope({ userId: newId("user") });
    const agent = memory.scope({ userId, resourceId: "other agent" });
    for (const handle of [stranger, agent]) {
      await expect(handle.summaries.create(id)).rejects.toThrow(NotFoundError);
      await expect(handle.summaries.list(id)).rejects.toThrow(NotFoundError);
      await expect(handle.summaries.delete(id)).rejects.toThrow(NotFoundError);
      await expect(handle.summaries.get(id, "x")).rejects.toThrow(NotFoundError);
    }
    expect((await memory.summaries.current(id, { userId }))?.summaries).toHaveLength(1);
    const first = (await mine.summaries.list(id, { level: 1 })).items.at(-1);
    expect(await mine.summaries.delete(id, first?.id)).toBe(2);
    expect((await mine.summaries.current(id))?.summaries).toHaveLength(3);
    expect(await mine.summaries.delete(id, "nothing")).toBe(0);
    expect(await mine.summaries.delete(id)).toBe(3);
    expect(await mine.summaries.current(id)).toBeUndefined();
  });

  test("what was recalled, and what the system says, is never summarised", async () => {
    const quoted = "Zanzibar was chosen by Mallory for 9000 euros";
    const { mine, id } = await conversation([
      ...talk(4),
      { role: "system", content: "System words of Mallory in 1999" },
      { role: "user", content: `<unforget-memory>\n[1] user: ${quoted}\n</unforget-memory>\nWhere do we go in July, to Rome or Paris 17` },
      { role: "user", parts: [{ type: "text", text: quoted, providerOptions: { unforget: { recalled: true } } }] },
    ]);
    const made = await mine.summaries.create(id);
    expect(made?.text).not.toMatch(/Zanzibar|Mallory/u);
    expect(made?.text).toContain("Where do we go in July");
  });

  test("a model's summary of summaries keeps what is key, though the model forgets it", async () => {
    const answers: object[][] = [];
    for (let part = 0; part < 4; part++)
      answers.push([
        { text: `Part ${part} was about gardens.`, key: false },
        { text: `Priya promised Asha ${part}7 roses.`, key: true },
      ]);
    answers.push([{ text: "Priya promised Asha 07 and 17 roses, all about gardens.", key: false, of: [1, 2, 3, 4, 5, 7, 6] }]);
    const { model, asked } = scriptedModel(() => JSON.stringify({ statements: answers.shift() }));
    const { mine, id } = await conversation([]);
    for (let part = 0; part < 4; part++) {
      await mine.addMessages(id, talk(6, {}, part * 6));
      await mine.summaries.create(id, { model });
    }
    const made = await mine.summaries.current(id);
    expect(made?.summaries).toMatchObject([{ level: 2, method: "model" }]);
    expect(made?.summaries[0]?.statements).toEqual([
      { text: "Priya promised Asha 07 and 17 roses, all about gardens.", isKey: true },
      { text: "Priya promised Asha 27 roses.", isKey: true },
      { text: "Priya promised Asha 37 roses.", isKey: true },
    ]);
    expect(asked).toHaveLength(5);
    expect(asked[0]).toContain("(2026-01-01) user: ");
    expect(asked[4]).toContain("(key)");
  });

  test("what is edited or deleted while a model reads it is not in what it says", async () => {
    let isFirst = true;
    const { model, asked, shut, open } = scriptedModel(() => {
      const text = isFirst ? "The old word" : "The new word";
      isFirst = false;
      return JSON.stringify({ statements: [{ text, key: true }] });
    });
    const { mine, id } = await conversation(talk(6));
    shut();
    const making = mine.summaries.create(id, { model });
    await expect.poll(() => asked.length).toBe(1);
    await mine.messages.update(id, "m3", { content: "Said otherwise" });
    open();
    expect((await making)?.text).toBe("The new word");
    expect(asked[1]).toContain("Said otherwise");

    await mine.summaries.delete(id);
    shut();
    const gone = mine.summaries.create(id, { model });
    await expect.poll(() => asked.length).toBe(3);
    await mine.conversations.delete(id);
    open();
    await expect(gone).rejects.toThrow();
    await mine.addMessages(id, "Hello");
    expect(await mine.summaries.current(id)).toBeUndefined();
  });

  test("an edit at the same moment leaves nothing of the old text behind", async () => {
    const { mine, id } = await conversation(talk(8));
    for (let round = 1; round <= 18; round++) {
      const content = `Plan number ${round} costs ${round}00 euros in Oslo`;
      const wait = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
      await Promise.all([mine.summaries.create(id, { force: true }), wait().then(() => mine.messages.update(id, "m2", { content }))]);
      expect((await mine.summaries.current(id))?.text ?? "").not.toContain(`Plan number ${round - 1} costs`);
      expect((await mine.summaries.create(id))?.text).toContain(content);
    }
  });

  test("one process at a time works on a conversation, and all see the same", async () => {
    const { model, asked } = scriptedModel(() => JSON.stringify({ statements: [{ text: "All of it", key: true }] }));
    const { id, userId } = await conversation(talk(6));
    const handles = [memory, memory, place.memory(), place.memory()].map((one) => one.scope({ userId }));
    const made = await Promise.all(handles.map((one) => one.summaries.create(id, { model })));
    expect(asked).toHaveLength(1);
    expect(new Set(made.map((one) => JSON.stringify(one))).size).toBe(1);
  });

  test("they come into a context, before the newest messages", async () => {
    const { mine, id } = await conversation(talk(60, { 2: "We decided to ship version 3 to Oslo on 14 May" }));
    await mine.summaries.create(id, { keepTokens: 200 });
    const { messages, sources, omitted } = await mine.context({ conversationId: id, maxTokens: 2_500, recentMessages: 8, query: "roses" });
    const [part] = messages[0]?.content ?? [];
    expect(part).toMatchObject({ text: expect.stringContaining("# Earlier in this conversation, summarised\n[1] until 2026-01-0") });
    expect(part).toMatchObject({ text: expect.stringContaining("We decided to ship version 3") });
    expect(sources.filter(({ kind }) => kind === "summaries")).toHaveLength(1);
    expect(omitted.filter(({ kind }) => kind === "summaries")).toEqual([]);
    const long = await mine.context({
      conversationId: id,
      maxTokens: 300,
      recentMessages: 2,
      recall: false,
      query: "Where do we ship to?",
    });
    expect(long.tokens).toBeLessThanOrEqual(300);
    expect(JSON.stringify(long.messages)).toContain("We decided to ship version 3");
    expect(long.omitted).toContainEqual(expect.objectContaining({ kind: "summaries", reason: "cut" }));
    const without = await mine.context({ conversationId: id, maxTokens: 1_000, shares: { summaries: 0 } });
    expect(without.sources.map(({ kind }) => kind)).not.toContain("summaries");
  });
});

describeEngines("summaries on Postgres", (engine) => {
  test("kept elsewhere, they go with what keepNewest deletes, and with an edit", async () => {
    const memory = engine.memory({ embedding: false, worker: "manual", records: { store: "memory" } });
    const mine = memory.scope({ userId: newId("user") });
    await mine.addMessages("elsewhere", talk(8));
    await mine.summaries.create("elsewhere");
    await mine.addMessages("elsewhere", { ...talk(1, {}, 3)[0], content: "Otherwise" } as never);
    expect(await mine.summaries.current("elsewhere")).toBeUndefined();
    await mine.summaries.create("elsewhere");
    await mine.addMessages("elsewhere", "One more", { keepNewest: 4 });
    expect(await mine.summaries.current("elsewhere")).toBeUndefined();
    expect((await mine.summaries.create("elsewhere"))?.messageCount).toBe(4);
  });

  test("with its messages a summary changes owner, and none is in any table once they are gone", async () => {
    const memory = engine.memory({ embedding: false, worker: "manual" });
    const [userId, other] = [newId("user"), newId("user")];
    const id = newId("c");
    await memory.scope({ userId }).addMessages(id, talk(8, { 2: "The Wolfram lamp costs 300 euros" }));
    await memory.scope({ userId }).summaries.create(id);
    await memory.conversations.update(id, { userId: other });
    const theirs = memory.scope({ userId: other });
    expect((await theirs.summaries.current(id))?.text).toContain("Wolfram");
    await theirs.messages.delete(id, "m2");
    expect(await engine.sql(`SELECT FROM "${engine.schema}".records WHERE conversation_id = $1 AND type LIKE 'summary%'`, [id])).toEqual(
      [],
    );
    expect((await theirs.summaries.create(id))?.text).not.toContain("Wolfram");
  });
});

describeEngines("summaries under row-level security", (engine) => {
  const role = `test_summaries_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  beforeAll(async () => void (await engine.sql(`CREATE ROLE ${role} NOLOGIN`)));
  afterAll(async () => {
    await engine.sql(`DROP OWNED BY ${role}`);
    await engine.sql(`DROP ROLE ${role}`);
  });

  test("are made, and go with an edit, a deletion and what keepNewest deletes", async () => {
    const memory = engine.memory({ embedding: false, worker: "manual", rls: { role } });
    const mine = memory.scope({ tenant: "acme", userId: newId("user") });
    const id = newId("c");
    await mine.addMessages(id, talk(8));
    for (const change of [
      () => mine.messages.update(id, "m2", { content: "Otherwise" }),
      () => mine.messages.delete(id, "m3"),
      () => mine.addMessages(id, "One more", { keepNewest: 5 }),
    ]) {
      await mine.summaries.create(id);
      expect(await mine.summaries.current(id)).toBeDefined();
      await change();
      expect(await mine.summaries.current(id)).toBeUndefined();
    }
  });
});

describe("summaries in the background", () => {
  const words = (texts: string[]) => JSON.stringify({ statements: texts.map((text) => ({ text, key: true })) });

  test("made as conversations grow, rebuilt as messages change; the newest messages stay out", async () => {
    const summaries = { afterTokens: 200, keepTokens: 80 };
    await using memory = createMemory({ sessions: { store: "memory" }, embedding: false, worker: "manual", summaries });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", talk(6));
    await memory.flush();
    expect(await mine.summaries.current("c")).toBeUndefined();
    for (let at = 6; at < 40; at += 2) await mine.addMessages("c", talk(2, { 8: "Oslo has 700 000 people, said Priya" }, at));
    await memory.flush();
    const made = await mine.summaries.current("c");
    expect(made?.messageCount).toBeGreaterThan(30);
    expect(made?.messageCount).toBeLessThan(38);
    expect(made?.text).toContain("700 000");
    await mine.messages.update("c", "m8", { content: "Bergen has 290 000 people, said Priya" });
    expect((await mine.summaries.current("c"))?.text ?? "").not.toContain("700 000");
    await memory.flush();
    expect((await mine.summaries.current("c"))?.text).toContain("290 000");
  });

  test("a number of messages is a threshold, too", async () => {
    const summaries = { afterMessages: 5, keepTokens: 0 };
    await using memory = createMemory({ sessions: { store: "memory" }, embedding: false, summaries });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", talk(4));
    await memory.flush();
    expect(await mine.summaries.current("c")).toBeUndefined();
    await mine.addMessages("c", talk(2, {}, 4));
    await memory.flush();
    expect((await mine.summaries.current("c"))?.messageCount).toBe(6);
  });

  test("a process of its own summarises what others store, each time it is asked to", async () => {
    const sessions = { ...memorySessionStore(), close: async () => {} };
    await using writing = createMemory({ sessions, embedding: false, worker: "manual" });
    await using working = createMemory({ sessions, embedding: false, worker: "manual", summaries: { afterMessages: 4, keepTokens: 0 } });
    const mine = writing.scope({ userId: "u" });
    for (const at of [0, 6]) {
      const said = talk(6, {}, at).map(({ content }) => content);
      await mine.addMessages("c", said);
      await working.flush({ all: true });
      expect((await mine.summaries.current("c"))?.messageCount).toBe(at + 6);
    }
  });

  test("a model that fails or hangs neither delays nor fails a message, and is asked again", async () => {
    let answer: string | Error = new Error("no");
    const { model, shut, open, asked } = scriptedModel(() => answer);
    const told: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void told.push(message) };
    const summaries = { afterMessages: 4, afterTokens: 100_000, keepTokens: 0, model };
    await using memory = createMemory({ sessions: { store: "memory" }, embedding: false, summaries, logger });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", talk(6));
    await memory.flush();
    expect(told[0]).toContain("[summaries]");
    shut();
    await mine.addMessages("c", talk(1, {}, 6));
    await expect.poll(() => asked.length).toBe(2);
    await mine.addMessages("c", talk(1, {}, 7));
    answer = words(["Gardens"]);
    open();
    await memory.flush();
    expect((await mine.summaries.current("c"))?.text).toContain("Gardens");
  });

  test("options that cannot be right are errors", async () => {
    const make = (summaries: object) => () => createMemory({ sessions: { store: "memory" }, summaries: summaries as never });
    expect(make({ afterTokens: 100, keepTokens: 100 })).toThrow("summaries.keepTokens");
    expect(make({ model: "gpt" })).toThrow("summaries.model");
    expect(make({ afterMessages: 0 })).toThrow("summaries.afterMessages");
    await using memory = createMemory({ sessions: { store: "memory" }, embedding: false });
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", "Hello");
    await expect(mine.summaries.create("c", { keepTokens: -1 })).rejects.toThrow("keepTokens");
    await expect(mine.summaries.create("c", { model: "gpt" as never })).rejects.toThrow("model");
  });
});
