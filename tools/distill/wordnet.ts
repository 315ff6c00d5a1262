import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One meaning in WordNet: the words that have it, what it is, and sentences that show it. */
export interface Synset {
  readonly words: readonly string[];
  readonly gloss: string;
  readonly examples: readonly string[];
}

/** Reads the four data files of WordNet 3.0 in file order. @param folder where Debian's `wordnet-base` puts them */
export function readSynsets(folder: string): Synset[] {
  return ["noun", "verb", "adj", "adv"].flatMap((part) =>
    readFileSync(join(folder, `data.${part}`), "utf8")
      .split("\n")
      // The licence stands at the head of each file, on lines that begin with a space.
      .filter((line) => line !== "" && !line.startsWith(" "))
      .map(parseSynset),
  );
}

function parseSynset(line: string): Synset {
  const bar = line.indexOf(" | ");
  const fields = line.slice(0, bar).split(" ");
  const wordCount = Number.parseInt(fields[3] ?? "0", 16);
  const words = Array.from({ length: wordCount }, (_, index) => (fields[4 + index * 2] ?? "").replace(/\(\w+\)$/, "").replaceAll("_", " "));
  const text = line.slice(bar + 3).trim();
  const firstExample = text.search(/;\s*"|^"/);
  return {
    words,
    gloss: (firstExample < 0 ? text : text.slice(0, firstExample)).trim(),
    examples: [...text.matchAll(/"([^"]+)"/g)].map((match) => (match[1] ?? "").trim()),
  };
}

/**
 * Single words of one part of speech that were met at least `least` times in WordNet's tagged texts, most frequent
 * first: everyday words, without the botany.
 */
export function frequentWords(folder: string, part: "noun" | "verb" | "adjective", least: number): string[] {
  const digit = { noun: "1", verb: "2", adjective: "3" }[part];
  const counts = new Map<string, number>();
  for (const line of readFileSync(join(folder, "cntlist.rev"), "utf8").split("\n")) {
    const [key = "", , count = "0"] = line.split(" ");
    const [word = "", rest = ""] = key.split("%");
    if (!rest.startsWith(digit) || !/^[a-z]{3,}$/.test(word)) continue;
    counts.set(word, (counts.get(word) ?? 0) + Number(count));
  }
  return [...counts]
    .filter(([, count]) => count >= least)
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .map(([word]) => word);
}
