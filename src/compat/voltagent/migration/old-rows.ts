import { quoteIdentifier } from "../../../stores/postgres/names.ts";
import { columnsOf, type ImportContext } from "./conversations.ts";
import { movedTable } from "./state.ts";
import type { LegacyTable } from "./tables.ts";

/** What is read at once at most: it bounds the memory of this process. */
const mostRows = 500;
const mostBytes = 2_000_000;

/** A row of any version: columns it does not have are undefined, times are text. */
export type OldRow = Readonly<Record<string, unknown>>;

export interface OldRows {
  readonly rows: readonly OldRow[];
  /** The key of the last one; undefined: there are no more. */
  readonly last: string | undefined;
}

/**
 * The next rows of an old table, by its primary key. Large values are weighed without being read. `place` of a row counts
 * those that lie before it and have the same `group`: the order they came in.
 */
export async function nextRows(
  context: ImportContext,
  table: LegacyTable,
  key: string,
  after: string | undefined,
  group?: string,
): Promise<OldRows> {
  const { transaction, names, state } = context;
  const name = movedTable(names, state, table);
  const columns = await columnsOf(context, table);
  if (name === undefined || columns === undefined) return { rows: [], last: undefined };
  const sizes = [...columns].map((column) => `COALESCE(pg_column_size(t.${quoteIdentifier(column)}), 0)`).join(" + ");
  const { rows: found } = await transaction.query<{ last: string | null }>({
    text: `SELECT max(place) AS last FROM (
        SELECT key, sum(size) OVER (ORDER BY key) - size AS before, key AS place FROM (
          SELECT t.${key} AS key, (${sizes}) * 3 AS size FROM ${name} t WHERE $1::text IS NULL OR t.${key} > $1 ORDER BY t.${key} LIMIT ${mostRows}
        ) n
      ) b WHERE before < ${mostBytes}`,
    values: [after ?? null],
  });
  const last = found[0]?.last ?? undefined;
  if (last === undefined) return { rows: [], last: undefined };
  const { rows } = await transaction.query<{ row: string; place: number }>({
    text: `SELECT row_to_json(t)::text AS row, ${group === undefined ? 0 : `(SELECT count(*) FROM ${name} x WHERE x.${group} = t.${group} AND x.ctid < t.ctid)`} AS place
      FROM ${name} t WHERE ($1::text IS NULL OR t.${key} > $1) AND t.${key} <= $2 ORDER BY t.${key}`,
    values: [after ?? null, last],
  });
  return { rows: rows.map(({ row, place }) => ({ ...JSON.parse(row), place })), last };
}

/** How many rows an old table has. */
export async function countRows({ transaction, names, state }: ImportContext, table: LegacyTable): Promise<number> {
  const name = movedTable(names, state, table);
  if (name === undefined) return 0;
  const { rows } = await transaction.query<{ count: number }>({ text: `SELECT count(*) AS count FROM ${name}` });
  return rows[0]?.count ?? 0;
}

/** A text of at most 512 characters that is not empty, as ids and names must be. */
export function wordOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, 512) : undefined;
}

/** A time of a row; undefined for none, and for what JavaScript has no time for. */
export function timeOf(value: unknown): Date | undefined {
  const time = typeof value === "string" || typeof value === "number" ? new Date(value) : undefined;
  return time === undefined || Number.isNaN(time.getTime()) ? undefined : time;
}

/** Undefined for SQL's NULL. */
export function fieldOf(value: unknown): unknown {
  return value === null ? undefined : value;
}

/** An object as it is; anything else under the name `value`. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {};
  return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : { value };
}

/** Without the fields that are null or undefined. */
export function withoutNull(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}
