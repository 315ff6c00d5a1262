import type { Conversation, Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery, NewConversation, SessionStats, StoredConversationChanges } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { markedSince, markTime } from "../marks.ts";
import type { BigqueryRest, Row, StructType } from "./rest.ts";
import { inScope, latestConversations, Parameters, tableName } from "./tables.ts";

/** A conversation, ready to be a row. */
export interface ConversationRecord {
  readonly tenant: string;
  readonly user_id: string;
  readonly conversation_id: string;
  readonly resource_id: string;
  readonly title: string;
  readonly metadata: string;
  readonly language: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly version: number;
  readonly pinned_at: number | null;
  readonly archived_at: number | null;
}

const recordType: StructType & Record<keyof ConversationRecord, StructType[string]> = {
  tenant: "STRING",
  user_id: "STRING",
  conversation_id: "STRING",
  resource_id: "STRING",
  title: "STRING",
  metadata: "STRING",
  language: "STRING",
  created_at: "INT64",
  updated_at: "INT64",
  version: "INT64",
  pinned_at: "INT64",
  archived_at: "INT64",
};
const columns = Object.keys(recordType);
const times = ["created_at", "updated_at"];

export async function insertConversations(rest: BigqueryRest, records: readonly ConversationRecord[]): Promise<void> {
  if (records.length === 0) return;
  const parameters = new Parameters();
  const rows = parameters.rows(records, recordType);
  const values = columns.map((column) => (times.includes(column) ? `TIMESTAMP_MILLIS(r.${column})` : `r.${column}`));
  const sql = `INSERT INTO ${tableName(rest, "conversations")} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM UNNEST(${rows}) AS r`;
  await rest.query("write conversations", sql, parameters.values);
}

const selected = `tenant, user_id, conversation_id, resource_id, title, metadata, language,
  UNIX_MILLIS(created_at) AS created_ms, UNIX_MILLIS(updated_at) AS updated_ms, version, pinned_at, archived_at`;

/** SQL: conversations as they are now, updated when their latest message was created. */
function current(rest: BigqueryRest, keys: readonly string[]): string {
  const updated = `(SELECT tenant, user_id, conversation_id, MAX(created_at) AS last_at FROM ${tableName(rest, "messages")}
    WHERE ${keys.join(" AND ")} GROUP BY tenant, user_id, conversation_id)`;
  return `(
  SELECT c.* EXCEPT (updated_at), GREATEST(c.updated_at, IFNULL(m.last_at, c.updated_at)) AS updated_at
  FROM ${latestConversations(rest, keys)} AS c
  LEFT JOIN ${updated} AS m ON m.tenant = c.tenant AND m.user_id = c.user_id AND m.conversation_id = c.conversation_id
)`;
}

/** Names a conversation, whoever owns it. */
export interface ConversationName {
  readonly tenant: string;
  readonly id: string;
}

/** SQL conditions that hold for these conversations, and for few others: callers look only for theirs. */
function named(names: readonly ConversationName[], parameters: Parameters): string[] {
  const all = (values: readonly string[]) => parameters.add([...new Set(values)], ["STRING"]);
  return [`tenant IN UNNEST(${all(names.map(({ tenant }) => tenant))})`, `conversation_id IN UNNEST(${all(names.map(({ id }) => id))})`];
}

export const nameKey = ({ tenant, id }: ConversationName) => JSON.stringify([tenant, id]);

/** Conversations by name; `updated_at` as it was written, not of their latest message. */
export async function readConversations(
  rest: BigqueryRest,
  names: readonly ConversationName[],
  signal?: AbortSignal,
): Promise<Map<string, ConversationRecord>> {
  const parameters = new Parameters();
  const sql = `SELECT ${selected} FROM ${latestConversations(rest, named(names, parameters))}`;
  const { rows } = await rest.query("get conversations", sql, parameters.values, signal);
  return new Map(rows.map(toRecord).map((record) => [nameKey({ tenant: record.tenant, id: record.conversation_id }), record]));
}

/** The last places that were given out. */
export async function lastPlaces(
  rest: BigqueryRest,
  names: readonly ConversationName[],
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const parameters = new Parameters();
  const sql = `SELECT tenant, conversation_id, MAX(seq) AS last_seq FROM ${tableName(rest, "messages")}
WHERE ${named(names, parameters).join(" AND ")} GROUP BY tenant, conversation_id`;
  const { rows } = await rest.query("append", sql, parameters.values, signal);
  return new Map(rows.map((row) => [nameKey({ tenant: row.tenant ?? "", id: row.conversation_id ?? "" }), Number(row.last_seq)]));
}

/** A conversation as it is now, if it is this scope's. */
export async function getConversation(
  rest: BigqueryRest,
  scope: StoreScope,
  id: string,
  signal?: AbortSignal,
): Promise<ConversationRecord | undefined> {
  const parameters = new Parameters();
  const keys = [`tenant = ${parameters.add(scope.tenant)}`, `conversation_id = ${parameters.add(id)}`];
  const { rows } = await rest.query("get conversation", `SELECT ${selected} FROM ${current(rest, keys)}`, parameters.values, signal);
  const record = rows[0] === undefined ? undefined : toRecord(rows[0]);
  return isVisible(record, scope) ? record : undefined;
}

const toRecord = (row: Row): ConversationRecord => ({
  tenant: row.tenant ?? "",
  user_id: row.user_id ?? "",
  conversation_id: row.conversation_id ?? "",
  resource_id: row.resource_id ?? "",
  title: row.title ?? "",
  metadata: row.metadata ?? "{}",
  language: row.language ?? null,
  created_at: Number(row.created_ms),
  updated_at: Number(row.updated_ms),
  version: Number(row.version),
  pinned_at: row.pinned_at === null || row.pinned_at === undefined ? null : Number(row.pinned_at),
  archived_at: row.archived_at === null || row.archived_at === undefined ? null : Number(row.archived_at),
});

export function isVisible<Found extends ConversationRecord>(record: Found | undefined, scope: StoreScope): record is Found {
  return (
    record !== undefined &&
    (scope.userId === undefined || record.user_id === scope.userId) &&
    (scope.resourceId === undefined || record.resource_id === scope.resourceId)
  );
}

export function toConversation(record: ConversationRecord): Conversation {
  return {
    id: record.conversation_id,
    userId: record.user_id,
    resourceId: record.resource_id,
    title: record.title,
    metadata: JSON.parse(record.metadata),
    language: record.language ?? undefined,
    createdAt: new Date(record.created_at),
    updatedAt: new Date(record.updated_at),
    pinnedAt: markTime(record.pinned_at),
    archivedAt: markTime(record.archived_at),
  };
}

/** Whose conversation it is, if it is this scope's. */
export async function findConversation(
  rest: BigqueryRest,
  scope: StoreScope,
  id: string,
  signal?: AbortSignal,
): Promise<ConversationRecord | undefined> {
  const name = { tenant: scope.tenant, id };
  const record = (await readConversations(rest, [name], signal)).get(nameKey(name));
  return isVisible(record, scope) ? record : undefined;
}

export async function createConversation(
  rest: BigqueryRest,
  conversation: NewConversation,
  version: number,
  signal?: AbortSignal,
): Promise<Conversation> {
  const { tenant, userId, id, resourceId, title, metadataJson, language } = conversation;
  const taken = await readConversations(rest, [{ tenant, id }], signal);
  if (taken.size > 0) throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
  const now = Date.now();
  const record = {
    ...{ tenant, user_id: userId, conversation_id: id, resource_id: resourceId, title, metadata: metadataJson },
    ...{ language: language ?? null, created_at: now, updated_at: now, version, pinned_at: null, archived_at: null },
  };
  await insertConversations(rest, [record]);
  return toConversation(record);
}

export async function updateConversation(
  rest: BigqueryRest,
  scope: StoreScope,
  id: string,
  changes: StoredConversationChanges,
  version: number,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const record = await getConversation(rest, scope, id, signal);
  if (record === undefined) return undefined;
  if (changes.ifTitle !== undefined && changes.ifTitle !== record.title) return toConversation(record);
  const now = Date.now();
  const isTouched = changes.title !== undefined || changes.metadata !== undefined;
  const updated = {
    ...record,
    title: changes.title ?? record.title,
    metadata: changes.metadata === undefined ? record.metadata : JSON.stringify(changes.metadata),
    updated_at: isTouched ? Math.max(now, record.updated_at) : record.updated_at,
    pinned_at: markedSince(record.pinned_at, changes.pinned, now),
    archived_at: markedSince(record.archived_at, changes.archived, now),
    version: Math.max(version, record.version + 1),
  };
  await insertConversations(rest, [updated]);
  return toConversation(updated);
}

const orderColumns = { updatedAt: "updated_at", createdAt: "created_at", title: "title" } as const;

export async function listConversations(
  rest: BigqueryRest,
  scope: StoreScope,
  query: ConversationQuery,
  signal?: AbortSignal,
): Promise<Page<Conversation>> {
  const order = { orderBy: query.orderBy, direction: query.direction };
  const parameters = new Parameters();
  const keys = inScope(scope, parameters);
  const column = orderColumns[query.orderBy];
  const conditions = ["TRUE"];
  for (const mark of ["pinned", "archived"] as const) {
    if (query[mark] !== undefined) conditions.push(`${mark}_at IS ${query[mark] ? "NOT " : ""}NULL`);
  }
  if (query.cursor !== undefined) {
    const [value, id] = decodeCursor(order, query.cursor, 2);
    const compare = query.direction === "desc" ? "<" : ">";
    const place = query.orderBy === "title" ? parameters.add(value) : `TIMESTAMP_MILLIS(${parameters.add(value, "INT64")})`;
    conditions.push(`(${column} ${compare} ${place} OR ${column} = ${place} AND conversation_id ${compare} ${parameters.add(id)})`);
  }
  const sql = `SELECT ${selected} FROM ${current(rest, keys)} WHERE ${conditions.join(" AND ")}
ORDER BY ${column} ${query.direction}, conversation_id ${query.direction}
LIMIT ${parameters.add(query.limit + 1, "INT64")} OFFSET ${parameters.add(query.offset, "INT64")}`;
  const records = (await rest.query("list conversations", sql, parameters.values, signal)).rows.map(toRecord);
  const page = records.slice(0, query.limit);
  const last = records.length > query.limit ? page.at(-1) : undefined;
  return {
    items: page.map(toConversation),
    nextCursor: last === undefined ? undefined : encodeCursor(order, [last[column], last.conversation_id]),
  };
}

export async function stats(rest: BigqueryRest, scope: StoreScope, signal?: AbortSignal): Promise<SessionStats> {
  const parameters = new Parameters();
  const keys = inScope(scope, parameters);
  const conversations = latestConversations(rest, keys);
  // DISTINCT takes structs nowhere: JSON of the key is as good.
  const messages = `SELECT COUNT(DISTINCT TO_JSON_STRING([user_id, conversation_id, message_id])) FROM ${tableName(rest, "messages")} WHERE ${keys.join(" AND ")}`;
  const sql = `SELECT COUNT(*) AS conversations, COUNT(DISTINCT user_id) AS users, (${messages}) AS messages FROM ${conversations}`;
  const { rows } = await rest.query("stats", sql, parameters.values, signal);
  const count = (name: string) => Number(rows[0]?.[name] ?? 0);
  return { conversations: count("conversations"), messages: count("messages"), users: count("users") };
}

export async function countConversations(rest: BigqueryRest, scope: StoreScope, signal?: AbortSignal): Promise<number> {
  const parameters = new Parameters();
  const sql = `SELECT COUNT(*) AS count FROM ${latestConversations(rest, inScope(scope, parameters))}`;
  return Number((await rest.query("count conversations", sql, parameters.values, signal)).rows[0]?.count ?? 0);
}
