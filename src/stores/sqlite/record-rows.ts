import type { RecordConditions, RecordName, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { addCondition, type Conditions, inScope } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";

export interface RecordRow {
  readonly entry: number;
  readonly tenant: string;
  readonly user_id: string;
  readonly type: string;
  readonly id: string;
  readonly resource_id: string;
  readonly conversation_id: string | null;
  readonly name: string | null;
  readonly key: string | null;
  readonly content: string;
  readonly data: string;
  readonly position: number;
  readonly version: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly expires_at: number | null;
  readonly wants_vector: number;
  readonly vector_model: string | null;
}

export function toRecord(row: RecordRow): StoredRecord {
  return {
    tenant: row.tenant,
    userId: row.user_id,
    type: row.type,
    id: row.id,
    resourceId: row.resource_id,
    conversationId: row.conversation_id ?? undefined,
    name: row.name ?? undefined,
    key: row.key ?? undefined,
    content: row.content,
    data: JSON.parse(row.data),
    position: row.position,
    version: row.version,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    expiresAt: row.expires_at === null ? undefined : new Date(row.expires_at),
    ...(row.wants_vector === 1 && { wantsVector: true as const }),
  };
}

export const isThere = (row: RecordRow, now: number) => row.expires_at === null || row.expires_at > now;

export function selectRecord(rows: SqliteRows, tenant: string, { userId, type, id }: RecordName): RecordRow | undefined {
  return rows.get<RecordRow>("SELECT * FROM {records} WHERE tenant = ? AND user_id = ? AND type = ? AND id = ?", tenant, userId, type, id);
}

export function matching(scope: StoreScope, query: RecordConditions): Conditions {
  const conditions = fulfilling(scope, query);
  addCondition(conditions, "(expires_at IS NULL OR expires_at > ?)", Date.now());
  return conditions;
}

/** Expired or not. */
export function fulfilling(scope: StoreScope, query: RecordConditions): Conditions {
  const { types, exceptTypes, ids, name, names, key, conversationId, positionFrom, positionBefore, filter } = query;
  const conditions = inScope(scope);
  if (types !== undefined) addCondition(conditions, ...oneOf("type", types));
  if (exceptTypes !== undefined) addCondition(conditions, "type NOT IN (SELECT value FROM json_each(?))", JSON.stringify(exceptTypes));
  if (ids !== undefined) addCondition(conditions, ...oneOf("id", ids));
  if (name !== undefined) addCondition(conditions, "{records}.name = ?", name);
  if (names !== undefined) addCondition(conditions, ...oneOf("{records}.name", names));
  if (key !== undefined) addCondition(conditions, "key = ?", key);
  if (conversationId !== undefined) addCondition(conditions, "conversation_id = ?", conversationId);
  if (positionFrom !== undefined) addCondition(conditions, "position >= ?", positionFrom);
  if (positionBefore !== undefined) addCondition(conditions, "position < ?", positionBefore);
  if (filter !== undefined) addCondition(conditions, "unforget_matches(data, ?)", JSON.stringify(filter));
  return conditions;
}

/** One alone keeps the order of an index. */
function oneOf(column: string, values: readonly string[]): [sql: string, value: string] {
  const [first] = values;
  if (first !== undefined && values.length === 1) return [`${column} = ?`, first];
  return [`${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(values)];
}
