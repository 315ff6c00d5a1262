import { segmentWords } from "../../domain/words.ts";

/** Texts of fewer different words are the same only when they are word for word. */
const leastWords = 5;
const negations = new Set(
  "no not never none nothing without cannot t kein keine keinen nicht nie ohne pas jamais sans non nunca sin não niet geen inte ikke".split(
    " ",
  ),
);

/** Finds texts that were said before, as they are given one after the other. */
export interface Duplicates<Name> {
  /** The name of a text that says the same, or undefined: then this one is remembered. */
  findOrAdd(text: string, name: Name): Name | undefined;
}

interface Known<Name> {
  readonly name: Name;
  readonly words: ReadonlySet<string>;
  readonly telling: ReadonlySet<string>;
  /** Where it is written with a capital: it may be a name, or any word. */
  readonly first: string | undefined;
}

/**
 * Two texts are the same when so large a share of all their words is in both (Jaccard), and what only one of them has is
 * neither a number, a name nor a negation. To be so alike they share one of the words that come first in a common order
 * (the prefix filter of Chaudhuri et al. 2006): only those are looked at.
 *
 * @param likeness the share, above 0
 * @param holders how many texts hold a word: rare ones come first in the order
 */
export function duplicates<Name>(likeness: number, holders: ReadonlyMap<string, number>): Duplicates<Name> {
  const exact = new Map<string, Name>();
  const byWord = new Map<string, Known<Name>[]>();
  const rarity = (word: string) => holders.get(word) ?? 0;

  function find(text: Omit<Known<Name>, "name">, prefix: readonly string[]): Name | undefined {
    for (const word of prefix) {
      const same = byWord.get(word)?.find((known) => areSame(known, text, likeness));
      if (same !== undefined) return same.name;
    }
    return undefined;
  }

  return {
    findOrAdd(text, name) {
      const list = wordsOf(text);
      const line = list.join(" ");
      if (line === "") return undefined;
      const words = new Set(list);
      const whole = exact.get(line);
      if (whole !== undefined) return whole;
      if (words.size < leastWords) {
        exact.set(line, name);
        return undefined;
      }
      const telling = tellingWords(text, list);
      const sorted = [...words].sort((left, right) => rarity(left) - rarity(right) || (left < right ? -1 : 1));
      const prefix = sorted.slice(0, words.size - Math.ceil(likeness * words.size) + 1);
      const first = /^\P{L}*\p{Lu}/u.test(text) ? list[0] : undefined;
      const same = find({ words, telling, first }, prefix);
      if (same !== undefined) return same;
      exact.set(line, name);
      for (const word of prefix) byWord.set(word, [...(byWord.get(word) ?? []), { name, words, telling, first }]);
      return undefined;
    },
  };
}

/** In how many of the texts each word is. */
export function countHolders(texts: Iterable<string>): Map<string, number> {
  const holders = new Map<string, number>();
  for (const text of texts) for (const word of new Set(wordsOf(text))) holders.set(word, (holders.get(word) ?? 0) + 1);
  return holders;
}

type Text = Omit<Known<unknown>, "name">;

function areSame(left: Text, right: Text, likeness: number): boolean {
  let common = 0;
  for (const word of left.words) if (right.words.has(word)) common++;
  return (
    common / (left.words.size + right.words.size - common) >= likeness &&
    tellsAll(left, right) &&
    tellsAll(right, left) &&
    !beginOtherwise(left, right)
  );
}

const beginOtherwise = (left: Text, right: Text) => lacks(right, left.first) && lacks(left, right.first);
const lacks = ({ words }: Text, first: string | undefined) => first !== undefined && !words.has(first);

const tellsAll = (some: Text, all: Text) => [...some.telling].every((word) => all.words.has(word));

function wordsOf(text: string): string[] {
  return (
    segmentWords(text)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Words that make a difference: numbers, negations, and what is written as a name. */
function tellingWords(text: string, words: readonly string[]): Set<string> {
  const names = text.match(/(?<=\S\s+["'([]?)\p{Lu}[\p{L}\p{N}]*/gu) ?? [];
  return new Set([...names.map((name) => name.toLowerCase()), ...words.filter((word) => /\p{N}/u.test(word) || negations.has(word))]);
}
