import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/transfer.ts";
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

/** Characters of a line that hold its keys, unless a message of megabytes stands before them. */
const longestStart = 4_194_304;

const expected =
  "expected JSON lines with conversation, role and content, the conversations.json of a ChatGPT or Claude export, or a LoCoMo file";

/**
 * The messages of a file, for `memory.import`. Read as they are asked for: a mistake late in a file shows late.
 *
 * @example
 * await memory.import(readImport("conversations.json", "auto"), { userId: "user-123" });
 *
 * @throws InvalidArgumentError for a file that is not there or not of that format
 */
export async function* readImport(file: string, format: ImportFormat | "auto"): AsyncGenerator<ImportedMessage> {
  if (format !== "auto" && !importFormats.includes(format)) {
    throw new InvalidArgumentError("format", `must be "auto" or one of ${importFormats.join(", ")}`);
  }
  yield* readers[format === "auto" ? await detectFormat(file) : format](file);
}

/**
 * The format of a file by what it holds, whatever its name: an object is JSON lines, an array is told by its first element.
 *
 * @throws InvalidArgumentError for a file that cannot be read or is none of {@link importFormats}
 */
export async function detectFormat(file: string): Promise<ImportFormat> {
  const line = await firstLine(file);
  // A line that is broken further on is for the reader, whose error names it.
  if (line.startsWith("{") && /"(conversation|role|content|parts)"\s*:/.test(line)) return "jsonl";
  if (line.startsWith("[")) {
    const element = await firstElement(file);
    const format = element === undefined ? undefined : formatOf(element);
    if (format !== undefined) return format;
  }
  throw new InvalidArgumentError("file", `${JSON.stringify(file)} ${line === "" ? "is empty" : "is in no known format"}: ${expected}`);
}

/** The start of the first line that is not blank; arrays are often one line of hundreds of megabytes. */
async function firstLine(file: string): Promise<string> {
  let start = "";
  for await (const chunk of readText(file)) {
    start = (start + chunk).trimStart();
    if (start.includes("\n") || start.startsWith("[") || start.length > longestStart) break;
  }
  return start.split("\n", 1)[0] ?? "";
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
