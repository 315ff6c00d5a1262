import type { Embedder } from "../domain/embedder.ts";
import { InvalidArgumentError } from "../domain/errors.ts";

/** Which model your vectors come from, and how long they are. */
export interface CallerEmbedderOptions {
  /** Names the model your vectors come from; vectors of another name are refused. */
  readonly model: string;
  /** Length of every vector. */
  readonly dimensions: number;
}

/**
 * For vectors the caller brings with each message and each recall. It makes none itself: a message or query without a
 * vector gets the zero vector, which has no direction, and is found by its words alone.
 */
export function callerEmbedder({ model, dimensions }: CallerEmbedderOptions): Embedder {
  if (typeof model !== "string" || model === "")
    throw new InvalidArgumentError("embedding.model", "names the model your vectors come from: a string that is not empty");
  if (!Number.isInteger(dimensions) || dimensions < 1)
    throw new InvalidArgumentError("embedding.dimensions", "must be a whole number of at least 1");
  return {
    model,
    dimensions,
    maxBatchSize: 1000,
    embed: async (texts) => texts.map(() => new Float32Array(dimensions)),
  };
}
