import { InvalidArgumentError } from "../../../domain/errors.ts";
import { type Names, quoteIdentifier } from "../../../stores/postgres/names.ts";
import type { SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import { renameAside, renameBack } from "./renames.ts";
import { type MigrationState, makeStateTable, writeState } from "./state.ts";
import { type FoundTable, findTables, type Inspection, inspectTables } from "./tables.ts";

/**
 * Moves the old tables out of the way and writes down that they are to be imported. Undefined: there are none.
 *
 * Tables of ours that a restore put aside come back into their places first, so that what was written in them is there
 * again and only what they lack is imported.
 */
export async function begin(
  transaction: SqlTransaction,
  names: Names,
  before: MigrationState | undefined,
): Promise<MigrationState | undefined> {
  if (before?.status === "importing") return before;
  const found = await inspectTables(transaction, names);
  const aside = before?.status === "restored" ? before.aside : [];
  if (found.version === undefined) {
    if (before?.status !== "restored" || found.hasOurs) return undefined;
    // The old tables are gone, and ours still aside.
    await renameBack(transaction, names, aside);
    return writeState(transaction, names, { ...before, status: "done", aside: [], moved: [] });
  }
  await checkIds(transaction, names, found);
  const moved = await renameAside(
    transaction,
    names,
    [...found.legacy.values()].map(({ name }) => name),
    "_backup",
  );
  if (!found.hasOurs) await renameBack(transaction, names, aside);
  await makeStateTable(transaction, names);
  return writeState(transaction, names, {
    status: "importing",
    version: found.version,
    phase: "conversations",
    moved,
    tables: Object.fromEntries([...found.legacy].map(([table, { name }]) => [table, name])),
    aside: [],
    position: [],
    done: 0,
    total: 0,
    conversations: 0,
    messages: 0,
    runs: 0,
  });
}

/** Whether anything is to be done, without a lock: what every start asks. */
export async function isPending(transaction: SqlTransaction, names: Names): Promise<boolean> {
  const { version } = await inspectTables(transaction, names);
  if (version !== undefined) return true;
  return (await findTables(transaction, names.schema, [names.bare("voltagent_migration")])).size > 0;
}

/** Rows that no table of ours could take must be found before anything is moved. */
async function checkIds(transaction: SqlTransaction, names: Names, { legacy }: Inspection): Promise<void> {
  const keys = { conversations: ["id", "resource_id", "user_id"], messages: ["conversation_id", "message_id", "user_id", "role"] } as const;
  for (const kind of ["conversations", "messages"] as const) {
    const table = legacy.get(kind);
    if (table === undefined) continue;
    const { rows } = await transaction.query<{ count: number }>({ text: countUnfit(names, table, keys[kind]) });
    const count = rows[0]?.count ?? 0;
    if (count === 0) continue;
    throw new InvalidArgumentError(
      table.name,
      `${count} of its rows have an id, user, resource or role of more than 512 characters or 640 bytes, which cannot be stored: shorten them, then start again; nothing was changed`,
    );
  }
}

function countUnfit(names: Names, table: FoundTable, keys: readonly string[]): string {
  const unfit = keys.filter((key) => table.columns.has(key)).map((key) => `char_length(${key}) > 512 OR octet_length(${key}) > 640`);
  return `SELECT count(*) AS count FROM ${names.quotedSchema}.${quoteIdentifier(table.name)} WHERE ${unfit.join(" OR ")}`;
}
