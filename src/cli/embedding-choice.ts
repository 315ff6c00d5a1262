import { InvalidArgumentError } from "../domain/errors.ts";
import type { EmbeddingChoice } from "../index.ts";
import type { Environment } from "./environment.ts";

/** An embedding model as `--embedding` names it: `builtin`, `none`, or `provider/model`. Keys come from the environment. */
export function parseEmbedding(name: string, environment: Environment): EmbeddingChoice {
  if (name === "builtin") return "builtin";
  if (name === "none") return false;
  const [, provider, model = ""] = /^([a-z-]+)\/(.+)$/.exec(name) ?? [];
  switch (provider) {
    case "openai":
      return withOpenaiKey({ provider, model, baseUrl: environment.openaiBaseUrl }, environment);
    case "ollama":
      return { provider, model, baseUrl: environment.ollamaBaseUrl };
    case "transformers":
      return { provider, model };
    default:
      throw new InvalidArgumentError(
        "embedding",
        "is not a known model: say builtin, none, openai/MODEL, ollama/MODEL or transformers/MODEL, e.g. openai/text-embedding-3-small",
      );
  }
}

/** A configuration file holds no keys: what it leaves out is taken from the environment. */
export function withOpenaiKey(choice: EmbeddingChoice, environment: Environment): EmbeddingChoice {
  if (typeof choice !== "object" || !("provider" in choice) || choice.provider !== "openai") return choice;
  const openai = choice as Extract<EmbeddingChoice, { readonly provider: "openai" }>;
  if (openai.apiKey !== undefined) return openai;
  if (environment.openaiApiKey !== undefined) return { ...openai, apiKey: environment.openaiApiKey };
  if (openai.baseUrl !== undefined) return openai;
  throw new InvalidArgumentError("OPENAI_API_KEY", "is not set: put it into the environment or into .env, or choose another --embedding");
}
