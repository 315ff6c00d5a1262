import { expect, test } from "vitest";
import { createMemory, type MemoryOptions, type PlannedItem, type ScopedMemory } from "../../src/index.ts";
import { newId } from "../support/engines.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
const old = [{ kind: "record", types: ["note"], olderThanDays: 30 }] as const;
const idsOf = (items: readonly PlannedItem[]) => items.flatMap((item) => (item.kind === "record" ? [item.recordId] : []));

describeRecordPlaces("forgetting records", (place) => {
  const memory = place.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });
  const listed = async (mine: ScopedMemory) => (await mine.records.list({ direction: "asc" })).items.map(({ id }) => id);

  test("a plan changes nothing; applied, the record is not there for anybody; restored, it is what it was", async () => {
    const mine = someone();
    const put = { name: "Shed", content: "The juniper is behind the shed", metadata: { b: [1, null], a: "x" }, conversationId: "c" };
    const own = { embedding: [0.25, 0.5, -1], embeddingModel: "mine" };
    await mine.records.put({ ...put, ...own, id: "a", type: "note", createdAt: daysAgo(40), expiresAt: daysAgo(-9) });
    await mine.records.update("note", "a", { metadata: put.metadata });
    await mine.records.put({ id: "b", type: "note", content: "The juniper was cut down" });
    await mine.records.put({ id: "c", type: "other", content: "The juniper again", createdAt: daysAgo(50) });
    const before = await mine.records.get("note", "a");
    const plan = await mine.forgetting.plan({ rules: old });
    expect(plan).toMatchObject({
      looked: 2,
      items: [{ kind: "record", type: "note", recordId: "a", version: 2, text: put.content, rule: 0 }],
    });
    expect(await mine.records.get("note", "a")).toEqual(before);

    expect(await mine.forgetting.apply(JSON.parse(JSON.stringify(plan)))).toEqual({ forgotten: 1, passedOver: 0 });
    expect(await mine.records.get("note", "a")).toBeUndefined();
    expect(await mine.records.getEmbedding("note", "a")).toBeUndefined();
    expect(await listed(mine)).toEqual(["c", "b"]);
    expect(await mine.records.count()).toBe(2);
    const near = { text: "juniper shed", ...own, limit: 9 };
    expect((await mine.records.query(near)).map(({ record }) => record.id).sort()).toEqual(["b", "c"]);
    await expect(mine.records.update("note", "a", { content: "" })).rejects.toMatchObject({ code: "not_found" });
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 0, passedOver: 1 });
    expect(await mine.forgetting.list()).toEqual([
      {
        ...{ kind: "record", planId: plan.id, userId: "u", type: "note", recordId: "a", name: "Shed", conversationId: "c" },
        ...{ text: put.content, reason: "rule", forgottenAt: expect.any(Date) },
      },
    ]);

    expect(await mine.forgetting.restore({ planId: plan.id })).toBe(1);
    const after = await mine.records.get("note", "a");
    expect(after).toEqual({ ...before, version: 3, updatedAt: expect.any(Date) });
    expect(JSON.stringify(after?.metadata)).toBe(JSON.stringify(put.metadata));
    expect(await mine.records.getEmbedding("note", "a")).toEqual(Float32Array.from(own.embedding));
    expect((await mine.records.query(near))[0]).toMatchObject({ record: { id: "a" }, scores: { vector: 1 } });
    expect(await mine.forgetting.list()).toEqual([]);
  });

  test("what was changed, deleted or stored anew since is passed over, and stays as it is", async () => {
    const mine = someone();
    const put = (id: string, content: string) => mine.records.put({ id, type: "note", content, createdAt: daysAgo(40) });
    for (const id of ["kept", "changed", "deleted"]) await put(id, "before");
    const plan = await mine.forgetting.plan({ rules: old });
    await mine.records.update("note", "changed", { content: "after" });
    await mine.records.delete("note", "deleted");
    expect(await mine.forgetting.apply(plan)).toEqual({ forgotten: 1, passedOver: 2 });
    await put("kept", "anew");
    expect(await mine.forgetting.restore()).toBe(0);
    expect(await mine.records.get("note", "kept")).toMatchObject({ content: "anew" });
    await mine.records.delete("note", "kept");
    expect(await mine.forgetting.restore()).toBe(0);
  });

  test("a change at the same time is before or after: nothing is lost, and nothing twice", async () => {
    const mine = someone();
    const ids = Array.from({ length: 20 }, (_, index) => `r${index}`);
    await mine.records.putMany(ids.map((id) => ({ id, type: "note", content: "before", createdAt: daysAgo(40) })));
    const plan = await mine.forgetting.plan({ rules: old });
    const changes = ids.map((id) =>
      mine.records.update("note", id, { content: "after" }).then(
        () => id,
        () => undefined,
      ),
    );
    const [report] = await Promise.all([mine.forgetting.apply(plan), ...changes]);
    const changed = (await Promise.all(changes)).filter((id) => id !== undefined);
    const forgotten = (await mine.forgetting.list()).map(({ text }) => text);
    expect(forgotten).toEqual(Array(report.forgotten).fill("before"));
    expect((await listed(mine)).sort()).toEqual(changed.sort());
    expect(report.forgotten + changed.length).toBe(20);
  });

  test("deleted is gone, also what was forgotten: by its id, by a condition, with its conversation and its user", async () => {
    const mine = someone();
    await mine.addMessages("c", "hello");
    for (const id of ["purged", "deleted", "cleared", "of c", "erased"]) {
      const conversationId = id === "of c" ? "c" : undefined;
      await mine.records.put({ id, type: "note", content: id, metadata: { id }, conversationId, createdAt: daysAgo(40) });
    }
    await mine.forgetting.apply(await mine.forgetting.plan({ rules: old }));
    expect(await mine.records.list()).toMatchObject({ items: [] });
    const left = async () => (await mine.forgetting.list()).map(({ text }) => text).sort();
    expect(await mine.forgetting.purge({ forgottenForDays: 1 })).toBe(0);
    expect(await mine.forgetting.purge({ kinds: ["message", "fact"] })).toBe(0);
    expect(await mine.records.delete("note", "deleted")).toBe(1);
    expect(await mine.records.clear({ type: "note", filter: { id: "cleared" } })).toBe(1);
    expect(await left()).toEqual(["erased", "of c", "purged"]);
    await mine.conversations.delete("c");
    expect(await left()).toEqual(["erased", "purged"]);
    await mine.erase();
    expect(await left()).toEqual([]);
    expect(await mine.forgetting.restore()).toBe(0);
  });

  test("purged is gone, in its turn of a retention job", async () => {
    const mine = someone();
    await mine.records.put({ id: "a", type: "note", content: "x", createdAt: daysAgo(40) });
    expect(await mine.forgetting.run({ rules: old, purgeAfterDays: 30 })).toEqual({ forgotten: 1, passedOver: 0, purged: 0 });
    expect(await mine.forgetting.run({ rules: old, purgeAfterDays: 0 })).toEqual({ forgotten: 0, passedOver: 0, purged: 1 });
    expect(await mine.forgetting.list()).toEqual([]);
    expect(await mine.forgetting.restore()).toBe(0);
  });

  test("rules: age, the last change, conversation and metadata must all hold; the first that fits is named", async () => {
    const mine = someone();
    await mine.records.put({ id: "old", type: "note", content: "x", createdAt: daysAgo(40), metadata: { level: "log" } });
    await mine.records.put({ id: "of c", type: "note", content: "x", createdAt: daysAgo(40), conversationId: "c" });
    await mine.records.put({ id: "task", type: "task", content: "x", createdAt: daysAgo(5) });
    const named = async (rule: object) =>
      idsOf((await mine.forgetting.plan({ rules: [{ kind: "record", types: ["note", "task"], ...rule }] })).items).sort();
    expect(await named({ olderThanDays: 30 })).toEqual(["of c", "old"]);
    expect(await named({ olderThanDays: 3 })).toEqual(["of c", "old", "task"]);
    expect(await named({ olderThanDays: 3, types: ["task"] })).toEqual(["task"]);
    expect(await named({ olderThanDays: 3, filter: { level: "log" } })).toEqual(["old"]);
    expect(await named({ olderThanDays: 3, conversationId: "c" })).toEqual(["of c"]);
    expect(await named({ unchangedForDays: 1 })).toEqual([]);
    const rules = [{ kind: "record", types: ["task"], olderThanDays: 3 }, ...old] as const;
    expect((await mine.forgetting.plan({ rules })).items.map(({ rule }) => rule)).toEqual([1, 1, 0]);
  });

  test("of what says the same the newest stays, of one type, name, conversation and metadata", async () => {
    const mine = someone();
    const text = "The parser is deployed on Fridays after lunch";
    const put = (id: string, more: object = {}) => mine.records.put({ id, type: "note", content: text, metadata: { a: 1, b: 2 }, ...more });
    await put("oldest");
    for (const id of ["other type", "other name", "other conversation", "other metadata", "lasting"])
      await put(id, {
        ...(id === "other type" && { type: "task" }),
        ...(id === "other name" && { name: "Ann" }),
        ...(id === "other conversation" && { conversationId: "c" }),
        ...(id === "other metadata" && { metadata: { a: 1, b: 3 } }),
        ...(id === "lasting" && { ttlSeconds: 600 }),
      });
    await mine.records.put({ id: "other day", type: "note", content: text.replace("Fridays", "Mondays"), metadata: { a: 1, b: 2 } });
    await put("newest", { content: "The parser is deployed on Fridays, after lunch.", metadata: { b: 2, a: 1 } });
    const duplicates = { kinds: ["record"] } as const;
    const { items } = await mine.forgetting.plan({ duplicates });
    expect(items).toMatchObject([{ recordId: "oldest", reason: "duplicate", duplicateOf: { type: "note", recordId: "newest" } }]);
    const loose = await mine.forgetting.plan({ duplicates: { ...duplicates, types: ["note"], sameMetadata: ["a"] } });
    expect(idsOf(loose.items).sort()).toEqual(["oldest", "other metadata"]);
    expect((await mine.forgetting.plan({ duplicates: true })).items).toEqual([]);
  });

  test("a plan is its user's and its resource's", async () => {
    const tenant = newId("tenant");
    const put = { type: "note", content: "x", createdAt: daysAgo(40) };
    const [ann, bob] = ["ann", "bob"].map((userId) => memory.scope({ tenant, userId })) as [ScopedMemory, ScopedMemory];
    const work = memory.scope({ tenant, userId: "ann", resourceId: "work" });
    await ann.records.put({ ...put, id: "a" });
    await work.records.put({ ...put, id: "w" });
    await bob.records.put({ ...put, id: "b" });
    const plan = await ann.forgetting.plan({ rules: old });
    expect(idsOf((await work.forgetting.plan({ rules: old })).items)).toEqual(["w"]);
    expect(idsOf(plan.items).sort()).toEqual(["a", "w"]);
    await expect(bob.forgetting.apply(plan)).rejects.toMatchObject({ field: "plan" });
    expect(await work.forgetting.apply(plan)).toEqual({ forgotten: 1, passedOver: 1 });
    expect(await ann.forgetting.apply(plan)).toEqual({ forgotten: 1, passedOver: 1 });
    expect(await work.forgetting.restore()).toBe(1);
    expect((await ann.forgetting.list()).map(({ userId }) => userId)).toEqual(["ann"]);
    const all = memory.scope({ tenant });
    expect(await all.forgetting.run({ rules: old, allUsers: true })).toMatchObject({ forgotten: 2 });
    expect(await all.forgetting.restore({ allUsers: true })).toBe(3);
    expect(await listed(bob)).toEqual(["b"]);
  });

  test("records of a type are kept as long as the memory says, unless they say themselves", async () => {
    const keeping = place.memory({ retention: { short_term_memory: { keepDays: 7 } } });
    const mine = keeping.scope({ tenant: newId("tenant"), userId: "u" });
    const days = async (input: object, type = "short_term_memory") => {
      const { expiresAt } = await mine.records.put({ type, content: "x", ...input });
      return expiresAt && Math.round((expiresAt.getTime() - Date.now()) / 86_400_000);
    };
    expect(await days({})).toBe(7);
    expect(await days({ createdAt: daysAgo(30) })).toBe(7);
    expect(await days({ ttlSeconds: 86_400 })).toBe(1);
    expect(await days({ expiresAt: daysAgo(-3) })).toBe(3);
    expect(await days({ expiresAt: null })).toBeUndefined();
    expect(await days({}, "long_term_memory")).toBeUndefined();
  });

  test("what ends by itself ends also while it is forgotten", async () => {
    const mine = someone();
    await mine.records.put({ id: "a", type: "note", content: "x", createdAt: daysAgo(40), expiresAt: Date.now() + 1_500 });
    await mine.forgetting.run({ rules: old });
    expect(await mine.forgetting.list()).toHaveLength(1);
    await expect.poll(() => mine.forgetting.list(), { timeout: 10_000 }).toEqual([]);
    expect(await mine.forgetting.restore()).toBe(0);
  });
});

test.each([
  [{ rules: [{ kind: "record", olderThanDays: 3 }] }, "rules[0].types"],
  [{ rules: [{ kind: "record", types: ["note"] }] }, "rules[0]"],
  [{ rules: [{ kind: "record", types: ["fact"], olderThanDays: 1 }] }, "type"],
  [{ rules: [{ kind: "record", types: ["note"], unchangedForDays: -1 }] }, "rules[0].unchangedForDays"],
  [{ rules: [{ kind: "fact" }] }, "rules[0]"],
  [{ rules: [{ kind: "fact", maxConfidence: 3 }] }, "rules[0].maxConfidence"],
  [{ rules: [{ kind: "run", olderThanDays: 3 }] }, "rules[0].kind"],
  [{ duplicates: { kinds: ["run"] } }, "duplicates.kinds"],
  [{ duplicates: { kinds: [] } }, "duplicates.kinds"],
])("%j is refused", async (options, field) => {
  await using memory = createMemory({ sessions: { store: "memory" }, embedding: false });
  await expect(memory.scope({ userId: "u" }).forgetting.plan(options as object)).rejects.toMatchObject({ field });
});

test.each([
  [{ note: { keepDays: 0 } }, "retention.note.keepDays"],
  [{ note: {} }, "retention.note.keepDays"],
  [{ fact: { keepDays: 1 } }, "type"],
])("a memory that keeps %j is refused", (retention, field) => {
  const options = { sessions: { store: "memory" }, retention } as unknown as MemoryOptions;
  expect(() => createMemory(options)).toThrow(expect.objectContaining({ field }));
});
