import type { RecallWeights } from "../../domain/recall.ts";
import type { Candidate } from "../../domain/session-store.ts";

/** What the legs found out about one message. */
export interface ScoredCandidate extends Candidate {
  /** Cosine similarity; undefined when the vectors did not bring it up. */
  readonly similarity: number | undefined;
  /** Full-text rank, above 0; undefined when the words did not bring it up. */
  readonly rank: number | undefined;
}

/** A candidate with every number that decided its place. */
export interface RankedCandidate<Found extends ScoredCandidate = ScoredCandidate> {
  readonly candidate: Found;
  readonly score: number;
  readonly conversation: number;
  readonly neighbour: number;
  readonly recency: number;
  readonly importance: number;
}

export interface FusionOptions {
  readonly weights: Omit<RecallWeights, "use">;
  readonly recencyHalfLifeDays: number;
  readonly now: Date;
  /** Candidates below it, or without a similarity, are left out; they still count for their neighbours and conversation. */
  readonly minSimilarity: number | undefined;
}

const dayMs = 86_400_000;

/**
 * Ranks the candidates of all legs, best first: the recipe of the statement in stores/postgres/recall-statements.ts, for
 * stores that cannot rank by themselves. Each leg is scaled to 0..1 over the candidates (a rank from its natural zero, a
 * similarity from the least one found), and the neighbour, the conversation, recency and importance are added. Measured
 * in docs/guide/recall.md.
 */
export function fuse<Found extends ScoredCandidate>(candidates: readonly Found[], options: FusionOptions): RankedCandidate<Found>[] {
  const { weights, minSimilarity } = options;
  const bases = scaled(candidates, weights);
  const followers = new Map(candidates.map((candidate, index) => [placeKey(candidate, candidate.seq), bases[index]!]));
  const priors = conversationPriors(candidates, bases);
  return candidates
    .map((candidate, index) => {
      const neighbour = followers.get(placeKey(candidate, candidate.seq + 1)) ?? 0;
      const conversation = priors.get(conversationKey(candidate)) ?? 0;
      const ageDays = Math.max(options.now.getTime() - candidate.createdAt.getTime(), 0) / dayMs;
      const recency = Math.exp((-Math.LN2 * ageDays) / options.recencyHalfLifeDays);
      const importance = candidate.importance ?? 0;
      const score =
        bases[index]! +
        weights.neighbour * neighbour +
        weights.conversation * conversation +
        weights.recency * recency +
        weights.importance * importance;
      return { candidate, score, conversation, neighbour, recency, importance };
    })
    .filter(({ candidate }) => minSimilarity === undefined || (candidate.similarity ?? Number.NEGATIVE_INFINITY) >= minSimilarity)
    .sort(byScore);
}

/** The convex sum of both legs, each scaled to 0..1. */
function scaled(candidates: readonly ScoredCandidate[], weights: FusionOptions["weights"]): number[] {
  let mostRank = 0;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const { rank = 0, similarity } of candidates) {
    mostRank = Math.max(mostRank, rank);
    if (similarity === undefined) continue;
    least = Math.min(least, similarity);
    most = Math.max(most, similarity);
  }
  return candidates.map(({ rank = 0, similarity }) => {
    const text = mostRank > 0 ? rank / mostRank : 0;
    const vector = similarity === undefined ? 0 : most > least ? (similarity - least) / (most - least) : 1;
    return weights.text * text + weights.vector * vector;
  });
}

/** Of each conversation half the sum of its two best candidates. */
function conversationPriors(candidates: readonly ScoredCandidate[], bases: readonly number[]): Map<string, number> {
  const best = new Map<string, [number, number]>();
  candidates.forEach((candidate, index) => {
    const base = bases[index]!;
    const [first, second] = best.get(conversationKey(candidate)) ?? [0, 0];
    best.set(conversationKey(candidate), base > first ? [base, first] : [first, Math.max(second, base)]);
  });
  return new Map([...best].map(([key, [first, second]]) => [key, (first + second) / 2]));
}

function byScore(left: RankedCandidate, right: RankedCandidate): number {
  if (left.score !== right.score) return right.score - left.score;
  const similarities = [left, right].map(({ candidate }) => candidate.similarity ?? Number.NEGATIVE_INFINITY) as [number, number];
  if (similarities[0] !== similarities[1]) return similarities[1] - similarities[0];
  const newer = right.candidate.createdAt.getTime() - left.candidate.createdAt.getTime();
  if (newer !== 0) return newer;
  if (left.candidate.seq !== right.candidate.seq) return right.candidate.seq - left.candidate.seq;
  return placeKey(left.candidate, 0) < placeKey(right.candidate, 0) ? -1 : 1;
}

const conversationKey = (candidate: Candidate) => JSON.stringify([candidate.userId, candidate.conversationId]);
const placeKey = (candidate: Candidate, seq: number) => `${seq} ${conversationKey(candidate)}`;
