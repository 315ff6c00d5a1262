import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";

const notFound = { code: "not_found" };

describeEngines("a scope", (engine) => {
  const memory = engine.memory();

  /** Everything a handle can do to somebody's conversation `id` with message `m`. */
  async function seesNothing(handle: ScopedMemory, id: string, userId: string | undefined) {
    await expect(handle.conversations.get(id)).rejects.toMatchObject(notFound);
    await expect(handle.conversations.update(id, { title: "taken" })).rejects.toMatchObject(notFound);
    expect(await handle.conversations.delete(id)).toBe(false);
    expect((await handle.conversations.list()).items.filter((one) => one.id === id)).toEqual([]);
    await expect(handle.messages.list(id)).rejects.toMatchObject(notFound);
    await expect(handle.messages.get(id, "m")).rejects.toMatchObject(notFound);
    await expect(handle.messages.update(id, "m", { content: "taken" })).rejects.toMatchObject(notFound);
    await expect(handle.messages.delete(id, "m")).rejects.toMatchObject(notFound);
    await expect(handle.messages.clear(id)).rejects.toMatchObject(notFound);
    const hits = await handle.recall("secret harbour", userId === undefined ? { allUsers: true } : {});
    expect(hits.filter((hit) => hit.text.includes("secret"))).toEqual([]);
    expect(await handle.recall("secret harbour", { conversationId: id, ...(userId === undefined ? { allUsers: true } : {}) })).toEqual([]);
    const lines = [];
    for await (const line of handle.export()) lines.push(line);
    expect(JSON.stringify(lines)).not.toContain("secret");
  }

  async function owned(scope: { tenant?: string; userId: string; resourceId?: string }, id: string) {
    const owner = memory.scope(scope);
    await owner.addMessages(id, { id: "m", content: "the secret harbour" });
    const untouched = async () => {
      expect((await owner.messages.list(id)).items.map((item) => item.content)).toEqual(["the secret harbour"]);
      expect((await owner.conversations.get(id)).title).toBe("");
    };
    return { owner, untouched };
  }

  test("another user's conversation is not found, whatever is asked of it", async () => {
    const [userId, other, id] = [newId("user"), newId("user"), newId("conversation")];
    const { untouched } = await owned({ userId }, id);
    const stranger = memory.scope({ userId: other });
    await seesNothing(stranger, id, other);
    await expect(stranger.addMessages(id, "intruder")).rejects.toMatchObject(notFound);
    await expect(stranger.conversations.create({ id })).rejects.toMatchObject({ code: "conflict" });
    expect(await stranger.erase()).toEqual({ conversations: 0, messages: 0 });
    await untouched();
  });

  test("another resource's conversation is not found in a scope of one resource", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    const { untouched } = await owned({ userId, resourceId: "work" }, id);
    const home = memory.scope({ userId, resourceId: "home" });
    await seesNothing(home, id, userId);
    await expect(home.addMessages(id, "intruder")).rejects.toMatchObject(notFound);
    expect(await home.erase()).toEqual({ conversations: 0, messages: 0 });
    await untouched();
    expect((await memory.scope({ userId }).messages.list(id)).items).toHaveLength(1);
  });

  test("another tenant's conversation is not found, and the same ids may be used there", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    const { untouched } = await owned({ tenant: "acme", userId }, id);
    for (const tenant of ["acme-corp", "acm", "Acme", "acme ", "acme%", "%", "*", "=acme"]) {
      const handle = memory.scope({ tenant, userId });
      await seesNothing(handle, id, userId);
      await seesNothing(memory.scope({ tenant }), id, undefined);
      expect((await handle.addMessages(id, { id: "m", content: "ours" }))[0]?.seq).toBe(1);
      expect(await handle.erase()).toEqual({ conversations: 1, messages: 1 });
    }
    await untouched();
  });

  test("ids that look like patterns or SQL mean only themselves", async () => {
    const users = [
      "a%",
      "a:b",
      "a*",
      "a_",
      "a'; DROP TABLE x; --",
      'a"b',
      "a\\b",
      "a\nb",
      "*",
      "=a",
      "{a,b}",
      "NULL",
      "ä\u0308日本🙂",
      "x".repeat(512),
      "ab",
      "A",
    ];
    const marks = users.map((userId, index) => ({
      userId,
      text: `mark${index}`,
      handle: memory.scope({ tenant: "hostile", userId, resourceId: userId }),
    }));
    await Promise.all(
      marks.map(({ handle, userId, text }) =>
        handle.addMessages(userId, { id: userId, name: userId, content: text, metadata: { [userId]: userId } }),
      ),
    );
    for (const { handle, userId, text } of marks) {
      expect((await handle.conversations.list()).items.map((one) => one.id)).toEqual([userId]);
      expect(await handle.messages.get(userId, userId)).toMatchObject({ content: text, name: userId, metadata: { [userId]: userId } });
      const hits = await handle.recall(marks.map((mark) => mark.text).join(" "), { filter: { [userId]: userId } });
      expect(hits.map((hit) => hit.text)).toEqual([text]);
    }
    expect(await marks[0]?.handle.erase()).toEqual({ conversations: 1, messages: 1 });
    expect(await memory.scope({ tenant: "hostile" }).conversations.count()).toBe(users.length - 1);
  });

  test("ids of 512 random characters fit everywhere at once", async () => {
    const [tenant, userId, id, messageId] = Array.from({ length: 4 }, () => randomBytes(384).toString("base64")) as [
      string,
      string,
      string,
      string,
    ];
    const mine = memory.scope({ tenant, userId, resourceId: id });
    await mine.addMessages(id, { id: messageId, content: "found", name: id });
    await memory.flush();
    expect((await mine.recall("found"))[0]).toMatchObject({ id: messageId, scores: { vector: expect.any(Number) } });
  });

  test("the administrator's handle sees every user of its tenant and says whose a new conversation is", async () => {
    const [userId, id] = [newId("user"), newId("conversation")];
    const admin = memory.scope({ tenant: "admin-tenant" });
    await expect(admin.addMessages(id, "x")).rejects.toMatchObject({ code: "invalid_argument", field: "userId" });
    await admin.addMessages(id, "the administrator wrote this", { userId });
    await admin.addMessages(id, "the administrator again");
    expect((await admin.messages.list(id)).items.map((item) => item.userId)).toEqual([userId, userId]);
    expect(await admin.conversations.update(id, { title: "T" })).toMatchObject({ userId, title: "T" });
    await expect(admin.addMessages(id, "x", { userId: newId("user") })).rejects.toMatchObject(notFound);
    await expect(admin.recall("administrator")).rejects.toMatchObject({ code: "invalid_argument", field: "userId" });
    expect(await admin.recall("administrator", { allUsers: true })).toHaveLength(2);
    expect(await admin.recall("administrator", { userId })).toHaveLength(2);
    await expect(admin.erase()).rejects.toMatchObject({ code: "invalid_argument" });
    expect(await admin.conversations.delete(id)).toBe(true);
  });

  test("a scope is fixed: naming another user or resource is an error", async () => {
    const mine = memory.scope({ userId: "me", resourceId: "bot" });
    const fixed = { code: "invalid_argument" };
    await expect(mine.recall("x", { userId: "you" })).rejects.toMatchObject(fixed);
    await expect(mine.recall("x", { resourceId: "other" })).rejects.toMatchObject(fixed);
    await expect(mine.addMessages("c", "x", { userId: "you" })).rejects.toMatchObject(fixed);
    await expect(mine.conversations.list({ userId: "you" })).rejects.toMatchObject(fixed);
    await expect(mine.conversations.create({ userId: "you" })).rejects.toMatchObject(fixed);
    await expect(mine.messages.list("c", { userId: "you" })).rejects.toMatchObject(fixed);
    await expect(mine.erase({ userId: "you" })).rejects.toMatchObject(fixed);
  });

  test.each(["", "\0", "x".repeat(513), "\ud800"])("an id that cannot be one is refused: %j", (userId) => {
    expect(() => memory.scope({ userId })).toThrow(expect.objectContaining({ code: "invalid_argument", field: "userId" }));
  });
});
