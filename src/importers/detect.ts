import { open } from "node:fs/promises";
import { InvalidArgumentError } from "../domain/errors.ts";
import { isObject } from "./import-format.ts";
import { readJsonValues } from "./json-values.ts";
import type { FormatName } from "./registry.ts";

/**
 * The format of a file, by what its first value holds. An empty file is JSON lines without a line, and a file named so
 * is JSON lines even when its first line is broken: the importer then names the line.
 *
 * @throws InvalidArgumentError when it is none of ours
 */
export async function detectFormat(file: string): Promise<FormatName> {
  const head = await firstBytes(file, 4);
  if (head.length === 0 || /\.(jsonl|ndjson)$/i.test(file)) return "jsonl";
  if (head.toString("latin1").startsWith("PK"))
    throw new InvalidArgumentError("file", "is a zip archive: unpack it, and import the conversations.json inside");
  for await (const value of readJsonValues(file)) {
    if (!isObject(value)) break;
    if (isObject(value.mapping)) return "chatgpt";
    if (Array.isArray(value.chat_messages)) return "claude";
    if (isObject(value.conversation)) return "locomo";
    if ("conversation" in value || "role" in value) return "jsonl";
    break;
  }
  throw new InvalidArgumentError(
    "file",
    "is of no format we know: name one with --format, or see what JSON lines hold in the documentation",
  );
}

async function firstBytes(file: string, count: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
