import type { StoreScope } from "../../domain/scope.ts";
import type { MemoryStats } from "../../domain/stats.ts";
import { type Database, Parameters } from "./database.ts";
import type { SqlValue } from "./sql-client.ts";

interface StatsRow {
  readonly conversations: number;
  readonly messages: number;
  readonly users: number;
  readonly vectors: number;
  readonly pending: number;
  readonly failing: number;
  readonly lastError: string | null;
  readonly thisWeek: number;
}

/** Counts what a scope holds, in one statement. */
export async function storeStats(
  database: Database,
  scope: StoreScope,
  signal?: AbortSignal,
): Promise<Omit<MemoryStats, "records" | "embedding" | "store">> {
  const { table } = database.names;
  const parameters = new Parameters<SqlValue>();
  const tenant = parameters.add(scope.tenant, "text");
  const user = scope.userId === undefined ? "" : ` AND user_id = ${parameters.add(scope.userId, "text")}`;
  const owned = `tenant = ${tenant}${user}`;
  const thisWeek =
    scope.userId === undefined
      ? ""
      : `
  (SELECT count(*) FROM ${table.conversations} WHERE ${owned} AND created_at >= now() - interval '7 days') AS "thisWeek",`;
  const text = `SELECT${thisWeek}
  (SELECT count(*) FROM ${table.conversations} WHERE ${owned}) AS conversations,
  (SELECT count(DISTINCT user_id) FROM ${table.conversations} WHERE ${owned}) AS users,
  (SELECT count(*) FROM ${table.messages} WHERE ${owned}) AS messages,
  ${database.space === undefined ? "0" : `(SELECT count(*) FROM ${database.space.table} WHERE ${owned})`} AS vectors,
  o.pending, o.failing, o."lastError"
FROM (SELECT count(*) AS pending, count(*) FILTER (WHERE last_error IS NOT NULL) AS failing, max(last_error) AS "lastError" FROM ${table.outbox} WHERE ${owned}) o`;
  const { rows } = await database.client.query<StatsRow>({ text, values: parameters.values, signal });
  const row = rows[0] as StatsRow;
  return {
    conversations: row.conversations,
    messages: row.messages,
    users: row.users,
    vectors: row.vectors,
    ...(scope.userId === undefined
      ? {}
      : {
          conversationsThisWeek: row.thisWeek,
          messagesPerConversation: row.conversations === 0 ? 0 : row.messages / row.conversations,
        }),
    owed: { pending: row.pending, failing: row.failing, lastError: row.lastError ?? undefined },
  };
}
