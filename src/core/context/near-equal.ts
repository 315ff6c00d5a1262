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
      return bag.size >= 5 && bags.some((other) => areAlike(bag, other));
    },
  };
}

/** Whether the common words are so large a share of all words (Jaccard). Gives up as soon as they cannot be. */
function areAlike(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  const [few, many] = left.size <= right.size ? [left, right] : [right, left];
  // common / (few + many - common) >= alike
  const least = (alike * (few.size + many.size)) / (1 + alike);
  let possible = few.size;
  for (const word of few) {
    if (possible < least) return false;
    if (many.has(word)) continue;
    if (hasNumber(word)) return false;
    possible--;
  }
  return possible >= least && [...many].every((word) => few.has(word) || !hasNumber(word));
}

/** Another number says something else. */
const hasNumber = (word: string) => /\p{N}/u.test(word);

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
