import { expect, test } from "vitest";
import { counter, cutToTokens } from "../../../src/core/context/tokens.ts";

test("a call in a hurry counts bytes until the encoding is there, and tokens from then on", async () => {
  const hurried = await counter(undefined, 10);
  expect(hurried("über")).toBe(5);
  const count = await counter(undefined, undefined);
  expect(count("Hello world, how are you?")).toBe(7);
  expect(await counter(undefined, 10)).toBe(count);
});

test("what spells a special token is text", async () => {
  const count = await counter(undefined, undefined);
  expect(count("<|endoftext|>")).toBeGreaterThan(1);
});

test("a text is counted once, and one that nobody would write does not hold up a call", async () => {
  let calls = 0;
  const own = (text: string) => {
    calls++;
    return text.length;
  };
  for (const text of ["a", "b", "a", "a"]) (await counter(own, undefined))(text);
  expect(calls).toBe(2);
  const count = await counter(undefined, undefined);
  const started = performance.now();
  for (const nonsense of ["a".repeat(200_000), " ".repeat(200_000), "\n".repeat(200_000), "é".repeat(200_000)]) {
    expect(count(nonsense)).toBeGreaterThan(1_000);
  }
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("a text is cut at the end of a word, and takes no more than it may", async () => {
  const count = await counter(undefined, undefined);
  const text = "The violin teacher lives in Vienna 👩‍👩‍👧 near the opera house";
  for (let most = 0; most < 20; most++) {
    const cut = cutToTokens(text, most, count);
    expect(count(cut)).toBeLessThanOrEqual(most);
    expect(text.startsWith(cut)).toBe(true);
    expect(cut === text || cut === "" || text[cut.length] === " ").toBe(true);
  }
  expect(cutToTokens("short", 100, count)).toBe("short");
});
