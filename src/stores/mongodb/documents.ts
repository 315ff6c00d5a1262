import type { Conversation } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoredMessage } from "../../domain/session-store.ts";
import { stableId } from "../../internal/stable-id.ts";

/** A conversation as it is stored. */
export interface ConversationDocument {
  /** {@link documentId} of tenant and id. */
  readonly _id: string;
  readonly tenant: string;
  readonly userId: string;
  readonly id: string;
  readonly resourceId: string;
  readonly title: string;
  readonly metadata: string;
  readonly language?: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly pinnedAt?: Date;
  readonly archivedAt?: Date;
  /** The place of the next message. Messages from there on are being written, and nobody sees them yet. */
  readonly nextSeq: number;
  /** False while it is being made or deleted. */
  readonly isVisible: boolean;
  /** Who is writing to it, and until when others wait for that. */
  readonly writing?: { readonly token: string; readonly until: Date };
  /** Changes of messages that are decided and not all carried out yet. */
  readonly changes?: readonly MessageChange[];
  readonly expiresAt?: Date;
  /** Until when at least its messages are kept. */
  readonly messagesUntil?: Date;
}

/** A message as it is stored. */
export interface MessageDocument {
  /** {@link documentId} of tenant, conversation and id. */
  readonly _id: string;
  /** `_id` of its conversation. */
  readonly conversation: string;
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly resourceId: string;
  readonly id: string;
  readonly seq: number;
  readonly role: string;
  readonly name?: string;
  readonly text: string;
  /** What the word index has of it. */
  readonly words?: string;
  /** Language of `words`. */
  readonly language: string;
  readonly parts: string;
  readonly metadata: string;
  /** Metadata for filters, as `scalarTokens` has it. */
  readonly fields: readonly string[];
  readonly type: string;
  readonly toolIds?: readonly string[];
  readonly importance?: number;
  readonly createdAt: Date;
  readonly owed?: OwedField;
  /** `owed.generation` of the vector that was made last. */
  readonly settled?: string;
  readonly expiresAt?: Date;
}

/** That a vector is owed. It is part of the message, and so is written with it. */
export interface OwedField {
  /** Another one whenever a vector is owed anew. */
  readonly generation: string;
  readonly dueAt: Date;
  readonly attempts: number;
  readonly error?: string;
  /** Of the worker that leased it. */
  readonly lease?: string;
}

/** A change of one message, as MongoDB takes it. */
export interface MessageChange {
  readonly _id: string;
  readonly set: Readonly<Partial<MessageDocument>>;
  readonly unset: readonly (keyof MessageDocument)[];
}

const longestReadableId = 400;

/** One text for a list of texts, the tenant first: JSON where it is short, else a hash of it. */
export function documentId(...path: readonly string[]): string {
  const json = JSON.stringify(path);
  return json.length <= longestReadableId ? json : `#${stableId(...path)}`;
}

export function toConversation(document: ConversationDocument): Conversation {
  return {
    id: document.id,
    userId: document.userId,
    resourceId: document.resourceId,
    title: document.title,
    metadata: JSON.parse(document.metadata),
    language: document.language,
    createdAt: new Date(document.createdAt),
    updatedAt: new Date(document.updatedAt),
    pinnedAt: document.pinnedAt === undefined ? undefined : new Date(document.pinnedAt),
    archivedAt: document.archivedAt === undefined ? undefined : new Date(document.archivedAt),
  };
}

export function toMessage(document: Omit<MessageDocument, "toolIds">): Message {
  return {
    id: document.id,
    conversationId: document.conversationId,
    userId: document.userId,
    seq: document.seq,
    role: document.role,
    name: document.name,
    content: document.text,
    parts: decodeParts(document.parts),
    metadata: JSON.parse(document.metadata),
    createdAt: new Date(document.createdAt),
  };
}

export function toStoredMessage(document: MessageDocument): StoredMessage {
  const { resourceId, importance = null, toolIds = null } = document;
  return { message: toMessage(document), resourceId, importance, toolIds };
}

/** The message as it will be once the change is carried out. */
export function changed(document: MessageDocument, change: MessageChange): MessageDocument {
  const copy = { ...document, ...change.set };
  for (const field of change.unset) delete copy[field];
  return copy;
}

/** A change as an operation of a bulk write; carrying it out twice changes nothing. */
export function toUpdate({ _id, set, unset }: MessageChange): object {
  const unsetting = unset.length === 0 ? {} : { $unset: Object.fromEntries(unset.map((field) => [field, ""])) };
  return { updateOne: { filter: { _id }, update: { $set: set, ...unsetting } } };
}
