import type { MetadataFilter } from "./filter.ts";
import type { Message } from "./message.ts";
import type { RecallKind, RecallLeg, RecallWeights } from "./recall.ts";
import type { StoreScope } from "./scope.ts";
import type { MessageReference, SessionStore } from "./session-store.ts";
import type { MemoryStats } from "./stats.ts";

/**
 * What the core works on: conversations and messages, what makes them findable, and the vectors they are owed. Postgres
 * is one by itself, ranking in one statement; the core composes one of any session store and any vector store.
 */
export interface MemoryStore extends Omit<SessionStore, "stats" | "guarantees" | "outbox"> {
  /** How much the scope holds; the core adds records, model and name. */
  stats(scope: StoreScope, signal?: AbortSignal): Promise<Omit<MemoryStats, "records" | "embedding" | "store">>;

  /** Ranks what the scope holds for a query; both legs, fusion and priors. */
  recall(query: RecallQuery, signal?: AbortSignal): Promise<RecallAnswer>;

  /**
   * Makes the vectors of this model the ones that are stored and compared.
   * @throws DimensionMismatchError when the store holds vectors of another model or length; the message names both
   */
  useSpace(space: EmbeddingSpace, signal?: AbortSignal): Promise<void>;
  /** Takes work that is due, for `leaseMs`: no other worker gets it before the lease ends. */
  leaseOwed(limit: number, leaseMs: number, which: OwedChoice, signal?: AbortSignal): Promise<readonly OwedItem[]>;
  /** Keeps leased items for `leaseMs` from now on. */
  renewOwed(items: readonly OwedItem[], leaseMs: number): Promise<void>;
  /** Stores what was made; an item whose message was changed or deleted meanwhile is dropped. */
  settleOwed(items: readonly SettledItem[], signal?: AbortSignal): Promise<void>;
  /** Gives items back to be tried again at `retryAt`. */
  failOwed(items: readonly OwedItem[], error: string, retryAt: Date): Promise<void>;
  /** How much is owed, and when the next piece is due. */
  owed(vectors: boolean, signal?: AbortSignal): Promise<{ readonly count: number; readonly nextDueInMs: number | undefined }>;
}

/** model + dimensions + cosine: two spaces are never compared. */
export interface EmbeddingSpace {
  readonly model: string;
  readonly dimensions: number;
}

/** What is looked for, in words and as a vector, among which messages, and how it is weighed. */
export interface RecallQuery {
  readonly scope: StoreScope;
  readonly conversationId: string | undefined;
  readonly kinds: readonly RecallKind[] | undefined;
  readonly roles: readonly string[] | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  readonly filter: MetadataFilter | undefined;
  readonly limit: number;
  readonly minSimilarity: number | undefined;
  readonly legs: readonly RecallLeg[];
  /** How much use memories were is weighed by the core. */
  readonly weights: Omit<RecallWeights, "use">;
  readonly recencyHalfLifeDays: number;
  readonly now: Date;
  /** The query's words, ready for the word index; empty: no text leg. */
  readonly words: string;
  readonly language: string | undefined;
  /** The query's vector in the current space. */
  readonly vector: Float32Array | undefined;
  /** Whether candidates, words and dropped are wanted in the answer; else they may be left at 0 and empty. */
  readonly explain: boolean;
}

/** A message that was found, with the numbers that decided. */
export interface RecallRow {
  readonly message: Message;
  readonly exchange: readonly Message[];
  readonly score: number;
  readonly vector: number | undefined;
  readonly text: number | undefined;
  readonly conversation: number;
  readonly neighbour: number;
  readonly recency: number;
  readonly importance: number;
}

/** What was found, best first, and how it was looked for. */
export interface RecallAnswer {
  readonly rows: readonly RecallRow[];
  readonly plan: "exact" | "index";
  /** Undefined where the store does not count. */
  readonly scopeSize: number | undefined;
  readonly candidates: { readonly vector: number; readonly text: number };
  readonly words: readonly string[];
  readonly dropped: readonly string[];
  /** Why the words were not searched, where the store cannot. */
  readonly withoutText?: string | undefined;
  /** Why vectors were not compared, where there are none. */
  readonly withoutVectors?: string | undefined;
}

/** A piece of work a worker has leased: the words of the turns before to add, a vector to make, or both. */
export interface OwedItem {
  readonly tenant: string;
  readonly userId: string;
  /** The store's own name for it. */
  readonly entry: number | string;
  /** Which message it is. */
  readonly reference: MessageReference | undefined;
  /** Changes whenever the message does. */
  readonly revision: string;
  readonly needsVector: boolean;
  readonly needsContext: boolean;
  readonly role: string;
  readonly name: string | null;
  readonly text: string;
  /** The turns before as `name text`, nearest first. */
  readonly previous: readonly string[];
  readonly attempts: number;
}

/** A piece of work, and what was made of it. */
export interface SettledItem {
  readonly item: OwedItem;
  readonly vector: Float32Array | undefined;
  /** Words of the previous turns for the word index; undefined when not owed. */
  readonly context: string | undefined;
  /** Nothing more is owed for it: also true when the text has no vector (no known word in it). */
  readonly isDone: boolean;
}

/** Which work a worker takes. */
export interface OwedChoice {
  /** Whether the worker can make vectors; without, only the words of earlier turns are taken. */
  readonly vectors: boolean;
  /** Take what failed before, too, though its time has not come. */
  readonly failed: boolean;
}
