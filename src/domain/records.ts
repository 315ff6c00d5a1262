import type { CallOptions } from "./call-options.ts";
import type { Page } from "./conversation.ts";
import type { MetadataFilter } from "./filter.ts";
import type { Metadata } from "./message.ts";

/** A typed memory: a persona, a tool, a piece of knowledge. Named by its owner, its type and its id. */
export interface MemoryRecord {
  readonly id: string;
  readonly type: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly conversationId: string | undefined;
  readonly name: string | undefined;
  readonly content: string;
  readonly metadata: Metadata;
  /** 1, and one more with each change. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly expiresAt: Date | undefined;
}

/** A record to be stored: what it is of, what it says, and how long it is kept. */
export interface RecordInput {
  /** The same type and id again replaces the record. @default a new UUID (version 7) */
  readonly id?: string | undefined;
  /** Any word of yours, at most 512 characters; not one that memory keeps things of its own under (`fact`, `run`, …). */
  readonly type: string;
  /** At most 512 characters. Searched with the content; several records may have the same. */
  readonly name?: string | undefined;
  /** What is searched by words at once, and by meaning when the worker has embedded it. @default "" */
  readonly content?: string | undefined;
  /** Anything else; comes back to the letter, and its top-level fields can be filtered by. @default {} */
  readonly metadata?: Metadata | undefined;
  /** The record is deleted with this conversation. */
  readonly conversationId?: string | undefined;
  /** @default now, or when the record was first stored */
  readonly createdAt?: Date | string | number | undefined;
  /** The record is gone after so many seconds. Above 0. @default what `createMemory({ retention })` says of the type, else kept for good */
  readonly ttlSeconds?: number | undefined;
  /** The same as a time; `null`: it is kept for good, whatever its type. @default what `createMemory({ retention })` says of the type */
  readonly expiresAt?: Date | string | number | null | undefined;
  /** A vector of your own: the record is not embedded as long as name and content stay as they are. */
  readonly embedding?: readonly number[] | Float32Array | undefined;
  /** Names the model of `embedding`. Vectors of two models are never compared. @default the memory's own, whose length it must have */
  readonly embeddingModel?: string | undefined;
}

/** A record of a batch. */
export interface RecordOfBatch extends RecordInput {
  /** The version this record must have; 0: it must not be there. @default any */
  readonly ifVersion?: number | undefined;
}

/** How long records of one type are kept. */
export interface RecordRetention {
  /** So many days after it was put last, a record is gone. Above 0. */
  readonly keepDays: number;
}

/** What is left out stays as it is. `undefined` for `name` and `conversationId` is left out, too: `null` takes them away. */
export interface RecordChanges extends Pick<RecordInput, "content" | "metadata" | "ttlSeconds" | "embedding" | "embeddingModel"> {
  readonly name?: string | null | undefined;
  readonly conversationId?: string | null | undefined;
  /** `null`: it is kept for good. */
  readonly expiresAt?: Date | string | number | null | undefined;
}

/** Whose records a call is about. */
export interface RecordCallOptions extends CallOptions {
  /** Administrator's handle: whose records. Reads without one see everybody's, writes need one. */
  readonly userId?: string | undefined;
}

/** Whose record is written, and which version it must have. */
export interface RecordWriteOptions extends RecordCallOptions {
  /** The version the record must have; 0: it must not be there. @default any */
  readonly ifVersion?: number | undefined;
}

/** Which records are meant; all conditions must hold. */
export interface RecordSelection extends RecordCallOptions {
  /** One type, or any of several. @default every type */
  readonly type?: string | readonly string[] | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly conversationId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** Equality on top-level fields of the metadata; an array means any of these. */
  readonly filter?: MetadataFilter | undefined;
}

/** Which records a list holds, and in which order. */
export interface ListRecordsOptions extends RecordSelection {
  /** @default "createdAt" */
  readonly orderBy?: "createdAt" | "updatedAt" | "name" | undefined;
  /** @default "desc" */
  readonly direction?: "asc" | "desc" | undefined;
  /** 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  /** @default 0 */
  readonly offset?: number | undefined;
}

/** What is looked for, as a text, a vector or both, and among which records. */
export interface QueryRecordsOptions extends RecordSelection {
  /** What is looked for, by meaning and by words. */
  readonly text?: string | undefined;
  /** A vector of your own, in place of that of `text` or beside its words. */
  readonly embedding?: readonly number[] | Float32Array | undefined;
  /** Names the model of `embedding`. @default the memory's own, whose length it must have */
  readonly embeddingModel?: string | undefined;
  /** 1 to 1000. @default 10 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1; leaves out what has no vector. @default none */
  readonly minSimilarity?: number | undefined;
}

/** A record a query found. */
export interface RecordHit {
  readonly record: MemoryRecord;
  /** Orders one result and compares with nothing else. */
  readonly score: number;
  readonly scores: {
    /** Cosine similarity; undefined when vectors did not bring it up. */
    readonly vector: number | undefined;
    /** Full-text rank; undefined when words did not bring it up. */
    readonly text: number | undefined;
  };
}

/** `records` of a handle. A record of another user, tenant or resource is not there, whatever is asked of it. */
export interface Records {
  /**
   * Stores a record, or replaces the one of the same type and id.
   *
   * @throws ConflictError when the version is not as expected, or another resource has the id
   * @throws DimensionMismatchError for an `embedding` of another length than the model's
   * @example
   * await mine.records.put({ type: "long_term_memory", name: "Priya", content: "Builds a Rust compiler." });
   */
  put(record: RecordInput, options?: RecordWriteOptions): Promise<MemoryRecord>;
  /** Stores all of them or none; answers in their order. @throws ConflictError when one of them is not of its `ifVersion` */
  putMany(records: readonly RecordOfBatch[], options?: RecordCallOptions): Promise<readonly MemoryRecord[]>;
  /** Undefined: it is not there. An administrator's handle without `userId` answers whichever user's it finds first. */
  get(type: string, id: string, options?: RecordCallOptions): Promise<MemoryRecord | undefined>;
  /** The newest of that name. */
  getByName(type: string, name: string, options?: RecordCallOptions): Promise<MemoryRecord | undefined>;
  /** The vector of a record, its own or as the worker made it; undefined as long as there is none. */
  getEmbedding(type: string, id: string, options?: RecordCallOptions): Promise<Float32Array | undefined>;
  /** Records that match, newest first unless told otherwise. Pages stay stable while records arrive. */
  list(options?: ListRecordsOptions): Promise<Page<MemoryRecord>>;
  /** How many records match. Without a type, what memory keeps for itself, such as facts and runs, is not among them. */
  count(options?: RecordSelection): Promise<number>;
  /**
   * Finds records by meaning and by words, best first. When the embedding model fails, words alone answer.
   *
   * @throws InvalidArgumentError with neither `text` nor `embedding`
   */
  query(options: QueryRecordsOptions): Promise<readonly RecordHit[]>;
  /**
   * Changes a record in one step; a function is given the record as it is, may be called again, and leaves it alone by
   * answering `undefined`.
   *
   * @throws NotFoundError
   * @throws ConflictError when the version is not as expected
   */
  update(
    type: string,
    id: string,
    changes: RecordChanges | ((record: MemoryRecord) => RecordChanges | undefined),
    options?: RecordWriteOptions,
  ): Promise<MemoryRecord>;
  /** Deletes records for good, forgotten ones too; how many were there. */
  delete(type: string, ids: string | readonly string[], options?: RecordCallOptions): Promise<number>;
  /** Deletes every record that matches, forgotten ones too; how many there were. @throws InvalidArgumentError without a condition */
  clear(options: RecordSelection): Promise<number>;
}
