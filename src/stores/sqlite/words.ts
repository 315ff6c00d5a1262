import { createHash } from "node:crypto";
import type { StoreScope } from "../../domain/scope.ts";
import { contextWords, indexedWords } from "../../domain/search-text.ts";
import type { TextAnswer, TextQuery } from "../../domain/session-store.ts";
import { addCondition, type Conditions, inScope, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import type { ConversationKey, MessageRow } from "./messages.ts";

/** How many earlier turns lend their words to a message, and how many later ones a changed message lends its own to. */
const turnsOfContext = 2;
/** Words of a question beyond these do not search. */
const mostQueryWords = 100;
/** Weights of a message's own words, of those earlier turns lend, and of whose it is. */
const weights = "1.0, 0.3, 0.0";

/** A message and a later one it lends its words to: what a change of it makes to be indexed anew. */
export function findFollowers(rows: SqliteRows, key: ConversationKey, seq: number): number[] {
  const found = rows.all<{ entry: number }>(
    "SELECT entry FROM {messages} WHERE tenant = ? AND user_id = ? AND conversation_id = ? AND seq > ? AND content <> '' ORDER BY seq LIMIT ?",
    ...key,
    seq,
    turnsOfContext,
  );
  return found.map(({ entry }) => entry);
}

/** Indexes messages as they are now; what is gone, or has no text, is taken out. */
export function indexMessages(rows: SqliteRows, entries: Iterable<number>): void {
  for (const entry of new Set(entries)) {
    unindexMessage(rows, entry);
    const row = rows.get<MessageRow>("SELECT * FROM {messages} WHERE entry = ?", entry);
    if (row !== undefined) indexNewMessage(rows, row, contextOf(rows, row));
  }
}

export function indexNewMessage(rows: SqliteRows, row: MessageRow, context: string): void {
  if (row.content === "") return;
  const own = indexedWords({ name: row.name, text: row.content, createdAt: new Date(row.created_at) });
  const scope = [[row.tenant], [row.tenant, row.user_id], [row.tenant, row.user_id, row.conversation_id]].map(scopeToken).join(" ");
  rows.run("INSERT INTO {words} (rowid, own, context, scope) VALUES (?, ?, ?, ?)", row.entry, own, context, scope);
}

export function unindexMessage(rows: SqliteRows, entry: number): void {
  rows.run("DELETE FROM {words} WHERE rowid = ?", entry);
}

/** The words earlier turns lend to a message. */
export function contextOf(rows: SqliteRows, row: MessageRow): string {
  const previous = rows.all<{ name: string | null; content: string }>(
    "SELECT name, content FROM {messages} WHERE tenant = ? AND user_id = ? AND conversation_id = ? AND seq < ? AND content <> '' ORDER BY seq DESC LIMIT ?",
    row.tenant,
    row.user_id,
    row.conversation_id,
    row.seq,
    turnsOfContext,
  );
  return contextWords(previous.map(({ name, content }) => (name === null ? content : `${name} ${content}`)));
}

/** One word that stands for a tenant, a user or a conversation. */
export function scopeToken(path: readonly string[]): string {
  return `s${createHash("sha256").update(JSON.stringify(path)).digest("hex").slice(0, 32)}`;
}

/**
 * Words as FTS5 takes them, any of which may match: quoted, so that nothing of them is syntax. Undefined when there is
 * none to search by.
 */
export function anyOf(words: string, language = "english"): { readonly match: string; readonly words: readonly string[] } | undefined {
  const all = [...new Set(words.toLowerCase().match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? [])].filter((word) =>
    /[\p{L}\p{N}\p{Co}]/u.test(word),
  );
  const telling = language === "english" ? all.filter((word) => !stopWords.has(word)) : all;
  const kept = (telling.length > 0 ? telling : all).slice(0, mostQueryWords);
  return kept.length === 0 ? undefined : { match: kept.map((word) => `"${word}"`).join(" OR "), words: kept };
}

export function searchText(rows: SqliteRows, query: TextQuery): TextAnswer {
  const question = anyOf(query.words, query.language);
  if (question === undefined) return { matches: [], words: [] };
  const conditions = textConditions(query);
  const found = rows.all<MatchRow>(
    `SELECT user_id AS userId, conversation_id AS conversationId, message_id AS messageId, seq, created_at, importance, -score AS rank
FROM (SELECT rowid, bm25({words}, ${weights}) AS score FROM {words} WHERE {words} MATCH ?) w JOIN {messages} ON entry = w.rowid
${where(conditions)} AND score < 0 ORDER BY score, entry DESC LIMIT ?`,
    `scope : ${scopeMatch(query.scope, query.conversationId)} AND {own context} : (${question.match})`,
    ...conditions.values,
    query.limit,
  );
  return { matches: found.map(({ created_at, ...match }) => ({ ...match, createdAt: new Date(created_at) })), words: question.words };
}

interface MatchRow {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly seq: number;
  readonly created_at: number;
  readonly importance: number | null;
  readonly rank: number;
}

/** The narrowest word of whose messages are meant. */
function scopeMatch({ tenant, userId }: StoreScope, conversationId: string | undefined): string {
  if (userId === undefined) return scopeToken([tenant]);
  return scopeToken(conversationId === undefined ? [tenant, userId] : [tenant, userId, conversationId]);
}

function textConditions({ scope, conversationId, roles, since, until, filter }: TextQuery): Conditions {
  const conditions = inScope(scope);
  if (conversationId !== undefined) addCondition(conditions, "conversation_id = ?", conversationId);
  if (roles !== undefined) addCondition(conditions, "role IN (SELECT value FROM json_each(?))", JSON.stringify(roles));
  if (since !== undefined) addCondition(conditions, "created_at >= ?", since.getTime());
  if (until !== undefined) addCondition(conditions, "created_at < ?", until.getTime());
  if (filter !== undefined) addCondition(conditions, "unforget_matches(metadata, ?)", JSON.stringify(filter));
  return conditions;
}

/** English words that tell nothing apart (those of the Snowball list, as PostgreSQL has it). */
const stopWords: ReadonlySet<string> = new Set(
  `i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
itself they them their theirs themselves what which who whom this that these those am is are was were be been being have
has had having do does did doing a an the and but if or because as until while of at by for with about against between
into through during before after above below to from up down in out on off over under again further then once here there
when where why how all any both each few more most other some such no nor not only own same so than too very s t can will
just don should now`.split(/\s+/),
);
