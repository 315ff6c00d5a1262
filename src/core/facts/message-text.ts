import type { Message } from "../../domain/message.ts";
import { isRecalledPart, withoutRecalled } from "../../domain/recalled.ts";
import { isUnderWay } from "../../domain/under-way.ts";

/** What may be read for facts. */
export interface ReadableMessage {
  readonly message: Message;
  readonly text: string;
  /** Anybody may have written it. */
  readonly isToolOutput: boolean;
}

/**
 * The text of a message that facts may be read out of: not that of the system, not what was itself recalled, and the output
 * of tools only where it is asked for; of an answer that still streams nothing yet. Undefined: none.
 */
export function readableText(message: Message, toolOutput: boolean): ReadableMessage | undefined {
  if (isUnderWay(message)) return undefined;
  const { role, parts, metadata } = message;
  // Metadata marks a whole message as a part's options mark the part.
  if (role === "system" || role === "developer" || isRecalledPart({ providerOptions: metadata })) return undefined;
  const isToolOutput = role === "tool" || role === "function";
  if (isToolOutput && !toolOutput) return undefined;
  // What says nothing is not searched, and not read either: a message that was forgotten still has its parts.
  if (!isToolOutput && message.content.trim() === "") return undefined;
  const told = isToolOutput ? parts.map(outputOf).join("\n") || message.content : spoken(message);
  const text = withoutRecalled(told).trim();
  return text === "" ? undefined : { message, text, isToolOutput };
}

function spoken({ parts, content }: Message): string {
  const texts = parts.filter(({ type, text }) => type === "text" && typeof text === "string");
  if (texts.length === 0) return parts.some(isRecalledPart) ? "" : content;
  return texts
    .filter((part) => !isRecalledPart(part))
    .map(({ text }) => text as string)
    .join("\n");
}

function outputOf(part: Message["parts"][number]): string {
  if (isRecalledPart(part)) return "";
  const output = part.output ?? part.result ?? part.text;
  return typeof output === "string" ? output : output === undefined ? "" : JSON.stringify(output);
}
