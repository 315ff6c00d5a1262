import { expect, test } from "vitest";
import { chooseDiverse } from "../../../src/core/ranking/mmr.ts";

const candidates = [
  { text: "We deploy on Fridays.", score: 1 },
  { text: "We do deploy on Fridays!", score: 0.95 },
  { text: "On Fridays we deploy.", score: 0.9 },
  { text: "The staging server is called Juniper.", score: 0.6 },
  { text: "", score: 0.5 },
];
const chosen = (limit: number, diversity: number) => chooseDiverse(candidates, limit, diversity).map(({ score }) => score);

test("without diversity the order stays", () => {
  expect(chosen(3, 0)).toEqual([1, 0.95, 0.9]);
});

test("what repeats a better one waits for what says something else", () => {
  expect(chosen(2, 0.4)).toEqual([1, 0.6]);
  expect(chosen(5, 0.4)).toHaveLength(5);
});

test("diversity alone still begins with the best, and equals keep their order", () => {
  expect(chosen(1, 1)).toEqual([1]);
  const equals = ["a b", "c d", "e f"].map((text) => ({ text, score: 1 }));
  expect(chooseDiverse(equals, 3, 0.5)).toEqual(equals);
  expect(chooseDiverse([], 3, 0.5)).toEqual([]);
});
