import { createHash } from "node:crypto";
import type { Conversation } from "../../domain/conversation.ts";
import type { MetadataFilter } from "../../domain/filter.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { filterableMetadata, indexedWords, textRevision } from "../../domain/search-text.ts";
import type { NewMessage, StoredMessage } from "../../domain/session-store.ts";
import { markTime } from "../marks.ts";

/** The `_id` of something: short whatever the ids, and of these ids alone. */
export function keyOf(...ids: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(ids)).digest("base64url");
}

export const conversationKey = (tenant: string, conversationId: string) => keyOf(tenant, conversationId);
export const messageKey = (tenant: string, conversationId: string, messageId: string) => keyOf(tenant, conversationId, messageId);

/** A conversation, as it is kept. It is also the log of what was done to its messages last: see conversation-log.ts. */
export interface ConversationDocument {
  readonly tenant: string;
  readonly user: string;
  readonly conversation: string;
  readonly resource: string;
  readonly title: string;
  readonly title_order: string;
  readonly metadata: string;
  readonly language: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  /** Missing in what was written before there were pins. */
  readonly pinned_at?: number | null;
  readonly archived_at?: number | null;
  readonly next_seq: number;
  /** Grows with every commit, over deletion and re-creation too: the version of the messages it touches. */
  readonly rev: number;
  /** `rev` of its creation; messages of a lower one belong to a deleted conversation of the same id. */
  readonly born: number;
  /** Messages below this place were cleared away. */
  readonly floor: number;
  /** `floor` before the clearing that is under way. */
  readonly cleared_from: number;
  /** Entries of the tail up to this `rev` may have been taken off. */
  readonly trimmed: number;
  readonly state: "live" | "clearing" | "erased";
  /** Named by who made it, and by the last commit: a write whose answer was lost is recognised. */
  readonly origin: string;
  readonly commit: string;
  /** There is a tail, or something to clear away. */
  readonly unsettled: boolean;
  readonly written_at: number;
  readonly tail: readonly TailEntry[];
}

/** What a commit did to a message. */
export interface TailEntry {
  readonly key: string;
  readonly id: string;
  readonly rev: number;
  /** Undefined: deleted. */
  readonly document?: MessageDocument | undefined;
  /** The embedding space it owes a vector of, or that must forget it. */
  readonly owes: number | null;
  /** Names of its vectors that were owed before and are no more. */
  readonly voided: readonly number[];
}

/** A message, as it is kept; the words it is found by come beside. */
export interface MessageDocument {
  readonly tenant: string;
  readonly user: string;
  readonly conversation: string;
  readonly conversation_key: string;
  readonly key: string;
  readonly resource: string;
  readonly message: string;
  readonly seq: number;
  readonly rev: number;
  /** `rev` at which its role, name or text changed last: names the vector it owes. */
  readonly text_rev: number;
  readonly revision: string;
  readonly role: string;
  readonly created_at: number;
  readonly importance: number | null;
  readonly has_text: boolean;
  readonly tools: readonly string[];
  readonly facets: readonly string[];
  /** JSON of {@link Payload}, to the letter. */
  readonly payload: string;
}

interface Payload {
  readonly name: string | null;
  readonly text: string;
  readonly parts: string;
  readonly metadata: string;
  readonly toolIds: readonly string[] | null;
}

/** What an append must know of a message that is there. */
export type KnownMessage = Pick<MessageDocument, "key" | "seq" | "rev" | "text_rev" | "revision" | "created_at" | "importance">;
export const knownFields = ["key", "seq", "rev", "text_rev", "revision", "created_at", "importance"];

export function makeMessageDocument(
  place: Pick<ConversationDocument, "tenant" | "user" | "conversation" | "resource">,
  message: NewMessage,
  given: Pick<MessageDocument, "seq" | "rev" | "text_rev" | "created_at" | "importance">,
): MessageDocument {
  const { tenant, user, conversation, resource } = place;
  const payload: Payload = {
    name: message.name,
    text: message.text,
    parts: message.partsJson,
    metadata: message.metadataJson,
    toolIds: message.toolIds,
  };
  return {
    tenant,
    user,
    conversation,
    conversation_key: conversationKey(tenant, conversation),
    key: messageKey(tenant, conversation, message.id),
    resource,
    message: message.id,
    ...given,
    revision: textRevision(message),
    role: message.role,
    has_text: message.text !== "",
    tools: [...new Set((message.toolIds ?? []).map((toolId) => toolKey(toolId.slice(toolId.indexOf(":") + 1))))],
    facets: facetsOf(message.metadataJson),
    payload: JSON.stringify(payload),
  };
}

/** A tool call and its result have the same. */
export const toolKey = (id: string) => keyOf("tool", id);

/** A metadata field and its value, type and all, as one term. */
const facet = (field: string, value: unknown) => keyOf(field, JSON.stringify(value));

function facetsOf(metadataJson: string): string[] {
  const json = filterableMetadata(metadataJson);
  if (json === null) return [];
  return Object.entries(JSON.parse(json) as Record<string, unknown>)
    .filter(([, value]) => typeof value !== "object" || value === null)
    .map(([field, value]) => facet(field, value));
}

/** Query clauses of a metadata filter. */
export function filterClauses(filter: MetadataFilter | undefined): object[] {
  return Object.entries(filter ?? {}).map(([field, wanted]) => {
    const values: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
    return { terms: { facets: values.map((value) => facet(field, value)) } };
  });
}

/** Query clauses: of this scope. */
export function scopeClauses(scope: StoreScope): object[] {
  return [
    { term: { tenant: scope.tenant } },
    ...(scope.userId === undefined ? [] : [{ term: { user: scope.userId } }]),
    ...(scope.resourceId === undefined ? [] : [{ term: { resource: scope.resourceId } }]),
  ];
}

/** The message, with the words it is found by in the field of its language. */
export function withWords(document: MessageDocument, analyzer: string): object {
  if (!document.has_text) return document;
  const { name, text } = JSON.parse(document.payload) as Payload;
  return { ...document, words: { [analyzer]: indexedWords({ name, text, createdAt: new Date(document.created_at) }) } };
}

export function toMessage(document: MessageDocument): Message {
  const payload = JSON.parse(document.payload) as Payload;
  return {
    id: document.message,
    conversationId: document.conversation,
    userId: document.user,
    seq: document.seq,
    role: document.role,
    name: payload.name ?? undefined,
    content: payload.text,
    parts: decodeParts(payload.parts),
    metadata: JSON.parse(payload.metadata),
    createdAt: new Date(document.created_at),
  };
}

export function toStored(document: MessageDocument): StoredMessage {
  return {
    message: toMessage(document),
    resourceId: document.resource,
    importance: document.importance,
    toolIds: toolIdsOf(document),
  };
}

export function toolIdsOf(document: MessageDocument): readonly string[] | null {
  return document.tools.length === 0 ? null : (JSON.parse(document.payload) as Payload).toolIds;
}

export function toConversation(document: ConversationDocument): Conversation {
  return {
    id: document.conversation,
    userId: document.user,
    resourceId: document.resource,
    title: document.title,
    metadata: JSON.parse(document.metadata),
    language: document.language ?? undefined,
    createdAt: new Date(document.created_at),
    updatedAt: new Date(document.updated_at),
    pinnedAt: markTime(document.pinned_at),
    archivedAt: markTime(document.archived_at),
  };
}

/** What lists by title are sorted by: a keyword has a longest length. */
export const titleOrder = (title: string) => title.slice(0, 1_000);

/** There, and this scope's. */
export function isVisible(document: ConversationDocument | undefined, scope: StoreScope): document is ConversationDocument {
  return (
    document !== undefined &&
    document.state !== "erased" &&
    document.tenant === scope.tenant &&
    (scope.userId === undefined || document.user === scope.userId) &&
    (scope.resourceId === undefined || document.resource === scope.resourceId)
  );
}
