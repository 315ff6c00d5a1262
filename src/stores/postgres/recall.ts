import type { RecallAnswer, RecallQuery, RecallRow } from "../../domain/memory-store.ts";
import { type Database, Parameters, statementName } from "./database.ts";
import { completeExchanges, type MessageRow, toMessage } from "./messages.ts";
import { type Plan, recallSql, scannedScopeRows, scopeConditions } from "./recall-statements.ts";
import type { SqlValue } from "./sql-client.ts";

/**
 * Up to this many rows the vectors of a scope are compared exactly: faster than an index scan that filters afterwards.
 * Measured with 256 to 384 dimensions: 20,000 distances take 10 to 20 ms, an index scan 4.
 */
export const exactScopeRows = 10_000;
/** A scope is never counted further than this. */
const mostCountedRows = 200_000;
/** Below this share of the table an index scan would pass over too many strangers' rows. */
const leastIndexShare = 0.02;

interface AnswerRow extends MessageRow {
  readonly scopeSize: number;
  // Only where an explanation was asked for.
  readonly textCandidates?: number;
  readonly vectorCandidates?: number;
  readonly lexemes?: readonly string[] | null;
  readonly kept?: readonly string[] | null;
  readonly score: number;
  readonly similarity: number | null;
  readonly rank: number | null;
  readonly conversation: number;
  readonly neighbour: number;
  readonly recency: number;
  readonly importance: number;
}

/**
 * Ranks a scope for a query in one statement. The scan guards itself: it reads up to a bound and answers nothing when
 * there is more, so that a small scope costs one trip and nothing is remembered about it. How large a large scope is,
 * is remembered in `large`, which lives as long as the store.
 */
export async function recall(
  database: Database,
  large: LargeScopes,
  query: RecallQuery,
  signal?: AbortSignal,
  withExchanges = true,
): Promise<RecallAnswer> {
  const key = scopeKey(query);
  const remembered = large.get(key);
  if (remembered === undefined) {
    const answer = await run(database, query, "scan", scannedScopeRows, signal, withExchanges);
    if (answer.scopeSize <= scannedScopeRows) return answer;
  }
  const known = remembered ?? large.set(key, await countScope(database, query, signal));
  if (!usesIndex(database, large, query, known)) return run(database, query, "exact", known.rows, signal, withExchanges);
  const answer = await run(database, query, "index", known.rows, signal, withExchanges);
  // The scope has shrunk, or the index passed over rows: exactness before speed.
  const wanted = query.minSimilarity === undefined ? query.limit : 0;
  if (answer.rows.length >= Math.min(wanted, known.rows)) return answer;
  large.delete(key);
  return run(database, query, "exact", known.rows, signal, withExchanges);
}

export function usesIndex(database: Database, large: LargeScopes, query: RecallQuery, known: ScopeCount): boolean {
  if (known.rows <= exactScopeRows) return false;
  if (query.vector === undefined) return true;
  if (known.share < leastIndexShare) return false;
  if (database.space?.hasIndex !== true) large.wantsIndex = true;
  return database.space?.hasIndex === true;
}

export interface ScopeCount {
  /** Counted up to a bound. */
  readonly rows: number;
  /** Of all rows of the table. */
  readonly share: number;
}

/** What is remembered of large scopes for a while, bounded. */
export class LargeScopes {
  /** A recall met a scope the vector index would serve, and the index is not there yet. */
  wantsIndex = false;
  readonly #sizes = new Map<string, ScopeCount & { readonly at: number }>();

  get(key: string): ScopeCount | undefined {
    const known = this.#sizes.get(key);
    return known === undefined || Date.now() - known.at > 300_000 ? undefined : known;
  }

  set(key: string, size: ScopeCount): ScopeCount {
    if (this.#sizes.size >= 10_000) this.#sizes.delete(this.#sizes.keys().next().value as string);
    this.#sizes.set(key, { ...size, at: Date.now() });
    return size;
  }

  delete(key: string): void {
    this.#sizes.delete(key);
  }
}

export function scopeKey(query: RecallQuery): string {
  const { scope, conversationId, kinds, roles, since, until, filter } = query;
  return JSON.stringify([scope.tenant, scope.userId, scope.resourceId, conversationId, kinds, roles, since, until, filter]);
}

async function countScope(database: Database, query: RecallQuery, signal: AbortSignal | undefined): Promise<ScopeCount> {
  const parameters = new Parameters<SqlValue>();
  const text = countScopeSql(database, query, parameters);
  const { rows } = await database.client.query<{ rows: number; total: number }>({ text, values: parameters.values, signal });
  return shareOf(rows[0]);
}

/** SQL: the rows of a scope, counted up to a bound, and about how many the table has. */
export function countScopeSql(database: Database, query: RecallQuery, parameters: Parameters<SqlValue>): string {
  const { search } = database.names.table;
  return `SELECT (SELECT count(*) FROM (SELECT 1 FROM ${search} s WHERE ${scopeConditions(query, parameters).join(" AND ")} LIMIT ${mostCountedRows}) x) AS rows,
    (SELECT GREATEST(reltuples, 0)::float8 FROM pg_class WHERE oid = ${parameters.add(search, "text")}::regclass) AS total`;
}

export function shareOf(counted: { readonly rows: number | null; readonly total: number | null } | undefined): ScopeCount {
  const count = counted?.rows ?? 0;
  return { rows: count, share: count >= mostCountedRows ? 1 : count / Math.max(count, counted?.total ?? 0) };
}

async function run(
  database: Database,
  query: RecallQuery,
  plan: Plan,
  scopeRows: number,
  signal: AbortSignal | undefined,
  withExchanges: boolean,
): Promise<RecallAnswer & { readonly scopeSize: number }> {
  const parameters = new Parameters<SqlValue>();
  const text = recallSql(database, query, plan, scopeRows, parameters);
  const { rows } = await database.client.query<AnswerRow>({ text, name: statementName(text), values: parameters.values, signal });
  const head = rows[0];
  const hits = rows.filter((row) => row.id !== null);
  const exchanges = withExchanges ? await completeExchanges(database, query.scope, hits, signal) : undefined;
  const lexemes = head?.lexemes ?? [];
  const kept = new Set(head?.kept ?? lexemes);
  return {
    rows: hits.map((row) => toRecallRow(row, exchanges?.get(row) ?? [])),
    plan: plan === "index" ? "index" : "exact",
    scopeSize: head?.scopeSize ?? 0,
    candidates: { vector: head?.vectorCandidates ?? 0, text: head?.textCandidates ?? 0 },
    words: lexemes,
    dropped: lexemes.filter((lexeme) => !kept.has(lexeme)),
  };
}

function toRecallRow(row: AnswerRow, exchange: RecallRow["exchange"]): RecallRow {
  return {
    message: toMessage(row),
    exchange,
    score: row.score,
    vector: row.similarity ?? undefined,
    text: row.rank ?? undefined,
    conversation: row.conversation,
    neighbour: row.neighbour,
    recency: row.recency,
    importance: row.importance,
  };
}
