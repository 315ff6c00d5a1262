import type { MessageInputObject } from "../../../domain/message.ts";

/** A row of an old table of messages; what a version does not have is null. */
export interface OldMessage {
  readonly id: string;
  readonly role: string;
  readonly content: string | null;
  readonly type: string | null;
  /** JSON. */
  readonly parts: string | null;
  /** JSON. */
  readonly metadata: string | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/**
 * A row as a message: its parts where it has some, else its content, which held text, or the JSON of parts, or the JSON of
 * a tool's call or result. Never fails: what is none of these is text.
 */
export function decodeMessage(row: OldMessage): MessageInputObject {
  return {
    id: row.id,
    role: row.role === "" ? "unknown" : row.role,
    parts: decodeParts(row),
    metadata: decodeMetadata(row.metadata),
    // PostgreSQL has times that JavaScript has not, infinity among them.
    createdAt: Number.isNaN(new Date(row.createdAt).getTime()) ? undefined : row.createdAt,
  };
}

function decodeParts(row: OldMessage): readonly unknown[] {
  const parts = row.parts === null ? undefined : parsed(row.parts);
  if (Array.isArray(parts)) return parts;
  if (row.content === null) return parts === undefined || parts === null ? [] : [parts];
  const { content } = row;
  const value = /^\s*[[{"]/.test(content) ? parsed(content) : undefined;
  if (isParts(value)) return value;
  if (row.type === "tool-call") {
    const call = value ?? content;
    return [
      {
        type: "tool-call",
        toolCallId: toolCallId(row, call),
        toolName: fieldOf(call, "toolName", "name") ?? "",
        args: fieldOf(call, "args", "arguments") ?? call,
      },
    ];
  }
  if (row.type === "tool-result") {
    const result = value ?? content;
    const toolName = fieldOf(result, "toolName", "name");
    return [
      {
        type: "tool-result",
        toolCallId: toolCallId(row, result),
        ...(toolName === undefined ? {} : { toolName }),
        result: fieldOf(result, "result") ?? result,
      },
    ];
  }
  return [{ type: "text", text: content }];
}

/** What VoltAgent wrote of a message with several parts. Other JSON is what somebody said. */
function isParts(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every((part) => typeof (part as { type?: unknown } | null)?.type === "string");
}

function toolCallId(row: OldMessage, value: unknown): unknown {
  return fieldOf(value, "toolCallId") ?? row.id;
}

function fieldOf(value: unknown, ...names: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return names.map((name) => (value as Record<string, unknown>)[name]).find((field) => field !== undefined);
}

function decodeMetadata(json: string | null): Readonly<Record<string, unknown>> | undefined {
  const value = json === null ? undefined : parsed(json);
  if (value === undefined || value === null) return undefined;
  return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : { value };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
