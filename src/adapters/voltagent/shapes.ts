// What VoltAgent hands in and takes back, written down again: the adapters compile without its package.

/** A `UIMessage` of any version of the AI SDK. */
export interface UiMessageLike {
  readonly id: string;
  readonly role: string;
  readonly parts: readonly unknown[];
  readonly metadata?: unknown;
}

/** Which messages of a conversation. @default all */
export interface GetMessagesOptions {
  /** The newest so many. */
  limit?: number;
  /** Created before (exclusive). */
  before?: Date;
  /** Created after (exclusive). */
  after?: Date;
  roles?: string[];
}

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

/** A conversation to be made; with an empty `id` it gets a new UUID. */
export type CreateConversationInput = Omit<VoltagentConversation, "createdAt" | "updatedAt">;

/** Whose conversations, and in which order; naming neither user nor resource asks for everybody's. */
export interface ConversationQueryOptions {
  userId?: string;
  resourceId?: string;
  /** @default no limit */
  limit?: number;
  offset?: number;
  /** @default "updated_at" */
  orderBy?: "created_at" | "updated_at" | "title";
  /** @default "DESC" */
  orderDirection?: "ASC" | "DESC";
}

/** Whose notes: `scope` says which of the two ids counts. */
export interface WorkingMemoryParams {
  conversationId?: string;
  userId?: string;
  /** The notes of the conversation, or those of the user. */
  scope: "conversation" | "user";
}

export interface UsageInfo {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedInputTokens?: number;
  reasoningTokens?: number;
}

/** A piece of what an agent did in an operation. */
export interface ConversationStepRecord {
  id: string;
  conversationId: string;
  userId: string;
  agentId: string;
  agentName?: string;
  operationId: string;
  stepIndex: number;
  type: "text" | "tool_call" | "tool_result";
  role: "user" | "assistant" | "system" | "tool";
  content?: string;
  arguments?: Record<string, unknown> | null;
  result?: Record<string, unknown> | null;
  usage?: UsageInfo;
  subAgentId?: string;
  subAgentName?: string;
  /** ISO 8601. */
  createdAt: string;
}

/** Which steps of a conversation. @default all */
export interface GetConversationStepsOptions {
  /** The last so many. */
  limit?: number;
  operationId?: string;
}

export type WorkflowStatus = "running" | "suspended" | "completed" | "cancelled" | "error";

/** All a workflow needs to be looked at, resumed or replayed. */
export interface WorkflowStateEntry {
  id: string;
  workflowId: string;
  workflowName: string;
  status: WorkflowStatus;
  input?: unknown;
  context?: Array<[string | symbol, unknown]>;
  workflowState?: Record<string, unknown>;
  suspension?: {
    suspendedAt: Date;
    reason?: string;
    stepIndex: number;
    lastEventSequence?: number;
    checkpoint?: {
      stepExecutionState?: unknown;
      completedStepsData?: unknown[];
      workflowState?: Record<string, unknown>;
      stepData?: Record<
        string,
        {
          input: unknown;
          output?: unknown;
          status: "running" | "success" | "error" | "suspended" | "cancelled" | "skipped";
          error?: unknown;
        }
      >;
      usage?: UsageInfo;
    };
    suspendData?: unknown;
  };
  events?: Array<{
    id: string;
    type: string;
    name?: string;
    from?: string;
    startTime: string;
    endTime?: string;
    status?: string;
    input?: unknown;
    output?: unknown;
    metadata?: Record<string, unknown>;
    context?: Record<string, unknown>;
  }>;
  output?: unknown;
  cancellation?: { cancelledAt: Date; reason?: string };
  userId?: string;
  conversationId?: string;
  replayedFromExecutionId?: string;
  replayFromStepId?: string;
  metadata?: Record<string, unknown>;
  createdAt: Date;
  updatedAt: Date;
}

/** Which runs of workflows; all that is given must hold. */
export interface WorkflowRunQuery {
  workflowId?: string;
  status?: WorkflowStatus;
  /** Created at or after. */
  from?: Date;
  /** Created at or before. */
  to?: Date;
  /** @default no limit */
  limit?: number;
  offset?: number;
  userId?: string;
  /** Each of these fields must be there, and hold what is given here. */
  metadata?: Record<string, unknown>;
}

/** A vector with what belongs to it. */
export interface VectorItem {
  id: string;
  vector: number[];
  metadata?: Record<string, unknown>;
  content?: string;
}

/** A vector that a search found. */
export interface SearchResult extends VectorItem {
  /** (cosine + 1) / 2: from 0 to 1, higher is nearer. */
  score: number;
  /** 1 - cosine: from 0 to 2, lower is nearer. */
  distance: number;
}

/** How many vectors a search gives, how near, and with which metadata. */
export interface VectorSearchOptions {
  /** @default 10 */
  limit?: number;
  /** The least score. @default 0 */
  threshold?: number;
  /** Top-level fields of the metadata, and what they must be. */
  filter?: Record<string, unknown>;
}
