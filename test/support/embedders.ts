import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import type { Embedder } from "../../src/index.ts";

export interface GatedEmbedder extends Embedder {
  /** Texts of every call so far. */
  readonly calls: (readonly string[])[];
  /** Calls made while it is shut wait until it is opened. */
  shut(): void;
  open(): void;
  /** Resolves when a call is waiting. */
  waiting(): Promise<void>;
  /** Thrown by every call while it is set. */
  error: unknown;
}

/** Cheap vectors from a model that can be made to wait and to fail. */
export function gatedEmbedder(): GatedEmbedder {
  const hashed = hashedEmbedder();
  let gate: PromiseWithResolvers<void> | undefined;
  let arrival = Promise.withResolvers<void>();
  const gated: GatedEmbedder = {
    ...hashed,
    calls: [],
    error: undefined,
    shut() {
      gate = Promise.withResolvers();
      arrival = Promise.withResolvers();
    },
    open() {
      gate?.resolve();
      gate = undefined;
    },
    waiting: () => arrival.promise,
    async embed(texts, options) {
      gated.calls.push(texts);
      if (gate !== undefined) {
        arrival.resolve();
        await gate.promise;
      }
      if (gated.error !== undefined) throw gated.error;
      return hashed.embed(texts, options);
    },
  };
  return gated;
}

/** A model whose vectors the test brings itself. */
export function broughtVectors(model: string, dimensions: number): Embedder {
  return {
    model,
    dimensions,
    maxBatchSize: 1_000,
    embed: async (texts) => texts.map(() => new Float32Array(dimensions)),
  };
}
