import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { afterAll, describe } from "vitest";
import type { ImportFromSource } from "../../../src/index.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

/** A Postgres with another system's tables. */
export interface SourceDatabase {
  /** A schema of its own in it, with these tables and rows; how it is named as a source. */
  schema(sql: string): Promise<{ readonly place: Omit<ImportFromSource, "system">; rows(): Promise<unknown> }>;
  execute(schema: string, sql: string): Promise<void>;
}

interface Sql {
  run(sql: string): Promise<unknown>;
  rows(sql: string, values: unknown[]): Promise<readonly unknown[]>;
}

let count = 0;

/** Runs the same tests on a lent PGlite and over the URL of a server. */
export function describeSources(title: string, body: (database: SourceDatabase) => void): void {
  describe(`${title} (embedded)`, () => {
    let made: Promise<PGlite> | undefined;
    const open = () => (made ??= PGlite.create({ extensions: { vector } }));
    afterAll(async () => (await made)?.close());
    const sql: Sql = {
      run: async (text) => (await open()).exec(text),
      rows: async (text, values) => (await (await open()).query(text, values)).rows,
    };
    body(sourceDatabase(sql, "embedded", async () => ({ client: await open() })));
  });
  describeServer("postgres", `${title} (postgres)`, (url) => {
    const schema = tempSchema(url);
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    const names: string[] = [];
    afterAll(async () => {
      for (const name of names) await pool.query(`DROP SCHEMA IF EXISTS "${name}" CASCADE`);
      await pool.end();
    });
    const sql: Sql = { run: (text) => pool.query(text), rows: async (text, values) => (await pool.query(text, values)).rows };
    body(
      sourceDatabase(sql, schema, async (name) => {
        names.push(name);
        return { from: url };
      }),
    );
  });
}

function sourceDatabase(
  sql: Sql,
  base: string,
  place: (schema: string) => Promise<Pick<ImportFromSource, "client" | "from">>,
): SourceDatabase {
  const within = (schema: string, text: string) => sql.run(`SET search_path TO "${schema}", public; ${text}; SET search_path TO public`);
  return {
    async schema(text) {
      const schema = `${base}_source_${++count}`;
      const reached = await place(schema);
      await sql.run(`CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA "${schema}"`);
      await within(schema, text);
      return {
        place: { ...reached, schema },
        /** Every table with all of its rows, and nothing beside. */
        rows: async () => {
          const tables = await sql.rows(
            "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1",
            [schema],
          );
          const found: unknown[] = [];
          for (const table of tables as { name: string }[])
            found.push([
              table.name,
              await sql.rows(`SELECT row_to_json(t)::text AS row FROM "${schema}"."${table.name}" t ORDER BY 1`, []),
            ]);
          return found;
        },
      };
    },
    execute: async (schema, text) => void (await within(schema, text)),
  };
}
