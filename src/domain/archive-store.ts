import type { MemoryHealth } from "./health.ts";
import type { StoredMessage } from "./session-store.ts";
import type { VectorSelection } from "./vector-store.ts";

/**
 * A copy of every message for analytics and for good, beside the store that answers. It is filled by the worker, at
 * least once: writing the same message again must leave one.
 */
export interface ArchiveStore {
  readonly name: string;
  /** Connects and prepares; memoised, and forgotten when it fails so that the next call tries again. */
  open(signal?: AbortSignal): Promise<void>;
  /** Lets go of what the store itself opened; a lent client stays open. Safe to call twice. */
  close(): Promise<void>;
  /** Never rejects: a backend that cannot be reached is an answer. */
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  /** Stores or replaces messages, by (tenant, user, conversation, message). */
  write(entries: readonly ArchiveEntry[], signal?: AbortSignal): Promise<void>;
  /** Deletes the copies of what is selected; what is not there is no error. */
  remove(selection: VectorSelection, signal?: AbortSignal): Promise<void>;
}

/** A message as it is copied, with its tenant. */
export interface ArchiveEntry extends StoredMessage {
  readonly tenant: string;
}
