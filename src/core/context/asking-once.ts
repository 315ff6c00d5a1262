import type { Embedder } from "../../domain/embedder.ts";
import { EmbeddingError } from "../../domain/errors.ts";

/** A model that is asked for the vector of a query once, however often that is wanted, and fails once. */
export interface AskedOnce {
  /** Undefined: there is none. */
  readonly embedder: Embedder | undefined;
  /** The same, which fails when it has not answered in time, so that words answer alone. */
  readonly impatient: Embedder | undefined;
}

/** @param patienceMs how long the impatient one waits, from now on; undefined: for as long as it takes */
export function askingOnce(model: Embedder | undefined, patienceMs: number | undefined): AskedOnce {
  if (model === undefined) return { embedder: undefined, impatient: undefined };
  const answers = new Map<string, Promise<Float32Array[]>>();
  const embedder = like(model, (texts, options) => {
    const name = JSON.stringify([texts, options?.purpose]);
    const answer = answers.get(name) ?? model.embed(texts, options);
    answers.set(name, answer);
    return answer;
  });
  if (patienceMs === undefined) return { embedder, impatient: embedder };
  const end = performance.now() + patienceMs;
  return {
    embedder,
    impatient: like(model, (texts, options) => inTime(embedder.embed(texts, options), end - performance.now(), model.model)),
  };
}

function like(embedder: Embedder, embed: Embedder["embed"]): Embedder {
  const { model, maxBatchSize } = embedder;
  return {
    model,
    maxBatchSize,
    get dimensions() {
      return embedder.dimensions;
    },
    embed,
  };
}

async function inTime<Value>(answer: Promise<Value>, milliseconds: number, model: string): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new EmbeddingError(model, "did not answer in time")), Math.max(0, milliseconds));
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
