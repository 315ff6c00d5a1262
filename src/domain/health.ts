/** What `health` of a memory, or of a store, answers. */
export interface MemoryHealth {
  readonly ok: boolean;
  readonly store: string;
  readonly latencyMs: number | undefined;
  /** Server and extension versions, when they could be asked. */
  readonly versions: Readonly<Record<string, string>>;
  /** What is wrong and what to do, when `ok` is false. */
  readonly problem: string | undefined;
}
