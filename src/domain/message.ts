/** Who speaks. Unknown roles of other systems are kept as they are. */
export type Role = "system" | "user" | "assistant" | "tool" | (string & {});

/** Free data of the caller's own, kept as JSON. */
export type Metadata = Readonly<Record<string, unknown>>;

/**
 * One piece of a message, in the shape its writer gave it: an AI SDK `UIMessage` part, a `ModelMessage` content part,
 * or any other JSON value with a `type`. Kept to the letter and never interpreted beyond `type`, `text` and tool ids.
 */
export interface Part {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A message as it is stored. */
export interface Message {
  /** Unique within its conversation. */
  readonly id: string;
  readonly conversationId: string;
  readonly userId: string;
  /** The message's place in its conversation: strictly increasing, gaps allowed. */
  readonly seq: number;
  readonly role: Role;
  /** The speaker's name, when there is one. */
  readonly name: string | undefined;
  /** The plain text, derived from the parts: what is searched and quoted. */
  readonly content: string;
  /** The payload as it was written: `JSON.stringify(read.parts) === JSON.stringify(written.parts)`. */
  readonly parts: readonly Part[];
  readonly metadata: Metadata;
  readonly createdAt: Date;
}

/** What a message was before it was updated. */
export interface MessageVersion {
  readonly content: string;
  readonly parts: readonly Part[];
  readonly metadata: Metadata;
  readonly name: string | undefined;
  /** When the update took its place. */
  readonly replacedAt: Date;
}

/**
 * What `addMessages` takes: a string (a user's message), or an object with `content` or `parts`.
 * AI SDK `UIMessage` and `ModelMessage` objects fit as they are.
 */
export type MessageInput = string | MessageInputObject;

/** A message to be stored; `content`, `parts` or both say what was said. */
export interface MessageInputObject {
  /** Makes the write idempotent: the same id again updates the message. @default a new UUID */
  readonly id?: string | undefined;
  /** @default "user" */
  readonly role?: Role | undefined;
  readonly name?: string | undefined;
  /** Plain text, or the content parts of a `ModelMessage`. */
  readonly content?: string | readonly unknown[] | undefined;
  /** The parts of a `UIMessage`. Given together with a string `content`, the parts are the payload and the content is what is searched. */
  readonly parts?: readonly unknown[] | undefined;
  readonly metadata?: unknown;
  /** @default now */
  readonly createdAt?: Date | string | number | undefined;
  /** How much this message matters, 0 to 1; weighed only when a recall asks for it. */
  readonly importance?: number | undefined;
  /** A vector of the memory's embedding model, brought by the caller; the message is then not embedded again. */
  readonly embedding?: Float32Array | readonly number[] | undefined;
}
