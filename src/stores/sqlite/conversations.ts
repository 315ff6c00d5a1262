import type { Conversation, Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery, NewConversation, SessionStats, StoredConversationChanges } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { markedSince, markTime } from "../marks.ts";
import type { SqliteRows, SqliteValue } from "./database.ts";

export interface ConversationRow {
  readonly user_id: string;
  readonly id: string;
  readonly resource_id: string;
  readonly title: string;
  readonly metadata: string;
  readonly language: string | null;
  readonly next_seq: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly pinned_at: number | null;
  readonly archived_at: number | null;
}

/** Collects conditions with their values. */
export interface Conditions {
  readonly sql: string[];
  readonly values: SqliteValue[];
}

/** SQL: rows of the scope. */
export function inScope({ tenant, userId, resourceId }: StoreScope): Conditions {
  const found: Conditions = { sql: [], values: [] };
  addCondition(found, "tenant = ?", tenant);
  if (userId !== undefined) addCondition(found, "user_id = ?", userId);
  if (resourceId !== undefined) addCondition(found, "resource_id = ?", resourceId);
  return found;
}

export function addCondition(conditions: Conditions, sql: string, ...values: readonly SqliteValue[]): void {
  conditions.sql.push(sql);
  conditions.values.push(...values);
}

export const where = (conditions: Conditions) => `WHERE ${conditions.sql.join(" AND ")}`;

export function findConversation(rows: SqliteRows, scope: StoreScope, id: string): ConversationRow | undefined {
  const row = rows.get<ConversationRow>("SELECT * FROM {conversations} WHERE tenant = ? AND id = ?", scope.tenant, id);
  if (row === undefined || (scope.userId !== undefined && row.user_id !== scope.userId)) return undefined;
  return scope.resourceId === undefined || row.resource_id === scope.resourceId ? row : undefined;
}

export function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    userId: row.user_id,
    resourceId: row.resource_id,
    title: row.title,
    metadata: JSON.parse(row.metadata),
    language: row.language ?? undefined,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    pinnedAt: markTime(row.pinned_at),
    archivedAt: markTime(row.archived_at),
  };
}

/** Undefined when the tenant has a conversation of this id. */
export function insertConversation(
  rows: SqliteRows,
  conversation: NewConversation,
  createdAt: number,
  updatedAt: number,
): ConversationRow | undefined {
  const { tenant, userId, id, resourceId, title, metadataJson, language } = conversation;
  return rows.get<ConversationRow>(
    `INSERT INTO {conversations} (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT DO NOTHING RETURNING *`,
    tenant,
    userId,
    id,
    resourceId,
    title,
    metadataJson,
    language ?? null,
    createdAt,
    updatedAt,
  );
}

export function createConversation(rows: SqliteRows, conversation: NewConversation): Conversation {
  const row = insertConversation(rows, conversation, Date.now(), Date.now());
  if (row !== undefined) return toConversation(row);
  const { id } = conversation;
  throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
}

export function updateConversation(
  rows: SqliteRows,
  scope: StoreScope,
  id: string,
  { title, metadata, pinned, archived, ifTitle }: StoredConversationChanges,
): Conversation | undefined {
  const before = findConversation(rows, scope, id);
  if (before === undefined) return undefined;
  if (ifTitle !== undefined && ifTitle !== before.title) return toConversation(before);
  const now = Date.now();
  const row = rows.get<ConversationRow>(
    `UPDATE {conversations} SET title = coalesce(?, title), metadata = coalesce(?, metadata), updated_at = max(updated_at, ?), pinned_at = ?, archived_at = ?
WHERE tenant = ? AND id = ? RETURNING *`,
    title ?? null,
    metadata === undefined ? null : JSON.stringify(metadata),
    title === undefined && metadata === undefined ? 0 : now,
    markedSince(before.pinned_at, pinned, now),
    markedSince(before.archived_at, archived, now),
    scope.tenant,
    id,
  );
  return row && toConversation(row);
}

const orderColumns = { updatedAt: "updated_at", createdAt: "created_at", title: "title" } as const;

export function listConversations(rows: SqliteRows, scope: StoreScope, query: ConversationQuery): Page<Conversation> {
  const column = orderColumns[query.orderBy];
  const direction = query.direction === "asc" ? "ASC" : "DESC";
  const conditions = inScope(scope);
  for (const mark of ["archived", "pinned"] as const) {
    if (query[mark] !== undefined) addCondition(conditions, `${mark}_at IS ${query[mark] ? "NOT " : ""}NULL`);
  }
  if (query.cursor !== undefined) {
    const place = decodeCursor(query, query.cursor, 2);
    addCondition(conditions, `(${column}, id) ${query.direction === "asc" ? ">" : "<"} (?, ?)`, ...place);
  }
  const found = rows.all<ConversationRow>(
    `SELECT * FROM {conversations} ${where(conditions)} ORDER BY ${column} ${direction}, id ${direction} LIMIT ? OFFSET ?`,
    ...conditions.values,
    query.limit + 1,
    query.offset,
  );
  const page = found.slice(0, query.limit);
  const last = found.length > query.limit ? page.at(-1) : undefined;
  return { items: page.map(toConversation), nextCursor: last && encodeCursor(query, [last[column], last.id]) };
}

export function countConversations(rows: SqliteRows, scope: StoreScope): number {
  return count(rows, "count(*)", "{conversations}", scope);
}

export function sessionStats(rows: SqliteRows, scope: StoreScope): SessionStats {
  return {
    conversations: count(rows, "count(*)", "{conversations}", scope),
    messages: count(rows, "count(*)", "{messages}", scope),
    users: count(rows, "count(DISTINCT user_id)", "{conversations}", scope),
  };
}

function count(rows: SqliteRows, what: string, table: string, scope: StoreScope): number {
  const conditions = inScope(scope);
  return rows.get<{ n: number }>(`SELECT ${what} AS n FROM ${table} ${where(conditions)}`, ...conditions.values)?.n ?? 0;
}
