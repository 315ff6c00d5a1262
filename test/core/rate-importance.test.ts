import { expect, test } from "vitest";
import { InvalidArgumentError, type ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";

describeEngines("importance", (engine) => {
  const memory = engine.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });
  const importanceOf = async (mine: ScopedMemory, query: string) =>
    (await mine.recall(query, { limit: 1, weights: { importance: 0.1 } }))[0]?.scores.importance;

  test("simple signals rate what has none, once; texts, places and vectors stay", async () => {
    const mine = someone();
    await mine.addMessages("c", [
      "Remember that I'm allergic to walnuts",
      "The weather is fine",
      { content: "The ferry leaves at noon", importance: 0.75 },
      { role: "assistant", parts: [{ type: "data-chart", data: {} }] },
    ]);
    await memory.flush();
    const before = await mine.messages.list("c");
    expect(await mine.rateImportance()).toEqual({ rated: 2, unrated: 0 });
    expect((await memory.stats()).owed.pending).toBe(0);
    expect(await mine.rateImportance()).toEqual({ rated: 0, unrated: 0 });
    expect(await mine.messages.list("c")).toEqual(before);
    expect(await importanceOf(mine, "walnuts")).toBeGreaterThan((await importanceOf(mine, "weather")) as number);
    expect(await importanceOf(mine, "ferry")).toBeCloseTo(0.75);
    const [hit] = await mine.recall("walnuts", { legs: ["vector"] });
    expect(hit?.text).toContain("walnuts");
  });

  test("a model rates what it is asked for; what it leaves out or gets wrong has none", async () => {
    const mine = someone();
    await mine.addMessages("c", ["The first thing", "The second thing", { content: "The third thing", createdAt: "2020-01-01" }]);
    await mine.addMessages("d", "The fourth thing");
    const ratings = [
      { number: 1, importance: 0.5 },
      { number: 2, importance: 7 },
      { number: 9, importance: 1 },
    ];
    const { model, asked } = scriptedModel(() => JSON.stringify({ ratings }));
    expect(await mine.rateImportance({ model, conversationId: "c", since: "2021-01-01" })).toEqual({ rated: 1, unrated: 1 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain("second thing");
    expect(asked[0]).not.toMatch(/third|fourth/);
    expect(await importanceOf(mine, "The first thing")).toBeCloseTo(0.5);
  });

  test("it has to be said whose messages", async () => {
    await expect(memory.rateImportance()).rejects.toThrow(InvalidArgumentError);
    await expect(someone().rateImportance({ model: {} as never })).rejects.toThrow(InvalidArgumentError);
  });
});
