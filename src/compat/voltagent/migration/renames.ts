import { BackendError } from "../../../domain/errors.ts";
import { type Names, quoteIdentifier } from "../../../stores/postgres/names.ts";
import { SqlError, type SqlTransaction } from "../../../stores/postgres/sql-client.ts";

/** What a table or an index was called, and what it is called now. */
export interface Rename {
  readonly kind: "table" | "index";
  readonly from: string;
  readonly to: string;
}

/** PostgreSQL cuts longer names without a word. */
const longestName = 63;

/** A process that still holds the tables is waited for so long. */
const waitForOthers = "10s";

/**
 * Renames tables, and their indexes, whose names must be unique in the schema too. Takes no time, whatever they hold.
 * With a number where names like this are taken: `_backup`, else `_backup_2`, one for all.
 */
export async function renameAside(transaction: SqlTransaction, names: Names, tables: readonly string[], suffix: string): Promise<Rename[]> {
  const { rows } = await transaction.query<{ kind: "table" | "index"; name: string }>({
    text: `SELECT 'table' AS kind, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
    UNION ALL
    SELECT 'index', i.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
      WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
    ORDER BY 1 DESC, 2`,
    values: [names.schema, tables],
  });
  const present = rows.map(({ name }) => name);
  for (let number = 1; ; number++) {
    const ending = number === 1 ? suffix : `${suffix}_${number}`;
    const targets = shortened(present, ending);
    if ((await takenNames(transaction, names, targets)).length > 0) continue;
    const renames = rows.map(({ kind, name }, index) => ({ kind, from: name, to: targets[index] as string }));
    await rename(transaction, names, renames);
    return renames;
  }
}

/**
 * Gives everything its old name again.
 *
 * @throws BackendError when something else has one of the names by now
 */
export async function renameBack(transaction: SqlTransaction, names: Names, renames: readonly Rename[]): Promise<void> {
  const [taken] = await takenNames(
    transaction,
    names,
    renames.map(({ from }) => from),
  );
  if (taken !== undefined)
    throw new BackendError("voltagent", "restore", `"${taken}" stands where the old one was: rename or drop it, then start again`);
  await rename(
    transaction,
    names,
    renames.map(({ kind, from, to }) => ({ kind, from: to, to: from })),
  );
}

async function rename(transaction: SqlTransaction, { quotedSchema }: Names, renames: readonly Rename[]): Promise<void> {
  if (renames.length === 0) return;
  const statements = renames.map(
    ({ kind, from, to }) => `ALTER ${kind.toUpperCase()} ${quotedSchema}.${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)}`,
  );
  try {
    await transaction.execute([`SET LOCAL lock_timeout = '${waitForOthers}'`, ...statements].join(";\n"));
  } catch (error) {
    if (!(error instanceof SqlError && error.sqlState === "55P03")) throw error;
    throw new BackendError("voltagent", "migrate", "another process is using the tables: stop what still runs on them, then start again", {
      cause: error,
      retryable: true,
    });
  }
}

/** Names with an ending, cut where they would be too long, and numbered where the cut makes two alike. */
function shortened(names: readonly string[], ending: string): string[] {
  const given = new Set<string>();
  return names.map((name) => {
    for (let number = 0; ; number++) {
      const tail = number === 0 ? ending : `${number}${ending}`;
      const target = `${name.slice(0, longestName - tail.length)}${tail}`;
      if (given.has(target)) continue;
      given.add(target);
      return target;
    }
  });
}

async function takenNames(transaction: SqlTransaction, { schema }: Names, wanted: readonly string[]): Promise<string[]> {
  const { rows } = await transaction.query<{ name: string }>({
    text: `SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) ORDER BY 1`,
    values: [schema, wanted],
  });
  return rows.map(({ name }) => name);
}
