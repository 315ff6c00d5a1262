import { type Database, Parameters, statementName } from "./database.ts";
import { deleteRows } from "./erase.ts";
import { listMessages } from "./messages.ts";
import type { SqlTransaction, SqlValue } from "./sql-client.ts";
import { forgetSummariesIn } from "./summaries.ts";

/** A conversation, and how many messages it keeps. */
export interface KeptConversation {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly keepNewest: number;
}

/** A message that was deleted. */
export interface PrunedMessage {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
}

interface OldRow extends PrunedMessage {
  readonly seq: number;
  readonly hasTools: boolean;
}

/** Type of the records in which the core keeps what messages were before an update. */
const versionType = "message_version";

/**
 * Deletes all but the newest messages of conversations that this transaction has locked, with all that was derived from
 * them. What is kept is widened to whole tool exchanges.
 */
export async function prune(
  database: Database,
  transaction: SqlTransaction,
  conversations: readonly KeptConversation[],
): Promise<PrunedMessage[]> {
  const pruned: PrunedMessage[] = [];
  const prepared: SqlTransaction = { ...transaction, query: (one) => transaction.query({ ...one, name: statementName(one.text) }) };
  const found = conversations.length === 0 ? [] : await beyond(database, prepared, conversations);
  for (const [tenant, rows] of Map.groupBy(found, (row) => row.tenant)) {
    const own = conversations.filter((conversation) => conversation.tenant === tenant);
    const old = await outsideExchanges(database, prepared, own, rows);
    if (old.length > 0) await deleteAll(database, prepared, tenant, old);
    pruned.push(...old);
  }
  return pruned;
}

/** The messages beyond the newest of each conversation. */
async function beyond(database: Database, transaction: SqlTransaction, conversations: readonly KeptConversation[]): Promise<OldRow[]> {
  const parameters = new Parameters<SqlValue>();
  const of = (read: (conversation: KeptConversation) => string | number, type: string) =>
    parameters.add(conversations.map(read), `${type}[]`);
  const names = [of((one) => one.tenant, "text"), of((one) => one.userId, "text"), of((one) => one.conversationId, "text")].join(", ");
  const { rows } = await transaction.query<OldRow>({
    text: `SELECT k.tenant, k.user_id AS "userId", k.conversation_id AS "conversationId", m.message_id AS "messageId", m.seq,
    m.tool_ids IS NOT NULL AS "hasTools"
  FROM unnest(${names}, ${of((one) => one.keepNewest, "int")}) k(tenant, user_id, conversation_id, kept)
  CROSS JOIN LATERAL (
    SELECT m.message_id, m.seq, m.tool_ids FROM ${database.names.table.messages} m
    WHERE m.tenant = k.tenant AND m.user_id = k.user_id AND m.conversation_id = k.conversation_id ORDER BY m.seq DESC OFFSET k.kept
  ) m`,
    values: parameters.values,
  });
  return rows;
}

/** Without the messages that belong to a tool exchange of a newer one, and those between. */
async function outsideExchanges(
  database: Database,
  transaction: SqlTransaction,
  conversations: readonly KeptConversation[],
  found: readonly OldRow[],
): Promise<OldRow[]> {
  const inside: Database = { ...database, client: { ...database.client, query: (statement) => transaction.query(statement) } };
  const old: OldRow[] = [];
  for (const { keepNewest, tenant, userId, conversationId } of conversations) {
    const own = found.filter((row) => row.userId === userId && row.conversationId === conversationId);
    if (!own.some(({ hasTools }) => hasTools)) {
      old.push(...own);
      continue;
    }
    const bounds = { beforeSeq: undefined, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
    const kept = await listMessages(inside, { tenant, userId, resourceId: undefined }, conversationId, { limit: keepNewest, ...bounds });
    const oldest = kept?.items[0]?.seq ?? 0;
    old.push(...own.filter(({ seq }) => seq < oldest));
  }
  return old;
}

async function deleteAll(database: Database, transaction: SqlTransaction, tenant: string, old: readonly OldRow[]): Promise<void> {
  const places = [tenant, old.map((row) => row.userId), old.map((row) => row.conversationId), old.map((row) => row.seq)];
  const ofPlaces = "(user_id, conversation_id, seq) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[]))";
  await forgetWords(database, transaction, places);
  await deleteRows(database, transaction, `tenant = $1 AND ${ofPlaces}`, places);
  await forgetSummariesIn(database.names, transaction, tenant, {
    userIds: old.map((row) => row.userId),
    conversationIds: old.map((row) => row.conversationId),
    seqs: old.map((row) => row.seq),
  });
  await transaction.query({
    text: `DELETE FROM ${database.names.table.records} r USING unnest($2::text[], $3::text[], $4::text[]) k(user_id, conversation_id, message_id)
  WHERE r.tenant = $1 AND r.conversation_id = k.conversation_id AND r.user_id = k.user_id AND r.type = '${versionType}' AND r.metadata->>'messageId' = k.message_id`,
    values: [...places.slice(0, 3), old.map((row) => row.messageId)],
  });
}

/** The first two turns that stay carry the words of the last that go: they lose them now, and are owed the right ones. */
async function forgetWords(database: Database, transaction: SqlTransaction, places: readonly SqlValue[]): Promise<void> {
  const { table } = database.names;
  await transaction.query({
    text: `WITH cut AS (
  SELECT user_id, conversation_id, max(seq) AS seq FROM unnest($2::text[], $3::text[], $4::bigint[]) d(user_id, conversation_id, seq) GROUP BY user_id, conversation_id
), neighbours AS MATERIALIZED (
  SELECT n.* FROM cut CROSS JOIN LATERAL (SELECT s.user_id, s.entry, s.revision FROM ${table.search} s
    WHERE s.tenant = $1 AND s.user_id = cut.user_id AND s.conversation_id = cut.conversation_id AND s.seq > cut.seq ORDER BY s.seq LIMIT 2) n
), stripped AS (
  UPDATE ${table.search} s SET words = ts_filter(s.words, '{a}') FROM neighbours n WHERE s.tenant = $1 AND s.user_id = n.user_id AND s.entry = n.entry
)
INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
SELECT $1, user_id, entry, revision, false, true, now() FROM neighbours
ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_context = true, available_at = LEAST(o.available_at, EXCLUDED.available_at)`,
    values: places,
  });
}
