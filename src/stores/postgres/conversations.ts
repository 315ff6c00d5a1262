import type { Conversation, ConversationChanges, Page } from "../../domain/conversation.ts";
import { ConflictError, InvalidArgumentError } from "../../domain/errors.ts";
import type { ConversationQuery, NewConversation, StoreScope } from "../../domain/session-store.ts";
import { type Database, epochMs, knownLanguage, Parameters, statementName } from "./database.ts";
import type { SqlValue } from "./sql-client.ts";

interface ConversationRow {
  readonly id: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly title: string;
  readonly metadata: string;
  readonly language: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const columns = `c.id, c.user_id AS "userId", c.resource_id AS "resourceId", c.title, c.metadata::text AS metadata, c.language, ${epochMs("c.created_at")} AS "createdAt", ${epochMs("c.updated_at")} AS "updatedAt"`;

/** SQL: the conversation `c` is this one, and this scope's. An administrator's scope finds the owner in the directory. */
export function isConversation(database: Database, scope: StoreScope, id: string, parameters: Parameters<SqlValue>): string {
  const tenant = parameters.add(scope.tenant, "text");
  const conversation = parameters.add(id, "text");
  const user =
    scope.userId === undefined
      ? `(SELECT o.user_id FROM ${database.names.table.conversation_owners} o WHERE o.tenant = ${tenant} AND o.conversation_id = ${conversation})`
      : parameters.add(scope.userId, "text");
  const resource = scope.resourceId === undefined ? "" : ` AND c.resource_id = ${parameters.add(scope.resourceId, "text")}`;
  return `c.tenant = ${tenant} AND c.user_id = ${user} AND c.id = ${conversation}${resource}`;
}

export async function createConversation(database: Database, conversation: NewConversation, signal?: AbortSignal): Promise<Conversation> {
  const { table } = database.names;
  const text = `WITH claimed AS (
  INSERT INTO ${table.conversation_owners} (tenant, conversation_id, user_id) VALUES ($1::text, $3::text, $2::text) ON CONFLICT DO NOTHING RETURNING 1
) INSERT INTO ${table.conversations} AS c (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::json, $7::text, 1, now(), now() FROM claimed
RETURNING ${columns}`;
  const { rows } = await database.client.query<ConversationRow>({
    text,
    name: statementName(text),
    values: [
      conversation.tenant,
      conversation.userId,
      conversation.id,
      conversation.resourceId,
      conversation.title,
      conversation.metadataJson,
      conversation.language === undefined ? null : knownLanguage(database, conversation.language),
    ],
    signal,
  });
  const row = rows[0];
  if (row === undefined)
    throw new ConflictError(conversation.id, `[conversation] the id "${conversation.id}" is taken: choose another, or leave the id out`);
  return toConversation(row);
}

export async function getConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const parameters = new Parameters<SqlValue>();
  const text = `SELECT ${columns} FROM ${database.names.table.conversations} c WHERE ${isConversation(database, scope, id, parameters)}`;
  const { rows } = await database.client.query<ConversationRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0] === undefined ? undefined : toConversation(rows[0]);
}

export async function updateConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  changes: ConversationChanges,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const parameters = new Parameters<SqlValue>();
  const which = isConversation(database, scope, id, parameters);
  const title = parameters.add(changes.title ?? null, "text");
  const metadata = parameters.add(changes.metadata === undefined ? null : JSON.stringify(changes.metadata), "json");
  const text = `UPDATE ${database.names.table.conversations} c
SET title = COALESCE(${title}, c.title), metadata = COALESCE(${metadata}, c.metadata), updated_at = GREATEST(now(), c.updated_at)
WHERE ${which} RETURNING ${columns}`;
  const { rows } = await database.client.query<ConversationRow>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0] === undefined ? undefined : toConversation(rows[0]);
}

const orderColumns = { updatedAt: "c.updated_at", createdAt: "c.created_at", title: "c.title" } as const;

export async function listConversations(
  database: Database,
  scope: StoreScope,
  query: ConversationQuery,
  signal?: AbortSignal,
): Promise<Page<Conversation>> {
  const parameters = new Parameters<SqlValue>();
  const column = orderColumns[query.orderBy];
  const isTime = query.orderBy !== "title";
  const conditions = inScope(scope, parameters);
  if (query.cursor !== undefined) {
    const [value, id] = decodeCursor(query.cursor, query.orderBy, query.direction);
    const position = isTime
      ? `timestamptz 'epoch' + ${parameters.add(value, "bigint")} * interval '1 microsecond'`
      : parameters.add(String(value), "text");
    conditions.push(`(${column}, c.id) ${query.direction === "desc" ? "<" : ">"} (${position}, ${parameters.add(id, "text")})`);
  }
  const limit = parameters.add(query.limit + 1, "int");
  const offset = query.offset === 0 ? "" : ` OFFSET ${parameters.add(query.offset, "int")}`;
  const direction = query.direction === "desc" ? "DESC" : "ASC";
  const key = isTime ? `(extract(epoch FROM ${column}) * 1000000)::bigint` : column;
  const text = `SELECT ${columns}, ${key} AS key FROM ${database.names.table.conversations} c WHERE ${conditions.join(" AND ")}
ORDER BY ${column} ${direction}, c.id ${direction} LIMIT ${limit}${offset}`;
  const { rows } = await database.client.query<ConversationRow & { key: number | string }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  const page = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? page.at(-1) : undefined;
  return {
    items: page.map(toConversation),
    nextCursor: last === undefined ? undefined : encodeCursor([last.key, last.id, query.orderBy, query.direction]),
  };
}

export async function countConversations(database: Database, scope: StoreScope, signal?: AbortSignal): Promise<number> {
  const parameters = new Parameters<SqlValue>();
  const conditions = inScope(scope, parameters);
  const text = `SELECT count(*) AS count FROM ${database.names.table.conversations} c WHERE ${conditions.join(" AND ")}`;
  const { rows } = await database.client.query<{ count: number }>({ text, name: statementName(text), values: parameters.values, signal });
  return rows[0]?.count ?? 0;
}

function inScope(scope: StoreScope, parameters: Parameters<SqlValue>): string[] {
  const conditions = [`c.tenant = ${parameters.add(scope.tenant, "text")}`];
  if (scope.userId !== undefined) conditions.push(`c.user_id = ${parameters.add(scope.userId, "text")}`);
  if (scope.resourceId !== undefined) conditions.push(`c.resource_id = ${parameters.add(scope.resourceId, "text")}`);
  return conditions;
}

function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    userId: row.userId,
    resourceId: row.resourceId,
    title: row.title,
    metadata: JSON.parse(row.metadata),
    language: row.language ?? undefined,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  };
}

type Cursor = readonly [key: number | string, id: string, orderBy: string, direction: string];

function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString("base64url");
}

function decodeCursor(cursor: string, orderBy: string, direction: string): Cursor {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(decoded) && decoded[2] === orderBy && decoded[3] === direction && typeof decoded[1] === "string") {
      const key: unknown = decoded[0];
      if (orderBy === "title" ? typeof key === "string" : Number.isSafeInteger(key)) return decoded as unknown as Cursor;
    }
  } catch {
    // Falls through to the same answer as a cursor of another list.
  }
  throw new InvalidArgumentError(
    "cursor",
    "is not a cursor of this list: pass the nextCursor of a page with the same orderBy and direction",
  );
}
