import { describe, expect, test } from "vitest";
import type { RecallHit, RecallOptions, ScopedMemory } from "../../src/index.ts";
import { broughtVectors } from "../support/embedders.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { nearest, seededRandom } from "../support/vectors.ts";

describeEngines("recall", (engine) => {
  const memory = engine.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });
  const texts = async (mine: ScopedMemory, query: string, options?: RecallOptions) =>
    (await mine.recall(query, options)).map((hit) => hit.text);

  test("the best is first, and a hit says all of its message", async () => {
    const mine = someone();
    const id = newId("conversation");
    const [, stored] = await mine.addMessages(id, [
      "Let us talk about gardens",
      { role: "assistant", name: "Ann", content: "My violin teacher lives in Vienna", importance: 0.5, metadata: { a: 1 } },
      "It rained all day",
    ]);
    await memory.flush();
    const [hit] = await mine.recall("Where does the violin teacher live?");
    expect(hit).toMatchObject({
      kind: "message",
      id: stored?.id,
      conversationId: id,
      seq: 2,
      role: "assistant",
      name: "Ann",
      text: stored?.content,
      createdAt: stored?.createdAt,
      exchange: [],
    });
    expect(hit?.message).toEqual(stored);
    expect(hit?.scores).toEqual({
      vector: expect.any(Number),
      text: expect.any(Number),
      conversation: expect.any(Number),
      neighbour: expect.any(Number),
      recency: expect.any(Number),
      importance: expect.closeTo(0.5),
    });
  });

  test("a message is found by its speaker and its day", async () => {
    const mine = someone();
    await mine.addMessages("c1", { name: "Caroline", content: "something else", createdAt: "2023-05-08T10:00:00Z" });
    await mine.addMessages("c2", { name: "Melanie", content: "whatever", createdAt: "2024-11-20T10:00:00Z" });
    expect(await texts(mine, "What did Caroline say?", { legs: ["text"] })).toEqual(["something else"]);
    expect(await texts(mine, "in November", { legs: ["text"] })).toEqual(["whatever"]);
  });

  test("filters narrow what is searched", async () => {
    const mine = someone();
    const add = (id: string, content: string, day: number, role: string, metadata: object, resourceId?: string) =>
      mine.addMessages(id, { content, role, metadata, createdAt: Date.UTC(2024, 0, day) }, { resourceId });
    await add("f1", "tea one", 1, "user", { topic: "a", stars: 1, flag: true, gone: null });
    await add("f1", "tea two", 2, "assistant", { topic: "b", stars: 2, flag: false });
    await add("f2", "tea three", 3, "user", { topic: "c", stars: 1, tags: ["x", "y"] }, "bot");
    await memory.flush();
    const found = async (options: RecallOptions) => {
      const both = (await texts(mine, "tea", options)).sort();
      expect((await texts(mine, "tea", { ...options, legs: ["vector"] })).sort()).toEqual(both);
      expect((await texts(mine, "tea", { ...options, legs: ["text"] })).sort()).toEqual(both);
      return both.map((text) => text.slice(4));
    };
    expect(await found({})).toEqual(["one", "three", "two"]);
    expect(await found({ conversationId: "f1" })).toEqual(["one", "two"]);
    expect(await found({ resourceId: "bot" })).toEqual(["three"]);
    expect(await found({ roles: ["assistant"] })).toEqual(["two"]);
    expect(await found({ roles: [] })).toEqual([]);
    expect(await found({ kinds: ["message"] })).toHaveLength(3);
    expect(await found({ kinds: [] })).toEqual([]);
    expect(await found({ since: "2024-01-02" })).toEqual(["three", "two"]);
    expect(await found({ until: new Date(Date.UTC(2024, 0, 2)) })).toEqual(["one"]);
    expect(await found({ since: Date.UTC(2024, 0, 2), until: Date.UTC(2024, 0, 3) })).toEqual(["two"]);
    expect(await found({ filter: { topic: "a" } })).toEqual(["one"]);
    expect(await found({ filter: { topic: ["a", "c"] } })).toEqual(["one", "three"]);
    expect(await found({ filter: { topic: [] } })).toEqual([]);
    expect(await found({ filter: { stars: 1, flag: true } })).toEqual(["one"]);
    expect(await found({ filter: { gone: null } })).toEqual(["one"]);
    expect(await found({ filter: { stars: "1" } })).toEqual([]);
    expect(await found({ filter: { nothing: 1 } })).toEqual([]);
    expect(await found({ conversationId: "elsewhere" })).toEqual([]);
  });

  test("with diversity a repetition gives way to the next best that says something else", async () => {
    const mine = someone();
    for (const [place, content] of [
      "We deploy the parser on Fridays",
      "We do deploy the parser on Fridays",
      "The parser is slow",
    ].entries())
      await mine.addMessages(`c${place}`, content);
    const query = "When do we deploy the parser?";
    const options = { legs: ["text"], limit: 2 } as const;
    expect((await texts(mine, query, options)).every((text) => text.includes("Fridays"))).toBe(true);
    expect(await texts(mine, query, { ...options, diversity: 0.6 })).toContain("The parser is slow");
    for (const diversity of [-0.1, 1.1, Number.NaN]) await expect(mine.recall(query, { diversity })).rejects.toThrow("diversity");
  });

  test("what was of use before comes first where that is weighed, and is noted of nobody else's", async () => {
    const mine = someone();
    for (const id of ["a", "b", "c", "d"]) await mine.addMessages(id, { id, content: "The parser is slow" });
    const ids = async (weights: RecallOptions["weights"], limit = 1) =>
      (await mine.recall("slow parser", { legs: ["text"], limit, weights })).map(({ id }) => id);
    const [last] = (await mine.recall("slow parser", { legs: ["text"] })).slice(-1);
    expect(last?.scores.use).toBeUndefined();
    expect(await mine.reinforce([last as RecallHit, { ...(last as RecallHit), id: "nobody" }])).toBe(1);
    expect(await ids(undefined)).not.toEqual([last?.id]);
    expect(await ids({ use: 0.1 })).toEqual([last?.id]);
    const [first, second] = await mine.recall("slow parser", { legs: ["text"], weights: { use: 0.1 } });
    expect([first?.scores.use, second?.scores.use]).toEqual([expect.closeTo(0.5, 3), 0]);
    await mine.reinforce([first as RecallHit]);
    const [twice] = await mine.recall("slow parser", { legs: ["text"], weights: { use: 0.1 } });
    expect(twice?.scores.use).toBeCloseTo(0.75, 3);
    expect(await someone().reinforce([first as RecallHit])).toBe(0);
    await mine.messages.delete(last?.conversationId as string, last?.id as string);
    await mine.addMessages(last?.conversationId as string, { id: last?.id, content: "The parser is slow" });
    const anew = await mine.recall("slow parser", { legs: ["text"], weights: { use: 0.1 } });
    expect(anew.map(({ scores }) => scores.use)).toEqual([0, 0, 0, 0]);
  });

  test("minSimilarity drops what is less similar, and what has words alone", async () => {
    const mine = someone();
    await mine.addMessages("c", "the quick brown fox");
    await memory.flush();
    const [hit] = await mine.recall("quick fox", { legs: ["vector"] });
    const similarity = hit?.scores.vector ?? 0;
    expect(await mine.recall("quick fox", { minSimilarity: similarity - 0.001 })).toHaveLength(1);
    expect(await mine.recall("quick fox", { minSimilarity: similarity + 0.001 })).toEqual([]);
    expect(await mine.recall("quick fox", { legs: ["text"], minSimilarity: -1 })).toEqual([]);
  });

  test("weights turn recency and importance on", async () => {
    const mine = someone();
    const day = 86_400_000;
    await mine.addMessages("c1", { id: "old", content: "coffee", createdAt: Date.now() - 60 * day, importance: 1 });
    await mine.addMessages("c2", { id: "new", content: "coffee", createdAt: Date.now() - day });
    const first = async (weights: RecallOptions["weights"]) => (await mine.recall("coffee", { legs: ["text"], weights }))[0]?.id;
    expect(await first({ recency: 1 })).toBe("new");
    expect(await first({ importance: 1 })).toBe("old");
    const [hit] = await mine.recall("coffee", { legs: ["text"], recencyHalfLifeDays: 1, weights: { recency: 1 } });
    expect(hit?.scores.recency).toBeCloseTo(0.5, 2);
  });

  test("an empty query finds nothing, nor does one without a word", async () => {
    const mine = someone();
    await mine.addMessages("c", "the and of");
    for (const query of ["", "  \n", "\0"]) expect(await mine.recall(query)).toEqual([]);
    for (const query of ["???", "the of", "😀", "' | & ! ( :* \\"]) expect(await mine.recall(query, { legs: ["text"] })).toEqual([]);
  });

  test("queries that look like search syntax or SQL are words", async () => {
    const mine = someone();
    await mine.addMessages("c", "it's a back\\slash & an ampersand | O'Brien");
    for (const query of [
      "O'Brien & !x",
      "ampersand:*",
      "(ampersand",
      "'; DROP TABLE messages; --ampersand",
      "ampersand\\",
      '"ampersand"',
    ]) {
      expect(await mine.recall(query, { legs: ["text"] })).toHaveLength(1);
    }
    expect(await mine.recall(`${"noise ".repeat(500)} ampersand`)).toHaveLength(1);
  });

  test("a hit with a tool result brings the call, and the other way round", async () => {
    const mine = someone();
    await mine.addMessages("c", [
      {
        id: "call",
        role: "assistant",
        content: [
          { type: "text", text: "looking up platypus" },
          { type: "tool-call", toolCallId: "t", toolName: "x", input: {} },
        ],
      },
      {
        id: "result",
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "t", toolName: "x", output: { type: "text", value: "found" } }],
      },
    ]);
    const [hit] = await mine.recall("platypus");
    expect(hit?.exchange.map((message) => message.id)).toEqual(["result"]);
  });

  test("a German conversation is found by the stems of its words", async () => {
    const mine = someone();
    await mine.addMessages("c", "Die alten Häuser am Hafen", { conversation: { language: "german" } });
    expect(await texts(mine, "Haus", { language: "german", legs: ["text"] })).toHaveLength(1);
    expect(await texts(mine, "Hafen", { language: "klingon", legs: ["text"] })).toHaveLength(1);
  });

  test("Japanese, Chinese and Thai text is found by its words", async () => {
    const mine = someone();
    await mine.addMessages("c1", "私は東京に住んでいます");
    await mine.addMessages("c2", "我喜欢喝绿茶");
    await mine.addMessages("c3", "ฉันชอบกินข้าวผัด");
    expect(await texts(mine, "東京", { legs: ["text"] })).toEqual(["私は東京に住んでいます"]);
    expect(await texts(mine, "绿茶好喝吗", { legs: ["text"] })).toEqual(["我喜欢喝绿茶"]);
    expect(await texts(mine, "ข้าวผัด", { legs: ["text"] })).toEqual(["ฉันชอบกินข้าวผัด"]);
  });

  test("explain tells what was done, and the result stays a plain array", async () => {
    const mine = someone();
    await mine.addMessages("c", "violins and gardens");
    await memory.flush();
    const hits = await mine.recall("the violins", { explain: true });
    expect(hits.explain).toMatchObject({
      plan: "exact",
      scopeSize: 1,
      model: "unforget/hashed-64",
      words: ["violin"],
      dropped: [],
      weights: { vector: 0.5, text: 0.5, recency: 0 },
    });
    expect(hits.explain?.legs).toEqual([
      { leg: "vector", used: true, candidates: 1 },
      { leg: "text", used: true, candidates: 1 },
    ]);
    expect(Object.keys(hits)).toEqual(["0"]);
    expect((await mine.recall("", { explain: true })).explain?.legs.map((leg) => leg.used)).toEqual([false, false]);
    expect((await mine.recall("violin", { legs: ["text"], explain: true })).explain?.legs[0]).toMatchObject({
      leg: "vector",
      used: false,
      reason: "not asked for",
    });
    expect((await mine.recall("violin")).explain).toBeUndefined();
  });

  test("without a model words answer, and vectors alone are refused", async () => {
    const wordy = engine.memory({ embedding: false, tablePrefix: "wordy" });
    const mine = wordy.scope({ userId: "u" });
    await mine.addMessages("c", "violins");
    await wordy.flush();
    expect(await mine.recall("violin")).toHaveLength(1);
    expect((await wordy.stats()).embedding).toBeUndefined();
    await expect(mine.recall("violin", { legs: ["vector"] })).rejects.toMatchObject({ code: "invalid_argument", field: "legs" });
    await expect(mine.addMessages("c", { content: "x", embedding: [1] })).rejects.toMatchObject({ code: "invalid_argument" });
  });

  const bad: [string, unknown, string][] = [
    ["limit 0", { limit: 0 }, "limit"],
    ["limit 1001", { limit: 1001 }, "limit"],
    ["no leg", { legs: [] }, "legs"],
    ["an unknown leg", { legs: ["smell"] }, "legs"],
    ["a similarity of 2", { minSimilarity: 2 }, "minSimilarity"],
    ["an unknown weight", { weights: { smell: 1 } }, "weights"],
    ["a negative weight", { weights: { text: -1 } }, "weights.text"],
    ["an inherited weight", { weights: { toString: 1 } }, "weights"],
    ["a half-life of 0", { recencyHalfLifeDays: 0 }, "recencyHalfLifeDays"],
    ["a filter on objects", { filter: { a: { $gt: 1 } } }, "filter.a"],
    ["a wrong date", { since: "soon" }, "since"],
    ["a vector of NaN", { embedding: [Number.NaN] }, "embedding"],
    ["roles that are no list", { roles: "user" }, "roles"],
    ["kinds that are no list", { kinds: "message" }, "kinds"],
  ];
  test.each(bad)("%s is refused with the name of the field", async (_, options, field) => {
    await expect(someone().recall("x", options as RecallOptions)).rejects.toMatchObject({ code: "invalid_argument", field });
  });
});

const dimensions = 24;
const random = seededRandom(7);
const randomVector = () => Float32Array.from({ length: dimensions }, () => random() * 2 - 1);

describeEngines("the exact vector leg", (engine) => {
  const memory = engine.memory({ embedding: broughtVectors("test/random", dimensions) });
  const total = 3_000;
  const rows: { id: string; userId: string; vector: Float32Array }[] = [];

  async function load() {
    if (rows.length > 0) return;
    for (const [userId, count] of Object.entries({
      tenth: total / 10,
      hundredth: total / 100,
      thousandth: total / 1000,
      rest: total - 333,
    })) {
      for (let index = 0; index < count; index++) rows.push({ id: `${userId}-${index}`, userId, vector: randomVector() });
    }
    const everyone = Map.groupBy(rows, (row) => row.userId);
    for (const [userId, own] of everyone) {
      await memory.scope({ userId }).addMessages(
        userId,
        own.map(({ id, vector }, index) => ({ id, content: "x", embedding: vector, metadata: { odd: index % 2 } })),
      );
    }
  }

  test.each([
    ["100 %", undefined, 10],
    ["100 %, 100 hits", undefined, 100],
    ["10 %", "tenth", 10],
    ["1 %", "hundredth", 10],
    ["0.1 %", "thousandth", 10],
  ])("equals brute force at %s", async (_, userId, limit) => {
    await load();
    for (let query = 0; query < 5; query++) {
      const vector = randomVector();
      const options = { legs: ["vector"], embedding: vector, limit, ...(userId === undefined ? { allUsers: true } : { userId }) } as const;
      const own = rows.filter((row) => userId === undefined || row.userId === userId);
      const hits = await memory.recall("", options);
      expect(hits.map((hit) => hit.id)).toEqual(nearest(own, vector, limit));
      const odd = await memory.recall("", { ...options, filter: { odd: 1 } });
      expect(odd.map((hit) => hit.id)).toEqual(
        nearest(
          own.filter((row) => Number(row.id.split("-")[1]) % 2 === 1),
          vector,
          limit,
        ),
      );
    }
  });
});

describe("embedding spaces never mix", () => {
  describeEngines("a vector", (engine) => {
    const both = (first: string, second: string) => new RegExp(`${first}[^]*${second}|${second}[^]*${first}`);
    const fits = Array.from({ length: 24 }, () => 1);

    test("of the wrong length is refused with both lengths, and nothing is stored", async () => {
      const memory = engine.memory({ embedding: broughtVectors("test/one", 24), tablePrefix: "length" });
      const mine = memory.scope({ userId: "u" });
      const mismatch = {
        code: "dimension_mismatch",
        expected: 24,
        actual: 3,
        model: "test/one",
        message: expect.stringMatching(both("24", "3")),
      };
      await expect(mine.addMessages("c", ["good", { content: "x", embedding: [1, 2, 3] }])).rejects.toMatchObject(mismatch);
      await expect(mine.recall("x", { embedding: [1, 2, 3] })).rejects.toMatchObject(mismatch);
      expect((await memory.stats()).messages).toBe(0);
      await expect(mine.addMessages("c", { content: "x", embedding: new Float32Array(24) })).rejects.toMatchObject({
        code: "invalid_argument",
      });
    });

    test("of another model or length is refused on opening, with both names; words still open it", async () => {
      const tablePrefix = "model";
      await engine
        .memory({ embedding: broughtVectors("test/one", 24), tablePrefix })
        .scope({ userId: "u" })
        .addMessages("c", { content: "hello", embedding: fits });
      const other = engine.memory({ embedding: broughtVectors("test/two", 24), tablePrefix });
      await expect(other.ready()).rejects.toMatchObject({
        code: "dimension_mismatch",
        message: expect.stringMatching(both("test/one", "test/two")),
      });
      await expect(other.scope({ userId: "u" }).recall("hello")).rejects.toMatchObject({ code: "dimension_mismatch" });
      const longer = engine.memory({ embedding: broughtVectors("test/one", 25), tablePrefix });
      await expect(longer.ready()).rejects.toMatchObject({ code: "dimension_mismatch", expected: 24, actual: 25 });
      const words = engine.memory({ embedding: false, tablePrefix });
      expect(await words.scope({ userId: "u" }).recall("hello")).toHaveLength(1);
    });

    test("of another model may follow while there is none yet", async () => {
      const tablePrefix = "change";
      await engine.memory({ embedding: broughtVectors("test/one", 24), tablePrefix }).ready();
      const other = engine.memory({ embedding: broughtVectors("test/two", 30), tablePrefix });
      const mine = other.scope({ userId: "u" });
      await mine.addMessages("c", { content: "x", embedding: Array.from({ length: 30 }, () => 1) });
      expect(await mine.recall("", { embedding: Array.from({ length: 30 }, () => 1), legs: ["vector"] })).toHaveLength(1);
    });
  });
});
