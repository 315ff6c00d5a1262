import { expect } from "vitest";
import type { NewRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { contents, everything, type Fixture, message, promise, type StorePromise, user } from "./fixture.ts";

const create = (resourceId: string) => ({ resourceId, title: "", metadataJson: "{}", language: undefined });

/** No method reaches the message, asked by its own user and by the administrator. */
async function expectGone(fixture: Fixture, conversationId: string, messageId: string, word: string, userId = user) {
  const { store } = fixture;
  const scopes: StoreScope[] = [fixture.scope(userId), { tenant: fixture.tenant, userId: undefined, resourceId: undefined }];
  for (const scope of scopes) {
    expect(await store.getMessage(scope, conversationId, messageId)).toBeUndefined();
    expect(await store.getMessages(scope, [{ userId, conversationId, messageId }])).toEqual([]);
    const page = await store.listMessages(scope, conversationId, everything);
    expect(page?.items.filter((one) => one.userId === userId && one.id === messageId) ?? []).toEqual([]);
    const exported = (await fixture.exported(scope)).map(({ message }) => message);
    expect(exported.filter((one) => one.userId === userId && one.conversationId === conversationId && one.id === messageId)).toEqual([]);
    if (fixture.canSearch) expect(await fixture.search(word, { scope })).toEqual([]);
  }
}

/** A delete leaves nothing behind. */
export const deleted: readonly StorePromise[] = [
  promise("deleted messages are gone from every way of reading, and the others stay", async (fixture) => {
    await fixture.add("c", [message("a", "zebra"), message("b", "giraffe"), message("c", "zebra"), message("d", "lion")]);
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", ["a", "c", "unknown"])).toBe(2);
    await fixture.eventually(async () => {
      await expectGone(fixture, "c", "a", "zebra");
      await expectGone(fixture, "c", "c", "zebra");
      expect(contents((await fixture.list("c")).items)).toEqual(["giraffe", "lion"]);
    });
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", ["a"])).toBe(0);
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", [])).toBe(0);
  }),

  promise("places are not given out again, also when the last messages or all were deleted", async (fixture) => {
    const [, , last] = await fixture.add("c", [message("a", "1"), message("b", "2"), message("c", "3")]);
    await fixture.store.deleteMessages(fixture.scope(), "c", ["b", "c"]);
    const [again] = await fixture.add("c", [message("c", "3 again")]);
    expect(again?.seq).toBeGreaterThan(last!.seq);
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", undefined)).toBe(2);
    const [anew] = await fixture.add("c", [message("a", "1 anew")]);
    expect(anew?.seq).toBeGreaterThan(again!.seq);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(["1 anew"]));
  }),

  promise("deleting all messages keeps the conversation", async (fixture) => {
    await fixture.add("c", [message("a", "zebra"), message("b", "zebra")], { create: { ...create("bot"), title: "T" } });
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", undefined)).toBe(2);
    await fixture.eventually(async () => {
      await expectGone(fixture, "c", "a", "zebra");
      expect(await fixture.list("c")).toEqual({ items: [], nextCursor: undefined });
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toMatchObject({ title: "T", resourceId: "bot" });
      expect(await fixture.conversations()).toEqual(["c"]);
    });
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", undefined)).toBe(0);
  }),

  promise("a deleted conversation is gone with its messages, and its id is free for anybody", async (fixture) => {
    await fixture.add("c", [message("a", "zebra"), message("b", "giraffe")], { create: { ...create("bot"), title: "old" } });
    expect(await fixture.store.deleteConversation(fixture.scope(), "c")).toBe(true);
    expect(await fixture.store.deleteConversation(fixture.scope(), "c")).toBe(false);
    await fixture.eventually(async () => {
      await expectGone(fixture, "c", "a", "zebra");
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toBeUndefined();
      expect(await fixture.store.listMessages(fixture.scope(), "c", everything)).toBeUndefined();
      expect(await fixture.conversations()).toEqual([]);
      expect(await fixture.store.stats(fixture.scope())).toMatchObject({ conversations: 0, messages: 0, users: 0 });
    });
    await fixture.add("c", [message("n", "new")], { userId: "other" });
    await fixture.eventually(async () => {
      expect(contents((await fixture.list("c", {}, fixture.scope("other"))).items)).toEqual(["new"]);
      expect(await fixture.store.getConversation(fixture.scope("other"), "c")).toMatchObject({ title: "", resourceId: "default" });
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toBeUndefined();
    });
  }),

  promise("erase of a user takes everything of this user and nothing else", async (fixture) => {
    await fixture.add("a", [message("m", "zebra"), message("n", "zebra")]);
    await fixture.add("b", [message("m", "zebra")], { create: create("bot") });
    await fixture.add("c", [message("m", "giraffe")], { userId: "other" });
    expect(await fixture.store.erase(fixture.scope(), { compact: false })).toEqual({ conversations: 2, messages: 3 });
    await fixture.eventually(async () => {
      await expectGone(fixture, "a", "m", "zebra");
      await expectGone(fixture, "b", "m", "zebra");
      expect(await fixture.conversations()).toEqual([]);
      expect(contents((await fixture.list("c", {}, fixture.scope("other"))).items)).toEqual(["giraffe"]);
    });
    expect(await fixture.store.erase(fixture.scope(), { compact: false })).toEqual({ conversations: 0, messages: 0 });
  }),

  promise("erase of a resource takes the conversations of this resource and nothing else", async (fixture) => {
    await fixture.add("a", [message("m", "zebra")], { create: create("bot") });
    await fixture.add("b", [message("m", "giraffe")], { create: create("other") });
    await fixture.add("c", [message("m", "zebra")], { create: create("bot"), userId: "other" });
    expect(await fixture.store.erase(fixture.scope(user, "bot"), { compact: false })).toEqual({ conversations: 1, messages: 1 });
    await fixture.eventually(async () => {
      expect(await fixture.conversations()).toEqual(["b"]);
      expect(await fixture.conversations({}, fixture.scope("other"))).toEqual(["c"]);
    });
    const everybodys = { tenant: fixture.tenant, userId: undefined, resourceId: "bot" };
    expect(await fixture.store.erase(everybodys, { compact: false })).toEqual({ conversations: 1, messages: 1 });
    await fixture.eventually(async () => {
      await expectGone(fixture, "c", "m", "zebra", "other");
      expect(await fixture.conversations()).toEqual(["b"]);
    });
  }),

  promise("erase of a tenant takes everybody's, and what is written afterwards is there", async (fixture) => {
    await fixture.add("a", [message("m", "zebra")]);
    await fixture.add("b", [message("m", "zebra")], { userId: "other" });
    const everybody = { tenant: fixture.tenant, userId: undefined, resourceId: undefined };
    expect(await fixture.store.erase(everybody, { compact: false })).toEqual({ conversations: 2, messages: 2 });
    await fixture.eventually(async () => {
      await expectGone(fixture, "a", "m", "zebra");
      await expectGone(fixture, "b", "m", "zebra", "other");
      expect(await fixture.store.stats(everybody)).toMatchObject({ conversations: 0, messages: 0, users: 0 });
    });
    await fixture.add("a", [message("m", "lion")], { userId: "other" });
    await fixture.eventually(async () => expect(await fixture.conversations({}, fixture.scope("other"))).toEqual(["a"]));
  }),

  promise("erase that makes the store compact keeps what remains", async (fixture) => {
    await fixture.add("a", [message("m", "zebra")]);
    await fixture.add("b", [message("m", "giraffe")], { userId: "other" });
    expect(await fixture.store.erase(fixture.scope(), { compact: true })).toEqual({ conversations: 1, messages: 1 });
    await fixture.eventually(async () =>
      expect(contents((await fixture.list("b", {}, fixture.scope("other"))).items)).toEqual(["giraffe"]),
    );
  }),

  promise("a delete among 20 writers leaves no message without a conversation", async (fixture) => {
    await fixture.add("c", [message("first", "zebra")]);
    const writers = Array.from({ length: 20 }, (_, index) =>
      fixture.store.append([fixture.request("c", [message(`${index}`, "zebra")], { createConversation: false })]),
    );
    const [isDeleted] = await Promise.all([fixture.store.deleteConversation(fixture.scope(), "c"), ...writers]);
    expect(isDeleted).toBe(true);
    await fixture.eventually(async () => {
      expect(await fixture.exported(fixture.scope())).toEqual([]);
      expect(await fixture.store.getConversation(fixture.scope(), "c")).toBeUndefined();
      expect(await fixture.store.getMessage(fixture.scope(), "c", "first")).toBeUndefined();
      expect(await fixture.store.stats(fixture.scope())).toMatchObject({ conversations: 0, messages: 0 });
      if (fixture.canSearch) expect(await fixture.search("zebra")).toEqual([]);
    });
  }),

  promise("records of the store go with their conversation, though it is not there, and with their user", async (fixture) => {
    const { store, tenant } = fixture;
    const { records } = store;
    if (records === undefined) return;
    await records.open();
    const record = (id: string, fields: Partial<NewRecord> = {}) => ({ put: { ...newRecord, tenant, id, ...fields } });
    const left = async () => {
      const query = { orderBy: "position", direction: "asc", limit: 100, cursor: undefined, offset: 0 } as const;
      const { items } = await records.list({ tenant, userId: undefined, resourceId: undefined }, query);
      return items.map(({ id }) => id).toSorted();
    };
    await fixture.add("c", [message("a", "zebra")], { create: create("bot") });
    await records.write([
      record("of c", { conversationId: "c", resourceId: "bot" }),
      record("of c by another resource", { conversationId: "c" }),
      record("of another's c", { conversationId: "c", userId: "other" }),
      record("of none"),
      record("of an absent one", { conversationId: "absent" }),
      record("of bot", { resourceId: "bot" }),
    ]);
    expect(await store.deleteConversation(fixture.scope("other"), "absent")).toBe(false);
    expect(await store.deleteMessages(fixture.scope(), "c", undefined)).toBe(1);
    expect(await left()).toHaveLength(6);
    expect(await store.deleteConversation(fixture.scope(), "c")).toBe(true);
    expect(await store.deleteConversation(fixture.scope(), "absent")).toBe(false);
    expect(await left()).toEqual(["of another's c", "of bot", "of none"]);
    await fixture.add("d", [message("a", "zebra")], { create: create("bot") });
    await records.write([record("of d", { conversationId: "d" })]);
    await store.erase({ ...fixture.scope(), resourceId: "bot" }, { compact: false });
    expect(await left()).toEqual(["of another's c", "of none"]);
    await store.erase(fixture.scope(), { compact: false });
    expect(await left()).toEqual(["of another's c"]);
  }),

  promise("a store that forgets summaries takes those of what changes or goes, and tells what was replaced", async (fixture) => {
    const { store, tenant } = fixture;
    const { records } = store;
    if (records === undefined || store.forgetsSummaries !== true) return;
    await records.open();
    const stored = await fixture.add("c", [message("a", "zebra"), message("b", "giraffe"), message("c", "lion"), message("d", "bear")]);
    const [a = 0, b = 0, c = 0, d = 0] = stored.map(({ seq }) => seq);
    const ofPlaces = (id: string, fromSeq: number, position: number, type = "summary") => ({
      put: { ...newRecord, tenant, id, type, conversationId: "c", position, data: { fromSeq } },
    });
    await records.write([
      ...[ofPlaces("a", a, a), ofPlaces("b to c", b, c), ofPlaces("d", d, d), ofPlaces("all", a, d)],
      ...[ofPlaces("lease of c", c, c, "summary_lease"), ofPlaces("note", a, d, "note")],
    ]);
    const left = async () => {
      const query = { orderBy: "position", direction: "asc", limit: 100, cursor: undefined, offset: 0 } as const;
      return (await records.list({ tenant, userId: user, resourceId: undefined }, query)).items.map(({ id }) => id).toSorted();
    };
    let replaced: readonly number[] = [];
    const onReplaced = (seqs: readonly number[]) => {
      replaced = seqs;
    };
    await fixture.add("c", [message("c", "lion"), message("e", "wolf")], { onReplaced });
    expect([replaced, await left()]).toEqual([[], ["a", "all", "b to c", "d", "lease of c", "note"]]);
    await fixture.add("c", [message("c", "tiger")], { onReplaced });
    expect([replaced, await left()]).toEqual([[c], ["a", "d", "note"]]);
    await store.deleteMessages(fixture.scope(), "c", ["a", "unknown"]);
    expect(await left()).toEqual(["d", "note"]);
    await store.deleteMessages(fixture.scope(), "c", undefined);
    expect(await left()).toEqual(["note"]);
  }),
];

const newRecord: Omit<NewRecord, "tenant" | "id"> = {
  userId: user,
  type: "note",
  resourceId: "default",
  conversationId: undefined,
  name: undefined,
  key: undefined,
  content: "",
  data: {},
  position: 0,
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  expiresAt: undefined,
};
