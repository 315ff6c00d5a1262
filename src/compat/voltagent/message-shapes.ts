import { toolExchange } from "../../core/messages/tool-ids.ts";
import type { Message, MessageInputObject } from "../../domain/message.ts";
import { decodeMessage } from "./migration/decode-message.ts";
import type { ConversationMessage, MemoryMessage, MemoryMessageType, MessageInputLike, UiMessage } from "./shapes.ts";

// A message of either version is kept as parts, as the tables of old versions are when they are brought along. What its
// parts do not tell of the content it came with is in its metadata, under this name.
const noteField = "voltagent";

interface Note {
  /** The content was `"parts"` though they are a single text, the `"json"` of the parts, or this text. */
  readonly content?: "parts" | "json" | { readonly text: string };
  /** The type, where the parts say another. */
  readonly type?: MemoryMessageType;
}

/** A message of either version as `addMessages` takes it. */
export function toInput(message: MessageInputLike): MessageInputObject {
  const { id, role, parts, content, createdAt } = message;
  const { createdAt: written, ...metadata } = (message.metadata ?? {}) as Record<string, unknown>;
  const shared = { ...(id ? { id } : {}), role };
  if (Array.isArray(parts) || content === undefined) return { ...shared, parts, metadata, createdAt: timeOf(written) ?? timeOf(createdAt) };
  const decoded = typeof content === "string" ? partsOf(message, content) : content;
  const note = noteOf(message, content, decoded);
  return { ...shared, parts: decoded, metadata: { ...metadata, ...(note && { [noteField]: note }) }, createdAt: timeOf(createdAt) };
}

function partsOf({ id, role, type }: MessageInputLike, content: string): readonly unknown[] {
  const row = { id: id ?? "", role, content, type: type ?? null, parts: null, metadata: null, createdAt: 0 };
  return decodeMessage(row).parts ?? [];
}

/** What is needed to give the content back as it was; undefined: nothing. */
function noteOf({ role, type }: MessageInputLike, content: string | readonly unknown[], parts: readonly unknown[]): Note | undefined {
  const plain = contentOf(parts);
  const same = typeof content === "string" ? plain === content : plain === parts;
  const kind = isType(type) && type !== typeOf(role, parts) ? type : undefined;
  if (same && kind === undefined) return undefined;
  return { ...(same ? {} : { content: contentNote(content, parts) }), ...(kind && { type: kind }) };
}

function contentNote(content: string | readonly unknown[], parts: readonly unknown[]): NonNullable<Note["content"]> {
  if (typeof content !== "string") return "parts";
  return JSON.stringify(parts) === content ? "json" : { text: content };
}

/** A message as VoltAgent 0.1 has it. */
export function toMemoryMessage(message: Message): MemoryMessage {
  const { id, role, parts, createdAt } = message;
  const { content, type = typeOf(role, parts) } = (message.metadata[noteField] ?? {}) as Note;
  return { id, role, content: noted(content, parts), type, createdAt: createdAt.toISOString() };
}

function noted(note: Note["content"], parts: readonly unknown[]): string | unknown[] {
  if (note === "json") return JSON.stringify(parts);
  if (note === "parts") return [...parts];
  return note?.text ?? (contentOf(parts) as string | unknown[]);
}

/** A message as VoltAgent 1.0 has it. */
export function toUiMessage({ id, role, parts, metadata, createdAt }: Message): UiMessage {
  const { [noteField]: _note, ...own } = metadata;
  return { id, role, parts: [...parts], metadata: { ...own, createdAt } };
}

/** Both at once, for a call of which one cannot tell whose it is. */
export function toConversationMessage(message: Message): ConversationMessage {
  return { ...toUiMessage(message), ...toMemoryMessage(message) };
}

/** A single text is the content itself. */
function contentOf(parts: readonly unknown[]): string | readonly unknown[] {
  const [only, ...others] = parts as readonly { readonly type?: unknown; readonly text?: unknown }[];
  const isText = others.length === 0 && only?.type === "text" && typeof only.text === "string" && Object.keys(only).length === 2;
  return isText ? (only.text as string) : parts;
}

const typeOf = (role: string, parts: readonly unknown[]): MemoryMessageType => toolExchange(role, parts).type;

const isType = (type: string | undefined): type is MemoryMessageType => type === "text" || type === "tool-call" || type === "tool-result";

/** A time that can be read; else the message is of now. */
function timeOf(value: unknown): Date | undefined {
  if (!(value instanceof Date) && typeof value !== "string" && typeof value !== "number") return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
