import type { PlannedFact } from "../../domain/forgetting.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { listRecords } from "../facts/fact-changes.ts";
import { factType, type StoredFact, storedFact } from "../facts/fact-record.ts";
import type { MemoryCore } from "../memory-core.ts";
import { countHolders, duplicates } from "./duplicates.ts";
import type { PlanOfKind } from "./kind.ts";
import type { CheckedFactRule, CheckedRules } from "./rules.ts";

/** Which facts the rules would have forgotten, and which say what others of their subject say, too. */
export async function planFacts(
  core: MemoryCore,
  scope: StoreScope,
  { facts: rules, duplicates: { kinds, likeness } }: CheckedRules,
  signal: AbortSignal | undefined,
): Promise<PlanOfKind<PlannedFact>> {
  const store = await core.records.openToDelete();
  if (store === undefined) return { items: [], looked: 0 };
  const facts = (await listRecords(store, scope, { types: [factType] }, signal)).map(storedFact);
  const chosen = choose(facts, rules);
  const byRule = facts.flatMap((fact) => {
    const rule = chosen.get(fact);
    return rule === undefined ? [] : [planned(fact, { reason: "rule", rule: rule.place, duplicateOf: undefined })];
  });
  const kept = kinds.includes("fact") ? facts.filter((fact) => !chosen.has(fact) && isCurrent(fact, Date.now())) : [];
  return { items: [...byRule, ...repetitions(kept, likeness)], looked: facts.length };
}

/** Facts with the rule that has them forgotten. By its age alone none is that ended one which stays. */
function choose(facts: readonly StoredFact[], rules: readonly CheckedFactRule[]): Map<StoredFact, CheckedFactRule> {
  const chosen = new Map<StoredFact, CheckedFactRule>();
  for (const fact of facts) {
    const rule = rules.find((one) => fits(one, fact));
    if (rule !== undefined) chosen.set(fact, rule);
  }
  const endings = new Map(facts.map((fact) => [keyOf(fact.userId, fact.id), fact]));
  const staying = facts.filter((fact) => !chosen.has(fact));
  for (const { userId, data } of staying) {
    const ending = data.supersededBy === null ? undefined : endings.get(keyOf(userId, data.supersededBy));
    const rule = ending && chosen.get(ending);
    if (ending === undefined || rule === undefined || rule.maxConfidence !== undefined) continue;
    chosen.delete(ending);
    staying.push(ending);
  }
  return chosen;
}

const keyOf = (userId: string, id: string) => JSON.stringify([userId, id]);

function fits(rule: CheckedFactRule, { createdAt, data }: StoredFact): boolean {
  const supersededAt = data.retraction?.at ?? data.supersededAt ?? Number.POSITIVE_INFINITY;
  return (
    (rule.supersededForDays === undefined || supersededAt < rule.supersededBefore) &&
    createdAt.getTime() < rule.createdBefore &&
    (rule.maxConfidence === undefined || data.confidence <= rule.maxConfidence) &&
    (rule.subjectKey === undefined || rule.subjectKey === data.subjectKey) &&
    (rule.predicates === undefined || (data.predicate !== null && rule.predicates.includes(data.predicate)))
  );
}

function isCurrent({ data }: StoredFact, now: number): boolean {
  const { retraction, isEnd, supersededAt, from, to } = data;
  return retraction === null && !isEnd && supersededAt === null && (from ?? now) <= now && (to ?? Number.POSITIVE_INFINITY) > now;
}

/**
 * Newest first: what was learnt last stays. A free statement gives way to a fact with a predicate, which can be superseded,
 * and what was read from messages, and goes with them, to what was not. Facts with different predicates are never the same.
 */
function repetitions(facts: readonly StoredFact[], likeness: number): PlannedFact[] {
  const holders = countHolders(facts.map(wholeText));
  const groups = new Map<string, ReturnType<typeof duplicates<StoredFact>>>();
  const find = (fact: StoredFact, predicate: string | null, text: string) => {
    const { subjectKey, isUntrusted, statedTo } = fact.data;
    const key = JSON.stringify([fact.userId, fact.resourceId, subjectKey, predicate, isUntrusted, statedTo]);
    const known = groups.get(key) ?? duplicates<StoredFact>(likeness, holders);
    groups.set(key, known);
    return known.findOrAdd(text, fact);
  };
  return [...facts].sort(lastingFirst).flatMap((fact) => {
    const { predicate } = fact.data;
    const same = predicate === null ? undefined : find(fact, predicate, wholeText(fact));
    const newer = same ?? (predicate === null ? find(fact, null, fact.content) : undefined);
    if (newer === undefined) {
      if (predicate !== null) find(fact, null, fact.content);
      return [];
    }
    return [planned(fact, { reason: "duplicate", rule: undefined, duplicateOf: { factId: newer.id } })];
  });
}

/** Statements may be the same of different objects. */
const wholeText = ({ content, data }: StoredFact) => (data.object === null ? content : `${content} ${data.object}`);

function lastingFirst(left: StoredFact, right: StoredFact): number {
  const free = Number(left.data.predicate === null) - Number(right.data.predicate === null);
  const read = Number(left.data.sources.length > 0) - Number(right.data.sources.length > 0);
  return free || read || right.createdAt.getTime() - left.createdAt.getTime();
}

function planned({ userId, id, version, content }: StoredFact, why: Pick<PlannedFact, "reason" | "rule" | "duplicateOf">): PlannedFact {
  return { kind: "fact", userId, factId: id, version, text: content, ...why };
}
