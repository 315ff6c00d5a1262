import { randomUUID } from "node:crypto";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { MessageInput, MessageInputObject } from "../../domain/message.ts";
import { encodeParts } from "../../domain/parts-codec.ts";
import { withoutRecalled } from "../../domain/recalled.ts";
import type { NewMessage } from "../../domain/session-store.ts";
import { encodeMetadata, parseTime } from "../validate.ts";
import { plainText, storableText } from "./plain-text.ts";
import { toolExchange } from "./tool-ids.ts";

/** Long enough for any id in use. */
const longestId = 512;
/** Short enough for four of them in one index entry, which PostgreSQL limits to 2,704 bytes. */
const mostIdBytes = 640;

/**
 * Any accepted shape as a message ready to store. Never changes its input. An id that stands twice in one batch is one
 * message: the last version, in the first one's place.
 *
 * @throws InvalidArgumentError that names the message and the field
 */
export function normalizeMessages(input: MessageInput | readonly MessageInput[], now: Date): NewMessage[] {
  const list: readonly MessageInput[] = Array.isArray(input) ? input : [input as MessageInput];
  const byId = new Map<string, NewMessage>();
  list.forEach((message, index) => {
    const normalized = normalizeMessage(message, `messages[${index}]`, now);
    byId.set(normalized.id, normalized);
  });
  return [...byId.values()];
}

function normalizeMessage(input: MessageInput, at: string, now: Date): NewMessage {
  if (typeof input === "string") return normalizeMessage({ role: "user", content: input }, at, now);
  if (typeof input !== "object" || input === null) throw new InvalidArgumentError(at, "must be a string or a message object");
  const { id = randomUUID(), role = "user", name } = input;
  validateId(`${at}.id`, id);
  validateId(`${at}.role`, role);
  if (name !== undefined && name !== null) validateId(`${at}.name`, name);
  const parts = payload(input, at);
  const text = storableText(
    Array.isArray(input.parts) && typeof input.content === "string" ? withoutRecalled(input.content) : plainText(parts),
  );
  const exchange = toolExchange(role, parts);
  return {
    id,
    role,
    name: name ?? null,
    text,
    partsJson: encodePayload(parts, at),
    metadataJson: encodeMetadata(`${at}.metadata`, input.metadata),
    type: exchange.type,
    toolIds: exchange.ids,
    createdAt:
      parseTime(`${at}.createdAt`, input.createdAt ?? undefined) ?? parseTime(`${at}.metadata.createdAt`, writtenAt(input.metadata)) ?? now,
    importance: importance(input, at),
    embedding: embedding(input, at),
  };
}

/** The parts that are kept: a UIMessage's `parts`, a ModelMessage's content parts, or one text part. */
function payload(input: MessageInputObject, at: string): readonly unknown[] {
  const { parts, content } = input;
  if (parts !== undefined) {
    if (!Array.isArray(parts)) throw new InvalidArgumentError(`${at}.parts`, "must be an array of parts");
    return parts;
  }
  if (typeof content === "string") return openAiToolParts(input, [{ type: "text", text: content }]);
  if (Array.isArray(content)) return openAiToolParts(input, content);
  // OpenAI's assistant messages that only call tools have `content: null`.
  if (Array.isArray((input as { tool_calls?: unknown }).tool_calls)) return openAiToolParts(input, []);
  throw new InvalidArgumentError(at, "has neither content nor parts");
}

/** OpenAI keeps tool calls and the id a result answers beside the content; they are kept as one more part each. */
function openAiToolParts(input: MessageInputObject, parts: readonly unknown[]): readonly unknown[] {
  const { tool_calls: calls, tool_call_id: answered } = input as { tool_calls?: unknown; tool_call_id?: unknown };
  if (typeof answered === "string") return [{ type: "tool-result", toolCallId: answered, output: input.content }];
  if (!Array.isArray(calls)) return parts;
  return [...parts, ...calls.map((call: { id?: unknown } | null) => ({ type: "tool-call", toolCallId: call?.id, call }))];
}

function encodePayload(parts: readonly unknown[], at: string): string {
  try {
    return encodeParts(parts);
  } catch (error) {
    throw new InvalidArgumentError(`${at}.parts`, "cannot be written as JSON: they are cyclic, nested too deeply or hold a BigInt", {
      cause: error,
    });
  }
}

/** VoltAgent and others keep the time of a UIMessage in its metadata. */
function writtenAt(metadata: unknown): Date | string | number | undefined {
  const time = (metadata as { createdAt?: unknown } | undefined | null)?.createdAt;
  return time instanceof Date || typeof time === "string" || typeof time === "number" ? time : undefined;
}

function importance(input: MessageInputObject, at: string): number | null {
  const { importance } = input;
  if (importance === undefined || importance === null) return null;
  if (typeof importance !== "number" || !(importance >= 0 && importance <= 1))
    throw new InvalidArgumentError(`${at}.importance`, "must be a number from 0 to 1");
  return importance;
}

function embedding(input: MessageInputObject, at: string): Float32Array | null {
  const { embedding } = input;
  if (embedding === undefined || embedding === null) return null;
  const vector = isNumbers(embedding) ? Float32Array.from(embedding) : undefined;
  if (vector === undefined || vector.length === 0 || vector.some((value) => !Number.isFinite(value)))
    throw new InvalidArgumentError(`${at}.embedding`, "must be a list of finite numbers, at least one");
  return vector;
}

/** Not by `instanceof`, which a Float32Array of another realm (a test runner's, a worker's) does not pass. */
function isNumbers(value: unknown): value is ArrayLike<number> {
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) return false;
  return Array.prototype.every.call(value, (item) => typeof item === "number");
}

/**
 * Ids of tenants, users, resources, conversations and messages, roles and names: any text PostgreSQL can hold, 1 to 512 characters and
 * 640 bytes.
 *
 * @throws InvalidArgumentError
 */
export function validateId(field: string, value: unknown): asserts value is string {
  if (typeof value !== "string" || value === "") throw new InvalidArgumentError(field, "must be a string that is not empty");
  if (value.length > longestId) throw new InvalidArgumentError(field, `must be at most ${longestId} characters`);
  if (Buffer.byteLength(value) > mostIdBytes) throw new InvalidArgumentError(field, `must be at most ${mostIdBytes} bytes of UTF-8`);
  if (value.includes("\0")) throw new InvalidArgumentError(field, "must not hold a NUL character");
  if (!value.isWellFormed()) throw new InvalidArgumentError(field, "must be well-formed Unicode: it holds half of a surrogate pair");
}
