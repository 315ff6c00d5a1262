import { expect } from "vitest";
import type { StoreScope } from "../../domain/scope.ts";
import { everything, type Fixture, message, promise, type StorePromise, user } from "./fixture.ts";

/** Names that a careless store confuses. */
const hostileNames = [
  "acme",
  "acme-corp",
  "Acme",
  "acme ",
  "acme:x",
  "acme*",
  "a",
  "b",
  "a%",
  "a_",
  "a*",
  "a?",
  "a:b",
  "a/b",
  "a\\b",
  "a|b",
  "a.b",
  "a,b",
  "a#b",
  "..",
  "{}",
  "{a}",
  "[a]",
  "o'hara",
  'say "hi"',
  "$where",
  "__proto__",
  "null",
  "0",
  "00",
  "line\nbreak",
  "é",
  "e\u0301",
  "日本語",
  "😀",
  "x".repeat(512),
  `${"x".repeat(511)}y`,
] as const;

const create = (resourceId: string) => ({ resourceId, title: "", metadataJson: "{}", language: undefined });

/** Each scope sees what is its own by every way of reading, and nothing else. */
async function expectOwn(fixture: Fixture, scope: StoreScope, id: string, text: string) {
  const { store } = fixture;
  expect(await fixture.conversations({}, scope)).toEqual([id]);
  expect(await store.countConversations(scope)).toBe(1);
  expect((await fixture.list(id, {}, scope)).items.map((one) => one.content)).toEqual([text]);
  expect((await store.getMessage(scope, id, "m"))?.content).toBe(text);
  expect((await fixture.exported(scope)).map((row) => row.message.content)).toEqual([text]);
  if (fixture.canSearch) {
    const found = await fixture.search("shared", { scope });
    expect(found.map((match) => [match.conversationId, match.messageId])).toEqual([[id, "m"]]);
  }
}

/** Nothing of a conversation that is another scope's can be reached or changed. */
async function expectNothing(fixture: Fixture, scope: StoreScope, id: string, userId: string) {
  const { store } = fixture;
  expect(await store.getConversation(scope, id)).toBeUndefined();
  expect(await store.listMessages(scope, id, everything)).toBeUndefined();
  expect(await store.getMessage(scope, id, "m")).toBeUndefined();
  expect(await store.getMessages(scope, [{ userId, conversationId: id, messageId: "m" }])).toEqual([]);
  expect(await store.updateConversation(scope, id, { title: "taken" })).toBeUndefined();
  expect(await store.deleteMessages(scope, id, ["m"])).toBeUndefined();
  expect(await store.deleteMessages(scope, id, undefined)).toBeUndefined();
  expect(await store.deleteConversation(scope, id)).toBe(false);
  if (fixture.canSearch) expect(await fixture.search("shared", { scope, conversationId: id })).toEqual([]);
}

const textOf = (name: string) => `shared by ${hostileNames.indexOf(name as (typeof hostileNames)[number])}`;
const nextOf = (name: string) =>
  hostileNames[(hostileNames.indexOf(name as (typeof hostileNames)[number]) + 1) % hostileNames.length] as string;

const forEachName = (fixture: Fixture, work: (name: string) => Promise<void>) =>
  inTurns(fixture.rounds(hostileNames, 8).map((name) => () => work(name)));

/** Four at a time: enough to be quick, few enough for a small pool. */
async function inTurns(works: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = [...works];
  const worker = async () => {
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) await work();
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

/** Tenants, users and resources never see each other, whatever their ids. */
export const isolated: readonly StorePromise[] = [
  promise("tenants with hostile ids never see each other", async (fixture) => {
    const { store } = await fixture.openPlace();
    const at: Fixture = { ...fixture, ...bound(fixture, store) };
    const of = (tenant: string): StoreScope => ({ tenant, userId: user, resourceId: undefined });
    await store.append(hostileNames.map((name) => ({ ...fixture.request("c", [message("m", textOf(name))]), tenant: name })));
    await forEachName(fixture, (name) => fixture.eventually(() => expectOwn(at, of(name), "c", textOf(name))));
    await forEachName(fixture, async (name) => {
      expect(await store.stats({ ...of(name), userId: undefined })).toMatchObject({ conversations: 1, messages: 1, users: 1 });
    });
    expect(await store.erase(of("a"), { compact: false })).toEqual({ conversations: 1, messages: 1 });
    expect(await store.erase({ ...of("acme"), userId: undefined }, { compact: false })).toEqual({ conversations: 1, messages: 1 });
    await forEachName(fixture, async (name) => {
      if (name !== "a" && name !== "acme") await fixture.eventually(() => expectOwn(at, of(name), "c", textOf(name)));
    });
  }),

  promise("users with hostile ids never see each other", async (fixture) => {
    const of = (name: string) => fixture.scope(name);
    await fixture.store.append(hostileNames.map((name) => fixture.request(name, [message("m", textOf(name))], { userId: name })));
    await forEachName(fixture, (name) => fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name))));
    await forEachName(fixture, (name) => expectNothing(fixture, of(name), nextOf(name), nextOf(name)));
    await forEachName(fixture, async (name) => {
      const request = fixture.request(nextOf(name), [message("m", "overwritten")], { userId: name });
      expect(await fixture.store.append([request])).toEqual([undefined]);
    });
    await forEachName(fixture, (name) => fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name))));
    expect(await fixture.store.erase(of("a%"), { compact: false })).toEqual({ conversations: 1, messages: 1 });
    await forEachName(fixture, async (name) => {
      if (name !== "a%") await fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name)));
    });
  }),

  promise("resources with hostile ids never see each other", async (fixture) => {
    const of = (name: string) => fixture.scope(user, name);
    await fixture.store.append(hostileNames.map((name) => fixture.request(name, [message("m", textOf(name))], { create: create(name) })));
    await forEachName(fixture, (name) => fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name))));
    await forEachName(fixture, (name) => expectNothing(fixture, of(name), nextOf(name), user));
    await forEachName(fixture, async (name) => {
      const request = fixture.request(nextOf(name), [message("m", "overwritten")], { requiredResourceId: name });
      expect(await fixture.store.append([request])).toEqual([undefined]);
    });
    await forEachName(fixture, (name) => fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name))));
    expect(await fixture.store.erase(of("a*"), { compact: false })).toEqual({ conversations: 1, messages: 1 });
    await forEachName(fixture, async (name) => {
      if (name !== "a*") await fixture.eventually(() => expectOwn(fixture, of(name), name, textOf(name)));
    });
  }),

  promise("ids are told apart where one ends and the next begins", async (fixture) => {
    const { store } = await fixture.openPlace();
    const at: Fixture = { ...fixture, ...bound(fixture, store) };
    const places = [
      ["a", "b:c", "d"],
      ["a:b", "c", "d"],
      ["a", "b", "c:d"],
      ["a", "b/c", "e"],
      ["a/b", "c", "e"],
      ["a", "", "x"],
    ].filter(([, userId]) => userId !== "") as [string, string, string][];
    await store.append(
      places.map(([tenant, userId, id], index) => ({ ...fixture.request(id, [message("m", `shared ${index}`)], { userId }), tenant })),
    );
    for (const [index, [tenant, userId, id]] of places.entries()) {
      await fixture.eventually(() => expectOwn(at, { tenant, userId, resourceId: undefined }, id, `shared ${index}`));
    }
  }),

  promise("messages with hostile ids are told apart, and found and deleted by them", async (fixture) => {
    await fixture.add(
      "c",
      hostileNames.map((name) => message(name, textOf(name))),
    );
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(hostileNames.length));
    const references = hostileNames.map((name) => ({ userId: user, conversationId: "c", messageId: name }));
    const found = await fixture.store.getMessages(fixture.scope(), references);
    expect(new Map(found.map((one) => [one.message.id, one.message.content]))).toEqual(
      new Map(hostileNames.map((name) => [name, textOf(name)])),
    );
    expect(await fixture.store.deleteMessages(fixture.scope(), "c", ["a%", "a*", "..", "acme", "é"])).toBe(5);
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(hostileNames.length - 5));
    expect((await fixture.store.getMessage(fixture.scope(), "c", "e\u0301"))?.content).toBe(textOf("e\u0301"));
  }),
];

/** The fixture's ways of reading, on another store. */
function bound(fixture: Fixture, store: Fixture["store"]): Partial<Fixture> {
  return {
    store,
    list: async (id, query, scope = fixture.scope()) => {
      const page = await store.listMessages(scope, id, { ...everything, ...query });
      if (page === undefined) throw new Error(`there is no conversation "${id}"`);
      return page;
    },
    conversations: async (_query, scope = fixture.scope()) => {
      const query = { orderBy: "createdAt", direction: "asc", limit: 100, cursor: undefined, offset: 0 } as const;
      return (await store.listConversations(scope, query)).items.map((one) => one.id);
    },
    exported: async (scope) => [...(await store.exportMessages(scope, undefined, 100))],
    search: async (words, query) => {
      const any = {
        conversationId: undefined,
        roles: undefined,
        since: undefined,
        until: undefined,
        filter: undefined,
        language: undefined,
      };
      const answer = await store.searchText?.({ ...any, scope: fixture.scope(), limit: 100, words, ...query });
      return answer?.matches ?? [];
    },
  };
}
