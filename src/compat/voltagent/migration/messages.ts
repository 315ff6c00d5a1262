import { normalizeMessages } from "../../../core/messages/normalize-message.ts";
import { BackendError } from "../../../domain/errors.ts";
import type { MessageInputObject } from "../../../domain/message.ts";
import type { AppendRequest, NewMessage } from "../../../domain/session-store.ts";
import { type ConversationAppend, plainAppend } from "../../../stores/postgres/append-statements.ts";
import { type Database, epochMs } from "../../../stores/postgres/database.ts";
import { toInput } from "../message-shapes.ts";
import { columnsOf, type ImportContext, messageIdSql } from "./conversations.ts";
import { decodeMessage, type OldMessage } from "./decode-message.ts";
import { migrationTables, movedTable } from "./state.ts";

/** What one statement stores at most: it bounds the memory of this process. */
const mostMessages = 500;
const mostBytes = 2_000_000;

interface QueuedRow extends OldMessage {
  readonly place: number;
  readonly conversationId: string;
  readonly userId: string;
}

/** What a batch stored; `isWhole` is false when rows of the queue were not found where it says. */
export interface MessageBatch {
  readonly count: number;
  readonly last: number;
  readonly isWhole: boolean;
}

/** Stores the next old messages after `place`, as an append of theirs would have, and leaves the conversations' times as they were. */
export async function importMessages(context: ImportContext, database: Database, place: number): Promise<MessageBatch> {
  const wanted = await nextPlaces(context, place);
  if (wanted.count === 0) return { count: 0, last: place, isWhole: true };
  const rows = await readRows(context, place, wanted.last);
  if (rows.length !== wanted.count) return { count: 0, last: place, isWhole: false };
  const conversations = toAppends(context.tenant, rows);
  const before = await stateOf(context, conversations);
  await database.client.query(plainAppend(database, conversations));
  await restoreTimes(context, conversations, before);
  await settleFirst(
    context,
    conversations.filter((_, index) => before[index]?.isEmpty),
  );
  return { count: rows.length, last: wanted.last, isWhole: true };
}

async function nextPlaces({ transaction, names }: ImportContext, place: number): Promise<{ count: number; last: number }> {
  const { rows } = await transaction.query<{ count: number; last: number | null }>({
    text: `SELECT count(*) AS count, max(place) AS last FROM (
        SELECT place, sum(bytes) OVER (ORDER BY place) - bytes AS before FROM (
          SELECT place, bytes FROM ${migrationTables(names).queue} WHERE place > $1 ORDER BY place LIMIT $2
        ) n
      ) b WHERE before < $3`,
    values: [place, mostMessages, mostBytes],
  });
  return { count: rows[0]?.count ?? 0, last: rows[0]?.last ?? place };
}

async function readRows(context: ImportContext, after: number, last: number): Promise<QueuedRow[]> {
  const { transaction, names, state, tenant } = context;
  const columns = await columnsOf(context, "messages");
  const orNull = (column: string, cast = "") => (columns?.has(column) === true ? `m.${column}${cast}` : "NULL::text");
  const { rows } = await transaction.query<QueuedRow>({
    // By the row's place in its table, one at a time: no other plan can be chosen for it (OFFSET 0).
    text: `SELECT m.place, m.conversation_id AS "conversationId", o.user_id AS "userId", ${messageIdSql} AS id, m.role,
        ${orNull("content")} AS content, ${orNull("type")} AS type, ${orNull("parts", "::text")} AS parts, ${orNull("metadata", "::text")} AS metadata,
        ${epochMs("m.created_at")} AS "createdAt"
      FROM (
        SELECT q.place, q.copy, r.* FROM ${migrationTables(names).queue} q
        CROSS JOIN LATERAL (SELECT * FROM ${movedTable(names, state, "messages")} x WHERE x.ctid = q.row OFFSET 0) r
        WHERE q.place > $1 AND q.place <= $2
      ) m
      JOIN ${names.table.conversation_owners} o ON o.tenant = $3 AND o.conversation_id = m.conversation_id
      ORDER BY m.place`,
    values: [after, last, tenant],
  });
  return rows;
}

/** Rows of one conversation stand together. */
function toAppends(tenant: string, rows: readonly QueuedRow[]): ConversationAppend[] {
  const groups = Map.groupBy(rows, ({ conversationId }) => conversationId);
  return [...groups.entries()].map(([conversationId, own], index) => {
    const messages = own.map(toMessage);
    const request: AppendRequest = {
      tenant,
      userId: own[0]?.userId ?? "default",
      conversationId,
      requiredResourceId: undefined,
      createConversation: false,
      create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
      messages,
    };
    return { first: request, requests: [{ index, positions: messages.map((_, position) => position) }], messages };
  });
}

/** With content instead of parts, what gives the content back to the letter is noted, as it is for new messages. */
function inputOf(row: QueuedRow): MessageInputObject {
  const decoded = decodeMessage(row);
  if (row.content === null || row.parts?.startsWith("[") === true) return decoded;
  const { role = row.role, metadata, createdAt } = decoded;
  const time = createdAt === undefined ? {} : { createdAt: new Date(row.createdAt) };
  return toInput({ id: row.id, role, content: row.content, type: row.type ?? undefined, metadata, ...time });
}

function toMessage(row: QueuedRow): NewMessage {
  try {
    const [message] = normalizeMessages(inputOf(row), new Date());
    return message as NewMessage;
  } catch (error) {
    throw new BackendError(
      "voltagent",
      "migrate",
      `the message "${row.id}" of the conversation "${row.conversationId}" cannot be brought over: change it in the table of messages that is called …_backup now, then start again`,
      { cause: error },
    );
  }
}

const ids = (conversations: readonly ConversationAppend[]) => conversations.map(({ first }) => first.conversationId);
const users = (conversations: readonly ConversationAppend[]) => conversations.map(({ first }) => first.userId);

interface ConversationState {
  /** When it was changed last, to the microsecond. */
  readonly at: string;
  readonly isEmpty: boolean;
}

async function stateOf(
  { transaction, names, tenant }: ImportContext,
  conversations: readonly ConversationAppend[],
): Promise<ConversationState[]> {
  const { rows } = await transaction.query<ConversationState>({
    text: `SELECT c.updated_at::text AS at, c.next_seq = 1 AS "isEmpty" FROM unnest($2::text[], $3::text[]) WITH ORDINALITY k(user_id, id, ordinal)
      JOIN ${names.table.conversations} c ON c.tenant = $1 AND c.user_id = k.user_id AND c.id = k.id ORDER BY k.ordinal`,
    values: [tenant, users(conversations), ids(conversations)],
  });
  return rows;
}

async function restoreTimes(
  { transaction, names, tenant }: ImportContext,
  conversations: readonly ConversationAppend[],
  before: readonly ConversationState[],
): Promise<void> {
  await transaction.query({
    text: `UPDATE ${names.table.conversations} c SET updated_at = k.at
      FROM unnest($2::text[], $3::text[], $4::timestamptz[]) k(user_id, id, at)
      WHERE c.tenant = $1 AND c.user_id = k.user_id AND c.id = k.id AND c.updated_at <> k.at`,
    values: [tenant, users(conversations), ids(conversations), before.map(({ at }) => at)],
  });
}

/** The first two messages of a conversation that was empty have no earlier turns to wait for. */
async function settleFirst({ transaction, names, tenant }: ImportContext, conversations: readonly ConversationAppend[]): Promise<void> {
  if (conversations.length === 0) return;
  const { search, outbox } = names.table;
  await transaction.query({
    text: `WITH first AS MATERIALIZED (
      SELECT s.* FROM unnest($2::text[], $3::text[]) k(user_id, id) CROSS JOIN LATERAL (
        SELECT s.tenant, s.user_id, s.entry FROM ${search} s WHERE s.tenant = $1 AND s.conversation_id = k.id AND s.user_id = k.user_id ORDER BY s.seq LIMIT 2
      ) s
    ), settled AS (
      DELETE FROM ${outbox} o USING first f WHERE o.tenant = f.tenant AND o.user_id = f.user_id AND o.entry = f.entry AND NOT o.needs_vector
    )
    UPDATE ${outbox} o SET needs_context = false FROM first f WHERE o.tenant = f.tenant AND o.user_id = f.user_id AND o.entry = f.entry AND o.needs_vector`,
    values: [tenant, users(conversations), ids(conversations)],
  });
}
