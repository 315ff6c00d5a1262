/** Two texts say the same from this share of common words on. */
const alike = 0.85;

/** Texts that were said, to find those that say nothing new. */
export interface Said {
  add(text: string): void;
  /** Whether a text is, but for a few words, one that was said. */
  has(text: string): boolean;
}

export function makeSaid(): Said {
  const exact = new Set<string>();
  const bags: Set<string>[] = [];
  return {
    add(text) {
      const words = wordsOf(text);
      exact.add(words.join(" "));
      bags.push(new Set(words));
    },
    has(text) {
      const words = wordsOf(text);
      if (exact.has(words.join(" "))) return true;
      const bag = new Set(words);
      // In a few words, one is a difference.
      return bag.size >= 5 && bags.some((other) => overlap(bag, other) >= alike);
    },
  };
}

/** Common words to all words (Jaccard). */
function overlap(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  const [few, many] = left.size <= right.size ? [left, right] : [right, left];
  if (few.size < alike * many.size) return 0;
  let common = 0;
  for (const word of few) if (many.has(word)) common++;
  return common / (left.size + right.size - common);
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
