import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { maxTokens, wordPieceTokenizer } from "../../src/embedders/builtin/tokenizer.ts";
import { readWordVectors } from "../../src/embedders/builtin/weights-file.ts";

const { vocabulary } = readWordVectors(readFileSync(new URL("../../src/embedders/builtin/weights.bin", import.meta.url)));
const tokenizer = wordPieceTokenizer(vocabulary);

/** Made by the reference tokenizer: see tools/distill/tokenizer-fixture.ts. */
const fixture = JSON.parse(readFileSync(new URL("./fixtures/tokenizer.json", import.meta.url), "utf8")) as {
  text: string;
  ids: number[];
}[];

function encode(text: string, limit = maxTokens): number[] {
  const target = new Int32Array(limit);
  return [...target.subarray(0, tokenizer.encode(text, target))];
}

function tokens(text: string): (string | undefined)[] {
  return encode(text).map((id) => vocabulary[id]);
}

describe("wordPieceTokenizer", () => {
  it.each(fixture)("agrees with the reference on $text", ({ text, ids }) => {
    expect(encode(text)).toEqual(ids);
  });

  it("gives the same tokens when a word comes again", () => {
    expect(encode("antidisestablishmentarianism")).toEqual(encode("antidisestablishmentarianism"));
  });

  it("keeps the word that an emoji is glued to", () => {
    expect(tokens("great😊")).toEqual(["great"]);
    expect(tokens("🎉party🎉time👍🏽!")).toEqual(["party", "time", "!"]);
    expect(tokens("I ❤️ you")).toEqual(["i", "you"]);
  });

  it("drops lone surrogates", () => {
    expect(tokens("ab\ud83dcd")).toEqual(tokens("abcd"));
  });

  it("stops at the room it is given", () => {
    expect(encode("a b c d e", 3)).toEqual(encode("a b c"));
    expect(encode("antidisestablishmentarianism", 2)).toEqual(encode("antidisestablishmentarianism").slice(0, 2));
  });

  it("reads a bounded head of a huge text", () => {
    expect(encode("word ".repeat(1_000_000))).toHaveLength(maxTokens);
    expect(encode(`${" ".repeat(10_000_000)}word`)).toEqual([]);
  });
});
