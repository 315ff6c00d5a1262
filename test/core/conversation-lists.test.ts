import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Memory } from "../../src/index.ts";
import { listConversations } from "../../src/stores/postgres/conversation-lists.ts";
import type { Database } from "../../src/stores/postgres/database.ts";
import { makeNames } from "../../src/stores/postgres/names.ts";
import type { SqlStatement } from "../../src/stores/postgres/sql-client.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { plainStores } from "../support/plain-stores.ts";

const everybody = { tenant: "default", userId: undefined, resourceId: undefined };

/** What a sidebar asks for, of a memory on any store. */
function sidebar(open: () => Memory) {
  const mine = () => open().scope({ userId: newId("user") });

  test("a page tells counts and newest messages where they are asked for, and only then", async () => {
    const memory = mine();
    const [full, empty] = [newId("conversation"), newId("conversation")];
    await memory.conversations.create({ id: empty });
    await memory.addMessages(full, ["one", { role: "assistant", content: "two", createdAt: new Date(0) }]);
    const listed = async (include?: ("messageCount" | "lastMessage")[]) => {
      const { items } = await memory.conversations.list({ include });
      return new Map(items.map((item) => [item.id, item]));
    };
    const both = await listed(["lastMessage", "messageCount"]);
    expect(both.get(full)).toMatchObject({ messageCount: 2, lastMessage: { content: "two", seq: 2, conversationId: full } });
    expect(both.get(empty)).toMatchObject({ messageCount: 0 });
    expect(both.get(empty)?.lastMessage).toBeUndefined();
    expect((await listed(["messageCount"])).get(full)).not.toHaveProperty("lastMessage");
    expect((await listed(["lastMessage"])).get(full)).not.toHaveProperty("messageCount");
    expect((await listed()).get(full)).not.toHaveProperty("lastMessage");
    expect((await listed([])).get(full)).not.toHaveProperty("messageCount");
    await expect(memory.conversations.list({ include: ["user_id; --" as "messageCount"] })).rejects.toMatchObject({ field: "include" });
  });

  test("pins and archives: set, kept, listed, taken back", async () => {
    const memory = mine();
    const [a, b, c] = [newId("conversation"), newId("conversation"), newId("conversation")];
    for (const id of [a, b, c]) await memory.conversations.create({ id, title: id });
    const pinned = await memory.conversations.update(a, { pinned: true });
    expect(pinned.pinnedAt).toBeInstanceOf(Date);
    await memory.conversations.update(b, { archived: true });
    const ids = async (options: { archived?: boolean; pinned?: boolean }) =>
      (await memory.conversations.list({ ...options, orderBy: "title", direction: "asc" })).items.map(({ id }) => id);
    expect(await ids({ pinned: true })).toEqual([a]);
    expect(await ids({ archived: true })).toEqual([b]);
    expect(await ids({ archived: false })).toEqual([a, c]);
    expect(await ids({})).toEqual([a, b, c]);
    expect(await memory.conversations.update(b, { archived: false, title: "back" })).toMatchObject({
      title: "back",
      archivedAt: undefined,
    });
    expect(await ids({ archived: true })).toEqual([]);
    await expect(memory.conversations.update(a, { pinned: 1 as unknown as boolean })).rejects.toMatchObject({ field: "pinned" });
  });

  test("pages hold each conversation once while messages arrive in others", async () => {
    const memory = mine();
    const ids = Array.from({ length: 7 }, () => newId("conversation"));
    for (const [index, id] of ids.entries()) await memory.addMessages(id, { content: "x", createdAt: new Date(index + 1) });
    const seen: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await memory.conversations.list({ limit: 2, cursor, include: ["messageCount"], archived: false });
      seen.push(...page.items.map(({ id }) => id));
      if (page.nextCursor === undefined) break;
      cursor = page.nextCursor;
      // The one that was seen first is written to: it moves to the top, and pushes nothing off a page.
      await memory.addMessages(seen[0] as string, "more");
    }
    expect(seen).toEqual(ids.toReversed());
  });

  test("stats of a user tell what an analytics page shows", async () => {
    const memory = open();
    const userId = newId("user");
    expect(await memory.stats({ userId })).toMatchObject({ conversationsThisWeek: 0, messagesPerConversation: 0 });
    const old = new Date(Date.now() - 8 * 86_400_000);
    await memory.addMessages(newId("conversation"), [{ content: "a", createdAt: old }, "b", "c"], { userId });
    await memory.addMessages(newId("conversation"), "d", { userId });
    expect(await memory.stats({ userId })).toMatchObject({
      conversations: 2,
      messages: 4,
      conversationsThisWeek: 1,
      messagesPerConversation: 2,
    });
    expect(await memory.stats()).not.toHaveProperty("conversationsThisWeek");
  });
}

describeEngines("lists of conversations", (engine) => {
  const memory = engine.memory();
  sidebar(() => memory);

  test("a page with counts and newest messages is one statement", async () => {
    const mine = memory.scope({ userId: newId("user") });
    for (let count = 0; count < 3; count++) await mine.addMessages(newId("conversation"), ["a", "b"]);
    let statements = 0;
    const query = <Row>(statement: SqlStatement) => {
      statements++;
      return engine.client.query<Row>(statement);
    };
    const database = { client: { ...engine.client, query }, names: makeNames(engine.schema, "") } as unknown as Database;
    const page = { orderBy: "updatedAt", direction: "desc", limit: 50, cursor: undefined, offset: 0 } as const;
    const { items } = await listConversations(database, everybody, { ...page, include: ["messageCount", "lastMessage"] });
    expect(items.length).toBeGreaterThanOrEqual(3);
    expect(statements).toBe(1);
  });
});

plainStores("lists of conversations", (store) => {
  sidebar(() => {
    const memory = createMemory({ sessions: store(), embedding: false });
    onTestFinished(() => memory.close());
    return memory;
  });
});
