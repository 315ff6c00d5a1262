import { type Database, RecentKeys } from "../../../stores/postgres/database.ts";
import type { Installation } from "../../../stores/postgres/migrate.ts";
import { type Names, quoteIdentifier } from "../../../stores/postgres/names.ts";
import { currentSpace } from "../../../stores/postgres/spaces.ts";
import type { SqlTransaction } from "../../../stores/postgres/sql-client.ts";
import { type ImportContext, importConversations, queueMessages } from "./conversations.ts";
import { importMessages } from "./messages.ts";
import { clientWithin } from "./records.ts";
import { countRunRows, importRuns } from "./runs.ts";
import { type MigrationPhase, type MigrationState, migrationTables, writeState } from "./state.ts";
import { importWorkingMemory } from "./working-memory.ts";

/** What the steps of an import need beside the state. */
export interface ImportOptions {
  readonly names: Names;
  readonly tenant: string;
  readonly language: string;
  readonly installation: Installation;
}

/** Does the next step of an import, and writes down how far it is. */
export async function advance(transaction: SqlTransaction, state: MigrationState, options: ImportOptions): Promise<MigrationState> {
  const { names, tenant, installation } = options;
  const context = { transaction, names, installation, tenant, state };
  return writeState(transaction, names, await steps[state.phase](context, options));
}

/** Orders anew what is still missing: somebody wrote a message of the same id meanwhile. */
export async function requeue(transaction: SqlTransaction, state: MigrationState, options: ImportOptions): Promise<MigrationState> {
  const { names, tenant, installation } = options;
  const total = state.done + (await queueMessages({ transaction, names, installation, tenant, state }));
  return writeState(transaction, names, { ...state, position: [], total });
}

const steps: Readonly<Record<MigrationPhase, (context: ImportContext, options: ImportOptions) => Promise<MigrationState>>> = {
  async conversations(context) {
    const { conversations, messages } = await importConversations(context);
    await analyze(context, ["conversations", "conversation_owners"]);
    return { ...begun(context.state, "messages"), total: messages, conversations };
  },

  async messages(context, options) {
    const { state } = context;
    const database = await databaseWithin(context.transaction, options);
    const [place = 0] = state.position;
    const batch = await importMessages(context, database, Number(place));
    const isShort = batch.count === 0 && state.done < state.total;
    if (isShort || !batch.isWhole) return { ...state, position: [], total: state.done + (await queueMessages(context)) };
    if (batch.count === 0) return { ...begun(state, "runs"), total: await countRunRows(context) };
    const messages = state.messages + batch.count;
    return { ...state, position: [batch.last], done: state.done + batch.count, messages };
  },

  async runs(context, options) {
    const { state } = context;
    const batch = await importRuns(context, recordsLanguage(options));
    if (batch.position === undefined) return begun(state, "workingMemory");
    return { ...state, position: batch.position, done: state.done + batch.count, runs: state.runs + batch.runs };
  },

  async workingMemory(context, options) {
    const { state } = context;
    const position = await importWorkingMemory(context, recordsLanguage(options));
    return position === undefined ? begun(state, "finish") : { ...state, position };
  },

  async finish(context) {
    const { transaction, names, state } = context;
    await transaction.execute(`DROP TABLE IF EXISTS ${migrationTables(names).queue}`);
    await analyze(context, ["conversations", "messages", "search", "records"]);
    return { ...state, status: "done" };
  },
};

/** After a bulk load the planner knows nothing of a table, and may walk all rows of a user to find one. */
async function analyze({ transaction, names }: ImportContext, tables: readonly (keyof Names["table"])[]): Promise<void> {
  await transaction.execute(`ANALYZE ${tables.map((table) => names.table[table]).join(", ")}`);
}

function begun(state: MigrationState, phase: MigrationPhase): MigrationState {
  return { ...state, phase, position: [], done: 0, total: 0 };
}

/** Drops the old tables for good. Fails when something else of the database hangs on them. */
export async function dropBackup(transaction: SqlTransaction, names: Names, state: MigrationState): Promise<MigrationState> {
  const tables = state.moved.filter(({ kind }) => kind === "table").map(({ to }) => `${names.quotedSchema}.${quoteIdentifier(to)}`);
  if (tables.length > 0) await transaction.execute(`DROP TABLE ${tables.join(", ")}`);
  return { ...state, moved: [] };
}

function recordsLanguage({ installation, language }: ImportOptions): string {
  return installation.languages.has(language) ? language : "simple";
}

/** The database whose statements run inside this transaction. The embedding space is asked for anew: another process may just choose one. */
async function databaseWithin(transaction: SqlTransaction, { names, language, installation }: ImportOptions): Promise<Database> {
  const database: Database = {
    client: clientWithin(transaction),
    names,
    installation,
    language,
    written: new RecentKeys(),
    purge: { dueAt: Number.POSITIVE_INFINITY },
    space: undefined,
  };
  database.space = await currentSpace(database);
  return database;
}
