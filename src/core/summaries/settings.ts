import { InvalidArgumentError } from "../../domain/errors.ts";
import type { SummariesOption } from "../../domain/summaries.ts";
import type { LanguageModelLike } from "../../domain/titles.ts";
import { checkLanguageModel } from "../language-model.ts";
import { parseCount } from "../validate.ts";

/** `createMemory({ summaries })`, checked. */
export interface SummarySettings {
  /** Undefined: nothing is summarised in the background. */
  readonly background: { readonly afterTokens: number; readonly afterMessages: number; readonly keepTokens: number } | undefined;
  readonly model: LanguageModelLike | undefined;
  readonly instructions: string | undefined;
}

const mostTokens = 10_000_000;

/** @throws InvalidArgumentError */
export function summarySettings(option: SummariesOption | false | undefined): SummarySettings {
  if (option === undefined || option === false) return { background: undefined, model: undefined, instructions: undefined };
  const { model, instructions } = option;
  if (model !== undefined) checkLanguageModel("summaries.model", model);
  if (instructions !== undefined && typeof instructions !== "string")
    throw new InvalidArgumentError("summaries.instructions", "must be a string");
  const afterTokens = parseCount("summaries.afterTokens", option.afterTokens, 4_000, 10, mostTokens);
  const keepTokens = parseCount("summaries.keepTokens", option.keepTokens, Math.floor(afterTokens / 2), 0, afterTokens - 1);
  const afterMessages =
    option.afterMessages === undefined
      ? Number.POSITIVE_INFINITY
      : parseCount("summaries.afterMessages", option.afterMessages, 2, 2, 1_000_000);
  return { background: { afterTokens, afterMessages, keepTokens }, model, instructions };
}
