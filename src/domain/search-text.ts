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
