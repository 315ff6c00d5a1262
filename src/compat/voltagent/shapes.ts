import type { Metadata } from "../../domain/message.ts";

/** A conversation as VoltAgent has it. */
export interface VoltagentConversation {
  id: string;
  resourceId: string;
  userId: string;
  title: string;
  metadata: Record<string, unknown>;
  /** ISO 8601. */
  createdAt: string;
  /** ISO 8601. */
  updatedAt: string;
}

/** A conversation to be made: whose it is, and with which agent or app. */
export interface CreateConversationInput {
  /** Empty or left out: a new UUID. */
  readonly id?: string | undefined;
  readonly resourceId: string;
  readonly userId: string;
  readonly title?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/** What conversations are ordered by. */
export type ConversationOrder = "created_at" | "updated_at" | "title";
/** Ascending, or descending. */
export type OrderDirection = "ASC" | "DESC";

/** Whose conversations, which page of them, and in which order. */
export interface ConversationQueryOptions {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** 0 or less: all of them, and no offset. @default 50 */
  readonly limit?: number | undefined;
  /** @default 0 */
  readonly offset?: number | undefined;
  /** @default "updated_at" */
  readonly orderBy?: ConversationOrder | undefined;
  /** @default "DESC" */
  readonly orderDirection?: OrderDirection | undefined;
}

/** What a message of VoltAgent 0.1 is: words, a call of a tool, or what the tool answered. */
export type MemoryMessageType = "text" | "tool-call" | "tool-result";

/** A message as VoltAgent 0.1 has it. */
export interface MemoryMessage {
  id: string;
  role: string;
  /** Text, which may be JSON, or parts. */
  content: string | unknown[];
  type: MemoryMessageType;
  /** ISO 8601. */
  createdAt: string;
}

/** A message as VoltAgent 1.0 has it: the AI SDK's UIMessage. */
export interface UiMessage {
  id: string;
  role: string;
  parts: unknown[];
  /** As it was given, with the time of the message as `createdAt`. */
  metadata: Record<string, unknown> & { createdAt: Date };
}

/** What `addMessage` takes: a message of either version. */
export interface MessageInputLike {
  readonly id?: string | undefined;
  readonly role: string;
  readonly content?: string | readonly unknown[] | undefined;
  readonly type?: string | undefined;
  readonly createdAt?: string | Date | undefined;
  readonly parts?: readonly unknown[] | undefined;
  readonly metadata?: unknown;
}

/** What VoltAgent 0.1 asks for messages by. `"default"` as a user or a conversation filters by none. */
export interface MessageFilterOptions {
  /** @default "default" */
  readonly userId?: string | undefined;
  /** @default "default" */
  readonly conversationId?: string | undefined;
  /** The newest so many; 0 or less: all. @default the storage's `storageLimit` */
  readonly limit?: number | undefined;
  /** Only messages created before; epoch milliseconds or a Date. */
  readonly before?: number | Date | undefined;
  /** Only messages created after; epoch milliseconds or a Date. */
  readonly after?: number | Date | undefined;
  readonly role?: string | undefined;
  readonly types?: readonly MemoryMessageType[] | undefined;
}

/** What VoltAgent 1.0 asks for messages by, beside user and conversation. */
export interface GetMessagesOptions {
  /** The newest so many; 0 or less: all. @default the storage's `storageLimit` */
  readonly limit?: number | undefined;
  readonly before?: Date | number | undefined;
  readonly after?: Date | number | undefined;
  readonly roles?: readonly string[] | undefined;
}

/** A conversation's message in both of VoltAgent's shapes at once. */
export type ConversationMessage = MemoryMessage & UiMessage;

/** An agent's history entry as it is written. */
export interface HistoryEntryInput {
  readonly timestamp?: Date | string | undefined;
  readonly status?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly usage?: unknown;
  readonly metadata?: unknown;
  readonly userId?: string | null | undefined;
  readonly conversationId?: string | null | undefined;
}

/** An agent's history entry with all that belongs to it; what was not written is null. */
export interface HistoryEntry {
  id: string;
  _agentId: string;
  timestamp: Date;
  status: string;
  input: unknown;
  output: unknown;
  usage: unknown;
  metadata: unknown;
  userId: string | null;
  conversationId: string | null;
  /** As they were written, in the order they were added. */
  steps: unknown[];
  events: TimelineEvent[];
}

/** A point on the timeline of an agent's run as it is written. */
export interface NewTimelineEvent {
  readonly id?: string | undefined;
  readonly type: string;
  readonly name: string;
  readonly startTime: string | Date;
  readonly endTime?: string | Date | undefined;
  readonly status?: string | undefined;
  readonly statusMessage?: unknown;
  /** @default "INFO" */
  readonly level?: string | undefined;
  readonly version?: string | undefined;
  readonly parentEventId?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
  readonly metadata?: unknown;
}

/** A point on the timeline of an agent's run; times are ISO 8601. */
export interface TimelineEvent extends NewTimelineEvent {
  readonly id: string;
  readonly startTime: string;
  readonly endTime?: string | undefined;
  readonly level: string;
}

/** One run of a workflow. */
export interface WorkflowHistoryEntry {
  id: string;
  workflowName: string;
  workflowId: string;
  /** `"running"`, `"completed"`, `"error"`, `"cancelled"`, `"suspended"`. */
  status: string;
  startTime: Date;
  endTime?: Date | undefined;
  input?: unknown;
  output?: unknown;
  metadata?: Record<string, unknown> | undefined;
  userId?: string | undefined;
  conversationId?: string | undefined;
  /** Empty but in `getWorkflowHistoryWithStepsAndEvents`. */
  steps?: WorkflowStepEntry[] | undefined;
  events?: WorkflowTimelineEvent[] | undefined;
  createdAt?: Date | undefined;
  updatedAt?: Date | undefined;
}

/** A step of a workflow's run; `stepIndex` is its place. */
export interface WorkflowStepEntry {
  id: string;
  workflowHistoryId: string;
  stepIndex: number;
  stepType: string;
  stepName: string;
  stepId?: string | undefined;
  status: string;
  startTime: Date;
  endTime?: Date | undefined;
  input?: unknown;
  output?: unknown;
  error?: unknown;
  agentExecutionId?: string | undefined;
  parallelIndex?: number | undefined;
  parallelParentStepId?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  createdAt?: Date | undefined;
  updatedAt?: Date | undefined;
}

/** A point on the timeline of a workflow's run. */
export interface WorkflowTimelineEvent {
  id: string;
  workflowHistoryId: string;
  eventId: string;
  name: string;
  type: string;
  startTime: string | Date;
  endTime?: string | Date | undefined;
  status: string;
  level?: string | undefined;
  input?: unknown;
  output?: unknown;
  statusMessage?: unknown;
  metadata?: Record<string, unknown> | undefined;
  traceId?: string | undefined;
  parentEventId?: string | undefined;
  eventSequence?: number | undefined;
  createdAt: Date;
}

/** How often a workflow ran, how it ended, and how long it took. */
export interface WorkflowStats {
  totalExecutions: number;
  /** Those with the status `"completed"`. */
  successfulExecutions: number;
  /** Those with the status `"error"`. */
  failedExecutions: number;
  /** Of those that ended, in milliseconds; 0 when none did. */
  averageExecutionTime: number;
  lastExecutionTime?: Date | undefined;
}
