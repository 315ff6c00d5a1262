import { DimensionMismatchError, EmbeddingError } from "../domain/errors.ts";

/** Learns how long a model's vectors are, and checks everything it sends from then on. */
export interface VectorCheck {
  /** The length of the vectors, when it is known by now. */
  readonly dimensions: number | undefined;
  /** The vectors of one response, as floats. @throws EmbeddingError or DimensionMismatchError when they do not fit */
  read(vectors: readonly unknown[], expectedCount: number): Float32Array[];
}

/**
 * Checks what a model sends.
 *
 * @param dimensions the length that was asked for, when one was
 */
export function vectorCheck(model: string, dimensions: number | undefined): VectorCheck {
  let known = dimensions;
  return {
    get dimensions() {
      return known;
    },
    read(vectors, expectedCount) {
      if (vectors.length !== expectedCount) {
        throw new EmbeddingError(
          model,
          `${vectors.length} vectors came back for ${expectedCount} texts: check that the model is an embedding model`,
        );
      }
      return vectors.map((vector) => {
        const floats = toFloats(vector);
        if (floats === undefined) {
          throw new EmbeddingError(model, "a vector came back empty or with values that are no numbers: check the model");
        }
        known ??= floats.length;
        if (floats.length !== known) throw new DimensionMismatchError(known, floats.length, model);
        return floats;
      });
    },
  };
}

function toFloats(vector: unknown): Float32Array | undefined {
  if (!Array.isArray(vector) && !(vector instanceof Float32Array)) return undefined;
  // A hole or a NaN would poison every distance it meets, and JSON can hold null in place of a number.
  const values: ArrayLike<unknown> = vector;
  if (values.length === 0) return undefined;
  const floats = new Float32Array(values.length);
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
    floats[at] = value;
  }
  return floats;
}
