import { asArray, asObject, asObjects, asText, type JsonObject } from "./json-value.ts";

/** The content of a ChatGPT message as parts; none when there is nothing to keep. */
export function chatgptParts(message: JsonObject): JsonObject[] {
  const content = asObject(message.content);
  const attachments = asObjects(asObject(message.metadata)?.attachments);
  if (content === undefined) return attachments.map(attachmentPart);
  const parts = contentParts(content, asText(message.recipient));
  return [
    ...nameFiles(parts, attachments),
    ...attachments.filter((attachment) => !parts.some((part) => isSameFile(part, attachment))).map(attachmentPart),
  ];
}

function contentParts(content: JsonObject, recipient: string | undefined): JsonObject[] {
  const text = asText(content.text);
  const language = asText(content.language);
  switch (content.content_type) {
    case "text":
    case "multimodal_text":
      return asArray(content.parts).flatMap(mediaPart);
    case "code":
      if (text === undefined) return [];
      // Code for a tool is the tool's input; for the reader it is part of the answer.
      return [{ type: recipient === undefined || recipient === "all" ? "text" : "code", text, language, recipient }].map(withoutUndefined);
    case "execution_output":
      return text === undefined ? [] : [{ type: "execution_output", text }];
    case "thoughts":
      return asObjects(content.thoughts).flatMap(thoughtPart);
    case "reasoning_recap": {
      const recap = asText(content.content);
      return recap === undefined ? [] : [{ type: "reasoning", text: recap }];
    }
    // The user's instructions and stored memories, sent along with every conversation.
    case "user_editable_context":
    case "model_editable_context":
      return [];
    default:
      return [{ type: asText(content.content_type) ?? "unknown", ...content }];
  }
}

function mediaPart(value: unknown): JsonObject[] {
  if (typeof value === "string") return value === "" ? [] : [{ type: "text", text: value }];
  const part = asObject(value);
  if (part === undefined) return [];
  const type = asText(part.content_type) ?? "unknown";
  if (type === "audio_transcription") return asText(part.text) === undefined ? [] : [{ ...part, type: "text" }];
  return [{ ...part, type: type.endsWith("asset_pointer") ? "file" : type }];
}

function thoughtPart(thought: JsonObject): JsonObject[] {
  const text = [asText(thought.summary), asText(thought.content)].filter((text) => text !== undefined).join("\n");
  return text === "" ? [] : [{ type: "reasoning", text }];
}

/** An uploaded picture is a pointer in the content and has its name in the list of attachments. */
function nameFiles(parts: readonly JsonObject[], attachments: readonly JsonObject[]): JsonObject[] {
  return parts.map((part) => {
    const attachment = attachments.find((attachment) => isSameFile(part, attachment));
    return attachment === undefined ? part : { ...part, ...fileNames(attachment) };
  });
}

function isSameFile(part: JsonObject, attachment: JsonObject): boolean {
  const id = asText(attachment.id);
  return id !== undefined && part.type === "file" && asText(part.asset_pointer)?.split("://").at(-1) === id;
}

function attachmentPart(attachment: JsonObject): JsonObject {
  return { ...attachment, type: "file", ...fileNames(attachment) };
}

function fileNames(attachment: JsonObject): JsonObject {
  return withoutUndefined({ filename: asText(attachment.name), mediaType: asText(attachment.mimeType) ?? asText(attachment.mime_type) });
}

function withoutUndefined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
