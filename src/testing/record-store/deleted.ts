import { expect } from "vitest";
import type { Check } from "../guaranteed.ts";
import { everything, find, list, nameOf, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function deletedTests(check: Check, { store }: Tools): void {
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
