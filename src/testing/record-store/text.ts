import { expect } from "vitest";
import type { RecordConditions } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { Check } from "../guaranteed.ts";
import { everything, newRecord, newTenant, put, type Tools } from "./fixture.ts";

export function textTests(check: Check, { store }: Tools): void {
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
