import { expect, test } from "vitest";
import type { ListConversationsOptions, ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";

describeEngines("conversations", (engine) => {
  const memory = engine.memory();
  const someone = () => memory.scope({ userId: newId("user") });

  async function pages(mine: ScopedMemory, options: ListConversationsOptions, between?: () => Promise<unknown>) {
    const ids: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await mine.conversations.list({ ...options, cursor });
      ids.push(...page.items.map((one) => one.id));
      cursor = page.nextCursor;
      if (cursor === undefined) return ids;
      await between?.();
    }
  }

  test("create gives what was asked for, and defaults", async () => {
    const mine = someone();
    const made = await mine.conversations.create({ title: "T", metadata: { b: 1, a: "x\0" }, language: "german", resourceId: "bot" });
    expect(made).toMatchObject({
      title: "T",
      metadata: { b: 1, a: "x\0" },
      language: "german",
      resourceId: "bot",
      createdAt: made.updatedAt,
    });
    expect(await mine.conversations.get(made.id)).toEqual(made);
    expect(await mine.conversations.create()).toMatchObject({ title: "", metadata: {}, language: undefined, resourceId: "default" });
  });

  test("a language the server does not have becomes simple", async () => {
    expect(await someone().conversations.create({ language: "klingon" })).toMatchObject({ language: "simple" });
  });

  test("an id that is taken is a conflict, also of ten at once", async () => {
    const mine = someone();
    const id = newId("conversation");
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => mine.conversations.create({ id })));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    expect(outcomes.every((outcome) => outcome.status === "fulfilled" || outcome.reason.code === "conflict")).toBe(true);
  });

  test("update changes what is named, keeps the rest, and moves updatedAt", async () => {
    const mine = someone();
    const made = await mine.conversations.create({ title: "old", metadata: { a: 1 } });
    expect(await mine.conversations.update(made.id, { metadata: { b: 2 } })).toMatchObject({ title: "old", metadata: { b: 2 } });
    const after = await mine.conversations.update(made.id, { title: "" });
    expect(after).toMatchObject({ title: "", metadata: { b: 2 }, createdAt: made.createdAt });
    expect(after.updatedAt.getTime()).toBeGreaterThanOrEqual(made.updatedAt.getTime());
  });

  test("delete takes all of it, says whether it was there, and frees the id", async () => {
    const mine = someone();
    const id = newId("conversation");
    await mine.addMessages(id, ["a", "b"]);
    expect(await mine.conversations.delete(id)).toBe(true);
    expect(await mine.conversations.delete(id)).toBe(false);
    await expect(mine.messages.list(id)).rejects.toMatchObject({ code: "not_found" });
    expect((await someone().addMessages(id, "new owner"))[0]?.seq).toBe(1);
  });

  test.each(["updatedAt", "createdAt", "title"] as const)("pages by %s cover all once, both ways, with equal keys", async (orderBy) => {
    const mine = someone();
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) {
      const id = newId("conversation");
      ids.push(id);
      const title = `${Math.floor(index / 3)}`;
      await mine.addMessages(
        id,
        { content: "x", createdAt: Date.UTC(2024, 0, 1 + Math.floor(index / 3), 0, 0, 0, 7) },
        { conversation: { title } },
      );
    }
    const order = (from: readonly string[]) =>
      [...from].sort((left, right) => (ids.indexOf(left) / 3 - ids.indexOf(right) / 3 > 0 ? 1 : -1));
    const up = await pages(mine, { orderBy, direction: "asc", limit: 5 });
    expect(up.map((id) => Math.floor(ids.indexOf(id) / 3))).toEqual(order(up).map((id) => Math.floor(ids.indexOf(id) / 3)));
    expect(new Set(up)).toEqual(new Set(ids));
    expect(up).toHaveLength(12);
    expect(await pages(mine, { orderBy, direction: "desc", limit: 1 })).toEqual([...up].reverse());
    expect((await mine.conversations.list({ orderBy, direction: "asc", offset: 4, limit: 3 })).items.map((one) => one.id)).toEqual(
      up.slice(4, 7),
    );
  });

  test("pages stay whole while conversations arrive", async () => {
    const mine = someone();
    // Times of their own: a clock that ticks in milliseconds gives two conversations the same.
    const ids = ["a", "b", "c", "d", "e", "f"];
    for (const [index, id] of ids.entries()) await mine.addMessages(id, { content: id, createdAt: 1_700_000_000_000 + index });
    const seen = await pages(mine, { orderBy: "createdAt", limit: 2 }, () => mine.conversations.create());
    expect(seen.filter((id) => ids.includes(id))).toEqual([...ids].reverse());
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("list and count are narrowed to a resource, and an unknown one is empty", async () => {
    const mine = someone();
    await mine.conversations.create({ resourceId: "a" });
    const inA = await mine.conversations.list({ resourceId: "a" });
    expect(inA.items).toHaveLength(1);
    expect(inA.nextCursor).toBeUndefined();
    expect(await mine.conversations.count({ resourceId: "a" })).toBe(1);
    expect(await mine.conversations.count({ resourceId: "b" })).toBe(0);
    expect(await mine.conversations.count()).toBe(1);
  });

  test("a page that ends exactly at the end has no next one", async () => {
    const mine = someone();
    for (let index = 0; index < 4; index++) await mine.conversations.create();
    const first = await mine.conversations.list({ limit: 2 });
    expect((await mine.conversations.list({ limit: 2, cursor: first.nextCursor })).nextCursor).toBeUndefined();
  });

  test("a cursor of another order, a foreign one and bad options are refused by name", async () => {
    const mine = someone();
    for (let index = 0; index < 3; index++) await mine.conversations.create();
    const { nextCursor: cursor } = await mine.conversations.list({ limit: 1 });
    const refused = (options: unknown, field: string) =>
      expect(mine.conversations.list(options as ListConversationsOptions)).rejects.toMatchObject({ code: "invalid_argument", field });
    await refused({ cursor, orderBy: "title" }, "cursor");
    await refused({ cursor, direction: "asc" }, "cursor");
    for (const wrong of ["", "x", "%", Buffer.from('["1",2]').toString("base64url")]) await refused({ cursor: wrong }, "cursor");
    await refused({ orderBy: "title; drop table" }, "orderBy");
    await refused({ direction: "up" }, "direction");
    await refused({ limit: 0 }, "limit");
    await refused({ limit: 1.5 }, "limit");
    await refused({ offset: -1 }, "offset");
  });

  test("a title with NUL is refused", async () => {
    await expect(someone().conversations.create({ title: "a\0" })).rejects.toMatchObject({ code: "invalid_argument", field: "title" });
  });
});
