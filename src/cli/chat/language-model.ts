import { DependencyMissingError, InvalidArgumentError } from "../../domain/errors.ts";
import type { LanguageModelLike } from "../../index.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { hasProviderKey, providerBaseUrl } from "../environment.ts";

/** What we use of a provider, as `createOpenAI()` and its like return it. */
interface Provider {
  (modelId: string): LanguageModelLike;
  chat?(modelId: string): LanguageModelLike;
}

export interface ModelOptions {
  /** `provider/model`, e.g. `"openai/gpt-4o-mini"`; the provider names the package `@ai-sdk/<provider>`. */
  readonly model: string;
  /** A server that speaks the provider's protocol. @default that of the environment (OPENAI_BASE_URL), else the provider's own */
  readonly baseUrl?: string | undefined;
}

/**
 * A model of the AI SDK. Its packages are loaded here, and only here.
 *
 * @throws InvalidArgumentError when the name has no provider
 * @throws DependencyMissingError when the provider's package or `ai` is not installed
 */
export async function languageModel({ model: name, ...options }: ModelOptions): Promise<LanguageModelLike> {
  const [, prefix, modelId] = /^([a-z][a-z0-9-]*)\/(.+)$/.exec(name) ?? [];
  if (prefix === undefined || modelId === undefined) {
    throw new InvalidArgumentError("model", "must name a provider and a model, e.g. openai/gpt-4o-mini");
  }
  const baseUrl = options.baseUrl ?? providerBaseUrl(prefix);
  // Both are named when one is missing: who lacks one mostly lacks the other.
  await loadDependency("chat", `ai @ai-sdk/${prefix}`, () => import("ai"));
  return makeModel(await loadProvider(prefix, baseUrl), modelId, baseUrl);
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
function makeModel(provider: Provider, modelId: string, baseUrl: string | undefined): LanguageModelLike {
  return baseUrl !== undefined && provider.chat !== undefined ? provider.chat(modelId) : provider(modelId);
}
