import type { Metadata, Role } from "./message.ts";

/** One line of an export: a message with its place, lossless. The format of `export` and of `import --format jsonl`. */
export interface ExportedMessage {
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly conversation: string;
  readonly id: string;
  readonly seq: number;
  readonly role: Role;
  readonly name?: string;
  readonly content: string;
  readonly parts: readonly unknown[];
  readonly createdAt: string;
  readonly metadata: Metadata;
}

/** What `import` takes: only `conversation`, `role` and `content` or `parts` are required. */
export interface ImportedMessage {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly conversation: string;
  /** Title of the conversation, when the source has one. */
  readonly title?: string | undefined;
  /** Metadata of a conversation this line creates. */
  readonly conversationMetadata?: Metadata | undefined;
  readonly id?: string | undefined;
  readonly role: Role;
  readonly name?: string | undefined;
  readonly content?: string | undefined;
  readonly parts?: readonly unknown[] | undefined;
  readonly createdAt?: string | number | Date | undefined;
  readonly metadata?: Metadata | undefined;
  /** A vector made elsewhere: stored when it is of the memory's own model and length, else the message is embedded anew. */
  readonly embedding?: ImportedEmbedding | undefined;
}

/** A vector that comes with a message, and the model it is of. */
export interface ImportedEmbedding {
  /** With or without its provider: `"openai/text-embedding-3-small"`, `"text-embedding-3-small"`. */
  readonly model: string;
  readonly vector: readonly number[] | Float32Array;
}
