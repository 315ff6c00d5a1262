import type { Conversation } from "../../domain/conversation.ts";
import type { Metadata } from "../../domain/message.ts";

/** How a session stands. An active one whose time is over reads `"expired"`. */
export type SessionStatus = "active" | "paused" | "completed" | "archived" | "expired";

/** What LangSwarm keeps of a session beside its messages. */
export interface SessionMetadata {
  readonly sessionId: string;
  /** `"default"` for a session that was made without one. */
  readonly userId: string;
  readonly agentId: string | undefined;
  readonly workflowId: string | undefined;
  /** Reads return at most so many messages; older ones stay stored and searchable. @default 100 */
  readonly maxMessages: number;
  /** Budget of `getRecentContext()` that names none. @default none */
  readonly maxTokens: number | undefined;
  /** Make a summary when the session has grown to `summaryThreshold` messages, and anew with every so many more. @default true */
  readonly autoSummarize: boolean;
  /** @default 50 */
  readonly summaryThreshold: number;
  readonly status: SessionStatus;
  readonly expiresAt: Date | undefined;
  readonly tags: readonly string[];
  readonly properties: Metadata;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What may be given for a new session, or changed later. */
export interface SessionFields {
  readonly workflowId?: string | undefined;
  readonly maxMessages?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly autoSummarize?: boolean | undefined;
  readonly summaryThreshold?: number | undefined;
  readonly status?: SessionStatus | undefined;
  readonly expiresAt?: Date | string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly properties?: Metadata | undefined;
}

/** A session in short: how much was said, when, with which words most, and in `summary` also what, where the store keeps summaries. */
export interface ConversationSummary {
  readonly summaryId: string;
  readonly summary: string;
  readonly messageCount: number;
  readonly startTime: Date;
  readonly endTime: Date;
  readonly keyTopics: readonly string[];
  readonly createdAt: Date;
}

/** The key of a conversation's metadata that holds all of it: any session store keeps it, and `views` read it. */
export const metadataKey = "langswarm";

/** The user and agent of sessions that name none. */
export const nobody = "default";

/** Fields as they are stored; dates as ISO 8601. */
type Stored = Readonly<Record<string, unknown>>;

function stored(conversation: Pick<Conversation, "metadata">): Stored {
  const value = conversation.metadata[metadataKey];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Stored) : {};
}

export function readSession(conversation: Conversation): SessionMetadata {
  const fields = stored(conversation);
  const expiresAt = typeof fields.expiresAt === "string" ? new Date(fields.expiresAt) : undefined;
  const status = (fields.status as SessionStatus | undefined) ?? "active";
  return {
    sessionId: conversation.id,
    userId: conversation.userId,
    agentId: conversation.resourceId === nobody ? undefined : conversation.resourceId,
    workflowId: fields.workflowId as string | undefined,
    maxMessages: (fields.maxMessages as number | undefined) ?? 100,
    maxTokens: fields.maxTokens as number | undefined,
    autoSummarize: (fields.autoSummarize as boolean | undefined) ?? true,
    summaryThreshold: (fields.summaryThreshold as number | undefined) ?? 50,
    status: status === "active" && expiresAt !== undefined && expiresAt <= new Date() ? "expired" : status,
    expiresAt,
    tags: (fields.tags as readonly string[] | undefined) ?? [],
    properties: (fields.properties as Metadata | undefined) ?? {},
    createdAt: conversation.createdAt,
    updatedAt: conversation.updatedAt,
  };
}

/** As it is stored, with the last place it knows of. */
export function readSummary(conversation: Conversation): StoredSummary | undefined {
  const summary = stored(conversation).summary as Record<string, unknown> | undefined;
  if (summary === undefined) return undefined;
  const { startTime, endTime, createdAt, ...rest } = summary as unknown as Record<"startTime" | "endTime" | "createdAt", string>;
  return {
    ...(rest as object),
    startTime: new Date(startTime),
    endTime: new Date(endTime),
    createdAt: new Date(createdAt),
  } as StoredSummary;
}

export type StoredSummary = ConversationSummary & { readonly untilSeq?: number | undefined };

export function withoutSummary(metadata: Metadata): Metadata {
  const { summary: _summary, ...fields } = stored({ metadata });
  return { ...metadata, [metadataKey]: fields };
}

/** A conversation's metadata with these fields set; what is undefined stays as it was. */
export function withFields(metadata: Metadata, fields: SessionFields & { readonly summary?: StoredSummary | undefined }): Metadata {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  // Dates become text here, as they do in every store.
  const plain = JSON.parse(JSON.stringify(Object.fromEntries(given))) as object;
  return { ...metadata, [metadataKey]: { ...stored({ metadata }), ...plain } };
}
