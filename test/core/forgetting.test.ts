import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createMemory,
  type ForgottenItem,
  InvalidArgumentError,
  type Memory,
  type PlannedItem,
  type ScopedMemory,
} from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
const found = async (mine: ScopedMemory, query: string) => (await mine.recall(query, { limit: 100 })).map(({ text }) => text);
const messageIds = (items: readonly PlannedItem[]) => items.flatMap((item) => (item.kind === "message" ? [item.messageId] : []));
const forgottenMessages = (items: readonly ForgottenItem[]) => items.filter((item) => item.kind === "message");
const contents = async (mine: ScopedMemory, id: string) => (await mine.messages.list(id)).items.map(({ content }) => content);

function forgets(memory: () => Memory) {
  const someone = () => memory().scope({ tenant: newId("tenant"), userId: "u" });

  test("a plan changes nothing; applied, what it names is recalled no more and stays in its conversation; restored, it is what it was", async () => {
    const mine = someone();
    const old = {
      content: "The juniper is behind the old shed",
      createdAt: daysAgo(400),
      importance: 0.25,
      metadata: { a: 1 },
      name: "Ann",
    };
    await mine.addMessages("c", [old, { content: "The juniper was cut down", createdAt: daysAgo(1) }]);
    await memory().flush();
    const before = await mine.messages.list("c");
    const plan = await mine.forgetting.plan({ rules: [{ olderThanDays: 365 }] });
    expect(plan).toMatchObject({ looked: 2, items: [{ conversationId: "c", text: old.content, reason: "rule", rule: 0 }] });
    expect(await found(mine, "juniper")).toHaveLength(2);
    expect(await mine.forgetting.list()).toEqual([]);

    expect(await mine.forgetting.apply(JSON.parse(JSON.stringify(plan)))).toEqual({ forgotten: 1, passedOver: 0 });
    await memory().flush();
    expect(await found(mine, "juniper")).toEqual(["The juniper was cut down"]);
    expect((await mine.messages.list("c")).items).toEqual([{ ...before.items[0], content: "" }, before.items[1]]);
    expect(await mine.forgetting.list({ planId: plan.id })).toMatchObject([{ planId: plan.id, text: old.content, conversationId: "c" }]);
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 0, passedOver: 1 });

    expect(await mine.forgetting.restore({ planId: plan.id })).toBe(1);
    await memory().flush();
    expect(await mine.messages.list("c")).toEqual(before);
    const hits = await mine.recall("juniper shed");
    expect(hits[0]).toMatchObject({ text: old.content, scores: { importance: expect.closeTo(0.25) } });
    expect(await mine.forgetting.list()).toEqual([]);
  });

  test("what is forgotten is in no summary, and no fact is read from it, until it is restored", async () => {
    const mine = someone();
    await mine.addMessages("c", [
      { content: "My name is Priya and I live in Oslo.", createdAt: daysAgo(400) },
      { content: "The ferry to Rome leaves on 14 May.", createdAt: daysAgo(1) },
    ]);
    await mine.forgetting.run({ rules: [{ olderThanDays: 365 }] });
    expect((await mine.summaries.create("c"))?.text).not.toContain("Oslo");
    expect(await mine.facts.extract("c", { model: false })).toMatchObject({ added: 0 });
    expect(await mine.forgetting.restore()).toBe(1);
    expect((await mine.summaries.create("c"))?.text).toContain("Oslo");
    expect((await mine.facts.extract("c", { model: false })).added).toBeGreaterThan(0);
  });

  test("purged is gone, and so is what was forgotten when its message, conversation or user goes", async () => {
    const mine = someone();
    for (const id of ["purged", "deleted", "cleared", "erased"])
      await mine.addMessages(id, { id: "m", content: `The word of ${id}`, createdAt: daysAgo(10) });
    await mine.forgetting.apply(await mine.forgetting.plan({ rules: [{ olderThanDays: 5 }] }));
    expect(await mine.forgetting.purge({ conversationId: "purged", forgottenForDays: 1 })).toBe(0);
    expect(await mine.forgetting.purge({ conversationId: "purged" })).toBe(1);
    expect(await contents(mine, "purged")).toEqual([]);
    await mine.messages.delete("cleared", "m");
    await mine.conversations.delete("deleted");
    expect(forgottenMessages(await mine.forgetting.list()).map(({ conversationId }) => conversationId)).toEqual(["erased"]);
    await mine.erase();
    expect(await mine.forgetting.list()).toEqual([]);
    expect(await mine.forgetting.restore()).toBe(0);
  });

  test("rules: importance given or seeming, roles, conversation and metadata must all hold", async () => {
    const mine = someone();
    await mine.addMessages("c", [
      { id: "given", content: "The kettle is quite old", importance: 0.1 },
      { id: "precious", content: "Ok thanks", importance: 0.9 },
      { id: "small talk", content: "Ok thanks" },
      { id: "answer", role: "assistant", content: "You are welcome", metadata: { draft: true } },
      {
        id: "call",
        role: "assistant",
        parts: [
          { type: "text", text: "Hm" },
          { type: "tool-call", toolCallId: "1", toolName: "t", input: {} },
        ],
      },
      {
        id: "result",
        role: "tool",
        parts: [{ type: "tool-result", toolCallId: "1", toolName: "t", output: { type: "text", value: "x" } }],
      },
    ]);
    await mine.addMessages("d", { id: "elsewhere", content: "Ok thanks" });
    const named = async (rule: object) => messageIds((await mine.forgetting.plan({ rules: [rule] })).items);
    expect(await named({ maxImportance: 0.2 })).toEqual(["given", "small talk", "answer", "elsewhere"]);
    expect(await named({ maxImportance: 0.2, roles: ["user"], conversationId: "c" })).toEqual(["given", "small talk"]);
    expect(await named({ maxImportance: 1, filter: { draft: true } })).toEqual(["answer"]);
    expect(await named({ maxImportance: 1, olderThanDays: 1 })).toEqual([]);
  });

  test("a retention job forgets, and purges what has been forgotten for long", async () => {
    const mine = someone();
    await mine.addMessages("c", [{ content: "The old door is locked", createdAt: daysAgo(10) }, "The new door is open"]);
    const job = { rules: [{ olderThanDays: 5 }] };
    expect(await mine.forgetting.run({ ...job, purgeAfterDays: 30 })).toEqual({ forgotten: 1, passedOver: 0, purged: 0 });
    expect(await mine.forgetting.list()).toHaveLength(1);
    expect(await mine.forgetting.run(job)).toEqual({ forgotten: 0, passedOver: 0, purged: 0 });
    expect(await mine.forgetting.run({ ...job, purgeAfterDays: 0 })).toEqual({ forgotten: 0, passedOver: 0, purged: 1 });
    expect(await contents(mine, "c")).toEqual(["The new door is open"]);
    await expect(mine.forgetting.run({ ...job, purgeAfterDays: -1 })).rejects.toThrow(InvalidArgumentError);
  });

  test("what was of use lately is not unused", async () => {
    const mine = someone();
    const old = (id: string) => ({ id, content: `The ${id} door is locked`, createdAt: daysAgo(10) });
    await mine.addMessages("c", [old("red"), old("blue"), { ...old("green"), createdAt: daysAgo(1) }]);
    await mine.reinforce([{ userId: "u", conversationId: "c", id: "red" }]);
    const { items } = await mine.forgetting.plan({ rules: [{ unusedForDays: 5 }] });
    expect(messageIds(items)).toEqual(["blue"]);
  });

  test("of what was said again the newest stays, each speaker's own", async () => {
    const mine = someone();
    const say = (id: string, content: string, days: number, role = "user") =>
      mine.addMessages(newId("conversation"), { id, content, role, createdAt: daysAgo(days) });
    await say("oldest", "We deploy the parser on Fridays after lunch", 3);
    await say("newest", "We deploy the parser on Fridays, after lunch!", 1);
    await say("other day", "We deploy the parser on Mondays after lunch", 2);
    await say("other speaker", "We deploy the parser on Fridays after lunch", 2, "assistant");
    const { items } = await mine.forgetting.plan({ duplicates: true });
    expect(items).toMatchObject([{ messageId: "oldest", reason: "duplicate", duplicateOf: { messageId: "newest" } }]);
  });

  test("what was changed since is passed over, and not restored over the change", async () => {
    const mine = someone();
    const old = (id: string) => ({ id, content: `The ${id} door is locked`, createdAt: daysAgo(10) });
    await mine.addMessages("c", [old("red"), old("blue"), old("green")]);
    const plan = await mine.forgetting.plan({ rules: [{ olderThanDays: 5 }] });
    await mine.messages.update("c", "red", { content: "The red door is open" });
    await mine.messages.delete("c", "blue");
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 1, passedOver: 2 });
    await mine.messages.update("c", "green", { content: "The green door is open" });
    expect(await mine.forgetting.restore()).toBe(0);
    expect(await contents(mine, "c")).toEqual(["The red door is open", "The green door is open"]);
  });

  test("a plan is its user's: nobody else's handle sees or applies it", async () => {
    const tenant = newId("tenant");
    const [ann, bob, everybody] = ["ann", "bob", undefined].map((userId) => memory().scope({ tenant, userId })) as [
      ScopedMemory,
      ScopedMemory,
      ScopedMemory,
    ];
    await ann.addMessages("a", { content: "Ann was here once", createdAt: daysAgo(10) });
    await bob.addMessages("b", { content: "Bob was here once", createdAt: daysAgo(10) });
    const rules = [{ olderThanDays: 5 }];
    const plan = await ann.forgetting.plan({ rules });
    expect(plan.items).toHaveLength(1);
    await expect(bob.forgetting.apply(plan)).rejects.toThrow(InvalidArgumentError);
    await expect(memory().forgetting.apply(plan)).rejects.toThrow(InvalidArgumentError);
    await expect(everybody.forgetting.plan({ rules })).rejects.toThrow(InvalidArgumentError);
    const both = await everybody.forgetting.plan({ rules, allUsers: true });
    expect(await everybody.forgetting.apply(both)).toEqual({ forgotten: 2, passedOver: 0 });
    expect(await ann.forgetting.list()).toHaveLength(1);
    expect(await ann.forgetting.purge()).toBe(1);
    expect(await everybody.forgetting.restore({ userId: "bob" })).toBe(1);
    expect(await contents(bob, "b")).toEqual(["Bob was here once"]);
  });
}

describeEngines("forgetting", (engine) => {
  const memory = engine.memory();
  forgets(() => memory);
});

plainStores("forgetting", (store) => {
  let memory: Memory;
  beforeAll(() => {
    memory = createMemory({ sessions: store(), vectors: { store: "memory" }, records: { store: "memory" }, worker: "manual" });
  });
  afterAll(() => memory.close());
  forgets(() => memory);
});

test.each([
  [{}, "rules"],
  [{ rules: [{}] }, "rules[0]"],
  [{ rules: [{ roles: ["user"] }] }, "rules[0]"],
  [{ rules: [{ olderThanDays: -1 }] }, "rules[0].olderThanDays"],
  [{ rules: [{ maxImportance: 2 }] }, "rules[0].maxImportance"],
  [{ duplicates: { likeness: 0.2 } }, "duplicates.likeness"],
])("%j is refused", async (options, field) => {
  await using memory = createMemory({ sessions: { store: "memory" }, embedding: false });
  await expect(memory.scope({ userId: "u" }).forgetting.plan(options)).rejects.toMatchObject({ field });
});
