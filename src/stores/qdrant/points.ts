import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery, VectorSelection } from "../../domain/vector-store.ts";
import { scalarToken, scalarTokens } from "../../internal/scalar-tokens.ts";
import { stableUuid } from "../../internal/stable-id.ts";
import { unitVector } from "../../internal/unit-vector.ts";

/** What a point keeps beside its vector. */
export interface Payload {
  readonly tenant: string;
  readonly user: string;
  readonly resource: string;
  readonly conversation: string;
  readonly message: string;
  readonly role: string;
  readonly seq: number;
  readonly created_at: number;
  readonly importance: number | null;
  readonly revision: string;
  /** `["tier","gold"]` for each scalar field. */
  readonly metadata: readonly string[];
}

/** What a match needs of it. */
export const returned: readonly (keyof Payload)[] = ["user", "conversation", "message", "seq", "created_at", "importance", "revision"];

/** One of the conditions a point must fulfil. */
export type Condition = { readonly key: keyof Payload; readonly match?: object; readonly range?: object };

export function pointId(
  owner: { readonly tenant: string; readonly userId: string; readonly conversationId: string },
  messageId: string,
): string {
  return stableUuid(owner.tenant, owner.userId, owner.conversationId, messageId);
}

export function toPoint(
  id: string,
  entry: VectorEntry,
): { readonly id: string; readonly vector: readonly number[]; readonly payload: Payload } {
  const payload = {
    tenant: entry.tenant,
    user: entry.userId,
    resource: entry.resourceId,
    conversation: entry.conversationId,
    message: entry.messageId,
    role: entry.role,
    seq: entry.seq,
    created_at: entry.createdAt.getTime(),
    importance: entry.importance,
    revision: entry.revision,
    metadata: scalarTokens(entry.metadata),
  };
  return { id, vector: unitVector(entry.vector), payload };
}

/** A point as a query answers it. */
export interface ScoredPoint {
  readonly score: number;
  readonly payload: Pick<Payload, "user" | "conversation" | "message" | "seq" | "created_at" | "revision"> & {
    readonly importance?: number | null;
  };
}

export function toMatch({ score, payload }: ScoredPoint): VectorMatch {
  return {
    userId: payload.user,
    conversationId: payload.conversation,
    messageId: payload.message,
    seq: payload.seq,
    createdAt: new Date(payload.created_at),
    importance: payload.importance ?? null,
    revision: payload.revision,
    similarity: score,
  };
}

const is = (key: keyof Payload, value: string): Condition => ({ key, match: { value } });
const isAny = (key: keyof Payload, values: readonly string[]): Condition => ({ key, match: { any: values } });

export function scopeConditions({ tenant, userId, resourceId }: StoreScope): Condition[] {
  return [
    is("tenant", tenant),
    ...(userId === undefined ? [] : [is("user", userId)]),
    ...(resourceId === undefined ? [] : [is("resource", resourceId)]),
  ];
}

export function selectionConditions({ tenant, userId, conversationId }: VectorSelection): Condition[] {
  const conversation = conversationId === undefined ? [] : [is("conversation", conversationId)];
  return [...scopeConditions({ tenant, userId, resourceId: undefined }), ...conversation];
}

/** Undefined when nothing can pass: a list of allowed values is empty. */
export function toConditions({ scope, conversationId, roles, since, until, filter }: VectorQuery): Condition[] | undefined {
  const wanted = Object.entries(filter ?? {}).map(([field, value]) => [value].flat().map((one) => scalarToken(field, one)));
  if (roles?.length === 0 || wanted.some((tokens) => tokens.length === 0)) return undefined;
  const range = { ...(since !== undefined && { gte: since.getTime() }), ...(until !== undefined && { lt: until.getTime() }) };
  return [
    ...scopeConditions(scope),
    ...(conversationId === undefined ? [] : [is("conversation", conversationId)]),
    ...(roles === undefined ? [] : [isAny("role", roles)]),
    ...(since === undefined && until === undefined ? [] : [{ key: "created_at", range } as const]),
    ...wanted.map((tokens) => isAny("metadata", tokens)),
  ];
}
