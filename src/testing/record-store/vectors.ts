import { expect } from "vitest";
import type { NewRecord, RecordStore, RecordVectorQuery } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { Check } from "../guaranteed.ts";
import { cosineSimilarity } from "../vector-data.ts";
import { everything, find, idsOf, nameOf, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function vectorTests(check: Check, { store, pair }: Tools): void {
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
