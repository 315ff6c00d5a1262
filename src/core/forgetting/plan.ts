import { randomUUID } from "node:crypto";
import type { ForgettingPlan, ForgettingPlanOptions, PlannedItem } from "../../domain/forgetting.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { MemoryCore } from "../memory-core.ts";
import type { PlanOfKind } from "./kind.ts";
import { planFacts } from "./plan-facts.ts";
import { planMessages } from "./plan-messages.ts";
import { planRecords } from "./plan-records.ts";
import { checkRules } from "./rules.ts";

/** Says what the rules would have forgotten: of the kinds they name, others are not read. */
export async function planForgetting(core: MemoryCore, scope: StoreScope, options: ForgettingPlanOptions): Promise<ForgettingPlan> {
  const rules = checkRules(options);
  const { kinds } = rules.duplicates;
  const plans: PlanOfKind<PlannedItem>[] = [];
  if (rules.messages.length > 0 || kinds.includes("message")) plans.push(await planMessages(core, scope, rules, options.signal));
  if (rules.records.length > 0 || kinds.includes("record")) plans.push(await planRecords(core, scope, rules, options.signal));
  if (rules.facts.length > 0 || kinds.includes("fact")) plans.push(await planFacts(core, scope, rules, options.signal));
  return {
    ...{ id: randomUUID(), tenant: scope.tenant, userId: scope.userId },
    items: plans.flatMap(({ items }) => items),
    looked: plans.reduce((sum, { looked }) => sum + looked, 0),
  };
}
