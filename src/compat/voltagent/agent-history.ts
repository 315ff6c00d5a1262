import { NotFoundError } from "../../domain/errors.ts";
import type { RunChanges, RunEvent, RunEventInput, RunInput, RunStepInput, RunTree } from "../../domain/runs.ts";
import { findConversation } from "./conversations.ts";
import { nobody } from "./messages.ts";
import type { Place } from "./place.ts";
import {
  dateOf,
  defined,
  eventsOf,
  findTree,
  type KnownParts,
  objectOf,
  recordingOf,
  treeOfPart,
  withoutRest,
  withRest,
  wordOf,
} from "./recorded-parts.ts";
import type { HistoryEntry, HistoryEntryInput, NewTimelineEvent, TimelineEvent } from "./shapes.ts";

// An entry of an agent's history is a run of kind "agent" under the entry's key.

const pageSize = 1_000;

/** Writes an entry, in place of the one of this key; what hangs on it stays. `isUpdate`: what is left out stays, too. */
export function putEntry(place: Place, key: string, value: HistoryEntryInput, agentId: string, isUpdate: boolean): Promise<void> {
  return place.writers.run([key], async () => {
    const before = await findTree(place, key);
    const merged = isUpdate && before !== undefined ? { ...entryFields(before), ...defined(value) } : value;
    const known = wordOf(value.userId) ?? (before && ownerOf(before)) ?? undefined;
    const userId = known ?? (await ownerOfConversation(place, merged.conversationId)) ?? before?.userId ?? nobody;
    const owner = { id: key, agentId, kind: "agent" as const, userId };
    await putRun(place, { ...historyRun(merged), ...owner }, before, isUpdate ? changedFields(value) : undefined);
  });
}

/** Of whom the conversation is, so that what names no user is deleted with it; undefined: there is none. */
export async function ownerOfConversation(place: Place, conversationId: unknown): Promise<string | undefined> {
  const id = wordOf(conversationId);
  return id === undefined ? undefined : (await findConversation(place.memory(), id))?.userId;
}

const runFields = {
  timestamp: "startedAt",
  status: "status",
  input: "input",
  output: "output",
  usage: "usage",
  metadata: "metadata",
} as const;

function changedFields(value: HistoryEntryInput) {
  return Object.entries(runFields).flatMap(([field, own]) => (value[field as keyof typeof runFields] === undefined ? [] : [own]));
}

/**
 * Writes a run in place of the one before, or of that one these fields alone: others may be changing the rest. Ids of runs
 * are unique within a user only, so one that gets another user is written anew and its old self deleted.
 */
export async function putRun(
  place: Place,
  run: RunInput & { readonly id: string; readonly userId: string },
  before: RunTree | undefined,
  fields: readonly (keyof RunChanges)[] | undefined,
): Promise<void> {
  const { runs } = place.memory();
  const isSame = (["userId", "conversationId", "agentId", "kind"] as const).every((field) => before?.[field] === run[field]);
  if (fields !== undefined && isSame) {
    await runs.update(run.id, Object.fromEntries(fields.map((field) => [field, run[field]])), { userId: run.userId });
    return;
  }
  await runs.start(run);
  if (before === undefined || before.userId === run.userId) return;
  await runs.record(run.id, recordingOf(before), { userId: run.userId });
  await runs.delete(run.id, { userId: before.userId });
}

function historyRun(value: HistoryEntryInput): Omit<RunInput, "agentId"> {
  return {
    conversationId: wordOf(value.conversationId),
    status: wordOf(value.status) ?? "unknown",
    input: value.input ?? undefined,
    output: value.output ?? undefined,
    usage: value.usage ?? undefined,
    metadata: objectOf(value.metadata),
    // Whether somebody was named: the run has to be somebody's.
    state: wordOf(value.userId) === undefined ? { withoutUser: true } : undefined,
    startedAt: dateOf(value.timestamp),
  };
}

function entryFields(run: RunTree): HistoryEntryInput {
  const { startedAt: timestamp, status, input, output, usage, metadata, conversationId } = run;
  return { timestamp, status, input, output, usage, metadata, conversationId, userId: ownerOf(run) };
}

function ownerOf({ userId, state }: RunTree): string | null {
  return objectOf(state).withoutUser === true ? null : userId;
}

/** Writes a step: any JSON value, kept as the step's output. */
export async function putStep(place: Place, known: KnownParts, key: string, value: unknown, historyId: string, agentId: string) {
  const { type, name, timestamp } = objectOf(value);
  const step = { id: key, type: wordOf(type) ?? "step", name: wordOf(name), output: value, startedAt: dateOf(timestamp) };
  known.set("run_step", key, { runId: historyId, userId: await record(place, historyId, agentId, { steps: [step] }) });
}

/** Writes a point on the timeline of an entry. */
export async function putEvent(place: Place, known: KnownParts, key: string, event: NewTimelineEvent, historyId: string, agentId: string) {
  const recorded = timelineEvent(key, event);
  known.set("run_event", key, { runId: historyId, userId: await record(place, historyId, agentId, { events: [recorded] }) });
}

function timelineEvent(key: string, event: NewTimelineEvent): RunEventInput {
  const { statusMessage, version, tags, error } = event;
  return {
    id: key,
    type: wordOf(event.type) ?? "event",
    name: wordOf(event.name) ?? "event",
    parentEventId: wordOf(event.parentEventId),
    level: wordOf(event.level) ?? "INFO",
    status: wordOf(event.status),
    input: event.input ?? undefined,
    output: event.output ?? undefined,
    metadata: withRest(event.metadata, { statusMessage, version, tags, error }),
    startedAt: dateOf(event.startTime),
    endedAt: dateOf(event.endTime),
  };
}

/** VoltAgent writes in the background: a step may come before its entry, which then fills in what this makes of it. */
async function record(
  place: Place,
  historyId: string,
  agentId: string,
  what: { readonly steps?: readonly RunStepInput[]; readonly events?: readonly RunEventInput[] },
): Promise<string> {
  return place.writers.run([historyId], async () => {
    const { runs } = place.memory();
    const run = await runs.get(historyId).catch((error: unknown) => {
      if (!(NotFoundError.isInstance(error) && error.code === "not_found")) throw error;
      return runs.start({ id: historyId, agentId, userId: nobody, status: "unknown", state: { withoutUser: true } });
    });
    await runs.record(historyId, what, { userId: run.userId });
    return run.userId;
  });
}

export async function getEntry(place: Place, key: string): Promise<HistoryEntry | undefined> {
  const tree = await findTree(place, key);
  return tree === undefined || tree.kind !== "agent" ? undefined : toEntry(tree);
}

export async function getStep(place: Place, known: KnownParts, key: string): Promise<unknown> {
  const tree = await treeOfPart(place, known, "run_step", key);
  return tree?.steps.find((step) => step.id === key)?.output;
}

/** Entries of an agent, newest first, with all that hangs on them: two queries a thousand. */
export async function allEntries(place: Place, agentId: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await place.memory().runs.trees({ kind: "agent", agentId, limit: pageSize, cursor });
    entries.push(...page.items.map(toEntry));
    if (page.nextCursor === undefined) return entries;
    cursor = page.nextCursor;
  }
}

/** One page, counted from 0, and how many entries there are. */
export async function pageOfEntries(place: Place, agentId: string, page: number, limit: number) {
  const { runs } = place.memory();
  const total = await runs.count({ kind: "agent", agentId });
  const { items } = await runs.trees({ kind: "agent", agentId, limit, offset: page * limit });
  return { entries: items.map(toEntry), total };
}

function toEntry(run: RunTree): HistoryEntry {
  return {
    id: run.id,
    _agentId: run.agentId,
    timestamp: run.startedAt,
    status: run.status,
    input: run.input ?? null,
    output: run.output ?? null,
    usage: run.usage ?? null,
    metadata: Object.keys(run.metadata).length === 0 ? null : run.metadata,
    userId: ownerOf(run),
    conversationId: run.conversationId ?? null,
    steps: run.steps.map(({ output }) => output),
    events: eventsOf(run).map(toTimelineEvent),
  };
}

function toTimelineEvent(event: RunEvent): TimelineEvent {
  const { own, rest } = withoutRest(event.metadata);
  const { id, type, name, level = "INFO", status, parentEventId, input, output } = event;
  const times = { startTime: event.startedAt.toISOString(), endTime: event.endedAt?.toISOString() };
  return { ...defined({ ...rest, status, parentEventId, input, output, metadata: own, ...times }), id, type, name, level } as TimelineEvent;
}
