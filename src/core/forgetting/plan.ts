import { randomUUID } from "node:crypto";
import { InvalidArgumentError } from "../../domain/errors.ts";
import { matchesFilter } from "../../domain/filter.ts";
import type { ForgettingPlan, ForgettingPlanOptions, ForgettingRule, PlannedMessage } from "../../domain/forgetting.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/session-store.ts";
import type { MemoryCore } from "../memory-core.ts";
import { toolExchange } from "../messages/tool-ids.ts";
import { signalledImportance } from "../ranking/importance.ts";
import { lastUses } from "../reinforcement.ts";
import { everyMessage } from "../rewrite-messages.ts";
import { countHolders, duplicates } from "./duplicates.ts";

const dayMs = 86_400_000;

/** Says what the rules would have forgotten. */
export async function planForgetting(core: MemoryCore, scope: StoreScope, options: ForgettingPlanOptions): Promise<ForgettingPlan> {
  const { rules, likeness } = checkRules(options);
  await core.open();
  const items: PlannedMessage[] = [];
  const kept: Message[] = [];
  let looked = 0;
  for await (const messages of everyMessage(core, scope, options.signal)) {
    looked += messages.length;
    const remembered = messages.filter(isForgettable);
    const knowledge = await learnOf(core, scope, remembered, rules, options.signal);
    for (const message of remembered) {
      const rule = rules.findIndex((one) => fits(one, message, knowledge.get(message) ?? nothing));
      if (rule !== -1) items.push(planned(message, { reason: "rule", rule, duplicateOf: undefined }));
      else if (likeness !== undefined) kept.push(message);
    }
  }
  if (likeness !== undefined) items.push(...repetitions(kept, likeness));
  return { id: randomUUID(), tenant: scope.tenant, userId: scope.userId, items, looked };
}

/** What is neither forgotten already nor one half of a tool exchange, which is never taken apart. */
const isForgettable = ({ role, content, parts }: Message) => content.trim() !== "" && toolExchange(role, parts).ids === null;

/** What the message itself does not say. */
interface Knowledge {
  readonly importance: number;
  /** Undefined: never. */
  readonly lastUse: number | undefined;
}

const nothing: Knowledge = { importance: 0, lastUse: undefined };

/** Only where a rule asks for it: how important messages are, or seem to be, and when they were of use. */
async function learnOf(
  core: MemoryCore,
  scope: StoreScope,
  messages: readonly Message[],
  rules: readonly CheckedRule[],
  signal: AbortSignal | undefined,
): Promise<Map<Message, Knowledge>> {
  const asking = rules.filter(({ maxImportance, unusedForDays }) => maxImportance !== undefined || unusedForDays !== undefined);
  const asked = messages.filter((message) => asking.some((rule) => fits(rule, message, nothing)));
  if (asked.length === 0) return new Map();
  const references = asked.map(({ userId, conversationId, id }) => ({ userId, conversationId, messageId: id }));
  const [stored, uses] = await Promise.all([
    core.store.getMessages(scope, references, signal),
    asking.some(({ unusedForDays }) => unusedForDays !== undefined) ? lastUses(core, scope.tenant, references, signal) : [],
  ]);
  const given = new Map(stored.map(({ message, importance }) => [keyOf(message), importance]));
  const learn = (message: Message, place: number): Knowledge => ({
    importance: given.get(keyOf(message)) ?? signalledImportance(message.content),
    lastUse: uses[place],
  });
  return new Map(asked.map((message, place) => [message, learn(message, place)]));
}

const keyOf = ({ userId, conversationId, id }: Message) => JSON.stringify([userId, conversationId, id]);

interface CheckedRule extends ForgettingRule {
  readonly createdBefore: number;
  readonly usedBefore: number;
}

function fits(rule: CheckedRule, { role, conversationId, metadata, createdAt }: Message, { importance, lastUse }: Knowledge): boolean {
  return (
    createdAt.getTime() < rule.createdBefore &&
    (lastUse ?? createdAt.getTime()) < rule.usedBefore &&
    (rule.maxImportance === undefined || importance <= rule.maxImportance) &&
    (rule.roles === undefined || rule.roles.includes(role)) &&
    (rule.conversationId === undefined || rule.conversationId === conversationId) &&
    matchesFilter(metadata, rule.filter)
  );
}

/** Newest first: what was said last stays. */
function repetitions(messages: readonly Message[], likeness: number): PlannedMessage[] {
  const holders = countHolders(messages.map(({ content }) => content));
  const speakers = new Map<string, ReturnType<typeof duplicates<Message>>>();
  const newest = [...messages].sort((left, right) => right.createdAt.getTime() - left.createdAt.getTime() || right.seq - left.seq);
  return newest.flatMap((message) => {
    const speaker = JSON.stringify([message.userId, message.role, message.name]);
    const said = speakers.get(speaker) ?? duplicates<Message>(likeness, holders);
    speakers.set(speaker, said);
    const same = said.findOrAdd(message.content, message);
    if (same === undefined) return [];
    const duplicateOf = { conversationId: same.conversationId, messageId: same.id };
    return [planned(message, { reason: "duplicate", rule: undefined, duplicateOf })];
  });
}

function planned(
  { userId, conversationId, id, content }: Message,
  why: Pick<PlannedMessage, "reason" | "rule" | "duplicateOf">,
): PlannedMessage {
  return { userId, conversationId, messageId: id, text: content, ...why };
}

function checkRules({ rules = [], duplicates = false }: ForgettingPlanOptions) {
  if (!Array.isArray(rules)) throw new InvalidArgumentError("rules", "must be an array of rules");
  const likeness = duplicates === false ? undefined : duplicates === true ? 0.9 : (duplicates.likeness ?? 0.9);
  if (likeness !== undefined && !(likeness >= 0.5 && likeness <= 1))
    throw new InvalidArgumentError("duplicates.likeness", "must be a number from 0.5 to 1");
  if (rules.length === 0 && likeness === undefined) throw new InvalidArgumentError("rules", "must say what to forget, or duplicates must");
  return { rules: rules.map(checkRule), likeness };
}

function checkRule(rule: ForgettingRule, place: number): CheckedRule {
  const { olderThanDays, unusedForDays, maxImportance, roles } = rule;
  const field = (name: string) => `rules[${place}].${name}`;
  const before = (name: string, days: number | undefined) => {
    if (days === undefined) return Number.POSITIVE_INFINITY;
    if (!(days >= 0 && Number.isFinite(days))) throw new InvalidArgumentError(field(name), "must be a number of at least 0");
    return Date.now() - days * dayMs;
  };
  if (olderThanDays === undefined && unusedForDays === undefined && maxImportance === undefined)
    throw new InvalidArgumentError(
      `rules[${place}]`,
      "must name olderThanDays, unusedForDays or maxImportance: it would forget everything",
    );
  if (maxImportance !== undefined && !(maxImportance >= 0 && maxImportance <= 1))
    throw new InvalidArgumentError(field("maxImportance"), "must be a number from 0 to 1");
  if (roles !== undefined && !Array.isArray(roles)) throw new InvalidArgumentError(field("roles"), "must be an array of roles");
  return { ...rule, createdBefore: before("olderThanDays", olderThanDays), usedBefore: before("unusedForDays", unusedForDays) };
}
