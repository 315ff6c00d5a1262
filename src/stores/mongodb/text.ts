import type { MetadataFilter } from "../../domain/filter.ts";
import type { TextAnswer, TextMatch, TextQuery } from "../../domain/session-store.ts";
import { scalarToken } from "../../internal/scalar-tokens.ts";
import type { MessageDocument } from "./documents.ts";
import { indexLanguage } from "./language.ts";
import { seen } from "./messages.ts";
import type { MongoCollectionLike } from "./mongo-client.ts";
import { inScope, type SessionDatabase } from "./session-database.ts";

/** Words of a question beyond these do not search. */
const mostWords = 32;
const longestWord = 256;
/** Of each word so many matches are looked at; beyond, they are counted. */
const leastDepth = 500;
const mostCounted = 100_000;

/** The words of a question: letters and digits alone, so that nothing of them is syntax. */
export function questionWords(words: string): string[] {
  const all = words.toLowerCase().match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? [];
  return [...new Set(all)].filter((word) => word.length <= longestWord && /[\p{L}\p{N}\p{Co}]/u.test(word)).slice(0, mostWords);
}

/** What a document has of a question, by MongoDB's own score of each word. */
export interface Scored<Document> {
  readonly document: Document;
  readonly rank: number;
}

/**
 * The best documents for any of the words. MongoDB's score knows nothing of how rare a word is, so each word is searched
 * by itself, all at once, and weighed by how few documents of the scope have it, as BM25 does.
 */
export async function rankByWords<Document extends { readonly _id: string }>(
  collection: MongoCollectionLike,
  words: readonly string[],
  language: string,
  question: { readonly scope: object; readonly conditions: readonly object[]; readonly projection: object; readonly limit: number },
): Promise<Scored<Document>[]> {
  const { scope, conditions, projection, limit } = question;
  const depth = Math.max(leastDepth, limit);
  const [total, ...found] = await Promise.all([
    collection.countDocuments(scope, { limit: mostCounted }),
    ...words.map((word) => {
      const filter = { $and: [{ ...scope, $text: { $search: word, $language: language } }, ...conditions] };
      return findWord<Document>(collection, filter, projection, depth);
    }),
  ]);
  const ranked = new Map<string, Scored<Document>>();
  for (const { documents, count } of found) {
    const rarity = Math.log(1 + (Math.max(total, count) - count + 0.5) / (count + 0.5));
    for (const document of documents) {
      const rank = (rarity * 2.2 * document.score) / (document.score + 1.2);
      ranked.set(document._id, { document, rank: rank + (ranked.get(document._id)?.rank ?? 0) });
    }
  }
  const best = [...ranked.values()].sort((left, right) => right.rank - left.rank || (left.document._id < right.document._id ? -1 : 1));
  return best.slice(0, limit);
}

/** The best documents that have a word, and how many have it, in one pass. */
async function findWord<Document>(collection: MongoCollectionLike, filter: object, projection: object, depth: number) {
  const best = [{ $sort: { score: -1, _id: 1 } }, { $limit: depth }];
  const [found] = await collection
    .aggregate([
      { $match: filter },
      { $project: { ...projection, score: { $meta: "textScore" } } },
      { $facet: { documents: best, counts: [{ $count: "count" }] } },
    ])
    .toArray();
  const { documents = [], counts = [] } = (found ?? {}) as {
    readonly documents?: readonly (Document & { readonly score: number })[];
    readonly counts?: readonly { readonly count: number }[];
  };
  return { documents, count: counts[0]?.count ?? 0 };
}

const needed = { userId: 1, conversation: 1, conversationId: 1, id: 1, seq: 1, createdAt: 1, importance: 1 };

export async function searchText(database: SessionDatabase, query: TextQuery): Promise<TextAnswer> {
  const words = questionWords(query.words);
  if (words.length === 0) return { matches: [], words: [] };
  const language = query.language === undefined ? database.language : indexLanguage(query.language);
  const found = await rankByWords<MessageDocument>(database.messages, words, language, {
    scope: inScope(query.scope),
    conditions: conditionsOf(query),
    projection: needed,
    limit: query.limit,
  });
  const ranks = new Map(found.map(({ document, rank }) => [document._id, rank]));
  const documents = await seen(
    database,
    found.map(({ document }) => document),
  );
  return { matches: documents.map((document) => toMatch(document, ranks.get(document._id) ?? 0)), words };
}

function toMatch({ userId, conversationId, id, seq, createdAt, importance }: MessageDocument, rank: number): TextMatch {
  return { userId, conversationId, messageId: id, seq, createdAt, importance: importance ?? null, rank };
}

function conditionsOf({ conversationId, roles, since, until, filter }: TextQuery): object[] {
  return [
    ...(conversationId === undefined ? [] : [{ conversationId }]),
    ...(roles === undefined ? [] : [{ role: { $in: [...roles] } }]),
    ...(since === undefined ? [] : [{ createdAt: { $gte: since } }]),
    ...(until === undefined ? [] : [{ createdAt: { $lt: until } }]),
    ...fieldConditions(filter),
  ];
}

/** A filter on what `scalarTokens` made of an object. */
export function fieldConditions(filter: MetadataFilter | undefined): object[] {
  return Object.entries(filter ?? {}).map(([field, wanted]) => {
    const values = Array.isArray(wanted) ? wanted : [wanted];
    return { fields: { $in: values.map((value) => scalarToken(field, value)) } };
  });
}
