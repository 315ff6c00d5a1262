import { isDeepStrictEqual } from "node:util";
import { ConflictError, NotFoundError } from "../../domain/errors.ts";
import type { Memory } from "../../domain/memory.ts";
import type { Run } from "../../domain/runs.ts";
import { storableJson } from "../../internal/storable-json.ts";
import { otherwise } from "./messages.ts";
import type { WorkflowRunQuery, WorkflowStateEntry } from "./shapes.ts";
import { nobody, toWorkflowState, workflowRun } from "./stored-runs.ts";

const mostAtOnce = 1000;
/** Rounds an update may lose to other writers. */
const mostRounds = 20;

export async function getWorkflowState(memory: Memory, executionId: string): Promise<WorkflowStateEntry | null> {
  const run = await findRun(memory, executionId);
  return run === undefined ? null : toWorkflowState(run);
}

async function findRun(memory: Memory, executionId: string): Promise<Run | undefined> {
  try {
    const run = await memory.runs.get(executionId);
    return run.kind === "workflow" ? run : undefined;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

export async function setWorkflowState(memory: Memory, executionId: string, state: WorkflowStateEntry): Promise<void> {
  const before = await findRun(memory, executionId);
  const run = workflowRun(executionId, state, await ownerOf(memory, state));
  await memory.runs.start(run);
  // Ids of runs are unique within a user only: one that changed hands is not left behind.
  if (before !== undefined && before.userId !== run.userId) await memory.runs.delete(executionId, { userId: before.userId });
}

/** Of whom the state or else its conversation is, so that it is deleted with them. */
async function ownerOf(memory: Memory, { userId, conversationId }: WorkflowStateEntry): Promise<string> {
  if (userId !== undefined || !conversationId) return userId ?? nobody;
  const conversation = await memory.conversations.get(conversationId).catch((error: unknown) => otherwise(error, undefined));
  return conversation?.userId ?? nobody;
}

/** Changes fields of a state; what other writers change at the same time stays. */
export async function updateWorkflowState(memory: Memory, executionId: string, updates: Partial<WorkflowStateEntry>): Promise<void> {
  for (let round = 1; ; round++) {
    const run = await findRun(memory, executionId);
    if (run === undefined) throw new Error(`Workflow state ${executionId} not found`);
    try {
      return await writeUpdate(memory, run, { ...toWorkflowState(run), ...updates, updatedAt: new Date() });
    } catch (error) {
      if (!(error instanceof ConflictError) || round === mostRounds) throw error;
    }
  }
}

async function writeUpdate(memory: Memory, before: Run, entry: WorkflowStateEntry): Promise<void> {
  const { id, userId, conversationId, kind: _kind, agentId, ...changes } = workflowRun(before.id, entry, await ownerOf(memory, entry));
  const isElsewhere = userId !== before.userId || conversationId !== before.conversationId || agentId !== before.agentId;
  if (isElsewhere || clears(before, changes)) return setWorkflowState(memory, id, entry);
  await memory.runs.update(id, changes, { userId, ifVersion: before.version });
}

/** An update leaves what is undefined as it was. */
function clears(before: Run, changes: { readonly input?: unknown; readonly output?: unknown }): boolean {
  return (["input", "output"] as const).some((field) => before[field] !== undefined && changes[field] === undefined);
}

/** Newest first. */
export async function queryWorkflowRuns(memory: Memory, query: WorkflowRunQuery): Promise<WorkflowStateEntry[]> {
  const { limit, offset = 0 } = query;
  const wanted = limit !== undefined && limit > 0 ? offset + limit : Number.POSITIVE_INFINITY;
  const found: WorkflowStateEntry[] = [];
  let cursor: string | undefined;
  do {
    const page = await memory.runs.list({ ...conditions(query), limit: pageSize(wanted), cursor });
    found.push(...page.items.map(toWorkflowState).filter((state) => matches(state, query)));
    cursor = page.nextCursor;
  } while (cursor !== undefined && found.length < wanted);
  return found.slice(offset, wanted);
}

const pageSize = (wanted: number) => Math.min(Math.max(wanted, 1), mostAtOnce);

function conditions({ workflowId, status, from, to, userId, metadata = {} }: WorkflowRunQuery) {
  const scalars = Object.entries(metadata).filter((entry): entry is [string, string | number | boolean | null] => isScalar(entry[1]));
  return {
    kind: "workflow" as const,
    agentId: workflowId || undefined,
    status: status || undefined,
    since: from,
    // The end counts in VoltAgent; times are whole milliseconds.
    until: to && new Date(to.getTime() + 1),
    userId: userId || undefined,
    metadata: Object.fromEntries(scalars),
  };
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

/** What the store was not asked for. */
function matches(state: WorkflowStateEntry, { userId, metadata = {} }: WorkflowRunQuery): boolean {
  if (userId && state.userId !== userId) return false;
  return Object.entries(metadata).every(([field, value]) => isScalar(value) || contains(state.metadata?.[field], storableJson(value)));
}

/** As PostgreSQL's `@>` has it: objects hold at least these fields, arrays at least these items. */
function contains(held: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) return Array.isArray(held) && wanted.every((item) => held.some((one) => contains(one, item)));
  if (typeof wanted !== "object" || wanted === null) return isDeepStrictEqual(held, wanted);
  if (typeof held !== "object" || held === null || Array.isArray(held)) return false;
  return Object.entries(wanted).every(
    ([field, value]) => Object.hasOwn(held, field) && contains((held as Record<string, unknown>)[field], value),
  );
}
