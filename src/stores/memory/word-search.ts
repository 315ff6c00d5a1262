import { matchesFilter } from "../../domain/filter.ts";
import { indexedWords } from "../../domain/search-text.ts";
import type { TextAnswer, TextMatch, TextQuery } from "../../domain/session-store.ts";
import { segmentWords } from "../../domain/words.ts";
import type { ConversationDocument, MessageDocument } from "../conversation-documents/document.ts";

// Okapi BM25 (Robertson 1994). Each conversation has an index of its words; how rare a word is, is counted over the scope.

const saturation = 1.2;
const lengthWeight = 0.75;

interface Counted {
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

interface ConversationIndex {
  /** Which messages hold a word. */
  readonly postings: Map<string, Set<MessageDocument>>;
  readonly counted: Map<MessageDocument, Counted>;
  /** Written, and not read for words yet: that is left to the next search. */
  readonly pending: Set<MessageDocument>;
  length: number;
}

export interface WordSearch {
  noteWritten(document: ConversationDocument, message: MessageDocument, replaced: MessageDocument | undefined): void;
  noteRemoved(document: ConversationDocument, messages: readonly MessageDocument[]): void;
  search(documents: readonly ConversationDocument[], query: TextQuery): TextAnswer;
}

/** The words of the conversations of this process. */
export function wordSearch(): WordSearch {
  const indexes = new WeakMap<ConversationDocument, ConversationIndex>();

  function indexOf(document: ConversationDocument): ConversationIndex {
    const known = indexes.get(document);
    if (known !== undefined) return known;
    const made = { postings: new Map(), counted: new Map(), pending: new Set<MessageDocument>(), length: 0 };
    indexes.set(document, made);
    return made;
  }

  /** The index with all that was written. */
  function upToDate(document: ConversationDocument): ConversationIndex {
    const index = indexOf(document);
    for (const message of index.pending) add(index, message);
    index.pending.clear();
    return index;
  }

  return {
    noteWritten(document, message, replaced) {
      const index = indexOf(document);
      if (replaced !== undefined) remove(index, replaced);
      if (message.text !== "") index.pending.add(message);
    },
    noteRemoved(document, messages) {
      const index = indexOf(document);
      for (const message of messages) remove(index, message);
    },
    search(documents, query) {
      const words = [...new Set(wordsOf(segmentWords(query.words)))];
      const indexed = documents.map((document) => ({ document, index: upToDate(document) }));
      const total = indexed.reduce((sum, { index }) => sum + index.counted.size, 0);
      const meanLength = indexed.reduce((sum, { index }) => sum + index.length, 0) / total;
      const ranks = new Map<MessageDocument, { readonly document: ConversationDocument; rank: number }>();
      for (const word of words) {
        const rows = indexed.reduce((sum, { index }) => sum + (index.postings.get(word)?.size ?? 0), 0);
        const rarity = Math.log(1 + (total - rows + 0.5) / (rows + 0.5));
        for (const { document, index } of indexed) {
          if (query.conversationId !== undefined && document.id !== query.conversationId) continue;
          for (const message of index.postings.get(word) ?? []) {
            const rank = rarity * weigh(index.counted.get(message), word, meanLength);
            const found = ranks.get(message);
            if (found !== undefined) found.rank += rank;
            else if (isWanted(message, query)) ranks.set(message, { document, rank });
          }
        }
      }
      const matches = [...ranks].map(([message, { document, rank }]) => ({ message, document, rank }));
      matches.sort((left, right) => right.rank - left.rank || right.message.seq - left.message.seq);
      return { matches: matches.slice(0, query.limit).map(toMatch), words };
    },
  };
}

function add(index: ConversationIndex, message: MessageDocument): void {
  const counted = countWords(message);
  index.counted.set(message, counted);
  index.length += counted.length;
  for (const word of counted.counts.keys()) {
    const holders = index.postings.get(word);
    if (holders === undefined) index.postings.set(word, new Set([message]));
    else holders.add(message);
  }
}

function remove(index: ConversationIndex, message: MessageDocument): void {
  index.pending.delete(message);
  const counted = index.counted.get(message);
  if (counted === undefined) return;
  index.counted.delete(message);
  index.length -= counted.length;
  for (const word of counted.counts.keys()) {
    const holders = index.postings.get(word);
    holders?.delete(message);
    if (holders?.size === 0) index.postings.delete(word);
  }
}

/** How much a word says of a message: more the more often it is there, less the longer the message is. */
function weigh(counted: Counted | undefined, word: string, meanLength: number): number {
  if (counted === undefined) return 0;
  const count = counted.counts.get(word) ?? 0;
  const norm = saturation * (1 - lengthWeight + (lengthWeight * counted.length) / meanLength);
  return (count * (saturation + 1)) / (count + norm);
}

interface Ranked {
  readonly document: ConversationDocument;
  readonly message: MessageDocument;
  readonly rank: number;
}

function toMatch({ document, message, rank }: Ranked): TextMatch {
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
  const words = wordsOf(indexedWords({ name: message.name, text: message.text, createdAt: new Date(message.createdAt) }));
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { counts, length: words.length };
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
