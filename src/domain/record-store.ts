import type { Page } from "./conversation.ts";
import type { MetadataFilter } from "./filter.ts";
import type { RecordGuarantees } from "./guarantees.ts";
import type { MemoryHealth } from "./health.ts";
import type { Metadata } from "./message.ts";
import type { StoreScope } from "./scope.ts";

/**
 * Where typed memories live: records, facts, summaries, working memory, runs. One row is a text with data, named by
 * (tenant, user, type, id). What a type means is the core's to say; a store keeps rows, versions and unique keys.
 */
export interface RecordStore {
  readonly name: string;
  readonly guarantees: RecordGuarantees;

  /** Connects and prepares; memoised, and forgotten when it fails so that the next call tries again. */
  open(signal?: AbortSignal): Promise<void>;
  /** Lets go of what the store itself opened; a lent client stays open. Safe to call twice. */
  close(): Promise<void>;
  /** Never rejects: a backend that cannot be reached is an answer. */
  health(signal?: AbortSignal): Promise<MemoryHealth>;

  /**
   * Does all of it or nothing. Versions and keys are checked against the state all operations leave behind, so one
   * call may free a key and give it to another record. Answers for each put and check the record as it is now, and for each
   * delete the one that was there.
   * @throws ConflictError when a version or a key is not as expected, or a checked record is not there
   */
  write(operations: readonly RecordOperation[], signal?: AbortSignal): Promise<readonly (StoredRecord | undefined)[]>;
  /**
   * Reads and writes in one step, so that nobody comes between: `change` is given the records of these names and says what
   * to write of the same users. It may be called again, and must not do anything else. Answers as {@link write} does.
   * Absent: the core writes by versions, and again when somebody was faster.
   */
  change?(
    tenant: string,
    names: readonly RecordName[],
    change: (found: readonly (StoredRecord | undefined)[]) => readonly RecordOperation[],
    signal?: AbortSignal,
  ): Promise<readonly (StoredRecord | undefined)[]>;
  /** The records of these names, in their order; undefined for what is not there, or has expired. */
  get(tenant: string, names: readonly RecordName[], signal?: AbortSignal): Promise<readonly (StoredRecord | undefined)[]>;
  /** Records that match, in order; expired ones are not there. */
  list(scope: StoreScope, query: RecordQuery, signal?: AbortSignal): Promise<Page<StoredRecord>>;
  /** How many records match; expired ones are not there. */
  count(scope: StoreScope, query: RecordConditions, signal?: AbortSignal): Promise<number>;
  /** Full text over name and content, best first. Absent: the core ranks by words itself. */
  searchText?(scope: StoreScope, query: RecordTextQuery, signal?: AbortSignal): Promise<readonly RecordMatch[]>;
  /** One vector a record, searched beside its words. Absent: records are found by words alone. */
  readonly vectors?: RecordVectors | undefined;
  /**
   * Deletes the records of the scope that match, all of them with `{}`; how many there were. A write under way at the same
   * time comes before it or after it: none puts back what was there before.
   */
  erase(scope: StoreScope, conditions: RecordConditions, signal?: AbortSignal): Promise<number>;
}

/** Vectors are part of their record: they go with it, and when its name or content changes. */
export interface RecordVectors {
  /**
   * Stores vectors of records that are still missing one of this model, as {@link missing} has it, for the name and content it
   * was made of. Others are left as they are: what a record was given meanwhile stays.
   */
  set(entries: readonly RecordVectorEntry[], signal?: AbortSignal): Promise<void>;
  /** The vectors of the records of these names, in their order; undefined for those that have none. */
  get(tenant: string, names: readonly RecordName[], signal?: AbortSignal): Promise<readonly (RecordVector | undefined)[]>;
  /** Records of every tenant that want a vector and have none of this model for their name and content. */
  missing(model: string, limit: number, signal?: AbortSignal): Promise<readonly StoredRecord[]>;
  /** How many of the scope {@link missing} has. Absent: it would take a look at each record. */
  countMissing?(scope: StoreScope, model: string, signal?: AbortSignal): Promise<number>;
  /** The nearest by cosine among vectors of the same model and length, exactly, best first. */
  search(scope: StoreScope, query: RecordVectorQuery, signal?: AbortSignal): Promise<readonly RecordSimilarity[]>;
}

/** A vector, and the model it comes from. */
export interface RecordVector {
  readonly model: string;
  /** Undefined: the model has no vector for the text, and need not be asked again. */
  readonly values: Float32Array | undefined;
}

/** A vector for a record. */
export interface RecordVectorEntry extends RecordVector {
  /** As it was read. */
  readonly record: StoredRecord;
}

/** What vectors are compared with, and of which records. */
export interface RecordVectorQuery extends RecordConditions {
  readonly model: string;
  readonly values: Float32Array;
  readonly limit: number;
  /** Cosine, -1 to 1. */
  readonly minSimilarity?: number | undefined;
}

/** A record that is near; `similarity` is the cosine, -1 to 1. */
export interface RecordSimilarity {
  readonly record: StoredRecord;
  readonly similarity: number;
}

/** Names a record for good, within its tenant. */
export interface RecordName {
  readonly userId: string;
  readonly type: string;
  readonly id: string;
}

/** A record as it is written. */
export interface NewRecord extends RecordName {
  readonly tenant: string;
  readonly resourceId: string;
  readonly conversationId: string | undefined;
  /** At most 512 characters. Several records may have the same. */
  readonly name: string | undefined;
  /** At most 512 characters. No two records of a (tenant, user, type) have the same. */
  readonly key: string | undefined;
  /** The text that is searched and shown; may be empty. */
  readonly content: string;
  /** Anything else, to the letter. */
  readonly data: Metadata;
  /** Places it in lists beside its time, e.g. when a fact became true, or the first seq a summary covers. */
  readonly position: number;
  readonly createdAt: Date;
  /** From then on it is not there. */
  readonly expiresAt: Date | undefined;
  /** Whether the worker makes a vector of its name and content. @default false */
  readonly wantsVector?: true | undefined;
}

/** A record as it is kept. */
export interface StoredRecord extends NewRecord {
  /** 1, and one more with each change; more than `aboveVersion` when that was given. */
  readonly version: number;
  readonly updatedAt: Date;
}

/** One of the things a write does: put a record, delete one, or make sure of one. */
export type RecordOperation =
  | {
      readonly put: NewRecord;
      /** The version it must have; 0: it must not be there. Undefined: whatever there is, is replaced. */
      readonly ifVersion?: number | undefined;
      /** It gets a version above this one, for a record that was there before under another name. @default 0 */
      readonly aboveVersion?: number | undefined;
      /** Stored with it. Without one it keeps the vector it has, if name and content stay as they are. */
      readonly vector?: RecordVector | undefined;
    }
  | { readonly delete: RecordName & { readonly tenant: string }; readonly ifVersion?: number | undefined }
  /** It must be there, of this version when one is given, and stays as it is: what else is written hangs on it. */
  | { readonly check: RecordName & { readonly tenant: string }; readonly ifVersion?: number | undefined };

/** Which records are meant; all conditions must hold. */
export interface RecordConditions {
  readonly types?: readonly string[] | undefined;
  /** None of these. */
  readonly exceptTypes?: readonly string[] | undefined;
  /** Any of these; none matches an empty list. */
  readonly ids?: readonly string[] | undefined;
  readonly name?: string | undefined;
  /** Any of these; none matches an empty list. */
  readonly names?: readonly string[] | undefined;
  readonly key?: string | undefined;
  readonly conversationId?: string | undefined;
  /** Positions at or after. */
  readonly positionFrom?: number | undefined;
  /** Positions before. */
  readonly positionBefore?: number | undefined;
  /** Equality on top-level fields of `data`, as `matchesFilter` has it. */
  readonly filter?: MetadataFilter | undefined;
}

/** A page of records, in an order. */
export interface RecordQuery extends RecordConditions {
  readonly orderBy: "createdAt" | "updatedAt" | "position" | "name";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly offset: number;
}

/** Words that are looked for, and in which records. */
export interface RecordTextQuery extends RecordConditions {
  /** As in `TextQuery` of a session store. */
  readonly words: string;
  readonly limit: number;
}

/** A record that words found. Ranks compare within one answer only; higher is better. */
export interface RecordMatch {
  readonly record: StoredRecord;
  readonly rank: number;
}
