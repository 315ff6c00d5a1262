import { expect, test } from "vitest";
import { snippetAround, titleFrom, titleMatch, titleWords } from "../../src/domain/title-words.ts";

test("a title is one line of whole words", () => {
  expect(titleFrom("  How do I\n\tcook  rice? ", 60)).toBe("How do I cook rice?");
  expect(titleFrom("How do I cook rice without burning it", 20)).toBe("How do I cook rice…");
  expect(titleFrom("How do I cook, rice", 15)).toBe("How do I cook…");
  expect(titleFrom("exactly twenty chars", 20)).toBe("exactly twenty chars");
  expect([...titleFrom("👩‍🚀".repeat(40), 20)]).toHaveLength(20);
  expect(titleFrom("a".repeat(100), 10)).toBe(`${"a".repeat(9)}…`);
  expect(titleFrom("", 10)).toBe("");
});

test("at least half of the words must be in a title, the last perhaps half typed", () => {
  const match = (query: string, title: string) => titleMatch(titleWords(query), title);
  expect(match("rice", "Rice and beans")).toBe(1);
  expect(match("ri", "Rice and beans")).toBe(1);
  expect(match("ri beans", "Rice and beans")).toBe(0.5);
  expect(match("what is the rice", "The beans")).toBe(0);
  expect(match("", "Rice")).toBe(0);
  expect(match("東京", "東京の天気")).toBe(1);
});

test("a snippet is a line around the words", () => {
  const text = `${"before ".repeat(50)}the walrus\nsleeps ${"after ".repeat(50)}`;
  const snippet = snippetAround(text, ["walrus"], 80);
  expect(snippet).toMatch(/^…before.* the walrus sleeps after.*…$/);
  expect(snippet.length).toBeLessThanOrEqual(80);
  expect(snippetAround(text, ["unknown"], 80)).toMatch(/^before before.*…$/);
  expect(snippetAround("short", ["x"], 80)).toBe("short");
  expect(snippetAround(`${"x".repeat(500)} walrus`, ["walrus"], 80)).toContain("walrus");
  expect(snippetAround("x".repeat(500), ["x"], 80).length).toBeLessThanOrEqual(80);
});
