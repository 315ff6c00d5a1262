import { expect, test } from "vitest";
import type { Fact, FactInput, ForgettingRule, PlannedItem, ScopedMemory } from "../../src/index.ts";
import { newId } from "../support/engines.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
const idsOf = (items: readonly PlannedItem[]) => items.flatMap((item) => (item.kind === "fact" ? [item.factId] : []));
const from = (conversationId: string, ...ids: string[]) => ids.map((messageId) => ({ conversationId, messageId }));

describeRecordPlaces("forgetting facts", (place) => {
  const memory = place.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });
  const superseded: ForgettingRule = { kind: "fact", supersededForDays: 30 };
  const doubtful: ForgettingRule = { kind: "fact", maxConfidence: 0.4 };
  const objects = (facts: readonly Fact[]) => facts.map(({ object, statement }) => object ?? statement).sort();
  const forget = async (mine: ScopedMemory, rule: ForgettingRule) => mine.forgetting.apply(await mine.forgetting.plan({ rules: [rule] }));
  /** A fact that was learnt when it became true. */
  const learn = (mine: ScopedMemory, days: number, input: FactInput) =>
    mine.facts.put({ validFrom: daysAgo(days), recordedAt: daysAgo(days), ...input });

  /** All that is known, without what changes when it is written again. */
  const known = async (mine: ScopedMemory) => {
    const { items } = await mine.facts.list({ retracted: true });
    return items.map(({ version: _version, ...fact }) => fact);
  };

  test("superseded facts are forgotten and come back with both their times, their sources and their ids", async () => {
    const mine = someone();
    const home = (days: number, object: string) =>
      learn(mine, days, { predicate: "lives_in", object, confidence: 0.8, sources: from("c", object) });
    const oslo = await home(400, "Oslo");
    const berlin = await home(200, "Berlin");
    await home(5, "Rome");
    const before = await known(mine);
    const plan = await mine.forgetting.plan({ rules: [superseded] });
    expect(plan).toMatchObject({ looked: 3, items: [{ kind: "fact", factId: oslo.id, text: "user lives in Oslo", rule: 0 }] });
    expect(await known(mine)).toEqual(before);

    expect(await mine.forgetting.apply(JSON.parse(JSON.stringify(plan)))).toEqual({ forgotten: 1, passedOver: 0 });
    expect(objects(await mine.facts.history("user"))).toEqual(["Berlin", "Rome"]);
    expect(await mine.facts.asOf(daysAgo(300))).toEqual([]);
    expect(await mine.facts.search("Oslo", { past: true })).toEqual([]);
    await expect(mine.facts.get(oslo.id)).rejects.toMatchObject({ code: "not_found" });
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 0, passedOver: 1 });
    expect(await mine.forgetting.list()).toEqual([
      {
        ...{ kind: "fact", planId: plan.id, userId: "u", factId: oslo.id, text: "user lives in Oslo" },
        ...{ reason: "rule", sources: from("c", "Oslo"), forgottenAt: expect.any(Date) },
      },
    ]);

    expect(await mine.forgetting.restore()).toBe(1);
    expect(await known(mine)).toEqual(before);
    expect(objects(await mine.facts.asOf(daysAgo(300)))).toEqual(["Oslo"]);
    expect(objects(await mine.facts.knownAt(daysAgo(300)))).toEqual(["Oslo"]);
    expect((await mine.facts.search("Oslo", { past: true })).map(({ fact }) => fact.id)).toEqual([oslo.id]);
    expect((await mine.facts.get(oslo.id)).version).toBeGreaterThan(oslo.version);
    expect(await mine.facts.get(berlin.id)).toMatchObject({ supersededAt: expect.any(Date) });
    expect(await mine.forgetting.list()).toEqual([]);
  });

  test("what a doubtful fact had superseded holds again, until it is restored; a retracted one comes back retracted", async () => {
    const mine = someone();
    await learn(mine, 40, { predicate: "lives_in", object: "Oslo" });
    await learn(mine, 20, { predicate: "lives_in", object: "Berlin", confidence: 0.3 });
    const tea = await learn(mine, 10, { predicate: "likes", object: "tea", confidence: 0.3 });
    await mine.facts.retract(tea.id, "a joke");
    const before = await known(mine);
    expect(await forget(mine, doubtful)).toEqual({ forgotten: 2, passedOver: 0 });
    expect(objects(await mine.facts.current())).toEqual(["Oslo"]);
    // What is learnt meanwhile takes its place.
    await learn(mine, 1, { predicate: "lives_in", object: "Rome" });
    expect(await mine.forgetting.restore()).toBe(2);
    expect(objects(await mine.facts.current())).toEqual(["Rome"]);
    expect(objects(await mine.facts.asOf(daysAgo(15)))).toEqual(["Berlin"]);
    const [rome] = await mine.facts.current();
    await mine.facts.delete(rome?.id as string);
    expect(await known(mine)).toEqual(before);
  });

  test("by its age alone no fact is forgotten that ended one which stays", async () => {
    const mine = someone();
    // Learnt late, that it was so once: what ended it is older.
    await learn(mine, 300, { predicate: "lives_in", object: "Berlin" });
    const oslo = await mine.facts.put({ predicate: "lives_in", object: "Oslo", validFrom: daysAgo(500), recordedAt: daysAgo(5) });
    expect((await mine.facts.get(oslo.id)).supersededBy).toBeDefined();
    const old: ForgettingRule = { kind: "fact", olderThanDays: 100 };
    expect((await mine.forgetting.plan({ rules: [old] })).items).toEqual([]);
    expect((await mine.forgetting.plan({ rules: [{ ...old, olderThanDays: 1 }] })).items).toHaveLength(2);
  });

  test("rules: subject, predicates, age and confidence must all hold", async () => {
    const mine = someone();
    const tea = await learn(mine, 20, { predicate: "likes", object: "tea", confidence: 0.3 });
    const cat = await learn(mine, 20, { subject: "The Cat", predicate: "likes", object: "milk", confidence: 0.3 });
    const free = await learn(mine, 20, { statement: "Is left-handed", confidence: 0.3 });
    const sure = await learn(mine, 20, { predicate: "plays", object: "chess", confidence: 0.9 });
    const named = async (rule: object) => idsOf((await mine.forgetting.plan({ rules: [{ kind: "fact", ...rule }] })).items).sort();
    expect(await named({ maxConfidence: 0.4 })).toEqual([tea.id, cat.id, free.id].sort());
    expect(await named({ maxConfidence: 0.4, predicates: ["Likes"] })).toEqual([tea.id, cat.id].sort());
    expect(await named({ maxConfidence: 0.4, subject: "the cat" })).toEqual([cat.id]);
    expect(await named({ olderThanDays: 10, predicates: ["plays"] })).toEqual([sure.id]);
    expect(await named({ olderThanDays: 30 })).toEqual([]);
    expect(await named({ supersededForDays: 0 })).toEqual([]);
  });

  test("what was changed since is passed over", async () => {
    const mine = someone();
    const tea = { predicate: "likes", object: "tea", confidence: 0.3 };
    const { id } = await learn(mine, 20, tea);
    const plan = await mine.forgetting.plan({ rules: [doubtful] });
    await mine.facts.put({ ...tea, confidence: 0.9 });
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 0, passedOver: 1 });
    expect(await mine.facts.get(id)).toMatchObject({ confidence: 0.9 });
  });

  test("what is learnt at the same time is learnt before or after: nothing is lost, and nothing twice", async () => {
    const mine = someone();
    const values = Array.from({ length: 12 }, (_, index) => `tea ${index}`);
    const like = (object: string, confidence: number) => mine.facts.put({ predicate: "likes", object, confidence });
    for (const value of values) await like(value, 0.3);
    const plan = await mine.forgetting.plan({ rules: [doubtful] });
    const [{ forgotten, passedOver }] = await Promise.all([mine.forgetting.apply(plan), ...values.map((value) => like(value, 0.9))]);
    expect(forgotten + passedOver).toBe(12);
    expect(await mine.forgetting.list()).toHaveLength(forgotten);
    const sure = (await mine.facts.current()).filter(({ confidence }) => confidence === 0.9);
    expect(objects(sure)).toEqual(values.toSorted());
    expect((await mine.facts.list()).items).toHaveLength(12);
  });

  test("what was concluded from a forgotten fact keeps its ground until that is purged or deleted", async () => {
    const mine = someone();
    const conclude = async (object: string) => {
      const ground = await learn(mine, 20, { predicate: "likes", object, confidence: 0.3 });
      return { ground, drawn: await mine.facts.put({ statement: `has ${object} at home`, derivedFrom: [ground.id] }) };
    };
    const [tea, milk, salt] = [await conclude("tea"), await conclude("milk"), await conclude("salt")];
    const beyond = await mine.facts.put({ statement: "owns a kettle", derivedFrom: [tea.drawn.id], confidence: 0.9 });
    const stale = async () => (await mine.facts.list({ direction: "asc" })).items.filter(({ isStale }) => isStale).map(({ id }) => id);
    expect(await forget(mine, doubtful)).toEqual({ forgotten: 3, passedOver: 0 });
    expect(await stale()).toEqual([]);
    expect(await mine.facts.delete(milk.ground.id)).toBe(1);
    expect(await stale()).toEqual([milk.drawn.id]);
    expect(await mine.forgetting.restore()).toBe(2);
    expect(await stale()).toEqual([milk.drawn.id]);
    await forget(mine, doubtful);
    expect(await mine.forgetting.purge()).toBe(2);
    expect((await stale()).sort()).toEqual([tea.drawn.id, milk.drawn.id, salt.drawn.id, beyond.id].sort());
    expect(await mine.forgetting.restore()).toBe(0);
  });

  test("a conclusion that is forgotten hears that its ground is gone", async () => {
    const mine = someone();
    const ground = await mine.facts.put({ predicate: "likes", object: "tea" });
    const drawn = await mine.facts.put({ statement: "has a kettle", derivedFrom: [ground.id], confidence: 0.3 });
    const beyond = await mine.facts.put({ statement: "descales it", derivedFrom: [drawn.id] });
    await forget(mine, doubtful);
    await mine.facts.delete(ground.id);
    expect(await mine.facts.get(beyond.id)).toMatchObject({ isStale: true });
    await mine.forgetting.restore();
    expect(await mine.facts.get(drawn.id)).toMatchObject({ isStale: true });
  });

  test("deleted messages, conversations and users take along what was forgotten of them", async () => {
    const mine = someone();
    for (const id of ["one", "two"])
      await mine.addMessages(
        id,
        ["m1", "m2"].map((message) => ({ id: message, content: "hello" })),
      );
    const doubt = (object: string, ...sources: ReturnType<typeof from>[]) =>
      learn(mine, 20, { predicate: "likes", object, confidence: 0.3, sources: sources.flat() });
    await doubt("tea", from("one", "m1"));
    await doubt("milk", from("one", "m1", "m2"), from("two", "m1"));
    await doubt("salt", from("two", "m2"));
    await doubt("water");
    expect(await forget(mine, doubtful)).toEqual({ forgotten: 4, passedOver: 0 });
    const left = async () => {
      const items = (await mine.forgetting.list()).flatMap((item) => (item.kind === "fact" ? [item] : []));
      return Object.fromEntries(items.map(({ text, sources }) => [text.split(" ").at(-1), sources.length]));
    };
    expect(await left()).toEqual({ tea: 1, milk: 3, salt: 1, water: 0 });
    await mine.messages.delete("one", "m1");
    expect(await left()).toEqual({ milk: 2, salt: 1, water: 0 });
    await mine.conversations.delete("two");
    expect(await left()).toEqual({ milk: 1, water: 0 });
    expect(await mine.forgetting.restore()).toBe(2);
    expect((await mine.facts.current("user", "likes")).flatMap(({ sources }) => sources)).toEqual(from("one", "m2"));
    await forget(mine, doubtful);
    await mine.messages.clear("one");
    expect(await left()).toEqual({ water: 0 });
    await mine.erase();
    expect(await mine.forgetting.list()).toEqual([]);
  });

  test("of facts that say the same the newest stays, and is known from the messages of both", async () => {
    const mine = someone();
    await mine.addMessages(
      "c",
      ["m1", "m2"].map((id) => ({ id, content: "hello" })),
    );
    const say = (days: number, statement: string, more: FactInput = {}) => learn(mine, days, { statement, ...more });
    const older = await say(30, "Deploys the parser on Fridays after lunch", { sources: from("c", "m1") });
    const newer = await say(20, "Deploys the parser on Fridays, after lunch", { sources: from("c", "m2") });
    await say(20, "Deploys the parser on Mondays after lunch");
    await say(20, "Deploys the parser on Fridays after lunch", { subject: "Ann" });
    const free = await say(5, "User plays chess");
    const plays = await learn(mine, 20, { predicate: "plays", object: "chess" });
    await learn(mine, 25, { predicate: "teaches", object: "chess", statement: "User plays chess!" });
    const plan = await mine.forgetting.plan({ duplicates: { kinds: ["fact"] } });
    expect(plan.items).toMatchObject([
      { factId: free.id, reason: "duplicate", duplicateOf: { factId: plays.id } },
      { factId: older.id, reason: "duplicate", duplicateOf: { factId: newer.id } },
    ]);
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 2, passedOver: 0 });
    await mine.messages.delete("c", "m2");
    expect((await mine.facts.get(newer.id)).sources).toEqual(from("c", "m1"));
    expect(await mine.forgetting.restore()).toBe(2);
    expect((await mine.facts.get(older.id)).sources).toEqual(from("c", "m1"));
  });

  test("a fact that stays is given sources also where its own past is forgotten", async () => {
    const mine = someone();
    await learn(mine, 400, { predicate: "lives_in", object: "Oslo", sources: from("c", "m1") });
    const berlin = await learn(mine, 100, { predicate: "lives_in", object: "Berlin", sources: from("c", "m2") });
    await learn(mine, 50, { statement: "User lives in Berlin", sources: from("c", "m3") });
    const before = await known(mine);
    const plan = await mine.forgetting.plan({ rules: [superseded], duplicates: { kinds: ["fact"] } });
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 2, passedOver: 0 });
    expect((await mine.facts.list()).items).toMatchObject([{ id: berlin.id, sources: from("c", "m2", "m3") }]);
    expect(await mine.forgetting.restore()).toBe(2);
    expect(await known(mine)).toEqual(before.map((fact) => (fact.id === berlin.id ? { ...fact, sources: from("c", "m2", "m3") } : fact)));
  });

  test("everybody's facts at once, each user's own; a resource forgets its own alone", async () => {
    const tenant = newId("tenant");
    const fact = { predicate: "likes", object: "tea", confidence: 0.3 };
    const handles = [{ userId: "ann" }, { userId: "ann", resourceId: "work" }, { userId: "bob" }].map((one) =>
      memory.scope({ tenant, ...one }),
    );
    for (const one of handles) await one.facts.put(fact);
    const [ann, work, bob] = handles as [ScopedMemory, ScopedMemory, ScopedMemory];
    const plan = await ann.forgetting.plan({ rules: [doubtful] });
    expect(plan.items).toHaveLength(2);
    expect(await work.forgetting.apply(plan)).toEqual({ forgotten: 1, passedOver: 1 });
    const all = memory.scope({ tenant });
    expect(await all.forgetting.run({ rules: [doubtful], allUsers: true })).toMatchObject({ forgotten: 2 });
    expect(await work.facts.delete((await bob.forgetting.list()).map((item) => (item as { factId: string }).factId))).toBe(0);
    expect(await all.forgetting.restore({ allUsers: true })).toBe(3);
    expect((await bob.facts.current()).map(({ object }) => object)).toEqual(["tea"]);
  });
});
