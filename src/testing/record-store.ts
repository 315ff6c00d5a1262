import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MemoryError } from "../domain/errors.ts";
import { type MetadataFilter, matchesFilter } from "../domain/filter.ts";
import type { RecordGuarantees } from "../domain/guarantees.ts";
import type { NewRecord, RecordConditions, RecordQuery, RecordStore, RecordVectorQuery, StoredRecord } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import { type Check, guaranteed } from "./guaranteed.ts";
import { cosineSimilarity } from "./vector-data.ts";

/** An empty store that nothing else writes to, and what the suite may do around it. */
export interface RecordStorePlace {
  readonly store: RecordStore;
  /** Opens the same place once more, as another process would, also while the first is open. Needed by `durable`. */
  reopen?(): Promise<RecordStore>;
  /** Whether the client the store was given still answers; asked after `close`. */
  lentClientWorks?(): Promise<boolean>;
  /** Restarts the server behind the store, and resolves when it answers again. */
  restart?(): Promise<void>;
  /** Removes the place; called after the store was closed. */
  cleanup?(): Promise<void>;
}

/** What the suite is to expect of a store beside its guarantees. */
export interface RecordStoreSuiteOptions {
  /**
   * Tests that are expected to fail, by their title, each with the reason. One that passes is red: take it out. For whole
   * guarantees use the store's `guarantees`.
   * @default none
   */
  readonly except?: Readonly<Record<string, string>> | undefined;
  /** Makes a store of a server that is not there, to see that it says so. @default not tested */
  readonly unreachable?: (() => RecordStore) | undefined;
  /** For each test. @default 60000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Holds a record store to the promises of `RecordStore` and to the guarantees it declares.
 *
 * `open` gives an empty place; the suite opens and closes its store. It is called once for most tests, and once more for
 * each of those that close the store.
 *
 * @example
 * recordStoreSuite("files", async () => ({ store: fileRecordStore({ directory: await temporaryDirectory() }) }));
 */
export function recordStoreSuite(name: string, open: () => Promise<RecordStorePlace>, options: RecordStoreSuiteOptions = {}): void {
  const { except = {}, unreachable, timeoutMs = 60_000 } = options;
  describe(`record store ${name}`, () => {
    const titles = new Set<string>();
    const others: RecordStore[] = [];
    let place: RecordStorePlace;

    beforeAll(async () => {
      place = await open();
      await place.store.open();
    }, 120_000);
    afterAll(async () => {
      for (const other of others) await other.close();
      await place?.store.close();
      await place?.cleanup?.();
    }, 120_000);

    async function reopen(): Promise<RecordStore> {
      if (place.reopen === undefined) throw new Error("the place has no `reopen`: whether the store is durable cannot be told");
      const other = await place.reopen();
      others.push(other);
      await other.open();
      return other;
    }

    function note(title: string): void {
      if (titles.has(title)) throw new Error(`two tests have the title "${title}"`);
      titles.add(title);
    }

    /** With an exception the test must fail. */
    function excepting(title: string, body: () => Promise<void>): Promise<void> {
      const reason = except[title];
      return reason === undefined ? body() : expectFailure(body, reason);
    }

    const tools: Tools = {
      store: () => place.store,
      pair: async () => (place.reopen === undefined ? [place.store] : [place.store, await reopen()]),
      reopen,
    };
    for (const [guarantee, declare] of Object.entries(groups) as [keyof RecordGuarantees, Declaration][]) {
      const level = () => place.store.guarantees[guarantee];
      guaranteed(guarantee, level, (check) =>
        declare((title, body) => {
          note(title);
          check(title, (eventually) => excepting(title, () => body(eventually)), timeoutMs);
        }, tools),
      );
    }

    describe("life", () => {
      const always = (title: string, body: () => Promise<void>) => {
        note(title);
        test(title, { timeout: timeoutMs }, () => excepting(title, body));
      };
      lifeTests(always, tools, open, unreachable);

      test("after the server was restarted the store works again", { timeout: 2 * timeoutMs }, async ({ skip }) => {
        if (place.restart === undefined) return skip("the place has no `restart`");
        await expectAfterRestart(place);
      });
    });

    test("exceptions name tests of this suite", () => {
      expect(Object.keys(except).filter((title) => !titles.has(title))).toEqual([]);
    });
  });
}

type Declaration = (check: Check, tools: Tools) => void;

const groups: Readonly<Record<keyof RecordGuarantees, Declaration>> = {
  atomic: atomicTests,
  consistent: consistentTests,
  lossless: losslessTests,
  isolated: isolatedTests,
  readYourWrites: listTests,
  deleted: deletedTests,
  text: textTests,
  vectors: vectorTests,
  durable: durableTests,
};

async function expectFailure(work: () => Promise<void>, reason: string): Promise<void> {
  const hasFailed = await work().then(
    () => false,
    () => true,
  );
  if (!hasFailed) throw new Error(`this test is excepted (${reason}), and it passes: take the exception out`);
}

interface Tools {
  readonly store: () => RecordStore;
  /** The store, and another on the same data where that can be had. */
  readonly pair: () => Promise<readonly RecordStore[]>;
  readonly reopen: () => Promise<RecordStore>;
}

let tenants = 0;
/** A tenant no other test uses, in this process or another. */
const newTenant = () => `tenant-${process.pid}-${Date.now().toString(36)}-${++tenants}`;

const everything = (tenant: string): StoreScope => ({ tenant, userId: undefined, resourceId: undefined });

const template: Omit<NewRecord, "tenant" | "id"> = {
  userId: "user",
  type: "note",
  resourceId: "agent",
  conversationId: undefined,
  name: undefined,
  key: undefined,
  content: "",
  data: {},
  position: 0,
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  expiresAt: undefined,
};

function newRecord(tenant: string, id: string, fields: Partial<NewRecord> = {}): NewRecord {
  return { ...template, tenant, id, ...fields };
}

const nameOf = ({ userId, type, id }: NewRecord) => ({ userId, type, id });
const idsOf = (records: readonly { readonly id: string }[]) => records.map((record) => record.id);

async function put(store: RecordStore, ...records: readonly NewRecord[]): Promise<readonly StoredRecord[]> {
  return (await store.write(records.map((record) => ({ put: record })))) as readonly StoredRecord[];
}

async function find(store: RecordStore, { tenant, ...name }: Pick<NewRecord, "tenant" | "userId" | "type" | "id">) {
  const [found] = await store.get(tenant, [{ userId: name.userId, type: name.type, id: name.id }]);
  return found;
}

const listing: RecordQuery = { orderBy: "createdAt", direction: "asc", limit: 1_000, cursor: undefined, offset: 0 };

async function list(store: RecordStore, scope: StoreScope, query: Partial<RecordQuery> = {}): Promise<string[]> {
  return idsOf((await store.list(scope, { ...listing, ...query })).items);
}

/** Every page, by the cursors. */
async function pages(store: RecordStore, scope: StoreScope, query: Partial<RecordQuery>, between?: () => Promise<unknown>) {
  const ids: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.list(scope, { ...listing, ...query, cursor });
    ids.push(...idsOf(page.items));
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? listing.limit);
    if (page.nextCursor === undefined) return ids;
    expect(page.items.length, "a page with a successor is not empty").toBeGreaterThan(0);
    cursor = page.nextCursor;
    await between?.();
  }
}

async function expectConflict(work: Promise<unknown>): Promise<void> {
  const error: unknown = await work.then(
    () => new Error("it was done"),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "ConflictError", code: "conflict" });
}

function atomicTests(check: Check, { store }: Tools): void {
  check("a write does all of it", async () => {
    const tenant = newTenant();
    const records = Array.from({ length: 500 }, (_, index) => newRecord(tenant, `r${index}`, { position: index }));
    const written = await put(store(), ...records);
    expect(idsOf(written)).toEqual(idsOf(records));
    const answers = await store().write([
      { put: newRecord(tenant, "r0", { content: "changed" }), ifVersion: 1 },
      { delete: { tenant, ...nameOf(records[1]!) } },
      { put: newRecord(tenant, "new") },
    ]);
    expect(answers).toHaveLength(3);
    expect([answers[0]?.version, answers[2]?.version]).toEqual([2, 1]);
    expect(await store().count(everything(tenant), {})).toBe(500);
  });

  check("a write of nothing is nothing", async () => {
    expect(await store().write([])).toEqual([]);
  });

  check("a write does nothing when one version is not as expected", async () => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "there", { content: "before" }));
    await expectConflict(
      store().write([
        { put: newRecord(tenant, "first") },
        { put: newRecord(tenant, "there", { content: "after" }) },
        { put: newRecord(tenant, "there"), ifVersion: 7 },
        { put: newRecord(tenant, "last") },
      ]),
    );
    expect(await list(store(), everything(tenant))).toEqual(["there"]);
    expect(await find(store(), newRecord(tenant, "there"))).toMatchObject({ content: "before", version: 1 });
  });

  check("a write does nothing when a record it relies on is not there", async () => {
    const tenant = newTenant();
    const [run] = await put(store(), newRecord(tenant, "run"));
    const relying = { check: { tenant, ...nameOf(newRecord(tenant, "run")) } };
    const [checked, first] = await store().write([relying, { put: newRecord(tenant, "first") }]);
    expect(checked).toEqual(run);
    expect(first?.version).toBe(1);
    await expectConflict(store().write([{ put: newRecord(tenant, "second") }, { ...relying, ifVersion: 2 }]));
    await expectConflict(store().write([{ delete: relying.check }, relying, { put: newRecord(tenant, "second") }]));
    expect(await find(store(), newRecord(tenant, "run"))).toEqual(run);
    await store().write([{ delete: relying.check }]);
    await expectConflict(store().write([{ put: newRecord(tenant, "second") }, relying]));
    expect(await list(store(), everything(tenant))).toEqual(["first"]);
  });

  check("a write does nothing when one key is taken", async () => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "holder", { key: "k" }), newRecord(tenant, "gone?"));
    await expectConflict(
      store().write([
        { put: newRecord(tenant, "first") },
        { delete: { tenant, ...nameOf(newRecord(tenant, "gone?")) } },
        { put: newRecord(tenant, "second", { key: "k" }) },
      ]),
    );
    expect((await list(store(), everything(tenant))).sort()).toEqual(["gone?", "holder"]);
  });
}

function consistentTests(check: Check, { store, pair }: Tools): void {
  check("a version is 1, and one more with each change", async () => {
    const tenant = newTenant();
    const record = newRecord(tenant, "a", { content: "one" });
    const [first] = await put(store(), record);
    const [second] = await put(store(), { ...record, content: "two" });
    const [third] = await store().write([{ put: { ...record, content: "three" }, ifVersion: 2 }]);
    expect([first?.version, second?.version, third?.version]).toEqual([1, 2, 3]);
    expect(await find(store(), record)).toEqual(third);
    expect(third?.updatedAt.getTime()).toBeGreaterThanOrEqual(first?.updatedAt.getTime() ?? 0);
    expect(third?.createdAt).toEqual(record.createdAt);
  });

  check("a version is above the one that is named", async () => {
    const tenant = newTenant();
    const record = newRecord(tenant, "a");
    const [moved] = await store().write([{ put: record, ifVersion: 0, aboveVersion: 5 }]);
    const [changed] = await store().write([{ put: record, ifVersion: 6, aboveVersion: 2 }]);
    expect([moved?.version, changed?.version]).toEqual([6, 7]);
    expect(await find(store(), record)).toMatchObject({ version: 7 });
  });

  check("a replaced record keeps nothing of what it was", async () => {
    const tenant = newTenant();
    const full = { conversationId: "c", name: "n", key: "k", data: { a: 1 }, position: 5, expiresAt: new Date(Date.now() + 3_600_000) };
    await put(store(), newRecord(tenant, "a", full));
    await put(store(), newRecord(tenant, "a"));
    expect(await find(store(), newRecord(tenant, "a"))).toMatchObject(newRecord(tenant, "a"));
  });

  check("another version than expected is a conflict", async () => {
    const tenant = newTenant();
    const record = newRecord(tenant, "a");
    await expectConflict(store().write([{ put: record, ifVersion: 1 }]));
    await store().write([{ put: record, ifVersion: 0 }]);
    await expectConflict(store().write([{ put: record, ifVersion: 0 }]));
    await expectConflict(store().write([{ put: record, ifVersion: 2 }]));
    await expectConflict(store().write([{ delete: { tenant, ...nameOf(record) }, ifVersion: 2 }]));
    await store().write([{ delete: { tenant, ...nameOf(record) }, ifVersion: 1 }]);
    await expectConflict(store().write([{ delete: { tenant, ...nameOf(record) }, ifVersion: 1 }]));
    await store().write([{ delete: { tenant, ...nameOf(record) } }]);
    expect(await store().count(everything(tenant), {})).toBe(0);
  });

  check("operations of one write see what those before them did", async () => {
    const tenant = newTenant();
    const record = newRecord(tenant, "a");
    const answers = await store().write([
      { put: record, ifVersion: 0 },
      { put: { ...record, content: "two" }, ifVersion: 1 },
      { put: { ...record, content: "three" } },
    ]);
    expect(answers.map((answer) => answer?.version)).toEqual([1, 2, 3]);
    expect(await find(store(), record)).toMatchObject({ content: "three", version: 3 });
    await store().write([{ delete: { tenant, ...nameOf(record) } }, { put: record, ifVersion: 0 }]);
    expect(await find(store(), record)).toMatchObject({ content: "", version: 1 });
  });

  check("no two records of a tenant, user and type have the same key", async () => {
    const tenant = newTenant();
    const holder = newRecord(tenant, "holder", { key: "k" });
    await put(store(), holder);
    await expectConflict(put(store(), newRecord(tenant, "other", { key: "k" })));
    await expectConflict(put(store(), newRecord(tenant, "other", { key: "k", resourceId: "another agent" })));
    await expectConflict(put(store(), newRecord(tenant, "x", { key: "twice" }), newRecord(tenant, "y", { key: "twice" })));
    await put(store(), { ...holder, content: "its own key again" });
    await put(
      store(),
      newRecord(tenant, "other", { key: "k", type: "fact" }),
      newRecord(tenant, "other", { key: "k", userId: "another user" }),
      newRecord(`${tenant}-2`, "other", { key: "k" }),
      newRecord(tenant, "other", { key: "K" }),
      newRecord(tenant, "without"),
      newRecord(tenant, "without either"),
    );
    expect(await list(store(), { ...everything(tenant), userId: "user" }, { types: ["note"], key: "k" })).toEqual(["holder"]);
  });

  check("one write may free a key and give it to another record, in any order", async () => {
    const tenant = newTenant();
    const holder = newRecord(tenant, "a", { key: "k" });
    await put(store(), holder);
    await store().write([{ delete: { tenant, ...nameOf(holder) } }, { put: newRecord(tenant, "b", { key: "k" }) }]);
    await store().write([{ put: newRecord(tenant, "c", { key: "k" }) }, { put: newRecord(tenant, "b") }]);
    await put(store(), newRecord(tenant, "d", { key: "l" }));
    await put(store(), newRecord(tenant, "c", { key: "l" }), newRecord(tenant, "d", { key: "k" }));
    expect(await list(store(), everything(tenant), { key: "k" })).toEqual(["d"]);
    expect(await list(store(), everything(tenant), { key: "l" })).toEqual(["c"]);
  });

  check("16 writers claim one key: exactly one gets it", async () => {
    const tenant = newTenant();
    const stores = await pair();
    for (let round = 0; round < 3; round++) {
      const claims = Array.from({ length: 16 }, (_, index) =>
        put(stores[index % stores.length]!, newRecord(tenant, `${round}-${index}`, { key: `key ${round}` })),
      );
      const settled = await Promise.allSettled(claims);
      const lost = settled.filter((claim) => claim.status === "rejected");
      expect(lost.map(({ reason }) => (reason as { code?: unknown }).code)).toEqual(new Array(15).fill("conflict"));
      expect(await store().count(everything(tenant), { key: `key ${round}` })).toBe(1);
    }
  });

  check("16 writers change one record by its version: no change is lost", async () => {
    const tenant = newTenant();
    const stores = await pair();
    const record = newRecord(tenant, "counter", { data: { count: 0 } });
    await put(store(), record);
    const increment = async (mine: RecordStore) => {
      for (;;) {
        const before = (await find(mine, record)) as StoredRecord;
        const changed = { ...record, data: { count: (before.data.count as number) + 1 } };
        try {
          return await mine.write([{ put: changed, ifVersion: before.version }]);
        } catch (error) {
          if (!MemoryError.isInstance(error) || error.code !== "conflict") throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, index) => increment(stores[index % stores.length]!)));
    expect(await find(store(), record)).toMatchObject({ data: { count: 16 }, version: 17 });
  });

  check("an expired record is not there, and its key is free", async () => {
    const tenant = newTenant();
    const expired = newRecord(tenant, "old", { key: "k", content: "walrus", expiresAt: new Date(Date.now() - 1_000) });
    const alive = newRecord(tenant, "alive", { content: "walrus", expiresAt: new Date(Date.now() + 3_600_000) });
    await put(store(), expired, alive);
    expect(await find(store(), expired)).toBeUndefined();
    expect(await list(store(), everything(tenant))).toEqual(["alive"]);
    expect(await store().count(everything(tenant), {})).toBe(1);
    expect(await store().count(everything(tenant), { key: "k" })).toBe(0);
    const matches = await store().searchText?.(everything(tenant), { words: "walrus", limit: 10 });
    if (matches !== undefined) expect(matches.map(({ record }) => record.id)).toEqual(["alive"]);
    await expectConflict(store().write([{ put: expired, ifVersion: 1 }]));
    await put(store(), newRecord(tenant, "heir", { key: "k" }));
    const [again] = await store().write([{ put: { ...expired, key: undefined, expiresAt: undefined }, ifVersion: 0 }]);
    expect(again?.version).toBe(1);
  });

  check("a record expires by itself", async () => {
    const tenant = newTenant();
    const record = newRecord(tenant, "short", { key: "k", expiresAt: new Date(Date.now() + 700) });
    await put(store(), record);
    expect(await find(store(), record)).toMatchObject({ expiresAt: record.expiresAt });
    await expect.poll(() => find(store(), record), { timeout: 10_000, interval: 100 }).toBeUndefined();
    expect(await list(store(), everything(tenant))).toEqual([]);
  });

  check("changes read and write in one step, however many at once", async () => {
    const tenant = newTenant();
    const stores = await pair();
    const record = newRecord(tenant, "a", { content: "0" });
    const add = (target: RecordStore) =>
      target.change?.(tenant, [nameOf(record)], ([found]) => [
        { put: { ...record, content: String(Number(found?.content ?? 0) + 1) }, ifVersion: found?.version ?? 0 },
      ]);
    if (store().change === undefined) return;
    const answers = await Promise.all(Array.from({ length: 32 }, (_, index) => add(stores[index % stores.length]!)));
    expect(answers.map((answer) => answer?.[0]?.version).toSorted((left, right) => left! - right!)).toEqual(
      Array.from({ length: 32 }, (_, index) => index + 1),
    );
    expect(await find(store(), record)).toMatchObject({ content: "32", version: 32 });
    expect(await store().change?.(tenant, [nameOf(record)], () => [])).toEqual([]);
    const refused = store().change?.(tenant, [nameOf(record)], () => {
      throw new TypeError("no");
    });
    await expect(refused).rejects.toThrow(new TypeError("no"));
    expect(await find(store(), record)).toMatchObject({ version: 32 });
  });

  check("what relies on a record goes with it, however many write at once", async () => {
    const tenant = newTenant();
    const stores = await pair();
    for (let round = 0; round < 5; round++) {
      const name = `run ${round}`;
      const run = newRecord(tenant, name, { name });
      await put(store(), run);
      const relying = { check: { tenant, ...nameOf(run) } };
      const steps = Array.from({ length: 8 }, (_, index) =>
        stores[index % stores.length]!.write([relying, { put: newRecord(tenant, `${name} step ${index}`, { name }) }]),
      );
      const erased = stores.at(-1)!.erase({ tenant, userId: "user", resourceId: undefined }, { names: [name] });
      for (const result of await Promise.allSettled(steps))
        if (result.status === "rejected") await expectConflict(Promise.reject(result.reason));
      await erased;
      expect(await list(store(), everything(tenant), { name })).toEqual([]);
    }
  });

  check("what was erased is not brought back by who changes it at the same time", async () => {
    const tenant = newTenant();
    const stores = await pair();
    for (let round = 0; round < 8; round++) {
      const record = newRecord(tenant, `r${round}`);
      await put(store(), record);
      const changed = store().write([{ put: { ...record, content: "changed" }, ifVersion: 1 }]);
      const userId = round % 2 === 0 ? "user" : undefined;
      const [outcome] = await Promise.allSettled([
        changed,
        stores.at(-1)!.erase({ tenant, userId, resourceId: undefined }, { ids: [record.id] }),
      ]);
      if (outcome.status === "rejected") await expectConflict(Promise.reject(outcome.reason));
      expect(await list(store(), everything(tenant))).toEqual([]);
    }
  });
}

function losslessTests(check: Check, { store }: Tools): void {
  check("data comes out to the letter", async () => {
    const tenant = newTenant();
    const texts = [
      '{"z":1,"a":{"y":[1,null,true,"x"],"b":{}},"":"empty name"}',
      '{"nul":"a\\u0000b","lone":"\\ud800","high":"\\ud83d\\ude00 é é","line":"\\n\\t\\r\\u2028","quotes":"\'\\"`\\\\"}',
      '{"big":1e+308,"small":5e-324,"max":9007199254740991,"negative":-0.1,"list":[[],[[]]]}',
      '{"__proto__":{"own":1},"constructor":1,"toString":"x","$where":"1","a.b":1,"_id":"mine","key":"not the key"}',
      "{}",
    ];
    await put(store(), ...texts.map((text, index) => newRecord(tenant, `r${index}`, { data: JSON.parse(text) })));
    for (const [index, text] of texts.entries()) {
      const found = await find(store(), newRecord(tenant, `r${index}`));
      expect(JSON.stringify(found?.data)).toBe(JSON.stringify(JSON.parse(text)));
    }
    const { items } = await store().list(everything(tenant), listing);
    expect(items.map((item) => JSON.stringify(item.data)).sort()).toEqual(texts.map((text) => JSON.stringify(JSON.parse(text))).sort());
  });

  check("every field comes out as it went in", async () => {
    const tenant = newTenant();
    const records = [
      newRecord(tenant, "full", {
        conversationId: "conversation",
        name: "Name – with 'quotes'",
        key: "key",
        content: `${"long text ".repeat(20_000)}\n  end  `,
        position: -12.5,
        createdAt: new Date("1969-12-31T23:59:59.999Z"),
        expiresAt: new Date("2999-01-01T00:00:00.001Z"),
      }),
      newRecord(tenant, "empty", { name: "", content: "", position: Number.MAX_SAFE_INTEGER, createdAt: new Date(0) }),
    ];
    const written = await put(store(), ...records);
    for (const [index, record] of records.entries()) {
      expect(written[index]).toEqual({ ...record, version: 1, updatedAt: expect.any(Date) });
      expect(await find(store(), record)).toEqual(written[index]);
    }
    const now = Date.now();
    for (const { updatedAt } of written) expect(Math.abs(updatedAt.getTime() - now)).toBeLessThan(60_000);
  });

  check("what is handed in is never changed, and what is handed out may be", async () => {
    const tenant = newTenant();
    const mine = newRecord(tenant, "a", { data: { list: [1] }, createdAt: new Date(1_000) });
    const before = JSON.stringify(mine);
    const [written] = await put(store(), mine);
    const spoil = (record: StoredRecord | undefined) => {
      if (record === undefined) throw new Error("it is not there");
      (record.data as { list: number[] }).list.push(2);
      record.createdAt.setTime(0);
    };
    spoil(written);
    expect(JSON.stringify(mine)).toBe(before);
    spoil(mine as StoredRecord);
    spoil(await find(store(), mine));
    spoil((await store().list(everything(tenant), listing)).items[0]);
    expect(await find(store(), mine)).toMatchObject({ data: { list: [1] }, createdAt: new Date(1_000) });
  });
}

/** Ids that look like one another to careless code. */
const hostileIds = [
  ..."a|A|a%|a_|ab|a:b|a:|:b|a*|a?|a/b|a\\|a'|a''|a\"|a`|a{b}|{a}|a|b|a,b|a b| a|a |a\nb|a.b|$a|a-b|[a]|(a)|#a|~a|@a".split("|"),
  "acme",
  "acme-corp",
  "acme_corp",
  "'; DROP TABLE records; --",
  '","x":"',
  "é",
  "e\u0301",
  "ß",
  "ss",
  "日本語",
  "🦭",
  "🦭🦭",
  "null",
  "undefined",
  "__proto__",
  "x".repeat(511),
  "x".repeat(512),
  "é".repeat(320),
];

function isolatedTests(check: Check, { store }: Tools): void {
  const ids = [...new Set(hostileIds)];

  check("records are named exactly, whatever their ids", async () => {
    const tenant = newTenant();
    await put(store(), ...ids.map((id) => newRecord(tenant, id, { key: id, name: id, conversationId: id, content: `is ${id}` })));
    const found = await store().get(
      tenant,
      ids.map((id) => ({ userId: "user", type: "note", id })),
    );
    expect(found.map((record) => record?.content)).toEqual(ids.map((id) => `is ${id}`));
    for (const id of ids) {
      expect(await list(store(), everything(tenant), { key: id })).toEqual([id]);
      expect(await list(store(), everything(tenant), { name: id, conversationId: id })).toEqual([id]);
      expect(await list(store(), everything(tenant), { names: [id, "absent"], ids: [id, "absent"] })).toEqual([id]);
    }
    await store().write(ids.slice(1).map((id) => ({ delete: { tenant, userId: "user", type: "note", id } })));
    expect(await list(store(), everything(tenant))).toEqual([ids[0]]);
  });

  check("tenants never see each other", async () => {
    const mark = newTenant();
    // The mark last: prefixes stay prefixes.
    const names = ids.filter((id) => id.length < 400).map((id) => `${id}${mark}`.slice(-512));
    for (const tenant of names) await put(store(), newRecord(tenant, "same", { key: "k", content: `walrus of ${tenant}` }));
    for (const tenant of names) {
      const { items } = await store().list(everything(tenant), listing);
      expect(items.map(({ tenant: owner, content }) => [owner, content])).toEqual([[tenant, `walrus of ${tenant}`]]);
      expect(await store().count(everything(tenant), {})).toBe(1);
      const matches = await store().searchText?.(everything(tenant), { words: "walrus", limit: 100 });
      if (matches !== undefined) expect(matches.map(({ record }) => record.tenant)).toEqual([tenant]);
    }
    const [first, ...others] = names as [string, ...string[]];
    expect(await store().erase(everything(first), {})).toBe(1);
    for (const tenant of others) expect(await store().count(everything(tenant), {})).toBe(1);
  });

  check("users, resources and types never see each other", async () => {
    const tenant = newTenant();
    await put(
      store(),
      ...ids.map((id) => newRecord(tenant, "same", { userId: id, resourceId: id, key: "k", content: "walrus", data: { owner: id } })),
      ...ids.map((id) => newRecord(tenant, "typed", { userId: "typist", type: id, key: "k" })),
    );
    for (const id of ids) {
      const scope = { tenant, userId: id, resourceId: undefined };
      const { items } = await store().list(scope, listing);
      expect(items.map((item) => [item.userId, item.data.owner])).toEqual([[id, id]]);
      expect(await store().count({ tenant, userId: undefined, resourceId: id }, {})).toBe(1);
      expect(await store().count({ tenant, userId: id, resourceId: "somebody else" }, {})).toBe(0);
      expect(await store().count({ tenant, userId: "typist", resourceId: undefined }, { types: [id] })).toBe(1);
      const matches = await store().searchText?.(scope, { words: "walrus", limit: 100 });
      if (matches !== undefined) expect(matches.map(({ record }) => record.userId)).toEqual([id]);
    }
    const [first, ...others] = ids as [string, ...string[]];
    expect(await store().erase({ tenant, userId: first, resourceId: undefined }, {})).toBe(1);
    expect(await store().count(everything(tenant), { types: ["note"] })).toBe(others.length);
  });

  check("a conversation's records are those of its own id", async () => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "of none"), newRecord(tenant, "of one", { conversationId: "c" }));
    expect(await list(store(), everything(tenant), { conversationId: "c" })).toEqual(["of one"]);
    expect(await list(store(), everything(tenant), { conversationId: "" })).toEqual([]);
  });
}

function listTests(check: Check, { store }: Tools): void {
  const orders = ["createdAt", "updatedAt", "position", "name"] as const;
  const directions = ["asc", "desc"] as const;

  check("a read after a write sees it", async (eventually) => {
    const tenant = newTenant();
    for (let turn = 1; turn <= 5; turn++) {
      await put(store(), newRecord(tenant, `r${turn}`, { content: `walrus number${turn}` }));
      expect((await find(store(), newRecord(tenant, `r${turn}`)))?.version).toBe(1);
      await eventually(async () => {
        expect(await store().count(everything(tenant), {})).toBe(turn);
        expect(await list(store(), everything(tenant))).toHaveLength(turn);
        const matches = await store().searchText?.(everything(tenant), { words: `number${turn}`, limit: 10 });
        if (matches !== undefined) expect(matches[0]?.record.id).toBe(`r${turn}`);
      });
    }
  });

  check("lists are in each order, both ways", async (eventually) => {
    const tenant = newTenant();
    const values = [5, -1, 1_000, 0.5, 0, 12];
    const names = ["b", "a", "C", "", "é", "a b"];
    for (const [index, value] of values.entries()) {
      const fields = { position: value, name: names[index], createdAt: new Date(1_700_000_000_000 + value * 1_000) };
      await put(store(), newRecord(tenant, `r${index}`, fields));
    }
    const inOrder = (key: (index: number) => number | string) =>
      [...values.keys()].sort((left, right) => (key(left) < key(right) ? -1 : 1)).map((index) => `r${index}`);
    const expected = {
      createdAt: inOrder((index) => values[index]!),
      position: inOrder((index) => values[index]!),
      name: inOrder((index) => names[index]!),
    };
    await eventually(async () => {
      for (const orderBy of ["createdAt", "position", "name"] as const) {
        expect(await list(store(), everything(tenant), { orderBy })).toEqual(expected[orderBy]);
        expect(await list(store(), everything(tenant), { orderBy, direction: "desc" })).toEqual(expected[orderBy].toReversed());
      }
      const { items } = await store().list(everything(tenant), { ...listing, orderBy: "updatedAt" });
      const times = items.map((item) => item.updatedAt.getTime());
      expect(times).toEqual(times.toSorted((left, right) => left - right));
    });
  });

  check("records without a name are listed by name, too", async (eventually) => {
    const tenant = newTenant();
    await put(store(), ...["b", undefined, "a", undefined, "c"].map((name, index) => newRecord(tenant, `r${index}`, { name })));
    await eventually(async () => {
      for (const direction of directions) {
        const ids = await pages(store(), everything(tenant), { orderBy: "name", direction, limit: 2 });
        expect(ids.toSorted()).toEqual(["r0", "r1", "r2", "r3", "r4"]);
        const named = ids.filter((id) => id !== "r1" && id !== "r3");
        expect(named).toEqual(direction === "asc" ? ["r2", "r0", "r4"] : ["r4", "r0", "r2"]);
      }
    });
  });

  check("pages hold each record once, among ties, and while rows arrive", async (eventually) => {
    const tenant = newTenant();
    const records = Array.from({ length: 25 }, (_, index) =>
      newRecord(tenant, `r${index}`, {
        userId: `user ${index % 3}`,
        type: `type ${index % 2}`,
        position: index % 4,
        name: `name ${index % 4}`,
        createdAt: new Date(1_700_000_000_000 + (index % 4)),
      }),
    );
    await put(store(), ...records);
    await eventually(async () => expect(await store().count(everything(tenant), {})).toBe(25));
    for (const orderBy of orders) {
      for (const direction of directions) {
        let arrivals = 0;
        const arrive = () => {
          const id = `new ${orderBy} ${direction} ${++arrivals}`;
          const fields = { position: arrivals % 5, name: `name ${arrivals % 5}`, createdAt: new Date(1_700_000_000_000 + (arrivals % 5)) };
          return put(store(), newRecord(tenant, id, { ...fields, type: "arrived" }));
        };
        const ids = await pages(store(), everything(tenant), { orderBy, direction, limit: 4 }, arrive);
        expect(new Set(ids).size, `${orderBy} ${direction} shows a record twice`).toBe(ids.length);
        expect(ids.filter((id) => id.startsWith("r")).toSorted()).toEqual(idsOf(records).toSorted());
        const alone = await pages(store(), everything(tenant), { orderBy, direction, limit: 4, types: ["type 0", "type 1"] });
        const whole = await list(store(), everything(tenant), { orderBy, direction, types: ["type 0", "type 1"] });
        expect(alone).toEqual(whole);
        await store().write(
          Array.from({ length: arrivals }, (_, index) => ({
            delete: { tenant, userId: "user", type: "arrived", id: `new ${orderBy} ${direction} ${index + 1}` },
          })),
        );
      }
    }
  });

  check("offset and limit cut a list", async (eventually) => {
    const tenant = newTenant();
    await put(store(), ...Array.from({ length: 10 }, (_, index) => newRecord(tenant, `r${index}`, { position: index })));
    await eventually(async () => {
      expect(await list(store(), everything(tenant), { orderBy: "position", limit: 3, offset: 4 })).toEqual(["r4", "r5", "r6"]);
      expect(await list(store(), everything(tenant), { orderBy: "position", limit: 3, offset: 9 })).toEqual(["r9"]);
      expect(await list(store(), everything(tenant), { orderBy: "position", offset: 10 })).toEqual([]);
      const exact = await store().list(everything(tenant), { ...listing, limit: 10 });
      expect([exact.items.length, exact.nextCursor]).toEqual([10, undefined]);
    });
  });

  check("a cursor of another list, or of none, is an error", async () => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "a"), newRecord(tenant, "b"));
    const { nextCursor } = await store().list(everything(tenant), { ...listing, limit: 1 });
    for (const query of [
      { cursor: "nonsense" },
      { cursor: nextCursor, orderBy: "name" as const },
      { cursor: nextCursor, direction: "desc" as const },
    ]) {
      const refused = store().list(everything(tenant), { ...listing, ...query });
      await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "cursor" });
    }
  });

  check("conditions hold together", async (eventually) => {
    const tenant = newTenant();
    const base = { type: "fact", name: "n", conversationId: "c", data: { a: 1 } };
    await put(
      store(),
      newRecord(tenant, "all", { ...base, key: "k" }),
      newRecord(tenant, "type", { ...base, type: "other", key: "k" }),
      newRecord(tenant, "name", { ...base, name: "m" }),
      newRecord(tenant, "conversation", { ...base, conversationId: "d" }),
      newRecord(tenant, "data", { ...base, data: { a: 2 } }),
    );
    const conditions: RecordConditions = { types: ["fact", "absent"], name: "n", key: "k", conversationId: "c", filter: { a: 1 } };
    await eventually(async () => {
      expect(await list(store(), everything(tenant), conditions)).toEqual(["all"]);
      expect(await store().count(everything(tenant), conditions)).toBe(1);
      expect(await store().count(everything(tenant), { types: ["fact", "other"] })).toBe(5);
      expect(await store().count(everything(tenant), { types: [] })).toBe(0);
      expect(await list(store(), everything(tenant), { types: [] })).toEqual([]);
      expect(await store().count({ ...everything(tenant), resourceId: "agent" }, conditions)).toBe(1);
      expect(await store().count({ ...everything(tenant), resourceId: "other" }, conditions)).toBe(0);
    });
  });

  check("ids and names are any of those asked for", async (eventually) => {
    const tenant = newTenant();
    const names = ["x", "y", undefined, "x", "", "z"];
    await put(store(), ...names.map((name, index) => newRecord(tenant, `r${index}`, { name, position: index })));
    await eventually(async () => {
      const found = (conditions: RecordConditions) => list(store(), everything(tenant), { orderBy: "position", ...conditions });
      expect(await found({ ids: ["r4", "r1", "absent"] })).toEqual(["r1", "r4"]);
      expect(await found({ ids: ["r1"], types: ["note"] })).toEqual(["r1"]);
      expect(await found({ names: ["x", "z", "absent"] })).toEqual(["r0", "r3", "r5"]);
      expect(await found({ names: [""] })).toEqual(["r4"]);
      expect(await found({ names: ["x", "y"], ids: ["r1", "r3", "r5"] })).toEqual(["r1", "r3"]);
      expect(await found({ names: ["x"], name: "y" })).toEqual([]);
      expect([await found({ ids: [] }), await found({ names: [] })]).toEqual([[], []]);
      expect(await store().count(everything(tenant), { names: ["x"] })).toBe(2);
    });
  });

  check("positions are from one on, and before another", async (eventually) => {
    const tenant = newTenant();
    const positions = [-5, 0, 0.5, 1_764_000_000_000, 1_764_000_000_001];
    await put(store(), ...positions.map((position, index) => newRecord(tenant, `r${index}`, { position })));
    await eventually(async () => {
      const found = (positionFrom?: number, positionBefore?: number) =>
        list(store(), everything(tenant), { orderBy: "position", positionFrom, positionBefore });
      expect(await found(0)).toEqual(["r1", "r2", "r3", "r4"]);
      expect(await found(undefined, 0)).toEqual(["r0"]);
      expect(await found(0, 1_764_000_000_001)).toEqual(["r1", "r2", "r3"]);
      expect(await found(2, 1)).toEqual([]);
      expect(await store().count(everything(tenant), { positionFrom: 0.5, positionBefore: 1 })).toBe(1);
    });
  });

  check("filters mean what matchesFilter says", async (eventually) => {
    const tenant = newTenant();
    const data: Record<string, unknown>[] = [
      {},
      ...[1, "1", 1.5, 0, "", true, false, "true", null, "null", [1], { b: 1 }, "é", "a'b\"c", 1e21, "%"].map((a) => ({ a })),
      { "a.b": 1 },
      { a: { b: 1 }, b: 2 },
      { "q\"'": 1 },
      { $a: 1, "": "empty", "a b": "x", ünï: "x", "0": "zero", "a[0]": 1, "*": 1 },
      { text: "nul a\0b" },
    ];
    await put(store(), ...data.map((one, index) => newRecord(tenant, `r${index}`, { data: one })));
    const filters: MetadataFilter[] = [
      ...[1, "1", 1.5, 0, "", true, false, "true", null, "null", "é", "e\u0301", "a'b\"c", 1e21, "%"].map((a) => ({ a })),
      { a: [1, "1", null] },
      { a: [true, 1.5] },
      { a: [] },
      { "a.b": 1 },
      { b: 2 },
      { "q\"'": 1 },
      { $a: 1 },
      { "": "empty" },
      { "a b": "x", ünï: ["x", "y"] },
      { "0": "zero" },
      { "a[0]": 1 },
      { "*": 1 },
      { missing: null },
      {},
    ];
    await eventually(async () => {
      for (const filter of filters) {
        const expected = data.flatMap((one, index) => (matchesFilter(one, filter) ? [`r${index}`] : []));
        expect((await list(store(), everything(tenant), { filter })).sort(), JSON.stringify(filter)).toEqual(expected.sort());
        expect(await store().count(everything(tenant), { filter })).toBe(expected.length);
      }
    });
  });

  check("get answers in the order of the names, repeated and absent ones too", async () => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "a"), newRecord(tenant, "b"));
    const names = ["b", "absent", "a", "b"].map((id) => ({ userId: "user", type: "note", id }));
    const found = await store().get(tenant, [...names, { userId: "other", type: "note", id: "a" }, { userId: "user", type: "x", id: "a" }]);
    expect(found.map((record) => record?.id)).toEqual(["b", undefined, "a", "b", undefined, undefined]);
    expect(await store().get(tenant, [])).toEqual([]);
  });
}

function deletedTests(check: Check, { store }: Tools): void {
  check("a deleted record is found in no way", async (eventually) => {
    const tenant = newTenant();
    const record = newRecord(tenant, "a", { key: "k", content: "walrus" });
    await put(store(), record, newRecord(tenant, "stays", { content: "walrus" }));
    await store().write([{ delete: { tenant, ...nameOf(record) } }]);
    expect(await find(store(), record)).toBeUndefined();
    await eventually(async () => {
      expect(await list(store(), everything(tenant))).toEqual(["stays"]);
      expect(await store().count(everything(tenant), {})).toBe(1);
      const matches = await store().searchText?.(everything(tenant), { words: "walrus", limit: 10 });
      if (matches !== undefined) expect(matches.map(({ record: { id } }) => id)).toEqual(["stays"]);
    });
    const [again] = await store().write([{ put: { ...record, id: "b" } }]);
    expect(again?.version).toBe(1);
  });

  check("erase takes everything of its scope and nothing else", async (eventually) => {
    const tenant = newTenant();
    const fill = async () => {
      for (const userId of ["one", "two"])
        for (const resourceId of ["x", "y"])
          for (let index = 0; index < 3; index++)
            await put(
              store(),
              newRecord(tenant, `${resourceId}${index}`, { userId, resourceId, key: `${resourceId}${index}`, content: "walrus" }),
            );
      await eventually(async () => expect(await store().count(everything(tenant), {})).toBe(12));
    };
    const left = async (count: number) => {
      await eventually(async () => {
        expect(await store().count(everything(tenant), {})).toBe(count);
        const matches = await store().searchText?.(everything(tenant), { words: "walrus", limit: 100 });
        if (matches !== undefined) expect(matches).toHaveLength(count);
      });
    };
    await fill();
    expect(await store().erase({ tenant, userId: "one", resourceId: "x" }, {})).toBe(3);
    await left(9);
    expect(await store().erase({ tenant, userId: "one", resourceId: undefined }, {})).toBe(3);
    await left(6);
    expect(await store().erase({ tenant, userId: undefined, resourceId: "y" }, {})).toBe(3);
    await left(3);
    expect(await store().erase({ tenant, userId: "nobody", resourceId: undefined }, {})).toBe(0);
    expect(await store().erase(everything(tenant), {})).toBe(3);
    await left(0);
    await fill();
    expect(await find(store(), newRecord(tenant, "x0", { userId: "one" }))).toMatchObject({ version: 1 });
    expect(await store().erase(everything(tenant), {})).toBe(12);
  });

  check("erase takes what matches, the expired too, and nothing else", async (eventually) => {
    const tenant = newTenant();
    const expiresAt = new Date(Date.now() - 1_000);
    await put(
      store(),
      newRecord(tenant, "a", { name: "run", conversationId: "c" }),
      newRecord(tenant, "b", { name: "run", type: "step", conversationId: "c", data: { a: 1 } }),
      newRecord(tenant, "c", { name: "run", type: "step", userId: "another" }),
      newRecord(tenant, "d", { name: "other", conversationId: "c" }),
      newRecord(tenant, "old", { name: "run", type: "step", expiresAt }),
    );
    const mine = { tenant, userId: "user", resourceId: undefined };
    expect(await store().erase(mine, { names: ["absent"] })).toBe(0);
    expect(await store().erase(mine, { types: [] })).toBe(0);
    expect(await store().erase(mine, { types: ["step"], names: ["run"], filter: { a: 1 } })).toBe(1);
    expect(await store().erase(mine, { types: ["note", "step"], names: ["run"] })).toBe(1);
    await eventually(async () => expect((await list(store(), everything(tenant))).toSorted()).toEqual(["c", "d"]));
    expect(await store().erase(everything(tenant), { conversationId: "c" })).toBe(1);
    await eventually(async () => expect(await list(store(), everything(tenant))).toEqual(["c"]));
  });
}

function vectorTests(check: Check, { store, pair }: Tools): void {
  const vectors = (mine = store()) => {
    if (mine.vectors === undefined) throw new Error("the store has no vectors");
    return mine.vectors;
  };
  const vector = (...values: number[]) => ({ model: "m", values: Float32Array.from(values) });
  const wanting = (tenant: string, id: string, content: string, fields: Partial<NewRecord> = {}) =>
    newRecord(tenant, id, { content, wantsVector: true, ...fields });
  const nearest = async (scope: StoreScope, query: Partial<RecordVectorQuery> = {}) =>
    (await vectors().search(scope, { ...vector(1, 0), limit: 10, ...query })).map(({ record }) => record.id);
  const missing = async (tenant: string, model = "m") =>
    idsOf((await vectors().missing(model, 10_000)).filter((record) => record.tenant === tenant)).sort();
  const countMissing = (scope: StoreScope, model = "m") => vectors().countMissing?.(scope, model);
  const vectorOf = async (record: NewRecord) => (await vectors().get(record.tenant, [nameOf(record)]))[0];

  check("finds the nearest by cosine, best first, whatever the length of a vector", async () => {
    const tenant = newTenant();
    await store().write([
      { put: wanting(tenant, "near", "a"), vector: vector(30, 1) },
      { put: wanting(tenant, "opposite", "b"), vector: vector(-2, 0) },
      { put: wanting(tenant, "between", "c"), vector: vector(0.1, 0.1) },
      { put: wanting(tenant, "without", "d") },
    ]);
    const found = await vectors().search(everything(tenant), { ...vector(1, 0), limit: 10 });
    expect(idsOf(found.map(({ record }) => record))).toEqual(["near", "between", "opposite"]);
    expect(found[1]?.similarity).toBeCloseTo(Math.SQRT1_2, 5);
    expect(found[0]?.record).toEqual(await find(store(), wanting(tenant, "near", "a")));
    expect(await nearest(everything(tenant), { minSimilarity: 0.5 })).toEqual(["near", "between"]);
    expect(await nearest(everything(tenant), { limit: 1 })).toEqual(["near"]);
  });

  check("as brute force finds them under every scope and condition", async () => {
    const tenant = newTenant();
    const values = (seed: number) => Float32Array.from({ length: 8 }, (_, index) => Math.sin(seed * 12.9898 + index * 78.233));
    const records = Array.from({ length: 300 }, (_, index) =>
      wanting(tenant, `r${index}`, "text", {
        userId: `user-${index % 3}`,
        resourceId: `agent-${index % 2}`,
        type: `type-${index % 5}`,
        data: { tag: index % 7 },
      }),
    );
    await store().write(records.map((put, index) => ({ put, vector: { model: "m", values: values(index) } })));
    const question = values(1_000);
    const expected = (is: (record: NewRecord) => boolean) =>
      records
        .map((record, index) => ({ record, similarity: cosineSimilarity(values(index), question) }))
        .filter(({ record }) => is(record))
        .sort((left, right) => right.similarity - left.similarity)
        .slice(0, 10)
        .map(({ record }) => record.id);
    const query = { values: question };
    expect(await nearest(everything(tenant), query)).toEqual(expected(() => true));
    const scope = { tenant, userId: "user-1", resourceId: "agent-0" };
    expect(await nearest(scope, query)).toEqual(expected((one) => one.userId === "user-1" && one.resourceId === "agent-0"));
    const types = ["type-1", "type-3"];
    expect(await nearest(everything(tenant), { ...query, types })).toEqual(expected((one) => types.includes(one.type)));
    expect(await nearest(everything(tenant), { ...query, filter: { tag: [2, 4] } })).toEqual(
      expected((one) => one.data.tag === 2 || one.data.tag === 4),
    );
    expect(await nearest({ tenant: `${tenant}-2`, userId: undefined, resourceId: undefined }, query)).toEqual([]);
  });

  check("vectors of another model or length are never compared", async () => {
    const tenant = newTenant();
    await store().write([
      { put: wanting(tenant, "a", "a"), vector: vector(1, 0) },
      { put: wanting(tenant, "b", "b"), vector: { model: "other", values: Float32Array.from([1, 0]) } },
      { put: wanting(tenant, "c", "c"), vector: vector(1, 0, 0) },
    ]);
    expect(await nearest(everything(tenant))).toEqual(["a"]);
    expect(await nearest(everything(tenant), { model: "other" })).toEqual(["b"]);
    expect(await nearest(everything(tenant), vector(0, 1, 0))).toEqual(["c"]);
  });

  check("a vector comes out as it went in", async () => {
    const tenant = newTenant();
    const record = wanting(tenant, "a", "a");
    const values = Float32Array.from([0.1, -3.4e-12, 12_345.678, 1 / 3]);
    await store().write([{ put: record, vector: { model: "m", values } }]);
    expect(await vectorOf(record)).toEqual({ model: "m", values });
    expect(await vectorOf(wanting(tenant, "none", ""))).toBeUndefined();
  });

  check("records that want a vector are missing one until it is set, and again by another model", async () => {
    const tenant = newTenant();
    const [first, second] = await put(
      store(),
      wanting(tenant, "a", "a", { name: "named" }),
      wanting(tenant, "b", "b"),
      wanting(tenant, "empty", ""),
      newRecord(tenant, "wants none", { content: "c" }),
      wanting(tenant, "expired", "d", { expiresAt: new Date(Date.now() - 1_000) }),
    );
    expect(await missing(tenant)).toEqual(["a", "b"]);
    expect(first).toMatchObject({ wantsVector: true });
    await vectors().set([
      { record: first!, ...vector(1, 0) },
      { record: second!, model: "m", values: undefined },
    ]);
    expect(await missing(tenant)).toEqual([]);
    expect(await nearest(everything(tenant))).toEqual(["a"]);
    expect(await missing(tenant, "other")).toEqual(["a", "b"]);
    expect((await vectors().missing("other", 1)).length).toBe(1);
  });

  check("those that are missing one are counted as they are listed", async () => {
    const tenant = newTenant();
    // A store that cannot count them cheaply does not.
    if (vectors().countMissing === undefined) return;
    await put(
      store(),
      ...["a", "b", "c"].map((id) => wanting(tenant, id, id)),
      wanting(tenant, "theirs", "d", { userId: "other" }),
      wanting(tenant, "empty", ""),
      newRecord(tenant, "wants none", { content: "e" }),
      wanting(tenant, "expired", "f", { expiresAt: new Date(Date.now() - 1_000) }),
    );
    await store().write([{ put: wanting(tenant, "a", "a"), vector: vector(1, 0) }]);
    expect(await countMissing(everything(tenant))).toBe((await missing(tenant)).length);
    expect(await countMissing({ ...everything(tenant), userId: "other" })).toBe(1);
    expect(await countMissing({ ...everything(tenant), resourceId: "none" })).toBe(0);
    expect(await countMissing(everything(tenant), "zebra")).toBe(4);
  });

  check("a record that says something else has lost its vector; changed otherwise it keeps it", async () => {
    const tenant = newTenant();
    const record = wanting(tenant, "a", "old", { name: "name" });
    await store().write([{ put: record, vector: vector(1, 0) }]);
    await put(store(), { ...record, data: { changed: true } });
    expect(await nearest(everything(tenant))).toEqual(["a"]);
    expect(await missing(tenant)).toEqual([]);
    await put(store(), { ...record, content: "new" });
    expect(await nearest(everything(tenant))).toEqual([]);
    expect(await missing(tenant)).toEqual(["a"]);
    await store().write([{ put: { ...record, content: "newer" }, vector: vector(0, 1) }]);
    await put(store(), { ...record, content: "newer", name: "renamed" });
    expect(await missing(tenant)).toEqual(["a"]);
  });

  check("a vector of a text that changed meanwhile is not stored", async () => {
    const tenant = newTenant();
    const record = wanting(tenant, "a", "old");
    const [before] = await put(store(), record);
    await put(store(), { ...record, content: "new" });
    await vectors().set([{ record: before!, ...vector(1, 0) }]);
    expect(await vectorOf(record)).toBeUndefined();
    await put(store(), record);
    await vectors().set([{ record: before!, ...vector(1, 0) }]);
    expect(await vectorOf(record)).toEqual(vector(1, 0));
  });

  check("a vector the record was given meanwhile is not replaced", async () => {
    const tenant = newTenant();
    const record = wanting(tenant, "a", "text");
    const [before] = await put(store(), record);
    const own = { model: "own", values: Float32Array.from([0, 1]) };
    await store().write([{ put: newRecord(tenant, "a", { content: "text" }), vector: own }]);
    await vectors().set([{ record: before!, ...vector(1, 0) }]);
    expect(await vectorOf(record)).toEqual(own);
    await store().write([{ put: record, vector: vector(0, 1) }]);
    await vectors().set([{ record: before!, ...vector(1, 0) }]);
    expect(await vectorOf(record)).toEqual(vector(0, 1));
  });

  check("a deleted, erased or expired record leaves no vector behind", async () => {
    const tenant = newTenant();
    const ids = ["a", "b", "c"].map((id) => wanting(tenant, id, id, id === "c" ? { expiresAt: new Date(Date.now() + 400) } : {}));
    await store().write(ids.map((record) => ({ put: record, vector: vector(1, 0) })));
    await store().write([{ delete: { tenant, ...nameOf(ids[0]!) } }]);
    await store().erase(everything(tenant), { ids: ["b"] });
    await expect.poll(() => nearest(everything(tenant)), { timeout: 10_000, interval: 100 }).toEqual([]);
    await put(store(), ...ids.slice(0, 2));
    expect(await nearest(everything(tenant))).toEqual([]);
    expect(await missing(tenant)).toEqual(["a", "b"]);
  });

  check("writers of the record and of its vector do not lose each other's work", async () => {
    const tenant = newTenant();
    const [first, second = first] = (await pair()) as [RecordStore, RecordStore];
    const record = wanting(tenant, "a", "text");
    for (let round = 0; round < 5; round++) {
      const [before] = await put(first, record);
      await Promise.all([
        vectors(second).set([{ record: before!, ...vector(1, round) }]),
        put(first, { ...record, data: { round } }),
        put(second, { ...record, data: { round } }),
      ]);
      expect(await find(first, record)).toMatchObject({ data: { round } });
      // Either it is there, or it is still owed.
      const isThere = (await vectorOf(record)) !== undefined;
      expect(await missing(tenant)).toEqual(isThere ? [] : ["a"]);
    }
  });
}

function textTests(check: Check, { store }: Tools): void {
  const search = async (scope: StoreScope, words: string, query: Partial<RecordConditions> & { limit?: number } = {}) => {
    const { searchText } = store();
    if (searchText === undefined) throw new Error("the store has no searchText");
    return searchText.call(store(), scope, { words, limit: 10, ...query });
  };
  const found = async (...args: Parameters<typeof search>) => (await search(...args)).map(({ record }) => record.id);

  check("finds by any word of name and content, best first", async (eventually) => {
    const tenant = newTenant();
    await put(
      store(),
      newRecord(tenant, "both", { content: "the walrus keeps a lighthouse" }),
      newRecord(tenant, "name", { name: "Walrus", content: "keeps a shop" }),
      newRecord(tenant, "one", { content: "a harbour full of boats, and one lighthouse" }),
      newRecord(tenant, "none", { content: "nothing of the kind" }),
      newRecord(tenant, "empty"),
    );
    await eventually(async () => {
      const matches = await search(everything(tenant), "walrus lighthouse");
      expect(matches.map(({ record }) => record.id).toSorted()).toEqual(["both", "name", "one"]);
      expect(matches[0]?.record).toMatchObject({ id: "both", content: "the walrus keeps a lighthouse", version: 1 });
      const ranks = matches.map(({ rank }) => rank);
      expect(ranks).toEqual(ranks.toSorted((left, right) => right - left));
      for (const rank of ranks) expect(rank).toBeGreaterThan(0);
      expect(await found(everything(tenant), "walrus lighthouse", { limit: 1 })).toEqual(["both"]);
      expect(await found(everything(tenant), "zebrafish")).toEqual([]);
    });
  });

  check("is exact under every condition", async (eventually) => {
    const tenant = newTenant();
    const crowd = Array.from({ length: 300 }, (_, index) => newRecord(tenant, `crowd ${index}`, { content: "walrus", userId: "crowd" }));
    const fields = { content: "one walrus", type: "fact", name: "n", key: "k", conversationId: "c", data: { a: 1 }, resourceId: "x" };
    await put(store(), ...crowd, newRecord(tenant, "mine", fields), newRecord(tenant, "near", { content: "walrus walrus walrus" }));
    await eventually(async () => {
      expect(await store().count(everything(tenant), {})).toBe(302);
      const scope = { tenant, userId: "user", resourceId: undefined };
      expect((await found(scope, "walrus", { limit: 2 })).toSorted()).toEqual(["mine", "near"]);
      expect(await found({ ...scope, resourceId: "x" }, "walrus", { limit: 1 })).toEqual(["mine"]);
      for (const condition of [{ types: ["fact"] }, { name: "n" }, { key: "k" }, { conversationId: "c" }, { filter: { a: 1 } }])
        expect(await found(everything(tenant), "walrus", { ...condition, limit: 1 }), JSON.stringify(condition)).toEqual(["mine"]);
      expect(await found(everything(tenant), "walrus", { types: [] })).toEqual([]);
      expect(await found(everything(tenant), "walrus", { limit: 400 })).toHaveLength(302);
    });
  });

  check("follows every change of a record", async (eventually) => {
    const tenant = newTenant();
    await put(store(), newRecord(tenant, "a", { name: "alpha", content: "walrus" }));
    await put(store(), newRecord(tenant, "a", { name: "beta", content: "zebrafish" }));
    await eventually(async () => {
      expect(await found(everything(tenant), "zebrafish")).toEqual(["a"]);
      expect(await found(everything(tenant), "beta")).toEqual(["a"]);
      expect(await found(everything(tenant), "walrus alpha")).toEqual([]);
    });
  });

  check("words are never query syntax", async () => {
    const tenant = newTenant();
    await put(
      store(),
      newRecord(tenant, "a", { content: "walrus AND NOT OR NEAR content name" }),
      newRecord(tenant, "b", { content: "zebrafish" }),
    );
    const texts = [
      ..."\"|'|*|walr*|(|)|AND|NOT walrus|-walrus|+|content:zebrafish|name:x|^a|NEAR(a b)|a & b|!a|a:*|<->|\\|%|_|$where|{|}|[|]|@name|~|/|?|a\0b|#| ".split(
        "|",
      ),
      "",
      "🦭",
      "'; DROP TABLE records; --",
      "x".repeat(5_000),
      Array.from({ length: 400 }, (_, index) => `word${index}`).join(" "),
    ];
    for (const text of texts) expect(Array.isArray(await search(everything(tenant), text)), text).toBe(true);
    expect(await found(everything(tenant), "NOT walrus")).toEqual(["a"]);
    expect(await found(everything(tenant), '"walrus')).toEqual(["a"]);
    expect(await found(everything(tenant), "-zebrafish walrus")).toHaveLength(2);
  });

  check("finds words of any script", async (eventually) => {
    const tenant = newTenant();
    await put(
      store(),
      newRecord(tenant, "greek", { content: "η θάλασσα είναι ήρεμη" }),
      newRecord(tenant, "russian", { content: "морж на берегу" }),
      newRecord(tenant, "japanese", { content: "私は京都に住んでいます" }),
    );
    await eventually(async () => {
      expect(await found(everything(tenant), "θάλασσα")).toEqual(["greek"]);
      expect(await found(everything(tenant), "морж")).toEqual(["russian"]);
      expect(await found(everything(tenant), "京都")).toEqual(["japanese"]);
    });
  });
}

function durableTests(check: Check, { store, reopen }: Tools): void {
  check("another store on the same data has all of it", async () => {
    const tenant = newTenant();
    const [first] = await put(store(), newRecord(tenant, "a", { key: "k", content: "walrus", data: { z: 1, a: "a\0b" } }));
    const second = await reopen();
    expect(await find(second, newRecord(tenant, "a"))).toEqual(first);
    await expectConflict(put(second, newRecord(tenant, "b", { key: "k" })));
    await put(second, newRecord(tenant, "a", { content: "changed" }));
    expect(await find(store(), newRecord(tenant, "a"))).toMatchObject({ content: "changed", version: 2 });
  });

  check("what was written is there after the store that wrote it was closed", async () => {
    const tenant = newTenant();
    const writer = await reopen();
    await put(writer, newRecord(tenant, "a", { content: "walrus" }));
    await writer.close();
    const reader = await reopen();
    expect(await list(reader, everything(tenant))).toEqual(["a"]);
  });
}

function lifeTests(
  always: (title: string, body: () => Promise<void>) => void,
  { store }: Tools,
  open: () => Promise<RecordStorePlace>,
  unreachable: (() => RecordStore) | undefined,
): void {
  always("health tells of itself", async () => {
    expect(await store().health()).toMatchObject({ ok: true, store: expect.any(String), problem: undefined });
  });

  always("open is safe to call again, and at once", async () => {
    await Promise.all([store().open(), store().open()]);
    await store().open();
  });

  always("an aborted call rejects with the signal's own reason and writes nothing", async () => {
    const tenant = newTenant();
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(store().write([{ put: newRecord(tenant, "a") }], signal)).rejects.toBe(reason);
    await expect(store().get(tenant, [{ userId: "user", type: "note", id: "a" }], signal)).rejects.toBe(reason);
    await expect(store().list(everything(tenant), listing, signal)).rejects.toBe(reason);
    await expect(store().count(everything(tenant), {}, signal)).rejects.toBe(reason);
    await expect(store().erase(everything(tenant), {}, signal)).rejects.toBe(reason);
    expect(await store().count(everything(tenant), {})).toBe(0);
  });

  always("close is safe to call twice, calls after it say so, and a lent client stays open", async () => {
    const place = await open();
    const tenant = newTenant();
    await put(place.store, newRecord(tenant, "a"));
    await place.store.close();
    await place.store.close();
    await expect(put(place.store, newRecord(tenant, "b"))).rejects.toMatchObject({ code: "closed" });
    await expect(place.store.count(everything(tenant), {})).rejects.toMatchObject({ code: "closed" });
    expect(await place.store.health()).toMatchObject({ ok: false });
    if (place.lentClientWorks !== undefined) expect(await place.lentClientWorks()).toBe(true);
    await place.cleanup?.();
  });

  always("a store that was never used closes", async () => {
    const place = await open();
    await place.store.close();
    await place.cleanup?.();
  });

  if (unreachable !== undefined) {
    always("a server that cannot be reached is a rejected promise that may be tried again", async () => {
      const mine = unreachable();
      await expect(mine.open()).rejects.toMatchObject({ code: "backend_unavailable", retryable: true });
      await expect(mine.count(everything("t"), {})).rejects.toMatchObject({ code: "backend_unavailable" });
      expect(await mine.health()).toMatchObject({ ok: false });
      await mine.close();
    });
  }
}

/** Calls fail while it is down, and work soon after. */
async function expectAfterRestart({ store, restart }: RecordStorePlace): Promise<void> {
  const tenant = newTenant();
  await put(store, newRecord(tenant, "before"));
  await restart?.();
  const again = () => put(store, newRecord(tenant, "after"));
  await vi.waitFor(again, { timeout: 15_000, interval: 250 });
  expect((await list(store, everything(tenant))).toSorted()).toEqual(["after", "before"]);
}
