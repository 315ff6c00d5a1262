import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Memory, type SearchConversationsOptions } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

/** What a search box asks, of a memory on any store. */
function searching(open: () => Memory, searchesTexts: boolean) {
  test("titles are found by their words, the last of them half typed, best first", async () => {
    const mine = open().scope({ userId: newId("user") });
    for (const [id, title] of [
      ["a", "Budget of the Berlin office"],
      ["b", "Berlin"],
      ["c", "Öffentliche Mittel"],
      ["d", "100% of _everything_"],
    ] as const)
      await mine.conversations.create({ id: newId(id), title });
    const titles = async (query: string) => (await mine.conversations.search(query)).map(({ conversation }) => conversation.title);
    expect((await titles("berlin")).toSorted()).toEqual(["Berlin", "Budget of the Berlin office"]);
    expect(await titles("BERLIN budg")).toEqual(["Budget of the Berlin office", "Berlin"]);
    expect(await titles("budg berlin off")).toEqual(["Budget of the Berlin office"]);
    expect(await titles("öff")).toEqual(["Öffentliche Mittel"]);
    expect(await titles("erlin")).toEqual([]);
    expect(await titles("100%")).toEqual(["100% of _everything_"]);
    expect(await titles("%")).toEqual([]);
    expect(await titles("' OR true --")).toEqual([]);
    expect(await titles("")).toEqual([]);
    expect(await titles(" \n")).toEqual([]);
  });

  test("hits are of the scope, archived or not, and as many as asked for", async () => {
    const memory = open();
    const [ann, ben] = [newId("ann"), newId("ben")];
    for (const [userId, resourceId] of [
      [ann, "desk"],
      [ann, "bot"],
      [ben, "desk"],
    ] as const)
      await memory.conversations.create({ userId, resourceId, title: `walrus ${userId} ${resourceId}` });
    const found = async (options: SearchConversationsOptions) => (await memory.conversations.search("walrus", options)).length;
    expect(await found({ userId: ann })).toBe(2);
    expect(await found({ userId: ann, resourceId: "bot" })).toBe(1);
    expect(await found({ userId: ann, limit: 1 })).toBe(1);
    expect(await memory.scope({ userId: ben }).conversations.search("walrus")).toHaveLength(1);
    expect(await memory.scope({ tenant: newId("tenant"), userId: ben }).conversations.search("walrus")).toEqual([]);
    const [hit] = await memory.conversations.search("walrus bot", { userId: ann });
    await memory.conversations.update(hit?.conversation.id as string, { archived: true });
    expect(await found({ userId: ann, archived: true })).toBe(1);
    expect(await found({ userId: ann, archived: false })).toBe(1);
    await expect(memory.conversations.search("x", { limit: 0 })).rejects.toMatchObject({ field: "limit" });
  });

  if (!searchesTexts) return;

  test("texts are found too: each conversation once, with the message that answers best", async () => {
    const mine = open().scope({ userId: newId("user") });
    const [animals, walrus, other] = [newId("conversation"), newId("conversation"), newId("conversation")];
    const long = `${"Once upon a time there was nothing to say. ".repeat(10)}Then a walrus came by and slept. ${"And so on. ".repeat(30)}`;
    await mine.addMessages(animals, ["penguins swim", { role: "assistant", content: long }, "the end"], {
      conversation: { title: "Animals" },
    });
    await mine.addMessages(walrus, "nothing of note", { conversation: { title: "A walrus" } });
    await mine.addMessages(other, "nothing at all");
    const hits = await mine.conversations.search("walrus");
    expect(new Set(hits.map(({ conversation }) => conversation.id))).toEqual(new Set([animals, walrus]));
    const [byText, byTitle] = [animals, walrus].map((id) => hits.find(({ conversation }) => conversation.id === id));
    expect(byTitle).toMatchObject({ titleMatches: true, conversation: { title: "A walrus" } });
    expect(byText).toMatchObject({ titleMatches: false, message: { content: long.trim() === long ? long : expect.any(String) } });
    expect(byText?.snippet).toContain("walrus came by");
    expect(byText?.snippet?.length).toBeLessThanOrEqual(160);
    expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).toSorted((one, two) => two - one));
    await mine.addMessages(walrus, "the walrus again");
    expect((await mine.conversations.search("walrus"))[0]?.conversation.id).toBe(walrus);
  });
}

describeEngines("search of conversations", (engine) => {
  const memory = engine.memory();
  searching(() => memory, true);

  test("a scope too large to be read once is searched as well, in two statements", async () => {
    const mine = memory.scope({ userId: newId("user") });
    const lines = Array.from({ length: 2_500 }, (_, index) => ({
      conversation: newId("conversation"),
      role: "user",
      content: index === 1_234 ? "a rare okapi" : `message number ${index}`,
    }));
    await mine.import(lines);
    const [hit, ...others] = await mine.conversations.search("okapi");
    expect(hit).toMatchObject({ message: { content: "a rare okapi" }, snippet: "a rare okapi", titleMatches: false });
    expect(others).toEqual([]);
    expect(await mine.conversations.search("message", { limit: 5 })).toHaveLength(5);
  });
});

plainStores("search of conversations", (store, name) => {
  const open = () => {
    const memory = createMemory({ sessions: store(), embedding: false });
    onTestFinished(() => memory.close());
    return memory;
  };
  searching(open, !name.startsWith("a store without"));
});
