import { expect } from "vitest";
import { contents, conversationPages, day, message, messagePages, numbered, promise, type StorePromise } from "./fixture.ts";

/** A page and its successors hold each row once, while rows arrive. */
export const stablePages: readonly StorePromise[] = [
  promise("pages of messages of any size cover all once while messages arrive", async (fixture) => {
    for (const limit of fixture.rounds([3, 1, 2, 5, 10, 11])) {
      const conversation = `c${limit}`;
      await fixture.add(conversation, numbered(11));
      await fixture.eventually(async () => expect(await fixture.seqs(conversation)).toHaveLength(11));
      let arrived = 0;
      const pages = await messagePages(fixture, conversation, { limit }, () =>
        fixture.add(conversation, [message(`new${++arrived}`, "new")]),
      );
      expect(contents(pages.flat())).toEqual(Array.from({ length: 11 }, (_, index) => `${index}`));
      expect(pages.slice(1).every((page) => page.length === limit)).toBe(true);
      expect(pages[0]?.length).toBeGreaterThan(0);
    }
  }),

  promise("pages of messages cover all that stay while others are deleted", async (fixture) => {
    await fixture.add("c", numbered(12));
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(12));
    const doomed = ["m11", "m3", "m8", "m2"];
    const pages = await messagePages(fixture, "c", { limit: 3 }, async () => {
      const id = doomed.shift();
      if (id !== undefined) await fixture.store.deleteMessages(fixture.scope(), "c", [id]);
    });
    const seen = contents(pages.flat());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(["0", "1", "4", "5", "6", "7", "9", "10"]));
  }),

  ...(["updatedAt", "createdAt", "title"] as const).map((orderBy) =>
    promise(`pages of conversations by ${orderBy} cover all once in order, both ways, with equal keys`, async (fixture) => {
      const requests = Array.from({ length: 12 }, (_, index) =>
        fixture.request(`c${index}`, [message("m", "x", { createdAt: day(1 + Math.floor(index / 3)) })], {
          create: { resourceId: "default", title: `${Math.floor(index / 3)}`, metadataJson: "{}", language: undefined },
        }),
      );
      await fixture.store.append(requests);
      await fixture.eventually(async () => expect(await fixture.conversations({ orderBy })).toHaveLength(12));
      const rank = (id: string) => Math.floor(Number(id.slice(1)) / 3);
      for (const direction of ["asc", "desc"] as const) {
        for (const limit of fixture.rounds([5, 1, 6])) {
          const pages = await conversationPages(fixture, { orderBy, direction, limit });
          const ranks = pages.flat().map(rank);
          expect(ranks).toEqual([...ranks].sort((left, right) => (direction === "asc" ? left - right : right - left)));
          expect(new Set(pages.flat()).size).toBe(12);
          expect(pages.flat()).toHaveLength(12);
          expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
        }
      }
    }),
  ),

  promise("an offset passes over so many conversations of the same order", async (fixture) => {
    await fixture.store.append(
      Array.from({ length: 8 }, (_, index) => fixture.request(`c${index}`, [message("m", "x", { createdAt: day(index + 1) })])),
    );
    await fixture.eventually(async () => expect(await fixture.conversations()).toHaveLength(8));
    const all = await fixture.conversations({ orderBy: "updatedAt", direction: "desc" });
    expect(await fixture.conversations({ orderBy: "updatedAt", direction: "desc", offset: 3, limit: 2 })).toEqual(all.slice(3, 5));
    expect(await fixture.conversations({ orderBy: "updatedAt", direction: "desc", offset: 7 })).toEqual(all.slice(7));
    expect(await fixture.conversations({ orderBy: "updatedAt", direction: "desc", offset: 8 })).toEqual([]);
  }),

  promise("pages of conversations stay whole while conversations arrive", async (fixture) => {
    const ids = ["a", "b", "c", "d", "e", "f"];
    await fixture.store.append(ids.map((id, index) => fixture.request(id, [message("m", id, { createdAt: day(index + 1) })])));
    await fixture.eventually(async () => expect(await fixture.conversations()).toHaveLength(6));
    let arrived = 0;
    const add = () => fixture.add(`new${++arrived}`, [message("m", "x", { createdAt: day(20 + arrived) })]);
    const seen = (await conversationPages(fixture, { orderBy: "createdAt", direction: "desc", limit: 2 }, add)).flat();
    expect(seen).toEqual([...ids].reverse());
  }),

  promise("a page that ends exactly at the end has no next one", async (fixture) => {
    await fixture.store.append(["a", "b", "c", "d"].map((id) => fixture.request(id, [message("m", id)])));
    await fixture.eventually(async () => expect(await fixture.conversations()).toHaveLength(4));
    expect((await conversationPages(fixture, { limit: 2 })).map((page) => page.length)).toEqual([2, 2]);
    expect((await conversationPages(fixture, { limit: 4 })).map((page) => page.length)).toEqual([4]);
  }),

  promise("a cursor of another list is refused by name", async (fixture) => {
    await fixture.store.append(["a", "b", "c"].map((id) => fixture.request(id, [message("m", id)])));
    const query = { orderBy: "updatedAt", direction: "asc", limit: 1, cursor: undefined, offset: 0 } as const;
    const cursor = await fixture.eventually(async () => {
      const { nextCursor } = await fixture.store.listConversations(fixture.scope(), query);
      expect(nextCursor).toBeTypeOf("string");
      return nextCursor;
    });
    const wrong = [
      { ...query, cursor, orderBy: "title" },
      { ...query, cursor, direction: "desc" },
      { ...query, cursor: "x" },
      { ...query, cursor: "" },
    ] as const;
    for (const one of wrong) {
      await expect(fixture.store.listConversations(fixture.scope(), one)).rejects.toMatchObject({
        code: "invalid_argument",
        field: "cursor",
      });
    }
  }),

  promise(
    "an export in pages holds each message once, in the order of user, conversation and place, while messages arrive",
    async (fixture) => {
      for (const userId of ["ub", "ua"]) {
        for (const conversation of ["d", "c"]) await fixture.add(`${userId}${conversation}`, numbered(3), { userId });
      }
      const expected = ["ua", "ub"].flatMap((userId) =>
        ["c", "d"].flatMap((id) => ["0", "1", "2"].map((text) => `${userId} ${userId}${id} ${text}`)),
      );
      const everybody = { tenant: fixture.tenant, userId: undefined, resourceId: undefined };
      const seen: string[] = [];
      await fixture.eventually(async () => expect(await fixture.exported(everybody)).toHaveLength(12));
      let after: { userId: string; conversationId: string; seq: number } | undefined;
      for (let arrived = 0; arrived < 20; arrived++) {
        const rows = await fixture.store.exportMessages(everybody, after, 2);
        const last = rows.at(-1)?.message;
        if (last === undefined) break;
        expect(rows.length).toBeLessThanOrEqual(2);
        after = { userId: last.userId, conversationId: last.conversationId, seq: last.seq };
        seen.push(...rows.map(({ message }) => `${message.userId} ${message.conversationId} ${message.content}`));
        await fixture.add("uac", [message(`late${arrived}`, "late")], { userId: "ua" });
      }
      expect(seen.filter((one) => !one.endsWith("late"))).toEqual(expected);
      expect(new Set(seen.filter((one) => !one.endsWith("late"))).size).toBe(12);
    },
  ),
];
