import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/transfer.ts";
import { chatgptParts } from "./chatgpt-parts.ts";
import { readJsonArray } from "./json-array.ts";
import { asArray, asObject, asText, type JsonObject } from "./json-value.ts";

/**
 * The `conversations.json` of a ChatGPT export. A conversation there is a tree, for every edited question and every
 * second answer is a branch: what is read is the branch that ChatGPT shows.
 *
 * @throws InvalidArgumentError for a file of another shape
 */
export async function* readChatgpt(file: string): AsyncGenerator<ImportedMessage> {
  let number = 0;
  for await (const element of readJsonArray(file)) {
    number++;
    const source = asObject(element);
    const mapping = asObject(source?.mapping);
    const id = asText(source?.id) ?? asText(source?.conversation_id);
    if (source === undefined || mapping === undefined || id === undefined) {
      const reason = `element ${number} has no "${mapping === undefined ? "mapping" : "id"}"`;
      throw new InvalidArgumentError("file", `${JSON.stringify(file)} is not the conversations.json of a ChatGPT export: ${reason}`);
    }
    yield* shownMessages(source, mapping, id);
  }
}

function* shownMessages(source: JsonObject, mapping: JsonObject, conversation: string): Generator<ImportedMessage> {
  const title = asText(source.title);
  let previousMs: number | undefined;
  for (const nodeId of shownBranch(mapping, source.current_node)) {
    const message = asObject(asObject(mapping[nodeId])?.message);
    if (message === undefined || isHidden(message)) continue;
    const parts = chatgptParts(message);
    if (parts.length === 0) continue;
    const author = asObject(message.author);
    // Messages without a time keep their place behind the one before.
    const createdMs = milliseconds(message.create_time) ?? (previousMs === undefined ? milliseconds(source.create_time) : previousMs + 1);
    previousMs = createdMs;
    yield {
      conversation,
      title,
      id: asText(message.id) ?? nodeId,
      role: asText(author?.role) ?? "assistant",
      name: asText(author?.name),
      parts,
      createdAt: createdMs === undefined ? undefined : new Date(createdMs).toISOString(),
    };
  }
}

/** Ids of the nodes from the root to the node that was open last; without one, along the newest children. */
function shownBranch(mapping: JsonObject, currentNode: unknown): string[] {
  const branch = new Set<string>();
  let nodeId = asText(currentNode);
  if (nodeId === undefined || !Object.hasOwn(mapping, nodeId)) nodeId = newestLeaf(mapping);
  while (nodeId !== undefined && Object.hasOwn(mapping, nodeId) && !branch.has(nodeId)) {
    branch.add(nodeId);
    nodeId = asText(asObject(mapping[nodeId])?.parent);
  }
  return [...branch].reverse();
}

function newestLeaf(mapping: JsonObject): string | undefined {
  const seen = new Set<string>();
  let nodeId = Object.keys(mapping).find((id) => asText(asObject(mapping[id])?.parent) === undefined);
  for (;;) {
    const child: string | undefined = asText(asArray(asObject(mapping[nodeId ?? ""])?.children).at(-1));
    if (nodeId === undefined || child === undefined || seen.has(child)) return nodeId;
    seen.add(child);
    nodeId = child;
  }
}

/** What ChatGPT sends to the model and does not show. */
function isHidden(message: JsonObject): boolean {
  return message.weight === 0 || asObject(message.metadata)?.is_visually_hidden_from_conversation === true;
}

function milliseconds(seconds: unknown): number | undefined {
  const ms = typeof seconds === "number" ? Math.round(seconds * 1000) : Number.NaN;
  return Number.isNaN(new Date(ms).getTime()) ? undefined : ms;
}
