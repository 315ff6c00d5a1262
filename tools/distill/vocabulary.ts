/** Letters of the scripts that the teacher cannot read anyway; their rows would be a tenth of the file. */
const foreign = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

/** Tokens that never stand in a text. */
const special = /^\[(unused\d+|PAD|UNK|CLS|SEP|MASK)\]$/;

/** Whether a token of BERT's vocabulary gets a row in the file. */
export function isKept(token: string): boolean {
  return !special.test(token) && !foreign.test(token);
}

/** Typographic quotation marks mean what the plain ones mean, but stand in no training sentence. */
export function sameAs(token: string): string | undefined {
  return { "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-" }[token];
}

/**
 * Arora's smooth inverse frequency, a / (a + p) with a = 0.001. The vocabulary is ordered by frequency, so p follows
 * from the id by Zipf's law: 995 unused and special tokens first, then the most frequent.
 */
export function startWeight(id: number): number {
  const frequency = 1 / ((Math.max(1, id - 995) + 2.7) * 9.5);
  return 1e-3 / (1e-3 + frequency);
}
