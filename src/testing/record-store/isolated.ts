import { expect } from "vitest";
import type { Check } from "../guaranteed.ts";
import { everything, list, listing, newRecord, newTenant, put, type Tools } from "./fixture.ts";

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

export function isolatedTests(check: Check, { store }: Tools): void {
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
