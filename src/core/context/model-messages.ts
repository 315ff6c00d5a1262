import type {
  ContextFilePart,
  ContextImagePart,
  ContextMessage,
  ContextPart,
  ContextReasoningPart,
  ContextTextPart,
  ContextToolCall,
  ContextToolResult,
} from "../../domain/context.ts";
import type { Message } from "../../domain/message.ts";
import { isRecalledPart, withoutRecalled } from "../../domain/recalled.ts";
import { isJsonObject, optional, toolParts } from "./tool-parts.ts";

/** What a stored message holds, piece by piece: its parts as a `ModelMessage` has them, and where a step of an answer ends. */
export type Piece =
  | { readonly role: "user"; readonly part: ContextTextPart | ContextFilePart | ContextImagePart }
  | { readonly role: "assistant"; readonly part: ContextTextPart | ContextFilePart | ContextReasoningPart | ContextToolCall }
  | { readonly role: "tool"; readonly part: ContextToolResult }
  | { readonly role: "step" };

const assistants = new Set(["assistant", "ai", "model", "bot"]);
const tools = new Set(["tool", "function"]);

/**
 * Reads the parts of AI SDK `UIMessage`s and `ModelMessage`s, OpenAI's and Anthropic's. What no model takes is left out:
 * data parts, sources, parts that quote memory, empty texts.
 */
export function piecesOf(message: Pick<Message, "role" | "parts" | "content">): Piece[] {
  const role = assistants.has(message.role) ? "assistant" : tools.has(message.role) ? "tool" : "user";
  const pieces = message.parts.flatMap((part) => partPieces(role, part));
  const isSilent = pieces.every((piece) => piece.role === "step") && !message.parts.some(isRecalledPart);
  const text = isSilent && role !== "tool" ? withoutRecalled(message.content) : "";
  return text.trim() === "" ? pieces : [...pieces, { role, part: { type: "text", text } } as Piece];
}

function partPieces(role: "user" | "assistant" | "tool", part: unknown): Piece[] {
  if (typeof part === "string") return textPieces(role, part, undefined);
  if (!isJsonObject(part) || isRecalledPart(part)) return [];
  const { type, text, parts } = part;
  if (type === "step-start") return [{ role: "step" }];
  if (type === "steering-message" && Array.isArray(parts))
    return [{ role: "step" }, ...parts.flatMap((one) => partPieces("user", one)), { role: "step" }];
  if (type === "text" || type === "input_text" || type === "output_text") return textPieces(role, text, part);
  if (type === "reasoning" && role === "assistant" && typeof text === "string")
    return [{ role, part: { type, text, ...optional("providerOptions", part.providerOptions ?? part.providerMetadata) } }];
  const file = filePart(part);
  if (file !== undefined && role !== "tool") return file.type === "image" && role === "assistant" ? [] : [{ role, part: file } as Piece];
  return toolParts(part).map(
    (tool): Piece => (tool.type === "tool-call" ? { role: "assistant", part: tool } : { role: "tool", part: tool }),
  );
}

function textPieces(role: "user" | "assistant" | "tool", value: unknown, part: Record<string, unknown> | undefined): Piece[] {
  const text = typeof value === "string" ? withoutRecalled(value) : "";
  if (text.trim() === "" || role === "tool") return [];
  const options = optional("providerOptions", part?.providerOptions ?? part?.providerMetadata);
  return [{ role, part: { type: "text", text, ...options } }];
}

function filePart(part: Record<string, unknown>): ContextFilePart | ContextImagePart | undefined {
  const { type, mediaType, mimeType, data, url, image, filename, providerOptions, providerMetadata } = part;
  const options = optional("providerOptions", providerOptions ?? providerMetadata);
  const media = mediaType ?? mimeType;
  if (type === "image" && isFileData(image)) return { type, image, ...optional("mediaType", media), ...options } as ContextImagePart;
  const content = data ?? url;
  if (type !== "file" || !isFileData(content) || typeof media !== "string") return undefined;
  return { type, data: content, mediaType: media, ...optional("filename", filename), ...options } as ContextFilePart;
}

function isFileData(value: unknown): value is string | Uint8Array | URL {
  return (typeof value === "string" && value !== "") || ArrayBuffer.isView(value) || value instanceof URL;
}

/**
 * The messages a model is given: each call is followed at once by its result, whatever was written in between. Takes what
 * {@link closedExchanges} left.
 */
export function modelMessages(stored: readonly (readonly Piece[])[]): ContextMessage[] {
  const results = new Map(matches(stored).map(({ call, result }) => [call, result]));
  const messages: ContextMessage[] = [];
  let answer: Extract<ContextMessage, { role: "assistant" }>["content"] = [];
  let asked: Extract<ContextMessage, { role: "user" }>["content"] = [];
  let brought: ContextToolResult[] = [];
  const flush = () => {
    if (asked.length > 0) messages.push({ role: "user", content: asked });
    // Thoughts alone are no answer.
    if (answer.some(({ type }) => type !== "reasoning")) messages.push({ role: "assistant", content: answer });
    if (brought.length > 0) messages.push({ role: "tool", content: brought });
    asked = [];
    answer = [];
    brought = [];
  };
  for (const pieces of stored) {
    for (const piece of pieces) {
      if (piece.role === "step" || (piece.role === "user" ? answer : asked).length > 0) flush();
      if (piece.role === "user") asked.push(piece.part);
      if (piece.role !== "assistant") continue;
      answer.push(piece.part);
      if (piece.part.type !== "tool-call") continue;
      const { toolName, providerExecuted } = piece.part;
      const result = results.get(piece.part);
      if (result !== undefined) (providerExecuted === true ? answer : brought).push({ ...result, toolName });
    }
    flush();
  }
  return messages;
}

/** A tool call and its result, with the places of their messages in the list. */
export interface Match {
  readonly call: ContextToolCall;
  readonly result: ContextToolResult;
  readonly from: number;
  readonly to: number;
}

/** Ids may come again in a long conversation: a result belongs to the last call before it that has none. */
export function matches(stored: readonly (readonly Piece[])[]): Match[] {
  const open = new Map<string, { readonly call: ContextToolCall; readonly from: number }>();
  const found: Match[] = [];
  for (const [place, pieces] of stored.entries()) {
    for (const piece of pieces) {
      if (piece.role === "assistant" && piece.part.type === "tool-call") open.set(piece.part.toolCallId, { call: piece.part, from: place });
      if (piece.role !== "tool") continue;
      const call = open.get(piece.part.toolCallId);
      if (call !== undefined) found.push({ ...call, result: piece.part, to: place });
      open.delete(piece.part.toolCallId);
    }
  }
  return found;
}

/** The same without calls that have no result, results that have no call, and what would be empty then. */
export function closedExchanges(stored: readonly (readonly Piece[])[]): (readonly Piece[])[] {
  const whole = new Set<unknown>(matches(stored).flatMap(({ call, result }) => [call, result]));
  return stored.map((pieces) => {
    const kept = pieces.filter((piece) => piece.role === "step" || !isToolPart(piece.part) || whole.has(piece.part));
    return kept.some((piece) => piece.role !== "step" && piece.part.type !== "reasoning") ? kept : [];
  });
}

const isToolPart = ({ type }: ContextPart) => type === "tool-call" || type === "tool-result";
