import { storableText } from "./plain-text.ts";

/** A message's part in tool exchanges: which calls it leaves open, or which results it brings. */
export interface ToolExchange {
  readonly type: "text" | "tool-call" | "tool-result";
  /** `call:ID` of calls without a result in this message, `result:ID` of results without their call; null when none. */
  readonly ids: string[] | null;
}

/**
 * Reads the tool parts of AI SDK UIMessages (one part holds call and result) and ModelMessages, and Anthropic's
 * `tool_use` and `tool_result` blocks.
 */
export function toolExchange(role: string, parts: readonly unknown[]): ToolExchange {
  const calls = new Set<string>();
  const results = new Set<string>();
  let hasCalls = false;
  for (const part of parts) {
    const tool = toolPart(part);
    if (tool === undefined) continue;
    // The parts keep the id to the letter; a call and its result are cleaned alike, so they still meet.
    const id = storableText(tool.id);
    if (tool.isCall) hasCalls = true;
    // A call and its result in one message are complete.
    if (tool.isCall && !tool.isResult && !results.delete(id)) calls.add(id);
    if (tool.isResult && !tool.isCall && !calls.delete(id)) results.add(id);
  }
  const ids = [...[...calls].map((id) => `call:${id}`), ...[...results].map((id) => `result:${id}`)];
  const type = calls.size > 0 ? "tool-call" : results.size > 0 || role === "tool" ? "tool-result" : hasCalls ? "tool-call" : "text";
  return { type, ids: ids.length === 0 ? null : ids };
}

/** States of a UIMessage tool part that carry no result yet. */
const openStates = new Set(["input-streaming", "input-available", "approval-requested", "approval-responded"]);

function toolPart(part: unknown): { readonly id: string; readonly isCall: boolean; readonly isResult: boolean } | undefined {
  if (typeof part !== "object" || part === null) return undefined;
  const { type, toolCallId, state, id, tool_use_id: answered } = part as Record<string, unknown>;
  if (typeof type !== "string") return undefined;
  if (type === "tool_use" && typeof id === "string") return { id, isCall: true, isResult: false };
  if (type === "tool_result" && typeof answered === "string") return { id: answered, isCall: false, isResult: true };
  if (typeof toolCallId !== "string") return undefined;
  // Parts of a UIMessage have a state, and their tool may well be named "call" or "result".
  const isModelPart = typeof state !== "string";
  if (isModelPart && type === "tool-result") return { id: toolCallId, isCall: false, isResult: true };
  if (isModelPart && type === "tool-call") return { id: toolCallId, isCall: true, isResult: false };
  if (type === "dynamic-tool" || type.startsWith("tool-"))
    return { id: toolCallId, isCall: true, isResult: !openStates.has(state as string) };
  return undefined;
}
