import type { Conversation } from "../../domain/conversation.ts";
import type { RecallQuery } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationSearch, FoundConversations } from "../../domain/session-store.ts";
import { type ConversationRow, conversationColumns, inScope, toConversation } from "./conversations.ts";
import { type Database, epochMs, Parameters, statementName } from "./database.ts";
import { type MessageRow, toMessage } from "./messages.ts";
import { countScopeSql, type LargeScopes, type ScopeCount, scopeKey, shareOf, usesIndex } from "./recall.ts";
import { recallSql, scannedScopeRows } from "./recall-statements.ts";
import { textRecall } from "./search-text.ts";
import type { SqlValue } from "./sql-client.ts";

/**
 * Conversations by title and by text, in two trips: the titles, with the size of the scope where it is not known; then the
 * texts, ranked as a recall by words ranks them, with their conversations.
 */
export async function findConversations(
  database: Database,
  large: LargeScopes,
  scope: StoreScope,
  search: ConversationSearch,
  signal?: AbortSignal,
): Promise<FoundConversations> {
  const everything = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined };
  const text = textRecall({ scope, words: search.words, limit: search.limit, language: undefined, ...everything });
  const query = { ...text, explain: false };
  const known = large.get(scopeKey(query));
  const titled = await findTitles(database, scope, search, known === undefined ? query : undefined, signal);
  const size = known ?? titled.size;
  if (size.rows > scannedScopeRows) large.set(scopeKey(query), size);
  const texts = search.words === "" ? [] : await findTexts(database, large, query, search.archived, size, signal);
  const conversations = new Map<string, Conversation>();
  for (const conversation of [...titled.conversations, ...texts.map(({ conversation }) => conversation)]) {
    conversations.set(JSON.stringify([conversation.userId, conversation.id]), conversation);
  }
  return { conversations: [...conversations.values()], messages: texts };
}

interface SizeRow {
  readonly rows: number | null;
  readonly total: number | null;
}

/** @param counted the recall whose scope is to be counted on the way */
async function findTitles(
  database: Database,
  scope: StoreScope,
  { titleWords, archived, limit }: ConversationSearch,
  counted: RecallQuery | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly conversations: readonly Conversation[]; readonly size: ScopeCount }> {
  const parameters = new Parameters<SqlValue>();
  const conditions = [...inScope(scope, parameters), ...archivedCondition(archived)];
  const patterns = parameters.add(titleWords.flatMap(patternsOf), "text[]");
  const size = counted === undefined ? "SELECT NULL::bigint AS rows, NULL::float8 AS total" : countScopeSql(database, counted, parameters);
  const text = `WITH size AS MATERIALIZED (${size}), titled AS MATERIALIZED (
  SELECT c.*, (SELECT count(*) FROM unnest(${patterns}) p(pattern) WHERE lower(c.title) LIKE p.pattern OR c.title LIKE p.pattern) AS held
  FROM ${database.names.table.conversations} c
  WHERE ${conditions.join(" AND ")} AND (lower(c.title) LIKE ANY(${patterns}) OR c.title LIKE ANY(${patterns}))
  ORDER BY held DESC, c.updated_at DESC LIMIT ${parameters.add(limit, "int")}
)
SELECT s.rows, s.total, ${conversationColumns} FROM size s LEFT JOIN titled c ON true`;
  const { rows } = await database.client.query<ConversationRow & SizeRow>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return { conversations: rows.filter(({ id }) => id !== null).map(toConversation), size: shareOf(rows[0]) };
}

/** The server may lower only ASCII: other words are looked for as they are mostly written. */
function patternsOf(word: string): string[] {
  const [first = ""] = word;
  const spellings = [word, first.toUpperCase() + word.slice(first.length), word.toUpperCase()];
  return [...new Set(/[^\0-\x7f]/.test(word) ? spellings : [word])].map((one) => `%${one}%`);
}

const archivedCondition = (archived: boolean | undefined) =>
  archived === undefined ? [] : [`c.archived_at IS ${archived ? "NOT " : ""}NULL`];

async function findTexts(
  database: Database,
  large: LargeScopes,
  query: RecallQuery,
  archived: boolean | undefined,
  size: ScopeCount,
  signal: AbortSignal | undefined,
) {
  const parameters = new Parameters<SqlValue>();
  const plan = size.rows <= scannedScopeRows ? "scan" : usesIndex(database, large, query, size) ? "index" : "exact";
  const found = recallSql(database, query, plan, plan === "scan" ? scannedScopeRows : size.rows, parameters);
  const tenant = parameters.add(query.scope.tenant, "text");
  const conditions = ["true", ...archivedCondition(archived)];
  const text = `SELECT f.*, ${conversationJson} AS conversation FROM (${found}) f CROSS JOIN LATERAL (
  SELECT * FROM ${database.names.table.conversations} c WHERE c.tenant = ${tenant} AND c.user_id = f."userId" AND c.id = f."conversationId" OFFSET 0
) c WHERE ${conditions.join(" AND ")} ORDER BY f.score DESC`;
  const { rows } = await database.client.query<MessageRow & { rank: number; conversation: string }>({
    text,
    name: statementName(text),
    values: parameters.values,
    signal,
  });
  return rows.map((row) => ({ message: toMessage(row), rank: row.rank, conversation: toConversation(JSON.parse(row.conversation)) }));
}

/** SQL: the conversation `c` beside the columns of a message: one value, that has the fields of a {@link ConversationRow}. */
const conversationJson = `json_build_object('id', c.id, 'userId', c.user_id, 'resourceId', c.resource_id, 'title', c.title, 'metadata', c.metadata::text, 'language', c.language,
  'createdAt', ${epochMs("c.created_at")}, 'updatedAt', ${epochMs("c.updated_at")}, 'pinnedAt', ${epochMs("c.pinned_at")}, 'archivedAt', ${epochMs("c.archived_at")})`;
