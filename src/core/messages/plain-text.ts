import { isRecalledPart, withoutRecalled } from "../../domain/recalled.ts";

/**
 * The text of a message that is searched and quoted: its text parts, and the names of files and sources. Not reasoning,
 * not tool input or output, not data parts, and not what quotes memory.
 */
export function plainText(parts: readonly unknown[]): string {
  return parts
    .flatMap(spoken)
    .filter((part) => !isRecalledPart(part))
    .map((part) => withoutRecalled(partText(part)))
    .filter((text) => text !== "")
    .join("\n");
}

/** Text as a `text` column takes it: a space for NUL, U+FFFD for half of a surrogate pair. */
export function storableText(text: string): string {
  return text.replaceAll("\0", " ").toWellFormed();
}

/** What a user says while an answer is under way is one part of the answer, with parts of its own (AI SDK 7). */
function spoken(part: unknown): readonly unknown[] {
  const { type, parts } = (part ?? {}) as { type?: unknown; parts?: unknown };
  return type === "steering-message" && Array.isArray(parts) ? parts : [part];
}

function partText(part: unknown): string {
  if (typeof part === "string") return part;
  if (typeof part !== "object" || part === null) return "";
  const { type, text, filename, title } = part as Record<string, unknown>;
  if (type === "text" || type === "input_text" || type === "output_text") return typeof text === "string" ? text : "";
  if (type === "file" || type === "source-document" || type === "source-url") {
    return [title, filename].filter((name): name is string => typeof name === "string" && name !== "").join(" ");
  }
  return "";
}
