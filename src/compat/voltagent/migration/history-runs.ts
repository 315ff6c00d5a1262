import type { ConversationStepRecord, WorkflowStateEntry } from "../../../adapters/voltagent/shapes.ts";
import { workflowRun } from "../../../adapters/voltagent/stored-runs.ts";
import type { RunEventInput, RunInput, RunStepInput } from "../../../domain/runs.ts";
import { fieldOf, type OldRow, objectOf, timeOf, withoutNull, wordOf } from "./old-rows.ts";

// How the histories of older versions stand in `memory.runs`, and what rows of today's hold. What a run, step or event has no field for is in its
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
    // Whether somebody was named: the run has to be somebody's.
    state: wordOf(row.userid) === undefined ? { withoutUser: true } : undefined,
    startedAt: timeOf(row.timestamp),
  };
}

/** A step of an agent's history: any object, kept as the output. */
export function historyStep(row: OldRow): RunStepInput {
  const { type, name, timestamp } = objectOf(row.value);
  return {
    id: String(row.key),
    type: wordOf(type) ?? "step",
    name: wordOf(name),
    output: fieldOf(row.value),
    startedAt: timeOf(timestamp),
  };
}

/** An event on the timeline of an agent's run. */
export function timelineEvent(row: OldRow): RunEventInput {
  const { version, tags, error } = row;
  return {
    ...eventFields(row),
    id: String(row.id),
    type: wordOf(row.event_type) ?? "event",
    name: wordOf(row.event_name) ?? "event",
    metadata: withRest(row.metadata, { statusMessage: parsedText(row.status_message), version, tags, error }),
  };
}

/** An entry of a workflow's history, which is its state as far as it was kept. */
export function workflowHistoryRun(row: OldRow, id: string): RunInput {
  const startedAt = timeOf(row.start_time) ?? new Date(0);
  const endedAt = timeOf(row.end_time);
  const optional = {
    userId: wordOf(row.user_id),
    conversationId: wordOf(row.conversation_id),
    input: row.input,
    output: row.output,
    metadata: row.metadata === null ? null : objectOf(row.metadata),
  };
  const entry = {
    ...(withoutNull(optional) as Partial<WorkflowStateEntry>),
    id,
    workflowId: wordOf(row.workflow_id) ?? "unknown",
    workflowName: wordOf(row.name) ?? "unknown",
    status: wordOf(row.status) as WorkflowStateEntry["status"],
    createdAt: startedAt,
    updatedAt: timeOf(row.updated_at) ?? endedAt ?? startedAt,
  };
  const run = workflowRun(id, entry);
  const state = { ...objectOf(run.state), ...withoutNull({ createdAt: timeOf(row.created_at)?.toISOString() }) };
  return { ...run, state, endedAt };
}

export function workflowStep(row: OldRow): RunStepInput {
  const rest = {
    error: parsedText(row.error_message),
    agentExecutionId: row.agent_execution_id,
    createdAt: timeOf(row.created_at)?.toISOString(),
    updatedAt: timeOf(row.updated_at)?.toISOString(),
  };
  return {
    id: String(row.id),
    type: wordOf(row.step_type) ?? "step",
    name: wordOf(row.step_name),
    status: wordOf(row.status),
    index: typeof row.step_index === "number" ? row.step_index : undefined,
    input: fieldOf(row.input),
    output: fieldOf(row.output),
    metadata: withRest(undefined, rest),
    startedAt: timeOf(row.start_time),
    endedAt: timeOf(row.end_time),
  };
}

export function workflowEvent(row: OldRow): RunEventInput {
  const rest = {
    statusMessage: parsedText(row.status_message),
    traceId: row.trace_id,
    eventSequence: row.event_sequence,
    createdAt: timeOf(row.created_at)?.toISOString(),
  };
  return {
    ...eventFields(row),
    id: String(row.event_id),
    type: wordOf(row.type) ?? "event",
    name: wordOf(row.name) ?? "event",
    metadata: withRest(row.metadata, rest),
  };
}

/** A step of today's storage. */
export function stepRecord(row: OldRow): ConversationStepRecord {
  const optional = {
    agentName: row.agent_name,
    content: row.content,
    arguments: row.arguments,
    result: row.result,
    usage: row.usage,
    subAgentId: row.sub_agent_id,
    subAgentName: row.sub_agent_name,
  };
  return {
    ...(withoutNull(optional) as Partial<ConversationStepRecord>),
    id: String(row.id),
    conversationId: String(row.conversation_id),
    userId: wordOf(row.user_id) ?? "default",
    agentId: wordOf(row.agent_id) ?? "unknown",
    operationId: wordOf(row.operation_id) ?? String(row.id),
    stepIndex: Number(row.step_index),
    type: (wordOf(row.type) ?? "text") as ConversationStepRecord["type"],
    role: (wordOf(row.role) ?? "assistant") as ConversationStepRecord["role"],
    createdAt: (timeOf(row.created_at) ?? new Date(0)).toISOString(),
  };
}

/** The state of a workflow in today's storage. */
export function stateEntry(row: OldRow, id: string): WorkflowStateEntry {
  const optional = {
    input: row.input,
    context: row.context,
    workflowState: row.workflow_state,
    suspension: row.suspension,
    events: row.events,
    output: row.output,
    cancellation: row.cancellation,
    userId: wordOf(row.user_id),
    conversationId: wordOf(row.conversation_id),
    metadata: row.metadata === null ? undefined : objectOf(row.metadata),
  };
  const createdAt = timeOf(row.created_at) ?? new Date(0);
  return {
    ...(withoutNull(optional) as Partial<WorkflowStateEntry>),
    id,
    workflowId: wordOf(row.workflow_id) ?? "unknown",
    workflowName: wordOf(row.workflow_name) ?? "unknown",
    status: (wordOf(row.status) ?? "completed") as WorkflowStateEntry["status"],
    createdAt,
    updatedAt: timeOf(row.updated_at) ?? createdAt,
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
  const kept = withoutNull(rest);
  return { ...objectOf(metadata), ...(Object.keys(kept).length === 0 ? {} : { voltagent: kept }) };
}

/** VoltAgent wrote messages and errors as the text of their JSON. */
function parsedText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
