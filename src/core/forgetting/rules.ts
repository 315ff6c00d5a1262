import { InvalidArgumentError } from "../../domain/errors.ts";
import type {
  DuplicateOptions,
  FactForgettingRule,
  ForgettableKind,
  ForgettingPlanOptions,
  ForgettingRule,
  MessageForgettingRule,
  RecordForgettingRule,
} from "../../domain/forgetting.ts";
import { comparable, normalPredicate } from "../facts/new-fact.ts";
import { parseType } from "../records/own-types.ts";
import { parseText } from "../validate.ts";

const dayMs = 86_400_000;
const forgettableKinds: readonly ForgettableKind[] = ["message", "record", "fact"];

/** Rules that were checked, each kind for itself. */
export interface CheckedRules {
  readonly messages: readonly CheckedMessageRule[];
  readonly records: readonly CheckedRecordRule[];
  readonly facts: readonly CheckedFactRule[];
  readonly duplicates: CheckedDuplicates;
}

interface Placed {
  /** In the list of the caller's. */
  readonly place: number;
  readonly createdBefore: number;
}

export interface CheckedMessageRule extends MessageForgettingRule, Placed {
  readonly usedBefore: number;
}

export interface CheckedRecordRule extends RecordForgettingRule, Placed {
  readonly changedBefore: number;
}

export interface CheckedFactRule extends Omit<FactForgettingRule, "subject">, Placed {
  /** Infinity: superseded or not. */
  readonly supersededBefore: number;
  readonly subjectKey: string | undefined;
}

export interface CheckedDuplicates extends Pick<DuplicateOptions, "types" | "sameMetadata"> {
  readonly likeness: number;
  readonly kinds: readonly ForgettableKind[];
}

/** @throws InvalidArgumentError */
export function checkRules({ rules = [], duplicates = false }: ForgettingPlanOptions): CheckedRules {
  if (!Array.isArray(rules)) throw new InvalidArgumentError("rules", "must be an array of rules");
  const checked: {
    messages: CheckedMessageRule[];
    records: CheckedRecordRule[];
    facts: CheckedFactRule[];
  } = { messages: [], records: [], facts: [] };
  for (const [place, rule] of (rules as readonly ForgettingRule[]).entries()) {
    const { kind = "message" } = rule;
    if (rule.kind === "record") checked.records.push(checkRecordRule(rule, place));
    else if (rule.kind === "fact") checked.facts.push(checkFactRule(rule, place));
    else if (kind === "message") checked.messages.push(checkMessageRule(rule, place));
    else throw new InvalidArgumentError(`rules[${place}].kind`, 'must be "message", "record" or "fact"');
  }
  const same = checkDuplicates(duplicates);
  if (rules.length === 0 && same.kinds.length === 0) throw new InvalidArgumentError("rules", "must say what to forget, or duplicates must");
  return { ...checked, duplicates: same };
}

function checkDuplicates(duplicates: boolean | DuplicateOptions): CheckedDuplicates {
  if (duplicates === false) return { likeness: 1, kinds: [] };
  const { likeness = 0.9, types, sameMetadata, ...options } = duplicates === true ? {} : duplicates;
  if (!(likeness >= 0.5 && likeness <= 1)) throw new InvalidArgumentError("duplicates.likeness", "must be a number from 0.5 to 1");
  const kinds = options.kinds ?? ["message"];
  checkKinds("duplicates.kinds", kinds);
  if (kinds.length === 0) throw new InvalidArgumentError("duplicates.kinds", "must name a kind");
  if (sameMetadata !== undefined && !Array.isArray(sameMetadata))
    throw new InvalidArgumentError("duplicates.sameMetadata", "must be an array of fields");
  return { likeness, kinds, types: types && checkTypes("duplicates.types", types), sameMetadata };
}

/** @throws InvalidArgumentError */
export function checkKinds(field: string, kinds: readonly ForgettableKind[]): void {
  if (!Array.isArray(kinds) || kinds.some((kind) => !forgettableKinds.includes(kind)))
    throw new InvalidArgumentError(field, 'must be an array of "message", "record" and "fact"');
}

function checkMessageRule(rule: MessageForgettingRule, place: number): CheckedMessageRule {
  const { olderThanDays, unusedForDays, maxImportance, roles } = rule;
  mustName(place, { olderThanDays, unusedForDays, maxImportance });
  checkShare(place, "maxImportance", maxImportance);
  if (roles !== undefined && !Array.isArray(roles)) throw new InvalidArgumentError(`rules[${place}].roles`, "must be an array of roles");
  return {
    ...{ ...rule, place },
    createdBefore: before(place, "olderThanDays", olderThanDays),
    usedBefore: before(place, "unusedForDays", unusedForDays),
  };
}

function checkRecordRule(rule: RecordForgettingRule, place: number): CheckedRecordRule {
  const { olderThanDays, unchangedForDays } = rule;
  mustName(place, { olderThanDays, unchangedForDays });
  return {
    ...{ ...rule, place, types: checkTypes(`rules[${place}].types`, rule.types) },
    createdBefore: before(place, "olderThanDays", olderThanDays),
    changedBefore: before(place, "unchangedForDays", unchangedForDays),
  };
}

function checkFactRule({ subject, ...rule }: FactForgettingRule, place: number): CheckedFactRule {
  const { supersededForDays, olderThanDays, maxConfidence, predicates } = rule;
  mustName(place, { supersededForDays, olderThanDays, maxConfidence });
  checkShare(place, "maxConfidence", maxConfidence);
  if (predicates !== undefined && !Array.isArray(predicates))
    throw new InvalidArgumentError(`rules[${place}].predicates`, "must be an array of predicates");
  return {
    ...{ ...rule, place, predicates: predicates?.map(normalPredicate) },
    subjectKey: subject === undefined ? undefined : comparable(parseText(`rules[${place}].subject`, subject, 256) ?? ""),
    createdBefore: before(place, "olderThanDays", olderThanDays),
    supersededBefore: before(place, "supersededForDays", supersededForDays),
  };
}

function mustName(place: number, conditions: Readonly<Record<string, unknown>>): void {
  if (Object.values(conditions).some((condition) => condition !== undefined)) return;
  const [last, ...others] = Object.keys(conditions).reverse();
  throw new InvalidArgumentError(`rules[${place}]`, `must name ${others.reverse().join(", ")} or ${last}: it would forget everything`);
}

function checkTypes(field: string, types: readonly string[]): readonly string[] {
  if (!Array.isArray(types) || types.length === 0) throw new InvalidArgumentError(field, "must be an array of types of records");
  return types.map(parseType);
}

function checkShare(place: number, name: string, value: number | undefined): void {
  if (value !== undefined && !(value >= 0 && value <= 1))
    throw new InvalidArgumentError(`rules[${place}].${name}`, "must be a number from 0 to 1");
}

/** The time so many days ago; of no condition: later than all. */
function before(place: number, name: string, days: number | undefined): number {
  if (days === undefined) return Number.POSITIVE_INFINITY;
  if (!(days >= 0 && Number.isFinite(days))) throw new InvalidArgumentError(`rules[${place}].${name}`, "must be a number of at least 0");
  return Date.now() - days * dayMs;
}
