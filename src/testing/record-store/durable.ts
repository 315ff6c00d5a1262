import { expect } from "vitest";
import type { Check } from "../guaranteed.ts";
import { everything, expectConflict, find, list, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function durableTests(check: Check, { store, reopen }: Tools): void {
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
