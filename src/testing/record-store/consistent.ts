import { expect } from "vitest";
import { MemoryError } from "../../domain/errors.ts";
import type { RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { Check } from "../guaranteed.ts";
import { everything, expectConflict, find, list, nameOf, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function consistentTests(check: Check, { store, pair }: Tools): void {
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
