import { NotFoundError } from "../../domain/errors.ts";
import type { Run, RunEvent, RunEventInput, RunInput, RunStep, RunStepInput, RunTree } from "../../domain/runs.ts";
import { ownerOfConversation, putRun } from "./agent-history.ts";
import { nobody } from "./messages.ts";
import { type Place, tenant } from "./place.ts";
import {
  dateOf,
  defined,
  deletePart,
  eventsOf,
  findTree,
  type KnownParts,
  objectOf,
  treeOfPart,
  withoutRest,
  withRest,
  wordOf,
} from "./recorded-parts.ts";
import type { WorkflowHistoryEntry, WorkflowStats, WorkflowStepEntry, WorkflowTimelineEvent } from "./shapes.ts";

// An entry of a workflow's history is a run of kind "workflow"; its steps and events are the run's.

const pageSize = 1_000;

/** What the fields of a run have no place for; the adapters for today's VoltAgent read it, too. */
interface WorkflowRest {
  readonly createdAt?: string;
  readonly updatedAt: string;
  /** Fields that were not given: what a run has in their place is its default. */
  readonly without?: readonly string[];
}

export function storeHistory(place: Place, entry: WorkflowHistoryEntry): Promise<void> {
  return place.writers.run([entry.id], async () => {
    const userId = await ownerOf(place, entry);
    await putRun(place, workflowRun(entry, userId), await findTree(place, entry.id), undefined);
    const { steps = [], events = [] } = entry;
    if (steps.length + events.length === 0) return;
    const what = { steps: steps.map(workflowStep), events: events.map(workflowEvent) };
    await place.memory().runs.record(entry.id, what, { userId });
  });
}

async function ownerOf(place: Place, { userId, conversationId }: WorkflowHistoryEntry): Promise<string> {
  return wordOf(userId) ?? (await ownerOfConversation(place, conversationId)) ?? nobody;
}

function workflowRun(entry: WorkflowHistoryEntry, owner: string): RunInput & { id: string; userId: string } {
  const { userId, metadata, input, output } = entry;
  const without = Object.entries({ userId, metadata, input, output }).flatMap(([field, value]) => (value === undefined ? [field] : []));
  const startedAt = dateOf(entry.startTime) ?? new Date();
  const rest: WorkflowRest = {
    ...defined({ createdAt: dateOf(entry.createdAt)?.toISOString() }),
    updatedAt: (dateOf(entry.updatedAt) ?? new Date()).toISOString(),
    ...(without.length === 0 ? {} : { without }),
  };
  return {
    id: entry.id,
    userId: owner,
    conversationId: wordOf(entry.conversationId),
    kind: "workflow",
    agentId: entry.workflowId,
    name: entry.workflowName,
    status: entry.status,
    input: entry.input,
    output: entry.output,
    metadata: objectOf(metadata),
    state: rest,
    startedAt,
    endedAt: dateOf(entry.endTime),
  };
}

function toHistory(run: Run): WorkflowHistoryEntry {
  const { createdAt, updatedAt, without = [] } = objectOf(run.state) as unknown as WorkflowRest;
  const { userId, metadata, input, output } = run;
  const given = Object.entries({ userId, metadata: { ...metadata }, input, output }).filter(([field]) => !without.includes(field));
  return {
    ...defined({ ...Object.fromEntries(given), conversationId: run.conversationId, endTime: run.endedAt }),
    id: run.id,
    workflowId: run.agentId,
    workflowName: run.name ?? run.agentId,
    status: run.status,
    startTime: run.startedAt,
    createdAt: dateOf(createdAt) ?? run.startedAt,
    updatedAt: dateOf(updatedAt) ?? run.updatedAt,
    steps: [],
    events: [],
  };
}

async function findWorkflow(place: Place, id: string): Promise<RunTree | undefined> {
  const tree = await findTree(place, id);
  return tree?.kind === "workflow" ? tree : undefined;
}

export async function getHistory(place: Place, id: string): Promise<WorkflowHistoryEntry | null> {
  const tree = await findWorkflow(place, id);
  return tree === undefined ? null : toHistory(tree);
}

/** With steps and events, in one query. */
export async function getWholeHistory(place: Place, id: string): Promise<WorkflowHistoryEntry | null> {
  const tree = await findWorkflow(place, id);
  return tree === undefined ? null : { ...toHistory(tree), steps: stepsOf(tree), events: timelineOf(tree) };
}

/** Newest first. */
export async function historyOf(place: Place, workflowId: string): Promise<WorkflowHistoryEntry[]> {
  const found: WorkflowHistoryEntry[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await place.memory().runs.list({ kind: "workflow", agentId: workflowId, limit: pageSize, cursor });
    found.push(...page.items.map(toHistory));
    if (page.nextCursor === undefined) return found;
    cursor = page.nextCursor;
  }
}

/** @throws NotFoundError */
export function updateHistory(place: Place, id: string, updates: Partial<WorkflowHistoryEntry>): Promise<void> {
  return place.writers.run([id], async () => {
    const before = await findWorkflow(place, id);
    if (before === undefined) throw new NotFoundError("workflow history", id);
    const entry = { ...toHistory(before), updatedAt: new Date(), ...defined(updates), id };
    await putRun(place, workflowRun(entry, await ownerOf(place, entry)), before, changedFields(updates));
  });
}

const runFields = {
  status: "status",
  input: "input",
  output: "output",
  metadata: "metadata",
  workflowName: "name",
  startTime: "startedAt",
  endTime: "endedAt",
} as const;

function changedFields(updates: Partial<WorkflowHistoryEntry>) {
  const named = Object.entries(runFields).flatMap(([field, own]) => (updates[field as keyof typeof runFields] === undefined ? [] : [own]));
  return [...named, "state" as const];
}

export async function deleteHistory(place: Place, id: string): Promise<void> {
  await place.memory().runs.delete(id);
}

/** @throws NotFoundError when there is no such history */
export async function storeStep(place: Place, known: KnownParts, step: WorkflowStepEntry): Promise<void> {
  await place.writers.run([step.workflowHistoryId], async () => {
    const { runs } = place.memory();
    const { userId } = await runs.get(step.workflowHistoryId);
    await runs.record(step.workflowHistoryId, { steps: [workflowStep(step)] }, { userId });
    known.set("run_step", step.id, { runId: step.workflowHistoryId, userId });
  });
}

function workflowStep(step: WorkflowStepEntry): RunStepInput {
  const { stepId, error, agentExecutionId, parallelIndex, parallelParentStepId } = step;
  const times = { createdAt: dateOf(step.createdAt)?.toISOString(), updatedAt: dateOf(step.updatedAt)?.toISOString() };
  return {
    id: step.id,
    type: wordOf(step.stepType) ?? "step",
    index: step.stepIndex,
    name: step.stepName,
    status: step.status,
    input: step.input,
    output: step.output,
    metadata: withRest(step.metadata, { stepId, error, agentExecutionId, parallelIndex, parallelParentStepId, ...times }),
    startedAt: dateOf(step.startTime),
    endedAt: dateOf(step.endTime),
  };
}

function toStep(runId: string, step: RunStep): WorkflowStepEntry {
  const { own, rest } = withoutRest(step.metadata);
  const { createdAt, updatedAt, ...others } = rest;
  const { id, input, output, startedAt: startTime, endedAt: endTime } = step;
  const times = { endTime, createdAt: dateOf(createdAt), updatedAt: dateOf(updatedAt) };
  return {
    ...defined({ ...others, input, output, metadata: own, ...times }),
    id,
    workflowHistoryId: runId,
    stepIndex: step.index,
    stepType: step.type,
    stepName: step.name ?? step.type,
    status: step.status ?? "unknown",
    startTime,
  };
}

export const stepsOf = (tree: RunTree) => tree.steps.map((step) => toStep(tree.id, step));

export async function getStep(place: Place, known: KnownParts, id: string): Promise<WorkflowStepEntry | null> {
  const tree = await treeOfPart(place, known, "run_step", id);
  return (tree && stepsOf(tree).find((step) => step.id === id)) ?? null;
}

export async function getSteps(place: Place, workflowHistoryId: string): Promise<WorkflowStepEntry[]> {
  const tree = await findWorkflow(place, workflowHistoryId);
  return tree === undefined ? [] : stepsOf(tree);
}

/** @throws NotFoundError */
export async function updateStep(place: Place, known: KnownParts, id: string, updates: Partial<WorkflowStepEntry>): Promise<void> {
  const found = await getStep(place, known, id);
  if (found === null) throw new NotFoundError("workflow step", id);
  await place.writers.run([found.workflowHistoryId], async () => {
    const before = (await getStep(place, known, id)) ?? found;
    const { workflowHistoryId } = before;
    const userId = known.get("run_step", id)?.userId;
    const step = workflowStep({ ...before, ...defined(updates), id, workflowHistoryId });
    await place.memory().runs.record(workflowHistoryId, { steps: [step] }, { userId });
  });
}

export const deleteStep = (place: Place, id: string) => deletePart(place, "run_step", id);

/** @throws NotFoundError when there is no such history */
export async function storeEvent(place: Place, known: KnownParts, event: WorkflowTimelineEvent): Promise<void> {
  await place.writers.run([event.workflowHistoryId], async () => {
    const { runs } = place.memory();
    const { userId } = await runs.get(event.workflowHistoryId);
    const recorded = workflowEvent(event);
    await runs.record(event.workflowHistoryId, { events: [recorded] }, { userId });
    known.set("run_event", recorded.id, { runId: event.workflowHistoryId, userId });
  });
}

/** Parents name events by their `eventId`, and so does this. */
function workflowEvent(event: WorkflowTimelineEvent): RunEventInput {
  const { statusMessage, traceId, eventSequence } = event;
  const eventId = wordOf(event.eventId) ?? event.id;
  const rest = {
    statusMessage,
    traceId,
    eventSequence,
    id: event.id === eventId ? undefined : event.id,
    createdAt: dateOf(event.createdAt)?.toISOString(),
    // Older versions wrote dates where later ones write text.
    hasDates: event.startTime instanceof Date ? true : undefined,
  };
  return {
    id: eventId,
    type: wordOf(event.type) ?? "workflow",
    name: wordOf(event.name) ?? "event",
    parentEventId: wordOf(event.parentEventId),
    level: wordOf(event.level),
    status: event.status,
    input: event.input ?? undefined,
    output: event.output ?? undefined,
    metadata: withRest(event.metadata, rest),
    startedAt: dateOf(event.startTime),
    endedAt: dateOf(event.endTime),
  };
}

function toEvent(runId: string, event: RunEvent): WorkflowTimelineEvent {
  const { own, rest } = withoutRest(event.metadata);
  const { id = event.id, createdAt, hasDates, ...others } = rest;
  const { name, type, level, status = "unknown", parentEventId, input, output, startedAt, endedAt } = event;
  const written = (time: Date) => (hasDates === true ? time : time.toISOString());
  return {
    ...defined({ ...others, level, parentEventId, input, output, metadata: own, endTime: endedAt && written(endedAt) }),
    id: String(id),
    workflowHistoryId: runId,
    eventId: event.id,
    name,
    type,
    status,
    startTime: written(startedAt),
    createdAt: dateOf(createdAt) ?? startedAt,
  };
}

/** By start; those of one moment by their sequence. */
export function timelineOf(tree: RunTree): WorkflowTimelineEvent[] {
  const events = eventsOf(tree).map((event) => toEvent(tree.id, event));
  const time = ({ startTime }: WorkflowTimelineEvent) => new Date(startTime).getTime();
  return events.sort((left, right) => time(left) - time(right) || (left.eventSequence ?? 0) - (right.eventSequence ?? 0));
}

export async function getEvent(place: Place, known: KnownParts, id: string): Promise<WorkflowTimelineEvent | null> {
  const tree = await treeOfPart(place, known, "run_event", id);
  return (tree && timelineOf(tree).find((event) => event.eventId === id)) ?? null;
}

export async function getEvents(place: Place, workflowHistoryId: string): Promise<WorkflowTimelineEvent[]> {
  const tree = await findWorkflow(place, workflowHistoryId);
  return tree === undefined ? [] : timelineOf(tree);
}

export const deleteEvent = (place: Place, id: string) => deletePart(place, "run_event", id);

const ofWorkflows =
  "r.tenant = $1 AND r.type = 'run' AND r.metadata->>'kind' = 'workflow' AND (r.expires_at IS NULL OR r.expires_at > now())";

/** Ids of all workflows that have run. */
export async function workflowIds(place: Place): Promise<string[]> {
  const rows = await place.query<{ id: string }>("list workflows", {
    text: `SELECT DISTINCT r.metadata->>'agentId' AS id FROM ${place.names.table.records} r WHERE ${ofWorkflows} ORDER BY 1`,
    values: [tenant],
  });
  return rows.map(({ id }) => id);
}

/** In one query. */
export async function workflowStats(place: Place, workflowId: string): Promise<WorkflowStats> {
  const [row] = await place.query<{ total: number; successful: number; failed: number; average: number | null; last: number | null }>(
    "workflow stats",
    {
      text: `SELECT count(*) AS total, count(*) FILTER (WHERE r.metadata->>'status' = 'completed') AS successful,
        count(*) FILTER (WHERE r.metadata->>'status' = 'error') AS failed,
        avg((r.metadata->>'endedAt')::float8 - r.position) AS average, max(r.position) AS last
      FROM ${place.names.table.records} r WHERE ${ofWorkflows} AND r.metadata->>'agentId' = $2`,
      values: [tenant, workflowId],
    },
  );
  return {
    totalExecutions: row?.total ?? 0,
    successfulExecutions: row?.successful ?? 0,
    failedExecutions: row?.failed ?? 0,
    averageExecutionTime: row?.average ?? 0,
    ...(typeof row?.last === "number" ? { lastExecutionTime: new Date(row.last) } : {}),
  };
}

/** Deletes all but the newest runs of a workflow; how many there were. */
export async function cleanUp(place: Place, workflowId: string, maxEntries: number): Promise<number> {
  const { runs } = place.memory();
  let deleted = 0;
  for (;;) {
    const { items } = await runs.list({ kind: "workflow", agentId: workflowId, offset: Math.max(0, maxEntries), limit: pageSize });
    if (items.length === 0) return deleted;
    for (const [userId, own] of Map.groupBy(items, (run) => run.userId))
      deleted += await runs.delete(
        own.map(({ id }) => id),
        { userId },
      );
  }
}
