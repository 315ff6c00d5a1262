import { BackendError } from "../../domain/errors.ts";
import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type {
  ConversationDescription,
  ExportPosition,
  ExportRow,
  MessageQuery,
  MessageReference,
  StoredMessage,
} from "../../domain/session-store.ts";
import { partnersAmong, type WindowReader } from "../windows.ts";
import type { BigqueryRest, Row, StructType } from "./rest.ts";
import { inScope, latestMessages, Parameters, tableName } from "./tables.ts";

/** A message, ready to be a row. */
export interface MessageRecord {
  readonly tenant: string;
  readonly user_id: string;
  readonly conversation_id: string;
  readonly message_id: string;
  readonly resource_id: string;
  readonly seq: number;
  readonly role: string;
  readonly name: string | null;
  readonly type: string;
  readonly content: string;
  readonly parts: string;
  readonly metadata: string;
  /** JSON. */
  readonly tool_ids: string | null;
  readonly importance: number | null;
  /** Milliseconds. */
  readonly created_at: number;
  /** Orders the rows of one message. */
  readonly version: number;
}

const recordType: StructType & Record<keyof MessageRecord, StructType[string]> = {
  tenant: "STRING",
  user_id: "STRING",
  conversation_id: "STRING",
  message_id: "STRING",
  resource_id: "STRING",
  seq: "INT64",
  role: "STRING",
  name: "STRING",
  type: "STRING",
  content: "STRING",
  parts: "STRING",
  metadata: "STRING",
  tool_ids: "STRING",
  importance: "FLOAT64",
  created_at: "INT64",
  version: "INT64",
};
const columns = Object.keys(recordType);

/** The server takes requests of 10 MB. */
export const mostStatementBytes = 8_000_000;

/**
 * One statement, so that all rows are stored or none. It is DML: streamed rows could not be deleted for up to 90 minutes,
 * and load jobs are few a day. `before` runs when the rows are known to fit.
 */
export async function insertMessages(rest: BigqueryRest, records: readonly MessageRecord[], before?: () => Promise<void>): Promise<void> {
  if (records.length === 0) return;
  if (bytesOf(records) > mostStatementBytes) {
    throw new BackendError("bigquery", "append", "these messages are larger than one statement may be: send fewer at once");
  }
  await before?.();
  const parameters = new Parameters();
  const rows = parameters.rows(records, recordType);
  const values = columns.map((column) => (column === "created_at" ? "TIMESTAMP_MILLIS(r.created_at)" : `r.${column}`));
  const sql = `INSERT INTO ${tableName(rest, "messages")} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM UNNEST(${rows}) AS r`;
  await rest.query("append", sql, parameters.values);
}

export const bytesOf = (records: readonly MessageRecord[]) =>
  records.reduce((sum, record) => sum + 600 + 1.2 * Buffer.byteLength(JSON.stringify([record.content, record.parts, record.metadata])), 0);

/** SQL: the columns of {@link StoredRow}. */
const storedColumns =
  "user_id, conversation_id, message_id, resource_id, seq, role, name, content, parts, metadata, tool_ids, importance, version, UNIX_MILLIS(created_at) AS created_ms";

export interface MessageWindowRow {
  readonly seq: number;
  readonly toolIds: readonly string[] | null;
  readonly stored: StoredMessage;
}

function toStored(row: Row): StoredMessage {
  return {
    message: toMessage(row),
    resourceId: row.resource_id ?? "",
    importance: row.importance === null || row.importance === undefined ? null : Number(row.importance),
    toolIds: row.tool_ids === null || row.tool_ids === undefined ? null : JSON.parse(row.tool_ids),
  };
}

function toMessage(row: Row): Message {
  return {
    id: row.message_id ?? "",
    conversationId: row.conversation_id ?? "",
    userId: row.user_id ?? "",
    seq: Number(row.seq),
    role: row.role ?? "",
    name: row.name ?? undefined,
    content: row.content ?? "",
    parts: decodeParts(row.parts ?? "[]"),
    metadata: JSON.parse(row.metadata ?? "{}"),
    createdAt: new Date(Number(row.created_ms)),
  };
}

function toWindowRow(row: Row): MessageWindowRow {
  const stored = toStored(row);
  return { seq: stored.message.seq, toolIds: stored.toolIds, stored };
}

/** One conversation, as windows are read from it. */
export function ledger(
  rest: BigqueryRest,
  scope: StoreScope,
  conversationId: string,
  signal: AbortSignal | undefined,
): WindowReader<MessageWindowRow> {
  const read = async (condition: (parameters: Parameters) => readonly string[], limit: number) => {
    const parameters = new Parameters();
    const keys = [...inScope(scope, parameters), `conversation_id = ${parameters.add(conversationId)}`];
    const sql = `SELECT ${storedColumns} FROM ${latestMessages(rest, keys)} WHERE ${["TRUE", ...condition(parameters)].join(" AND ")}
ORDER BY seq DESC LIMIT ${parameters.add(limit, "INT64")}`;
    const { rows } = await rest.query("list messages", sql, parameters.values, signal);
    return rows.map(toWindowRow);
  };
  return {
    rows: async (query) => (query.roles?.length === 0 ? [] : read((parameters) => windowConditions(query, parameters), query.limit)),
    // Few messages take part in tool exchanges; to look for the nearest by SQL would read as many bytes.
    partners: async (edges) => partnersAmong(await read(() => ["tool_ids IS NOT NULL"], 1_000_000), edges),
  };
}

function windowConditions({ beforeSeq, afterSeq, before, after, roles }: MessageQuery, parameters: Parameters): string[] {
  const at = (time: Date) => `TIMESTAMP_MILLIS(${parameters.add(time.getTime(), "INT64")})`;
  return [
    ...(beforeSeq === undefined ? [] : [`seq < ${parameters.add(beforeSeq, "INT64")}`]),
    ...(afterSeq === undefined ? [] : [`seq > ${parameters.add(afterSeq, "INT64")}`]),
    ...(before === undefined ? [] : [`created_at < ${at(before)}`]),
    ...(after === undefined ? [] : [`created_at > ${at(after)}`]),
    ...(roles === undefined ? [] : [`role IN UNNEST(${parameters.add(roles, ["STRING"])})`]),
  ];
}

/** Count and newest message of each conversation, in one statement. */
export async function describeConversations(
  rest: BigqueryRest,
  scope: StoreScope,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<ConversationDescription[]> {
  const parameters = new Parameters();
  const keys = [...inScope(scope, parameters), `conversation_id IN UNNEST(${parameters.add(ids, ["STRING"])})`];
  const each = "PARTITION BY user_id, conversation_id";
  const sql = `SELECT ${storedColumns}, total FROM (
  SELECT *, COUNT(*) OVER (${each}) AS total, ROW_NUMBER() OVER (${each} ORDER BY seq DESC) AS place FROM ${latestMessages(rest, keys)}
) WHERE place = 1`;
  const { rows } = await rest.query("list conversations", sql, parameters.values, signal);
  const found = new Map(rows.map((row) => [row.conversation_id ?? "", { messageCount: Number(row.total), lastMessage: toMessage(row) }]));
  return ids.map((id) => found.get(id) ?? { messageCount: 0, lastMessage: undefined });
}

const referenceType = { tenant: "STRING", user_id: "STRING", conversation_id: "STRING", message_id: "STRING" } as const;

/** Names a message; without a user, whoever's it is. */
export interface MessageName extends Omit<MessageReference, "userId"> {
  readonly tenant: string;
  readonly userId: string | undefined;
}

export interface FoundMessage extends StoredMessage {
  readonly tenant: string;
  readonly version: number;
}

/** Messages by their names, in one statement. */
export async function findMessages(
  rest: BigqueryRest,
  names: readonly MessageName[],
  resourceId?: string | undefined,
  signal?: AbortSignal,
): Promise<FoundMessage[]> {
  if (names.length === 0) return [];
  const parameters = new Parameters();
  const given = names.map(({ tenant, userId, conversationId, messageId }) => ({
    ...{ tenant, user_id: userId ?? null, conversation_id: conversationId, message_id: messageId },
  }));
  const all = (column: "tenant" | "conversation_id" | "message_id") =>
    `${column} IN UNNEST(${parameters.add([...new Set(given.map((one) => one[column]))], ["STRING"])})`;
  const keys = [all("tenant"), all("conversation_id"), all("message_id")];
  const users = names.flatMap(({ userId }) => userId ?? []);
  if (users.length === names.length) keys.push(`user_id IN UNNEST(${parameters.add([...new Set(users)], ["STRING"])})`);
  if (resourceId !== undefined) keys.push(`resource_id = ${parameters.add(resourceId)}`);
  const isNamed = `EXISTS (SELECT 1 FROM UNNEST(${parameters.rows(given, referenceType)}) AS r WHERE r.tenant = m.tenant
    AND r.conversation_id = m.conversation_id AND r.message_id = m.message_id AND (r.user_id IS NULL OR r.user_id = m.user_id))`;
  const sql = `SELECT tenant, ${storedColumns} FROM ${latestMessages(rest, keys)} AS m WHERE ${isNamed}`;
  const { rows } = await rest.query("get messages", sql, parameters.values, signal);
  return rows.map((row) => ({ ...toStored(row), tenant: row.tenant ?? "", version: Number(row.version) }));
}

export async function getMessages(
  rest: BigqueryRest,
  scope: StoreScope,
  references: readonly MessageReference[],
  signal?: AbortSignal,
): Promise<StoredMessage[]> {
  const mine = references.filter(({ userId }) => scope.userId === undefined || userId === scope.userId);
  const names = mine.map((reference) => ({ ...reference, tenant: scope.tenant }));
  const found = await findMessages(rest, names, scope.resourceId, signal);
  return found.map(({ message, resourceId, importance, toolIds }) => ({ message, resourceId, importance, toolIds }));
}

export async function exportMessages(
  rest: BigqueryRest,
  scope: StoreScope,
  after: ExportPosition | undefined,
  limit: number,
  signal?: AbortSignal,
): Promise<ExportRow[]> {
  const parameters = new Parameters();
  const keys = inScope(scope, parameters);
  let from = "TRUE";
  if (after !== undefined) {
    const [user, conversation] = [parameters.add(after.userId), parameters.add(after.conversationId)];
    keys.push(`user_id >= ${user}`);
    from = `(user_id > ${user} OR conversation_id > ${conversation} OR conversation_id = ${conversation} AND seq > ${parameters.add(after.seq, "INT64")})`;
  }
  const sql = `SELECT ${storedColumns} FROM ${latestMessages(rest, keys)} WHERE ${from}
ORDER BY user_id, conversation_id, seq LIMIT ${parameters.add(limit, "INT64")}`;
  const { rows } = await rest.query("export", sql, parameters.values, signal);
  return rows.map(toStored).map(({ message, resourceId }) => ({ message, resourceId }));
}
