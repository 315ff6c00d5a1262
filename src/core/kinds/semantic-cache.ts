import type { CallOptions } from "../../domain/call-options.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { FilterValue } from "../../domain/filter.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { RecordsHandle } from "./put-or-update.ts";

/** Whose answers are kept, how many and how long, and when two questions are taken for one. */
export interface SemanticCacheOptions {
  /** Whose answers. They never answer anybody else. */
  readonly userId: string;
  /** Cosine similarity from which on two questions are one, -1 to 1. @default 0.9 */
  readonly minSimilarity?: number | undefined;
  /** How long an answer holds. Above 0. @default 86_400 */
  readonly ttlSeconds?: number | undefined;
  /** What else must be equal, e.g. `{ agentId, model, dataVersion }`. @default nothing */
  readonly scope?: Readonly<Record<string, FilterValue>> | undefined;
  /** So many answers are kept in this scope; the oldest make room. 1 to 100,000. @default 1000 */
  readonly maxEntries?: number | undefined;
}

/** An answer that was given before. */
export interface CachedAnswer {
  /** The question it was given to. */
  readonly query: string;
  readonly response: unknown;
  /** 1: the same words. */
  readonly similarity: number;
  readonly createdAt: Date;
}

/** How long this answer holds, and what it is cleared by. */
export interface CachePutOptions extends CallOptions {
  /** @default that of the cache */
  readonly ttlSeconds?: number | undefined;
  /** By which it can be cleared. @default none */
  readonly tag?: string | undefined;
}

/** What {@link semanticCache} gives: answers by what was asked. */
export interface SemanticCache {
  /** The answer to a question that was asked before, in these words or in others; undefined: ask the model. */
  get(query: string, options?: CallOptions): Promise<CachedAnswer | undefined>;
  /** Found by the same words at once, by others when the worker has embedded it. The response is anything JSON can hold. */
  put(query: string, response: unknown, options?: CachePutOptions): Promise<void>;
  /** Forgets one answer; whether it was there. */
  delete(query: string, options?: CallOptions): Promise<boolean>;
  /** Forgets the answers of this scope, or those with a tag; how many there were. */
  clear(options?: CallOptions & { readonly tag?: string | undefined }): Promise<number>;
  /** What happened in this process. */
  readonly counts: { readonly hits: number; readonly misses: number };
}

const type = "semantic_cache";
const tagField = "tag";
const scopeField = "scope";

/**
 * Answers of a model by what was asked, kept as records of the type `"semantic_cache"`. Always of one user.
 *
 * @throws InvalidArgumentError for options that cannot be right
 * @example
 * const cache = semanticCache(memory, { userId: "user-123", scope: { agentId: "support" } });
 * const answer = (await cache.get(question))?.response ?? (await ask(question));
 */
export function semanticCache({ records }: RecordsHandle, options: SemanticCacheOptions): SemanticCache {
  const { userId, minSimilarity = 0.9, ttlSeconds = 86_400, scope = {}, maxEntries = 1_000 } = options;
  if (typeof userId !== "string" || userId === "") throw new InvalidArgumentError("userId", "is required: whose answers are they?");
  if (!(minSimilarity >= -1 && minSimilarity <= 1)) throw new InvalidArgumentError("minSimilarity", "must be from -1 to 1");
  if (!(ttlSeconds > 0)) throw new InvalidArgumentError("ttlSeconds", "must be above 0");
  if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > 100_000)
    throw new InvalidArgumentError("maxEntries", "must be a whole number from 1 to 100000");
  const place = JSON.stringify(Object.entries(scope).sort(([left], [right]) => (left < right ? -1 : 1)));
  const mine = { userId, type, filter: { [scopeField]: place } } as const;
  const idOf = (query: string) => stableId(place, checked(query));
  const counts = { hits: 0, misses: 0 };

  async function find(query: string, signal: AbortSignal | undefined): Promise<CachedAnswer | undefined> {
    const same = await records.get(type, idOf(query), { userId, signal });
    if (same !== undefined) return toAnswer(same, 1);
    const hits = await records.query({ ...mine, text: query, minSimilarity, limit: 10, signal }).catch((error: unknown) => {
      // Without an embedding model the same words still answer.
      if (error instanceof InvalidArgumentError && error.field === "minSimilarity") return [];
      throw error;
    });
    const [nearest] = hits.toSorted((left, right) => (right.scores.vector ?? 0) - (left.scores.vector ?? 0));
    return nearest && toAnswer(nearest.record, nearest.scores.vector ?? 0);
  }

  async function makeRoom(signal: AbortSignal | undefined): Promise<void> {
    const surplus = (await records.count({ ...mine, signal })) - maxEntries;
    if (surplus <= 0) return;
    const oldest = await records.list({ ...mine, direction: "asc", limit: Math.min(surplus, 1_000), signal });
    await records.clear({ ...mine, ids: oldest.items.map(({ id }) => id), signal });
  }

  return {
    async get(query, { signal } = {}) {
      const found = await find(query, signal);
      if (found === undefined) counts.misses++;
      else counts.hits++;
      return found;
    },
    async put(query, response, { ttlSeconds: own = ttlSeconds, tag, signal } = {}) {
      if (response === undefined) throw new InvalidArgumentError("response", "must be something JSON can hold");
      const metadata = { [scopeField]: place, response, ...(tag !== undefined && { [tagField]: tag }) };
      const record = { id: idOf(query), type, content: query, metadata, ttlSeconds: own, createdAt: new Date() };
      await records.put(record, { userId, signal });
      await makeRoom(signal);
    },
    delete: async (query, call = {}) => (await records.delete(type, idOf(query), { userId, signal: call.signal })) > 0,
    clear: ({ tag, signal } = {}) =>
      records.clear({ ...mine, filter: { ...mine.filter, ...(tag !== undefined && { [tagField]: tag }) }, signal }),
    counts,
  };
}

/** The same words, but for case and blanks. */
function checked(query: string): string {
  if (typeof query !== "string" || query.trim() === "") throw new InvalidArgumentError("query", "must be a string that is not empty");
  return query.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
}

function toAnswer({ content, metadata, createdAt }: MemoryRecord, similarity: number): CachedAnswer {
  return { query: content, response: metadata.response, similarity, createdAt };
}
