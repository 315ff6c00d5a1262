import { DependencyMissingError, InvalidArgumentError } from "../../domain/errors.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { hasProviderKey, providerBaseUrl } from "../environment.ts";
import type { Answerer } from "./answerer.ts";
import { buildPrompt, type Prompt } from "./prompt.ts";

/** What we use of the package `ai`, 5 and later. */
interface AiPackage {
  streamText(options: Prompt & { readonly model: unknown; readonly abortSignal: AbortSignal; readonly onError: () => void }): {
    readonly fullStream: AsyncIterable<{ readonly type: string; readonly text?: string; readonly error?: unknown }>;
  };
}

/** What we use of a provider, as `createOpenAI()` and its like return it. */
interface Provider {
  (modelId: string): unknown;
  chat?(modelId: string): unknown;
}

export interface ModelOptions {
  /** `provider/model`, e.g. `"openai/gpt-4o-mini"`; the provider names the package `@ai-sdk/<provider>`. */
  readonly model: string;
  /** A server that speaks the provider's protocol. @default that of the environment (OPENAI_BASE_URL), else the provider's own */
  readonly baseUrl?: string | undefined;
}

/**
 * Answers with a model of the AI SDK. Its packages are loaded here, and only here.
 *
 * @throws InvalidArgumentError when the name has no provider
 * @throws DependencyMissingError when the provider's package or `ai` is not installed
 */
export async function modelAnswerer({ model: name, ...options }: ModelOptions): Promise<Answerer> {
  const [, prefix, modelId] = /^([a-z][a-z0-9-]*)\/(.+)$/.exec(name) ?? [];
  if (prefix === undefined || modelId === undefined) {
    throw new InvalidArgumentError("model", "must name a provider and a model, e.g. openai/gpt-4o-mini");
  }
  const baseUrl = options.baseUrl ?? providerBaseUrl(prefix);
  // Both are named when one is missing: who lacks one mostly lacks the other.
  const packages = `ai @ai-sdk/${prefix}`;
  const { streamText } = await loadDependency("chat", packages, () => import("ai") as Promise<unknown> as Promise<AiPackage>);
  const model = makeModel(await loadProvider(prefix, baseUrl), modelId, baseUrl);
  return {
    isQuoting: false,
    async *answer({ question, memories, history }, abortSignal) {
      // Errors come in the stream; without `onError` the package prints them too.
      const { fullStream } = streamText({ model, ...buildPrompt(question, memories, history), abortSignal, onError() {} });
      for await (const part of fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "text-delta" && part.text !== undefined) yield part.text;
      }
      abortSignal.throwIfAborted();
    },
  };
}

/** The provider of `@ai-sdk/<prefix>`: what its `create…` function makes. */
async function loadProvider(prefix: string, baseUrl: string | undefined): Promise<Provider> {
  const packageName = `@ai-sdk/${prefix}`;
  const module = await loadDependency("chat", packageName, () => import(packageName) as Promise<Readonly<Record<string, unknown>>>);
  const create = Object.entries(module).find(([name, value]) => /^create[A-Z]/.test(name) && typeof value === "function")?.[1];
  if (create === undefined) throw new DependencyMissingError("chat", packageName);
  const settings = baseUrl === undefined ? {} : { name: prefix, baseURL: baseUrl, ...localKey(prefix) };
  return (create as (settings: object) => Provider)(settings);
}

/** A server of one's own often wants no key, but the packages insist on one. */
function localKey(prefix: string): { readonly apiKey?: string } {
  return hasProviderKey(prefix) ? {} : { apiKey: "none" };
}

/** Compatible servers speak chat completions; OpenAI's own newer protocol is theirs alone. */
function makeModel(provider: Provider, modelId: string, baseUrl: string | undefined): unknown {
  return baseUrl !== undefined && provider.chat !== undefined ? provider.chat(modelId) : provider(modelId);
}
