import type { Run, RunInput, RunStep, RunStepInput } from "../../domain/runs.ts";
import { stableId } from "../../internal/stable-id.ts";
import { storableJson } from "../../internal/storable-json.ts";
import type { ConversationStepRecord, WorkflowStateEntry, WorkflowStatus } from "./shapes.ts";

// How VoltAgent's workflow states and conversation steps stand in `memory.runs`. A workflow state is a run of kind
// "workflow" under its execution id; the steps of one operation are those of a run of kind "agent".

/** Whose runs are that VoltAgent gives no user. */
export const nobody = "default";

/** What the fields of a run have no place for. */
interface WorkflowRest
  extends Pick<WorkflowStateEntry, "context" | "workflowState" | "events" | "replayedFromExecutionId" | "replayFromStepId"> {
  readonly suspension?: unknown;
  readonly cancellation?: unknown;
  readonly updatedAt: string;
  /** Fields that were not given: what a run has in their place is its default. */
  readonly without?: readonly string[];
}

const optionalFields = ["userId", "metadata", "input", "output"] as const;
const ended: readonly WorkflowStatus[] = ["completed", "cancelled", "error"];

/** The run that keeps a workflow state; `owner`: whose it is where the state does not say. */
export function workflowRun(
  executionId: string,
  entry: WorkflowStateEntry,
  owner: string = nobody,
): RunInput & { readonly id: string; readonly userId: string } {
  const { context, workflowState, suspension, events, cancellation, replayedFromExecutionId, replayFromStepId } = entry;
  const without = optionalFields.filter((field) => entry[field] === undefined);
  const rest: WorkflowRest = {
    ...(context === undefined ? {} : { context: context.filter(([key]) => typeof key === "string") }),
    ...defined({ workflowState, suspension, events, cancellation, replayedFromExecutionId, replayFromStepId }),
    updatedAt: entry.updatedAt.toISOString(),
    ...(without.length === 0 ? {} : { without }),
  };
  return {
    id: executionId,
    kind: "workflow",
    userId: entry.userId ?? owner,
    conversationId: entry.conversationId,
    agentId: entry.workflowId,
    name: entry.workflowName,
    status: entry.status,
    input: storableJson(entry.input),
    output: storableJson(entry.output),
    metadata: storableJson(entry.metadata ?? {}) as Record<string, unknown>,
    state: storableJson(rest),
    startedAt: entry.createdAt,
    endedAt: ended.includes(entry.status) ? entry.updatedAt : undefined,
  };
}

/** The workflow state a run keeps. One that was written through `memory.runs` has no state, or another. */
export function toWorkflowState(run: Run): WorkflowStateEntry {
  const state: Partial<WorkflowRest> = typeof run.state === "object" && run.state !== null ? run.state : {};
  const { updatedAt, without = [], suspension, cancellation, ...rest } = state;
  const optional = { userId: run.userId, metadata: run.metadata, input: run.input, output: run.output };
  return {
    ...rest,
    ...defined({ conversationId: run.conversationId }),
    ...Object.fromEntries(Object.entries(defined(optional)).filter(([field]) => !without.includes(field))),
    ...defined({
      suspension: revived(suspension as WorkflowStateEntry["suspension"], "suspendedAt"),
      cancellation: revived(cancellation as WorkflowStateEntry["cancellation"], "cancelledAt"),
    }),
    id: run.id,
    workflowId: run.agentId,
    workflowName: run.name ?? run.agentId,
    status: run.status as WorkflowStatus,
    createdAt: run.startedAt,
    updatedAt: updatedAt === undefined ? run.updatedAt : new Date(updatedAt),
  };
}

/** JSON has no dates. */
function revived<Value extends object>(value: Value | undefined, field: keyof Value): Value | undefined {
  return value === undefined || value[field] === undefined ? value : { ...value, [field]: new Date(value[field] as string) };
}

/** Tells the runs of {@link stepsRun} from others: a field of their metadata. */
export const stepsMark = { source: "voltagent" } as const;

/** Id of the run that holds the steps of an operation. */
export const stepsRunId = (conversationId: string, operationId: string) => stableId("voltagent steps", conversationId, operationId);

/** The run that holds the steps of an operation. */
export function stepsRun(step: ConversationStepRecord): RunInput & { readonly id: string } {
  return {
    id: stepsRunId(step.conversationId, step.operationId),
    kind: "agent",
    userId: step.userId,
    conversationId: step.conversationId,
    agentId: step.agentId,
    name: step.agentName,
    status: "recorded",
    metadata: { ...stepsMark, operationId: step.operationId },
    startedAt: new Date(step.createdAt),
  };
}

/**
 * The step as a step of its run. VoltAgent gives a tool's call and its result one id: they are two steps here, so that the
 * result does not take the place of the call.
 */
export function runStep(step: ConversationStepRecord): RunStepInput {
  const { conversationId: _conversation, userId: _user, operationId: _operation, stepIndex, arguments: input, result, ...rest } = step;
  return {
    id: stepId(step),
    type: step.type,
    index: stepIndex,
    input: storableJson(input),
    output: storableJson(result),
    metadata: storableJson(rest) as Record<string, unknown>,
    startedAt: new Date(step.createdAt),
  };
}

const stepId = ({ id, type }: ConversationStepRecord) => (id.length <= longestReadableId ? `${type}:${id}` : stableId(type, id));

/** Ids have at most 512 characters. */
const longestReadableId = 200;

/** What {@link runStep} was made of. */
export function toConversationStep(run: Run, step: RunStep): ConversationStepRecord {
  type Rest = Pick<ConversationStepRecord, "id" | "type" | "agentId" | "role" | "createdAt">;
  return {
    ...(step.metadata as unknown as Rest),
    ...defined({ arguments: step.input as ConversationStepRecord["arguments"], result: step.output as ConversationStepRecord["result"] }),
    conversationId: run.conversationId as string,
    userId: run.userId,
    operationId: run.metadata.operationId as string,
    stepIndex: step.index,
  };
}

type Defined<Fields> = { [Field in keyof Fields]?: Exclude<Fields[Field], undefined> };

/** Without the fields that are undefined. */
function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>;
}
