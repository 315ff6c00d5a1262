import type { Embedder } from "../domain/embedder.ts";
import { EmbeddingError, MemoryError } from "../domain/errors.ts";
import { embedBatches, maxParallelRequests, maxRequestCharacters, splitTexts, withoutEmpty } from "./text-batches.ts";
import { vectorCheck } from "./vector-response.ts";

/** An embedding model of the AI SDK, specification v2, v3 or v4, such as `openai.embedding("text-embedding-3-small")`. */
export interface AiSdkEmbeddingModel {
  readonly specificationVersion: "v2" | "v3" | "v4";
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined;
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean;
  /** One vector for each of `values`, in their order. */
  doEmbed(options: AiSdkEmbedCall): PromiseLike<{ readonly embeddings: readonly (readonly number[])[] }>;
}

/** What the library passes to {@link AiSdkEmbeddingModel.doEmbed}. */
export interface AiSdkEmbedCall {
  values: string[];
  abortSignal?: AbortSignal;
  headers?: Record<string, string>;
  providerOptions?: ProviderOptions;
}

/** A JSON value, as provider options hold. */
export type JsonValue = null | string | number | boolean | JsonValue[] | { [key: string]: JsonValue };

/** Options by provider, e.g. `{ openai: { dimensions: 512 } }`. */
export type ProviderOptions = Record<string, Record<string, JsonValue>>;

/** Options of {@link aiSdkEmbedder}. */
export interface AiSdkEmbedderOptions {
  /**
   * Names the embedding space. Give another name when provider options change the vectors.
   * @default `${provider}/${modelId}`
   */
  readonly name?: string | undefined;
  /** Length of the vectors, when it is known beforehand. @default learnt from the first answer */
  readonly dimensions?: number | undefined;
  /** HTTP headers sent with each call. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Passed to the provider with each call. */
  readonly providerOptions?: ProviderOptions | undefined;
}

/** Texts in one request of a model that states no limit of its own. */
const defaultBatchSize = 128;

/**
 * Embeds with any AI SDK embedding model. The `ai` package itself is not needed.
 *
 * Batches keep to the model's `maxEmbeddingsPerCall` and to 200,000 characters; up to 4 requests run at once where the
 * model allows it. Nothing is retried here: a failure is an {@link EmbeddingError} whose `retryable` says whether the
 * provider holds it for passing.
 *
 * @example
 * const embedder = aiSdkEmbedder(openai.embedding("text-embedding-3-small"));
 */
export function aiSdkEmbedder(model: AiSdkEmbeddingModel, options: AiSdkEmbedderOptions = {}): Embedder {
  const { name = `${model.provider}/${model.modelId}`, dimensions, headers, providerOptions } = options;
  const check = vectorCheck(name, dimensions);

  return {
    model: name,
    get dimensions() {
      return check.dimensions;
    },
    maxBatchSize: statedLimit(model.maxEmbeddingsPerCall),
    async embed(texts, { signal } = {}) {
      signal?.throwIfAborted();
      const request = async (values: string[]): Promise<Float32Array[]> => {
        const { embeddings } = await model.doEmbed({
          values,
          ...(signal && { abortSignal: signal }),
          ...(headers && { headers: { ...headers } }),
          ...(providerOptions && { providerOptions }),
        });
        return check.read(embeddings, values.length);
      };
      try {
        // Both may be promises: some providers learn their limits from a server.
        const [limit, parallel] = await Promise.all([model.maxEmbeddingsPerCall, model.supportsParallelCalls]);
        const batches = splitTexts(withoutEmpty(texts), { texts: statedLimit(limit), characters: maxRequestCharacters });
        return await embedBatches(batches, parallel ? maxParallelRequests : 1, request);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (MemoryError.isInstance(error)) throw error;
        throw providerFailure(name, error);
      }
    },
  };
}

/** Whether a value is an AI SDK embedding model: told by its methods, so that any copy of the SDK fits. */
export function isAiSdkEmbeddingModel(value: unknown): value is AiSdkEmbeddingModel {
  if (typeof value !== "object" || value === null) return false;
  const { doEmbed, modelId } = value as { doEmbed?: unknown; modelId?: unknown };
  return typeof doEmbed === "function" && typeof modelId === "string";
}

/** Infinity and undefined both mean "no limit". */
function statedLimit(limit: PromiseLike<number | undefined> | number | undefined): number {
  return typeof limit === "number" && limit >= 1 && Number.isFinite(limit) ? Math.floor(limit) : defaultBatchSize;
}

/** The provider's own message is left to the cause: it may quote the key or the texts. */
function providerFailure(name: string, error: unknown): EmbeddingError {
  const { statusCode, isRetryable } = (error ?? {}) as { statusCode?: unknown; isRetryable?: unknown };
  const status = typeof statusCode === "number" ? statusCode : undefined;
  const retryable =
    typeof isRetryable === "boolean" ? isRetryable : status !== undefined && (status === 408 || status === 429 || status >= 500);
  const what = status === undefined ? "the provider failed" : `the provider answered HTTP ${status}`;
  const advice = retryable ? "try again later" : "see the cause, and check the key, the model and the provider's options";
  return new EmbeddingError(name, `${what}: ${advice}`, { cause: error, retryable });
}
