import { expect } from "vitest";
import type { Check } from "../guaranteed.ts";
import { everything, expectConflict, find, idsOf, list, nameOf, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function atomicTests(check: Check, { store }: Tools): void {
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
