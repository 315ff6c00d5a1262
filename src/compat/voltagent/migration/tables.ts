import { InvalidArgumentError } from "../../../domain/errors.ts";
import type { Names } from "../../../stores/postgres/names.ts";
import type { SqlTransaction } from "../../../stores/postgres/sql-client.ts";

/** A table of the database as its catalog tells it. */
export interface FoundTable {
  readonly name: string;
  /** `"r"` is an ordinary table. */
  readonly kind: string;
  readonly columns: ReadonlySet<string>;
}

/** VoltAgent's tables, without the prefix, and the columns each must have to be taken for one. */
const required = {
  conversations: ["id", "resource_id", "title", "metadata", "created_at", "updated_at"],
  messages: ["conversation_id", "message_id", "role", "created_at"],
  users: ["id", "metadata", "created_at", "updated_at"],
  agent_history: ["id", "agent_id", "timestamp", "status", "input", "output"],
  agent_history_steps: ["key", "value", "history_id", "agent_id"],
  agent_history_timeline_events: ["id", "history_id", "event_type", "event_name", "start_time"],
  workflow_history: ["id", "name", "workflow_id", "status", "start_time"],
  workflow_steps: ["id", "workflow_history_id", "step_index", "step_type", "step_name"],
  workflow_timeline_events: ["event_id", "workflow_history_id", "type", "name", "start_time"],
  workflow_states: ["id", "workflow_id", "workflow_name", "status"],
  steps: ["id", "conversation_id", "user_id", "operation_id", "step_index", "type", "role"],
  conversations_migration_flags: ["id", "migration_type", "completed_at"],
} as const satisfies Record<string, readonly string[]>;

export type LegacyTable = keyof typeof required;

const legacyTables = Object.keys(required) as readonly LegacyTable[];

/** Which of VoltAgent's layouts the tables have. */
export type VoltagentVersion = "0.1.1 or older" | "0.1.2 and later" | "2025-07 to 1.0-next" | "2.x";

/** VoltAgent's tables that were found, by what they hold. */
export type LegacyTables = ReadonlyMap<LegacyTable, FoundTable>;

/** What stands under the names of this schema and prefix. */
export interface Inspection {
  readonly legacy: LegacyTables;
  readonly version: VoltagentVersion | undefined;
  /** Whether our tables are there. */
  readonly hasOurs: boolean;
}

/**
 * Looks at the tables of the configured schema and prefix, and at nothing else. VoltAgent wrote its names without quotes,
 * so that PostgreSQL kept them in lower case.
 *
 * @throws InvalidArgumentError when one of our names is taken by a table that is neither ours nor VoltAgent's
 */
export async function inspectTables(transaction: SqlTransaction, names: Names): Promise<Inspection> {
  const ours = Object.keys(names.table).map((table) => names.bare(table));
  const found = await findTables(transaction, names.schema, [...ours, ...legacyTables.flatMap((table) => legacyNames(names, table))]);
  const hasOurs = found.has(names.bare("migrations"));
  const legacy = new Map<LegacyTable, FoundTable>();
  for (const table of legacyTables) {
    const match = legacyNames(names, table)
      .flatMap((name) => found.get(name) ?? [])
      .find((one) => isLegacy(table, one));
    if (match !== undefined) legacy.set(table, match);
  }
  // The others alone prove nothing: the prefix may be that of an application with a table of users.
  if (!legacy.has("conversations") && !legacy.has("messages")) legacy.clear();
  const taken = ours.filter((name) => found.has(name) && ![...legacy.values()].some((table) => table.name === name));
  if (!hasOurs && taken[0] !== undefined) throw refused(names, taken[0]);
  return { legacy, version: legacy.size === 0 ? undefined : versionOf(legacy), hasOurs };
}

/** Tables, views and the like of these names. */
export async function findTables(transaction: SqlTransaction, schema: string, wanted: readonly string[]): Promise<Map<string, FoundTable>> {
  const { rows } = await transaction.query<{ name: string; kind: string; columns: readonly string[] }>({
    text: `SELECT c.relname::text AS name, c.relkind::text AS kind, ARRAY(
      SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    values: [schema, wanted],
  });
  return new Map(rows.map((row) => [row.name, { ...row, columns: new Set(row.columns) }]));
}

function legacyNames(names: Names, table: LegacyTable): string[] {
  const name = `${names.prefix}_${table}`;
  return [...new Set([name, name.toLowerCase()])];
}

function isLegacy(table: LegacyTable, { kind, columns }: FoundTable): boolean {
  if (kind !== "r" || columns.has("tenant")) return false;
  if (!required[table].every((column) => columns.has(column))) return false;
  // A table of users has these four columns everywhere, and more of its own where it is not VoltAgent's.
  if (table === "users") return columns.size === required.users.length;
  return table !== "messages" || columns.has("content") || columns.has("parts");
}

function versionOf(legacy: LegacyTables): VoltagentVersion {
  if (legacy.has("users") || legacy.has("workflow_states") || legacy.has("steps")) return "2.x";
  if (legacy.has("workflow_history") || legacy.get("messages")?.columns.has("parts") === true) return "2025-07 to 1.0-next";
  return legacy.get("conversations")?.columns.has("user_id") === true ? "0.1.2 and later" : "0.1.1 or older";
}

function refused(names: Names, table: string): InvalidArgumentError {
  return new InvalidArgumentError(
    "tablePrefix",
    `the table "${table}" in the schema "${names.schema}" is neither unforget's nor VoltAgent's, and is left alone: choose another tablePrefix or schema`,
  );
}
