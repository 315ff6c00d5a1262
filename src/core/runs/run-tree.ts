import type { Metadata } from "../../domain/message.ts";
import type { NewRecord, StoredRecord } from "../../domain/record-store.ts";
import type { Run, RunEvent, RunEventInput, RunEventNode, RunStep, RunStepInput, RunTree } from "../../domain/runs.ts";
import { stableId } from "../../internal/stable-id.ts";
import { validateId } from "../messages/normalize-message.ts";
import { parseCount } from "../validate.ts";
import { checkedDate, checkedMetadata, checkedText, jsonValue } from "./run-records.ts";

/** Record types of what hangs on a run. */
export const stepType = "run_step";
export const eventType = "run_event";

/** What steps and events have in common; times in epoch milliseconds. */
interface Part {
  readonly id: string;
  readonly type: string;
  readonly name?: string | undefined;
  readonly status?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly metadata: Metadata;
  readonly startedAt: number;
  readonly endedAt?: number | undefined;
  /** Among those of the same place: when it was recorded, and its place in that batch. */
  readonly recorded: readonly [time: number, place: number];
}

interface StepData extends Part {
  readonly index: number;
}

interface EventData extends Part {
  readonly name: string;
  readonly parentEventId?: string | undefined;
  readonly level?: string | undefined;
}

export const stepRecordId = (runId: string, stepId: string) => stableId("step", runId, stepId);

export function newStep(run: StoredRecord, input: RunStepInput, index: number, recorded: Part["recorded"]): NewRecord {
  const step: StepData = {
    ...partOf("steps", input, recorded),
    index: parseCount("steps.index", index, 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  };
  return recordOf(run, stepType, stepRecordId(run.id, step.id), index, step);
}

export function newEvent(run: StoredRecord, input: RunEventInput, recorded: Part["recorded"]): NewRecord {
  validateId("events.name", input.name);
  if (input.parentEventId !== undefined) validateId("events.parentEventId", input.parentEventId);
  const event: EventData = {
    ...partOf("events", input, recorded),
    name: input.name,
    parentEventId: input.parentEventId,
    level: checkedText("events.level", input.level),
  };
  return recordOf(run, eventType, stableId("event", run.id, event.id), event.startedAt, event);
}

function partOf(
  field: string,
  input: Omit<RunEventInput, "name"> & { readonly name?: string | undefined },
  recorded: Part["recorded"],
): Part {
  validateId(`${field}.id`, input.id);
  validateId(`${field}.type`, input.type);
  return {
    id: input.id,
    type: input.type,
    name: checkedText(`${field}.name`, input.name),
    status: checkedText(`${field}.status`, input.status),
    input: jsonValue(`${field}.input`, input.input),
    output: jsonValue(`${field}.output`, input.output),
    metadata: checkedMetadata(input.metadata) ?? {},
    startedAt: checkedDate(`${field}.startedAt`, input.startedAt)?.getTime() ?? Math.floor(recorded[0]),
    endedAt: checkedDate(`${field}.endedAt`, input.endedAt)?.getTime(),
    recorded,
  };
}

/** It belongs to whom the run belongs to, and is kept as long. */
function recordOf(run: StoredRecord, type: string, id: string, position: number, part: StepData | EventData): NewRecord {
  const { tenant, userId, resourceId, conversationId, expiresAt } = run;
  return {
    tenant,
    userId,
    resourceId,
    conversationId,
    type,
    id,
    name: run.id,
    key: undefined,
    content: "",
    data: { ...part },
    position,
    createdAt: new Date(part.startedAt),
    expiresAt,
  };
}

export const indexOf = (step: StoredRecord) => (step.data as unknown as StepData).index;

/** The run with what hangs on it, put in order. */
export function toTree(run: Run, parts: readonly StoredRecord[]): RunTree {
  const steps = parts.filter(({ type }) => type === stepType).map(({ data }) => data as unknown as StepData);
  const events = parts.filter(({ type }) => type === eventType).map(({ data }) => data as unknown as EventData);
  steps.sort((left, right) => left.index - right.index || byTime(left, right));
  events.sort(byTime);
  return { ...run, steps: steps.map((step) => toStep(run.id, step)), events: nest(events.map((event) => toEvent(run.id, event))) };
}

function byTime(left: Part, right: Part): number {
  return left.startedAt - right.startedAt || left.recorded[0] - right.recorded[0] || left.recorded[1] - right.recorded[1];
}

/** Events whose parent is not there stand at the top, as do those that would be below themselves. */
function nest(events: readonly RunEvent[]): RunEventNode[] {
  const nodes = new Map(events.map((event) => [event.id, { ...event, children: [] as RunEventNode[] }]));
  const top: RunEventNode[] = [];
  for (const node of nodes.values()) (isBelowItself(node, nodes) ? top : (nodes.get(node.parentEventId ?? "")?.children ?? top)).push(node);
  return top;
}

function isBelowItself(event: RunEvent, known: ReadonlyMap<string, RunEvent>): boolean {
  const seen = new Set<string>();
  for (let id = event.parentEventId; id !== undefined && !seen.has(id); id = known.get(id)?.parentEventId) {
    if (id === event.id) return true;
    seen.add(id);
  }
  return false;
}

function toStep(runId: string, { recorded: _recorded, startedAt, endedAt, name, status, ...step }: StepData): RunStep {
  return { ...step, ...shared(step), runId, name, status, ...times(startedAt, endedAt) };
}

function toEvent(runId: string, { recorded: _recorded, startedAt, endedAt, parentEventId, level, status, ...event }: EventData): RunEvent {
  return { ...event, ...shared(event), runId, parentEventId, level, status, ...times(startedAt, endedAt) };
}

/** Fields JSON leaves out are there as undefined. */
const shared = ({ input, output }: Pick<Part, "input" | "output">) => ({ input, output });

const times = (startedAt: number, endedAt: number | undefined) => ({
  startedAt: new Date(startedAt),
  endedAt: endedAt === undefined ? undefined : new Date(endedAt),
});
