import { existsSync } from "node:fs";
import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import { loadSqlite } from "../../internal/load-sqlite.ts";
import { once } from "../../internal/once.ts";
import type { Row } from "./row-values.ts";
import type { KeyedRow, PageRequest, TablesDatabase } from "./tables.ts";

/** Tables of a SQLite file, opened read-only. */
export function sqliteTables(file: string): TablesDatabase {
  const open = once(async () => {
    if (!existsSync(file)) throw new InvalidArgumentError("from", `${JSON.stringify(file)} does not exist: check the path`);
    const { DatabaseSync } = loadSqlite();
    return new DatabaseSync(file, { readOnly: true });
  });
  let isOpen = false;

  async function select(text: string, values: readonly string[] = []): Promise<Row[]> {
    try {
      const database = await open();
      isOpen = true;
      return database.prepare(text).all(...values) as Row[];
    } catch (cause) {
      if (cause instanceof InvalidArgumentError) throw cause;
      throw new BackendError("import", "read", `${JSON.stringify(file)} cannot be read as a SQLite database: the cause has its reason`, {
        cause,
      });
    }
  }

  return {
    place: file,
    rowKey: "rowid",
    tables: once(async () => {
      const rows = await select(
        "SELECT m.name AS 'table', c.name AS 'column', c.type || CASE WHEN c.\"notnull\" THEN '' ELSE '?' END AS type FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
      );
      const tables = new Map<string, Map<string, string>>();
      for (const { table, column, type } of rows) {
        const columns = tables.get(String(table)) ?? new Map<string, string>();
        tables.set(String(table), columns.set(String(column), String(type)));
      }
      return tables;
    }),
    async count(table) {
      const [row] = await select(`SELECT count(*) AS count FROM ${quoted(table)}`);
      return Number(row?.count ?? 0);
    },
    async page({ table, columns, keys, after, limit }: PageRequest): Promise<readonly KeyedRow[]> {
      const values = keys.map((key) => {
        if (key === "rowid") return "t.rowid";
        return columns.get(key)?.endsWith("?") === false ? `t.${quoted(key)}` : `COALESCE(t.${quoted(key)}, '')`;
      });
      const places = keys.map((key) => (key === "rowid" ? "CAST(? AS INTEGER)" : "?"));
      const rows = await select(
        `SELECT t.*, ${values.map((value, index) => `CAST(${value} AS TEXT) AS "\u0001${index}"`).join(", ")} FROM ${quoted(table)} t
          ${after === undefined ? "" : `WHERE ${values[0]} >= ${places[0]} AND (${values.join(", ")}) > (${places.join(", ")})`} ORDER BY ${values.join(", ")} LIMIT ${limit}`,
        after === undefined ? [] : [after[0] as string, ...after],
      );
      return rows.map((found) => {
        const key = keys.map((_, index) => String(found[`\u0001${index}`]));
        const row = Object.fromEntries(Object.entries(found).filter(([name]) => !name.startsWith("\u0001")));
        return { row, key, size: sizeOf(row) };
      });
    },
    lookup: (table, column, values) =>
      select(`SELECT * FROM ${quoted(table)} WHERE ${quoted(column)} IN (SELECT value FROM json_each(?))`, [JSON.stringify(values)]),
    firsts: (table, group, values, order) =>
      select(
        `SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY ${quoted(group)} ORDER BY ${order.map(quoted).join(", ")}) AS "\u0001n"
          FROM ${quoted(table)} WHERE ${quoted(group)} IN (SELECT value FROM json_each(?))) WHERE "\u0001n" = 1`,
        [JSON.stringify(values)],
      ),
    async close() {
      if (isOpen) (await open()).close();
      isOpen = false;
    },
  };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function sizeOf(row: Row): number {
  let size = 0;
  for (const value of Object.values(row))
    size += typeof value === "string" ? value.length : ArrayBuffer.isView(value) ? value.byteLength : 8;
  return size;
}
