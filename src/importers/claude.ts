import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/transfer.ts";
import { readJsonArray } from "./json-array.ts";
import { asObject, asObjects, asText, asTime, type JsonObject } from "./json-value.ts";

/**
 * The `conversations.json` of a Claude export, old (a text a message) or new (blocks of content). Attachments and files
 * become file parts; the text that Claude read from an attachment stays in its part.
 *
 * @throws InvalidArgumentError for a file of another shape
 */
export async function* readClaude(file: string): AsyncGenerator<ImportedMessage> {
  let number = 0;
  for await (const element of readJsonArray(file)) {
    number++;
    const source = asObject(element);
    const conversation = asText(source?.uuid);
    if (source === undefined || conversation === undefined || !Array.isArray(source.chat_messages)) {
      const reason = `element ${number} has no "${conversation === undefined ? "uuid" : "chat_messages"}"`;
      throw new InvalidArgumentError("file", `${JSON.stringify(file)} is not the conversations.json of a Claude export: ${reason}`);
    }
    for (const [position, value] of source.chat_messages.entries()) {
      const message = asObject(value);
      const parts = message === undefined ? [] : messageParts(message);
      if (message === undefined || parts.length === 0) continue;
      yield {
        conversation,
        title: asText(source.name),
        id: asText(message.uuid) ?? `${conversation}-${position + 1}`,
        role: message.sender === "human" ? "user" : (asText(message.sender) ?? "assistant"),
        parts,
        createdAt: asTime(message.created_at) ?? asTime(source.created_at),
      };
    }
  }
}

function messageParts(message: JsonObject): JsonObject[] {
  const blocks = asObjects(message.content).filter(holdsContent);
  const text = asText(message.text);
  const spoken = blocks.length > 0 || text === undefined ? blocks : [{ type: "text", text }];
  return [...spoken, ...[...asObjects(message.attachments), ...asObjects(message.files)].map(filePart)];
}

/** Not the empty texts around tool calls, nor the accounting of tokens. */
function holdsContent(block: JsonObject): boolean {
  return block.type === "text" ? asText(block.text) !== undefined : block.type !== "token_budget";
}

function filePart(file: JsonObject): JsonObject {
  const filename = asText(file.file_name);
  return { ...file, type: "file", ...(filename === undefined ? {} : { filename }) };
}
