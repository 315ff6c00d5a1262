import { expect, test } from "vitest";
import { isCoveredBy } from "../../../src/core/summaries/statements.ts";

test.each([
  ["The launch is on 1 May in Oslo", "The launch is on 14 May in Oslo"],
  ["Priya moved to Vienna", "Daniel moved to Vienna"],
  ["They met Ann in Vienna", "They met Joanna in Vienna"],
  ["The door code is 4711", "The door has a code"],
  ["Das Treffen ist in Köln", "Das Treffen ist in Kölnau"],
])("what is key is not taken for said by something else: %j, %j", (statement, text) => {
  expect(isCoveredBy(statement, text)).toBe(false);
});

test.each([
  ["The launch is on 14 May in Oslo", "Before the 14th of May, the launch in Oslo was moved"],
  ["Priya decided to move to Vienna.", "After that decision, Priya moved to Vienna"],
])("what is key may be reworded: %j, %j", (statement, text) => {
  expect(isCoveredBy(statement, text)).toBe(true);
});
