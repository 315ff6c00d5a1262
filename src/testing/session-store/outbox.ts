import { expect } from "vitest";
import { textRevision } from "../../domain/search-text.ts";
import type { Outbox, OutboxChoice, OutboxItem, OwedRemoval, OwedVector, SessionStore } from "../../domain/session-store.ts";
import { day, type Fixture, message, pause, promise, type StorePromise } from "./fixture.ts";

const long = 600_000;
const vectorsOnly: OutboxChoice = { kinds: ["embed"], failed: false };
const removalsOnly: OutboxChoice = { kinds: ["forget"], failed: false };

/** What the checks leased of each store: only who leased an item can take it off before its lease ends. */
const taken = new WeakMap<SessionStore, { readonly items: OutboxItem[]; tenant: string }>();

/** The outbox of a store, adopted and with nothing in it. */
async function adopted(fixture: Fixture): Promise<Outbox> {
  const { store, tenant } = fixture;
  const outbox = outboxOf(store);
  await outbox.adopt("space", undefined);
  const before = taken.get(store);
  if (before !== undefined) {
    await store.erase({ tenant: before.tenant, userId: undefined, resourceId: undefined }, { compact: false });
    for (let start = 0; start < before.items.length; start += 1_000) await outbox.settle(before.items.slice(start, start + 1_000));
  }
  await drain(outbox);
  const items: OutboxItem[] = [];
  taken.set(store, { items, tenant });
  return {
    ...outbox,
    async lease(limit, leaseMs, which, signal) {
      const leased = await outbox.lease(limit, leaseMs, which, signal);
      items.push(...leased);
      return leased;
    },
  };
}

function outboxOf(store: SessionStore): Outbox {
  if (store.outbox === undefined) throw new Error("the store has no outbox");
  return store.outbox;
}

/** Settles what other checks left. */
async function drain(outbox: Outbox): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const items = await outbox.lease(1_000, 1_000, { kinds: ["embed", "forget"], failed: true });
    if (items.length > 0) await outbox.settle(items);
    else if ((await outbox.count(undefined, ["embed", "forget"])).pending === 0) return;
    else await pause(50);
  }
  throw new Error("the outbox does not get empty");
}

/** Leases until there are so many items; a store that repairs may show them late. */
async function leased(fixture: Fixture, outbox: Outbox, count: number, which = vectorsOnly, leaseMs = long): Promise<OutboxItem[]> {
  const items: OutboxItem[] = [];
  await fixture.eventually(async () => {
    items.push(...(await outbox.lease(1_000, leaseMs, which)));
    expect(items).toHaveLength(count);
  });
  return items;
}

const vectorsIn = (items: readonly OutboxItem[]) => items.filter((item): item is OwedVector => item.kind === "embed");
const removalsIn = (items: readonly OutboxItem[]) => items.filter((item): item is OwedRemoval => item.kind === "forget");
const idsIn = (items: readonly OutboxItem[]) =>
  vectorsIn(items)
    .map((item) => item.message.message.id)
    .sort();
const forgottenIn = (items: readonly OutboxItem[]) =>
  removalsIn(items)
    .flatMap((item) => item.messageIds)
    .sort();

const pending = async (fixture: Fixture, outbox: Outbox, kinds: readonly OutboxItem["kind"][], count: number) =>
  fixture.eventually(async () => expect((await outbox.count(fixture.scope(), kinds)).pending).toBe(count));

/** Vectors owed are recorded in the step that stores the message, and survive a crash. */
export const outbox: readonly StorePromise[] = [
  promise("before it was adopted nothing is owed; adopting owes what is there, and again only by another name", async (fixture) => {
    const { store } = await fixture.openPlace();
    const box = outboxOf(store);
    await store.append([fixture.request("c", [message("a", "one"), message("b", ""), message("c", "three")])]);
    expect((await box.count(undefined, ["embed"])).pending).toBe(0);
    await box.adopt("space 1");
    const items = await leased(fixture, box, 2);
    expect(idsIn(items)).toEqual(["a", "c"]);
    await box.settle(items);
    await box.adopt("space 1");
    expect(await box.lease(10, long, { kinds: ["embed"], failed: true })).toEqual([]);
    await store.append([fixture.request("c", [message("d", "four")])]);
    await box.adopt("space 2");
    expect(idsIn(await leased(fixture, box, 3))).toEqual(["a", "c", "d"]);
  }),

  promise("a message with text is owed a vector, and the item holds all a vector store needs", async (fixture) => {
    const box = await adopted(fixture);
    const create = { resourceId: "bot", title: "", metadataJson: "{}", language: undefined };
    const given = message("m", "zebra", {
      role: "assistant",
      name: "Ann",
      importance: 0.5,
      toolIds: ["call:a"],
      type: "tool-call",
      metadataJson: '{"k":1}',
    });
    const [stored] = await fixture.add("c", [given, message("empty", "")], { create });
    const [item] = vectorsIn(await leased(fixture, box, 1));
    expect(item).toMatchObject({ kind: "embed", tenant: fixture.tenant, userId: "user", conversationId: "c" });
    expect(item?.message).toEqual({ message: stored, resourceId: "bot", importance: 0.5, toolIds: ["call:a"] });
    expect(item?.revision).toBe(textRevision({ role: "assistant", name: "Ann", text: "zebra" }));
    expect(item?.attempts).toBeLessThanOrEqual(1);
    expect(typeof item?.key).toBe("string");
  }),

  promise("a leased item is nobody else's until its lease ends", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")]);
    const started = Date.now();
    await pending(fixture, box, ["embed"], 1);
    // Long enough to ask twice, also where a call takes a second.
    const [first] = await leased(fixture, box, 1, vectorsOnly, 1_500 + 4 * (Date.now() - started));
    expect(await box.lease(10, long, vectorsOnly)).toEqual([]);
    const again: OutboxItem[] = [];
    for (let waited = 0; waited < 300 && again.length === 0; waited++) {
      await pause(100);
      again.push(...(await box.lease(10, long, vectorsOnly)));
    }
    expect(idsIn(again)).toEqual(["a"]);
    expect(again[0]?.attempts).toBeGreaterThan(first?.attempts ?? 0);
  }),

  promise("eight workers at once never get the same item", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add(
      "c",
      Array.from({ length: 40 }, (_, index) => message(`m${index}`, `${index}`)),
    );
    await pending(fixture, box, ["embed"], 40);
    const items: OutboxItem[] = [];
    await fixture.eventually(async () => {
      const rounds = await Promise.all(Array.from({ length: 8 }, () => box.lease(10, long, vectorsOnly)));
      items.push(...rounds.flat());
      expect(new Set(idsIn(items)).size).toBe(items.length);
      if (items.length < 40) items.push(...(await box.lease(40, long, vectorsOnly)));
      expect(items).toHaveLength(40);
    });
  }),

  promise("a renewed lease holds for longer", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")]);
    const items = await leased(fixture, box, 1, vectorsOnly, 1_000);
    await box.renew(items, long);
    await pause(1_200);
    expect(await box.lease(10, long, vectorsOnly)).toEqual([]);
  }),

  promise("what failed is due again at its time, or for those who ask for what failed", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")]);
    const items = await leased(fixture, box, 1);
    await box.fail(items, "the model is away", new Date(Date.now() + long));
    await fixture.eventually(async () =>
      expect(await box.count(fixture.scope(), ["embed"])).toMatchObject({ pending: 1, failing: 1, lastError: "the model is away" }),
    );
    expect(await box.lease(10, long, vectorsOnly)).toEqual([]);
    const again = await leased(fixture, box, 1, { kinds: ["embed"], failed: true });
    expect(again[0]?.attempts).toBeGreaterThan(items[0]?.attempts ?? 0);
    await box.fail(again, "still away", new Date(Date.now() - 1));
    expect(idsIn(await leased(fixture, box, 1))).toEqual(["a"]);
  }),

  promise("settled items are taken off", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two")]);
    const items = await leased(fixture, box, 2);
    expect(await box.settle(items)).toEqual([]);
    await pending(fixture, box, ["embed", "forget"], 0);
    expect(await box.lease(10, long, { kinds: ["embed", "forget"], failed: true })).toEqual([]);
    expect(await box.settle([])).toEqual([]);
  }),

  promise("settle answers items whose messages were changed meanwhile, and leaves them owed", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two")]);
    const items = await leased(fixture, box, 2);
    await fixture.add("c", [message("a", "one again")]);
    expect(idsIn(await box.settle(items))).toEqual(["a"]);
    const [item] = vectorsIn(await leased(fixture, box, 1));
    expect(item?.message.message.content).toBe("one again");
    expect(item?.revision).toBe(textRevision({ role: "user", name: null, text: "one again" }));
    expect(await box.settle([item!])).toEqual([]);
    await pending(fixture, box, ["embed"], 0);
  }),

  promise("settle answers items whose messages were deleted meanwhile", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two")]);
    const items = await leased(fixture, box, 2);
    await fixture.store.deleteMessages(fixture.scope(), "c", ["b"]);
    expect(idsIn(await box.settle(items))).toEqual(["b"]);
    await pending(fixture, box, ["embed"], 0);
  }),

  promise("an item that is late, after another worker settled it, harms nothing", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")]);
    const items = await leased(fixture, box, 1);
    await box.settle(items);
    await box.renew(items, long);
    await box.fail(items, "late", new Date());
    await pending(fixture, box, ["embed"], 0);
  }),

  promise("a message that brings its vector is not owed one", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one", { embedding: Float32Array.of(1, 0) }), message("b", "two")]);
    expect(idsIn(await leased(fixture, box, 1))).toEqual(["b"]);
  }),

  promise("an update that changes neither role, name nor text owes nothing", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one", { name: "Ann" })]);
    await box.settle(await leased(fixture, box, 1));
    await fixture.add("c", [message("a", "one", { name: "Ann", metadataJson: '{"new":1}', importance: 1, partsJson: "[]" })]);
    expect(await box.lease(10, long, { kinds: ["embed"], failed: true })).toEqual([]);
    expect((await box.count(fixture.scope(), ["embed"])).pending).toBe(0);
  }),

  ...Object.entries({ role: { role: "assistant" }, name: { name: "Ben" }, text: { text: "two" } }).map(([field, change]) =>
    promise(`an update that changes the ${field} owes a vector anew`, async (fixture) => {
      const box = await adopted(fixture);
      const before = message("a", "one", { name: "Ann" });
      await fixture.add("c", [before]);
      await box.settle(await leased(fixture, box, 1));
      const after = { ...before, ...change };
      await fixture.add("c", [after]);
      const [item] = vectorsIn(await leased(fixture, box, 1));
      expect(item?.revision).toBe(textRevision(after));
    }),
  ),

  promise("deleted messages are owed their removal and no vector", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two"), message("c", "three")]);
    await pending(fixture, box, ["embed"], 3);
    await fixture.store.deleteMessages(fixture.scope(), "c", ["a", "c"]);
    await pending(fixture, box, ["embed"], 1);
    const items = removalsIn(await fixtureRemovals(fixture, box, ["a", "c"]));
    for (const item of items) expect(item).toMatchObject({ kind: "forget", tenant: fixture.tenant, userId: "user", conversationId: "c" });
    expect(await box.settle(items)).toEqual([]);
    await pending(fixture, box, ["forget"], 0);
    expect(idsIn(await leased(fixture, box, 1))).toEqual(["b"]);
  }),

  promise("clearing and deleting conversations, and erasing, owe the removal of all their messages", async (fixture) => {
    const box = await adopted(fixture);
    const scope = fixture.scope();
    for (const remove of [
      () => fixture.store.deleteMessages(scope, "c", undefined),
      () => fixture.store.deleteConversation(scope, "c"),
      () => fixture.store.erase(scope, { compact: false }),
      () => fixture.store.erase({ ...scope, userId: undefined }, { compact: false }),
      () => fixture.store.erase({ ...scope, resourceId: "default" }, { compact: false }),
    ]) {
      await fixture.add("c", [message("a", "one"), message("b", "two")]);
      await pending(fixture, box, ["embed"], 2);
      await remove();
      await pending(fixture, box, ["embed"], 0);
      await box.settle(await fixtureRemovals(fixture, box, ["a", "b"]));
    }
  }),

  promise("a removal names at most a thousand messages", async (fixture) => {
    const box = await adopted(fixture);
    const ids = Array.from({ length: 2_100 }, (_, index) => `m${index}`);
    await fixture.add(
      "c",
      ids.map((id) => message(id, id)),
    );
    await fixture.store.deleteConversation(fixture.scope(), "c");
    const items = removalsIn(await fixtureRemovals(fixture, box, ids.sort()));
    expect(Math.max(...items.map((item) => item.messageIds.length))).toBeLessThanOrEqual(1_000);
  }),

  promise("removals are leased, failed and renewed as vectors are", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")]);
    await fixture.store.deleteConversation(fixture.scope(), "c");
    const items = await fixtureRemovals(fixture, box, ["a"]);
    expect(await box.lease(10, long, removalsOnly)).toEqual([]);
    await box.renew(items, long);
    await box.fail(items, "the vector store is away", new Date(Date.now() + long));
    expect(await box.lease(10, long, removalsOnly)).toEqual([]);
    await fixture.eventually(async () =>
      expect(await box.count(fixture.scope(), ["forget"])).toMatchObject({ pending: 1, failing: 1, lastError: "the vector store is away" }),
    );
    expect(forgottenIn(await leased(fixture, box, 1, { kinds: ["forget"], failed: true }))).toEqual(["a"]);
  }),

  promise("a choice of kinds gets these kinds alone", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two")]);
    await fixture.store.deleteMessages(fixture.scope(), "c", ["a"]);
    await pending(fixture, box, ["embed", "forget"], 2);
    expect((await leased(fixture, box, 1, removalsOnly)).map((item) => item.kind)).toEqual(["forget"]);
    expect((await leased(fixture, box, 1, vectorsOnly)).map((item) => item.kind)).toEqual(["embed"]);
    expect(await box.lease(10, long, { kinds: [], failed: true })).toEqual([]);
  }),

  promise("the oldest work comes first, at most so much", async (fixture) => {
    const box = await adopted(fixture);
    for (const id of ["a", "b", "c"]) {
      await fixture.add("c", [message(id, id, { createdAt: day(id === "a" ? 9 : 1) })]);
      await pending(fixture, box, ["embed"], ["a", "b", "c"].indexOf(id) + 1);
      await pause(15);
    }
    expect(idsIn(await box.lease(1, long, vectorsOnly))).toEqual(["a"]);
    expect(idsIn(await box.lease(2, long, vectorsOnly))).toEqual(["b", "c"]);
  }),

  promise("counts are of the scope and kinds, and tell when the next piece is due", async (fixture) => {
    const box = await adopted(fixture);
    expect(await box.count(undefined, ["embed", "forget"])).toEqual({
      pending: 0,
      failing: 0,
      lastError: undefined,
      nextDueInMs: undefined,
    });
    await fixture.add("a", [message("m", "one"), message("n", "two")], { userId: "ann" });
    await fixture.add("b", [message("m", "three")], { userId: "ben" });
    const everybody = { tenant: fixture.tenant, userId: undefined, resourceId: undefined };
    await fixture.eventually(async () => {
      expect((await box.count(fixture.scope("ann"), ["embed"])).pending).toBe(2);
      expect((await box.count(fixture.scope("ben"), ["embed"])).pending).toBe(1);
      expect((await box.count(everybody, ["embed"])).pending).toBe(3);
      expect((await box.count(undefined, ["embed"])).pending).toBe(3);
    });
    expect((await box.count(undefined, ["forget"])).pending).toBe(0);
    expect((await box.count({ ...everybody, tenant: "nobody's" }, ["embed", "forget"])).pending).toBe(0);
    expect((await box.count(undefined, ["embed"])).nextDueInMs).toBeLessThanOrEqual(1_000);
    await leased(fixture, box, 3);
    expect((await box.count(undefined, ["embed"])).nextDueInMs).toBeGreaterThan(long / 2);
  }),

  promise("owe makes vectors of these messages due anew; those without text or gone are passed over", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one"), message("b", "two"), message("empty", "")]);
    await box.settle(await leased(fixture, box, 2));
    const reference = (messageId: string) => ({ userId: "user", conversationId: "c", messageId });
    await box.owe(fixture.tenant, [reference("a"), reference("empty"), reference("gone")]);
    await box.owe("another tenant", [reference("b")]);
    expect(idsIn(await leased(fixture, box, 1))).toEqual(["a"]);
    await box.owe(fixture.tenant, [reference("a")]);
    expect(idsIn(await leased(fixture, box, 1))).toEqual(["a"]);
    expect((await box.count(undefined, ["embed", "forget"])).pending).toBe(1);
  }),

  promise("what is owed is there for another process, and what one has leased the other does not get", async (fixture) => {
    const place = await fixture.openPlace();
    // A store that lives and dies with its process has no other one.
    if (place.reopen === undefined) return;
    const box = outboxOf(place.store);
    await box.adopt("space");
    await place.store.append([fixture.request("c", [message("a", "one"), message("b", "two")])]);
    await place.store.deleteMessages(fixture.scope(), "c", ["b"]);
    const other = fixture.keep(await place.reopen());
    await other.open();
    const otherBox = outboxOf(other);
    await otherBox.adopt("space");
    expect(idsIn(await leased(fixture, otherBox, 1))).toEqual(["a"]);
    expect(await box.lease(10, long, vectorsOnly)).toEqual([]);
    await place.store.close();
    expect(forgottenIn(await leased(fixture, otherBox, 1, removalsOnly))).toEqual(["b"]);
    await other.append([fixture.request("c", [message("c", "three")])]);
    expect(idsIn(await leased(fixture, otherBox, 1))).toEqual(["c"]);
  }),

  promise("a request that was refused owes nothing", async (fixture) => {
    const box = await adopted(fixture);
    await fixture.add("c", [message("a", "one")], { userId: "other" });
    await box.settle(await leased(fixture, box, 1));
    await fixture.store.append([fixture.request("c", [message("a", "not mine"), message("b", "not mine")])]);
    expect(await box.lease(10, long, { kinds: ["embed", "forget"], failed: true })).toEqual([]);
  }),
];

/** Leases removals until these ids are named. */
async function fixtureRemovals(fixture: Fixture, box: Outbox, ids: readonly string[]): Promise<OutboxItem[]> {
  const items: OutboxItem[] = [];
  await fixture.eventually(async () => {
    items.push(...(await box.lease(1_000, long, removalsOnly)));
    expect(forgottenIn(items)).toEqual(ids);
  });
  return items;
}
