/** Every call that does I/O takes one. An abort rejects with the signal's own reason. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}
