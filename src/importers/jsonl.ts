import { createHash } from "node:crypto";
import { InvalidArgumentError } from "../domain/errors.ts";
import { decodeParts } from "../domain/parts-codec.ts";
import type { ImportedMessage } from "../domain/transfer.ts";
import { asObject, asTime, type JsonObject } from "./json-value.ts";
import { readLines } from "./text-file.ts";

/**
 * JSON lines, one message a line: the format of `memory.export()`. Only `conversation`, `role` and `content` or `parts`
 * are required; `tenant` and `seq` are read over, because the memory that imports has its own. Blank lines are skipped.
 * A line without an id gets one that is the same each time the file is read.
 *
 * @throws InvalidArgumentError that names the line and what is wrong with it
 */
export async function* readJsonLines(file: string): AsyncGenerator<ImportedMessage> {
  const withoutId = new Map<string, number>();
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === "") continue;
    const fail = (reason: string) => new InvalidArgumentError("file", `line ${number} of ${JSON.stringify(file)} ${reason}`);
    const message = toMessage(parseLine(line, fail), fail);
    if (message.id !== undefined) {
      yield message;
      continue;
    }
    const position = withoutId.get(message.conversation) ?? 0;
    withoutId.set(message.conversation, position + 1);
    yield { ...message, id: derivedId(message, position) };
  }
}

type Fail = (reason: string) => InvalidArgumentError;

function parseLine(line: string, fail: Fail): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // The parser's own error quotes the text, which is somebody's message.
    throw fail("is not valid JSON: each line must hold one whole JSON object");
  }
  const object = asObject(value);
  if (object === undefined) throw fail("is not a JSON object");
  // An export writes bytes, dates and URLs inside parts in coded form.
  if (!line.includes("$unforget") || !Array.isArray(object.parts)) return object;
  try {
    return { ...object, parts: decodeParts(JSON.stringify(object.parts)) };
  } catch {
    throw fail('has "parts" with a "$unforget" code that cannot be read');
  }
}

function toMessage(line: JsonObject, fail: Fail): ImportedMessage {
  const text = (field: string): string | undefined => {
    const value = line[field] ?? undefined;
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw fail(`has a wrong "${field}": it must be a string that is not empty`);
    return value;
  };
  const required = (field: string): string => {
    const value = text(field);
    if (value === undefined) throw fail(`has no "${field}"`);
    return value;
  };
  const content = line.content ?? undefined;
  const parts = line.parts ?? undefined;
  const metadata = line.metadata ?? undefined;
  const createdAt = line.createdAt ?? undefined;
  if (content === undefined && parts === undefined) throw fail('has neither "content" nor "parts"');
  if (content !== undefined && typeof content !== "string")
    throw fail('has a wrong "content": it must be a string; an array belongs into "parts"');
  if (parts !== undefined && !Array.isArray(parts)) throw fail('has wrong "parts": they must be an array');
  if (metadata !== undefined && asObject(metadata) === undefined) throw fail('has wrong "metadata": it must be an object');
  if (createdAt !== undefined && asTime(createdAt) === undefined) {
    throw fail('has a wrong "createdAt": it must be an ISO 8601 string or epoch milliseconds');
  }
  return {
    userId: text("userId"),
    resourceId: text("resourceId"),
    conversation: required("conversation"),
    title: line.title === "" ? undefined : text("title"),
    id: text("id"),
    role: required("role"),
    name: text("name"),
    content,
    parts,
    createdAt: asTime(createdAt),
    metadata: asObject(metadata),
  };
}

/** Position, not text alone: somebody may say "yes" twice. */
function derivedId({ conversation, role, content, parts }: ImportedMessage, position: number): string {
  const text = content ?? JSON.stringify(parts);
  return createHash("sha256")
    .update(JSON.stringify([conversation, position, role, text]))
    .digest("hex")
    .slice(0, 32);
}
