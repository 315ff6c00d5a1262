import { describe, expect, test } from "vitest";
import { factsInText } from "../../src/core/facts/rules/index.ts";

const said = new Date("2025-02-10T12:00:00Z");
const day = (text: string) => Date.parse(`${text}T00:00:00Z`);
const found = (text: string) =>
  factsInText(text, said).map(({ subject, predicate, object, tense }) => [subject, predicate, object, tense].join(" | "));

describe("facts the rules find in a text", () => {
  test.each([
    ["Hi! My name is Priya and I live in Oslo.", ["user | name | Priya | now", "user | lives_in | Oslo | now"]],
    ["call me Sam", ["user | nickname | Sam | now"]],
    ["Call me later.", []],
    [
      "I'm Tomás, I work at Initech as a data engineer.",
      ["user | name | Tomás | now", "user | works_at | Initech | now", "user | works_as | data engineer | now"],
    ],
    ["I'm German.", []],
    ["My sister lives in Oslo and she loves skiing.", ["user's sister | lives_in | Oslo | now", "user's sister | likes | skiing | now"]],
    ["I used to live in Rome.", ["user | lives_in | Rome | past"]],
    ["I no longer work at Acme.", ["user | works_at | Acme | end"]],
    ["I don't like jazz any more", ["user | likes | jazz | end"]],
    ["I don’t like emojis", ["user | dislikes | emojis | now"]],
    ["I don't live in Oslo.", []],
    ["Do I live in Oslo?", []],
    ["If I lived in Oslo I would ski. I might move to Oslo.", []],
    ['He said "I live in Lyon".', []],
    ["> I live in Lyon\n```\nmy name is Root\n```", []],
    ["Translate this: I live in Lyon. My name is Bob.", []],
    ["I'd like a coffee. I like it.", []],
    ["my dog's name is Rex", ["user's dog | name | Rex | now"]],
    ["My favourite colour is green", ["user | favourite_colour | green | now"]],
    ["My laptop is broken. My question is simple.", []],
    ["I live in St. Louis.", ["user | lives_in | St. Louis | now"]],
  ])("%s", (text, facts) => {
    expect(found(text)).toEqual(facts);
  });

  test.each([
    ["I've lived in Lisbon since 2019.", { from: day("2019-01-01"), tense: "now" }],
    ["I lived in Lisbon from March 2015 to 2019.", { from: day("2015-03-01"), to: day("2019-01-01"), tense: "past" }],
    ["I moved to Lisbon last month.", { from: Date.parse("2025-01-10T12:00:00Z"), tense: "now" }],
    ["I moved to Lisbon two weeks ago.", { from: Date.parse("2025-01-27T12:00:00Z"), tense: "now" }],
    ["I moved to Lisbon on May 3rd, 2024.", { from: day("2024-05-03"), tense: "now" }],
    ["I'm moving to Lisbon in September 2025.", { from: day("2025-09-01"), tense: "now" }],
  ])("%s", (text, fact) => {
    expect(factsInText(text, said)).toEqual([expect.objectContaining({ predicate: "lives_in", object: "Lisbon", ...fact })]);
  });

  test("a birthday has one form", () => {
    for (const text of ["May 3rd, 1990", "3 May 1990", "the 3rd of May 1990", "1990-05-03"])
      expect(factsInText(`My birthday is ${text}.`, said)).toMatchObject([{ predicate: "birthday", object: "3 May 1990", from: null }]);
  });

  test("ends soon on what is meant to take for ever", () => {
    const long = [
      "my ".repeat(4_000),
      "I live in ".repeat(1_000),
      "'a".repeat(4_000),
      "I like a, ".repeat(1_000),
      `I am ${"very ".repeat(2_000)}`,
    ];
    expect(long.flatMap((text) => factsInText(text, said)).length).toBeLessThan(2_000);
  });
});
