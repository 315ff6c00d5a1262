import { EmbeddingError, InvalidArgumentError, MemoryError } from "../domain/errors.ts";
import type { RecallAnswer, RecallRow } from "../domain/memory-store.ts";
import { phraseQuery } from "../domain/phrasing.ts";
import type { RecallExplanation, RecallHit, RecallLeg, RecallOptions, RecallResult, RecallWeights } from "../domain/recall.ts";
import type { StoreScope } from "../domain/scope.ts";
import { segmentWords } from "../domain/words.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { chooseDiverse } from "./ranking/mmr.ts";
import { weighUses } from "./reinforcement.ts";
import { parseCount, parseFilter, parseSimilarity, parseTime } from "./validate.ts";

/** Found on public conversations and measured on others: see docs/guide/recall.md. */
const fusedWeights: RecallWeights = { vector: 0.5, text: 0.5, conversation: 0.75, neighbour: 0.1, recency: 0, importance: 0, use: 0 };
/** A leg asked for alone is that leg's own ranking, nothing else: the nearest vectors, or the best words. */
const singleLegWeights: RecallWeights = { ...fusedWeights, conversation: 0, neighbour: 0 };
const mostHits = 1_000;
/** So many candidates for each hit are chosen from when they shall differ, or are weighed anew. */
const depthOfChoice = 4;
/** A query longer than this says nothing more to either leg. */
const longestQuery = 4_000;

/** Finds what matters for a query in a scope. */
export async function recall(core: MemoryCore, scope: StoreScope, query: string, options: RecallOptions): Promise<RecallResult> {
  if (typeof query !== "string") throw new InvalidArgumentError("query", "must be a string");
  const asked = checkOptions(options);
  options.signal?.throwIfAborted();
  const text = query.replaceAll("\0", " ").toWellFormed().trim().slice(0, longestQuery);
  if (text === "" && options.embedding === undefined) return withExplanation([], options, emptyExplanation(asked.weights));
  await core.open();

  const started = performance.now();
  const { vector, reason: noVector } = await queryVector(core, text, asked.legs, options);
  const embedded = performance.now();
  const words = asked.legs.includes("text") ? segmentWords(text) : "";
  const legs = asked.legs.filter((leg) => (leg === "vector" ? vector !== undefined : words !== ""));
  const weights = { ...(asked.legs.length === 1 ? singleLegWeights : fusedWeights), ...asked.weights };
  const chooses = asked.diversity > 0 || weights.use > 0;
  const answer =
    legs.length === 0
      ? undefined
      : await core.store.recall(
          {
            scope,
            conversationId: options.conversationId,
            kinds: options.kinds,
            roles: options.roles,
            since: asked.since,
            until: asked.until,
            filter: options.filter,
            limit: chooses ? Math.min(mostHits, depthOfChoice * asked.limit) : asked.limit,
            minSimilarity: options.minSimilarity,
            legs,
            weights,
            recencyHalfLifeDays: options.recencyHalfLifeDays ?? 30,
            now: new Date(),
            words,
            language: options.language,
            vector,
            explain: options.explain === true,
          },
          options.signal,
        );
  const milliseconds = { embed: embedded - started, search: performance.now() - embedded };
  const found = answer?.rows.map(toHit) ?? [];
  const weighed = weights.use > 0 ? await weighUses(core, scope.tenant, found, weights.use, options.signal) : found;
  const hits = asked.diversity > 0 ? chooseDiverse(weighed, asked.limit, asked.diversity) : weighed.slice(0, asked.limit);
  return withExplanation(hits, options, explain(core, asked.legs, answer, weights, noVector, milliseconds));
}

function checkOptions(options: RecallOptions) {
  if (options.conversationId !== undefined) validateId("conversationId", options.conversationId);
  const legs = options.legs ?? (["vector", "text"] as const);
  if (legs.length === 0 || legs.some((leg) => leg !== "vector" && leg !== "text")) {
    throw new InvalidArgumentError("legs", 'must hold "vector", "text" or both');
  }
  for (const field of ["roles", "kinds"] as const) {
    if (options[field] !== undefined && !Array.isArray(options[field])) throw new InvalidArgumentError(field, "must be an array");
  }
  const { minSimilarity, recencyHalfLifeDays, diversity = 0, weights = {} } = options;
  if (!(diversity >= 0 && diversity <= 1)) throw new InvalidArgumentError("diversity", "must be a number from 0 to 1");
  parseSimilarity("minSimilarity", minSimilarity);
  if (recencyHalfLifeDays !== undefined && !(recencyHalfLifeDays > 0 && Number.isFinite(recencyHalfLifeDays))) {
    throw new InvalidArgumentError("recencyHalfLifeDays", "must be a number of days above 0");
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (!Object.hasOwn(fusedWeights, name))
      throw new InvalidArgumentError("weights", `has no "${name}": known are ${Object.keys(fusedWeights).join(", ")}`);
    if (weight === undefined || !(weight >= 0 && Number.isFinite(weight)))
      throw new InvalidArgumentError(`weights.${name}`, "must be a number of at least 0");
  }
  parseFilter("filter", options.filter);
  return {
    legs: legs as readonly RecallLeg[],
    weights: weights as Partial<RecallWeights>,
    limit: parseCount("limit", options.limit, 10, 1, mostHits),
    diversity,
    since: parseTime("since", options.since),
    until: parseTime("until", options.until),
  };
}

/** The query's vector, or why there is none. Words still answer when the model fails. */
export async function queryVector(
  core: MemoryCore,
  text: string,
  legs: readonly RecallLeg[],
  options: Pick<RecallOptions, "embedding" | "signal">,
): Promise<{ readonly vector: Float32Array | undefined; readonly reason: string | undefined }> {
  const none = (reason: string) => ({ vector: undefined, reason });
  if (options.embedding !== undefined) {
    const vector = Float32Array.from(options.embedding);
    if (vector.length === 0 || vector.some((value) => !Number.isFinite(value)))
      throw new InvalidArgumentError("embedding", "must hold finite numbers");
    await core.useSpace(vector.length);
    return { vector, reason: undefined };
  }
  const isOnlyLeg = !legs.includes("text");
  if (!legs.includes("vector")) return none("not asked for");
  if (core.embedder === undefined) {
    if (isOnlyLeg) throw new InvalidArgumentError("legs", "names vectors alone, but this memory has no embedding model");
    return none("this memory has no embedding model");
  }
  try {
    const [vector] = await core.embedder.embed([phraseQuery(text)], { purpose: "query", signal: options.signal });
    if (vector === undefined) throw new EmbeddingError(core.embedder.model, "gave no vector for the query");
    if (vector.every((value) => value === 0)) return none("no word of the query has a vector");
    await core.useSpace(vector.length);
    return { vector, reason: undefined };
  } catch (error) {
    options.signal?.throwIfAborted();
    // A model of the caller's own may throw anything; other errors of ours are not about the model.
    if (isOnlyLeg || (MemoryError.isInstance(error) && error.code !== "embedding_failed")) throw error;
    const reason = MemoryError.isInstance(error) ? `the embedding model failed: ${error.message}` : "the embedding model failed";
    core.logger?.warn("[recall] words alone answered", { reason });
    return none(reason);
  }
}

function toHit(row: RecallRow): RecallHit {
  const { message } = row;
  return {
    kind: "message",
    id: message.id,
    conversationId: message.conversationId,
    userId: message.userId,
    seq: message.seq,
    role: message.role,
    name: message.name,
    text: message.content,
    message,
    exchange: row.exchange,
    createdAt: message.createdAt,
    score: row.score,
    scores: {
      vector: row.vector,
      text: row.text,
      conversation: row.conversation,
      neighbour: row.neighbour,
      recency: row.recency,
      importance: row.importance,
    },
  };
}

function explain(
  core: MemoryCore,
  legs: readonly RecallLeg[],
  answer: RecallAnswer | undefined,
  weights: RecallWeights,
  noVector: string | undefined,
  milliseconds: RecallExplanation["milliseconds"],
): RecallExplanation {
  const words = answer?.words ?? [];
  const noText = !legs.includes("text")
    ? "not asked for"
    : (answer?.withoutText ?? (words.length === 0 ? "the query has no word to search by" : undefined));
  const leg = (name: RecallLeg, reason: string | undefined) => ({
    leg: name,
    used: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    candidates: answer?.candidates[name] ?? 0,
  });
  return {
    legs: [leg("vector", noVector ?? answer?.withoutVectors), leg("text", noText)],
    plan: answer?.plan ?? "exact",
    scopeSize: answer === undefined ? 0 : answer.scopeSize,
    model: core.embedder?.model,
    words,
    dropped: answer?.dropped ?? [],
    weights,
    milliseconds,
  };
}

function emptyExplanation(weights: Partial<RecallWeights>): RecallExplanation {
  const unused = (leg: RecallLeg) => ({ leg, used: false, reason: "the query is empty", candidates: 0 });
  return {
    legs: [unused("vector"), unused("text")],
    plan: "exact",
    scopeSize: 0,
    model: undefined,
    words: [],
    dropped: [],
    weights: { ...fusedWeights, ...weights },
    milliseconds: { embed: 0, search: 0 },
  };
}

function withExplanation(hits: RecallHit[], options: RecallOptions, explanation: RecallExplanation): RecallResult {
  // Not enumerable: the result stays a plain array for loops, spreads and JSON.
  return options.explain === true ? Object.defineProperty(hits, "explain", { value: explanation, enumerable: false }) : hits;
}
