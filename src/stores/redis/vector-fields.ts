import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery } from "../../domain/vector-store.ts";
import { scalarToken, scalarTokens } from "../../internal/scalar-tokens.ts";
import { stableId } from "../../internal/stable-id.ts";
import { unitVector } from "../../internal/unit-vector.ts";

/** What conditions are put to, as hashes: letters, digits, `-` and `_`, so that nothing is to be quoted in a query. */
export interface Fields {
  readonly conversation: string;
  readonly resource: string;
  readonly role: string;
  readonly created_at: number;
  /** One for each scalar of the metadata. */
  readonly tokens: readonly string[];
}

export function toFields(entry: VectorEntry): Fields {
  return {
    conversation: stableId(entry.conversationId),
    resource: stableId(entry.resourceId),
    role: stableId(entry.role),
    created_at: entry.createdAt.getTime(),
    tokens: scalarTokens(entry.metadata).map((token) => stableId(token)),
  };
}

/** The conditions of a query on {@link Fields}, but for tenant and user. A list is of allowed values. */
export interface FieldConditions {
  readonly conversation: string | undefined;
  readonly resource: string | undefined;
  readonly roles: readonly string[] | undefined;
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly tokens: readonly (readonly string[])[];
}

export const scopeConditions = ({ resourceId }: StoreScope): FieldConditions => ({
  conversation: undefined,
  resource: resourceId === undefined ? undefined : stableId(resourceId),
  roles: undefined,
  since: undefined,
  until: undefined,
  tokens: [],
});

/** Undefined when nothing can pass: a list of allowed values is empty. */
export function toConditions({ scope, conversationId, roles, since, until, filter }: VectorQuery): FieldConditions | undefined {
  const tokens = Object.entries(filter ?? {}).map(([field, value]) => [value].flat().map((one) => stableId(scalarToken(field, one))));
  if (roles?.length === 0 || tokens.some((allowed) => allowed.length === 0)) return undefined;
  return {
    ...scopeConditions(scope),
    conversation: conversationId === undefined ? undefined : stableId(conversationId),
    roles: roles?.map((role) => stableId(role)),
    since: since?.getTime(),
    until: until?.getTime(),
    tokens,
  };
}

/** What comes back with a match, as text. */
export function toPayload({ userId, conversationId, messageId, seq, createdAt, importance, revision }: VectorEntry): Payload {
  return [userId, conversationId, messageId, seq, createdAt.getTime(), importance, revision];
}

export type Payload = readonly [
  user: string,
  conversation: string,
  message: string,
  seq: number,
  createdAt: number,
  importance: number | null,
  revision: string,
];

export function toMatch(payload: Payload, similarity: number): VectorMatch {
  const [userId, conversationId, messageId, seq, createdAt, importance, revision] = payload;
  // The server computes with floats.
  const cosine = Math.max(-1, Math.min(1, similarity));
  return { userId, conversationId, messageId, seq, createdAt: new Date(createdAt), importance, revision, similarity: cosine };
}

/** A vector at length 1, as the bytes of its floats. */
export function toBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of unitVector(vector).entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/** Pairs of an answer: a list by the older protocol, a map or an object by the newer one. */
export function pairsOf(reply: unknown): [string, unknown][] {
  if (reply instanceof Map) return [...reply].map(([key, value]) => [String(key), value]);
  if (!Array.isArray(reply)) return Object.entries((reply ?? {}) as Record<string, unknown>);
  return Array.from({ length: reply.length / 2 }, (_, index) => [String(reply[2 * index]), reply[2 * index + 1] as unknown]);
}

export const textsOf = (reply: unknown): string[] => (reply as unknown[]).map(String);
