import { readFile } from "node:fs/promises";
import { onTestFinished } from "vitest";
import type { MigrateSchemaOptions, MigrateSchemaResult, VoltagentMigrationOptions } from "../../../src/compat/voltagent/migrate-schema.ts";
import { migrateVoltagentSchema } from "../../../src/compat/voltagent/migrate-schema.ts";
import type { Memory, MemoryOptions } from "../../../src/index.ts";
import type { SqlValue } from "../../../src/stores/postgres/sql-client.ts";
import type { Engine } from "../../support/engines.ts";

/** A database that an old VoltAgent left, in a schema of its own. */
export interface OldTables {
  readonly schema: string;
  /** What opens it. */
  readonly place: VoltagentMigrationOptions;
  migrate(options?: MigrateSchemaOptions): Promise<MigrateSchemaResult>;
  /** A memory on the migrated tables. */
  memory(options?: MemoryOptions): Memory;
  /** Runs statements whose unqualified names are looked up in this schema. */
  execute(sql: string): Promise<void>;
  rows<Row = Record<string, unknown>>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
  /** Tables, indexes and sequences that are there. */
  relations(): Promise<string[]>;
}

export type OldVersion = "0.1.1" | "0.1.2" | "1.0-next" | "2.x";

let count = 0;

/** The tables of a version, with rows that `sql` inserts. */
export async function oldTables(
  engine: Engine,
  version: OldVersion | undefined,
  sql = "",
  prefix = "voltagent_memory",
): Promise<OldTables> {
  const schema = `${engine.schema}_${++count}`;
  const execute = (script: string) =>
    engine.client.transaction(async (transaction) => {
      await transaction.execute(`SET LOCAL search_path TO "${schema}"`);
      await transaction.execute(script);
    });
  await engine.client.execute(`CREATE SCHEMA "${schema}"`);
  onTestFinished(() => engine.client.execute(`DROP SCHEMA "${schema}" CASCADE`));
  if (version !== undefined) {
    const ddl = await readFile(new URL(`../../fixtures/voltagent/${version}.sql`, import.meta.url), "utf8");
    await execute(ddl.replaceAll("voltagent_memory", prefix));
  }
  if (sql !== "") await execute(sql.replaceAll("voltagent_memory", prefix));
  const place = { ...engine.place, schema, tablePrefix: prefix };
  return {
    schema,
    place,
    execute,
    migrate: (options) => migrateVoltagentSchema({ ...place, ...options }),
    memory: (options) => engine.memory({ ...place, embedding: false, worker: "manual", ...options }),
    rows: (text, values) =>
      engine.client.transaction(async (transaction) => {
        await transaction.execute(`SET LOCAL search_path TO "${schema}"`);
        return (await transaction.query<never>({ text, values: values ?? [] })).rows;
      }),
    relations: async () => {
      const found = await engine.sql<{ name: string }>(
        "SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'i', 'S') ORDER BY 1",
        [schema],
      );
      return found.map(({ name }) => name);
    },
  };
}
