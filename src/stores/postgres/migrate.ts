import { readdir, readFile } from "node:fs/promises";
import { BackendError } from "../../domain/errors.ts";
import { type Names, quoteIdentifier } from "./names.ts";
import { type SqlClient, SqlError } from "./sql-client.ts";

/** What the database told at connect. */
export interface Installation {
  readonly serverVersion: string;
  readonly vectorVersion: string;
  /** Quoted name of the schema that holds the extension. */
  readonly vectorSchema: string;
  /** Object id of the type `vector`, for arrays in binary. */
  readonly vectorTypeId: number;
  /** Names of the text-search configurations this server has. */
  readonly languages: ReadonlySet<string>;
}

/** `hnsw.iterative_scan`, which filtered index scans need, came with 0.8. */
const oldestVector = [0, 8];
const oldestServer = 150_000;

/**
 * Brings the schema up to date, once, under an advisory lock, and reports what was found.
 *
 * @throws BackendError `backend_outdated` for an old server or pgvector, `backend_denied` with the SQL to run when a right is missing
 */
export async function migrate(client: SqlClient, names: Names): Promise<Installation> {
  const before = await inspect(client, names);
  if (before.serverNumber < oldestServer) {
    throw new BackendError("postgres", "migrate", `PostgreSQL ${before.serverVersion} is too old: version 15 or later is needed`, {
      code: "backend_outdated",
    });
  }
  const known = await migrationFiles();
  if (before.vectorVersion === null) await createExtension(client);
  const installation = checkVector(before.vectorVersion === null ? await inspect(client, names) : before);
  const applied = before.hasMigrations ? await appliedMigrations(client, names) : 0;
  if (applied > latestOf(known)) {
    throw new BackendError(
      "postgres",
      "migrate",
      `the schema "${names.schema}" was made by a newer version of unforget: update the package`,
      { code: "backend_outdated" },
    );
  }
  if (applied < latestOf(known)) await applyMigrations(client, names, known, installation);
  return installation;
}

/**
 * The extension alone, for tables that are not migrated: made where it is missing.
 *
 * @throws BackendError as {@link migrate} does
 */
export async function prepareVector(client: SqlClient, names: Names): Promise<Installation> {
  const before = await inspect(client, names);
  if (before.vectorVersion !== null) return checkVector(before);
  await createExtension(client);
  return checkVector(await inspect(client, names));
}

interface Inspection {
  readonly serverNumber: number;
  readonly serverVersion: string;
  readonly vectorVersion: string | null;
  readonly vectorSchema: string | null;
  readonly vectorTypeId: number | null;
  readonly hasMigrations: boolean;
  readonly languages: readonly string[];
}

async function inspect(client: SqlClient, names: Names): Promise<Inspection> {
  const { rows } = await client.query<Inspection>({
    text: `SELECT current_setting('server_version_num')::int AS "serverNumber", current_setting('server_version') AS "serverVersion",
      e.extversion AS "vectorVersion", n.nspname AS "vectorSchema", t.oid AS "vectorTypeId",
      to_regclass($1) IS NOT NULL AS "hasMigrations", ARRAY(SELECT DISTINCT cfgname::text FROM pg_ts_config ORDER BY 1) AS languages
    FROM (SELECT 1) one
    LEFT JOIN pg_extension e ON e.extname = 'vector'
    LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
    LEFT JOIN pg_type t ON t.typname = 'vector' AND t.typnamespace = e.extnamespace`,
    values: [names.table.migrations],
  });
  return rows[0] as Inspection;
}

function checkVector(found: Inspection): Installation {
  const version = found.vectorVersion ?? "0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestVector;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new BackendError(
      "postgres",
      "migrate",
      `pgvector ${version} is too old, 0.8 or later is needed: update the package, then run ALTER EXTENSION vector UPDATE`,
      {
        code: "backend_outdated",
      },
    );
  }
  return {
    serverVersion: found.serverVersion,
    vectorVersion: version,
    vectorSchema: quoteIdentifier(found.vectorSchema ?? "public"),
    vectorTypeId: found.vectorTypeId ?? 0,
    languages: new Set(found.languages),
  };
}

async function createExtension(client: SqlClient): Promise<void> {
  try {
    await client.execute("CREATE EXTENSION IF NOT EXISTS vector");
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    // Two processes that start together both try; one of them loses on the catalog's unique index.
    if (error.sqlState === "23505" || error.sqlState === "42710") return;
    if (error.sqlState === "42501") {
      throw new BackendError(
        "postgres",
        "migrate",
        "this role may not create the extension: let an administrator run  CREATE EXTENSION vector;  in this database",
        {
          code: "backend_denied",
          cause: error,
        },
      );
    }
    if (client.engine === "embedded") {
      throw new BackendError(
        "embedded",
        "migrate",
        'this PGlite has no pgvector: create it with  extensions: { vector }  from "@electric-sql/pglite-pgvector"',
        {
          code: "backend_denied",
          cause: error,
        },
      );
    }
    if (error.sqlState === "0A000" || error.sqlState === "58P01") {
      throw new BackendError(
        "postgres",
        "migrate",
        "pgvector is not installed on this server: install it (Debian and Ubuntu: postgresql-NN-pgvector), then call again",
        {
          code: "backend_denied",
          cause: error,
        },
      );
    }
    throw error;
  }
}

async function applyMigrations(
  client: SqlClient,
  names: Names,
  known: readonly MigrationFile[],
  { vectorSchema }: Installation,
): Promise<void> {
  try {
    await client.transaction(async (transaction) => {
      await transaction.query({
        text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text",
        values: [`unforget migrate ${names.schema}.${names.prefix}`],
      });
      const { rows } = await transaction.query({ text: "SELECT 1 FROM pg_namespace WHERE nspname = $1", values: [names.schema] });
      if (rows.length === 0) await transaction.execute(`CREATE SCHEMA IF NOT EXISTS ${names.quotedSchema}`);
      await transaction.execute(
        `CREATE TABLE IF NOT EXISTS ${names.table.migrations} (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
      );
      const { rows: state } = await transaction.query<{ version: number }>({
        text: `SELECT coalesce(max(version), 0) AS version FROM ${names.table.migrations}`,
      });
      const applied = state[0]?.version ?? 0;
      for (const migration of known.filter(({ version }) => version > applied)) {
        await transaction.execute(
          fillNames(migration.sql.replaceAll("{vector}", `${vectorSchema}.vector`).replaceAll("{schema}", names.quotedSchema), names),
        );
        await transaction.query({
          text: `INSERT INTO ${names.table.migrations} (version, name) VALUES ($1, $2)`,
          values: [migration.version, migration.name],
        });
      }
    });
  } catch (error) {
    if (error instanceof SqlError && error.sqlState === "42501") {
      throw new BackendError(
        "postgres",
        "migrate",
        `this role may not create what is missing: let an administrator run  CREATE SCHEMA IF NOT EXISTS ${names.quotedSchema}; GRANT CREATE, USAGE ON SCHEMA ${names.quotedSchema} TO <this role>;  or run \`unforget migrate\` as a role that may`,
        { code: "backend_denied", cause: error },
      );
    }
    if (error instanceof SqlError && error.sqlState === "42P07") {
      throw new BackendError(
        "postgres",
        "migrate",
        `the schema "${names.schema}" already holds a table of the same name that is not unforget's: choose another schema or tablePrefix`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

async function appliedMigrations(client: SqlClient, names: Names): Promise<number> {
  const { rows } = await client.query<{ version: number }>({
    text: `SELECT coalesce(max(version), 0) AS version FROM ${names.table.migrations}`,
  });
  return rows[0]?.version ?? 0;
}

interface MigrationFile {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

const latestOf = (files: readonly MigrationFile[]) => files.at(-1)?.version ?? 0;

async function migrationFiles(): Promise<MigrationFile[]> {
  const directory = new URL("./migrations/", import.meta.url);
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (file) => ({
      version: Number(file.slice(0, 4)),
      name: file.slice(5, -4),
      sql: await readFile(new URL(file, directory), "utf8"),
    })),
  );
}

/**
 * `{vector}` stands for the type, `{schema}` for ours, `{messages}` for a qualified table, `{index:name}` for the name of an
 * index or constraint.
 */
function fillNames(sql: string, names: Names): string {
  return sql.replace(/\{(index:)?(\w+)\}/g, (_, isIndex: string | undefined, name: string) =>
    isIndex === undefined ? names.table[name as keyof Names["table"]] : names.index(name),
  );
}
