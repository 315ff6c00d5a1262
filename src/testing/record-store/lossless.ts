import { expect } from "vitest";
import type { StoredRecord } from "../../domain/record-store.ts";
import type { Check } from "../guaranteed.ts";
import { everything, find, listing, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function losslessTests(check: Check, { store }: Tools): void {
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
