import { type Names, quoteIdentifier } from "../../../stores/postgres/names.ts";
import type { SqlClient, SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import type { Rename } from "./renames.ts";
import type { LegacyTable, VoltagentVersion } from "./tables.ts";

/** What is done one after another, each in transactions of its own. */
export type MigrationPhase = "conversations" | "messages" | "runs" | "workingMemory" | "finish";

/** How far a migration has come, as the database keeps it: whoever comes next goes on from here. */
export interface MigrationState {
  readonly status: "importing" | "done" | "restored";
  readonly version: VoltagentVersion;
  readonly phase: MigrationPhase;
  /** Old tables and indexes, and what they are called since. */
  readonly moved: readonly Rename[];
  /** Which of VoltAgent's tables there were, under their old names. */
  readonly tables: Readonly<Partial<Record<LegacyTable, string>>>;
  /** Our own tables and indexes, while the old ones are restored. */
  readonly aside: readonly Rename[];
  /** Within the phase: what was done last. */
  readonly position: readonly (string | number)[];
  /** Within the phase: how many were done, of how many. */
  readonly done: number;
  readonly total: number;
  /** Over all. */
  readonly conversations: number;
  readonly messages: number;
  readonly runs: number;
}

/** Quoted names of what a migration keeps for itself. */
export interface MigrationTables {
  readonly state: string;
  readonly queue: string;
}

export function migrationTables({ quotedSchema, bare }: Names): MigrationTables {
  const qualified = (name: string) => `${quotedSchema}.${quoteIdentifier(bare(name))}`;
  return { state: qualified("voltagent_migration"), queue: qualified("voltagent_queue") };
}

/** The quoted name under which an old table can be read; undefined: there was none. */
export function movedTable(names: Names, state: MigrationState, table: LegacyTable): string | undefined {
  const from = state.tables[table];
  const to = state.moved.find((rename) => rename.kind === "table" && rename.from === from)?.to;
  return to === undefined ? undefined : `${names.quotedSchema}.${quoteIdentifier(to)}`;
}

/**
 * One step, in one transaction, of everybody who migrates these tables: the state it reads is what it leaves behind that
 * counts, so any number of processes may take turns, and one that dies leaves the last whole step.
 */
export async function inTurn<Answer>(
  client: SqlClient,
  names: Names,
  step: (transaction: SqlTransaction, state: MigrationState | undefined) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  return client.transaction(
    async (transaction) => {
      // A statement over all old rows may take longer than a server allows its requests.
      await transaction.execute("SET LOCAL statement_timeout = 0");
      await transaction.query({
        text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 4))::text",
        values: [`unforget voltagent ${names.schema}.${names.prefix}`],
      });
      return step(transaction, await readState(transaction, names));
    },
    { signal },
  );
}

export async function readState(transaction: SqlTransaction, names: Names): Promise<MigrationState | undefined> {
  const { state } = migrationTables(names);
  const { rows: found } = await transaction.query<{ isThere: boolean }>({
    text: `SELECT to_regclass($1) IS NOT NULL AS "isThere"`,
    values: [state],
  });
  if (found[0]?.isThere !== true) return undefined;
  const { rows } = await transaction.query<{ state: string }>({ text: `SELECT state::text AS state FROM ${state}` });
  return rows[0] === undefined ? undefined : JSON.parse(rows[0].state);
}

export async function writeState(transaction: SqlTransaction, names: Names, state: MigrationState): Promise<MigrationState> {
  const table = migrationTables(names).state;
  await transaction.query({
    text: `INSERT INTO ${table} AS s (id, state) VALUES (1, $1::json) ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state`,
    values: [JSON.stringify(state)],
  });
  return state;
}

export async function makeStateTable(transaction: SqlTransaction, names: Names): Promise<void> {
  await transaction.execute(
    `CREATE TABLE IF NOT EXISTS ${migrationTables(names).state} (id integer PRIMARY KEY CHECK (id = 1), state json NOT NULL)`,
  );
}
