import { InvalidArgumentError } from "../../domain/errors.ts";
import type { SourcePosition, SourceRow, SourceTable } from "../../domain/import-source.ts";
import type { Row } from "./row-values.ts";

/** Columns of a table, with their types. */
export type Columns = ReadonlyMap<string, string>;

/** A database with tables: what all readers of SQL sources stand on. Only SELECTs are sent. */
export interface TablesDatabase {
  /** Where it is, for people. */
  readonly place: string;
  /** The column that tells rows of one table apart and nearly keeps the order they came in. */
  readonly rowKey: string;
  tables(): Promise<ReadonlyMap<string, Columns>>;
  count(table: string): Promise<number>;
  /** The next rows in the order of the keys. */
  page(request: PageRequest): Promise<readonly KeyedRow[]>;
  /** Rows that have one of the values in a column. */
  lookup(table: string, column: string, values: readonly string[]): Promise<readonly Row[]>;
  /** The first row of each group, in an order. */
  firsts(table: string, group: string, values: readonly string[], order: readonly string[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface PageRequest {
  readonly table: string;
  readonly columns: Columns;
  /** Columns that order all rows. */
  readonly keys: readonly string[];
  readonly after: readonly string[] | undefined;
  readonly limit: number;
}

export interface KeyedRow {
  readonly row: Row;
  readonly key: readonly string[];
  /** About how much memory it takes. */
  readonly size: number;
}

/** How the rows of one table become items. */
export interface TableReader {
  readonly table: string;
  readonly holds: string;
  readonly keys: readonly string[];
  /** One answer for each row, in their order. */
  toRows(rows: readonly Row[]): Promise<readonly ReadRow[]> | readonly ReadRow[];
}

export type ReadRow = Omit<SourceRow, "position">;

const mostRows = 1_000;
const pageBytes = 4_000_000;

/** Rows of several tables, one table after the other, a page at a time. */
export async function* readTables(
  database: TablesDatabase,
  readers: readonly TableReader[],
  after: SourcePosition | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<SourceRow> {
  const tables = await database.tables();
  const [start = "0", ...startKey] = after ?? [];
  for (const [index, reader] of readers.entries()) {
    if (index < Number(start)) continue;
    let key: readonly string[] | undefined = index === Number(start) && startKey.length > 0 ? startKey : undefined;
    // Large rows make for small pages: that is what bounds memory.
    let limit = 100;
    for (;;) {
      signal?.throwIfAborted();
      const columns = tables.get(reader.table) as Columns;
      const page = await database.page({ table: reader.table, columns, keys: reader.keys, after: key, limit });
      const rows = await reader.toRows(page.map(({ row }) => row));
      for (const [place, row] of rows.entries()) yield { ...row, position: [String(index), ...(page[place] as KeyedRow).key] };
      if (page.length < limit) break;
      key = page.at(-1)?.key;
      const size = page.reduce((sum, row) => sum + row.size, 0);
      limit = Math.max(1, Math.min(mostRows, Math.floor((limit * pageBytes) / Math.max(size, 1))));
    }
  }
}

/** The tables of the readers, with their sizes. */
export async function countTables(database: TablesDatabase, readers: readonly TableReader[]): Promise<SourceTable[]> {
  const counted: SourceTable[] = [];
  for (const { table, holds } of readers) counted.push({ name: table, holds, rows: await database.count(table) });
  return counted;
}

export function hasColumns(columns: Columns | undefined, ...names: readonly string[]): boolean {
  return columns !== undefined && names.every((name) => columns.has(name));
}

/**
 * The prefix of a set of tables: the one given, else the system's own, else the only one there is.
 * @throws InvalidArgumentError when there is none, or more than one
 */
export function findPrefix(
  system: string,
  place: string,
  tables: ReadonlyMap<string, Columns>,
  given: string | undefined,
  standard: string,
  anchors: readonly { readonly suffix: string; readonly columns: readonly string[]; readonly without?: string }[],
): string {
  const isThere = (prefix: string) =>
    anchors.every(({ suffix, columns, without }) => {
      const found = tables.get(prefix + suffix);
      return hasColumns(found, ...columns) && (without === undefined || !hasColumns(found, without));
    });
  const wanted = given ?? standard;
  if (isThere(wanted)) return wanted;
  const [anchor] = anchors;
  const suffix = anchor?.suffix ?? "";
  const others = [...tables.keys()]
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, name.length - suffix.length))
    .filter(isThere);
  if (given === undefined && others.length === 1) return others[0] as string;
  const found =
    others.length === 0 ? "" : ` (there are some with the prefixes ${others.map((prefix) => JSON.stringify(prefix)).join(", ")})`;
  throw new InvalidArgumentError(
    "from",
    `${place} has no tables of ${system} with the prefix ${JSON.stringify(wanted)}${found}: name the schema and table prefix they are under`,
  );
}
