import { expect } from "vitest";
import type { NewConversation } from "../../domain/session-store.ts";
import { contents, conversationPages, day, everything, type Fixture, message, promise, referenceTo, type StorePromise } from "./fixture.ts";

const newConversation = (fixture: Fixture, id: string, changes: Partial<NewConversation> = {}): NewConversation => ({
  tenant: fixture.tenant,
  userId: "user",
  id,
  resourceId: "default",
  title: "",
  metadataJson: "{}",
  language: undefined,
  ...changes,
});

/** What holds of conversations in every store. */
export const conversations: readonly StorePromise[] = [
  promise("createConversation gives what was asked for", async (fixture) => {
    const asked = newConversation(fixture, "c", { title: "T", metadataJson: '{"b":1,"a":"x"}', resourceId: "bot", language: "english" });
    const made = await fixture.store.createConversation(asked);
    const expected = { id: "c", userId: "user", resourceId: "bot", title: "T", metadata: { b: 1, a: "x" }, language: "english" };
    expect(made).toMatchObject(expected);
    expect(made.updatedAt).toEqual(made.createdAt);
    expect(Math.abs(made.createdAt.getTime() - Date.now())).toBeLessThan(600_000);
    await fixture.eventually(async () => expect(await fixture.store.getConversation(fixture.scope(), "c")).toEqual(made));
  }),

  promise("a conversation without a language has none", async (fixture) => {
    expect((await fixture.store.createConversation(newConversation(fixture, "c"))).language).toBeUndefined();
    await fixture.add("d", [message("a", "x")]);
    await fixture.eventually(async () => {
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toMatchObject({ title: "", metadata: {}, language: undefined });
      expect(await fixture.store.getConversation(fixture.scope(), "d")).toMatchObject({ title: "", metadata: {}, language: undefined });
    });
  }),

  promise("createConversation conflicts when the tenant has a conversation of this id, whoever owns it", async (fixture) => {
    await fixture.add("c", [message("a", "x")]);
    for (const userId of ["user", "other"]) {
      await expect(fixture.store.createConversation(newConversation(fixture, "c", { userId }))).rejects.toMatchObject({
        name: "ConflictError",
        code: "conflict",
        id: "c",
      });
    }
    const elsewhere = newConversation(fixture, "c", { tenant: `${fixture.tenant} of another` });
    expect((await fixture.store.createConversation(elsewhere)).id).toBe("c");
  }),

  promise("of ten who create a conversation at once exactly one does", async (fixture) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        fixture.store.createConversation(newConversation(fixture, "c", { userId: `user ${index}` })),
      ),
    );
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "conflict" });
  }),

  promise("of eight users who write to a new conversation at once exactly one makes it", async (fixture) => {
    const users = Array.from({ length: 8 }, (_, index) => `user ${index}`);
    const answers = await Promise.all(
      users.map(async (userId) => (await fixture.store.append([fixture.request("c", [message("a", userId)], { userId })]))[0]),
    );
    const winners = users.filter((_, index) => answers[index] !== undefined);
    expect(winners).toHaveLength(1);
    await fixture.eventually(async () => {
      for (const userId of users) {
        const page = await fixture.store.listMessages(fixture.scope(userId), "c", everything);
        expect(page?.items.map((one) => one.content)).toEqual(userId === winners[0] ? [userId] : undefined);
      }
    });
  }),

  promise("of two users who ask for a new conversation in one call exactly one gets it", async (fixture) => {
    const answers = await fixture.store.append(["one", "two"].map((userId) => fixture.request("c", [message("a", userId)], { userId })));
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
  }),

  promise("append creates the conversation as it is described, and later descriptions change nothing", async (fixture) => {
    const described = (title: string) => ({
      create: { resourceId: `bot of ${title}`, title, metadataJson: JSON.stringify({ title }), language: undefined },
    });
    await fixture.add("c", [message("a", "x")], described("first"));
    await fixture.add("c", [message("b", "y")], described("second"));
    await fixture.eventually(async () =>
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toMatchObject({
        resourceId: "bot of first",
        title: "first",
        metadata: { title: "first" },
      }),
    );
  }),

  promise("updatedAt is the latest creation time of the messages", async (fixture) => {
    const updatedAt = async (expected: Date) =>
      fixture.eventually(async () => expect((await fixture.store.getConversation(fixture.scope(), "c"))?.updatedAt).toEqual(expected));
    await fixture.add("c", [message("a", "x", { createdAt: day(3) }), message("b", "x", { createdAt: day(2) })]);
    await updatedAt(day(3));
    await fixture.add("c", [message("c", "x", { createdAt: day(5) })]);
    await updatedAt(day(5));
    await fixture.add("c", [message("d", "x", { createdAt: day(4) })]);
    await updatedAt(day(5));
  }),

  promise("updateConversation changes what is named and keeps the rest", async (fixture) => {
    const made = await fixture.store.createConversation(newConversation(fixture, "c", { title: "old", metadataJson: '{"a":1,"z":2}' }));
    const update = (changes: { title?: string; metadata?: Record<string, unknown> }) =>
      fixture.store.updateConversation(fixture.scope(), "c", changes);
    expect(await update({ metadata: { b: 2 } })).toMatchObject({ title: "old", metadata: { b: 2 } });
    const after = await update({ title: "" });
    expect(after).toMatchObject({ title: "", createdAt: made.createdAt, resourceId: "default", userId: "user" });
    expect(after?.metadata).toEqual({ b: 2 });
    expect(after?.updatedAt.getTime()).toBeGreaterThanOrEqual(made.updatedAt.getTime());
    await fixture.eventually(async () => expect(await fixture.store.getConversation(fixture.scope(), "c")).toEqual(after));
    expect(await fixture.store.updateConversation(fixture.scope(), "unknown", { title: "x" })).toBeUndefined();
  }),

  promise("a pin and an archive keep their time, and leave updatedAt as it is", async (fixture) => {
    const { store } = fixture;
    const made = await store.createConversation(newConversation(fixture, "c", { title: "T" }));
    expect(made).toMatchObject({ pinnedAt: undefined, archivedAt: undefined });
    const pinned = await store.updateConversation(fixture.scope(), "c", { pinned: true });
    expect(pinned).toMatchObject({ pinnedAt: expect.any(Date), archivedAt: undefined, updatedAt: made.updatedAt, title: "T" });
    const both = await store.updateConversation(fixture.scope(), "c", { pinned: true, archived: true });
    expect(both).toMatchObject({ pinnedAt: pinned?.pinnedAt, archivedAt: expect.any(Date), updatedAt: made.updatedAt });
    const renamed = await store.updateConversation(fixture.scope(), "c", { title: "U" });
    expect(renamed).toMatchObject({ title: "U", pinnedAt: both?.pinnedAt, archivedAt: both?.archivedAt });
    await fixture.add("c", [message("a", "x")]);
    await fixture.eventually(async () => {
      const now = await store.getConversation(fixture.scope(), "c");
      expect(now).toMatchObject({ pinnedAt: both?.pinnedAt, archivedAt: both?.archivedAt });
    });
    const neither = await store.updateConversation(fixture.scope(), "c", { pinned: false, archived: false });
    expect(neither).toMatchObject({ pinnedAt: undefined, archivedAt: undefined });
    await fixture.eventually(async () => expect(await store.getConversation(fixture.scope(), "c")).toEqual(neither));
  }),

  promise("a list holds pinned or archived conversations, or the others, or all", async (fixture) => {
    for (const [index, id] of ["a", "b", "c", "d", "e"].entries())
      await fixture.add(id, [message("m", "x", { createdAt: day(index + 1) })]);
    for (const id of ["a", "b"]) await fixture.store.updateConversation(fixture.scope(), id, { pinned: true });
    for (const id of ["b", "c"]) await fixture.store.updateConversation(fixture.scope(), id, { archived: true });
    await fixture.eventually(async () => {
      expect(await fixture.conversations()).toEqual(["a", "b", "c", "d", "e"]);
      expect(await fixture.conversations({ pinned: true })).toEqual(["a", "b"]);
      expect(await fixture.conversations({ archived: true, direction: "desc" })).toEqual(["c", "b"]);
      expect(await fixture.conversations({ archived: false, orderBy: "updatedAt" })).toEqual(["a", "d", "e"]);
      expect(await fixture.conversations({ archived: false, pinned: false })).toEqual(["d", "e"]);
      expect(await fixture.conversations({ archived: false, pinned: true })).toEqual(["a"]);
      expect(await conversationPages(fixture, { archived: false, limit: 1 })).toEqual([["a"], ["d"], ["e"]]);
      expect(await fixture.conversations({ archived: false, offset: 1, limit: 1 })).toEqual(["d"]);
    });
  }),

  promise("a title changes only while it is the one that is expected", async (fixture) => {
    const { store } = fixture;
    const made = await store.createConversation(newConversation(fixture, "c", { title: "old" }));
    expect(await store.updateConversation(fixture.scope(), "c", { title: "new", ifTitle: "other" })).toEqual(made);
    expect(await store.updateConversation(fixture.scope(), "c", { title: "new", ifTitle: "old" })).toMatchObject({ title: "new" });
    expect(await store.updateConversation(fixture.scope(), "c", { title: "x", ifTitle: "" })).toMatchObject({ title: "new" });
    expect(await store.updateConversation(fixture.scope(), "unknown", { title: "x", ifTitle: "" })).toBeUndefined();
  }),

  promise("a list tells how many messages each conversation has, and its newest", async (fixture) => {
    const { store } = fixture;
    await store.createConversation(newConversation(fixture, "empty"));
    await fixture.add("c", [message("a", "1"), message("b", "2", { createdAt: day(1) })]);
    const [last] = await fixture.add("d", [message("a", "3", { name: "Ann", metadataJson: '{"k":1}' })]);
    const told = async () => {
      const query = { ...listing, orderBy: "title", include: ["messageCount", "lastMessage"] } as const;
      const { items } = await store.listConversations(fixture.scope(), query);
      const ids = items.map(({ id }) => id);
      const asked = store.describeConversations?.(fixture.scope(), ids, query.include) ?? items;
      return new Map((await asked).map((one, index) => [ids[index], one]));
    };
    await fixture.eventually(async () => {
      const found = await told();
      // A store without either is read by the core, message by message.
      if (store.describeConversations === undefined && !("messageCount" in (found.get("c") ?? {}))) return;
      expect(found.get("empty")).toMatchObject({ messageCount: 0 });
      expect(found.get("empty")?.lastMessage).toBeUndefined();
      expect(found.get("c")).toMatchObject({ messageCount: 2, lastMessage: { id: "b", content: "2" } });
      expect(found.get("d")).toMatchObject({ messageCount: 1 });
      expect(found.get("d")?.lastMessage).toEqual(last);
    });
    await store.deleteMessages(fixture.scope(), "c", ["b"]);
    await fixture.eventually(async () => {
      const found = await told();
      if (store.describeConversations === undefined && !("messageCount" in (found.get("c") ?? {}))) return;
      expect(found.get("c")).toMatchObject({ messageCount: 1, lastMessage: { id: "a" } });
    });
  }),

  promise("a conversation that is moved is its new owner's alone, with all its messages", async (fixture) => {
    const { store } = fixture;
    // Without it the core says that it is not offered.
    if (store.moveConversation === undefined) return;
    const everybody = { tenant: fixture.tenant, userId: undefined, resourceId: undefined };
    await fixture.add("c", [message("a", "walrus"), message("b", "penguin", { importance: 0.5 })]);
    await fixture.add("other", [message("a", "walrus")]);
    const before = await store.getConversation(everybody, "c");
    const moved = await store.moveConversation(everybody, "c", { userId: "ann", resourceId: "bot" });
    expect(moved).toEqual({ ...before, userId: "ann", resourceId: "bot" });
    expect(await store.moveConversation(everybody, "unknown", { userId: "ann" })).toBeUndefined();
    expect(await store.moveConversation(fixture.scope(), "c", { resourceId: "x" })).toBeUndefined();
    expect(await store.getConversation(fixture.scope(), "c")).toBeUndefined();
    expect(await store.listMessages(fixture.scope(), "c", everything)).toBeUndefined();
    expect(await fixture.conversations()).toEqual(["other"]);
    const ann = fixture.scope("ann", "bot");
    expect(contents((await fixture.list("c", {}, ann)).items)).toEqual(["walrus", "penguin"]);
    expect(await store.getMessages(ann, [{ userId: "ann", conversationId: "c", messageId: "b" }])).toMatchObject([
      { resourceId: "bot", importance: 0.5, message: { userId: "ann" } },
    ]);
    expect(await store.stats(fixture.scope("ann"))).toMatchObject({ conversations: 1, messages: 2 });
    await fixture.add("c", [message("d", "x"), message("a", "walrus again")], { userId: "ann" });
    expect(contents((await fixture.list("c", {}, ann)).items)).toEqual(["walrus again", "penguin", "x"]);
    if (fixture.canSearch) {
      expect(new Set((await fixture.search("penguin", { scope: ann })).map(({ userId }) => userId))).toEqual(new Set(["ann"]));
      expect(await fixture.search("penguin")).toEqual([]);
    }
    expect(await store.erase(fixture.scope("ann"), { compact: false })).toEqual({ conversations: 1, messages: 3 });
  }),

  promise("what is not there is undefined, false or nothing", async (fixture) => {
    const { store } = fixture;
    const scope = fixture.scope();
    await store.createConversation(newConversation(fixture, "empty"));
    expect(await store.getConversation(scope, "unknown")).toBeUndefined();
    expect(await store.deleteConversation(scope, "unknown")).toBe(false);
    expect(await store.listMessages(scope, "unknown", everything)).toBeUndefined();
    expect(await store.deleteMessages(scope, "unknown", undefined)).toBeUndefined();
    expect(await store.deleteMessages(scope, "unknown", ["m"])).toBeUndefined();
    expect(await store.getMessage(scope, "unknown", "m")).toBeUndefined();
    expect(await store.getMessage(scope, "empty", "m")).toBeUndefined();
    expect(await store.deleteMessages(scope, "empty", ["m"])).toBe(0);
    expect(await store.listMessages(scope, "empty", everything)).toEqual({ items: [], nextCursor: undefined });
    expect(await store.getMessages(scope, [{ userId: "user", conversationId: "empty", messageId: "m" }])).toEqual([]);
    expect(await store.getMessages(scope, [])).toEqual([]);
    expect(await store.append([])).toEqual([]);
    const nobody = fixture.scope("nobody");
    expect(await store.listConversations(nobody, { ...listing })).toEqual({ items: [], nextCursor: undefined });
    expect(await store.countConversations(nobody)).toBe(0);
    expect(await store.exportMessages(nobody, undefined, 10)).toEqual([]);
    expect(await store.erase(nobody, { compact: false })).toEqual({ conversations: 0, messages: 0 });
    expect(await store.stats(nobody)).toMatchObject({ conversations: 0, messages: 0, users: 0 });
  }),

  promise("a scope without a user reads, changes and deletes what is anybody's of the tenant", async (fixture) => {
    const { store } = fixture;
    const everybody = { tenant: fixture.tenant, userId: undefined, resourceId: undefined };
    await fixture.add("a", [message("m", "one", { createdAt: day(1) })], { userId: "ann" });
    const [second] = await fixture.add("b", [message("m", "two", { createdAt: day(2) })], { userId: "ben" });
    await fixture.eventually(async () => {
      expect(await fixture.conversations({}, everybody)).toEqual(["a", "b"]);
      expect(await store.countConversations(everybody)).toBe(2);
      expect(await store.stats(everybody)).toMatchObject({ conversations: 2, messages: 2, users: 2 });
      expect(contents((await fixture.list("b", {}, everybody)).items)).toEqual(["two"]);
    });
    expect(await store.getConversation(everybody, "b")).toMatchObject({ userId: "ben" });
    expect(await store.getMessage(everybody, "b", "m")).toEqual(second);
    expect(await store.getMessages(everybody, [referenceTo(second!)])).toMatchObject([{ message: { content: "two" } }]);
    expect(await store.updateConversation(everybody, "b", { title: "T" })).toMatchObject({ title: "T", userId: "ben" });
    expect(await store.deleteMessages(everybody, "b", ["m"])).toBe(1);
    expect(await store.deleteConversation(everybody, "a")).toBe(true);
    await fixture.eventually(async () => expect(await fixture.conversations({}, everybody)).toEqual(["b"]));
  }),

  promise("counts are of the scope", async (fixture) => {
    await fixture.add("a", [message("m", "1"), message("n", "2")], { userId: "ann", create: { ...create, resourceId: "bot" } });
    await fixture.add("b", [message("m", "3")], { userId: "ann" });
    await fixture.add("c", [message("m", "4")], { userId: "ben" });
    await fixture.eventually(async () => {
      expect(await fixture.store.countConversations(fixture.scope("ann"))).toBe(2);
      expect(await fixture.store.countConversations(fixture.scope("ann", "bot"))).toBe(1);
      expect(await fixture.store.countConversations(fixture.scope("ann", "other"))).toBe(0);
      expect(await fixture.store.stats(fixture.scope("ann"))).toMatchObject({ conversations: 2, messages: 3, users: 1 });
    });
  }),
];

const create = { resourceId: "default", title: "", metadataJson: "{}", language: undefined };
const listing = { orderBy: "updatedAt", direction: "desc", limit: 10, cursor: undefined, offset: 0 } as const;
