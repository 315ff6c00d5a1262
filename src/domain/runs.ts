import type { CallOptions } from "./call-options.ts";
import type { Page } from "./conversation.ts";
import type { Metadata } from "./message.ts";

/**
 * One execution of an agent or of a workflow. What it took, gave and needs (`input`, `output`, `usage`, `state`) is JSON and
 * comes back to the letter; `undefined` stays `undefined`.
 */
export interface Run {
  /** Unique within its user. */
  readonly id: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly conversationId: string | undefined;
  readonly kind: "agent" | "workflow";
  /** Which agent, or which workflow. */
  readonly agentId: string;
  readonly name: string | undefined;
  /** `"running"` when it starts; any word of the framework's after that, e.g. `"completed"`, `"suspended"`, `"error"`. */
  readonly status: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly usage: unknown;
  readonly metadata: Metadata;
  /** What a framework needs to go on with the run, to the letter. */
  readonly state: unknown;
  readonly parentRunId: string | undefined;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  readonly updatedAt: Date;
  /** 1, and one more with each change of the run itself. */
  readonly version: number;
}

/** A step of a run, in the order of `index`. */
export interface RunStep {
  /** Unique within its run. */
  readonly id: string;
  readonly runId: string;
  readonly index: number;
  /** E.g. `"text"`, `"tool_call"`, `"tool_result"`. */
  readonly type: string;
  readonly name: string | undefined;
  readonly status: string | undefined;
  readonly input: unknown;
  readonly output: unknown;
  readonly metadata: Metadata;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
}

/** A point on the timeline of a run. Events form a tree by `parentEventId`. */
export interface RunEvent {
  /** Unique within its run. */
  readonly id: string;
  readonly runId: string;
  readonly parentEventId: string | undefined;
  readonly type: string;
  readonly name: string;
  readonly level: string | undefined;
  readonly status: string | undefined;
  readonly input: unknown;
  readonly output: unknown;
  readonly metadata: Metadata;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
}

/** A run with all it did. */
export interface RunTree extends Run {
  /** By `index`. */
  readonly steps: readonly RunStep[];
  /** By start; those without a parent, with their children below. */
  readonly events: readonly RunEventNode[];
}

/** An event with those below it, by start. */
export interface RunEventNode extends RunEvent {
  readonly children: readonly RunEventNode[];
}

/** A run to be written: whose it is, who does it, and how it stands. */
export interface RunInput {
  /** The same id again replaces the run and keeps its steps and events. @default a new UUID */
  readonly id?: string | undefined;
  /** Administrator's handle: whose it is. @default the conversation's owner, where one is named */
  readonly userId?: string | undefined;
  /** The app it belongs to. @default the scope's, else "default" */
  readonly resourceId?: string | undefined;
  /** The run is deleted with it. It need not be there yet. */
  readonly conversationId?: string | undefined;
  /** @default "agent" */
  readonly kind?: "agent" | "workflow" | undefined;
  readonly agentId: string;
  readonly name?: string | undefined;
  /** @default "running" */
  readonly status?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly usage?: unknown;
  readonly metadata?: Metadata | undefined;
  readonly state?: unknown;
  readonly parentRunId?: string | undefined;
  /** @default now */
  readonly startedAt?: Date | undefined;
  readonly endedAt?: Date | undefined;
}

/** What `runs.update` changes; what is left out or undefined stays. `metadata` replaces the whole. */
export type RunChanges = Partial<Omit<RunInput, "id" | "userId" | "resourceId" | "conversationId" | "kind" | "agentId">>;

/** Which run is meant, and which version it must have. */
export interface UpdateRunOptions extends CallOptions {
  /** Administrator's handle: whose it is. @default the one of this id that started last */
  readonly userId?: string | undefined;
  /** The version it must have: what another writer changed meanwhile is then a `ConflictError`. @default any */
  readonly ifVersion?: number | undefined;
}

/** A step to be written, in place of the one of this id. */
export interface RunStepInput {
  readonly id: string;
  readonly type: string;
  /** @default the next one; of a step that is replaced, its own */
  readonly index?: number | undefined;
  readonly name?: string | undefined;
  readonly status?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly metadata?: Metadata | undefined;
  /** @default now */
  readonly startedAt?: Date | undefined;
  readonly endedAt?: Date | undefined;
}

/** An event to be written, in place of the one of this id. */
export interface RunEventInput {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly parentEventId?: string | undefined;
  readonly level?: string | undefined;
  readonly status?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly metadata?: Metadata | undefined;
  /** @default now */
  readonly startedAt?: Date | undefined;
  readonly endedAt?: Date | undefined;
}

/** What is written of a run in one batch. */
export interface RunRecording {
  readonly steps?: readonly RunStepInput[] | undefined;
  readonly events?: readonly RunEventInput[] | undefined;
}

/** Which run: ids are unique within a user. */
export interface RunOptions extends CallOptions {
  /** Administrator's handle: whose it is. @default the one of this id that started last */
  readonly userId?: string | undefined;
}

/** Which runs, and in which order; all conditions must hold. */
export interface ListRunsOptions extends CallOptions {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly kind?: "agent" | "workflow" | undefined;
  readonly agentId?: string | undefined;
  readonly conversationId?: string | undefined;
  readonly status?: string | readonly string[] | undefined;
  readonly parentRunId?: string | undefined;
  /** Started at or after. */
  readonly since?: Date | undefined;
  /** Started before. */
  readonly until?: Date | undefined;
  /** Equality on top-level fields of `metadata`. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>> | undefined;
  /** Order of start. @default "desc" */
  readonly direction?: "asc" | "desc" | undefined;
  /** 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  readonly offset?: number | undefined;
}

/** `runs` of a handle: what agents and workflows did, kept as long as `createMemory({ runs: { keepDays } })` says. */
export interface Runs {
  /** Writes the run, in one write. @throws ConflictError when the id is taken by a run of another resource than the scope's */
  start(input: RunInput, options?: CallOptions): Promise<Run>;
  /** Changes fields of a run; what others change at the same time stays. @throws NotFoundError */
  update(id: string, changes: RunChanges, options?: UpdateRunOptions): Promise<Run>;
  /** Writes steps and events in one batch; the same ids again replace them. @throws NotFoundError for the run */
  record(id: string, what: RunRecording, options?: RunOptions): Promise<void>;
  /** The run alone. @throws NotFoundError */
  get(id: string, options?: RunOptions): Promise<Run>;
  /** The run with steps and events, in one trip. @throws NotFoundError */
  tree(id: string, options?: RunOptions): Promise<RunTree>;
  /** Runs in the order of their start. */
  list(options?: ListRunsOptions): Promise<Page<Run>>;
  /** A page of runs with steps and events, in one trip for the page and one for all that hangs on it. */
  trees(options?: ListRunsOptions): Promise<Page<RunTree>>;
  /** How many runs match. */
  count(options?: Omit<ListRunsOptions, "limit" | "cursor" | "offset" | "direction">): Promise<number>;
  /** Deletes runs with steps and events; how many runs there were. Runs they started stay. */
  delete(ids: string | readonly string[], options?: RunOptions): Promise<number>;
}
