import { InvalidArgumentError } from "../domain/errors.ts";
import type { LanguageModelLike } from "../domain/titles.ts";
import { loadDependency } from "../internal/load-dependency.ts";

/** What we use of the package `ai`, 5 and later, for answers of a given shape. */
interface AiPackage {
  jsonSchema(schema: unknown): unknown;
  generateObject(options: {
    readonly model: unknown;
    readonly schema: unknown;
    readonly schemaName: string;
    readonly system: string;
    readonly prompt: string;
    readonly maxRetries: number;
    readonly abortSignal: AbortSignal;
  }): Promise<{ readonly object: unknown }>;
}

export interface StructuredQuestion {
  readonly model: LanguageModelLike;
  /** Who asks, in the error when the package is missing. */
  readonly asker: string;
  readonly name: string;
  /** JSON Schema of the answer. */
  readonly schema: unknown;
  readonly system: string;
  readonly prompt: string;
  readonly signal: AbortSignal;
}

/** Asks a model for an answer of a shape; no database connection is held meanwhile. The answer is still to be checked. */
export async function askForObject({ model, asker, name, schema, system, prompt, signal }: StructuredQuestion): Promise<unknown> {
  const ai = await loadDependency(asker, "ai", () => import("ai") as Promise<unknown> as Promise<AiPackage>);
  const question = { model, schema: ai.jsonSchema(schema), schemaName: name, system, prompt, maxRetries: 1, abortSignal: signal };
  return (await ai.generateObject(question)).object;
}

/** @throws InvalidArgumentError for what is no language model of the AI SDK */
export function checkLanguageModel(field: string, model: unknown): LanguageModelLike {
  if (typeof model !== "object" || model === null || !("doGenerate" in model))
    throw new InvalidArgumentError(field, "must be a language model of the AI SDK");
  return model as unknown as LanguageModelLike;
}
