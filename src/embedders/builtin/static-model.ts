import { maxTokens, wordPieceTokenizer } from "./tokenizer.ts";
import { readWordVectors } from "./weights-file.ts";

/** Word vectors in memory, ready to add up. */
export interface StaticModel {
  readonly dimensions: number;
  /** The normalised sum of the vectors of the text's tokens; all zeros when no token is known. */
  embed(text: string): Float32Array;
}

/**
 * The model in the bytes of a weights file. How much a word weighs lies in the length of its vector, so that no table
 * of frequencies is needed. Calls are pure: the same text gives the same bits on every machine, because all sums are
 * in 64-bit floats in the order of the tokens.
 */
export function staticModel(bytes: Uint8Array): StaticModel {
  const { dimensions, vocabulary, readRow } = readWordVectors(bytes);
  const tokenizer = wordPieceTokenizer(vocabulary);
  // Rows are unpacked when their token is first met: a process meets a few thousand of them, and unpacking all would
  // be most of the time to load. Eight bits a number, because the sum then stays in the processor's cache.
  const levels = new Int8Array(vocabulary.length * dimensions);
  const scales = new Float64Array(vocabulary.length);
  const isUnpacked = new Uint8Array(vocabulary.length);
  const tokens = new Int32Array(maxTokens);
  const sum = new Float64Array(dimensions);

  return {
    dimensions,
    embed(text) {
      const count = tokenizer.encode(text, tokens);
      sum.fill(0);
      for (let index = 0; index < count; index++) {
        const token = tokens[index] as number;
        const offset = token * dimensions;
        if (isUnpacked[token] === 0) {
          scales[token] = readRow(token, levels, offset);
          isUnpacked[token] = 1;
        }
        const scale = scales[token] as number;
        for (let at = 0; at < dimensions; at++) sum[at] = (sum[at] as number) + scale * (levels[offset + at] as number);
      }

      let square = 0;
      for (let at = 0; at < dimensions; at++) square += (sum[at] as number) ** 2;
      const vector = new Float32Array(dimensions);
      if (square === 0) return vector;
      const factor = 1 / Math.sqrt(square);
      for (let at = 0; at < dimensions; at++) vector[at] = (sum[at] as number) * factor;
      return vector;
    },
  };
}
