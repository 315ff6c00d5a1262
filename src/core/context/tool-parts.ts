import type { ContextJson, ContextToolCall, ContextToolOutput, ContextToolResult } from "../../domain/context.ts";

type Fields = Record<string, unknown>;

/** The call, the result, or both, that a stored part holds, whoever's shape it has. Empty for any other part. */
export function toolParts(part: Fields): (ContextToolCall | ContextToolResult)[] {
  const { type, toolCallId, state, id, name, input, tool_use_id: answered } = part;
  if (type === "tool_use" && typeof id === "string" && typeof name === "string") return [call(id, name, input, part)];
  if (type === "tool_result" && typeof answered === "string") {
    const value = blockText(part.content);
    return [result(answered, "", { type: part.is_error === true ? "error-text" : "text", value }, part)];
  }
  if (typeof type !== "string" || typeof toolCallId !== "string") return [];
  if (typeof state === "string") return uiParts(part, type, toolCallId, state);
  if (type === "tool-call") return modelCall(part, toolCallId);
  if (type === "tool-result") return [result(toolCallId, textOf(part.toolName), toolOutput(part.output ?? part.result), part)];
  return [];
}

/** A `ModelMessage`'s call, AI SDK 4 and later, or OpenAI's. */
function modelCall(part: Fields, toolCallId: string): ContextToolCall[] {
  const { toolName, input, args, call: openAi } = part;
  if (typeof toolName === "string") return [call(toolCallId, toolName, input ?? args, part)];
  const asked = isJsonObject(openAi) && isJsonObject(openAi.function) ? openAi.function : undefined;
  if (typeof asked?.name !== "string") return [];
  return [call(toolCallId, asked.name, parsed(asked.arguments), part)];
}

/** One part of a `UIMessage` is a call and, in its last states, its result. */
function uiParts(part: Fields, type: string, toolCallId: string, state: string): (ContextToolCall | ContextToolResult)[] {
  const toolName = type === "dynamic-tool" ? textOf(part.toolName) : type.startsWith("tool-") ? type.slice("tool-".length) : "";
  if (toolName === "" || part.preliminary === true) return [];
  const output = uiOutput(part, state);
  const metadata = { providerOptions: part.callProviderMetadata, providerExecuted: part.providerExecuted };
  // What a tool did not take may be any text, but providers want an object.
  const input = part.input ?? (isJsonObject(part.rawInput) ? part.rawInput : {});
  const asked = call(toolCallId, toolName, input, metadata);
  return output === undefined
    ? [asked]
    : [asked, result(toolCallId, toolName, output, { providerOptions: part.resultProviderMetadata ?? part.callProviderMetadata })];
}

function uiOutput(part: Fields, state: string): ContextToolOutput | undefined {
  if (state === "output-available")
    return typeof part.output === "string" ? { type: "text", value: part.output } : { type: "json", value: json(part.output) };
  if (state === "output-error") return { type: "error-text", value: textOf(part.errorText) };
  if (state === "output-denied") return { type: "error-text", value: "Tool call execution denied." };
  return undefined;
}

function call(toolCallId: string, toolName: string, input: unknown, { providerOptions, providerExecuted }: Fields): ContextToolCall {
  return {
    ...{ type: "tool-call", toolCallId, toolName, input: input ?? {} },
    ...(providerExecuted === true ? { providerExecuted } : {}),
    ...optional("providerOptions", providerOptions),
  } as ContextToolCall;
}

function result(toolCallId: string, toolName: string, output: ContextToolOutput, { providerOptions }: Fields): ContextToolResult {
  return { type: "tool-result", toolCallId, toolName, output, ...optional("providerOptions", providerOptions) } as ContextToolResult;
}

const outputTypes = new Set(["text", "json", "error-text", "error-json", "content", "execution-denied"]);

/** An output as AI SDK 5 and later have it; anything else is its value. */
function toolOutput(output: unknown): ContextToolOutput {
  if (isJsonObject(output) && outputTypes.has(output.type as string)) return output as unknown as ContextToolOutput;
  return typeof output === "string" ? { type: "text", value: output } : { type: "json", value: json(output) };
}

/** Anthropic's results are a text, or blocks of which some are text. */
function blockText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((block: unknown) => (isJsonObject(block) ? textOf(block.text) || JSON.stringify(block) : textOf(block))).join("\n");
}

function parsed(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : (text ?? {});
  } catch {
    return {};
  }
}

const json = (value: unknown) => (value ?? null) as ContextJson;
const textOf = (value: unknown) => (typeof value === "string" ? value : "");

export function isJsonObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The field when it has a value: the AI SDK takes none that is undefined or null. */
export function optional(field: string, value: unknown): Fields {
  return value === undefined || value === null ? {} : { [field]: value };
}
