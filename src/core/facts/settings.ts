import { InvalidArgumentError } from "../../domain/errors.ts";
import { type FactsOption, singleValuedPredicates } from "../../domain/facts.ts";
import { normalPredicate } from "./new-fact.ts";

/** `createMemory({ facts })`, checked. */
export interface FactSettings {
  /** Predicates with one value at a time, in their normal form. */
  readonly single: ReadonlySet<string>;
}

/** @throws InvalidArgumentError */
export function factSettings({ single = [] }: FactsOption = {}): FactSettings {
  if (!Array.isArray(single)) throw new InvalidArgumentError("facts.single", "must be an array of predicates");
  return { single: new Set([...singleValuedPredicates, ...single].map(normalPredicate)) };
}
