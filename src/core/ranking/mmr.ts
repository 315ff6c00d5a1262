import { segmentWords } from "../../domain/words.ts";

/** What can be chosen from: best first. */
export interface Choosable {
  readonly text: string;
  readonly score: number;
}

/**
 * Chooses by maximal marginal relevance (Carbonell and Goldstein 1998): one after the other, the candidate whose score, as
 * a share of the best, weighed by `1 - diversity`, less its likeness to the most alike of those chosen before, weighed by
 * `diversity`, is highest. At 0 that is the order given.
 *
 * Two texts are as alike as the cosine of their words, where a word that many candidates have counts little: they all
 * hold those of the question.
 */
export function chooseDiverse<Item extends Choosable>(candidates: readonly Item[], limit: number, diversity: number): Item[] {
  const most = Math.max(...candidates.map(({ score }) => score));
  const relevance = candidates.map(({ score }) => (most > 0 ? score / most : 1));
  const texts = weighWords(candidates.map(({ text }) => text));
  const likeness = candidates.map(() => 0);
  const left = new Set(candidates.keys());
  const chosen: Item[] = [];
  while (chosen.length < limit && left.size > 0) {
    let best = -1;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const place of left) {
      const value = (1 - diversity) * relevance[place]! - diversity * likeness[place]!;
      // The first of equals: places come best first.
      if (value <= bestValue) continue;
      best = place;
      bestValue = value;
    }
    left.delete(best);
    chosen.push(candidates[best]!);
    for (const place of left) likeness[place] = Math.max(likeness[place]!, cosine(texts[best]!, texts[place]!));
  }
  return chosen;
}

/** A text by its words, of length 1; empty without a word. */
type WeighedWords = ReadonlyMap<string, number>;

function weighWords(texts: readonly string[]): WeighedWords[] {
  const bags = texts.map(
    (text) =>
      new Set(
        segmentWords(text)
          .toLowerCase()
          .match(/[\p{L}\p{N}]+/gu) ?? [],
      ),
  );
  const holders = new Map<string, number>();
  for (const bag of bags) for (const word of bag) holders.set(word, (holders.get(word) ?? 0) + 1);
  return bags.map((bag) => {
    const weights = [...bag].map((word) => [word, Math.log(1 + texts.length / holders.get(word)!)] as const);
    const length = Math.hypot(...weights.map(([, weight]) => weight));
    return new Map(weights.map(([word, weight]) => [word, weight / length]));
  });
}

function cosine(left: WeighedWords, right: WeighedWords): number {
  const [few, many] = left.size <= right.size ? [left, right] : [right, left];
  let sum = 0;
  for (const [word, weight] of few) sum += weight * (many.get(word) ?? 0);
  return sum;
}
