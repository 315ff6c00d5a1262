import type { CallOptions } from "../../domain/call-options.ts";
import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import { type ClientOptions, chooseClient } from "../../stores/postgres/choose-client.ts";
import { speaking } from "../../stores/postgres/errors.ts";
import { migrate, prepareVector } from "../../stores/postgres/migrate.ts";
import { makeNames, type Names } from "../../stores/postgres/names.ts";
import { type SqlClient, SqlError, type SqlTransaction } from "../../stores/postgres/sql-client.ts";
import { advance, dropBackup, type ImportOptions, requeue } from "./migration/advance.ts";
import { begin, isPending } from "./migration/begin.ts";
import { restore } from "./migration/restore.ts";
import { inTurn, type MigrationPhase, type MigrationState, writeState } from "./migration/state.ts";
import type { VoltagentVersion } from "./migration/tables.ts";

export type { VoltagentVersion } from "./migration/tables.ts";

/** What VoltAgent's `migrateConversationSchema` takes. */
export interface MigrateSchemaOptions extends CallOptions {
  /** Keep the old tables as `…_backup`. `false` drops them when everything has landed. @default true */
  readonly createBackup?: boolean | undefined;
  /**
   * Give the old tables their names again instead. Ours are kept as `…_unforget`, with what was written since; the next
   * migration brings them back and adds what they lack. @default false
   */
  readonly restoreFromBackup?: boolean | undefined;
  /** Drop the backup when everything has landed, or one that an earlier migration left. @default false */
  readonly deleteBackupAfterSuccess?: boolean | undefined;
  /** Called after each batch that is stored for good. */
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined;
}

/** Where a migration stands. */
export interface MigrationProgress {
  /** Which layout of VoltAgent's was found. */
  readonly version: VoltagentVersion;
  readonly phase: MigrationPhase;
  /** Of this phase, how much is done, of how much; 0 where that is not known. */
  readonly done: number;
  readonly total: number;
  /** Over all so far. */
  readonly conversations: number;
  readonly messages: number;
  readonly runs: number;
}

/** How a migration ended. What the database refused is told here, not thrown. */
export interface MigrateSchemaResult {
  readonly success: boolean;
  /** Conversations that were migrated while this call ran; 0 when there was nothing to do. */
  readonly migratedCount?: number;
  /** Whether the old tables are there as `…_backup`. */
  readonly backupCreated?: boolean;
  /** What went wrong. With `success`: why the backup could not be dropped. */
  readonly error?: Error;
}

/** Which database holds VoltAgent's tables, how they are called, and whose the conversations become. */
export interface VoltagentMigrationOptions extends ClientOptions, MigrateSchemaOptions {
  /** The schema that holds the tables. @default "public" */
  readonly schema?: string | undefined;
  /** @default "voltagent_memory" */
  readonly tablePrefix?: string | undefined;
  /** Whose the conversations become. @default "default" */
  readonly tenant?: string | undefined;
  /** Text-search configuration. @default "english" */
  readonly language?: string | undefined;
}

/** Where {@link migrateSchema} works: a client that is open, and the names of its tables. */
export interface MigrationPlace {
  readonly client: SqlClient;
  readonly names: Names;
  /** @default "default" */
  readonly tenant?: string | undefined;
  /** @default "english" */
  readonly language?: string | undefined;
}

/**
 * Brings the tables of any version of VoltAgent's Postgres storage into unforget's, under the same names. The old ones are
 * renamed to `…_backup` and stay untouched. Any number of processes may call it at once; one that dies half way is gone
 * on from by the next call. Stop the processes that use the old tables first.
 *
 * Never rejects for what the database says: see `error`. An abort rejects, and the next call goes on from there.
 *
 * @throws InvalidArgumentError for options that cannot be right
 * @example
 * const result = await migrateVoltagentSchema({ url, onProgress: ({ done, total }) => console.log(done, total) });
 */
export async function migrateVoltagentSchema(options: VoltagentMigrationOptions): Promise<MigrateSchemaResult> {
  const { schema = "public", tablePrefix = "voltagent_memory", tenant, language, client: lent, dataDir } = options;
  if ((lent ?? dataDir ?? options.url ?? options.host ?? options.database ?? options.user) === undefined)
    throw new InvalidArgumentError("url", "is required: name the database, by url (or host …), client or dataDir");
  const names = makeNames(schema, tablePrefix);
  const client = chooseClient("client", options);
  try {
    return await migrateSchema({ client, names, tenant, language }, options);
  } finally {
    await client.close();
  }
}

/**
 * {@link migrateVoltagentSchema} on a client that is open. Where there is nothing to do it asks the catalog once.
 *
 * After a restore the tables of ours are not where a memory on them expects them: close it first.
 */
export async function migrateSchema(place: MigrationPlace, options: MigrateSchemaOptions = {}): Promise<MigrateSchemaResult> {
  const { client, names } = place;
  const { restoreFromBackup = false, signal } = options;
  try {
    return await speaking("migrate", client.engine, async () => {
      signal?.throwIfAborted();
      if (!restoreFromBackup) return (await isPending(client, names)) ? run(place, options) : nothingToDo;
      await inTurn(client, names, (transaction, state) => restore(transaction, names, state), signal);
      return { success: true, backupCreated: false };
    });
  } catch (error) {
    signal?.throwIfAborted();
    return { success: false, error: error as Error };
  }
}

const nothingToDo: MigrateSchemaResult = { success: true, migratedCount: 0, backupCreated: false };

async function run({ client, names, tenant = "default", language = "english" }: MigrationPlace, options: MigrateSchemaOptions) {
  const { createBackup = true, deleteBackupAfterSuccess = false, onProgress, signal } = options;
  const keepsBackup = createBackup && !deleteBackupAfterSuccess;
  // What ours need of the server must be there before anything is moved.
  await prepareVector(client, names);
  const begun = await inTurn(client, names, async (transaction, before) => (await begin(transaction, names, before)) ?? before, signal);
  if (begun?.status !== "importing") return finished(client, names, begun, 0, keepsBackup);
  // Its own lock and transaction: the tables of ours, under the names that are free now.
  const importing: ImportOptions = { names, tenant, language, installation: await migrate(client, names) };
  let state: MigrationState = begun;
  while (state.status === "importing") {
    onProgress?.(progressOf(state));
    const take = (step: typeof advance) =>
      inTurn(client, names, async (transaction, current) => nextStep(transaction, current, importing, step), signal);
    state = await take(advance).catch((error: unknown) => (isTakenId(error) ? take(requeue) : Promise.reject(error)));
  }
  onProgress?.(progressOf(state));
  return finished(client, names, state, state.conversations, keepsBackup);
}

/** Of messages alone: nothing else can meet what is there already. */
function isTakenId(error: unknown): boolean {
  return error instanceof SqlError && error.sqlState === "23505" && error.constraint?.endsWith("messages_id") === true;
}

async function nextStep(
  transaction: SqlTransaction,
  state: MigrationState | undefined,
  options: ImportOptions,
  step: typeof advance,
): Promise<MigrationState> {
  if (state?.status === "importing") return step(transaction, state, options);
  if (state?.status === "done") return state;
  throw new BackendError("voltagent", "migrate", "another process restored the old tables meanwhile: start again to migrate them");
}

/** Drops the backup where that is wanted: in a step of its own, so that a failure leaves what was imported. */
async function finished(
  client: SqlClient,
  names: Names,
  state: MigrationState | undefined,
  migratedCount: number,
  keepsBackup: boolean,
): Promise<MigrateSchemaResult> {
  const hasBackup = state?.status === "done" && state.moved.length > 0;
  if (!hasBackup || keepsBackup) return { success: true, migratedCount, backupCreated: hasBackup };
  try {
    await inTurn(client, names, async (transaction, current) => {
      if (current?.status === "done") await writeState(transaction, names, await dropBackup(transaction, names, current));
    });
    return { success: true, migratedCount, backupCreated: false };
  } catch (error) {
    if (!(error instanceof SqlError && error.sqlState === "2BP01")) throw error;
    const table = state.moved[0]?.to;
    const reason = new BackendError(
      "voltagent",
      "delete backup",
      `all was migrated, and the backup kept, as something else in the database depends on it: drop "${table}" and the others by hand`,
      { cause: error },
    );
    return { success: true, migratedCount, backupCreated: true, error: reason };
  }
}

function progressOf({ version, phase, done, total, conversations, messages, runs }: MigrationState): MigrationProgress {
  return { version, phase, done, total, conversations, messages, runs };
}
