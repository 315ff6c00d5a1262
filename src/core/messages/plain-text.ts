/**
 * The text of a message that is searched and quoted: its text parts, and the names of files and sources. Not reasoning,
 * not tool input or output, not data parts.
 */
export function plainText(parts: readonly unknown[]): string {
  return parts
    .map(partText)
    .filter((text) => text !== "")
    .join("\n");
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
