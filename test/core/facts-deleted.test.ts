import { expect, test } from "vitest";
import { describeEngines, newId } from "../support/engines.ts";

describeEngines("facts of what is deleted", (engine) => {
  const memory = engine.memory({ worker: "manual" });

  /** A user with two conversations, and a fact from each, from both and from none. */
  async function prepared() {
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const [one, two] = [newId("one"), newId("two")];
    for (const id of [one, two])
      await mine.addMessages(
        id,
        ["m1", "m2"].map((message) => ({ id: message, content: "hello" })),
      );
    const from = (...sources: [string, string][]) => sources.map(([conversationId, messageId]) => ({ conversationId, messageId }));
    await mine.facts.put({ predicate: "lives_in", object: "Oslo", sources: from([one, "m1"]) });
    await mine.facts.put({ predicate: "lives_in", object: "Berlin", sources: from([two, "m1"]) });
    const both = await mine.facts.put({ predicate: "likes", object: "tea", sources: from([one, "m1"], [one, "m2"], [two, "m2"]) });
    await mine.facts.put({ statement: "drink hot", derivedFrom: [both.id], sources: from([two, "m1"]) });
    await mine.facts.put({ predicate: "likes", object: "coffee" });
    const known = async () => (await mine.facts.current()).map(({ object, statement }) => object ?? statement).sort();
    const rows = () => engine.sql<{ type: string }>(`SELECT type FROM "${engine.schema}".records WHERE user_id = $1`, [userId]);
    return { userId, mine, one, two, both, known, rows };
  }

  test("a message: facts it alone told go, and what they had superseded holds again", async () => {
    const { mine, one, two, both, known } = await prepared();
    await mine.messages.delete(two, "m1");
    expect(await known()).toEqual(["Oslo", "coffee", "tea"]);
    await mine.messages.delete(one, ["m1"]);
    expect(await known()).toEqual(["coffee", "tea"]);
    expect((await mine.facts.get(both.id)).sources).toEqual([
      { conversationId: one, messageId: "m2" },
      { conversationId: two, messageId: "m2" },
    ]);
    await mine.messages.clear(one);
    await mine.messages.delete(two, "m2");
    expect(await known()).toEqual(["coffee"]);
  });

  test("a conversation: facts another one tells, too, stay", async () => {
    const { mine, one, two, known, rows } = await prepared();
    await mine.conversations.delete(two);
    expect(await known()).toEqual(["Oslo", "coffee", "tea"]);
    await mine.conversations.delete(one);
    expect(await known()).toEqual(["coffee"]);
    expect(await rows()).toEqual([{ type: "fact" }]);
  });

  test("a user: all of it", async () => {
    const { mine, rows } = await prepared();
    await mine.erase();
    expect(await rows()).toEqual([]);
  });

  test("a resource: facts of others that its conversations told, too", async () => {
    const userId = newId("user");
    const work = memory.scope({ userId, resourceId: "work" });
    const mine = memory.scope({ userId });
    const id = newId("conversation");
    await work.addMessages(id, { id: "m", content: "hello" });
    await work.facts.put({ predicate: "name", object: "Dr Rao" });
    await mine.facts.put({ predicate: "likes", object: "tea", sources: [{ conversationId: id, messageId: "m" }] });
    await mine.facts.put({ predicate: "likes", object: "coffee" });
    await work.erase();
    expect((await mine.facts.current()).map(({ object }) => object)).toEqual(["coffee"]);
  });

  test("a conversation given to another user takes away what was known from it", async () => {
    const { one, known, rows } = await prepared();
    await memory.conversations.update(one, { userId: newId("user") });
    expect(await known()).toEqual(["Berlin", "coffee", "drink hot", "tea"]);
    expect((await rows()).filter(({ type }) => type === "fact")).toHaveLength(4);
  });
});
