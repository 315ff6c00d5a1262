import { matchesFilter } from "../../domain/filter.ts";
import type { PlannedMessage } from "../../domain/forgetting.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { MemoryCore } from "../memory-core.ts";
import { toolExchange } from "../messages/tool-ids.ts";
import { signalledImportance } from "../ranking/importance.ts";
import { lastUses } from "../reinforcement.ts";
import { everyMessage } from "../rewrite-messages.ts";
import { countHolders, duplicates } from "./duplicates.ts";
import type { PlanOfKind } from "./kind.ts";
import type { CheckedMessageRule, CheckedRules } from "./rules.ts";

/** Which messages the rules would have forgotten, and which say what others say later. */
export async function planMessages(
  core: MemoryCore,
  scope: StoreScope,
  { messages: rules, duplicates: { kinds, likeness } }: CheckedRules,
  signal: AbortSignal | undefined,
): Promise<PlanOfKind<PlannedMessage>> {
  await core.open();
  const items: PlannedMessage[] = [];
  const kept: Message[] = [];
  const isComparing = kinds.includes("message");
  let looked = 0;
  for await (const messages of everyMessage(core, scope, { signal })) {
    looked += messages.length;
    const remembered = messages.filter(isForgettable);
    const knowledge = await learnOf(core, scope, remembered, rules, signal);
    for (const message of remembered) {
      const rule = rules.find((one) => fits(one, message, knowledge.get(message) ?? nothing));
      if (rule !== undefined) items.push(planned(message, { reason: "rule", rule: rule.place, duplicateOf: undefined }));
      else if (isComparing) kept.push(message);
    }
  }
  return { items: [...items, ...repetitions(kept, likeness)], looked };
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
  rules: readonly CheckedMessageRule[],
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

function fits(
  rule: CheckedMessageRule,
  { role, conversationId, metadata, createdAt }: Message,
  { importance, lastUse }: Knowledge,
): boolean {
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
  return { kind: "message", userId, conversationId, messageId: id, text: content, ...why };
}
