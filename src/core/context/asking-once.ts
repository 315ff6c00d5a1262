import type { Embedder } from "../../domain/embedder.ts";

/** The same model, which is asked for the vector of a query once, however often that is wanted, and fails once. */
export function askingOnce(embedder: Embedder | undefined): Embedder | undefined {
  if (embedder === undefined) return undefined;
  const answers = new Map<string, Promise<Float32Array[]>>();
  const { model, maxBatchSize } = embedder;
  return {
    model,
    maxBatchSize,
    get dimensions() {
      return embedder.dimensions;
    },
    embed(texts, options) {
      const name = JSON.stringify([texts, options?.purpose]);
      const answer = answers.get(name) ?? embedder.embed(texts, options);
      answers.set(name, answer);
      return answer;
    },
  };
}
