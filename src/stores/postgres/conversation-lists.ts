import type { ConversationDetail, ListedConversation, Page } from "../../domain/conversation.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery } from "../../domain/session-store.ts";
import { type ConversationRow, conversationColumns, inScope, toConversation } from "./conversations.ts";
import { type Database, epochMs, Parameters, statementName } from "./database.ts";
import { toMessage } from "./messages.ts";
import type { SqlValue } from "./sql-client.ts";

const orderColumns = { updatedAt: "c.updated_at", createdAt: "c.created_at", title: "c.title" } as const;

export async function listConversations(
  database: Database,
  scope: StoreScope,
  query: ConversationQuery,
  signal?: AbortSignal,
): Promise<Page<ListedConversation>> {
  const parameters = new Parameters<SqlValue>();
  const column = orderColumns[query.orderBy];
  const isTime = query.orderBy !== "title";
  const conditions = inScope(scope, parameters);
  if (query.archived !== undefined) conditions.push(`c.archived_at IS ${query.archived ? "NOT " : ""}NULL`);
  if (query.pinned !== undefined) conditions.push(`c.pinned_at IS ${query.pinned ? "NOT " : ""}NULL`);
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
  const key = isTime ? `round(date_part('epoch', ${column}) * 1000000)` : column;
  const order = `ORDER BY ${column} ${direction}, c.id ${direction}`;
  const pageSql = `FROM ${database.names.table.conversations} c WHERE ${conditions.join(" AND ")} ${order} LIMIT ${limit}${offset}`;
  const { include = [] } = query;
  const text =
    include.length === 0
      ? `SELECT ${conversationColumns}, ${key} AS key ${pageSql}`
      : `WITH page AS MATERIALIZED (SELECT c.* ${pageSql})
SELECT ${conversationColumns}, ${key} AS key${detailColumns(include)} FROM page c${detailJoins(database, include)} ${order}`;
  const { rows } = await database.client.query<ConversationRow & DetailRow & { key: number | string }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  const page = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? page.at(-1) : undefined;
  return {
    items: page.map((row) => toListed(row, include)),
    nextCursor: last === undefined ? undefined : encodeCursor([last.key, last.id, query.orderBy, query.direction]),
  };
}

interface DetailRow {
  readonly messageCount?: number;
  readonly lastId?: string | null;
  readonly lastSeq?: number;
  readonly lastRole?: string;
  readonly lastName?: string | null;
  readonly lastContent?: string;
  readonly lastParts?: string;
  readonly lastMetadata?: string;
  readonly lastCreatedAt?: number;
}

function detailColumns(include: readonly ConversationDetail[]): string {
  const count = ', n.count AS "messageCount"';
  const last = `, m.message_id AS "lastId", m.seq AS "lastSeq", m.role AS "lastRole", m.name AS "lastName", m.content AS "lastContent", m.parts AS "lastParts", m.metadata AS "lastMetadata", ${epochMs("m.created_at")} AS "lastCreatedAt"`;
  return `${include.includes("messageCount") ? count : ""}${include.includes("lastMessage") ? last : ""}`;
}

/** SQL: count and newest message of each conversation `c` of a page, each by the ledger's primary key. */
function detailJoins(database: Database, include: readonly ConversationDetail[]): string {
  const own = `FROM ${database.names.table.messages} m WHERE m.tenant = c.tenant AND m.user_id = c.user_id AND m.conversation_id = c.id`;
  const count = `\nCROSS JOIN LATERAL (SELECT count(*) AS count ${own}) n`;
  const last = `\nLEFT JOIN LATERAL (SELECT * ${own} ORDER BY m.seq DESC LIMIT 1) m ON true`;
  return `${include.includes("messageCount") ? count : ""}${include.includes("lastMessage") ? last : ""}`;
}

function toListed(row: ConversationRow & DetailRow, include: readonly ConversationDetail[]): ListedConversation {
  const conversation = toConversation(row);
  if (include.length === 0) return conversation;
  if (!include.includes("lastMessage")) return { ...conversation, messageCount: row.messageCount };
  const lastMessage = toLastMessage(row);
  return include.includes("messageCount")
    ? { ...conversation, messageCount: row.messageCount, lastMessage }
    : { ...conversation, lastMessage };
}

function toLastMessage(row: ConversationRow & DetailRow): Message | undefined {
  const { lastId } = row;
  if (lastId === null || lastId === undefined) return undefined;
  return toMessage({
    id: lastId,
    conversationId: row.id,
    userId: row.userId,
    seq: row.lastSeq as number,
    role: row.lastRole as string,
    name: row.lastName ?? null,
    content: row.lastContent as string,
    parts: row.lastParts as string,
    metadata: row.lastMetadata as string,
    createdAt: row.lastCreatedAt as number,
  });
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
