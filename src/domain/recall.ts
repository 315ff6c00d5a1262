import type { MetadataFilter } from "./filter.ts";
import type { Message, Role } from "./message.ts";

/** The ways candidates are found. */
export type RecallLeg = "vector" | "text";

/** What can be recalled. */
export type RecallKind = "message";

/** What a recall is told: whose memory, which messages, how many hits, and how they are ranked. */
export interface RecallOptions {
  /** Whose memory. Fixed by a scope; required on the administrator's handle unless `allUsers` is true. */
  readonly userId?: string | undefined;
  /** Administrator's handle only: search everybody's memory of the tenant. @default false */
  readonly allUsers?: boolean | undefined;
  readonly conversationId?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly kinds?: readonly RecallKind[] | undefined;
  readonly roles?: readonly Role[] | undefined;
  /** Not older than this (inclusive). */
  readonly since?: Date | string | number | undefined;
  /** Older than this (exclusive). */
  readonly until?: Date | string | number | undefined;
  /** Equality on message metadata. */
  readonly filter?: MetadataFilter | undefined;
  /** How many hits, 1 to 1000. @default 10 */
  readonly limit?: number | undefined;
  /** Drops hits whose cosine similarity (-1 to 1) is below; words alone then cannot carry a hit. The tutorial's distance d is 1 - d. */
  readonly minSimilarity?: number | undefined;
  /** One leg alone is that leg's own ranking: no neighbour or conversation weight unless given. @default both that are available */
  readonly legs?: readonly RecallLeg[] | undefined;
  readonly weights?: Partial<RecallWeights> | undefined;
  /** Age at which `weights.recency` counts half, in days. @default 30 */
  readonly recencyHalfLifeDays?: number | undefined;
  /**
   * How much a hit that says what a better one said is passed over for one that says something else, 0 to 1 (maximal marginal
   * relevance over four times `limit` candidates). Hits then come in the order they were chosen, not by `score`. @default 0
   */
  readonly diversity?: number | undefined;
  /** A vector of the query, brought by the caller; the query text is then not embedded. */
  readonly embedding?: Float32Array | readonly number[] | undefined;
  /** Text-search language of the query, beside the memory's own and those of the user's conversations. */
  readonly language?: string | undefined;
  /** Fill `explain` of the answer. @default false */
  readonly explain?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How much each signal counts. Scores of both legs are scaled to 0..1 per query before they are weighed. */
export interface RecallWeights {
  /** Cosine similarity. @default 0.5 */
  readonly vector: number;
  /** Full text. @default 0.5 */
  readonly text: number;
  /** The conversation a hit stands in: mean of its two best hits. @default 0.75 */
  readonly conversation: number;
  /** The turn that follows. @default 0.1 */
  readonly neighbour: number;
  /** Newer is better, halved every `recencyHalfLifeDays`. @default 0 */
  readonly recency: number;
  /** The importance given at writing. @default 0 */
  readonly importance: number;
  /**
   * That it was of use before, as `reinforce` was told: 1 - 2^-n for n uses, each of which counts half after 30 days. Weighed
   * over four times `limit` candidates, after all else. @default 0
   */
  readonly use: number;
}

/** One memory that was found. */
export interface RecallHit {
  readonly kind: RecallKind;
  readonly id: string;
  readonly conversationId: string;
  readonly userId: string;
  readonly seq: number;
  readonly role: Role;
  readonly name: string | undefined;
  readonly text: string;
  readonly message: Message;
  /** When the message holds an open tool call or a tool result: the messages that complete the exchange, by seq. */
  readonly exchange: readonly Message[];
  readonly createdAt: Date;
  /** Orders this result list and compares with nothing else. */
  readonly score: number;
  readonly scores: RecallScores;
}

/** The numbers that decided. `vector` is the cosine similarity and `text` the full-text rank (each word's rank times its rarity in the scope); the others are 0..1. */
export interface RecallScores {
  readonly vector: number | undefined;
  readonly text: number | undefined;
  readonly conversation: number;
  readonly neighbour: number;
  readonly recency: number;
  readonly importance: number;
  /** Undefined unless `weights.use` is above 0. */
  readonly use?: number | undefined;
}

/** An array of hits, best first, with what was done to find them when `explain` was asked for. */
export type RecallResult = readonly RecallHit[] & { readonly explain?: RecallExplanation };

/** How a recall came to its hits: what was searched, with which weights, and how long it took. */
export interface RecallExplanation {
  /** Which legs ran, and why one did not. */
  readonly legs: readonly { readonly leg: RecallLeg; readonly used: boolean; readonly reason?: string; readonly candidates: number }[];
  /** "exact": every row of the scope was scored. "index": candidates came from the vector and word indexes. */
  readonly plan: "exact" | "index";
  /** Rows in the scope, counted up to a bound; undefined where sessions and vectors are kept apart, which do not count. */
  readonly scopeSize: number | undefined;
  readonly model: string | undefined;
  /** The words that were searched, after stemming; `dropped` ones were too frequent to search by. */
  readonly words: readonly string[];
  readonly dropped: readonly string[];
  readonly weights: RecallWeights;
  readonly milliseconds: { readonly embed: number; readonly search: number };
}
