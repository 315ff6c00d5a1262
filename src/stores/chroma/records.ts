import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery } from "../../domain/vector-store.ts";
import { scalarToken, scalarTokens } from "../../internal/scalar-tokens.ts";
import { stableUuid } from "../../internal/stable-id.ts";

/** What a record keeps beside its vector. Chroma's metadata are scalars, and null takes a field away. */
export type Metadata = Readonly<Record<string, string | number | boolean | null>>;

/** A condition in Chroma's language. */
export type Where = Readonly<Record<string, unknown>>;

/** Unique in the collection of a tenant. */
export function recordId(owner: { readonly userId: string; readonly conversationId: string }, messageId: string): string {
  return stableUuid(owner.userId, owner.conversationId, messageId);
}

/** Fields of the message's metadata are names here, `=["tier","gold"]`, so that any type can be asked for. */
const nameOf = (token: string) => `=${token}`;

/**
 * @param before what the record of this id holds by now: Chroma merges metadata, and a field that is no longer there
 *   would stay
 */
export function toMetadata(entry: VectorEntry, before: Metadata | undefined): Metadata {
  const stale = Object.keys(before ?? {}).filter((name) => name.startsWith("="));
  return {
    ...Object.fromEntries(stale.map((name) => [name, null])),
    user: entry.userId,
    resource: entry.resourceId,
    conversation: entry.conversationId,
    message: entry.messageId,
    role: entry.role,
    seq: entry.seq,
    created_at: entry.createdAt.getTime(),
    importance: entry.importance,
    revision: entry.revision,
    ...Object.fromEntries(scalarTokens(entry.metadata).map((token) => [nameOf(token), 1])),
  };
}

export function toMatch(metadata: Metadata, similarity: number): VectorMatch {
  return {
    userId: metadata.user as string,
    conversationId: metadata.conversation as string,
    messageId: metadata.message as string,
    seq: metadata.seq as number,
    createdAt: new Date(metadata.created_at as number),
    importance: (metadata.importance as number | undefined) ?? null,
    revision: metadata.revision as string,
    similarity: Math.max(-1, Math.min(1, similarity)),
  };
}

/** Conditions of a scope or selection; the tenant is the collection. */
export function scopeConditions(scope: Partial<StoreScope> & { readonly conversationId?: string | undefined }): Where[] {
  const { userId, resourceId, conversationId } = scope;
  const wanted: readonly [string, string | undefined][] = [
    ["user", userId],
    ["resource", resourceId],
    ["conversation", conversationId],
  ];
  return wanted.flatMap(([name, value]) => (value === undefined ? [] : [{ [name]: { $eq: value } }]));
}

/** Undefined when nothing can pass: a list of allowed values is empty. */
export function queryConditions({ scope, conversationId, roles, since, until, filter }: VectorQuery): Where[] | undefined {
  const wanted = Object.entries(filter ?? {}).map(([field, value]) => [value].flat().map((one) => nameOf(scalarToken(field, one))));
  if (roles?.length === 0 || wanted.some((names) => names.length === 0)) return undefined;
  return [
    ...scopeConditions({ ...scope, conversationId }),
    ...(roles === undefined ? [] : [{ role: { $in: roles } }]),
    ...(since === undefined ? [] : [{ created_at: { $gte: since.getTime() } }]),
    ...(until === undefined ? [] : [{ created_at: { $lt: until.getTime() } }]),
    ...wanted.map(
      (names) =>
        combine(
          "$or",
          names.map((name) => ({ [name]: { $eq: 1 } })),
        ) as Where,
    ),
  ];
}

/** All of the conditions, or undefined for none: Chroma wants two or more under `$and` and `$or`. */
export function combine(operator: "$and" | "$or", conditions: readonly Where[]): Where | undefined {
  return conditions.length > 1 ? { [operator]: conditions } : conditions[0];
}
