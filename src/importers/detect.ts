import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/memory.ts";
import { readChatgpt } from "./chatgpt.ts";
import { readClaude } from "./claude.ts";
import { readJsonArray } from "./json-array.ts";
import { asObject, type JsonObject } from "./json-value.ts";
import { readJsonLines } from "./jsonl.ts";
import { readLocomo } from "./locomo.ts";
import { readText } from "./text-file.ts";

/** The formats an import reads. */
export const importFormats = ["jsonl", "chatgpt", "claude", "locomo"] as const;

/** One of {@link importFormats}. */
export type ImportFormat = (typeof importFormats)[number];

const readers: Readonly<Record<ImportFormat, (file: string) => AsyncIterable<ImportedMessage>>> = {
  jsonl: readJsonLines,
  chatgpt: readChatgpt,
  claude: readClaude,
  locomo: readLocomo,
};

const expected =
  "expected JSON lines with conversation, role and content, the conversations.json of a ChatGPT or Claude export, or a LoCoMo file; name its format if it is one of these";

/**
 * The messages of a file, for `memory.import`. Read as they are asked for: a mistake late in a file shows late.
 *
 * @example
 * await memory.import(readImport("conversations.json", "auto"), { userId: "user-123" });
 *
 * @throws InvalidArgumentError for a file that is not there or not of that format
 */
export async function* readImport(file: string, format: ImportFormat | "auto"): AsyncGenerator<ImportedMessage> {
  yield* readers[format === "auto" ? await detectFormat(file) : format](file);
}

/**
 * The format of a file by what it holds, whatever its name: an object is JSON lines, an array is told by its first element.
 *
 * @throws InvalidArgumentError for a file that cannot be read or is none of {@link importFormats}
 */
export async function detectFormat(file: string): Promise<ImportFormat> {
  const start = await firstCharacter(file);
  if (start === "{") return "jsonl";
  if (start === "[") {
    const element = await firstElement(file);
    const format = element === undefined ? undefined : formatOf(element);
    if (format !== undefined) return format;
  }
  throw new InvalidArgumentError(
    "file",
    `${JSON.stringify(file)} ${start === undefined ? "is empty" : "is in no known format"}: ${expected}`,
  );
}

async function firstCharacter(file: string): Promise<string | undefined> {
  for await (const chunk of readText(file)) {
    const text = chunk.trimStart();
    if (text !== "") return text[0];
  }
  return undefined;
}

async function firstElement(file: string): Promise<JsonObject | undefined> {
  for await (const element of readJsonArray(file)) return asObject(element);
  return undefined;
}

function formatOf(element: JsonObject): ImportFormat | undefined {
  if (asObject(element.mapping) !== undefined) return "chatgpt";
  if (Array.isArray(element.chat_messages)) return "claude";
  if (asObject(element.conversation) !== undefined) return "locomo";
  return undefined;
}
