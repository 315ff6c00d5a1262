import { expect } from "vitest";
import type { SessionStorePlace } from "./fixture.ts";
import { contents, everything, type Fixture, message, numbered, promise, referenceTo, type StorePromise } from "./fixture.ts";

async function reopened(fixture: Fixture, place: SessionStorePlace) {
  if (place.reopen === undefined)
    throw new Error("`reopen` is missing in what `open` answers: it opens the same place as another process would");
  const store = fixture.keep(await place.reopen());
  await store.open();
  return store;
}

/** What was acknowledged survives the death of the process, and of the server as it is set up. */
export const durable: readonly StorePromise[] = [
  promise("another process that opens the place sees all that was acknowledged", async (fixture) => {
    const place = await fixture.openPlace();
    const [first, second] = await place.store.append([
      fixture.request("c", numbered(5), { create: { resourceId: "bot", title: "T", metadataJson: '{"k":1}', language: undefined } }),
      fixture.request("d", [message("m", "x", { importance: 0.5 })]),
    ]);
    const other = await reopened(fixture, place);
    await fixture.eventually(async () => {
      expect((await other.listMessages(fixture.scope(), "c", everything))?.items).toEqual(first);
      expect(await other.getConversation(fixture.scope(), "c")).toMatchObject({ title: "T", resourceId: "bot", metadata: { k: 1 } });
      expect(await other.getMessages(fixture.scope(), [referenceTo(second![0]!)])).toMatchObject([{ importance: 0.5 }]);
    });
  }),

  promise("what was acknowledged is there after the store was closed and opened again", async (fixture) => {
    const place = await fixture.openPlace();
    const [stored] = await place.store.append([fixture.request("c", numbered(3))]);
    await place.store.deleteMessages(fixture.scope(), "c", ["m2"]);
    await place.store.close();
    const again = await reopened(fixture, place);
    expect((await again.listMessages(fixture.scope(), "c", everything))?.items).toEqual(stored?.slice(0, 2));
    const [[next] = []] = await again.append([fixture.request("c", [message("m3", "3")])]);
    expect(next?.seq).toBeGreaterThan(stored![2]!.seq);
  }),

  promise("two processes write to one conversation in one order", async (fixture) => {
    const place = await fixture.openPlace();
    const other = await reopened(fixture, place);
    const write = (store: typeof other, id: string) => store.append([fixture.request("c", [message(id, id)])]);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => write(index % 2 === 0 ? other : place.store, `${index}`)));
    const stored = answers.flatMap(([answer]) => answer ?? []).sort((left, right) => left.seq - right.seq);
    expect(new Set(stored.map((one) => one.seq)).size).toBe(20);
    await fixture.eventually(async () => {
      for (const store of [other, place.store]) {
        const page = await store.listMessages(fixture.scope(), "c", everything);
        expect(contents(page?.items ?? [])).toEqual(stored.map((one) => one.content));
      }
    });
  }),
];
