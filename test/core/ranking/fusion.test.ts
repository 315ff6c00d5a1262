import fc from "fast-check";
import { expect, test } from "vitest";
import { fuse, type ScoredCandidate } from "../../../src/core/ranking/fusion.ts";

const weights = { vector: 0.5, text: 0.5, conversation: 0.75, neighbour: 0.1, recency: 0, importance: 0 };
const options = { weights, recencyHalfLifeDays: 30, now: new Date("2026-01-01"), minSimilarity: undefined };

const candidate = (seq: number, scores: Partial<ScoredCandidate> = {}): ScoredCandidate => ({
  userId: "u",
  conversationId: "c",
  messageId: `m${seq}`,
  seq,
  createdAt: new Date("2025-12-01"),
  importance: null,
  similarity: undefined,
  rank: undefined,
  ...scores,
});

const ids = (candidates: readonly ScoredCandidate[], changes = {}) =>
  fuse(candidates, { ...options, ...changes }).map((ranked) => ranked.candidate.messageId);

test("nothing in, nothing out", () => expect(fuse([], options)).toEqual([]));

test("what both legs found comes before what one found", () => {
  const found = [
    candidate(1, { similarity: 0.9 }),
    candidate(5, { similarity: 0.9, rank: 2 }),
    candidate(9, { rank: 2 }),
    candidate(13, { similarity: 0.1 }),
  ];
  expect(ids(found)[0]).toBe("m5");
});

test("a message gains from the turn that follows, and from the best of its conversation", () => {
  const [first] = fuse([candidate(1, { rank: 1 }), candidate(2, { rank: 1 })], options);
  expect(first).toMatchObject({ candidate: { messageId: "m1" }, neighbour: 0.5, conversation: 0.5 });
});

test("minSimilarity leaves out what is below it or was not compared", () => {
  expect(
    ids([candidate(1, { similarity: 0.4 }), candidate(2, { similarity: 0.2 }), candidate(3, { rank: 5 })], { minSimilarity: 0.3 }),
  ).toEqual(["m1"]);
});

test("recency and importance count when they are weighed", () => {
  const old = candidate(1, { rank: 1, createdAt: new Date("2024-01-01"), importance: 1 });
  const recent = candidate(9, { rank: 1 });
  expect(ids([old, recent], { weights: { ...weights, recency: 1 } })).toEqual(["m9", "m1"]);
  expect(ids([old, recent], { weights: { ...weights, importance: 1 } })).toEqual(["m1", "m9"]);
});

const score = fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined });
const some = fc.uniqueArray(fc.record({ seq: fc.integer({ min: 1, max: 60 }), similarity: score, rank: score }), {
  selector: ({ seq }) => seq,
  maxLength: 40,
});

test("the order does not depend on the order in which the legs found things", () => {
  fc.assert(
    fc.property(some, fc.infiniteStream(fc.nat()), (found, random) => {
      const candidates = found.map(({ seq, ...scores }) => candidate(seq, scores));
      const shuffled = candidates.toSorted(() => ((random.next().value as number) % 3) - 1);
      expect(ids(shuffled)).toEqual(ids(candidates));
    }),
  );
});

test("the unit of a full-text rank does not matter", () => {
  fc.assert(
    fc.property(some, (found) => {
      const scaled = (factor: number) =>
        ids(found.map(({ seq, rank, similarity }) => candidate(seq, { similarity, rank: rank === undefined ? undefined : rank * factor })));
      expect(scaled(1024)).toEqual(scaled(1));
    }),
  );
});
