import { expect, test } from "vitest";
import { readJsonArray } from "../../src/importers/json-array.ts";
import { all, fileOf } from "./import-files.ts";

const read = (text: string) => all(readJsonArray(fileOf(text)));

test.each([
  "[]",
  "[ ]",
  "\uFEFF [1]\n",
  '[{"a":[1,{"b":"]}"}]}, "x,y", "\\"", "\\\\", null, [[]], -1.5e3]',
  JSON.stringify(['é\\"[{'.repeat(100_000), { "}": ["€"] }]),
])("%.40s is read as JSON.parse reads it", async (text) => {
  expect(await read(text)).toEqual(JSON.parse(text.replace("\uFEFF", "")));
});

test.each([
  ["", "is empty"],
  ["{}", "is not a JSON array"],
  ["[1,2", "ends in the middle"],
  ['[{"a":"', "ends in the middle"],
  ["[1,]", "look at element 2"],
  ["[,1]", "look at element 1"],
  ['[1,{"secret"}]', "look at element 2"],
  ["[1}", "ends with }"],
  ["[1] [2]", "after the end"],
])("%s %s", async (text, reason) => {
  const error: unknown = await read(text).catch((error: unknown) => error);
  expect(String(error)).toContain(reason);
  expect(String(error)).not.toContain("secret");
});
