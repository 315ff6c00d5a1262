import type { Embedder } from "../domain/embedder.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import { type AiSdkEmbeddingModel, aiSdkEmbedder, isAiSdkEmbeddingModel } from "./ai-sdk.ts";
import { builtinEmbedder } from "./builtin/index.ts";
import { type CallerEmbedderOptions, callerEmbedder } from "./caller.ts";
import { openaiEmbedder } from "./openai.ts";
import { type TransformersDtype, type TransformersPooling, transformersEmbedder } from "./transformers.ts";

/** An embedding model by the name of its provider: everything that fits into a configuration file. */
export type EmbeddingOptions =
  | BuiltinEmbeddingOptions
  | OpenaiEmbeddingOptions
  | OpenaiCompatibleEmbeddingOptions
  | OllamaEmbeddingOptions
  | TransformersEmbeddingOptions
  | CallerEmbeddingOptions;

/** The word vectors that come with the package: English, 256 dimensions, no download and no key. */
export interface BuiltinEmbeddingOptions {
  readonly provider: "builtin";
}

/** A model of OpenAI. */
export interface OpenaiEmbeddingOptions {
  readonly provider: "openai";
  /** The model's id, e.g. `"text-embedding-3-small"`. */
  readonly model: string;
  /** Required unless `baseUrl` is given. The library reads no environment: pass `process.env.OPENAI_API_KEY` yourself. */
  readonly apiKey?: string | undefined;
  /** Asks for shorter vectors. @default the model's own length */
  readonly dimensions?: number | undefined;
  /** A proxy in front of OpenAI. @default "https://api.openai.com/v1" */
  readonly baseUrl?: string | undefined;
}

/** A model behind any server that speaks OpenAI's `POST /embeddings`. */
export interface OpenaiCompatibleEmbeddingOptions {
  readonly provider: "openai-compatible";
  /** Where the API begins, e.g. `"http://localhost:8000/v1"`; `/embeddings` is added. */
  readonly baseUrl: string;
  /** The model's id on that server. */
  readonly model: string;
  /** Sent as a bearer token. @default none */
  readonly apiKey?: string | undefined;
  /** Asks for shorter vectors, where the server can give them. @default the model's own length */
  readonly dimensions?: number | undefined;
  /** Further HTTP headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Names the embedding space. @default `openai-compatible/${model}` */
  readonly name?: string | undefined;
}

/** A model that Ollama serves. */
export interface OllamaEmbeddingOptions {
  readonly provider: "ollama";
  /** The model's name, e.g. `"nomic-embed-text"`. */
  readonly model: string;
  /** Where Ollama's OpenAI API begins. @default "http://localhost:11434/v1" */
  readonly baseUrl?: string | undefined;
}

/** A model run in this process by the optional package `@huggingface/transformers`. */
export interface TransformersEmbeddingOptions {
  readonly provider: "transformers";
  /** A model on the Hugging Face hub, or a folder, with ONNX weights. */
  readonly model: string;
  /** Precision of the weights. @default transformers.js's own choice */
  readonly dtype?: TransformersDtype | undefined;
  /** How token outputs become one vector. @default "mean" */
  readonly pooling?: TransformersPooling | undefined;
  /** Put before every query. @default "" */
  readonly queryPrefix?: string | undefined;
  /** Put before every message. @default "" */
  readonly documentPrefix?: string | undefined;
}

/** Vectors you bring yourself, with each message and each recall. What comes without one is found by its words. */
export interface CallerEmbeddingOptions extends CallerEmbedderOptions {
  readonly provider: "caller";
}

/**
 * Whatever may be given where a memory asks for its embedding model: nothing or `"builtin"` for the built-in one,
 * `false` for none (search by words alone), {@link EmbeddingOptions}, an AI SDK embedding model, or an
 * {@link Embedder} of your own.
 */
export type EmbeddingChoice = undefined | "builtin" | false | EmbeddingOptions | AiSdkEmbeddingModel | Embedder;

/**
 * The embedder that is meant, or `undefined` for none. Opens nothing and calls nobody.
 *
 * @throws InvalidArgumentError when the choice is unknown or lacks a field
 */
export function resolveEmbedder(choice?: EmbeddingChoice): Embedder | undefined {
  if (choice === undefined || choice === "builtin") return builtinEmbedder();
  if (choice === false) return undefined;
  if (isEmbedder(choice)) return choice;
  if (isAiSdkEmbeddingModel(choice)) return aiSdkEmbedder(choice);
  if (typeof choice !== "object" || choice === null) throw unknownChoice(typeof choice === "string" ? choice : undefined);

  switch (choice.provider) {
    case "builtin":
      return builtinEmbedder();
    case "openai": {
      const { provider, ...options } = choice;
      requireText(provider, "model", options.model);
      if (options.baseUrl === undefined) requireText(provider, "apiKey", options.apiKey);
      return openaiEmbedder(options);
    }
    case "openai-compatible": {
      const { provider, ...options } = choice;
      requireText(provider, "model", options.model);
      requireText(provider, "baseUrl", options.baseUrl);
      return openaiEmbedder({ ...options, name: options.name ?? `${provider}/${options.model}` });
    }
    case "ollama": {
      const { provider, model, baseUrl = "http://localhost:11434/v1" } = choice;
      requireText(provider, "model", model);
      return openaiEmbedder({ model, baseUrl, name: `${provider}/${model}` });
    }
    case "transformers": {
      const { provider, ...options } = choice;
      requireText(provider, "model", options.model);
      return transformersEmbedder(options);
    }
    case "caller":
      return callerEmbedder(choice);
    default:
      throw unknownChoice((choice as { provider?: unknown }).provider);
  }
}

function isEmbedder(value: unknown): value is Embedder {
  return typeof value === "object" && value !== null && typeof (value as { embed?: unknown }).embed === "function";
}

/** Configuration files and JavaScript callers can leave out what the types require. */
function requireText(provider: string, field: string, value: unknown): void {
  if (typeof value === "string" && value.trim() !== "") return;
  throw new InvalidArgumentError(`embedding.${field}`, `is missing: the provider "${provider}" needs it`);
}

function unknownChoice(given: unknown): InvalidArgumentError {
  // What was given is only told when it looks like a name: people paste keys into the wrong field.
  const name = typeof given === "string" && /^[\w-]{1,30}$/.test(given) ? `"${given}" is` : "it is";
  return new InvalidArgumentError(
    "embedding",
    `${name} not a known embedding model: give "builtin", false (none), an object with provider "builtin", "openai", ` +
      `"openai-compatible", "ollama", "transformers" or "caller", an AI SDK embedding model, or an Embedder`,
  );
}
