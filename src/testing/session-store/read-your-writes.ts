import { expect } from "vitest";
import { contents, message, promise, referenceTo, type StorePromise } from "./fixture.ts";

/** A read after a write by the same process sees it, lists and searches too. */
export const readYourWrites: readonly StorePromise[] = [
  promise("every way of reading sees an append as soon as it resolved", async (fixture) => {
    const { store } = fixture;
    for (let round = 1; round <= 3; round++) {
      const [stored] = await fixture.add(`c${round}`, [message("m", `zebra ${round}`)]);
      await fixture.eventually(async () => {
        expect(contents((await fixture.list(`c${round}`)).items)).toEqual([`zebra ${round}`]);
        expect(await store.getMessage(fixture.scope(), `c${round}`, "m")).toEqual(stored);
        expect(await store.getMessages(fixture.scope(), [referenceTo(stored!)])).toHaveLength(1);
        expect(await store.getConversation(fixture.scope(), `c${round}`)).toMatchObject({ id: `c${round}` });
        expect(await fixture.conversations()).toHaveLength(round);
        expect(await store.countConversations(fixture.scope())).toBe(round);
        expect(await fixture.exported(fixture.scope())).toHaveLength(round);
        expect(await store.stats(fixture.scope())).toMatchObject({ messages: round });
        if (fixture.canSearch) expect(await fixture.search("zebra")).toHaveLength(round);
      });
    }
  }),

  promise("every way of reading sees an update as soon as it resolved", async (fixture) => {
    await fixture.add("c", [message("m", "zebra")]);
    await fixture.add("c", [message("m", "giraffe")]);
    await fixture.eventually(async () => {
      expect(contents((await fixture.list("c")).items)).toEqual(["giraffe"]);
      expect((await fixture.exported(fixture.scope())).map((row) => row.message.content)).toEqual(["giraffe"]);
      if (!fixture.canSearch) return;
      expect(await fixture.search("giraffe")).toHaveLength(1);
      expect(await fixture.search("zebra")).toEqual([]);
    });
    await fixture.store.updateConversation(fixture.scope(), "c", { title: "T" });
    await fixture.eventually(async () => {
      const { items } = await fixture.store.listConversations(fixture.scope(), listing);
      expect(items.map((one) => one.title)).toEqual(["T"]);
    });
  }),

  promise("every way of reading sees a delete as soon as it resolved", async (fixture) => {
    await fixture.add("c", [message("m", "zebra"), message("n", "giraffe")]);
    await fixture.add("d", [message("m", "zebra")]);
    await fixture.store.deleteMessages(fixture.scope(), "c", ["m"]);
    await fixture.store.deleteConversation(fixture.scope(), "d");
    await fixture.eventually(async () => {
      expect(contents((await fixture.list("c")).items)).toEqual(["giraffe"]);
      expect(await fixture.conversations()).toEqual(["c"]);
      expect(await fixture.exported(fixture.scope())).toHaveLength(1);
      expect(await fixture.store.stats(fixture.scope())).toMatchObject({ messages: 1, conversations: 1 });
      if (fixture.canSearch) expect(await fixture.search("zebra")).toEqual([]);
    });
  }),
];

const listing = { orderBy: "title", direction: "asc", limit: 10, cursor: undefined, offset: 0 } as const;
