import { segmentWords } from "../../domain/words.ts";

/** The different words of a text, as they are compared. */
export const wordsOf = (text: string): string[] => [
  ...new Set(
    segmentWords(text)
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [],
  ),
];

/** Items whose texts hold any of the words, best first: rare words weigh more. For stores that cannot rank by words. */
export function rankByWords<Item extends { readonly createdAt: Date }>(
  items: readonly Item[],
  textOf: (item: Item) => string,
  words: readonly string[],
): { readonly item: Item; readonly score: number }[] {
  const held = items.map((item) => ({ item, words: new Set(wordsOf(textOf(item))) }));
  const weights = words.map((word) => {
    const holders = held.filter((one) => one.words.has(word)).length;
    return Math.log(1 + (items.length - holders + 0.5) / (holders + 0.5));
  });
  const scored = held.map((one) => ({
    item: one.item,
    score: words.reduce((sum, word, place) => sum + (one.words.has(word) ? (weights[place] as number) : 0), 0),
  }));
  const found = scored.filter(({ score }) => score > 0);
  return found.sort((left, right) => right.score - left.score || right.item.createdAt.getTime() - left.item.createdAt.getTime());
}
