import { InvalidArgumentError } from "../../domain/errors.ts";
import type { Message, MessageInputObject, Metadata } from "../../domain/message.ts";

/** Who speaks, in LangSwarm. */
export type SessionRole = "user" | "assistant" | "system" | "function" | "tool";

/** A message as LangSwarm has it. */
export interface SessionMessage {
  readonly messageId: string;
  readonly role: SessionRole;
  readonly content: string;
  readonly timestamp: Date;
  readonly metadata: Metadata;
  readonly tokenCount: number | undefined;
  /** OpenAI's older way of calling: `{ name, arguments }`. */
  readonly functionCall: Metadata | undefined;
  /** OpenAI's tool calls: `{ id, type: "function", function: { name, arguments } }`. */
  readonly toolCalls: readonly Metadata[] | undefined;
}

/** A message to be stored. Its id is made, and its time is now, where they are not given. */
export type SessionMessageInput = Pick<SessionMessage, "role" | "content"> & {
  readonly messageId?: string | undefined;
  readonly timestamp?: Date | string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly tokenCount?: number | undefined;
  readonly functionCall?: Metadata | undefined;
  readonly toolCalls?: readonly Metadata[] | undefined;
};

const roles: ReadonlySet<string> = new Set(["user", "assistant", "system", "function", "tool"]);

/** What of a message has no place of its own in ours. */
const extraKey = "langswarm";

/** @throws InvalidArgumentError for a role LangSwarm does not have */
export function toMessageInput(input: SessionMessageInput): MessageInputObject {
  const { messageId, role, content, timestamp, metadata = {}, tokenCount, functionCall, toolCalls } = input;
  if (!roles.has(role)) throw new InvalidArgumentError("role", `must be one of ${[...roles].join(", ")}`);
  const extra = Object.fromEntries(Object.entries({ tokenCount, functionCall, toolCalls }).filter(([, value]) => value !== undefined));
  const parts = toolParts(input);
  return {
    id: messageId,
    role,
    content,
    ...(parts === undefined ? {} : { parts }),
    createdAt: timestamp,
    metadata: Object.keys(extra).length === 0 ? metadata : { ...metadata, [extraKey]: extra },
  };
}

/** Calls and results as parts, so that no window ever separates them. */
function toolParts({ role, content, toolCalls, metadata }: SessionMessageInput): object[] | undefined {
  const text = content === "" ? [] : [{ type: "text", text: content }];
  const calls = (toolCalls ?? []).flatMap((call) => {
    const { name, arguments: input } = (call.function ?? {}) as { name?: unknown; arguments?: unknown };
    return typeof call.id === "string" ? [{ type: "tool-call", toolCallId: call.id, toolName: name ?? "", input }] : [];
  });
  if (calls.length > 0) return [...text, ...calls];
  const answered = metadata?.toolCallId ?? metadata?.tool_call_id;
  if (role !== "tool" || typeof answered !== "string") return undefined;
  return [{ type: "tool-result", toolCallId: answered, toolName: "", output: { type: "text", value: content } }];
}

export function toSessionMessage(message: Message): SessionMessage {
  const { [extraKey]: extra, ...metadata } = message.metadata;
  const { tokenCount, functionCall, toolCalls } = (extra ?? {}) as Partial<SessionMessage>;
  return {
    messageId: message.id,
    role: message.role as SessionRole,
    content: message.content,
    timestamp: message.createdAt,
    metadata,
    tokenCount,
    functionCall,
    toolCalls,
  };
}

/** As OpenAI's chat completions take it. */
export function toOpenaiFormat({ role, content, functionCall, toolCalls, metadata }: SessionMessage): Record<string, unknown> {
  const answered = metadata.toolCallId ?? metadata.tool_call_id;
  return {
    role,
    content,
    ...(functionCall === undefined ? {} : { function_call: functionCall }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }),
    ...(role === "tool" && typeof answered === "string" ? { tool_call_id: answered } : {}),
    ...(typeof metadata.name === "string" ? { name: metadata.name } : {}),
  };
}

/** As Anthropic's messages take it: only users and assistants talk there, and tools answer as the user. */
export function toAnthropicFormat({ role, content, toolCalls, metadata }: SessionMessage): Record<string, unknown> {
  const answered = metadata.toolCallId ?? metadata.tool_call_id;
  if (role === "tool" && typeof answered === "string")
    return { role: "user", content: [{ type: "tool_result", tool_use_id: answered, content }] };
  const speaker = role === "assistant" ? "assistant" : "user";
  if (toolCalls === undefined) return { role: speaker, content };
  const calls = toolCalls.map((call) => {
    const { name, arguments: input } = (call.function ?? {}) as { name?: unknown; arguments?: unknown };
    return { type: "tool_use", id: call.id, name, input: typeof input === "string" ? parsed(input) : (input ?? {}) };
  });
  return { role: speaker, content: [...(content === "" ? [] : [{ type: "text", text: content }]), ...calls] };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return { arguments: json };
  }
}
