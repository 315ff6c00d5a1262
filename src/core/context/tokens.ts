import { InvalidArgumentError } from "../../domain/errors.ts";

/** Counts the tokens of a text. */
export type Count = (text: string) => number;

/** A deadline below this does not wait for the tokenizer to be loaded. */
const patienceMs = 1_000;
/** Texts whose counts are remembered, in characters. */
const mostRemembered = 4_000_000;
/** Encoders take the square of a word's length: what nobody would call a word is counted in pieces. */
const longestWord = 200;
/** Of a longer text the beginning is counted, and the rest in proportion. */
const mostCounted = 1_000_000;
const longWords = new RegExp(`\\S{${longestWord + 1},}|\\s{${longestWord + 1},}`, "u");
const wordPieces = new RegExp(`\\S{1,${longestWord}}\\s?|\\s{1,${longestWord}}`, "gu");

let loaded: Count | undefined;

/**
 * The counter a call uses: the caller's own or o200k_base, each remembering what it counted. A call in a hurry that finds
 * the encoding not loaded yet counts bytes, as no text has more tokens than bytes.
 */
export async function counter(own: Count | undefined, deadlineMs: number | undefined): Promise<Count> {
  if (own !== undefined) return ownCounter(own);
  if (loaded !== undefined) return loaded;
  if (deadlineMs === undefined || deadlineMs >= patienceMs) return loadO200k();
  setImmediate(() => void loadO200k());
  return (text) => Buffer.byteLength(text);
}

const ownCounters = new WeakMap<Count, Count>();

function ownCounter(own: Count): Count {
  const count = ownCounters.get(own) ?? remembered(checked(own));
  ownCounters.set(own, count);
  return count;
}

async function loadO200k(): Promise<Count> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  // Texts that spell a special token hold no such token: no text of a message becomes one.
  const plain = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
  const count = (text: string) => countTokens(text, plain);
  loaded ??= remembered((text) => {
    const counted = text.slice(0, mostCounted);
    const tokens =
      counted.length > longestWord && longWords.test(counted)
        ? (counted.match(wordPieces) ?? []).reduce((sum, piece) => sum + count(piece), 0)
        : count(counted);
    return text.length > mostCounted ? Math.ceil((tokens * text.length) / mostCounted) : tokens;
  });
  return loaded;
}

function checked(own: Count): Count {
  return (text) => {
    const tokens = own(text);
    if (!(tokens >= 0 && Number.isFinite(tokens))) throw new InvalidArgumentError("tokenizer", "must answer with a number of tokens");
    return tokens;
  };
}

/** Remembers by the text itself, so that an edited message is counted anew; the least used goes first. */
function remembered(count: Count): Count {
  const counts = new Map<string, number>();
  let characters = 0;
  return (text) => {
    const known = counts.get(text);
    const tokens = known ?? count(text);
    if (known === undefined) characters += text.length;
    else counts.delete(text);
    counts.set(text, tokens);
    for (const oldest of counts.keys()) {
      if (characters <= mostRemembered) break;
      counts.delete(oldest);
      characters -= oldest.length;
    }
    return tokens;
  };
}

/** The beginning of a text that takes at most so many tokens, up to the end of a word; empty when nothing does. */
export function cutToTokens(text: string, most: number, count: Count): string {
  const characters = [...text];
  let fits = 0;
  let tooLong = characters.length + 1;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (count(characters.slice(0, middle).join("")) <= most) fits = middle;
    else tooLong = middle;
  }
  const cut = characters.slice(0, fits).join("");
  return fits === characters.length ? cut : cut.replace(/\S{0,80}$/u, "").trimEnd();
}
