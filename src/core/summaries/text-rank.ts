// Extracts the sentences that stand for a text: TextRank (Mihalcea and Tarau, "TextRank: Bringing Order into Texts", EMNLP
// 2004). Sentences that share words vote for each other; a vote of a sentence with many votes weighs more.

/** A sentence and what it weighs among the others. */
export interface RankedSentence {
  readonly text: string;
  /** Its place in the list that was ranked. */
  readonly place: number;
  readonly rank: number;
}

/** As in the paper, and in PageRank. */
const damping = 0.85;
const rounds = 30;
const smallestChange = 1e-4;
/** Each sentence is compared with each: of more, each run of so many is ranked for itself. */
const mostCompared = 300;

/** Best first. Equal sentences count once, as the first. */
export function rankSentences(sentences: readonly string[]): RankedSentence[] {
  const ranked: RankedSentence[] = [];
  for (let from = 0; from < sentences.length; from += mostCompared) {
    const run = sentences.slice(from, from + mostCompared);
    const ranks = textRank(run.map(wordsOf));
    for (const [place, text] of run.entries()) ranked.push({ text, place: from + place, rank: ranks[place] as number });
  }
  const seen = new Set<string>();
  const fresh = ranked.filter(({ text }) => !seen.has(text) && seen.add(text));
  return fresh.sort((left, right) => right.rank - left.rank || left.place - right.place);
}

/** Sentences of a text in any script; a line is one at least. */
export function sentencesOf(text: string): string[] {
  return text
    .split(/\n+/u)
    .flatMap((line) => [...segmenter.segment(line)].map(({ segment }) => segment.trim()))
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

const segmenter = new Intl.Segmenter("und", { granularity: "sentence" });

function textRank(bags: readonly ReadonlySet<string>[]): number[] {
  const votes = bags.map((left, row) => bags.map((right, column) => (row === column ? 0 : similarity(left, right))));
  const sums = votes.map((row) => row.reduce((sum, vote) => sum + vote, 0));
  let ranks = bags.map(() => 1);
  for (let round = 0; round < rounds; round++) {
    const next = bags.map((_, to) => {
      let received = 0;
      for (let from = 0; from < bags.length; from++) {
        const vote = votes[from]?.[to] as number;
        if (vote > 0) received += (vote / (sums[from] as number)) * (ranks[from] as number);
      }
      return 1 - damping + damping * received;
    });
    const change = next.reduce((most, rank, place) => Math.max(most, Math.abs(rank - (ranks[place] as number))), 0);
    ranks = next;
    if (change < smallestChange) break;
  }
  return ranks;
}

/** Common words by the logarithms of both lengths, so that long sentences do not win by their length. */
function similarity(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  if (left.size < 2 || right.size < 2) return 0;
  const [few, many] = left.size <= right.size ? [left, right] : [right, left];
  let common = 0;
  for (const word of few) if (many.has(word)) common++;
  return common / (Math.log(left.size) + Math.log(right.size));
}

/** Content words, about: long ones, names and numbers. No list of stop words, so that it serves any language. */
function wordsOf(sentence: string): Set<string> {
  const words = sentence.match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.filter((word) => word.length > 3 || /^[\p{Lu}\p{N}]/u.test(word)).map((word) => word.toLowerCase()));
}
