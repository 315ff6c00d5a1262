import type { MemoryHealth } from "./health.ts";
import type { StoredMessage } from "./session-store.ts";
import type { VectorSelection } from "./vector-store.ts";

/**
 * A copy of every message for analytics and for good, beside the store that answers. It is filled by the worker, at
 * least once: writing the same message again must leave one.
 */
export interface ArchiveStore {
  readonly name: string;
  open(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  /** Stores or replaces messages, by (tenant, user, conversation, message). */
  write(entries: readonly ArchiveEntry[], signal?: AbortSignal): Promise<void>;
  /** Deletes the copies of what is selected; what is not there is no error. */
  remove(selection: VectorSelection, signal?: AbortSignal): Promise<void>;
}

export interface ArchiveEntry extends StoredMessage {
  readonly tenant: string;
}
