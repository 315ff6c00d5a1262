import type { FilterValue } from "../../domain/filter.ts";
import type { RecordConditions, RecordName, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { filterableMetadata } from "../../domain/search-text.ts";
import { epochMs, fromEpochMs, type Parameters } from "./database.ts";
import type { Names } from "./names.ts";
import type { SqlClient, SqlValue } from "./sql-client.ts";

/** What the statements on records are written against. */
export interface RecordDatabase {
  readonly client: SqlClient;
  readonly names: Names;
  /** A text-search configuration the server has. */
  readonly language: string;
  /** Quoted name of the schema that holds pgvector. */
  readonly vectorSchema: string;
  /** Object id of the type `vector`. */
  readonly vectorTypeId: number;
  /** When a write next takes out what has expired. */
  readonly purge: { dueAt: number };
}

/** As {@link recordColumns} gives it. */
export interface RecordRow {
  readonly tenant: string;
  readonly userId: string;
  readonly type: string;
  readonly id: string;
  readonly resourceId: string;
  readonly conversationId: string | null;
  readonly name: string | null;
  readonly key: string | null;
  readonly content: string;
  readonly data: string;
  readonly position: number;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
  readonly wantsVector: boolean;
  readonly vectorModel: string | null;
}

/** SQL: of the record `r`. */
export const recordColumns = `r.tenant, r.user_id AS "userId", r.type, r.id, r.resource_id AS "resourceId", r.conversation_id AS "conversationId", r.name, r.key,
  r.content, r.data::text AS data, r.position, r.version, ${epochMs("r.created_at")} AS "createdAt", ${epochMs("r.updated_at")} AS "updatedAt", ${epochMs("r.expires_at")} AS "expiresAt",
  r.wants_vector AS "wantsVector", r.embedding_model AS "vectorModel"`;

export function toRecord(row: RecordRow): StoredRecord {
  return {
    tenant: row.tenant,
    userId: row.userId,
    type: row.type,
    id: row.id,
    resourceId: row.resourceId,
    conversationId: row.conversationId ?? undefined,
    name: row.name ?? undefined,
    key: row.key ?? undefined,
    content: row.content,
    data: JSON.parse(row.data),
    position: row.position,
    version: row.version,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    expiresAt: row.expiresAt === null ? undefined : new Date(row.expiresAt),
    ...(row.wantsVector && { wantsVector: true as const }),
  };
}

export const isThere = ({ expiresAt }: StoredRecord, now: number) => expiresAt === undefined || expiresAt.getTime() > now;
export const keyOf = ({ tenant, userId, type, id }: RecordName & { readonly tenant: string }) => JSON.stringify([tenant, userId, type, id]);

/** SQL: the record `r` is in scope, there, and fulfils the conditions. */
export function matching(scope: StoreScope, conditions: RecordConditions, parameters: Parameters<SqlValue>): string {
  return `${fulfilling(scope, conditions, parameters)} AND ${notExpired("r.expires_at", parameters)}`;
}

export function notExpired(column: string, parameters: Parameters<SqlValue>): string {
  return `(${column} IS NULL OR ${column} > ${fromEpochMs(parameters.add(Date.now(), "float8"))})`;
}

/** SQL: the record `r` is in scope and fulfils the conditions, expired or not. */
export function fulfilling(scope: StoreScope, conditions: RecordConditions, parameters: Parameters<SqlValue>): string {
  const { types, exceptTypes, ids, name, names, key, conversationId, positionFrom, positionBefore, filter } = conditions;
  const terms = inScope(scope, parameters);
  if (types !== undefined) terms.push(oneOf("r.type", types, parameters));
  if (exceptTypes !== undefined) terms.push(`r.type <> ALL(${parameters.add(exceptTypes, "text[]")})`);
  if (ids !== undefined) terms.push(oneOf("r.id", ids, parameters));
  if (name !== undefined) terms.push(`r.name = ${parameters.add(name, "text")}`);
  if (names !== undefined) terms.push(oneOf("r.name", names, parameters));
  if (positionFrom !== undefined) terms.push(`r.position >= ${parameters.add(positionFrom, "float8")}`);
  if (positionBefore !== undefined) terms.push(`r.position < ${parameters.add(positionBefore, "float8")}`);
  if (key !== undefined) terms.push(`r.key = ${parameters.add(key, "text")}`);
  if (conversationId !== undefined) terms.push(`r.conversation_id = ${parameters.add(conversationId, "text")}`);
  for (const [field, value] of Object.entries(filter ?? {})) {
    const values: readonly FilterValue[] = Array.isArray(value) ? value : [value as FilterValue];
    const objects = values.map((one) => filterableMetadata(JSON.stringify({ [field]: one })));
    terms.push(`r.metadata @> ANY(${parameters.add(objects, "text[]")}::jsonb[])`);
  }
  return terms.join(" AND ");
}

/** SQL: one alone keeps the order of an index. */
function oneOf(column: string, values: readonly string[], parameters: Parameters<SqlValue>): string {
  const [first] = values;
  if (first !== undefined && values.length === 1) return `${column} = ${parameters.add(first, "text")}`;
  return `${column} = ANY(${parameters.add(values, "text[]")})`;
}

function inScope({ tenant, userId, resourceId }: StoreScope, parameters: Parameters<SqlValue>): string[] {
  const terms = [`r.tenant = ${parameters.add(tenant, "text")}`];
  if (userId !== undefined) terms.push(`r.user_id = ${parameters.add(userId, "text")}`);
  if (resourceId !== undefined) terms.push(`r.resource_id = ${parameters.add(resourceId, "text")}`);
  return terms;
}

/** The names of records, as four arrays. */
export function nameValues(targets: readonly (RecordName & { readonly tenant: string })[]): SqlValue[] {
  return [
    targets.map(({ tenant }) => tenant),
    targets.map(({ userId }) => userId),
    targets.map(({ type }) => type),
    targets.map(({ id }) => id),
  ];
}
