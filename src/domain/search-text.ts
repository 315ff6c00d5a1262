import { lexicalHeader, segmentWords } from "./words.ts";

// What the word index is given of a message. The measures behind these choices: docs/guide/recall.md.

/** A tsvector holds at most 1 MB; three bytes a character leave room for any script. */
const mostIndexedCharacters = 100_000;
/** The words of an earlier turn weigh little: its beginning is enough. */
const mostContextCharacters = 2_000;
/** How many earlier turns lend their words to a message. */
const turnsOfContext = 2;

/** The words a message is found by: date, speaker, text. */
export function indexedWords(message: { readonly name: string | null; readonly text: string; readonly createdAt: Date }): string {
  return segmentWords(`${lexicalHeader(message)} ${message.text.slice(0, mostIndexedCharacters)}`);
}

/** The words that earlier turns (`name text`, nearest first) lend to a message; empty when there are none. */
export function contextWords(previous: readonly string[]): string {
  return segmentWords(previous.map((text) => text.slice(0, mostContextCharacters)).join("\n"));
}

/**
 * Of a batch that is being written: the words earlier turns of the same batch lend to the message at `position`, and
 * whether these are all there can be.
 */
export function previousTurns(
  messages: readonly { readonly name: string | null; readonly text: string }[],
  position: number,
): { readonly words: string; readonly complete: boolean } {
  const texts: string[] = [];
  for (let index = position - 1; index >= 0 && texts.length < turnsOfContext; index--) {
    const { name, text } = messages[index] as { name: string | null; text: string };
    if (text !== "") texts.push(name === null ? text : `${name} ${text}`);
  }
  return { words: contextWords(texts), complete: texts.length === turnsOfContext };
}

/** The copy of a message's metadata that filters look into: without what jsonb cannot hold; null when empty. */
export function filterableMetadata(metadataJson: string): string | null {
  if (metadataJson === "{}") return null;
  if (!metadataJson.includes("\\u")) return metadataJson;
  return JSON.stringify(cleanStrings(JSON.parse(metadataJson)));
}

function cleanStrings(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("\0", "").toWellFormed();
  if (Array.isArray(value)) return value.map(cleanStrings);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key.replaceAll("\0", "").toWellFormed(), cleanStrings(field)]));
  }
  return value;
}

/**
 * Names what a vector was made of: it changes whenever the role, name or text of a message does. 53 bits (cyrb53, in the
 * public domain), as two texts of one message need telling apart and no more.
 */
export function textRevision(message: { readonly role: string; readonly name: string | null | undefined; readonly text: string }): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (const text of [message.role, message.name ?? "", message.text]) {
    for (let index = 0; index <= text.length; index++) {
      const code = index === text.length ? 0x1_0000 : text.charCodeAt(index);
      high = Math.imul(high ^ code, 2_654_435_761);
      low = Math.imul(low ^ code, 1_597_334_677);
    }
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return (4_294_967_296 * (2_097_151 & low) + (high >>> 0)).toString(36);
}
