import { expect } from "vitest";
import { type MetadataFilter, matchesFilter } from "../../domain/filter.ts";
import type { RecordConditions } from "../../domain/record-store.ts";
import type { Check } from "../guaranteed.ts";
import { everything, find, idsOf, list, listing, newRecord, newTenant, pages, put, type Tools } from "./fixture.ts";

export function listTests(check: Check, { store }: Tools): void {
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
