import { BackendError } from "../../../domain/errors.ts";
import type { Names } from "../../../stores/postgres/names.ts";
import type { SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import { renameAside, renameBack } from "./renames.ts";
import { type MigrationState, migrationTables, writeState } from "./state.ts";

/**
 * Gives the old tables their places again, whole, at any time. Ours go aside as `…_unforget` with all that was written
 * since, and come back when the next migration begins.
 *
 * @throws BackendError when there is no backup
 */
export async function restore(transaction: SqlTransaction, names: Names, state: MigrationState | undefined): Promise<MigrationState> {
  if (state?.status === "restored") return state;
  if (state === undefined || state.moved.length === 0) {
    throw new BackendError("voltagent", "restore", "there is no backup to restore: none was made, or it was deleted");
  }
  const aside = await renameAside(transaction, names, await ourTables(transaction, names), "_unforget");
  await renameBack(transaction, names, state.moved);
  await transaction.execute(`DROP TABLE IF EXISTS ${migrationTables(names).queue}`);
  return writeState(transaction, names, { ...state, status: "restored", moved: [], aside });
}

/** Every table of this prefix that a migration of ours makes, and those of the vectors. */
async function ourTables(transaction: SqlTransaction, names: Names): Promise<string[]> {
  const known = Object.keys(names.table).map((table) => names.bare(table));
  const { rows } = await transaction.query<{ name: string }>({
    text: `SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind = 'r' AND (c.relname = ANY($2::text[]) OR left(c.relname, char_length($3)) = $3 AND substr(c.relname, char_length($3) + 1) ~ '^[0-9]+$')`,
    values: [names.schema, known, names.bare("vectors_")],
  });
  return rows.map(({ name }) => name);
}
