import { matchesFilter } from "../../domain/filter.ts";
import { indexedWords } from "../../domain/search-text.ts";
import type { TextAnswer, TextMatch, TextQuery } from "../../domain/session-store.ts";
import { segmentWords } from "../../domain/words.ts";
import type { ConversationDocument, MessageDocument } from "../conversation-documents/document.ts";

// Okapi BM25 (Robertson 1994) over the messages of a scope, read once for each search. Words are counted when a message
// is first searched and kept as long as the message is.

const saturation = 1.2;
const lengthWeight = 0.75;

interface Counted {
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

const counted = new WeakMap<MessageDocument, Counted>();

export function searchWords(documents: Iterable<ConversationDocument>, query: TextQuery): TextAnswer {
  const words = [...new Set(wordsOf(segmentWords(query.words)))];
  const found: Found[] = [];
  const frequency = new Map(words.map((word) => [word, 0]));
  let size = 0;
  let length = 0;
  for (const document of documents) {
    if (query.conversationId !== undefined && document.id !== query.conversationId) continue;
    for (const message of document.messages) {
      if (message.text === "" || !isWanted(message, query)) continue;
      const counts = countWords(message);
      size++;
      length += counts.length;
      const hits = words.filter((word) => counts.counts.has(word));
      for (const word of hits) frequency.set(word, (frequency.get(word) ?? 0) + 1);
      if (hits.length > 0) found.push({ document, message, counts, hits });
    }
  }
  const rarity = new Map([...frequency].map(([word, rows]) => [word, Math.log(1 + (size - rows + 0.5) / (rows + 0.5))]));
  const matches = found.map((one) => toMatch(one, rarity, length / size));
  matches.sort((left, right) => right.rank - left.rank || right.seq - left.seq);
  return { matches: matches.slice(0, query.limit), words };
}

interface Found {
  readonly document: ConversationDocument;
  readonly message: MessageDocument;
  readonly counts: Counted;
  readonly hits: readonly string[];
}

function toMatch({ document, message, counts, hits }: Found, rarity: ReadonlyMap<string, number>, meanLength: number): TextMatch {
  const norm = saturation * (1 - lengthWeight + (lengthWeight * counts.length) / meanLength);
  const rank = hits.reduce((sum, word) => {
    const count = counts.counts.get(word) ?? 0;
    return sum + ((rarity.get(word) ?? 0) * count * (saturation + 1)) / (count + norm);
  }, 0);
  return {
    userId: document.userId,
    conversationId: document.id,
    messageId: message.id,
    seq: message.seq,
    createdAt: new Date(message.createdAt),
    importance: message.importance,
    rank,
  };
}

function isWanted(message: MessageDocument, { roles, since, until, filter }: TextQuery): boolean {
  return (
    (roles === undefined || roles.includes(message.role)) &&
    (since === undefined || message.createdAt >= since.getTime()) &&
    (until === undefined || message.createdAt < until.getTime()) &&
    (filter === undefined || matchesFilter(JSON.parse(message.metadataJson), filter))
  );
}

function countWords(message: MessageDocument): Counted {
  const known = counted.get(message);
  if (known !== undefined) return known;
  const words = wordsOf(indexedWords({ name: message.name, text: message.text, createdAt: new Date(message.createdAt) }));
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const made = { counts, length: words.length };
  counted.set(message, made);
  return made;
}

function wordsOf(text: string): string[] {
  return (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  ).map(singular);
}

/** The S stemmer (Harman 1991): English plurals meet their singulars; other words stay. */
function singular(word: string): string {
  if (word.length < 4 || !word.endsWith("s") || /(?:[^a-z]|us|ss|is)$/.test(word)) return word;
  if (/[^ae]ies$/.test(word)) return `${word.slice(0, -3)}y`;
  return word.slice(0, -1);
}
