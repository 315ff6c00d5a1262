import { seededRandom } from "./random.ts";
import { everydaySentences, names } from "./templates.ts";
import { frequentWords, readSynsets } from "./wordnet.ts";

export interface CorpusOptions {
  /** Where Debian's `wordnet-base` keeps WordNet 3.0. */
  readonly wordnet: string;
  readonly glosses: number;
  readonly examples: number;
  readonly everyday: number;
  readonly seed: number;
}

/** Shorter sentences say too little, longer ones teach single words too weakly. In characters. */
const shortest = 12;
const longest = 320;

/** How many of the sentences are put as a speaker's words, the way messages are embedded. */
const shareSaid = 0.3;

/** The sentences to learn from, always the same for the same options. */
export function trainingSentences(options: CorpusOptions): string[] {
  const random = seededRandom(options.seed);
  const synsets = random.shuffle(readSynsets(options.wordnet));

  const glosses = synsets.slice(0, options.glosses).map(({ words, gloss }) => {
    const form = random.next();
    return form < 0.4 ? `${words.join(", ")}: ${gloss}` : form < 0.7 ? `${words[0]} means ${gloss}` : gloss;
  });
  const examples = random.shuffle(synsets.flatMap((synset) => synset.examples)).slice(0, options.examples);
  const everyday = everydaySentences(
    options.everyday,
    {
      nouns: frequentWords(options.wordnet, "noun", 3),
      verbs: frequentWords(options.wordnet, "verb", 3),
    },
    random,
  );

  const sentences = [...glosses, ...examples, ...everyday]
    .filter((sentence) => sentence.length >= shortest && sentence.length <= longest)
    .map((sentence) => (random.next() < shareSaid ? `${speaker(random.next(), random.pick(names))} said, "${sentence}"` : sentence));
  return [...new Set(sentences)];
}

/** One speaker in ten is nameless. */
function speaker(draw: number, name: string): string {
  return draw < 0.05 ? "User" : draw < 0.1 ? "Assistant" : name;
}
