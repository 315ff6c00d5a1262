import { InvalidArgumentError } from "../../domain/errors.ts";
import type { RecordConditions, RecordStore, RecordVector, StoredRecord } from "../../domain/record-store.ts";
import type { QueryRecordsOptions, RecordHit } from "../../domain/records.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { Candidate } from "../../domain/session-store.ts";
import { segmentWords } from "../../domain/words.ts";
import { allRecords } from "../all-records.ts";
import type { MemoryCore } from "../memory-core.ts";
import { fuse } from "../ranking/fusion.ts";
import { rankByWords, wordsOf } from "../ranking/rank-words.ts";
import { queryVector } from "../recall.ts";
import { parseCount, parseSimilarity } from "../validate.ts";
import { checkVector, toMemoryRecord } from "./checked-record.ts";

/** Candidates of each leg, at least: scores are scaled over them. */
const leastDepth = 200;
const longestQuery = 4_000;
const pageSize = 1_000;
const weights = { vector: 0.5, text: 0.5, conversation: 0, neighbour: 0, recency: 0, importance: 0 };

/** What a query is given as, checked, then searched as recall does. */
export async function queryRecords(
  core: MemoryCore,
  scope: StoreScope,
  conditions: RecordConditions,
  options: QueryRecordsOptions,
): Promise<RecordHit[]> {
  const { minSimilarity, signal } = options;
  if (options.text !== undefined && typeof options.text !== "string") throw new InvalidArgumentError("text", "must be a string");
  parseSimilarity("minSimilarity", minSimilarity);
  const limit = parseCount("limit", options.limit, 10, 1, 1000);
  const text = parseQueryText(options.text ?? "");
  if (options.text === undefined && options.embedding === undefined)
    throw new InvalidArgumentError("text", "is required, or an embedding: records.list() answers without either");
  if (text === "" && options.embedding === undefined) return [];
  const store = await core.records.open();
  const vector = await vectorOf(core, text, options);
  const found = await searchRecords(store, scope, conditions, { text, vector, limit, minSimilarity, signal });
  return found.map(({ record, score, similarity, rank }) => ({
    record: toMemoryRecord(record),
    score,
    scores: { vector: similarity, text: rank },
  }));
}

/** What is looked for, without what no store takes. */
export const parseQueryText = (text: string): string => text.replaceAll("\0", " ").toWellFormed().trim().slice(0, longestQuery);

export interface RecordSearch {
  /** Trimmed; "": no words are looked for. */
  readonly text: string;
  readonly vector: RecordVector | undefined;
  readonly limit: number;
  readonly minSimilarity?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FoundRecord {
  readonly record: StoredRecord;
  readonly score: number;
  readonly similarity: number | undefined;
  readonly rank: number | undefined;
}

/** Looks by words and by vector at once, and ranks what both found, best first. */
export async function searchRecords(
  store: RecordStore,
  scope: StoreScope,
  conditions: RecordConditions,
  { text, vector, limit, minSimilarity, signal }: RecordSearch,
): Promise<FoundRecord[]> {
  const depth = Math.max(leastDepth, 4 * limit);
  const [byWords, byVector] = await Promise.all([
    text === "" ? [] : searchWords(store, scope, conditions, text, depth, signal),
    vector?.values === undefined
      ? []
      : (store.vectors?.search(scope, { ...conditions, model: vector.model, values: vector.values, limit: depth }, signal) ?? []),
  ]);
  const found = new Map<string, RecordCandidate>();
  for (const { record, similarity } of byVector) found.set(keyOf(record), toCandidate(record, similarity, undefined));
  for (const { record, rank } of byWords) found.set(keyOf(record), toCandidate(record, found.get(keyOf(record))?.similarity, rank));
  const ranked = fuse([...found.values()], { weights, recencyHalfLifeDays: 30, now: new Date(), minSimilarity });
  return ranked.slice(0, limit).map(({ candidate: { record, similarity, rank }, score }) => ({ record, score, similarity, rank }));
}

interface RecordCandidate extends Candidate {
  readonly record: StoredRecord;
  readonly similarity: number | undefined;
  readonly rank: number | undefined;
}

const keyOf = ({ userId, type, id }: StoredRecord) => JSON.stringify([userId, type, id]);

/** Fusion looks at places in conversations: each record stands alone. */
function toCandidate(record: StoredRecord, similarity: number | undefined, rank: number | undefined): RecordCandidate {
  const { userId, id, createdAt } = record;
  return { userId, conversationId: keyOf(record), messageId: id, seq: 0, createdAt, importance: null, record, similarity, rank };
}

/** The vector of a text, or the one that was brought. Undefined: words alone answer. */
export async function vectorOf(
  core: MemoryCore,
  text: string,
  options: Pick<QueryRecordsOptions, "embedding" | "embeddingModel" | "minSimilarity" | "signal">,
): Promise<RecordVector | undefined> {
  if (options.embedding !== undefined) return checkVector(core, options);
  if (core.embedder === undefined) {
    if (options.minSimilarity !== undefined)
      throw new InvalidArgumentError("minSimilarity", "needs vectors, and this memory has no embedding model");
    return undefined;
  }
  await core.open();
  const { vector } = await queryVector(core, text, ["vector", "text"], { signal: options.signal });
  return vector && { model: core.embedder.model, values: vector };
}

async function searchWords(
  store: RecordStore,
  scope: StoreScope,
  conditions: RecordConditions,
  text: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly record: StoredRecord; readonly rank: number }[]> {
  if (store.searchText !== undefined) return store.searchText(scope, { ...conditions, words: segmentWords(text), limit }, signal);
  const words = wordsOf(text);
  if (words.length === 0) return [];
  const all = await allRecords(store, scope, { ...conditions, orderBy: "position", direction: "desc", limit: pageSize }, signal);
  const ranked = rankByWords(all, ({ name, content }) => `${name ?? ""} ${content}`, words);
  return ranked.slice(0, limit).map(({ item, score }) => ({ record: item, rank: score }));
}
