import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, SourceSqlClient } from "../../domain/import-source.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";
import { placeOf, type Row, required, unreachable } from "./row-values.ts";
import type { Columns, KeyedRow, PageRequest, TablesDatabase } from "./tables.ts";

interface OwnClient extends SourceSqlClient {
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

/** Tables of a schema in Postgres, over a lent client or a connection of our own, whose transactions are read-only. */
export function postgresTables({ client, from, schema = "public" }: ImportFromSource): TablesDatabase {
  if (client !== undefined && from !== undefined)
    throw new InvalidArgumentError("from", "names a database beside a client: give one of the two");
  const url = client === undefined ? required(from) : undefined;
  const own = once(() => connect(url as string));
  let isConnected = false;

  async function select<Found>(text: string, values: unknown[] = []): Promise<readonly Found[]> {
    try {
      if (client !== undefined) return (await client.query(text, values)).rows as readonly Found[];
      const connection = await own();
      isConnected = true;
      await connection.query("BEGIN TRANSACTION READ ONLY");
      try {
        return (await connection.query(text, values)).rows as readonly Found[];
      } finally {
        await connection.query("ROLLBACK");
      }
    } catch (cause) {
      if (cause instanceof BackendError) throw cause;
      throw new BackendError("import", "read", "the source's Postgres failed at a SELECT: the cause has its reason", { cause });
    }
  }

  const place = url === undefined ? `the client given, schema ${schema}` : `${placeOf(url)}, schema ${schema}`;
  const nameOf = (table: string) => `${quoted(schema)}.${quoted(table)}`;

  return {
    place,
    rowKey: "ctid",
    tables: once(async () => {
      const rows = await select<{ table: string; column: string; type: string }>(
        `SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) || CASE WHEN a.attnotnull THEN '' ELSE '?' END AS type
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum`,
        [schema],
      );
      const tables = new Map<string, Map<string, string>>();
      for (const { table, column, type } of rows) {
        const columns = tables.get(table) ?? new Map<string, string>();
        tables.set(table, columns.set(column, type));
      }
      return tables;
    }),
    async count(table) {
      const [row] = await select<{ count: string | number }>(`SELECT count(*)::text AS count FROM ${nameOf(table)}`);
      return Number(row?.count ?? 0);
    },
    async page({ table, columns, keys, after, limit }: PageRequest): Promise<readonly KeyedRow[]> {
      const sql = keys.map((key) => keySql(key, columns));
      const places = sql.map(({ type }, index) => `$${index + 1}::text::${type}`);
      // The first condition is what an index on the first key can serve.
      const condition =
        after === undefined
          ? ""
          : `WHERE ${sql[0]?.value} >= ${places[0]} AND (${sql.map(({ value }) => value).join(", ")}) > (${places.join(", ")})`;
      const rows = await select<{ row: string; key: string[] }>(
        `SELECT row_to_json(t)::text AS row, ARRAY[${sql.map(({ value }) => `(${value})::text`).join(", ")}] AS key
          FROM ${nameOf(table)} t ${condition} ORDER BY ${sql.map(({ value }) => value).join(", ")} LIMIT ${limit}`,
        [...(after ?? [])],
      );
      return rows.map(({ row, key }) => ({ row: JSON.parse(row) as Row, key, size: row.length }));
    },
    async lookup(table, column, values) {
      const rows = await select<{ row: string }>(
        `SELECT row_to_json(t)::text AS row FROM ${nameOf(table)} t WHERE t.${quoted(column)} = ANY($1::text[])`,
        [values],
      );
      return rows.map(({ row }) => JSON.parse(row) as Row);
    },
    async firsts(table, group, values, order) {
      const rows = await select<{ row: string }>(
        `SELECT DISTINCT ON (t.${quoted(group)}) row_to_json(t)::text AS row FROM ${nameOf(table)} t
          WHERE t.${quoted(group)} = ANY($1::text[]) ORDER BY t.${quoted(group)}, ${order.map((key) => `t.${quoted(key)}`).join(", ")}`,
        [values],
      );
      return rows.map(({ row }) => JSON.parse(row) as Row);
    },
    async close() {
      if (isConnected) await (await own()).end();
      isConnected = false;
    },
  };
}

/** What stands for no value sorts first. */
const least: Readonly<Record<string, string>> = {
  text: "''",
  "character varying": "''",
  uuid: "'00000000-0000-0000-0000-000000000000'",
  "timestamp with time zone": "'-infinity'",
  "timestamp without time zone": "'-infinity'",
};

function keySql(key: string, columns: Columns): { readonly value: string; readonly type: string } {
  if (key === "ctid") return { value: "t.ctid", type: "tid" };
  const declared = columns.get(key) ?? "text";
  const type = declared.replace(/\?$/, "");
  const nothing = declared.endsWith("?") ? least[type] : undefined;
  const value = `t.${quoted(key)}`;
  return { value: nothing === undefined ? value : `COALESCE(${value}, ${nothing})`, type };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

async function connect(url: string): Promise<OwnClient> {
  const { default: pg } = await loadDependency("import", "pg", () => import("pg"));
  try {
    const client = new pg.Client({ connectionString: url, application_name: "unforget" });
    client.on("error", () => {});
    await client.connect();
    return client as unknown as OwnClient;
  } catch (cause) {
    throw unreachable(url, cause);
  }
}
