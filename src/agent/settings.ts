import { checkLanguageModel } from "../core/language-model.ts";
import { validateId } from "../core/messages/normalize-message.ts";
import { parseCount } from "../core/validate.ts";
import type { AgentOptions } from "../domain/agent.ts";
import { InvalidArgumentError } from "../domain/errors.ts";

/** The options with their defaults, checked. */
export interface AgentSettings extends Omit<AgentOptions, "instructions" | "maxSteps" | "saveEveryMs"> {
  readonly instructions: string;
  readonly maxSteps: number;
  readonly saveEveryMs: number;
}

/** @throws InvalidArgumentError for options that cannot be right */
export function checkOptions(options: AgentOptions): AgentSettings {
  const { memory, instructions = "You are a helpful assistant.", tools, resourceId } = options;
  checkLanguageModel("model", options.model);
  if (typeof memory?.addMessages !== "function") throw new InvalidArgumentError("memory", "must be what createMemory or its scope gives");
  if (typeof instructions !== "string") throw new InvalidArgumentError("instructions", "must be a string");
  if (tools !== undefined && typeof tools !== "function" && (typeof tools !== "object" || tools === null))
    throw new InvalidArgumentError("tools", "must be tools by name, or a function that gives them");
  if (resourceId !== undefined) validateId("resourceId", resourceId);
  const maxSteps = parseCount("maxSteps", options.maxSteps, 20, 1, 1_000);
  return { ...options, instructions, maxSteps, saveEveryMs: parseCount("saveEveryMs", options.saveEveryMs, 100, 0, 60_000) };
}
