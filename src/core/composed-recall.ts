import { BackendError } from "../domain/errors.ts";
import { matchesFilter } from "../domain/filter.ts";
import type { Logger } from "../domain/logger.ts";
import type { RecallAnswer, RecallQuery, RecallRow } from "../domain/memory-store.ts";
import type { Message } from "../domain/message.ts";
import type { StoreScope } from "../domain/scope.ts";
import { textRevision } from "../domain/search-text.ts";
import type { MessageReference, SessionStore, StoredMessage, TextAnswer } from "../domain/session-store.ts";
import type { VectorMatch, VectorStore } from "../domain/vector-store.ts";
import { fuse, type RankedCandidate, type ScoredCandidate } from "./ranking/fusion.ts";

/** Candidates of each leg: scaling scores to 0..1 and the conversation prior need a tail behind the hits. */
const leastDepth = 200;
/** Messages looked up beyond the hits, for those that turn out to be gone or changed. */
const spareLookUps = 10;

interface FoundCandidate extends ScoredCandidate {
  /** Of the text its vector was made of. */
  readonly revision: string | undefined;
}

/** An answer, and the messages vectors stood for that are no more. */
export interface ComposedAnswer extends RecallAnswer {
  readonly gone: readonly MessageReference[];
}

/** Both legs at once, each from its own store; then fusion, and the messages themselves in one more trip. */
export async function composedRecall(
  sessions: SessionStore,
  vectors: VectorStore | undefined,
  query: RecallQuery,
  signal: AbortSignal | undefined,
  logger: Logger | undefined,
): Promise<ComposedAnswer> {
  const { scope, conversationId, roles, since, until, filter } = query;
  const limit = Math.max(leastDepth, 4 * query.limit);
  const conditions = { scope, conversationId, roles, since, until, filter, limit };
  const holdsNone = query.kinds !== undefined && !query.kinds.includes("message");
  const text = query.legs.includes("text") && query.words !== "" && !holdsNone;
  const canSearch = text && sessions.searchText !== undefined;
  let withoutVectors = vectors === undefined ? "this memory has no vector store" : undefined;
  const [byWords, byVectors] = await Promise.all([
    text ? sessions.searchText?.({ ...conditions, words: query.words, language: query.language }, signal) : undefined,
    query.vector === undefined || holdsNone
      ? undefined
      : vectors?.query({ ...conditions, vector: query.vector }, signal).catch((error: unknown) => {
          // Words still answer when the vector store is down.
          if (!canSearch || signal?.aborted || !BackendError.isInstance(error)) throw error;
          withoutVectors = `the vector store failed: ${error.message}`;
          logger?.warn("[recall] words alone answered", { reason: withoutVectors });
          return undefined;
        }),
  ]);
  const ranked = fuse(merge(byWords, byVectors), query);
  const { rows, gone } = await lookUp(sessions, query, ranked, signal);
  return {
    rows,
    gone,
    plan: "index",
    scopeSize: undefined,
    candidates: { vector: byVectors?.length ?? 0, text: byWords?.matches.length ?? 0 },
    words: byWords?.words ?? [],
    dropped: [],
    withoutText: sessions.searchText === undefined ? `the ${sessions.name} store has no full-text search` : undefined,
    withoutVectors,
  };
}

function merge(byWords: TextAnswer | undefined, byVectors: readonly VectorMatch[] | undefined): FoundCandidate[] {
  const found = new Map<string, FoundCandidate>();
  for (const match of byVectors ?? []) found.set(keyOf(match), { ...match, rank: undefined });
  for (const match of byWords?.matches ?? []) {
    const both = found.get(keyOf(match));
    found.set(keyOf(match), { ...match, similarity: both?.similarity, revision: both?.revision });
  }
  return [...found.values()];
}

const keyOf = ({ userId, conversationId, messageId }: MessageReference) => JSON.stringify([userId, conversationId, messageId]);

/**
 * The messages behind the best candidates. The session store has the last word: a message that is gone, is no longer the
 * scope's, or says something else than its vector was made of (and was not found by its words) is no hit.
 */
async function lookUp(
  sessions: SessionStore,
  query: RecallQuery,
  ranked: readonly RankedCandidate<FoundCandidate>[],
  signal: AbortSignal | undefined,
): Promise<{ readonly rows: RecallRow[]; readonly gone: MessageReference[] }> {
  const rows: RecallRow[] = [];
  const gone: MessageReference[] = [];
  const step = query.limit + spareLookUps;
  for (let start = 0; start < ranked.length && rows.length < query.limit; start += step) {
    const some = ranked.slice(start, start + step);
    const stored = await sessions.getMessages(
      query.scope,
      some.map(({ candidate }) => candidate),
      signal,
    );
    const byKey = new Map(stored.map((one) => [keyOf(referenceOf(one.message)), one]));
    for (const one of some) {
      const message = byKey.get(keyOf(one.candidate));
      if (message === undefined) gone.push(one.candidate);
      else if (rows.length < query.limit && stillMatches(query, one.candidate, message))
        rows.push(toRow(one, message, await exchangeOf(sessions, query.scope, message, signal)));
    }
  }
  return { rows, gone };
}

function stillMatches(query: RecallQuery, candidate: FoundCandidate, { message, resourceId }: StoredMessage): boolean {
  const { scope, roles, since, until, filter, conversationId } = query;
  const isCurrent = candidate.revision === textRevision({ role: message.role, name: message.name, text: message.content });
  return (
    (candidate.rank !== undefined || isCurrent) &&
    (scope.userId === undefined || message.userId === scope.userId) &&
    (scope.resourceId === undefined || resourceId === scope.resourceId) &&
    (conversationId === undefined || message.conversationId === conversationId) &&
    (roles === undefined || roles.includes(message.role)) &&
    (since === undefined || message.createdAt >= since) &&
    (until === undefined || message.createdAt < until) &&
    matchesFilter(message.metadata, filter)
  );
}

export const referenceOf = ({ userId, conversationId, id }: Message): MessageReference => ({ userId, conversationId, messageId: id });

/** The messages that complete the tool exchange a hit is part of: its own window, as no window separates one. */
async function exchangeOf(
  sessions: SessionStore,
  scope: StoreScope,
  { message, toolIds }: StoredMessage,
  signal: AbortSignal | undefined,
): Promise<readonly Message[]> {
  if (toolIds === null) return [];
  const itself = { afterSeq: message.seq - 1, beforeSeq: message.seq + 1, before: undefined, after: undefined, roles: undefined, limit: 1 };
  const window = await sessions.listMessages({ ...scope, userId: message.userId }, message.conversationId, itself, signal);
  return window?.items.filter((item) => item.id !== message.id) ?? [];
}

function toRow(ranked: RankedCandidate<FoundCandidate>, { message }: StoredMessage, exchange: readonly Message[]): RecallRow {
  const { candidate, score, conversation, neighbour, recency, importance } = ranked;
  return { message, exchange, score, vector: candidate.similarity, text: candidate.rank, conversation, neighbour, recency, importance };
}
