import { expect, test } from "vitest";
import type { Embedder } from "../../src/domain/embedder.ts";
import type { Fact, FactInput } from "../../src/domain/facts.ts";
import { newId } from "../support/engines.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

const day = (text: string) => new Date(`${text}T00:00:00Z`);
const values = (facts: readonly Fact[]) => facts.map(({ object, statement }) => object ?? statement);

describeRecordPlaces("facts", (place) => {
  const memory = place.memory({ worker: "manual", facts: { single: ["favourite editor"] } });
  const someone = () => memory.scope({ userId: newId("user") });

  /** Told on that day, and true since then unless said otherwise. */
  const told = (on: string, fact: FactInput): FactInput => ({ recordedAt: day(on), validFrom: day(on), ...fact });

  test("a new value of a predicate with one value at a time supersedes the old one and keeps it", async () => {
    const { facts } = someone();
    const oslo = await facts.put(told("2024-01-05", { predicate: "lives in", object: "Oslo" }));
    const berlin = await facts.put(told("2025-03-01", { predicate: "lives_in", object: "Berlin" }));
    expect(oslo).toMatchObject({ subject: "user", predicate: "lives_in", statement: "user lives in Oslo", confidence: 1, version: 1 });
    expect(values(await facts.current("user", "lives_in"))).toEqual(["Berlin"]);
    expect(await facts.history("user", "lives_in")).toMatchObject([
      { id: oslo.id, object: "Oslo", validTo: day("2025-03-01"), supersededAt: day("2025-03-01"), supersededBy: berlin.id },
      { id: berlin.id, object: "Berlin", validTo: undefined, supersededAt: undefined },
    ]);
  });

  test("other predicates hold any number of values", async () => {
    const { facts } = someone();
    for (const object of ["tea", "hiking", "tea"]) await facts.put({ predicate: "likes", object });
    expect(values(await facts.current("user", "likes")).sort()).toEqual(["hiking", "tea"]);
    await facts.put({ predicate: "favourite editor", object: "vim" });
    await facts.put({ predicate: "favourite-editor", object: "helix" });
    expect(values(await facts.current("USER", "favourite editor"))).toEqual(["helix"]);
    await facts.put({ predicate: "mood", object: "tired", single: true });
    await facts.put({ predicate: "mood", object: "happy", single: true });
    expect(values(await facts.current("user", "mood"))).toEqual(["happy"]);
  });

  test("what is said again has one more source, and the higher confidence", async () => {
    const { facts } = someone();
    const source = (messageId: string) => [{ conversationId: "c", messageId }];
    const first = await facts.put({ predicate: "name", object: "Priya", confidence: 0.6, sources: source("m1") });
    const again = await facts.put({ predicate: "name", object: "priya.", confidence: 0.9, sources: source("m2") });
    expect(again).toMatchObject({ id: first.id, object: "Priya", confidence: 0.9, sources: [...source("m1"), ...source("m2")] });
    expect((await facts.put({ predicate: "name", object: "Priya", confidence: 0.5, sources: source("m2") })).version).toBe(again.version);
  });

  test("answers what was true, what was known, and both", async () => {
    const { facts } = someone();
    await facts.put(told("2024-01-05", { predicate: "lives_in", object: "Oslo" }));
    // Told in July, true since March.
    await facts.put(told("2025-07-10", { predicate: "lives_in", object: "Berlin", validFrom: day("2025-03-01") }));
    expect(values(await facts.asOf(day("2024-06-01")))).toEqual(["Oslo"]);
    expect(values(await facts.asOf(day("2025-04-01")))).toEqual(["Berlin"]);
    expect(values(await facts.asOf(day("2023-06-01")))).toEqual([]);
    expect(values(await facts.knownAt(day("2025-04-01")))).toEqual(["Oslo"]);
    expect(values(await facts.knownAt(day("2025-08-01")))).toEqual(["Berlin"]);
    expect(values(await facts.knownAt(day("2023-08-01")))).toEqual([]);
    expect(values(await facts.asOf(day("2025-04-01"), { knownAt: day("2025-06-01") }))).toEqual(["Oslo"]);
    expect(values(await facts.knownAt(day("2025-08-01"), { asOf: day("2025-02-01") }))).toEqual(["Oslo"]);
  });

  test("a fact about an earlier time, told later, takes its place in the past", async () => {
    const { facts } = someone();
    await facts.put(told("2025-03-01", { predicate: "works_at", object: "Globex" }));
    const acme = await facts.put(told("2025-06-01", { predicate: "works_at", object: "Acme", validFrom: day("2020-01-01") }));
    expect(acme).toMatchObject({ validTo: day("2025-03-01"), supersededAt: day("2025-06-01") });
    const abroad = { predicate: "works_at", object: "Initech", validFrom: day("2022-01-01"), validTo: day("2022-06-01") };
    await facts.put(told("2025-07-01", abroad));
    expect(values(await facts.current())).toEqual(["Globex"]);
    expect(values(await facts.asOf(day("2021-01-01")))).toEqual(["Acme"]);
    expect(values(await facts.asOf(day("2022-03-01")))).toEqual(["Initech"]);
    expect(values(await facts.asOf(day("2023-01-01")))).toEqual(["Acme"]);
    expect(values(await facts.history("user", "works_at"))).toEqual(["Acme", "Initech", "Globex"]);
  });

  test("the same value known to be older has the longer fact", async () => {
    const { facts } = someone();
    await facts.put(told("2024-01-01", { predicate: "lives_in", object: "Oslo" }));
    await facts.put(told("2024-02-01", { predicate: "lives_in", object: "Oslo", validFrom: day("2015-01-01") }));
    expect(await facts.current("user", "lives_in")).toMatchObject([{ object: "Oslo", validFrom: day("2015-01-01") }]);
    expect(values(await facts.asOf(day("2024-01-15")))).toEqual(["Oslo"]);
  });

  test("a correction leaves nothing of what was wrong but the knowledge of it", async () => {
    const { facts } = someone();
    await facts.put(told("2025-01-01", { predicate: "birthday", object: "3 May", validFrom: null }));
    await facts.put(told("2025-01-02", { predicate: "birthday", object: "4 May", validFrom: null }));
    expect(values(await facts.asOf(day("2000-01-01")))).toEqual(["4 May"]);
    expect(values(await facts.asOf(day("2000-01-01"), { knownAt: day("2025-01-01") }))).toEqual(["3 May"]);
  });

  test("an end leaves no value, and ends only what it names", async () => {
    const { facts } = someone();
    await facts.put(told("2024-01-01", { predicate: "works_at", object: "Acme" }));
    await facts.put(told("2024-05-01", { predicate: "works_at", object: "Globex", isEnd: true }));
    expect(values(await facts.current())).toEqual(["Acme"]);
    await facts.put(told("2024-06-01", { predicate: "works_at", object: "Acme", isEnd: true }));
    await facts.put(told("2024-01-01", { predicate: "likes", object: "tea" }));
    await facts.put(told("2024-03-01", { predicate: "likes", object: "tea", isEnd: true }));
    expect(await facts.current()).toEqual([]);
    expect(values(await facts.asOf(day("2024-02-01"))).sort()).toEqual(["Acme", "tea"]);
    await facts.put(told("2025-01-01", { predicate: "likes", object: "tea" }));
    expect(values(await facts.current())).toEqual(["tea"]);
    expect((await facts.history("user", "likes")).map(({ isEnd }) => isEnd)).toEqual([false, true, false]);
  });

  test("what will be true is not true yet", async () => {
    const { facts } = someone();
    await facts.put({ predicate: "lives_in", object: "Oslo" });
    const future = new Date(Date.now() + 86_400_000);
    await facts.put({ predicate: "lives_in", object: "Berlin", validFrom: future });
    expect(values(await facts.current())).toEqual(["Oslo"]);
    expect(values(await facts.asOf(future))).toEqual(["Berlin"]);
  });

  test("of words that follow at once the last counts at once", async () => {
    const { facts } = someone();
    for (let index = 0; index < 20; index++) {
      await facts.put({ predicate: "lives_in", object: `city ${index}` });
      expect(values(await facts.current())).toEqual([`city ${index}`]);
    }
  });

  test("64 writers at once leave one last word and a whole history", { timeout: 60_000 }, async () => {
    const userId = newId("user");
    const others = place.memory({ worker: "manual" });
    const put = (index: number) =>
      (index % 2 === 0 ? memory : others).scope({ userId }).facts.put({ predicate: "lives_in", object: `city ${index}` });
    await Promise.all(Array.from({ length: 64 }, (_, index) => put(index)));
    const { facts } = memory.scope({ userId });
    const history = await facts.history("user", "lives_in");
    expect(history).toHaveLength(64);
    expect(history.filter(({ validTo }) => validTo === undefined)).toHaveLength(1);
    expect(await facts.current("user", "lives_in")).toEqual([history.at(-1)]);
    for (const [index, fact] of history.slice(0, -1).entries()) {
      expect(fact.validTo).toEqual(history[index + 1]?.validFrom);
      expect(fact.supersededBy).toBe(history[index + 1]?.id);
    }
  });

  test("a retracted fact gives way to what it had superseded, and is still known to have been believed", async () => {
    const { facts } = someone();
    await facts.put(told("2024-01-01", { predicate: "lives_in", object: "Oslo" }));
    const wrong = await facts.put(told("2024-06-01", { predicate: "lives_in", object: "Berlin" }));
    const retracted = await facts.retract(wrong.id, "a joke");
    expect(retracted.retraction).toMatchObject({ reason: "a joke" });
    expect(await facts.current()).toMatchObject([{ object: "Oslo", validTo: undefined, supersededAt: undefined }]);
    expect(values(await facts.knownAt(day("2024-07-01")))).toEqual(["Berlin"]);
    expect(values(await facts.knownAt(new Date(Date.now() + 1_000)))).toEqual(["Oslo"]);
    await facts.put(told("2025-06-01", { predicate: "lives_in", object: "Rome" }));
    expect(values((await facts.list()).items)).toEqual(["Rome", "Oslo"]);
    expect(values((await facts.list({ retracted: true })).items)).toEqual(["Rome", "Berlin", "Oslo"]);
  });

  test("what is derived from a fact that no longer holds is stale, and what is derived from that", async () => {
    const { facts } = someone();
    const home = await facts.put({ predicate: "lives_in", object: "Oslo" });
    const zone = await facts.put({ predicate: "timezone", object: "Europe/Oslo", derivedFrom: [home.id] });
    const hours = await facts.put({ statement: "Call the user after 8 in the morning in Oslo", derivedFrom: [zone.id] });
    const other = await facts.put({ predicate: "likes", object: "tea" });
    const stale = async () => (await facts.list()).items.filter(({ isStale }) => isStale).map(({ id }) => id);
    expect(await stale()).toEqual([]);
    await facts.put({ predicate: "lives_in", object: "Berlin" });
    expect((await stale()).sort()).toEqual([zone.id, hours.id].sort());
    // Of what is stale comes only what is stale; what somebody says is not.
    const late = await facts.put({ statement: "No calls", derivedFrom: [hours.id, other.id] });
    expect(late.isStale).toBe(true);
    expect((await facts.put({ predicate: "timezone", object: "Europe/Oslo" })).isStale).toBe(false);
    await expect(facts.put({ statement: "x", derivedFrom: ["nobody"] })).rejects.toMatchObject({ code: "not_found", kind: "fact" });
    const tea = await facts.put({ statement: "Offer tea", derivedFrom: [other.id] });
    await facts.delete(other.id);
    expect(await facts.get(tea.id)).toMatchObject({ isStale: true });
  });

  test("a fact that is derived while its ground goes is stale all the same", async () => {
    const { facts } = someone();
    for (let round = 0; round < 8; round++) {
      const ground = await facts.put({ predicate: "lives_in", object: `Here ${round}` });
      const [derived] = await Promise.all([
        facts.put({ statement: `Follows ${round}`, derivedFrom: [ground.id] }),
        facts.put({ predicate: "lives_in", object: `There ${round}` }),
      ]);
      expect(await facts.get(derived.id)).toMatchObject({ isStale: true });
    }
  });

  test("a fact with new grounds does not fall with its old ones", async () => {
    const { facts } = someone();
    const [old, ground] = [await facts.put({ statement: "A" }), await facts.put({ statement: "B" })];
    const derived = await facts.put({ statement: "C", derivedFrom: [old.id] });
    await facts.put({ statement: "C", derivedFrom: [ground.id] });
    await facts.retract(old.id, "wrong");
    expect(await facts.get(derived.id)).toMatchObject({ derivedFrom: [ground.id], isStale: false });
    await facts.retract(ground.id, "wrong, too");
    expect(await facts.get(derived.id)).toMatchObject({ isStale: true });
  });

  test("deleted is gone, and what it had superseded holds again", async () => {
    const userId = newId("user");
    const { facts } = memory.scope({ userId });
    await facts.put(told("2024-01-01", { predicate: "lives_in", object: "Oslo" }));
    const berlin = await facts.put(told("2024-06-01", { predicate: "lives_in", object: "Berlin" }));
    const alike = await facts.put({ predicate: "likes", object: "Berlin", sources: [{ conversationId: "c", messageId: "m" }] });
    expect(await facts.delete([berlin.id, alike.id, "nobody"])).toBe(2);
    expect(values(await facts.current())).toEqual(["Oslo"]);
    expect(await memory.scope({ userId }).facts.search("Berlin", { past: true })).toEqual([]);
    expect(values((await facts.list({ retracted: true })).items)).toEqual(["Oslo"]);
  });

  test("finds facts by their words", async () => {
    const { facts } = someone();
    await facts.put({ predicate: "lives_in", object: "Oslo" });
    await facts.put({ predicate: "lives_in", object: "Berlin" });
    await facts.put({ statement: "The user prefers short answers without bullet points" });
    expect((await facts.search("how long should answers be?")).map(({ fact }) => fact.statement)).toEqual([
      "The user prefers short answers without bullet points",
    ]);
    expect((await facts.search("oslo")).length).toBe(0);
    expect((await facts.search("oslo", { past: true })).map(({ fact }) => fact.object)).toEqual(["Oslo"]);
    expect(await facts.search("")).toEqual([]);
  });

  test("finds facts by their meaning, when they were embedded", async () => {
    const meanings = [
      ["home", "lives"],
      ["food", "eats"],
    ];
    const embedder: Embedder = {
      model: "meanings",
      dimensions: 2,
      maxBatchSize: 10,
      embed: async (texts) =>
        texts.map((text) => Float32Array.from(meanings, (words) => (words.some((word) => text.includes(word)) ? 1 : 0))),
    };
    const meaning = place.memory({ embedding: embedder });
    const { facts } = meaning.scope({ userId: newId("user") });
    const oslo = await facts.put({ predicate: "lives_in", object: "Oslo" });
    await facts.put({ predicate: "lives_in", object: "Berlin" });
    await facts.put({ statement: "The user eats no meat" });
    const ended = await facts.put({ subject: "user's sister", predicate: "lives_in", object: "Rome" });
    await facts.retract(ended.id, "a joke");
    expect(await facts.search("home")).toEqual([]);
    await meaning.flush();
    const find = async (query: string, options = {}) =>
      (await facts.search(query, { minSimilarity: 0.5, ...options })).map(({ fact }) => fact.statement);
    expect(await find("home")).toEqual(["user lives in Berlin"]);
    expect((await find("home", { past: true })).sort()).toEqual(["user lives in Berlin", "user lives in Oslo"]);
    expect(await find("food")).toEqual(["The user eats no meat"]);
    expect((await facts.search("food", { limit: 1 }))[0]?.scores.vector).toBeCloseTo(1);
    await facts.delete(oslo.id);
    expect(await find("home", { past: true })).toEqual(["user lives in Berlin"]);
    await expect(facts.search("home", { minSimilarity: 2 })).rejects.toMatchObject({ field: "minSimilarity" });
  });

  test("users, resources and tenants keep their facts to themselves", async () => {
    const userId = newId("user");
    const mine = memory.scope({ userId });
    const work = memory.scope({ userId, resourceId: "work" });
    const name = await mine.facts.put({ predicate: "name", object: "Priya" });
    await work.facts.put({ predicate: "name", object: "Dr Rao" });
    expect(values(await work.facts.current())).toEqual(["Dr Rao"]);
    expect(values(await mine.facts.current()).sort()).toEqual(["Dr Rao", "Priya"]);
    for (const other of [someone(), memory.scope({ userId, tenant: "acme" }), work]) {
      await expect(other.facts.get(name.id)).rejects.toMatchObject({ code: "not_found" });
      await expect(other.facts.retract(name.id, "x")).rejects.toMatchObject({ code: "not_found" });
      expect(await other.facts.delete(name.id)).toBe(0);
    }
    await expect(memory.facts.put({ predicate: "name", object: "x" })).rejects.toMatchObject({ field: "userId" });
    expect(await memory.facts.get(name.id, { userId })).toEqual(name);
    expect(values(await memory.facts.current("user", "name", { userId, resourceId: "work" }))).toEqual(["Dr Rao"]);
  });

  test("lists in pages", async () => {
    const { facts } = someone();
    for (let index = 0; index < 5; index++)
      await facts.put(told(`2025-01-0${index + 1}`, { predicate: "likes", object: `thing ${index}` }));
    const first = await facts.list({ limit: 3 });
    const rest = await facts.list({ limit: 3, cursor: first.nextCursor });
    expect(values([...first.items, ...rest.items])).toEqual([4, 3, 2, 1, 0].map((index) => `thing ${index}`));
    expect(rest.nextCursor).toBeUndefined();
    expect(values((await facts.list({ predicate: "likes", direction: "asc", limit: 1, current: true })).items)).toEqual(["thing 0"]);
  });

  test.each([
    [{}, "statement"],
    [{ predicate: "likes" }, "object"],
    [{ object: "tea" }, "predicate"],
    [{ predicate: "likes", isEnd: true }, "object"],
    [{ predicate: "likes", object: "tea", confidence: 2 }, "confidence"],
    [{ predicate: "likes", object: "tea", validFrom: "yesterday" }, "validFrom"],
    [{ predicate: "likes", object: "tea", validFrom: 5, validTo: 5 }, "validTo"],
    [{ predicate: "likes", object: "tea", sources: [{ conversationId: "c", messageId: "" }] }, "sources[0].messageId"],
  ] as const)("refuses %j", async (input, field) => {
    await expect(someone().facts.put(input)).rejects.toMatchObject({ code: "invalid_argument", field });
  });
});
