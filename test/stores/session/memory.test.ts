import { describe, expect, test } from "vitest";
import type { StoreScope } from "../../../src/domain/scope.ts";
import type { AppendRequest, NewMessage } from "../../../src/domain/session-store.ts";
import { memorySessionStore } from "../../../src/stores/session/memory.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";

sessionStoreSuite("memory", async () => ({ store: memorySessionStore() }));

const scope: StoreScope = { tenant: "t", userId: "u", resourceId: undefined };
const everything = { limit: 100, beforeSeq: undefined, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };

const message = (id: string, toolIds: readonly string[] | null = null): NewMessage => ({
  id,
  role: "user",
  name: null,
  text: id,
  partsJson: "[]",
  metadataJson: "{}",
  type: "text",
  toolIds,
  createdAt: new Date(0),
  importance: null,
  embedding: null,
});

const request = (conversationId: string, ...messages: NewMessage[]): AppendRequest => ({
  tenant: "t",
  userId: "u",
  conversationId,
  requiredResourceId: undefined,
  createConversation: true,
  create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
  messages,
});

describe("bounds of the memory store", () => {
  const ids = async (store: ReturnType<typeof memorySessionStore>, id: string) =>
    (await store.listMessages(scope, id, everything))?.items.map((one) => one.id);

  test("the oldest messages beyond the bound are dropped, are not found by words, and their vectors are owed removal", async () => {
    const store = memorySessionStore({ maxMessagesPerConversation: 2 });
    await store.outbox?.adopt("space");
    await store.append([request("c", message("a"), message("b"), message("c"))]);
    const [[last] = []] = await store.append([request("c", message("d"))]);
    expect(last?.seq).toBe(4);
    expect(await ids(store, "c")).toEqual(["c", "d"]);
    const found = async (words: string) =>
      (
        await store.searchText?.({
          ...{ conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined, language: undefined },
          scope,
          words,
          limit: 10,
        })
      )?.matches.length;
    expect([await found("a"), await found("d")]).toEqual([0, 1]);
    const removals = await store.outbox?.lease(10, 1_000, { kinds: ["forget"], failed: false });
    expect(removals?.flatMap((item) => (item.kind === "forget" ? item.messageIds : []))).toEqual(["a", "b"]);
  });

  test("a tool call that is dropped takes its result along", async () => {
    const store = memorySessionStore({ maxMessagesPerConversation: 2 });
    await store.append([request("c", message("call", ["call:x"]), message("result", ["result:x"]), message("end"))]);
    expect(await ids(store, "c")).toEqual(["end"]);
  });

  test("the conversations written to longest ago are dropped beyond the bound", async () => {
    const store = memorySessionStore({ maxConversations: 2 });
    for (const id of ["a", "b", "a", "c"]) await store.append([request(id, message("m"))]);
    expect(await store.getConversation(scope, "b")).toBeUndefined();
    expect(await store.countConversations(scope)).toBe(2);
    expect(await ids(store, "a")).toEqual(["m"]);
  });

  test("a bound that is no whole number of at least 1 is refused by name", () => {
    expect(() => memorySessionStore({ maxConversations: 0 })).toThrow(expect.objectContaining({ field: "maxConversations" }));
    expect(() => memorySessionStore({ maxMessagesPerConversation: 1.5 })).toThrow(
      expect.objectContaining({ field: "maxMessagesPerConversation" }),
    );
  });

  test("plurals are found by their singulars", async () => {
    const store = memorySessionStore();
    await store.append([request("c", { ...message("m"), text: "Two ponies and three cars" })]);
    const query = {
      conversationId: undefined,
      roles: undefined,
      since: undefined,
      until: undefined,
      filter: undefined,
      language: undefined,
    };
    for (const words of ["pony", "cars", "car", "May 1970 January"]) {
      expect((await store.searchText?.({ ...query, scope, words, limit: 10 }))?.matches).toHaveLength(1);
    }
  });
});
