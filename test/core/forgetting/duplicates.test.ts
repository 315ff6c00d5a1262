import { expect, test } from "vitest";
import { countHolders, duplicates } from "../../../src/core/forgetting/duplicates.ts";
import { seededRandom } from "../../support/vectors.ts";

const first = "We agreed to move the compiler to the new parser in spring";

/** Whether the second text says what the first one does. */
function isSame(left: string, right: string, likeness = 0.8): boolean {
  const said = duplicates<string>(likeness, countHolders([left, right]));
  said.findOrAdd(left, "left");
  return said.findOrAdd(right, "right") === "left";
}

test.each([
  ["word for word", "Thanks!", "thanks", true],
  ["another case and other marks", first, "we agreed to move the compiler to the new parser, in spring!", true],
  ["a word more", first, "So we agreed to move the compiler to the new parser in spring", true],
  ["another thing", first, "We agreed to move the printer to the old office in spring", false],
  ["few words", "Tea with milk", "Tea without milk", false],
  ["a negation", first, "We agreed not to move the compiler to the new parser in spring", false],
  ["a number", `${first} of 2025`, `${first} of 2026`, false],
  ["a name", `${first} with Ann`, `${first} with Bob`, false],
  ["a name that comes first", `Ann said that ${first}`, `Bob said that ${first}`, false],
  ["a word before all else", `Well, ${first}`, first, true],
  ["nothing", "", "…", false],
])("%s", (_title, left, right, same) => {
  expect(isSame(left, right)).toBe(same);
});

test("whatever is so alike is found, as by comparing all with all", () => {
  const random = seededRandom(7);
  const texts = Array.from({ length: 150 }, () => Array.from({ length: 8 }, () => `w${"abcdefghij"[Math.floor(random() * 10)]}`).join(" "));
  const bags = texts.map((text) => new Set(text.split(" ")));
  const alike = (left: Set<string>, right: Set<string>) =>
    [...left].filter((word) => right.has(word)).length / new Set([...left, ...right]).size;
  const said = duplicates<number>(0.7, countHolders(texts));
  const kept: number[] = [];
  texts.forEach((text, place) => {
    const found = said.findOrAdd(text, place);
    const enough = bags[place]!.size >= 5;
    const same = kept.filter(
      (other) => texts[other] === text || (enough && bags[other]!.size >= 5 && alike(bags[other]!, bags[place]!) >= 0.7),
    );
    if (found === undefined) {
      expect(same).toEqual([]);
      kept.push(place);
    } else expect(same).toContain(found);
  });
  expect(kept.length).toBeLessThan(texts.length);
});
