import type { AgentStreamPart } from "../domain/agent.ts";
import type { Part } from "../domain/message.ts";
import { storableJson } from "../internal/storable-json.ts";

/** An answer as far as it has come, as the parts of a `UIMessage`. */
export interface AnswerParts {
  /** Takes what came; returns whether there is something new to store. */
  take(part: AgentStreamPart): boolean;
  /** The parts now, in order; empty while nothing was said or done. */
  list(): Part[];
}

type Growing = Record<string, unknown> & { type: string };

/** Puts the parts of the AI SDK's `fullStream`, versions 5 to 7, together. */
export function answerParts(): AnswerParts {
  const parts: Growing[] = [];
  const texts = new Map<unknown, Growing>();
  const tools = new Map<unknown, Growing>();

  function add(part: Growing): Growing {
    parts.push(part);
    return part;
  }

  /** Texts and thoughts come in pieces, several at once, each under an id of its own. */
  function takeText(type: "text" | "reasoning", stage: string, { id, text, providerMetadata }: AgentStreamPart): boolean {
    const key = `${type} ${String(id)}`;
    const open = stage === "start" ? undefined : texts.get(key);
    const part = open ?? add({ type, text: "" });
    texts.set(key, part);
    if (providerMetadata !== undefined) part.providerMetadata = storableJson(providerMetadata);
    if (typeof text === "string") part.text = `${part.text as string}${text}`;
    if (stage === "end") texts.delete(key);
    return isSpoken(part);
  }

  function takeCall({ toolCallId, toolName, input, invalid, dynamic, providerExecuted, providerMetadata }: AgentStreamPart): boolean {
    const named = dynamic === true ? { type: "dynamic-tool", toolName } : { type: `tool-${String(toolName)}` };
    const part = add({
      ...{ ...named, toolCallId, state: "input-available" },
      // What the tool does not take need not even be JSON.
      ...{ [invalid === true ? "rawInput" : "input"]: storableJson(input) },
      ...(providerExecuted === true ? { providerExecuted } : {}),
      ...told("callProviderMetadata", providerMetadata),
    });
    tools.set(toolCallId, part);
    return true;
  }

  function update(toolCallId: unknown, fields: Record<string, unknown>): boolean {
    const part = tools.get(toolCallId);
    if (part === undefined) return false;
    delete part.preliminary;
    Object.assign(part, fields);
    return true;
  }

  return {
    take(part) {
      const [, text, stage] = /^(text|reasoning)-(start|delta|end)$/.exec(part.type) ?? [];
      if (stage !== undefined) return takeText(text as "text" | "reasoning", stage, part);
      switch (part.type) {
        case "start-step":
          add({ type: "step-start" });
          return false;
        case "tool-call":
          return takeCall(part);
        case "tool-result":
          return update(part.toolCallId, {
            state: "output-available",
            output: storableJson(part.output) ?? null,
            ...(part.preliminary === true ? { preliminary: true } : {}),
            ...told("resultProviderMetadata", part.providerMetadata),
          });
        case "tool-error":
          return update(part.toolCallId, {
            ...{ state: "output-error", errorText: errorText(part.error) },
            ...told("resultProviderMetadata", part.providerMetadata),
          });
        case "tool-approval-request":
          return update((part.toolCall as { toolCallId?: unknown } | undefined)?.toolCallId, {
            state: "approval-requested",
            approval: { id: part.approvalId },
          });
        case "tool-output-denied":
          return update(part.toolCallId, { state: "output-denied" });
        case "source":
          add({ ...sourcePart(part), ...told("providerMetadata", part.providerMetadata) });
          return true;
        case "file":
          add({ ...filePart(part.file as GeneratedFile), ...told("providerMetadata", part.providerMetadata) });
          return true;
        default:
          return false;
      }
    },
    list() {
      const spoken = parts.filter(isSpoken);
      return spoken.some(({ type }) => type !== "step-start") ? spoken.map((part) => ({ ...part })) : [];
    },
  };
}

/** A text that has not begun says nothing; a thought may be sealed in what the provider says of it. */
function isSpoken({ type, text, providerMetadata }: Growing): boolean {
  return (type !== "text" && type !== "reasoning") || text !== "" || (type === "reasoning" && providerMetadata !== undefined);
}

/** What a provider wants to be told again in the next turn. */
function told(field: string, providerMetadata: unknown): Record<string, unknown> {
  return providerMetadata === undefined ? {} : { [field]: storableJson(providerMetadata) };
}

interface GeneratedFile {
  readonly base64: string;
  readonly mediaType: string;
}

function filePart({ base64, mediaType }: GeneratedFile): Growing {
  return { type: "file", mediaType, url: `data:${mediaType};base64,${base64}` };
}

function sourcePart({ sourceType, id, url, title, mediaType, filename }: AgentStreamPart): Growing {
  const fields = sourceType === "url" ? { url, title } : { mediaType, title, filename };
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { type: sourceType === "url" ? "source-url" : "source-document", sourceId: id, ...Object.fromEntries(known) };
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : typeof error === "string" ? error : (JSON.stringify(storableJson(error)) ?? "failed");
}
