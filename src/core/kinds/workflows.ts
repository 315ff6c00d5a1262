import type { Page } from "../../domain/conversation.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { Metadata } from "../../domain/message.ts";
import type { MemoryRecord, RecordCallOptions } from "../../domain/records.ts";
import { orderedUuid } from "../../internal/ordered-uuid.ts";
import type { RecordsHandle } from "./put-or-update.ts";

/** One step: what went in, what came out, or why it failed. */
export interface WorkflowStep {
  readonly name: string;
  readonly input?: unknown;
  readonly output?: unknown;
  /** Why it failed, if it did. */
  readonly error?: string | undefined;
}

/** How a workflow ended. */
export type WorkflowOutcome = "success" | "failure";

/** How something was done, or how far it has come. */
export interface WorkflowInput {
  /** The same id again replaces it, e.g. when it has ended. @default a new UUID */
  readonly id?: string | undefined;
  readonly name: string;
  readonly description?: string | undefined;
  /** What was asked for. */
  readonly query?: string | undefined;
  readonly steps?: readonly (WorkflowStep | string)[] | undefined;
  /** Undefined: it has not ended. */
  readonly outcome?: WorkflowOutcome | undefined;
  readonly metadata?: Metadata | undefined;
}

/** How something was done once. */
export interface Workflow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly query: string;
  readonly metadata: Metadata;
  readonly steps: readonly WorkflowStep[];
  readonly outcome: WorkflowOutcome | undefined;
  readonly createdAt: Date;
}

/** A workflow that a search found. Scores order one result; `similarity` is the cosine, undefined when words alone found it. */
export interface FoundWorkflow extends Workflow {
  readonly score: number;
  readonly similarity: number | undefined;
}

/** Whose workflows, with which outcome, how many, and how near to what is asked. */
export interface FindWorkflowsOptions extends RecordCallOptions {
  /** Only those that ended like this. @default any */
  readonly outcome?: WorkflowOutcome | undefined;
  /** 1 to 1000. @default 5, of `list` 50 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1. @default none */
  readonly minSimilarity?: number | undefined;
}

/** What {@link workflows} gives: how things were done before. */
export interface Workflows {
  /** Stores how something was done, or replaces it. */
  put(workflow: WorkflowInput, options?: RecordCallOptions): Promise<Workflow>;
  /** Undefined: it is not there. */
  get(id: string, options?: RecordCallOptions): Promise<Workflow | undefined>;
  /** How something like this was done before, best first. */
  find(query: string, options?: FindWorkflowsOptions): Promise<readonly FoundWorkflow[]>;
  /** Newest first. */
  list(
    options?: Pick<FindWorkflowsOptions, "outcome" | "limit" | "userId" | "signal"> & { readonly cursor?: string },
  ): Promise<Page<Workflow>>;
  /** Whether it was there. */
  delete(id: string, options?: RecordCallOptions): Promise<boolean>;
}

const type = "workflow_memory";

/**
 * Workflows of agents, kept as records of the type `"workflow_memory"`: what was asked, the steps, and how it ended.
 *
 * @example
 * const past = workflows(memory.scope({ userId: "user-123" }));
 * await past.put({ name: "refund", query: "I want my money back", steps: ["find order", "refund"], outcome: "success" });
 * const [similar] = await past.find("Please return my payment", { outcome: "success" });
 */
export function workflows({ records }: RecordsHandle): Workflows {
  return {
    async put(input, options) {
      const { id = orderedUuid(), name } = input;
      return toWorkflow(await records.put({ id, type, name, ...checked(input) }, options));
    },
    async get(id, options) {
      const found = await records.get(type, id, options);
      return found && toWorkflow(found);
    },
    async find(query, { outcome, limit = 5, ...options } = {}) {
      const hits = await records.query({ ...options, type, text: query, limit, filter: filterOf(outcome) });
      return hits.map(({ record, score, scores }) => ({ ...toWorkflow(record), score, similarity: scores.vector }));
    },
    async list({ outcome, ...options } = {}) {
      const page = await records.list({ ...options, type, filter: filterOf(outcome) });
      return { ...page, items: page.items.map(toWorkflow) };
    },
    delete: async (id, options) => (await records.delete(type, id, options)) > 0,
  };
}

const filterOf = (outcome: WorkflowOutcome | undefined) => (outcome === undefined ? undefined : { outcome });

/** Its steps are found by their names: what went through them is not. */
function checked({ name, description = "", query = "", steps = [], outcome, metadata = {} }: WorkflowInput) {
  if (typeof name !== "string" || name === "") throw new InvalidArgumentError("name", "must be a string that is not empty");
  if (outcome !== undefined && outcome !== "success" && outcome !== "failure")
    throw new InvalidArgumentError("outcome", 'must be "success" or "failure"');
  if (!Array.isArray(steps)) throw new InvalidArgumentError("steps", "must be a list");
  const all = steps.map((step) => (typeof step === "string" ? { name: step } : step));
  if (all.some((step) => typeof step?.name !== "string" || step.name === "")) throw new InvalidArgumentError("steps", "each have a name");
  const content = [query, description, all.map((step) => step.name).join(", ")].filter((text) => text !== "").join("\n");
  return { content, metadata: { description, query, steps: all, metadata, ...(outcome !== undefined && { outcome }) } };
}

function toWorkflow({ id, name = "", content, metadata: stored, createdAt }: MemoryRecord): Workflow {
  // Another program may have stored it otherwise.
  const { description = content, query = "", steps, metadata = {}, outcome } = stored as Partial<Workflow>;
  return { id, name, description, query, steps: Array.isArray(steps) ? steps : [], outcome, metadata, createdAt };
}
