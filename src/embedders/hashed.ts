import type { Embedder } from "../domain/embedder.ts";
import { InvalidArgumentError } from "../domain/errors.ts";

/** Options of {@link hashedEmbedder}. */
export interface HashedEmbedderOptions {
  /** Length of the vectors, at least 2. @default 64 */
  readonly dimensions?: number | undefined;
}

/**
 * Deterministic vectors for tests: each word is hashed to a place and a sign, and the sum is normalised. Texts that
 * share words lie close together; meaning plays no part. A text without words gets a zero vector.
 *
 * @example
 * const memory = createMemory({ embedding: hashedEmbedder() });
 */
export function hashedEmbedder({ dimensions = 64 }: HashedEmbedderOptions = {}): Embedder {
  if (!Number.isInteger(dimensions) || dimensions < 2) {
    throw new InvalidArgumentError("embedding.dimensions", "is not a whole number of at least 2");
  }
  return {
    model: `unforget/hashed-${dimensions}`,
    dimensions,
    maxBatchSize: 1_024,
    async embed(texts, options) {
      options?.signal?.throwIfAborted();
      return texts.map((text) => hashedVector(text, dimensions));
    },
  };
}

function hashedVector(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const hash = fnv1a(word);
    // The lowest bit is the sign, the others are the place: a word then never cancels out itself.
    const place = (hash >>> 1) % dimensions;
    vector[place] = (vector[place] ?? 0) + ((hash & 1) === 0 ? 1 : -1);
  }
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** The 32-bit FNV-1a hash of the UTF-16 code units. */
function fnv1a(word: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < word.length; index++) hash = Math.imul(hash ^ word.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
