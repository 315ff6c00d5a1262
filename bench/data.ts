import { phraseMessage } from "../src/domain/phrasing.ts";
import type { Embedder, ImportedMessage } from "../src/index.ts";

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The most frequent words of English, in order; in a natural text they are about half of all words. */
const functionWords =
  `the of and to a in is it you that he was for on are with as his they at be this from have or by not but what all were we when
your can said there an which she do how their if will up other about out many then them these so some her would like him into has more`
    .split(/\s+/)
    .filter((word) => word !== "");
const vocabularySize = 20_000;

/** Words by frequency: function words, then words that can be pronounced. */
function makeVocabulary(): string[] {
  const random = randomNumbers(1);
  const pick = (from: string) => {
    const choices = from.split(" ");
    return choices[Math.floor(random() * choices.length)] as string;
  };
  const words = new Set(functionWords);
  while (words.size < vocabularySize) {
    let word = "";
    for (let syllables = 1 + Math.floor(random() * 3); syllables > 0; syllables--) {
      word += pick("b c d f g h j k l m n p r s t v w z br cl dr fr gr pl pr sh sl st th tr") + pick("a e i o u ai ea ee oo ou");
    }
    words.add(word + pick("l m n r t k nd rt st ck p d"));
  }
  return [...words];
}

/** Draws words by Zipf's law: the word of rank r comes 1 / r as often as the first. */
function wordSource(random: () => number): () => string {
  const vocabulary = makeVocabulary();
  const cumulative = new Float64Array(vocabulary.length);
  let sum = 0;
  for (let rank = 0; rank < vocabulary.length; rank++) {
    sum += 1 / (rank + 1);
    cumulative[rank] = sum;
  }
  return () => {
    const target = random() * sum;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < target) low = middle + 1;
      else high = middle;
    }
    return vocabulary[low] as string;
  };
}

/** Unique texts of 12 to 30 words. */
export function makeTexts(count: number, seed: number): string[] {
  const random = randomNumbers(seed);
  const word = wordSource(random);
  const texts = new Set<string>();
  while (texts.size < count) {
    texts.add(Array.from({ length: 12 + Math.floor(random() * 19) }, word).join(" "));
  }
  return [...texts];
}

/** How messages belong to users and conversations. */
export interface Layout {
  owner(index: number): string;
  conversation(index: number): string;
}

/** A fifth of the messages is one user's ("big"), in conversations of 1,000; each other user has 100, in four conversations. */
export function sharedLayout(count: number): Layout & { readonly bigRows: number } {
  const bigRows = count / 5;
  return {
    bigRows,
    owner: (index) => (index < bigRows ? "big" : `user-${Math.floor((index - bigRows) / 100)}`),
    conversation: (index) => (index < bigRows ? `big-${Math.floor(index / 1000)}` : `small-${Math.floor((index - bigRows) / 25)}`),
  };
}

/** All messages are one user's, in conversations of 50. */
export const singleLayout: Layout = { owner: () => "all", conversation: (index) => `all-${Math.floor(index / 50)}` };

export interface Query {
  readonly text: string;
  readonly vector: Float32Array;
  readonly userId: string;
}

/** Messages and their vectors: a mixture of 2,000 clusters about 50 topics; a user with 100 messages keeps mostly to eight clusters. */
export interface Corpus {
  readonly count: number;
  readonly dimensions: number;
  readonly embedder: Embedder;
  /** Whose message has which place; see {@link Layout}. */
  lines(layout: Layout): Generator<ImportedMessage>;
  /** Questions to a user: a few words of one of the user's messages, and a vector near that message's. */
  queries(layout: Layout, candidates: readonly number[], count: number): Query[];
  /** Ids of the nearest ten among `rows`, found by comparing all. */
  nearest(query: Query, rows: readonly number[]): string[];
}

export function makeCorpus(count: number, dimensions: number): Corpus {
  const random = randomNumbers(2);
  const texts = makeTexts(count, 3);
  const vectors = clusteredVectors(count, dimensions, random, sharedLayout(count));
  const vectorOf = (index: number) => vectors.subarray(index * dimensions, (index + 1) * dimensions);
  const known = new Map<string, Float32Array>();
  texts.forEach((text, index) => {
    known.set(phraseMessage({ role: roleOf(index), text }), vectorOf(index));
  });
  return {
    count,
    dimensions,
    embedder: {
      model: `bench/lookup-${dimensions}`,
      dimensions,
      maxBatchSize: 512,
      embed: async (asked) =>
        asked.map((text) => {
          const vector = known.get(text);
          if (vector === undefined) throw new Error(`no vector was prepared for: ${text}`);
          return vector;
        }),
    },
    *lines(layout) {
      for (let index = 0; index < count; index++) {
        yield {
          userId: layout.owner(index),
          conversation: layout.conversation(index),
          id: `m-${index}`,
          role: roleOf(index),
          content: texts[index] as string,
          createdAt: writtenAt(index),
        };
      }
    },
    queries(layout, candidates, wanted) {
      const queries: Query[] = [];
      while (queries.length < wanted) {
        const index = candidates[Math.floor(random() * candidates.length)] as number;
        const text = questionAbout(texts[index] as string, random);
        if (text === undefined || known.has(text)) continue;
        const vector = near(vectorOf(index), 0.5, random);
        known.set(text, vector);
        queries.push({ text, vector, userId: layout.owner(index) });
      }
      return queries;
    },
    nearest(query, rows) {
      const products = rows.map((index) => {
        let product = 0;
        for (let axis = 0, at = index * dimensions; axis < dimensions; axis++, at++) product += vectors[at]! * query.vector[axis]!;
        return { index, product };
      });
      products.sort((left, right) => right.product - left.product);
      return products.slice(0, 10).map(({ index }) => `m-${index}`);
    },
  };
}

function roleOf(index: number): string {
  return index % 2 === 0 ? "user" : "assistant";
}

/** Five minutes between messages: 100,000 of them take a year. */
export function writtenAt(index: number): Date {
  return new Date(Date.UTC(2025, 0, 1) + index * 300_000);
}

/** Four to eight words of a message, at least two of them no function words. */
function questionAbout(text: string, random: () => number): string | undefined {
  const words = [...new Set(text.split(" "))].sort(() => random() - 0.5).slice(0, 4 + Math.floor(random() * 5));
  return words.filter((word) => !functionWords.includes(word)).length < 2 ? undefined : words.join(" ");
}

function clusteredVectors(count: number, dimensions: number, random: () => number, layout: Layout): Float32Array {
  const centre = near(new Float32Array(dimensions), 1, random);
  const topics = Array.from({ length: 50 }, () => near(centre, 1.2, random));
  const clusters = Array.from({ length: 2_000 }, (_, index) => near(topics[index % topics.length] as Float32Array, 0.9, random));
  const anyCluster = () => clusters[Math.floor(random() * clusters.length)] as Float32Array;
  const homes = new Map<string, Float32Array[]>();
  const vectors = new Float32Array(count * dimensions);
  for (let index = 0; index < count; index++) {
    const owner = layout.owner(index);
    const home = homes.get(owner) ?? Array.from({ length: 8 }, anyCluster);
    homes.set(owner, home);
    const isAtHome = owner !== "big" && random() < 0.8;
    vectors.set(near(isAtHome ? (home[Math.floor(random() * 8)] as Float32Array) : anyCluster(), 0.75, random), index * dimensions);
  }
  return vectors;
}

/** A unit vector: the centre and Gaussian noise of about the given length. */
function near(centre: Float32Array, noise: number, random: () => number): Float32Array {
  const vector = new Float32Array(centre.length);
  const scale = noise / Math.sqrt(centre.length);
  let squares = 0;
  for (let axis = 0; axis < centre.length; axis += 2) {
    // Box and Muller: two normal numbers out of two uniform ones.
    const radius = scale * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    vector[axis] = centre[axis]! + radius * Math.cos(angle);
    vector[axis + 1] = centre[axis + 1]! + radius * Math.sin(angle);
    squares += vector[axis]! ** 2 + vector[axis + 1]! ** 2;
  }
  const length = Math.sqrt(squares);
  for (let axis = 0; axis < vector.length; axis++) vector[axis] = vector[axis]! / length;
  return vector;
}
