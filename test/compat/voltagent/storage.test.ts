import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { type MemoryMessage, PostgresStorage, type PostgresStorageOptions } from "../../../src/compat/voltagent.ts";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { describeConnections } from "../../support/connections.ts";
import { newId } from "../../support/engines.ts";

const at = (second: number) => new Date(Date.UTC(2025, 0, 1, 0, 0, second));
const text = (id: string, content = id, fields: Partial<MemoryMessage> = {}): MemoryMessage => ({
  id,
  role: "user",
  content,
  type: "text",
  createdAt: new Date().toISOString(),
  ...fields,
});
/** PGlite's clock counts milliseconds: what is made after this has a later time. */
const later = () => sleep(2);
const ids = (messages: readonly { readonly id: string }[]) => messages.map(({ id }) => id);

test("options that cannot be right are refused by the constructor, which connects to nothing", () => {
  const connection = "postgres://nobody:secret@127.0.0.1:1/none";
  expect(() => new PostgresStorage({ connection: undefined })).toThrow("[connection] is required");
  expect(() => new PostgresStorage({ connection: "" })).toThrow("[connection] is required");
  expect(() => new PostgresStorage({ connection, storageLimit: -1 })).toThrow("storageLimit");
  expect(() => new PostgresStorage({ connection, maxConnections: 0 })).toThrow("maxConnections");
  expect(() => new PostgresStorage({ connection, tablePrefix: 'x"; DROP TABLE y' })).toThrow("tablePrefix");
  expect(() => new PostgresStorage({ connection, schema: "a.b" })).toThrow("schema");
});

test("a server that cannot be reached is a rejected call, and tells no secret", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const storage = new PostgresStorage({ connection: "postgres://nobody:secret@127.0.0.1:1/none" });
  const failure = await storage.getConversation("c").catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "backend_unavailable", message: expect.stringContaining("could not be reached") });
  expect(String((failure as Error).message)).not.toContain("secret");
  const { success, error } = await storage.migrateConversationSchema();
  expect([success, error?.message]).toEqual([false, expect.stringContaining("could not be reached")]);
  await storage.close();
  await expect(storage.getConversation("c")).rejects.toMatchObject({ code: "closed" });
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

describeConnections("VoltAgent's PostgresStorage", (place) => {
  const make = (options: Partial<PostgresStorageOptions> = {}) => {
    const { connection, schema } = place;
    return place.opened(new PostgresStorage({ connection, schema, embedding: hashedEmbedder(), ...options }));
  };
  let shared: PostgresStorage | undefined;
  const storage = () => {
    shared ??= make();
    return shared;
  };
  const conversation = async (userId: string, fields: { id?: string; title?: string; resourceId?: string } = {}) =>
    (await storage().createConversation({ id: newId("c"), userId, resourceId: "agent", title: "A title", metadata: {}, ...fields })).id;

  describe("adding messages", () => {
    test("with one string it is the conversation, with two the user and the conversation", async () => {
      const id = await conversation("ada");
      await storage().addMessage(text("m1"), id);
      await storage().addMessage(text("m2"), "ada", id);
      expect(ids(await storage().getMessages({ conversationId: id }))).toEqual(["m1", "m2"]);
    });

    test('the conversation "default" is made when it is not there, and no other', async () => {
      const own = make({ tablePrefix: "defaults" });
      await own.addMessage(text("m1"));
      await own.addMessage(text("m2"), "default");
      await own.addMessage(text("m3"), "default", "default");
      expect(ids(await own.getMessages())).toEqual(["m1", "m2", "m3"]);
      expect(await own.getConversation("default")).toMatchObject({ userId: "default", resourceId: "default" });
      for (const unknown of [
        own.addMessage(text("m"), "x"),
        own.addMessage(text("m"), "default", "x"),
        own.addMessages([text("m")], "u", "x"),
      ])
        await expect(unknown).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("foreign key constraint") });
      expect(await own.getConversation("x")).toBeNull();
    });

    test("nobody writes into somebody else's conversation", async () => {
      const id = await conversation("ada");
      await expect(storage().addMessage(text("m"), "eve", id)).rejects.toThrow("foreign key constraint");
      expect(await storage().getConversationMessages(id)).toEqual([]);
    });

    test("the same id again changes the message, which keeps its place and its time", async () => {
      const id = await conversation("ada");
      await storage().addMessages([text("a", "1", { createdAt: at(1).toISOString() }), text("b", "2")], "ada", id);
      await storage().addMessage(text("a", "changed", { createdAt: at(9).toISOString() }), "ada", id);
      expect(await storage().getMessages({ conversationId: id })).toMatchObject([
        { id: "a", content: "changed", createdAt: at(1).toISOString() },
        { id: "b" },
      ]);
    });

    test("a batch lands in its order, whole or not at all", async () => {
      const id = await conversation("ada");
      const batch = Array.from({ length: 12 }, (_, index) => text(`n${index}`, `n${index}`, { createdAt: at(0).toISOString() }));
      await storage().addMessages(batch, "ada", id);
      expect(ids(await storage().getMessages("ada", id, { limit: 5 }))).toEqual(["n7", "n8", "n9", "n10", "n11"]);
      await expect(storage().addMessages([text("o"), { role: "user" }], "ada", id)).rejects.toThrow("messages[1]");
      expect(await storage().getMessages("ada", id)).toHaveLength(12);
    });

    test("a NUL and half of a surrogate pair come back as they went in", async () => {
      const id = await conversation("ada");
      await storage().addMessage(text("m", "a\0b\ud800"), id);
      expect((await storage().getMessages({ conversationId: id }))[0]?.content).toBe("a\0b\ud800");
    });
  });

  describe("shapes", () => {
    const call = { type: "tool-call", toolCallId: "t1", toolName: "search", args: { q: "x" } };
    const result = { type: "tool-result", toolCallId: "t1", toolName: "search", result: { found: 1 } };

    test.each<[string, MemoryMessage]>([
      ["text", text("m", "hello")],
      ["empty text", text("m", "")],
      ["text that is JSON", text("m", '{"a": 1}')],
      ["text that is a list", text("m", "[1, 2]")],
      ["a call as JSON", text("m", JSON.stringify([call]), { role: "assistant", type: "tool-call" })],
      ["a call as JSON with other spaces", text("m", JSON.stringify([call], null, 2), { role: "assistant", type: "tool-call" })],
      ["a result as JSON", text("m", JSON.stringify([result]), { role: "tool", type: "tool-result" })],
      ["a bare result", text("m", '{"found":1}', { role: "tool", type: "tool-result" })],
      ["a call as parts", text("m", "", { role: "assistant", type: "tool-call", content: [call] })],
      ["text as parts", text("m", "", { content: [{ type: "text", text: "hello" }] })],
      [
        "parts with an image",
        text("m", "", {
          content: [
            { type: "text", text: "a" },
            { type: "image", image: new Uint8Array([1, 2]) },
          ],
        }),
      ],
      ["a type of its own", text("m", "plain words", { type: "tool-call", role: "assistant" })],
    ])("a message of 0.1 comes back as it went in: %s", async (_, message) => {
      const id = await conversation("ada");
      await storage().addMessage(message, id);
      expect(await storage().getMessages({ userId: "ada", conversationId: id })).toEqual([message]);
    });

    test("a message of 1.0 comes back as it went in, its time as a Date", async () => {
      const id = await conversation("ada");
      const message = {
        id: "m",
        role: "assistant",
        parts: [
          { type: "reasoning", text: "hm" },
          { type: "tool-search", toolCallId: "t", state: "output-available", input: { q: 1 }, output: { b: 1, a: 2 } },
          { type: "text", text: "found" },
        ],
        metadata: { createdAt: at(5), model: "x" },
      };
      await storage().addMessage(message, "ada", id);
      const [read] = await storage().getMessages("ada", id);
      expect(read).toEqual(message);
      expect(JSON.stringify(read?.parts)).toBe(JSON.stringify(message.parts));
      // What is handed out is a copy.
      read?.parts.pop();
      if (read !== undefined) read.metadata.model = "y";
      expect(await storage().getMessages("ada", id)).toEqual([message]);
    });

    test("a message written by one version is read by the other, and a list of a conversation has both shapes", async () => {
      const id = await conversation("ada");
      await storage().addMessage(text("old", "hello", { createdAt: at(1).toISOString() }), id);
      await storage().addMessage({ id: "new", role: "assistant", parts: [{ type: "text", text: "hi" }] }, "ada", id);
      expect(await storage().getMessages("ada", id)).toMatchObject([
        { id: "old", parts: [{ type: "text", text: "hello" }], metadata: { createdAt: at(1) } },
        { id: "new" },
      ]);
      expect(await storage().getMessages({ conversationId: id })).toMatchObject([{ content: "hello" }, { content: "hi", type: "text" }]);
      expect((await storage().getConversationMessages(id))[0]).toEqual({
        ...text("old", "hello", { createdAt: at(1).toISOString() }),
        parts: [{ type: "text", text: "hello" }],
        metadata: { createdAt: at(1) },
      });
    });

    test("a tool's result never comes without its call", async () => {
      const id = await conversation("ada");
      const exchange = [
        text("q"),
        text("call", JSON.stringify([call]), { role: "assistant", type: "tool-call" }),
        text("result", JSON.stringify([result]), { role: "tool", type: "tool-result" }),
        text("answer", "1", { role: "assistant" }),
      ];
      await storage().addMessages(exchange, "ada", id);
      expect(ids(await storage().getMessages("ada", id, { limit: 2 }))).toEqual(["call", "result", "answer"]);
    });
  });

  describe("reading messages", () => {
    test("the newest, oldest first, by role and time, which exclude their ends", async () => {
      const id = await conversation("ada");
      const input = [1, 2, 3, 4, 5, 6].map((second) =>
        text(`m${second}`, `m${second}`, { role: second % 2 === 0 ? "assistant" : "user", createdAt: at(second).toISOString() }),
      );
      await storage().addMessages(input, "ada", id);
      const next = async (options: object) => ids(await storage().getMessages("ada", id, options));
      expect(await next({ limit: 2 })).toEqual(["m5", "m6"]);
      expect(await next({ before: at(4), limit: 2 })).toEqual(["m2", "m3"]);
      expect(await next({ after: at(4) })).toEqual(["m5", "m6"]);
      expect(await next({ roles: ["user"], after: at(1), before: at(6) })).toEqual(["m3", "m5"]);
      const old = async (options: object) => ids(await storage().getMessages({ userId: "ada", conversationId: id, ...options }));
      expect(await old({ limit: 2 })).toEqual(["m5", "m6"]);
      expect(await old({ before: at(4).getTime(), role: "user" })).toEqual(["m1", "m3"]);
      expect(await old({ after: at(5).getTime() })).toEqual(["m6"]);
    });

    test("by type", async () => {
      const id = await conversation("ada");
      const call = JSON.stringify([{ type: "tool-call", toolCallId: "t", toolName: "x", args: {} }]);
      await storage().addMessages([text("a"), text("b", call, { type: "tool-call", role: "assistant" }), text("c")], "ada", id);
      const of = async (...types: MemoryMessage["type"][]) => ids(await storage().getMessages({ conversationId: id, types }));
      expect([await of("tool-call"), await of("text"), await of("text", "tool-call"), await of()]).toEqual([
        ["b"],
        ["a", "c"],
        ["a", "b", "c"],
        [],
      ]);
    });

    test('0.1: "default" and none filter by none; 1.0: it is a name', async () => {
      const own = make({ tablePrefix: "filters" });
      for (const userId of ["ada", "eve"]) {
        await own.createConversation({ id: `of-${userId}`, userId, resourceId: "r", title: "", metadata: {} });
        await own.addMessage(text(`by-${userId}`), userId, `of-${userId}`);
      }
      expect(ids(await own.getMessages({}))).toEqual(["by-ada", "by-eve"]);
      expect(ids(await own.getMessages({ userId: "default", conversationId: "default", limit: 1 }))).toEqual(["by-eve"]);
      expect(ids(await own.getMessages({ userId: "ada" }))).toEqual(["by-ada"]);
      expect(ids(await own.getMessages({ userId: "default", conversationId: "of-eve" }))).toEqual(["by-eve"]);
      expect(ids(await own.getMessages({ userId: "ada", conversationId: "of-eve" }))).toEqual([]);
      expect(await own.getMessages("ada", "default")).toEqual([]);
      expect(await own.getMessages("ada", "of-eve")).toEqual([]);
    });

    test("an empty role, or none of them, is no filter", async () => {
      const id = await conversation("ada");
      await storage().addMessages([text("a"), text("b", "b", { role: "assistant" })], "ada", id);
      expect(ids(await storage().getMessages("ada", id, { roles: [] }))).toEqual(["a", "b"]);
      expect(ids(await storage().getMessages({ conversationId: id, role: "" }))).toEqual(["a", "b"]);
    });

    test("a limit of 0 is none", async () => {
      const own = make({ storageLimit: 0, tablePrefix: "limitless" });
      await own.addMessages(
        Array.from({ length: 150 }, (_, index) => text(`m${index}`)),
        "ada",
        "default",
      );
      expect(await own.getMessages({ conversationId: "default" })).toHaveLength(150);
      expect(await own.getMessages("ada", "default", { limit: 0 })).toHaveLength(150);
      expect(await own.getConversationMessages("default")).toHaveLength(100);
      expect(await own.getConversationMessages("default", { limit: 0, offset: 149 })).toHaveLength(1);
    });
  });

  describe("the storage limit", () => {
    test("keeps the newest of each conversation, and 100 unless told otherwise", async () => {
      const few = make({ storageLimit: 3, tablePrefix: "few" });
      for (const id of ["one", "two"]) {
        await few.createConversation({ id, userId: "ada", resourceId: "r", title: "", metadata: {} });
        for (let index = 0; index < 5; index++) await few.addMessage(text(`${id}${index}`), "ada", id);
      }
      expect(ids(await few.getConversationMessages("one"))).toEqual(["one2", "one3", "one4"]);
      expect(ids(await few.getConversationMessages("two"))).toEqual(["two2", "two3", "two4"]);
      const id = await conversation("ada");
      await storage().addMessages(
        Array.from({ length: 120 }, (_, index) => text(`m${index}`)),
        "ada",
        id,
      );
      expect(ids(await storage().getConversationMessages(id, { limit: 500 }))).toEqual(
        Array.from({ length: 100 }, (_, index) => `m${index + 20}`),
      );
    });

    test("holds for 64 callers at once", async () => {
      const few = make({ storageLimit: 8, tablePrefix: "crowded", maxConnections: 3 });
      await few.createConversation({ id: "c", userId: "ada", resourceId: "r", title: "", metadata: {} });
      await Promise.all(Array.from({ length: 64 }, (_, index) => few.addMessage(text(`m${index}`), "ada", "c")));
      expect(ids(await few.getConversationMessages("c"))).toEqual(Array.from({ length: 8 }, (_, index) => `m${56 + index}`));
    });
  });

  describe("conversations", () => {
    test("are created, read, changed and deleted", async () => {
      const created = await storage().createConversation({ id: "", userId: "ada", resourceId: "r", title: "T", metadata: { a: { b: 1 } } });
      expect(created).toEqual({
        id: expect.stringMatching(/^[\da-f-]{36}$/),
        userId: "ada",
        resourceId: "r",
        title: "T",
        metadata: { a: { b: 1 } },
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        updatedAt: created.createdAt,
      });
      expect(await storage().getConversation(created.id)).toEqual(created);
      await expect(storage().createConversation(created)).rejects.toMatchObject({ code: "conflict" });
      const updated = await storage().updateConversation(created.id, { title: "U" });
      expect(updated).toMatchObject({ id: created.id, createdAt: created.createdAt, title: "U", metadata: created.metadata });
      expect(updated.updatedAt >= created.updatedAt).toBe(true);
      await storage().deleteConversation(created.id);
      await storage().deleteConversation(created.id);
      expect(await storage().getConversation(created.id)).toBeNull();
      await expect(storage().updateConversation(created.id, { title: "x" })).rejects.toMatchObject({ code: "not_found" });
    });

    test("go to another user with their messages", async () => {
      const id = await conversation("ada");
      await storage().addMessage(text("m"), "ada", id);
      const before = await storage().getConversation(id);
      await later();
      const after = await storage().updateConversation(id, { userId: "grace", resourceId: "other" });
      expect(after).toMatchObject({ userId: "grace", resourceId: "other", createdAt: before?.createdAt });
      expect(after.updatedAt > (before?.updatedAt ?? "")).toBe(true);
      expect(ids(await storage().getMessages("grace", id))).toEqual(["m"]);
      expect(await storage().getMessages("ada", id)).toEqual([]);
    });

    test("are deleted with their messages, which nobody recalls any more", async () => {
      const id = await conversation("forgetful");
      await storage().addMessage(text("m", "the zebra sleeps"), "forgetful", id);
      const recall = () => storage().memory.scope({ userId: "forgetful" }).recall("zebra");
      expect((await recall()).map((hit) => hit.id)).toEqual(["m"]);
      await storage().deleteConversation(id);
      expect(await recall()).toEqual([]);
      expect(await storage().getConversationMessages(id)).toEqual([]);
    });

    test("are listed by user, resource and both, in every order, page by page", async () => {
      const own = make({ tablePrefix: "lists" });
      for (const [id, title] of [
        ["1", "b"],
        ["2", "c"],
        ["3", "a"],
      ] as const) {
        await own.createConversation({ id, userId: "ada", resourceId: id === "3" ? "other" : "agent", title, metadata: {} });
        await later();
      }
      await own.createConversation({ id: "4", userId: "eve", resourceId: "agent", title: "d", metadata: {} });
      await later();
      await own.updateConversation("1", { title: "b" });
      const by = async (options: object) => ids(await own.getConversationsByUserId("ada", options)).join("");
      expect(await by({})).toBe("132");
      expect(await by({ orderBy: "created_at", orderDirection: "ASC" })).toBe("123");
      expect(await by({ orderBy: "title", orderDirection: "ASC" })).toBe("312");
      expect(await by({ orderBy: "title", limit: 1, offset: 1 })).toBe("1");
      expect(await by({ resourceId: "agent" })).toBe("12");
      expect(await by({ limit: 0, offset: 2 })).toBe("132");
      expect(ids(await own.getConversations("agent")).join("")).toBe("421");
      expect(ids(await own.queryConversations({ resourceId: "agent", userId: "eve" }))).toEqual(["4"]);
      const pages = [await own.getPaginatedUserConversations("ada", 1, 2), await own.getPaginatedUserConversations("ada", 2, 2)];
      expect(pages.map(({ conversations, hasMore }) => [ids(conversations).join(""), hasMore])).toEqual([
        ["13", true],
        ["2", false],
      ]);
      await expect(own.getPaginatedUserConversations("ada", 0)).rejects.toThrow("page");
    });

    test("are listed beyond a thousand", async () => {
      const own = make({ tablePrefix: "many", embedding: false });
      await own.createConversation({ id: "c0", userId: "ada", resourceId: "r", title: "", metadata: {} });
      await place.sql(
        `INSERT INTO "${place.schema}".many_conversations SELECT (c).* FROM (
          SELECT jsonb_populate_record(c, jsonb_build_object('id', 'c' || n)) AS c FROM "${place.schema}".many_conversations c, generate_series(1, 1204) n
        ) x`,
      );
      const of = async (options: object) => (await own.getConversationsByUserId("ada", options)).length;
      expect([await of({}), await of({ limit: 0 }), await of({ limit: 1100 }), await of({ limit: 2000, offset: 1000 })]).toEqual([
        50, 1205, 1100, 205,
      ]);
    });

    test("the fluent query takes limit and order in either order, and neither", async () => {
      const own = make({ tablePrefix: "fluent" });
      for (const id of ["1", "2", "3"]) {
        await own.createConversation({ id, userId: "ada", resourceId: "r", title: id, metadata: {} });
        await later();
      }
      const query = own.getUserConversations("ada");
      const run = async (executable: { execute(): Promise<{ id: string }[]> }) => ids(await executable.execute()).join("");
      expect(await run(query)).toBe("321");
      expect(await run(query.limit(2))).toBe("32");
      expect(await run(query.orderBy("title", "ASC"))).toBe("123");
      expect(await run(query.limit(1).orderBy("title", "ASC"))).toBe("1");
      expect(await run(query.orderBy("created_at").limit(2))).toBe("32");
      expect(await run(query.orderBy())).toBe("321");
    });

    test("an order is looked up and never put into a statement", async () => {
      for (const orderBy of ["(select 1/0)", "updated_at; DROP TABLE x", "constructor"] as never[])
        await expect(storage().queryConversations({ orderBy })).rejects.toMatchObject({ code: "invalid_argument", field: "orderBy" });
      await expect(storage().queryConversations({ orderDirection: "ASC, 1" as never })).rejects.toThrow("orderDirection");
      await expect(
        storage()
          .getUserConversations("a")
          .orderBy("x" as never)
          .execute(),
      ).rejects.toThrow("orderBy");
    });
  });

  test("clearing takes one conversation of a user or all of them, and nobody else's", async () => {
    const [one, two, other] = [await conversation("clearing"), await conversation("clearing"), await conversation("other")];
    const fill = async () => {
      for (const id of [one, two, other]) await storage().addMessage(text("m"), id);
    };
    const left = async () => Promise.all([one, two, other].map(async (id) => (await storage().getConversationMessages(id)).length));
    await fill();
    await storage().clearMessages({ userId: "clearing", conversationId: one });
    expect(await left()).toEqual([0, 1, 1]);
    await storage().clearMessages("clearing", other);
    expect(await left()).toEqual([0, 1, 1]);
    await storage().clearMessages("clearing");
    expect(await left()).toEqual([0, 0, 1]);
    await fill();
    await storage().clearMessages({ userId: "clearing" });
    expect(await left()).toEqual([0, 0, 1]);
    expect(await storage().getConversation(one)).not.toBeNull();
  });

  test("closing finishes what was called before", async () => {
    const [own, id] = [make(), await conversation("ada")];
    await own.getConversation(id);
    const [entry, agent] = [newId("entry"), newId("agent")];
    const calls = Promise.all([
      own.addMessage(text("m"), id),
      own.updateConversation(id, { userId: "eve" }),
      own.addHistoryStep(newId("step"), { n: 1 }, entry, agent),
    ]);
    await own.close();
    await calls;
    expect(await storage().getHistoryEntry(entry)).toMatchObject({ steps: [{ n: 1 }] });
    expect(ids(await storage().getMessages("eve", id))).toEqual(["m"]);
  });

  test("debug tells what is called and how long it takes, and nothing of what is in it", async () => {
    const lines: string[] = [];
    const write = (line: string, details?: object) => lines.push(`${line} ${JSON.stringify(details ?? {})}`);
    const own = make({ debug: true, logger: { debug: write, warn: write, error: write } });
    await own.addMessage(text("m", "my password is hunter2"));
    await own.addMessage(text("m"), "missing-conversation").catch(() => {});
    expect(lines.join("\n")).toMatch(/addMessage took [\d.]+ ms/);
    expect(lines.join("\n")).toContain("addMessage failed");
    expect(lines.join("\n")).not.toContain("hunter2");
  });
});
