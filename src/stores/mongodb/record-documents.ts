import type { NewRecord, RecordName, StoredRecord } from "../../domain/record-store.ts";
import { segmentWords } from "../../domain/words.ts";
import { scalarTokens } from "../../internal/scalar-tokens.ts";
import { documentId } from "./documents.ts";

/** A record as it is stored. */
export interface RecordDocument {
  /** {@link recordId}. */
  readonly _id: string;
  readonly tenant: string;
  readonly userId: string;
  readonly type: string;
  readonly id: string;
  readonly resourceId: string;
  readonly conversationId?: string;
  readonly name?: string;
  /** The name, or an empty one: what lists are ordered by. */
  readonly sortName: string;
  readonly key?: string;
  /** Tenant, user, type and key in one, unique. */
  readonly uniqueKey?: string;
  readonly content: string;
  readonly data: string;
  /** Data for filters, as `scalarTokens` has it. */
  readonly fields: readonly string[];
  readonly position: number;
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  readonly version: number;
  readonly updatedAt: Date;
  /** Another value each time a write relies on its being there. */
  readonly held?: string;
  readonly wantsVector?: true;
  readonly vectorModel?: string;
  /** Floats in the byte order of this machine; reads that do not ask for it leave it out. */
  readonly vector?: Uint8Array | { readonly buffer: Uint8Array };
  /** What the word index has of it, and in which language. */
  readonly words: string;
  readonly language: string;
}

const mostIndexedCharacters = 100_000;

export const recordId = (tenant: string, { userId, type, id }: RecordName) => documentId(tenant, userId, type, id);

export function toRecordDocument(record: NewRecord, version: number, language: string): RecordDocument {
  const { tenant, userId, type, id, resourceId, conversationId, name, key, content, data, position, createdAt, expiresAt, wantsVector } =
    record;
  return {
    _id: recordId(tenant, record),
    tenant,
    userId,
    type,
    id,
    resourceId,
    ...(conversationId === undefined ? {} : { conversationId }),
    ...(name === undefined ? {} : { name }),
    sortName: name ?? "",
    ...(key === undefined ? {} : { key, uniqueKey: documentId(tenant, userId, type, key) }),
    content,
    data: JSON.stringify(data),
    fields: scalarTokens(data),
    position,
    createdAt: new Date(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    ...(wantsVector === undefined ? {} : { wantsVector }),
    version,
    updatedAt: new Date(),
    words: segmentWords(`${name ?? ""} ${content}`.slice(0, mostIndexedCharacters)),
    language,
  };
}

export function toRecord(document: RecordDocument): StoredRecord {
  const { tenant, userId, type, id, resourceId, conversationId, name, key, content, data, position, version } = document;
  return {
    tenant,
    userId,
    type,
    id,
    resourceId,
    conversationId,
    name,
    key,
    content,
    data: JSON.parse(data),
    position,
    createdAt: new Date(document.createdAt),
    expiresAt: document.expiresAt && new Date(document.expiresAt),
    version,
    updatedAt: new Date(document.updatedAt),
    ...(document.wantsVector === true && { wantsVector: true as const }),
  };
}
