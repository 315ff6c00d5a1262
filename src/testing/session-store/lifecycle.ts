import { expect } from "vitest";
import type { StoreScope } from "../../domain/scope.ts";
import type { SessionStore } from "../../domain/session-store.ts";
import { contents, everything, type Fixture, message, promise, type StorePromise } from "./fixture.ts";

const listing = { orderBy: "updatedAt", direction: "desc", limit: 10, cursor: undefined, offset: 0 } as const;

/** Every method that does I/O, called once. */
export function everyCall(fixture: Fixture, store: SessionStore, signal?: AbortSignal): Readonly<Record<string, () => Promise<unknown>>> {
  const scope: StoreScope = fixture.scope();
  const reference = { userId: "user", conversationId: "c", messageId: "m" };
  const conversation = {
    tenant: fixture.tenant,
    userId: "user",
    id: "new",
    resourceId: "default",
    title: "",
    metadataJson: "{}",
    language: undefined,
  };
  const { searchText, outbox } = store;
  const any = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined, language: undefined };
  return {
    append: () => store.append([fixture.request("c", [message("m", "x")])], signal),
    createConversation: () => store.createConversation(conversation, signal),
    getConversation: () => store.getConversation(scope, "c", signal),
    updateConversation: () => store.updateConversation(scope, "c", { title: "T" }, signal),
    deleteConversation: () => store.deleteConversation(scope, "c", signal),
    listConversations: () => store.listConversations(scope, listing, signal),
    countConversations: () => store.countConversations(scope, signal),
    listMessages: () => store.listMessages(scope, "c", everything, signal),
    getMessage: () => store.getMessage(scope, "c", "m", signal),
    deleteMessages: () => store.deleteMessages(scope, "c", ["m"], signal),
    exportMessages: () => store.exportMessages(scope, undefined, 10, signal),
    getMessages: () => store.getMessages(scope, [reference], signal),
    erase: () => store.erase(scope, { compact: false }, signal),
    stats: () => store.stats(scope, signal),
    ...(searchText === undefined ? {} : { searchText: () => searchText({ ...any, scope, words: "x", limit: 10 }, signal) }),
    ...(outbox === undefined ? {} : { lease: () => outbox.lease(1, 1_000, { kinds: ["embed"], failed: false }, signal) }),
  };
}

/** Opening, closing, failing and being stopped. */
export const lifecycle: readonly StorePromise[] = [
  promise("open may be called again, and health is an answer", async (fixture) => {
    await Promise.all([fixture.store.open(), fixture.store.open()]);
    const health = await fixture.store.health();
    expect(health).toMatchObject({ ok: true, store: expect.any(String), problem: undefined });
    expect(health.latencyMs).toBeGreaterThanOrEqual(0);
    expect(fixture.store.name).not.toBe("");
  }),

  promise("a call that is aborted before it begins rejects with the signal's own reason and does nothing", async (fixture) => {
    await fixture.add("c", [message("m", "x")]);
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(1));
    const reason = new Error("stop");
    for (const [name, call] of Object.entries(everyCall(fixture, fixture.store, AbortSignal.abort(reason)))) {
      await expect(call(), name).rejects.toBe(reason);
    }
    expect(contents((await fixture.list("c")).items)).toEqual(["x"]);
    expect(await fixture.store.getConversation(fixture.scope(), "new")).toBeUndefined();
    expect(await fixture.store.getConversation(fixture.scope(), "c")).toMatchObject({ title: "" });
  }),

  promise("close may be called twice, and a lent client stays open", async (fixture) => {
    const place = await fixture.openPlace();
    await place.store.append([fixture.request("c", [message("m", "x")])]);
    await place.store.close();
    await place.store.close();
    if (place.lentClientWorks !== undefined) expect(await place.lentClientWorks()).toBe(true);
  }),

  promise("after close every call rejects and says that the store is closed; health is still an answer", async (fixture) => {
    const { store } = await fixture.openPlace();
    await store.close();
    for (const [name, call] of Object.entries(everyCall(fixture, store))) {
      await expect(call(), name).rejects.toMatchObject({ code: "closed" });
    }
    const health = await store.health();
    expect(health.ok).toBe(false);
    expect(health.problem).toBeTypeOf("string");
  }),

  promise("a store that was never used closes", async (fixture) => {
    const { store } = await fixture.openPlace();
    await store.close();
  }),

  promise("64 different calls at once all succeed", async (fixture) => {
    await fixture.add("c", [message("m", "x")]);
    await Promise.all(
      Array.from({ length: 64 }, async (_, index) => {
        const id = `c${index % 8}`;
        await fixture.store.append([fixture.request(id, [message(`${index}`, "x")])]);
        await fixture.store.listConversations(fixture.scope(), listing);
        await fixture.store.getMessage(fixture.scope(), id, `${index}`);
      }),
    );
    await fixture.eventually(async () => expect(await fixture.store.countConversations(fixture.scope())).toBe(9));
  }),
];

/** Only where the place can restart its server. */
export const afterRestart = promise("after the server was restarted the store works again", async (fixture) => {
  const place = await fixture.openPlace();
  await place.store.append([fixture.request("c", [message("a", "before")])]);
  await place.restart?.();
  for (let attempt = 0; ; attempt++) {
    try {
      await place.store.append([fixture.request("d", [message("b", "after")])]);
      break;
    } catch (error) {
      expect(error).toMatchObject({ code: "backend_unavailable", retryable: true });
      if (attempt === 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  expect(contents((await place.store.listMessages(fixture.scope(), "d", everything))?.items ?? [])).toEqual(["after"]);
  expect(await place.store.health()).toMatchObject({ ok: true });
});

/** Only where a store of a server that is not there can be made. */
export async function expectUnreachable(fixture: Fixture, store: SessionStore): Promise<void> {
  const opening = await store.open().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (opening !== undefined) expect(opening).toMatchObject({ code: "backend_unavailable", retryable: true, store: expect.any(String) });
  await expect(store.append([fixture.request("c", [message("m", "a secret text")])])).rejects.toSatisfy((error: Error) => {
    expect(error).toMatchObject({ code: "backend_unavailable", retryable: true });
    expect(error.message).toMatch(/^\[[^\]]+\] .+: .+/);
    expect(error.message).not.toContain("a secret text");
    return true;
  });
  await expect(store.getMessage(fixture.scope(), "c", "m")).rejects.toMatchObject({ code: "backend_unavailable" });
  expect(await store.health()).toMatchObject({ ok: false, problem: expect.any(String) });
  await store.close();
  await store.close();
}
