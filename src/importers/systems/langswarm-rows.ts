import { toMessageInput } from "../../compat/langswarm/session-message.ts";
import { withFields } from "../../compat/langswarm/session-metadata.ts";
import type { SourceConversation, SourceMessage, SourceRecord } from "../../domain/import-source.ts";
import type { Metadata } from "../../domain/message.ts";
import { asObject } from "../json-value.ts";
import { jsonOf, objectOf, otherFields, type Row, textOf, timeOf, vectorOf } from "./row-values.ts";

// LangSwarm's sessions, messages and summaries: the same fields in every backend. They become what unforget/compat/langswarm
// writes, so that code which moves to it finds them.

/** LangSwarm asks OpenAI for this one unless it is told otherwise. */
export const langswarmModel = "openai/text-embedding-3-small";

/** A session without a user is whose the import says. */
export function sessionOwner(session: Row | undefined): string | undefined {
  return textOf(session?.user_id);
}

/** What a conversation is made with. */
export function sessionFields(session: Row | undefined) {
  if (session === undefined) return {};
  return { resourceId: textOf(session.agent_id), title: "", conversationMetadata: sessionMetadata(session) };
}

export function toConversation(session: Row): SourceConversation {
  return {
    kind: "conversation",
    id: String(session.session_id),
    userId: sessionOwner(session),
    resourceId: textOf(session.agent_id),
    metadata: sessionMetadata(session),
  };
}

function sessionMetadata(session: Row): Metadata {
  const status = textOf(session.status);
  const tags = jsonOf(session.tags);
  return withFields(
    {},
    {
      workflowId: textOf(session.workflow_id),
      maxMessages: numberOf(session.max_messages),
      maxTokens: numberOf(session.max_tokens),
      autoSummarize: flagOf(session.auto_summarize),
      summaryThreshold: numberOf(session.summary_threshold),
      status: status as "active" | undefined,
      expiresAt: timeOf(session.expires_at),
      tags: Array.isArray(tags) ? tags.map(String) : undefined,
      properties: objectOf(session.properties),
    },
  );
}

/** `embedding` is the vector of the message, where its backend made one. */
export function toMessage(row: Row, session: Row | undefined, model: string, embedding: unknown = row.embedding): SourceMessage {
  const calls = jsonOf(row.tool_calls);
  const call = asObject(jsonOf(row.function_call));
  const vector = vectorOf(embedding);
  const role = textOf(row.role) ?? "user";
  const isKnown = ["user", "assistant", "system", "function", "tool"].includes(role);
  const input = toMessageInput({
    messageId: String(row.message_id),
    role: isKnown ? (role as "user") : "user",
    content: textOf(row.content) ?? "",
    timestamp: timeOf(row.timestamp) ?? new Date(0),
    metadata: objectOf(row.metadata),
    tokenCount: numberOf(row.token_count),
    functionCall: call,
    toolCalls: Array.isArray(calls) && calls.length > 0 ? calls : undefined,
  });
  return {
    kind: "message",
    message: {
      ...(input as Pick<typeof input, "id"> & { readonly content: string }),
      parts: input.parts,
      metadata: input.metadata as Metadata,
      createdAt: input.createdAt,
      role,
      conversation: String(row.session_id),
      userId: sessionOwner(session),
      ...sessionFields(session),
      ...(vector !== undefined && { embedding: { model, vector } }),
    },
  };
}

export function toSummary(row: Row, session: Row | undefined): SourceRecord {
  const topics = jsonOf(row.key_topics);
  return {
    kind: "record",
    type: "summaries",
    id: String(row.summary_id),
    userId: sessionOwner(session),
    conversationId: String(row.session_id),
    content: textOf(row.summary) ?? "",
    data: {
      ...otherFields(row, "_id", "summary_id", "session_id", "summary", "key_topics", "created_at"),
      ...(Array.isArray(topics) && { key_topics: topics }),
    },
    createdAt: timeOf(row.created_at),
  };
}

function numberOf(value: unknown): number | undefined {
  const number = value === null || value === undefined || value === "" || value === "None" ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function flagOf(value: unknown): boolean | undefined {
  if (value === null || value === undefined || value === "") return undefined;
  return typeof value === "string" ? /^(?:true|1)$/i.test(value) : Boolean(value);
}
