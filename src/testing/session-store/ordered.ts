import { expect } from "vitest";
import { contents, day, message, promise, type StorePromise } from "./fixture.ts";

const isIncreasing = (seqs: readonly number[]) => seqs.every((seq, index) => index === 0 || seq > (seqs[index - 1] as number));

/** Messages are in the order of their places, whatever their times and however many write at once. */
export const ordered: readonly StorePromise[] = [
  promise("messages get the next places in the order they were written", async (fixture) => {
    const first = await fixture.add("c", [message("a", "one"), message("b", "two"), message("c", "three")]);
    const second = await fixture.add("c", [message("d", "four"), message("e", "five")]);
    expect(isIncreasing([...first, ...second].map((one) => one.seq))).toBe(true);
    await fixture.eventually(async () =>
      expect(contents((await fixture.list("c")).items)).toEqual(["one", "two", "three", "four", "five"]),
    );
  }),

  promise("times change nothing about the order", async (fixture) => {
    await fixture.add("c", [message("a", "one", { createdAt: day(9) }), message("b", "two", { createdAt: day(1) })]);
    await fixture.add("c", [message("c", "three", { createdAt: day(5) }), message("d", "four", { createdAt: day(5) })]);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(["one", "two", "three", "four"]));
  }),

  promise("64 writers at once get places of their own, each batch in its order", async (fixture) => {
    await fixture.add("c", [message("first", "first")]);
    const batches = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        fixture.add(
          "c",
          [0, 1, 2].map((part) => message(`${index}-${part}`, `${index} ${part}`)),
        ),
      ),
    );
    const seqs = batches.map((batch) => batch.map((one) => one.seq));
    expect(new Set(seqs.flat()).size).toBe(192);
    expect(seqs.every(isIncreasing)).toBe(true);
    await fixture.eventually(async () => {
      const { items } = await fixture.list("c");
      expect(items.map((one) => one.seq).slice(1)).toEqual(seqs.flat().sort((left, right) => left - right));
      const bySeq = new Map(batches.flat().map((one) => [one.seq, one.id]));
      expect(items.slice(1).map((one) => one.id)).toEqual(items.slice(1).map((one) => bySeq.get(one.seq)));
    });
  }),

  promise("64 writers at once to a conversation that is new all land", async (fixture) => {
    await Promise.all(Array.from({ length: 64 }, (_, index) => fixture.add("new", [message(`${index}`, `${index}`)])));
    await fixture.eventually(async () => {
      const seqs = await fixture.seqs("new");
      expect(seqs).toHaveLength(64);
      expect(isIncreasing(seqs)).toBe(true);
    });
  }),

  promise("requests of one call to the same conversation land in their order", async (fixture) => {
    const requests = ["a", "b", "c", "d"].map((id) =>
      fixture.request(id === "c" ? "other" : "c", [message(id, id), message(`${id}2`, `${id}2`)]),
    );
    await fixture.store.append(requests);
    await fixture.eventually(async () => {
      expect(contents((await fixture.list("c")).items)).toEqual(["a", "a2", "b", "b2", "d", "d2"]);
      expect(contents((await fixture.list("other")).items)).toEqual(["c", "c2"]);
    });
  }),

  promise("a thousand messages of one call keep their order", async (fixture) => {
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    const stored = await fixture.add(
      "c",
      texts.map((text) => message(`m${text}`, text)),
    );
    expect(isIncreasing(stored.map((one) => one.seq))).toBe(true);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(texts));
  }),

  promise("what append answers is what was stored", async (fixture) => {
    const answered = await fixture.add("c", [message("a", "one", { name: "Ann", metadataJson: '{"k":1}' }), message("b", "")]);
    await fixture.eventually(async () => expect((await fixture.list("c")).items).toEqual(answered));
  }),
];
