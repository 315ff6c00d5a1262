import { expect, test } from "vitest";
import { signalledImportance } from "../../../src/core/ranking/importance.ts";

test("what a person says of themselves matters more than small talk, and small talk more than nothing", () => {
  const texts = [
    "Remember that I'm allergic to nuts.",
    "I prefer answers with examples.",
    "The build took a while today.",
    "Could you say that once more?",
    "Ok, thanks.",
  ];
  const importances = texts.map(signalledImportance);
  expect(importances).toEqual([...importances].sort((left, right) => right - left));
  expect(new Set(importances).size).toBe(texts.length);
  for (const importance of importances) expect(importance >= 0 && importance <= 1).toBe(true);
});
