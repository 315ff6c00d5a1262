/**
 * Turns texts into vectors. A vector belongs to exactly one embedding space: `model` + `dimensions` + cosine.
 *
 * Implement this to bring a model of your own; `embedders/` holds the ones that ship.
 */
export interface Embedder {
  /** Names the model for good, e.g. `"openai/text-embedding-3-small"`. Change it whenever the vectors change. */
  readonly model: string;
  /** Length of every vector. Unknown (`undefined`) until the first call for models that do not say. */
  readonly dimensions: number | undefined;
  /** The most texts one call of {@link embed} may be given. */
  readonly maxBatchSize: number;
  /** How many calls may run at once. @default 1 */
  readonly maxParallelCalls?: number;
  /**
   * One vector per text, in order; not necessarily normalised. An empty text gives a zero vector or any other
   * vector of the right length, never an error.
   *
   * @throws EmbeddingError when the model fails; `retryable` says whether to try again
   */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Lets go of what the embedder opened itself. Safe to call twice. */
  close?(): Promise<void>;
}

/** What a model is told beside the texts. */
export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the vectors are for; some models embed a query otherwise than a document. @default "document" */
  readonly purpose?: "document" | "query" | undefined;
}
