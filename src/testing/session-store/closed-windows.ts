import { expect } from "vitest";
import type { NewMessage } from "../../domain/session-store.ts";
import { day, type Fixture, message, messagePages, promise, type StorePromise, toolMessage } from "./fixture.ts";

let ids = 0;
const say = (changes: Partial<NewMessage> = {}) => message(`${++ids}`, "hi", changes);
const call = (...toolIds: string[]) =>
  toolMessage(
    `${++ids}`,
    toolIds.map((id) => `call:${id}`),
  );
const result = (...toolIds: string[]) =>
  toolMessage(
    `${++ids}`,
    toolIds.map((id) => `result:${id}`),
  );

/** Stores the messages, and answers by their positions, from 1, which of them a query gives. */
async function positions(fixture: Fixture, messages: readonly NewMessage[]) {
  const stored = await fixture.add("c", messages);
  const seqs = stored.map((one) => one.seq);
  await fixture.eventually(async () => expect(await fixture.seqs("c")).toEqual(seqs));
  return {
    seq: (position: number) => seqs[position - 1] as number,
    of: async (query: Parameters<Fixture["seqs"]>[1]) => (await fixture.seqs("c", query)).map((seq) => seqs.indexOf(seq) + 1),
    pages: async (query: Parameters<Fixture["seqs"]>[1]) =>
      (await messagePages(fixture, "c", query ?? {})).map((page) => page.map((one) => seqs.indexOf(one.seq) + 1)),
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Places (call, result) that belong together, by a plain walk from old to new. */
function pairsOf(messages: readonly NewMessage[]): [number, number][] {
  const open = new Map<string, number>();
  const pairs: [number, number][] = [];
  messages.forEach(({ toolIds }, index) => {
    const of = (kind: string) => (toolIds ?? []).filter((id) => id.startsWith(kind)).map((id) => id.slice(kind.length));
    for (const id of of("result:")) {
      const called = open.get(id);
      if (called !== undefined) pairs.push([called, index + 1]);
      open.delete(id);
    }
    for (const id of of("call:")) open.set(id, index + 1);
  });
  return pairs;
}

/** No read separates a tool call from its result. */
export const closedWindows: readonly StorePromise[] = [
  promise("a window that begins with a result is widened to its call", async (fixture) => {
    const window = await positions(fixture, [say(), call("a"), result("a")]);
    expect(await window.of({ limit: 1 })).toEqual([2, 3]);
    expect(await window.of({ limit: 2 })).toEqual([2, 3]);
  }),

  promise("parallel calls and their results stay together", async (fixture) => {
    const window = await positions(fixture, [say(), call("a", "b"), result("a"), result("b"), say()]);
    for (const limit of [2, 3, 4]) expect(await window.of({ limit })).toEqual([2, 3, 4, 5]);
    expect(await window.of({ limit: 1 })).toEqual([5]);
    expect(await window.of({ limit: 1, beforeSeq: window.seq(4) })).toEqual([2, 3, 4]);
  }),

  promise("a call far behind its result is found, and pages around it cover all once", async (fixture) => {
    const window = await positions(fixture, [call("a"), ...upTo(30).map(() => say()), result("a")]);
    expect((await window.pages({ limit: 2 })).flat()).toEqual(upTo(32));
  }),

  promise("filters by role keep exchanges whole", async (fixture) => {
    const window = await positions(fixture, [say(), call("a"), result("a"), say()]);
    expect(await window.of({ roles: ["tool"] })).toEqual([2, 3]);
    expect(await window.of({ roles: ["assistant"] })).toEqual([2, 3]);
    expect(await window.of({ roles: ["user"] })).toEqual([1, 4]);
  }),

  promise("bounds by time and place keep exchanges whole", async (fixture) => {
    const at = (number: number, one: NewMessage) => ({ ...one, createdAt: day(number) });
    const window = await positions(fixture, [at(1, say()), at(2, call("a")), at(3, result("a")), at(4, say())]);
    expect(await window.of({ after: day(2) })).toEqual([2, 3, 4]);
    expect(await window.of({ before: day(3) })).toEqual([1, 2, 3]);
    expect(await window.of({ afterSeq: window.seq(2) })).toEqual([2, 3, 4]);
    expect(await window.of({ beforeSeq: window.seq(3) })).toEqual([1, 2, 3]);
  }),

  promise("calls without a result and results without a call do no harm", async (fixture) => {
    const window = await positions(fixture, [say(), call("a"), result("lost")]);
    expect(await window.of({ limit: 1 })).toEqual([3]);
    await fixture.add("c", [result("a")]);
    await fixture.eventually(async () => expect(await fixture.seqs("c", { limit: 1 })).toHaveLength(3));
  }),

  promise("an id that is used again belongs to the nearest", async (fixture) => {
    const window = await positions(fixture, [call("a"), result("a"), call("a"), result("a")]);
    expect(await window.of({ limit: 1 })).toEqual([3, 4]);
    expect(await window.pages({ limit: 1 })).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await window.of({ roles: ["assistant"] })).toEqual([1, 2, 3, 4]);
    expect(await window.of({ roles: ["tool"] })).toEqual([1, 2, 3, 4]);
  }),

  promise("a message that answers one call and makes another holds both sides together", async (fixture) => {
    const both = toolMessage(`${++ids}`, ["call:b", "result:a"]);
    const window = await positions(fixture, [say(), call("a"), both, result("b"), say()]);
    expect(await window.of({ limit: 2 })).toEqual([2, 3, 4, 5]);
  }),

  promise("pages of one role skip nothing when a far call is pulled in", async (fixture) => {
    const window = await positions(fixture, [call("a"), ...upTo(10).map(() => result("lost")), result("a")]);
    expect((await window.pages({ limit: 1, roles: ["tool"] })).flat()).toEqual(upTo(12));
  }),

  promise("tool ids are compared exactly, whatever they hold", async (fixture) => {
    const hostile = ["a:b", "a%", "{x}", 'q"', "back\\slash", "a,b", " a", "é", "e\u0301", "NULL"];
    const window = await positions(
      fixture,
      hostile.flatMap((id) => [call(id), result(id)]),
    );
    expect(await window.pages({ limit: 1 })).toEqual(hostile.map((_, index) => [2 * index + 1, 2 * index + 2]));
  }),

  promise("no page separates a call from its result, and pages cover all, in any conversation", async (fixture) => {
    const random = seeded(20_240_115);
    const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
    const some = () => ["a", "b", "c"].filter(() => random() < 0.5);
    for (const run of fixture.rounds(upTo(6))) {
      const messages = upTo(2 + run * 2).map(() => {
        const kind = pick(["say", "call", "result", "result", "both"]);
        const toolIds = some();
        if (kind === "both") return toolMessage(`${++ids}`, ["call:b", "result:a"]);
        if (kind === "say" || toolIds.length === 0) return say();
        return kind === "call" ? call(...toolIds) : result(...toolIds);
      });
      const conversation = `c${run}`;
      const seqs = (await fixture.add(conversation, messages)).map((one) => one.seq);
      await fixture.eventually(async () => expect(await fixture.seqs(conversation)).toEqual(seqs));
      for (const limit of fixture.rounds([2, 3, 5, 1])) {
        const pages = await messagePages(fixture, conversation, { limit });
        const places = pages.map((page) => page.map((one) => seqs.indexOf(one.seq) + 1));
        expect(places.flat().sort((left, right) => left - right)).toEqual(upTo(messages.length));
        for (const page of places)
          for (const [called, answered] of pairsOf(messages)) expect(page.includes(called)).toBe(page.includes(answered));
      }
    }
  }),
];

/** A small seeded generator (mulberry32): the same conversations in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
