import type { Embedder } from "../domain/embedder.ts";
import { EmbeddingError, InvalidArgumentError, MemoryError } from "../domain/errors.ts";
import { abortable } from "../internal/abort.ts";
import { loadDependency } from "../internal/load-dependency.ts";
import { once } from "../internal/once.ts";
import { vectorCheck } from "./vector-response.ts";

/** The part of `@huggingface/transformers` (version 3 or later) that is used. */
export interface TransformersModule {
  /** Fetches or reads the model. */
  pipeline(task: "feature-extraction", model: string, options?: { dtype?: TransformersDtype }): Promise<FeatureExtractor>;
}

/** What `pipeline("feature-extraction", …)` gives. */
export interface FeatureExtractor {
  /** Its `tolist()` gives a vector for each text, in their order. */
  (texts: string[], options: { pooling: TransformersPooling; normalize: boolean }): Promise<{ tolist(): unknown[] }>;
  /** Lets go of the model. */
  dispose?(): Promise<unknown>;
}

/** Precision of the weights, as transformers.js names it. */
export type TransformersDtype = "auto" | "fp32" | "fp16" | "q8" | "int8" | "uint8" | "q4" | "bnb4" | "q4f16";

/** How the outputs of a text's tokens become one vector. */
export type TransformersPooling = "mean" | "cls";

/** Options of {@link transformersEmbedder}. */
export interface TransformersEmbedderOptions {
  /** A model on the Hugging Face hub, or a folder, with ONNX weights, e.g. `"Xenova/all-MiniLM-L6-v2"`. */
  readonly model: string;
  /** Precision of the weights. @default transformers.js's own choice for the machine */
  readonly dtype?: TransformersDtype | undefined;
  /** `"mean"` for MiniLM, E5 and GTE, `"cls"` for BGE. @default "mean" */
  readonly pooling?: TransformersPooling | undefined;
  /** Put before every query, e.g. `"query: "` for E5. @default "" */
  readonly queryPrefix?: string | undefined;
  /** Put before every message, e.g. `"passage: "` for E5. @default "" */
  readonly documentPrefix?: string | undefined;
  /** Names the embedding space. @default `transformers/${model}`, with `@${dtype}` when one is given */
  readonly name?: string | undefined;
  /** The module itself, for bundlers that must see its import. @default imported on first use */
  readonly transformers?: TransformersModule | undefined;
}

/**
 * Embeds in this process with transformers.js. Needs the package `@huggingface/transformers`; the model is fetched or
 * read on the first call. Vectors are normalised.
 *
 * @example
 * const embedder = transformersEmbedder({ model: "Xenova/multilingual-e5-small", queryPrefix: "query: ", documentPrefix: "passage: " });
 */
export function transformersEmbedder(options: TransformersEmbedderOptions): Embedder {
  const { model, dtype, pooling = "mean", queryPrefix = "", documentPrefix = "", transformers } = options;
  const { name = `transformers/${model}${dtype === undefined ? "" : `@${dtype}`}` } = options;
  if (model.trim() === "") throw new InvalidArgumentError("embedding.model", "is empty: give a model's id or folder");
  const check = vectorCheck(name, undefined);
  let opened = false;
  const extractor = once(async () => {
    const module = transformers ?? (await importTransformers());
    const created = await module.pipeline("feature-extraction", model, dtype === undefined ? {} : { dtype });
    opened = true;
    return created;
  });

  return {
    model: name,
    get dimensions() {
      return check.dimensions;
    },
    // Larger batches gain nothing on a CPU and hold the memory of their longest text.
    maxBatchSize: 32,
    async embed(texts, { signal, purpose = "document" } = {}) {
      signal?.throwIfAborted();
      if (texts.length === 0) return [];
      const prefix = purpose === "query" ? queryPrefix : documentPrefix;
      const run = async (): Promise<Float32Array[]> => {
        const extract = await extractor();
        const output = await extract(
          texts.map((text) => prefix + text),
          { pooling, normalize: true },
        );
        return check.read(output.tolist(), texts.length);
      };
      try {
        return await abortable(run(), signal);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (MemoryError.isInstance(error)) throw error;
        throw new EmbeddingError(name, "transformers.js failed: see the cause, and check the model's id and its ONNX weights", {
          cause: error,
        });
      }
    },
    async close() {
      if (!opened) return;
      opened = false;
      await (await extractor()).dispose?.();
    },
  };
}

async function importTransformers(): Promise<TransformersModule> {
  // A variable keeps the compiler and bundlers from asking for a package that is optional.
  const specifier: string = "@huggingface/transformers";
  return loadDependency("transformers", specifier, async () => (await import(/* @vite-ignore */ specifier)) as TransformersModule);
}
