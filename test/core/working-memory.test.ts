import { expect, onTestFinished, test } from "vitest";
import { ConflictError, createMemory, NotFoundError, type WorkingMemoryOptions } from "../../src/index.ts";
import { memoryRecordStore } from "../../src/stores/record/memory.ts";
import { newId } from "../support/engines.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

describeRecordPlaces("working memory", (place) => {
  const memory = place.memory();
  const newScope = () => memory.scope({ userId: newId("user") });

  async function withConversation() {
    const mine = newScope();
    const conversationId = newId("c");
    await mine.conversations.create({ id: conversationId });
    return { ...mine, mine, conversationId };
  }

  test("notes of a user and of a conversation never mix", async () => {
    const { working, mine, conversationId } = await withConversation();
    expect(await working.get()).toBeUndefined();
    expect(await working.get({ conversationId })).toBeUndefined();
    const first = await working.set("of the user");
    expect(first).toMatchObject({ content: "of the user", version: 1 });
    await working.set("of the conversation", { conversationId });
    expect(await working.get()).toEqual(first);
    expect(await working.get({ conversationId })).toMatchObject({ content: "of the conversation", version: 1 });
    await mine.conversations.create({ id: `${conversationId}-2` });
    expect(await working.get({ conversationId: `${conversationId}-2` })).toBeUndefined();
    expect(await newScope().working.get()).toBeUndefined();
    expect(await working.delete()).toBe(true);
    expect(await working.get({ conversationId })).toMatchObject({ content: "of the conversation" });
  });

  test("each change is a version, and what the notes were is kept, newest first", async () => {
    const { working, conversationId } = await withConversation();
    for (const where of [{}, { conversationId }] satisfies WorkingMemoryOptions[]) {
      const written = [];
      for (const content of ["one", "two", "three", "four"]) written.push(await working.set(content, where));
      expect(written.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
      const { items, nextCursor } = await working.history({ ...where, limit: 2 });
      expect(items).toEqual([written[2], written[1]]);
      expect((await working.history({ ...where, limit: 2, cursor: nextCursor as string })).items).toEqual([written[0]]);
    }
    expect((await newScope().working.history()).items).toEqual([]);
  });

  test("the last 100 versions are kept", async () => {
    const { working } = newScope();
    for (let version = 1; version <= 105; version++) await working.set(`note ${version}`);
    const { items, nextCursor } = await working.history({ limit: 100 });
    expect([items.length, nextCursor]).toEqual([100, undefined]);
    expect([items[0]?.content, items[99]?.content]).toEqual(["note 104", "note 5"]);
  });

  test("64 changes at once lose nothing, and no first write fails", async () => {
    const { mine, conversationId } = await withConversation();
    const userId = (await mine.conversations.get(conversationId)).userId;
    const handles = [mine.working, place.memory().scope({ userId }).working];
    for (const where of [{}, { conversationId }] satisfies WorkingMemoryOptions[]) {
      await Promise.all(
        Array.from({ length: 64 }, (_, index) =>
          handles[index % 2]!.update((content) => JSON.stringify([...JSON.parse(content ?? "[]"), index]), where),
        ),
      );
      const entry = await mine.working.get(where);
      expect(JSON.parse(entry?.content ?? "[]").toSorted((left: number, right: number) => left - right)).toEqual([...Array(64).keys()]);
      expect(entry?.version).toBe(64);
      expect((await mine.working.history({ ...where, limit: 100 })).items).toHaveLength(63);
    }
    const fresh = { userId: newId("user") };
    const others = [memory.scope(fresh).working, place.memory().scope(fresh).working];
    await Promise.all(Array.from({ length: 16 }, (_, index) => others[index % 2]!.set(`note ${index}`)));
    expect(await memory.scope(fresh).working.get()).toMatchObject({ version: 16 });
  });

  test("another version than expected is a conflict", async () => {
    const { working } = newScope();
    await expect(working.set("x", { ifVersion: 1 })).rejects.toBeInstanceOf(ConflictError);
    await working.set("one", { ifVersion: 0 });
    await expect(working.set("x", { ifVersion: 0 })).rejects.toBeInstanceOf(ConflictError);
    await working.set("two", { ifVersion: 1 });
    await expect(working.merge({}, { ifVersion: 3 })).rejects.toThrow();
    expect(await working.get()).toMatchObject({ content: "two", version: 2 });
  });

  test("an update that answers nothing leaves the notes as they are", async () => {
    const { working } = newScope();
    expect(await working.update(() => undefined)).toBeUndefined();
    expect(await working.get()).toBeUndefined();
    const entry = await working.set("one");
    expect(await working.update(() => undefined)).toEqual(entry);
    await expect(
      working.update(() => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await working.update((content) => `${content}!`)).toMatchObject({ content: "one!", version: 2 });
  });

  test("a patch is merged as RFC 7396 has it", async () => {
    // Target, patch and result: the objects among the examples of its appendix A, and what a prototype must not do.
    const examples: readonly (readonly [string | undefined, string, string])[] = [
      ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
      ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
      ['{"a":"b"}', '{"a":null}', "{}"],
      ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
      ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
      ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
      ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
      ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
      ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
      ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
      ["{}", '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
      [undefined, '{"a":1}', '{"a":1}'],
      ["", '{"a":1}', '{"a":1}'],
    ];
    for (const [target, patch, result] of examples) {
      const { working } = newScope();
      if (target !== undefined) await working.set(target);
      expect((await working.merge(JSON.parse(patch))).content).toBe(result);
    }
    const { working } = newScope();
    for (const content of ["plain text", "[1]", "null", "1"]) {
      await working.set(content);
      await expect(working.merge({ a: 1 })).rejects.toThrow("[patch] needs notes that are a JSON object");
    }
    await expect(working.merge([] as never)).rejects.toThrow("[patch] must be a JSON object");
    await expect(working.merge(new Date() as never)).rejects.toThrow("[patch] must be a JSON object");
    expect(await working.get()).toMatchObject({ content: "1", version: 4 });
  });

  test("patches at once all land", async () => {
    const { working } = newScope();
    await Promise.all(Array.from({ length: 20 }, (_, index) => working.merge({ [`k${index}`]: index })));
    expect(Object.keys(JSON.parse((await working.get())?.content ?? ""))).toHaveLength(20);
  });

  test("texts come back to the letter", async () => {
    const { working } = newScope();
    for (const content of ["", "  # Notes\n\n- é 🦭\n", "nul \0 and half \ud83d", "x".repeat(200_000)]) {
      expect((await working.set(content)).content).toBe(content);
      expect((await working.get())?.content).toBe(content);
    }
    expect((await working.history()).items[0]?.content).toBe("nul \0 and half \ud83d");
    await expect(working.set(1 as never)).rejects.toThrow("[content] must be a string");
    await expect(working.update(() => 1 as never)).rejects.toThrow("[content] must be a string");
  });

  test("a conversation that is not this scope's, or not there, is not found", async () => {
    const { conversationId, mine } = await withConversation();
    await mine.working.set("mine", { conversationId });
    const userId = (await mine.conversations.get(conversationId)).userId;
    for (const { working } of [newScope(), memory.scope({ userId, resourceId: "another" })])
      for (const work of [
        () => working.get({ conversationId }),
        () => working.set("x", { conversationId }),
        () => working.update(() => "x", { conversationId }),
        () => working.merge({}, { conversationId }),
        () => working.delete({ conversationId }),
        () => working.history({ conversationId }),
      ])
        await expect(work()).rejects.toBeInstanceOf(NotFoundError);
    await expect(mine.working.get({ conversationId: "absent" })).rejects.toBeInstanceOf(NotFoundError);
    expect(await mine.working.get({ conversationId })).toMatchObject({ content: "mine", version: 1 });
  });

  test("the administrator names the user, or a conversation that has one", async () => {
    const { conversationId, mine } = await withConversation();
    const userId = (await mine.conversations.get(conversationId)).userId;
    await memory.working.set("by the administrator", { userId });
    await memory.working.set("by the administrator, too", { conversationId });
    expect(await mine.working.get()).toMatchObject({ content: "by the administrator" });
    expect(await mine.working.get({ conversationId })).toMatchObject({ content: "by the administrator, too" });
    await expect(memory.working.get()).rejects.toThrow("[userId] is required");
    await expect(memory.working.get({ userId: "another", conversationId })).rejects.toBeInstanceOf(NotFoundError);
    await expect(mine.working.get({ userId: "another" })).rejects.toThrow("fixed by this scope");
  });

  test("the handle of a resource keeps a user's notes of its own", async () => {
    const userId = newId("user");
    const [whole, app] = [memory.scope({ userId }), memory.scope({ userId, resourceId: "app" })];
    await whole.working.set("of the user");
    expect(await app.working.get()).toBeUndefined();
    await app.working.set("of the app");
    expect([(await whole.working.get())?.content, (await app.working.get())?.content]).toEqual(["of the user", "of the app"]);
    await app.erase();
    expect([(await whole.working.get())?.content, await app.working.get()]).toEqual(["of the user", undefined]);
  });

  test("deleted notes are gone with what they were, and begin anew", async () => {
    const { working } = newScope();
    expect(await working.delete()).toBe(false);
    await working.set("one");
    await working.set("two");
    expect(await working.delete()).toBe(true);
    expect([await working.get(), (await working.history()).items]).toEqual([undefined, []]);
    expect(await working.set("three")).toMatchObject({ version: 1 });
    expect((await working.history()).items).toEqual([]);
  });

  test("they go with their conversation and with their user, and stay when messages are cleared", async () => {
    const { mine, working, conversationId } = await withConversation();
    await mine.addMessages(conversationId, "hello");
    await working.set("of the user");
    for (const content of ["one", "two"]) await working.set(content, { conversationId });
    await mine.messages.clear(conversationId);
    expect(await working.get({ conversationId })).toMatchObject({ content: "two" });
    await mine.conversations.delete(conversationId);
    await mine.conversations.create({ id: conversationId });
    expect([await working.get({ conversationId }), (await working.history({ conversationId })).items]).toEqual([undefined, []]);
    expect(await working.get()).toMatchObject({ content: "of the user" });
    await mine.erase();
    expect([await working.get(), (await working.history()).items]).toEqual([undefined, []]);
  });

  test("notes written while their conversation is deleted do not stay", async () => {
    const { mine, working } = await withConversation();
    const conversationId = newId("c");
    for (let round = 0; round < 8; round++) {
      await mine.conversations.create({ id: conversationId });
      const written = working.set("notes", { conversationId }).catch((error: unknown) => error);
      await mine.conversations.delete(conversationId);
      const outcome = await written;
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(NotFoundError);
      await mine.conversations.create({ id: conversationId });
      expect(await working.get({ conversationId })).toBeUndefined();
      await mine.conversations.delete(conversationId);
    }
  });
});

test("a store that cannot read and write in one step loses no change either", async () => {
  const { change: _change, ...store } = memoryRecordStore();
  const records = { ...store, close: async () => {} };
  const memories = Array.from({ length: 4 }, () => createMemory({ sessions: { store: "memory" }, records, embedding: false }));
  onTestFinished(async () => void (await Promise.all(memories.map((memory) => memory.close()))));
  await Promise.all(
    Array.from({ length: 64 }, (_, index) => memories[index % 4]!.working.update((content) => `${content ?? ""}x`, { userId: "me" })),
  );
  expect(await memories[0]!.working.get({ userId: "me" })).toMatchObject({ content: "x".repeat(64), version: 64 });
});

test("in a store that cannot read and write in one step, a change that others come between is given up after 100 rounds", async () => {
  const { change: _change, ...store } = memoryRecordStore();
  let rounds = 0;
  const records = {
    ...store,
    write: async () => {
      rounds++;
      throw new ConflictError("user", "[record] somebody else was faster: read it again");
    },
  };
  const memory = createMemory({ sessions: { store: "memory" }, records, embedding: false });
  onTestFinished(() => memory.close());
  await expect(memory.working.update(() => "x", { userId: "me" })).rejects.toBeInstanceOf(ConflictError);
  expect(rounds).toBe(100);
  await expect(memory.working.set("x", { userId: "me", ifVersion: 1 })).rejects.toBeInstanceOf(ConflictError);
  expect(rounds).toBe(101);
});
