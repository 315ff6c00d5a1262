import type { WorkflowStateEntry } from "../../../adapters/voltagent/shapes.ts";
import { workflowRun } from "../../../adapters/voltagent/stored-runs.ts";
import type { RunEventInput, RunInput, RunStepInput } from "../../../domain/runs.ts";
import { fieldOf, type OldRow, objectOf, timeOf, wordOf } from "./old-rows.ts";

// How the histories of older versions stand in `memory.runs`. What a run, step or event has no field for is in its
// metadata under "voltagent".

/** An entry of an agent's history. */
export function historyRun(row: OldRow): RunInput {
  return {
    kind: "agent",
    agentId: wordOf(row.agent_id) ?? "unknown",
    conversationId: wordOf(row.conversationid),
    status: wordOf(row.status) ?? "unknown",
    input: fieldOf(row.input),
    output: fieldOf(row.output),
    usage: fieldOf(row.usage),
    metadata: objectOf(row.metadata),
    startedAt: timeOf(row.timestamp),
  };
}

/** A step of an agent's history: any object, kept as the output. */
export function historyStep(row: OldRow): RunStepInput {
  const { type, name } = objectOf(row.value);
  return { id: String(row.key), type: wordOf(type) ?? "step", name: wordOf(name), output: fieldOf(row.value) };
}

/** An event on the timeline of an agent's run. */
export function timelineEvent(row: OldRow): RunEventInput {
  const { status_message: statusMessage, version, tags, error } = row;
  return {
    ...eventFields(row),
    id: String(row.id),
    type: wordOf(row.event_type) ?? "event",
    name: wordOf(row.event_name) ?? "event",
    metadata: withRest(row.metadata, { statusMessage, version, tags, error }),
  };
}

/** An entry of a workflow's history, which is its state as far as it was kept. */
export function workflowHistoryRun(row: OldRow, id: string): RunInput {
  const startedAt = timeOf(row.start_time) ?? new Date(0);
  const endedAt = timeOf(row.end_time);
  const entry = {
    id,
    workflowId: wordOf(row.workflow_id) ?? "unknown",
    workflowName: wordOf(row.name) ?? "unknown",
    status: wordOf(row.status) as WorkflowStateEntry["status"],
    input: fieldOf(row.input),
    output: fieldOf(row.output),
    metadata: objectOf(row.metadata),
    ...(wordOf(row.conversation_id) === undefined ? {} : { conversationId: wordOf(row.conversation_id) as string }),
    createdAt: startedAt,
    updatedAt: timeOf(row.updated_at) ?? endedAt ?? startedAt,
  };
  return { ...workflowRun(id, entry), endedAt };
}

export function workflowStep(row: OldRow): RunStepInput {
  return {
    id: String(row.id),
    type: wordOf(row.step_type) ?? "step",
    name: wordOf(row.step_name),
    status: wordOf(row.status),
    index: typeof row.step_index === "number" ? row.step_index : undefined,
    input: fieldOf(row.input),
    output: fieldOf(row.output),
    metadata: withRest(undefined, { error: row.error_message, agentExecutionId: row.agent_execution_id }),
    startedAt: timeOf(row.start_time),
    endedAt: timeOf(row.end_time),
  };
}

export function workflowEvent(row: OldRow): RunEventInput {
  const { status_message: statusMessage, trace_id: traceId, event_sequence: eventSequence } = row;
  return {
    ...eventFields(row),
    id: String(row.event_id),
    type: wordOf(row.type) ?? "event",
    name: wordOf(row.name) ?? "event",
    metadata: withRest(row.metadata, { statusMessage, traceId, eventSequence }),
  };
}

function eventFields(row: OldRow) {
  return {
    parentEventId: wordOf(row.parent_event_id),
    level: wordOf(row.level),
    status: wordOf(row.status),
    input: fieldOf(row.input),
    output: fieldOf(row.output),
    startedAt: timeOf(row.start_time),
    endedAt: timeOf(row.end_time),
  };
}

function withRest(metadata: unknown, rest: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const kept = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  return { ...objectOf(metadata), ...(kept.length === 0 ? {} : { voltagent: Object.fromEntries(kept) }) };
}
