import type { StoreScope } from "../../domain/scope.ts";
import { isConversation } from "./conversations.ts";
import { type Database, Parameters } from "./database.ts";
import { type ConversationName, eraseConversationsIn, eraseRecordsIn } from "./records.ts";
import type { SqlTransaction, SqlValue } from "./sql-client.ts";
import { forgetSummariesIn } from "./summaries.ts";

/*
 * Deleting takes several statements in one transaction, in this order, because each statement sees only what was
 * committed before it began: (1) lock the conversation, which waits for appends under way; (2) delete ledger, search
 * and outbox rows, which waits for a worker that is just storing vectors; (3) delete the vectors, now all visible.
 */

/** Removals name at most so many messages each. */
export const removalSize = 1_000;

export async function deleteConversation(database: Database, scope: StoreScope, id: string, signal?: AbortSignal): Promise<boolean> {
  const { table } = database.names;
  return database.client.transaction(
    async (transaction) => {
      const parameters = new Parameters<SqlValue>();
      const { rows } = await transaction.query<{ userId: string }>({
        text: `DELETE FROM ${table.conversations} c WHERE ${isConversation(database, scope, id, parameters)} RETURNING c.user_id AS "userId"`,
        values: parameters.values,
      });
      const owner = rows[0]?.userId;
      // Runs may name a conversation that is not there; of one that is, all goes, whichever resource wrote it.
      const whose = owner === undefined ? scope : { tenant: scope.tenant, userId: owner, resourceId: undefined };
      await eraseRecordsIn(database, transaction, whose, { conversationId: id });
      if (owner === undefined) return false;
      await transaction.query({
        text: `DELETE FROM ${table.conversation_owners} WHERE tenant = $1 AND conversation_id = $2`,
        values: [scope.tenant, id],
      });
      await deleteRows(database, transaction, "tenant = $1 AND user_id = $2 AND conversation_id = $3", [scope.tenant, owner, id]);
      return true;
    },
    { signal },
  );
}

export async function deleteMessages(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { table } = database.names;
  return database.client.transaction(
    async (transaction) => {
      const parameters = new Parameters<SqlValue>();
      const { rows } = await transaction.query<{ userId: string }>({
        text: `SELECT c.user_id AS "userId" FROM ${table.conversations} c WHERE ${isConversation(database, scope, conversationId, parameters)} FOR UPDATE`,
        values: parameters.values,
      });
      const owner = rows[0]?.userId;
      if (owner === undefined) return undefined;
      const whole = [scope.tenant, owner, conversationId];
      if (messageIds === undefined) {
        await eraseRecordsIn(
          database,
          transaction,
          { tenant: scope.tenant, userId: owner, resourceId: undefined },
          ofSummaries(conversationId),
        );
        return deleteRows(database, transaction, "tenant = $1 AND user_id = $2 AND conversation_id = $3", whole);
      }
      const { rows: found } = await transaction.query<{ seq: number }>({
        text: `SELECT seq FROM ${table.messages} WHERE tenant = $1 AND user_id = $2 AND conversation_id = $3 AND message_id = ANY($4::text[])`,
        values: [...whole, messageIds],
      });
      if (found.length === 0) return 0;
      const seqs = found.map((row) => row.seq);
      await forgetSummariesIn(database.names, transaction, scope.tenant, {
        userIds: seqs.map(() => owner),
        conversationIds: seqs.map(() => conversationId),
        seqs,
      });
      await forgetContext(database, transaction, whole, seqs);
      return deleteRows(database, transaction, "tenant = $1 AND user_id = $2 AND conversation_id = $3 AND seq = ANY($4::bigint[])", [
        ...whole,
        seqs,
      ]);
    },
    { signal },
  );
}

const ofSummaries = (conversationId: string) => ({ types: ["summary", "summary_lease"], conversationId });

/** The two turns after a deleted one carry its words: they lose all words of earlier turns now, and are owed the right ones. */
async function forgetContext(
  database: Database,
  transaction: SqlTransaction,
  conversation: readonly string[],
  seqs: readonly number[],
): Promise<void> {
  const { table } = database.names;
  await transaction.query({
    text: `WITH neighbours AS MATERIALIZED (
  SELECT DISTINCT n.entry, n.revision FROM unnest($4::bigint[]) d(seq)
  CROSS JOIN LATERAL (SELECT s.entry, s.revision FROM ${table.search} s
    WHERE s.tenant = $1 AND s.user_id = $2 AND s.conversation_id = $3 AND s.seq > d.seq AND NOT s.seq = ANY($4::bigint[]) ORDER BY s.seq LIMIT 2) n
), stripped AS (
  UPDATE ${table.search} s SET words = ts_filter(s.words, '{a}') FROM neighbours n WHERE s.tenant = $1 AND s.user_id = $2 AND s.entry = n.entry
)
INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
SELECT $1, $2, entry, revision, false, true, now() FROM neighbours
ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_context = true, available_at = LEAST(o.available_at, EXCLUDED.available_at)`,
    values: [...conversation, seqs],
  });
}

/** Deletes the messages that match, and all that was derived from them; returns how many there were. */
export async function deleteRows(
  database: Database,
  transaction: SqlTransaction,
  condition: string,
  values: readonly SqlValue[],
): Promise<number> {
  const { table } = database.names;
  const rowCount = await deleteLedgerRows(database, transaction, condition, values);
  const { rows } = await transaction.query<{ userId: string; entry: number }>({
    text: `DELETE FROM ${table.search} WHERE ${condition} RETURNING user_id AS "userId", entry`,
    values,
  });
  const keys = [values[0] as string, rows.map((row) => row.userId), rows.map((row) => row.entry)];
  const ofEntries = "tenant = $1 AND (user_id, entry) IN (SELECT * FROM unnest($2::text[], $3::bigint[]))";
  await transaction.query({ text: `DELETE FROM ${table.outbox} WHERE ${ofEntries}`, values: keys });
  for (const vectors of await vectorTables(database, transaction)) {
    await transaction.query({ text: `DELETE FROM ${vectors} WHERE ${ofEntries}`, values: keys });
  }
  return rowCount;
}

/** Where vectors are kept elsewhere, their removal is owed from the same moment on. */
async function deleteLedgerRows(
  database: Database,
  transaction: SqlTransaction,
  condition: string,
  values: readonly SqlValue[],
): Promise<number> {
  const { table } = database.names;
  const deletion = `DELETE FROM ${table.messages} WHERE ${condition}`;
  if (database.space?.isExternal !== true) return (await transaction.query({ text: deletion, values })).rowCount;
  const { rows } = await transaction.query<{ count: number }>({
    text: `WITH gone AS (${deletion} RETURNING tenant, user_id, conversation_id, message_id, content), numbered AS (
  SELECT *, (row_number() OVER (PARTITION BY user_id, conversation_id) - 1) / ${removalSize} AS part FROM gone WHERE content <> ''
), owed AS (
  INSERT INTO ${table.removals} (tenant, user_id, conversation_id, message_ids, available_at)
  SELECT tenant, user_id, conversation_id, array_agg(message_id), now() FROM numbered GROUP BY tenant, user_id, conversation_id, part
) SELECT count(*) AS count FROM gone`,
    values,
  });
  return rows[0]?.count ?? 0;
}

/** Vectors of every space, current or not: deleted is gone. */
export async function vectorTables(database: Database, transaction: SqlTransaction): Promise<string[]> {
  const { rows } = await transaction.query<{ id: number }>({ text: `SELECT id FROM ${database.names.table.spaces}` });
  return rows.map((row) => database.names.vectors(row.id));
}

export async function erase(
  database: Database,
  scope: StoreScope,
  options: { readonly compact: boolean },
  signal?: AbortSignal,
): Promise<{ conversations: number; messages: number }> {
  const { table } = database.names;
  const erased = await database.client.transaction(
    async (transaction) => {
      const values: SqlValue[] = [scope.tenant];
      let conditions = "tenant = $1";
      if (scope.userId !== undefined) conditions += ` AND user_id = $${values.push(scope.userId)}`;
      const user = conditions;
      if (scope.resourceId !== undefined) conditions += ` AND resource_id = $${values.push(scope.resourceId)}`;
      const { rows } = await transaction.query<ConversationName>({
        text: `DELETE FROM ${table.conversations} WHERE ${conditions} RETURNING id, user_id AS "userId"`,
        values,
      });
      const ids = rows.map((row) => row.id);
      const userValues = scope.userId === undefined ? [scope.tenant] : [scope.tenant, scope.userId];
      const place = userValues.length + 1;
      await transaction.query({
        text: `DELETE FROM ${table.conversation_owners} WHERE ${user} AND conversation_id = ANY($${place}::text[])`,
        values: [...userValues, ids],
      });
      const messages = await deleteRows(database, transaction, `${user} AND conversation_id = ANY($${place}::text[])`, [
        ...userValues,
        ids,
      ]);
      await eraseRecordsIn(database, transaction, scope, {});
      if (scope.resourceId !== undefined) await eraseConversationsIn(database, transaction, scope.tenant, rows);
      return { conversations: ids.length, messages };
    },
    { signal },
  );
  if (options.compact) await compact(database);
  return erased;
}

/** VACUUM FULL writes each table anew, without the dead rows. It cannot run inside a transaction. */
async function compact(database: Database): Promise<void> {
  const { table } = database.names;
  const { rows } = await database.client.query<{ id: number }>({ text: `SELECT id FROM ${table.spaces}` });
  for (const name of [
    table.messages,
    table.search,
    table.conversations,
    table.conversation_owners,
    table.outbox,
    table.removals,
    table.records,
    ...rows.map((row) => database.names.vectors(row.id)),
  ]) {
    await database.client.execute(`VACUUM FULL ${name}`);
  }
}
