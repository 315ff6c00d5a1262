// What marks text as memory, wherever it goes: it came from memory and must not become memory again.

/** The tag that fences memory in a prompt. */
export const memoryTag = "unforget-memory";

/** Provider options of a part that quotes memory. No model reads them; they are stored with the part. */
export const recalledMark = { unforget: { recalled: true } } as const;

/** Whether a part of a message quotes memory: it is neither searched nor recalled, and nothing is derived from it. */
export function isRecalledPart(part: unknown): boolean {
  const { providerOptions, providerMetadata } = (part ?? {}) as Record<string, unknown>;
  return [providerOptions, providerMetadata].some(
    (options) => (options as { unforget?: { recalled?: unknown } } | undefined)?.unforget?.recalled === true,
  );
}

// No "<" within the tag: many beginnings of it without an end would each be searched to the end of the text.
const fenced = new RegExp(`<${memoryTag}\\b[^<>]*>[\\s\\S]*?(?:</${memoryTag}>|$)\\n?`, "gu");

/** A text without the memory it quotes, for prompts that were stored as plain text. A fence that is not closed reaches to the end. */
export function withoutRecalled(text: string): string {
  return text.includes(`<${memoryTag}`) ? text.replace(fenced, "").trim() : text;
}
