import type { MetadataFilter } from "./filter.ts";
import type { VectorGuarantees } from "./guarantees.ts";
import type { MemoryHealth } from "./health.ts";
import type { EmbeddingSpace } from "./memory-store.ts";
import type { StoreScope } from "./scope.ts";
import type { Candidate } from "./session-store.ts";

/**
 * Where vectors live, beside any session store. It holds the vectors of one embedding space and finds the nearest within
 * a scope; what they stand for is the session store's to say.
 *
 * The tenant is the hard boundary: a partition, namespace or key prefix where the backend has one. Ids are any text of 1
 * to 512 characters. Nothing connects before {@link open}.
 */
export interface VectorStore {
  /** Name in messages, `stats` and `explain`, e.g. `"qdrant"`. */
  readonly name: string;
  readonly guarantees: VectorGuarantees;

  /** Connects; memoised, and forgotten when it fails so that the next call tries again. */
  open(signal?: AbortSignal): Promise<void>;
  /** Lets go of what the store itself opened; a lent client stays open. Safe to call twice. */
  close(): Promise<void>;
  /** Never rejects. */
  health(signal?: AbortSignal): Promise<MemoryHealth>;

  /**
   * Makes ready for the vectors of this space: collection, index, tables. Called before any of the methods below, and
   * again whenever the process starts.
   * @throws DimensionMismatchError when it holds vectors of another model or length; the message names both
   */
  useSpace(space: EmbeddingSpace, signal?: AbortSignal): Promise<void>;
  /** Stores or replaces, by (tenant, user, conversation, message). Any number; the store makes batches. */
  upsert(entries: readonly VectorEntry[], signal?: AbortSignal): Promise<void>;
  /** The nearest under all conditions, best first, `limit` of them when there are so many. */
  query(query: VectorQuery, signal?: AbortSignal): Promise<readonly VectorMatch[]>;
  /** Deletes what is selected; what is not there is no error. */
  delete(selection: VectorSelection, signal?: AbortSignal): Promise<void>;
  /** How many vectors the scope has. */
  count(scope: StoreScope, signal?: AbortSignal): Promise<number>;
  /** Does upkeep that takes a while, after a batch of background work. */
  maintain?(signal?: AbortSignal): Promise<void>;
}

/** A vector to be stored, and what it is found by. */
export interface VectorEntry extends Candidate {
  readonly tenant: string;
  readonly resourceId: string;
  readonly role: string;
  /** `textRevision` of what was embedded; comes back with a match. */
  readonly revision: string;
  /** The message's metadata, for filters. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Finite numbers, as long as the space says; not necessarily of length 1, never all zero. */
  readonly vector: Float32Array;
}

/** What vectors are compared with, and which of them; all conditions must hold. */
export interface VectorQuery {
  readonly scope: StoreScope;
  readonly conversationId: string | undefined;
  readonly roles: readonly string[] | undefined;
  /** Created at or after. */
  readonly since: Date | undefined;
  /** Created before. */
  readonly until: Date | undefined;
  /** As `matchesFilter` has it. */
  readonly filter: MetadataFilter | undefined;
  readonly vector: Float32Array;
  readonly limit: number;
}

/** A message whose vector is near. */
export interface VectorMatch extends Candidate {
  /** Cosine similarity, -1 to 1; for a store set to another metric its own score, higher is nearer. */
  readonly similarity: number;
  readonly revision: string;
}

/** Everything of the tenant, narrowed by what is given. `messageIds` needs `userId` and `conversationId`. */
export interface VectorSelection {
  readonly tenant: string;
  readonly userId?: string | undefined;
  readonly conversationId?: string | undefined;
  readonly messageIds?: readonly string[] | undefined;
}
