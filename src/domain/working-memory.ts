import type { CallOptions } from "./call-options.ts";
import type { Page } from "./conversation.ts";

/** Whose notes: a user's, or with `conversationId` those of one conversation. */
export interface WorkingMemoryOptions extends CallOptions {
  /** Administrator's handle: whose it is. A conversation names its owner by itself. */
  readonly userId?: string | undefined;
  /** Given: the notes of this conversation, deleted with it; they and the user's never mix. */
  readonly conversationId?: string | undefined;
}

/** Whose notes are written, and which version they must have. */
export interface WorkingMemoryWriteOptions extends WorkingMemoryOptions {
  /** The version it must have; 0: there must be none yet. @default any */
  readonly ifVersion?: number | undefined;
}

/** Notes an agent keeps in view: one text for each user, and one for each conversation. */
export interface WorkingMemoryEntry {
  readonly content: string;
  /** 1, and one more with each change. */
  readonly version: number;
  readonly updatedAt: Date;
}

/** A JSON Schema, as an object. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What Zod and other libraries of Standard Schema (version 1) make. */
export interface StandardSchema {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
  };
}

/**
 * How notes look: free text after a template, or a JSON object that a schema takes. Every write is checked against the whole
 * schema, so fields that are not known from the first day on are optional.
 */
export type WorkingMemoryFormat =
  | { readonly template: string; readonly schema?: undefined }
  | { readonly schema: StandardSchema | JsonSchema; readonly template?: undefined };

/** How notes look, of users and of conversations: `createMemory({ working })`. */
export interface WorkingMemoryOption {
  /** @default free text */
  readonly user?: WorkingMemoryFormat | undefined;
  /** @default free text */
  readonly conversation?: WorkingMemoryFormat | undefined;
}

/** `working` of a handle. */
export interface WorkingMemory {
  /** Undefined: nothing was written yet. @throws NotFoundError for a conversation that is not this scope's */
  get(options?: WorkingMemoryOptions): Promise<WorkingMemoryEntry | undefined>;
  /** How these notes look, as `createMemory({ working })` says; undefined: as anybody likes. */
  format(options?: Pick<WorkingMemoryOptions, "conversationId">): WorkingMemoryFormat | undefined;
  /**
   * Replaces the notes.
   * @throws InvalidArgumentError when they do not fit their schema; {@link update} and {@link merge} too
   * @throws ConflictError when the version is not as expected
   * @throws NotFoundError for a conversation that is not this scope's
   */
  set(content: string, options?: WorkingMemoryWriteOptions): Promise<WorkingMemoryEntry>;
  /**
   * Changes the notes by a function of what they are, in one step. It may be called again, and must not do anything else.
   * Returning `undefined` leaves them as they are.
   * @throws ConflictError where the store has no such step, after 100 rounds lost to other processes
   */
  update(
    change: (content: string | undefined) => string | undefined,
    options?: WorkingMemoryOptions,
  ): Promise<WorkingMemoryEntry | undefined>;
  /** Merges into notes that are a JSON object, as RFC 7396 has it: objects merge, null deletes, anything else replaces. */
  merge(patch: Readonly<Record<string, unknown>>, options?: WorkingMemoryWriteOptions): Promise<WorkingMemoryEntry>;
  /** Deletes the notes and what they were; whether there were any. */
  delete(options?: WorkingMemoryOptions): Promise<boolean>;
  /** What the notes were, newest first, without what they are now; the last 100 versions are kept. `limit`: 1 to 100. @default 50 */
  history(options?: WorkingMemoryOptions & { readonly limit?: number; readonly cursor?: string }): Promise<Page<WorkingMemoryEntry>>;
}
