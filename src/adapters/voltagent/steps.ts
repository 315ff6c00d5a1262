import { NotFoundError } from "../../domain/errors.ts";
import type { Memory } from "../../domain/memory.ts";
import type { RunTree } from "../../domain/runs.ts";
import { otherwise } from "./messages.ts";
import type { ConversationStepRecord, GetConversationStepsOptions } from "./shapes.ts";
import { runStep, stepsMark, stepsRun, stepsRunId, toConversationStep } from "./stored-runs.ts";

const runsAtOnce = 100;
const deletedAtOnce = 1000;

/** Writes the steps of each operation in one batch. @throws NotFoundError for a conversation that is not theirs */
export async function saveSteps(memory: Memory, steps: readonly ConversationStepRecord[]): Promise<void> {
  const operations = Map.groupBy(steps, ({ userId, conversationId, operationId }) => JSON.stringify([userId, conversationId, operationId]));
  for (const [first, ...others] of operations.values() as Iterable<[ConversationStepRecord, ...ConversationStepRecord[]]>) {
    const { userId, conversationId } = first;
    const mine = memory.scope({ userId });
    await mine.conversations.get(conversationId);
    const { userId: _user, ...run } = stepsRun(first);
    const distinct = new Map([first, ...others].map((step) => runStep(step)).map((step) => [step.id, step]));
    const recording = { steps: [...distinct.values()] };
    try {
      await mine.runs.record(run.id, recording);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      await mine.runs.start(run);
      // What is older than runs are kept is gone at once, and what belongs to a conversation that is being deleted.
      await mine.runs.record(run.id, recording).catch((error: unknown) => otherwise(error, undefined));
    }
  }
}

/** Operation by operation, in the order they began; within one by index. */
export async function getSteps(
  memory: Memory,
  userId: string,
  conversationId: string,
  { limit, operationId }: GetConversationStepsOptions,
): Promise<ConversationStepRecord[]> {
  const wanted = limit !== undefined && limit > 0 ? Math.ceil(limit) : Number.POSITIVE_INFINITY;
  const trees =
    operationId === undefined ? newestTrees(memory, userId, conversationId, wanted) : oneTree(memory, userId, conversationId, operationId);
  const steps = (await trees).flatMap((run) => run.steps.map((step) => toConversationStep(run, step)).sort(inOrder));
  return steps.slice(Math.max(0, steps.length - wanted));
}

const places = { text: 0, tool_call: 1, tool_result: 2 } as const;

/** What stands at one index is said first, then asked of a tool, then answered by it. */
function inOrder(left: ConversationStepRecord, right: ConversationStepRecord): number {
  return left.stepIndex - right.stepIndex || places[left.type] - places[right.type];
}

async function oneTree(memory: Memory, userId: string, conversationId: string, operationId: string): Promise<RunTree[]> {
  try {
    return [await memory.scope({ userId }).runs.tree(stepsRunId(conversationId, operationId))];
  } catch (error) {
    return otherwise(error, []);
  }
}

/** Enough of the newest operations for so many steps, oldest first. */
async function newestTrees(memory: Memory, userId: string, conversationId: string, wanted: number): Promise<RunTree[]> {
  const trees: RunTree[] = [];
  let steps = 0;
  let cursor: string | undefined;
  do {
    const page = await memory.runs.trees({ ...stepsOf(userId, conversationId), limit: runsAtOnce, cursor });
    trees.push(...page.items);
    steps += page.items.reduce((sum, run) => sum + run.steps.length, 0);
    cursor = page.nextCursor;
  } while (cursor !== undefined && steps < wanted);
  return trees.reverse();
}

/** Deletes the steps of a conversation, or of all the user has. */
export async function clearSteps(memory: Memory, userId: string, conversationId: string | undefined): Promise<void> {
  for (;;) {
    const { items } = await memory.runs.list({ ...stepsOf(userId, conversationId), limit: deletedAtOnce });
    if (items.length === 0) return;
    await memory.scope({ userId }).runs.delete(items.map(({ id }) => id));
    if (items.length < deletedAtOnce) return;
  }
}

const stepsOf = (userId: string, conversationId: string | undefined) =>
  ({ userId, conversationId, kind: "agent", metadata: stepsMark }) as const;
