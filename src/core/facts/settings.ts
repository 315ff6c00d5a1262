import { InvalidArgumentError } from "../../domain/errors.ts";
import { type FactExtractionModel, type FactsOption, singleValuedPredicates } from "../../domain/facts.ts";
import { checkLanguageModel } from "../language-model.ts";
import { normalPredicate } from "./new-fact.ts";

/** `createMemory({ facts })`, checked. */
export interface FactSettings {
  /** Predicates with one value at a time, in their normal form. */
  readonly single: ReadonlySet<string>;
  /** Whether messages are read in the background. */
  readonly isReading: boolean;
  /** By which model; undefined: by rules. */
  readonly model: FactExtractionModel | undefined;
}

/** @throws InvalidArgumentError */
export function factSettings({ single = [], extract = false }: FactsOption = {}): FactSettings {
  if (!Array.isArray(single)) throw new InvalidArgumentError("facts.single", "must be an array of predicates");
  const model = typeof extract === "boolean" ? undefined : extract;
  if (model !== undefined) checkLanguageModel("facts.extract.model", model?.model);
  if (model?.instructions !== undefined && typeof model.instructions !== "string")
    throw new InvalidArgumentError("facts.extract.instructions", "must be a string");
  return { isReading: extract !== false, model, single: new Set([...singleValuedPredicates, ...single].map(normalPredicate)) };
}
