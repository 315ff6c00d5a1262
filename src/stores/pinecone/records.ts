import { BackendError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery } from "../../domain/vector-store.ts";
import { scalarToken, scalarTokens } from "../../internal/scalar-tokens.ts";
import { stableId } from "../../internal/stable-id.ts";
import { unitVector } from "../../internal/unit-vector.ts";

/** Pinecone's metadata are strings, numbers, booleans and lists of strings; there is no null. */
export type Metadata = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface PineconeRecord {
  readonly id: string;
  readonly values: readonly number[];
  readonly metadata: Metadata;
}

export type Filter = Readonly<Record<string, unknown>>;

/** A record may hold 40 KB of metadata. Beyond this many letters, fields are noted by their hashes. */
const mostTokenLetters = 8_000;
const mostMetadataBytes = 40 * 1024;

type Owner = { readonly userId: string; readonly conversationId: string };

/** Ids of a user begin alike, and those of a conversation: they can be listed by prefix. */
export function recordId({ userId, conversationId }: Owner, messageId: string): string {
  return `${prefixOf(userId, conversationId)}${stableId(messageId)}`;
}

export function prefixOf(userId: string, conversationId: string | undefined): string {
  return `${stableId(userId)}.${conversationId === undefined ? "" : `${stableId(conversationId)}.`}`;
}

export function toRecord(id: string, entry: VectorEntry): PineconeRecord {
  const tokens = scalarTokens(entry.metadata);
  const letters = tokens.reduce((sum, token) => sum + token.length, 0);
  const metadata = {
    user: entry.userId,
    resource: entry.resourceId,
    conversation: entry.conversationId,
    message: entry.messageId,
    role: entry.role,
    seq: entry.seq,
    created_at: entry.createdAt.getTime(),
    ...(entry.importance !== null && { importance: entry.importance }),
    revision: entry.revision,
    metadata: letters > mostTokenLetters ? tokens.map(hashed) : tokens,
  };
  if (Buffer.byteLength(JSON.stringify(metadata)) > mostMetadataBytes)
    throw new BackendError(
      "pinecone",
      "upsert",
      "a message has more fields in its metadata than the 40 KB of a record: give it fewer than 1,000",
    );
  return { id, values: unitVector(entry.vector), metadata };
}

const hashed = (token: string) => stableId(token);

export function toMatch(metadata: Metadata, score: number): VectorMatch {
  return {
    userId: metadata.user as string,
    conversationId: metadata.conversation as string,
    messageId: metadata.message as string,
    seq: metadata.seq as number,
    createdAt: new Date(metadata.created_at as number),
    importance: (metadata.importance as number | undefined) ?? null,
    revision: metadata.revision as string,
    similarity: Math.max(-1, Math.min(1, score)),
  };
}

/** Conditions of a scope or selection; the tenant is the namespace. */
export function scopeConditions(scope: Partial<StoreScope> & { readonly conversationId?: string | undefined }): Filter[] {
  const { userId, resourceId, conversationId } = scope;
  const wanted: readonly [string, string | undefined][] = [
    ["user", userId],
    ["resource", resourceId],
    ["conversation", conversationId],
  ];
  return wanted.flatMap(([name, value]) => (value === undefined ? [] : [{ [name]: { $eq: value } }]));
}

/** Undefined when nothing can pass: a list of allowed values is empty. */
export function queryConditions({ scope, conversationId, roles, since, until, filter }: VectorQuery): Filter[] | undefined {
  const wanted = Object.entries(filter ?? {}).map(([field, value]) => [value].flat().map((one) => scalarToken(field, one)));
  if (roles?.length === 0 || wanted.some((tokens) => tokens.length === 0)) return undefined;
  return [
    ...scopeConditions({ ...scope, conversationId }),
    ...(roles === undefined ? [] : [{ role: { $in: roles } }]),
    ...(since === undefined ? [] : [{ created_at: { $gte: since.getTime() } }]),
    ...(until === undefined ? [] : [{ created_at: { $lt: until.getTime() } }]),
    ...wanted.map((tokens) => ({ metadata: { $in: [...tokens, ...tokens.map(hashed)] } })),
  ];
}

export function allOf(conditions: readonly Filter[]): Filter | undefined {
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}
