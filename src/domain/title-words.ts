import { segmentWords } from "./words.ts";

const word = /[\p{L}\p{M}\p{N}]+/gu;
/** Words of a query beyond these are not looked for in titles. */
const mostWords = 20;

/** The words of a title, or of what somebody looks for in titles: lower-case, letters and digits alone. */
export function titleWords(text: string): string[] {
  return (segmentWords(text.normalize("NFC")).toLowerCase().match(word) ?? []).slice(0, mostWords);
}

/**
 * How well a title answers a query, 0 to 1: the share of the query's words it holds, where the last may be the beginning
 * of one. Below a half it does not.
 */
export function titleMatch(words: readonly string[], title: string): number {
  if (words.length === 0) return 0;
  const held = titleWords(title);
  const last = words.length - 1;
  const found = words.filter((wanted, index) => held.some((one) => one === wanted || (index === last && one.startsWith(wanted))));
  const share = found.length / words.length;
  return share < 0.5 ? 0 : share;
}

/** The beginning of a text as a title: one line, whole words, at most so many characters. */
export function titleFrom(text: string, maxLength: number): string {
  const line = text.replace(/\s+/gu, " ").trim();
  const characters = [...line];
  if (characters.length <= maxLength) return line;
  const head = characters.slice(0, maxLength - 1).join("");
  const isCut = characters[maxLength - 1] !== " ";
  const space = head.lastIndexOf(" ");
  // A single long word is cut where it must be.
  return `${(isCut && space > 0 ? head.slice(0, space) : head).replace(/[\s,;:.–—-]+$/u, "")}…`;
}

/** A line of a text around the first of these words, at most so many characters. */
export function snippetAround(text: string, words: readonly string[], maxLength: number): string {
  const line = text.replace(/\s+/gu, " ").trim();
  if (line.length <= maxLength) return line;
  const lower = line.toLowerCase();
  const places = words.map((one) => placeOf(lower, one)).filter((place) => place >= 0);
  const wanted = places.length === 0 ? 0 : Math.max(0, Math.min(...places) - Math.floor(maxLength / 3));
  const from = wanted === 0 ? 0 : wordBegin(line, wanted);
  const room = maxLength - (from > 0 ? 1 : 0);
  const end = line.length - from <= room ? line.length : wordEnd(line, from + room - 1);
  return `${from > 0 ? "…" : ""}${line.slice(from, end).toWellFormed()}${end < line.length ? "…" : ""}`;
}

/** How far a cut looks for the space between two words. */
const longestWord = 20;

function wordBegin(line: string, place: number): number {
  const space = line.lastIndexOf(" ", place);
  return space >= place - longestWord ? space + 1 : place;
}

function wordEnd(line: string, place: number): number {
  const space = line.lastIndexOf(" ", place);
  return space >= place - longestWord ? space : place;
}

/** Where a word begins; searches stem, so what begins like it is as good. */
function placeOf(text: string, wanted: string): number {
  const stem = wanted.length > 5 ? wanted.slice(0, -2) : wanted;
  const found = new RegExp(`(?<![\\p{L}\\p{N}])${stem}`, "u").exec(text);
  return found?.index ?? -1;
}
