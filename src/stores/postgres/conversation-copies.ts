import { branchMetadata } from "../../domain/branch.ts";
import type { Conversation } from "../../domain/conversation.ts";
import { ConflictError, NotFoundError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { BranchRequest, ConversationOwner } from "../../domain/session-store.ts";
import { type ConversationRow, conversationColumns, isConversation, toConversation } from "./conversations.ts";
import { type Database, Parameters } from "./database.ts";
import { removalSize, vectorTables } from "./erase.ts";
import { lockOwners } from "./records.ts";
import { SqlError, type SqlTransaction, type SqlValue } from "./sql-client.ts";

const uniqueViolation = "23505";

/** SQL: rows of the conversation `$1, $2, $3`. */
const ofConversation = "tenant = $1::text AND user_id = $2::text AND conversation_id = $3::text";

/**
 * Gives a conversation to another user or resource with everything that is kept of it. The outbox is moved before the
 * vectors: a worker that is storing some holds its row, and is waited for.
 */
export async function moveConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  to: ConversationOwner,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const move = async (transaction: SqlTransaction) => {
    const before = await lockConversation(database, transaction, scope, id, "UPDATE");
    if (before === undefined) return undefined;
    const { userId = before.userId, resourceId = before.resourceId } = to;
    const whole = [scope.tenant, before.userId, id] as const;
    await moveRecords(database, transaction, whole, { userId, resourceId }, before.resourceId);
    const entries = await moveRows(database, transaction, whole, { userId, resourceId });
    await moveDerived(database, transaction, whole, userId, entries);
    return lockConversation(database, transaction, { ...scope, userId, resourceId: undefined }, id, "UPDATE");
  };
  try {
    const moved = await database.client.transaction(move, { signal });
    return moved && toConversation(moved);
  } catch (error) {
    if (!(error instanceof SqlError && error.sqlState === uniqueViolation)) throw error;
    throw new ConflictError(
      id,
      `[conversation] the new owner of "${id}" has a record of the same id: delete one of the two, and call again`,
    );
  }
}

async function lockConversation(
  database: Database,
  transaction: SqlTransaction,
  scope: StoreScope,
  id: string,
  lock: "UPDATE" | "SHARE",
): Promise<ConversationRow | undefined> {
  const parameters = new Parameters<SqlValue>();
  const { rows } = await transaction.query<ConversationRow>({
    text: `SELECT ${conversationColumns} FROM ${database.names.table.conversations} c WHERE ${isConversation(database, scope, id, parameters)} FOR ${lock}`,
    values: parameters.values,
  });
  return rows[0];
}

type Whole = readonly [tenant: string, userId: string, conversationId: string];

async function moveRecords(
  { names }: Database,
  transaction: SqlTransaction,
  whole: Whole,
  to: Required<ConversationOwner>,
  resourceId: string,
): Promise<void> {
  const [tenant, before] = whole;
  await lockOwners(names, transaction, [
    { tenant, userId: before },
    { tenant, userId: to.userId as string },
  ]);
  await transaction.query({
    text: `UPDATE ${names.table.records} SET user_id = $4::text, resource_id = CASE WHEN resource_id = $6::text THEN $5::text ELSE resource_id END WHERE ${ofConversation}`,
    values: [...whole, to.userId as string, to.resourceId as string, resourceId],
  });
}

/** The conversation, its ledger and its search rows; answers the entries of these. */
async function moveRows(
  { names: { table } }: Database,
  transaction: SqlTransaction,
  whole: Whole,
  { userId, resourceId }: ConversationOwner,
): Promise<number[]> {
  const values = [...whole, userId as string];
  await transaction.query({
    text: `UPDATE ${table.conversations} SET user_id = $4::text, resource_id = $5::text WHERE tenant = $1::text AND user_id = $2::text AND id = $3::text`,
    values: [...values, resourceId as string],
  });
  await transaction.query({ text: `UPDATE ${table.conversation_owners} SET user_id = $4::text WHERE ${ofConversation}`, values });
  await transaction.query({ text: `UPDATE ${table.messages} SET user_id = $4::text WHERE ${ofConversation}`, values });
  const { rows } = await transaction.query<{ entry: number }>({
    text: `UPDATE ${table.search} SET user_id = $4::text, resource_id = $5::text WHERE ${ofConversation} RETURNING entry`,
    values: [...values, resourceId as string],
  });
  return rows.map((row) => row.entry);
}

/** What workers owe and have made. A vector store beside this database names its vectors by their user: it makes them anew. */
async function moveDerived(
  database: Database,
  transaction: SqlTransaction,
  [tenant, before, id]: Whole,
  userId: string,
  entries: readonly number[],
): Promise<void> {
  const { table } = database.names;
  const values = [tenant, before, entries, userId];
  const ofEntries = "tenant = $1::text AND user_id = $2::text AND entry = ANY($3::bigint[])";
  await transaction.query({ text: `UPDATE ${table.outbox} SET user_id = $4::text, available_at = now() WHERE ${ofEntries}`, values });
  for (const vectors of await vectorTables(database, transaction)) {
    await transaction.query({ text: `UPDATE ${vectors} SET user_id = $4::text WHERE ${ofEntries}`, values });
  }
  if (database.space?.isExternal !== true) return;
  if (userId !== before) {
    await transaction.query({
      text: `INSERT INTO ${table.removals} (tenant, user_id, conversation_id, message_ids, available_at)
SELECT $1::text, $2::text, $3::text, array_agg(message_id), now() FROM (
  SELECT message_id, (row_number() OVER () - 1) / ${removalSize} AS part FROM ${table.messages}
  WHERE tenant = $1::text AND user_id = $4::text AND conversation_id = $3::text AND content <> ''
) m GROUP BY part`,
      values: [tenant, before, id, userId],
    });
  }
  await oweVectors(database, transaction, [tenant, userId, id]);
}

/** Owes a vector for each message with text. */
async function oweVectors({ names: { table } }: Database, transaction: SqlTransaction, whole: Whole): Promise<void> {
  await transaction.query({
    text: `INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
SELECT tenant, user_id, entry, revision, true, false, now() FROM ${table.search} WHERE ${ofConversation}
ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_vector = true, available_at = now(), attempts = 0, last_error = NULL`,
    values: whole,
  });
}

/** Copies the beginning of a conversation; nothing is embedded again. */
export async function branchConversation(
  database: Database,
  scope: StoreScope,
  sourceId: string,
  branch: BranchRequest,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  return database.client.transaction(
    async (transaction) => {
      // No message comes or goes while it is copied.
      const source = await lockConversation(database, transaction, scope, sourceId, "SHARE");
      if (source === undefined) return undefined;
      const whole = [scope.tenant, source.userId, sourceId] as const;
      const end = await lastOf(database, transaction, whole, branch.upTo);
      const made = await makeBranch(database, transaction, source, scope.tenant, branch, end);
      await copyRows(database, transaction, whole, branch.id, end.seq);
      return made;
    },
    { signal },
  );
}

interface BranchEnd {
  readonly seq: number;
  /** The message that was asked for, or the newest; undefined: there is none. */
  readonly messageId: string | undefined;
}

async function lastOf(
  { names: { table } }: Database,
  transaction: SqlTransaction,
  whole: Whole,
  upTo: string | undefined,
): Promise<BranchEnd> {
  const which = upTo === undefined ? "ORDER BY seq DESC LIMIT 1" : "AND message_id = $4::text";
  const { rows } = await transaction.query<{ seq: number; messageId: string }>({
    text: `SELECT seq, message_id AS "messageId" FROM ${table.messages} WHERE ${ofConversation} ${which}`,
    values: upTo === undefined ? whole : [...whole, upTo],
  });
  const [found] = rows;
  if (found === undefined && upTo !== undefined) throw new NotFoundError("message", upTo);
  if (found === undefined) return { seq: 0, messageId: undefined };
  let { seq } = found;
  // Messages up to a result may hold further calls.
  for (let next: number | undefined = seq; next !== undefined; next = await lastResult(table.messages, transaction, whole, seq)) seq = next;
  return { ...found, seq };
}

/** The last result, after a place, of the calls up to it: of each call the next message that names it decides. */
async function lastResult(messages: string, transaction: SqlTransaction, whole: Whole, seq: number): Promise<number | undefined> {
  const { rows } = await transaction.query<{ seq: number | null }>({
    text: `SELECT max(r.seq) AS seq FROM (
  SELECT seq, substr(unnest(tool_ids), 6) AS id, unnest(tool_ids) AS tool_id FROM ${messages} WHERE ${ofConversation} AND tool_ids IS NOT NULL AND seq <= $4::bigint
) c CROSS JOIN LATERAL (
  SELECT m.seq, m.tool_ids FROM ${messages} m
  WHERE m.tenant = $1::text AND m.user_id = $2::text AND m.conversation_id = $3::text AND m.tool_ids IS NOT NULL AND m.seq > c.seq AND m.tool_ids && ARRAY['call:' || c.id, 'result:' || c.id]
  ORDER BY m.seq LIMIT 1
) r WHERE c.tool_id = 'call:' || c.id AND r.seq > $4::bigint AND 'result:' || c.id = ANY(r.tool_ids)`,
    values: [...whole, seq],
  });
  return rows[0]?.seq ?? undefined;
}

async function makeBranch(
  { names: { table } }: Database,
  transaction: SqlTransaction,
  source: ConversationRow,
  tenant: string,
  { id, title }: BranchRequest,
  end: BranchEnd,
): Promise<Conversation> {
  const { rowCount } = await transaction.query({
    text: `INSERT INTO ${table.conversation_owners} (tenant, conversation_id, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    values: [tenant, id, source.userId],
  });
  if (rowCount === 0) throw new ConflictError(id, `[conversation] the id "${id}" is taken: choose another, or leave the id out`);
  const metadata = branchMetadata(JSON.parse(source.metadata), source.id, end.messageId);
  const { rows } = await transaction.query<ConversationRow>({
    text: `INSERT INTO ${table.conversations} AS c (tenant, user_id, id, resource_id, title, metadata, language, next_seq, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6::json, $7, $8::bigint, now(), now()) RETURNING ${conversationColumns}`,
    values: [tenant, source.userId, id, source.resourceId, title ?? source.title, JSON.stringify(metadata), source.language, end.seq + 1],
  });
  return toConversation(rows[0] as ConversationRow);
}

/**
 * Ledger, search rows, what is owed and vectors. Each message keeps its place, by which a row finds its copy. What is owed
 * is copied before the vectors: one that is stored in between is made once more, and none is missing.
 */
async function copyRows(database: Database, transaction: SqlTransaction, whole: Whole, id: string, seq: number): Promise<void> {
  const { table } = database.names;
  const values = [...whole, id, seq];
  const message = "message_id, role, name, type, content, parts, metadata, tool_ids, created_at";
  await transaction.query({
    text: `INSERT INTO ${table.messages} (tenant, user_id, conversation_id, seq, ${message})
SELECT tenant, user_id, $4::text, seq, ${message} FROM ${table.messages} WHERE ${ofConversation} AND seq <= $5::bigint`,
    values,
  });
  const search = "kind, seq, source_id, resource_id, role, importance, created_at, metadata, text, digest, revision, words";
  await transaction.query({
    text: `INSERT INTO ${table.search} (tenant, user_id, conversation_id, ${search})
SELECT tenant, user_id, $4::text, ${search} FROM ${table.search} WHERE ${ofConversation} AND seq <= $5::bigint ORDER BY seq`,
    values,
  });
  const copies = (of: string, columns: string) => `SELECT n.tenant, n.user_id, n.entry, ${columns}
FROM ${table.search} s JOIN ${table.search} n ON n.tenant = s.tenant AND n.user_id = s.user_id AND n.conversation_id = $4::text AND n.seq = s.seq
JOIN ${of} x ON x.tenant = s.tenant AND x.user_id = s.user_id AND x.entry = s.entry
WHERE s.tenant = $1::text AND s.user_id = $2::text AND s.conversation_id = $3::text AND s.seq <= $5::bigint`;
  if (database.space?.isExternal === true) await oweVectors(database, transaction, [whole[0], whole[1], id]);
  await transaction.query({
    text: `INSERT INTO ${table.outbox} AS o (tenant, user_id, entry, revision, needs_vector, needs_context, available_at)
${copies(table.outbox, "x.revision, x.needs_vector, x.needs_context, now()")}
ON CONFLICT (tenant, user_id, entry) DO UPDATE SET needs_context = EXCLUDED.needs_context`,
    values,
  });
  for (const vectors of await vectorTables(database, transaction)) {
    await transaction.query({
      text: `INSERT INTO ${vectors} (tenant, user_id, entry, revision, embedding) ${copies(vectors, "x.revision, x.embedding")}`,
      values,
    });
  }
}
