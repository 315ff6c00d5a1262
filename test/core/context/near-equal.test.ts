import { expect, test } from "vitest";
import { makeSaid } from "../../../src/core/context/near-equal.ts";

const text = "Please book the flight from Vienna to Oslo on 14 May for Priya and her two colleagues";

test.each([
  ["the same", text, true],
  ["a word more", `${text}, please`, true],
  ["another word", text.replace("book", "reserve"), true],
  ["another number", text.replace("14", "15"), false],
  ["a number more", `${text} 4711`, false],
  ["a number less", text.replace("14 ", ""), false],
  ["half of it", text.slice(0, 40), false],
])("what says something new is no duplicate: %s", (_name, other, isSaid) => {
  const said = makeSaid();
  said.add(text);
  expect(said.has(other)).toBe(isSaid);
});
