import type { StoreScope } from "../../domain/scope.ts";
import type { BigqueryRest, Parameter, StructType } from "./rest.ts";

// Rows are only ever added, or deleted for good. A later row of the same key replaces an earlier one for whoever reads.

const text = { type: "STRING" };
const required = { type: "STRING", mode: "REQUIRED" };
const whole = { type: "INT64" };
const time = { type: "TIMESTAMP", mode: "REQUIRED" };

const tables = {
  conversations: {
    fields: {
      ...{ tenant: required, user_id: required, conversation_id: required, resource_id: required, title: text, metadata: text },
      ...{ language: text, created_at: time, updated_at: time, version: { ...whole, mode: "REQUIRED" } },
      ...{ pinned_at: whole, archived_at: whole },
    },
    clustering: ["tenant", "user_id", "conversation_id"],
  },
  messages: {
    fields: {
      ...{ tenant: required, user_id: required, conversation_id: required, message_id: required, resource_id: required },
      ...{ seq: { ...whole, mode: "REQUIRED" }, role: text, name: text, type: text, content: text, parts: text, metadata: text },
      ...{ tool_ids: text, importance: { type: "FLOAT64" }, created_at: time, version: { ...whole, mode: "REQUIRED" } },
    },
    clustering: ["tenant", "user_id", "conversation_id", "message_id"],
  },
} as const;

const dayMs = 86_400_000;
/** The shortest there is: deleted rows can be read by SQL of the past for so long. */
const timeTravelHours = "48";

/** Makes the dataset and its tables where they are missing. */
export async function createTables(rest: BigqueryRest): Promise<void> {
  const { projectId, dataset, location, retentionDays } = rest;
  const datasetReference = { projectId, datasetId: dataset };
  const path = `/datasets/${dataset}`;
  const exists = await rest.call("open", "GET", path, undefined, [404]);
  if (exists === undefined) {
    await rest.call("open", "POST", "/datasets", { datasetReference, location, maxTimeTravelHours: timeTravelHours }, [409]);
  }
  const expirationMs = retentionDays === undefined ? undefined : String(Math.round(retentionDays * dayMs));
  await Promise.all(
    Object.entries(tables).map(async ([tableId, { fields, clustering }]) => {
      const found = await rest.call<TableReply>("open", "GET", `${path}/tables/${tableId}`, undefined, [404]);
      const timePartitioning = { type: "DAY", field: "created_at", ...(expirationMs === undefined ? {} : { expirationMs }) };
      const schema = { fields: Object.entries(fields).map(([name, field]) => ({ name, ...field })) };
      if (found === undefined) {
        const table = { tableReference: { ...datasetReference, tableId }, schema, timePartitioning, clustering: { fields: clustering } };
        await rest.call("open", "POST", `${path}/tables`, table, [409]);
        return;
      }
      // Columns that came later are added to a table of before.
      const known = new Set(found.schema?.fields?.map(({ name }) => name));
      if (known.size > 0 && schema.fields.some(({ name }) => !known.has(name))) {
        await rest.call("open", "PATCH", `${path}/tables/${tableId}`, { schema });
      }
      if (expirationMs !== undefined && found.timePartitioning?.expirationMs !== expirationMs) {
        await rest.call("open", "PATCH", `${path}/tables/${tableId}`, { timePartitioning });
      }
    }),
  );
}

interface TableReply {
  readonly schema?: { readonly fields?: readonly { readonly name: string }[] };
  readonly timePartitioning?: { readonly expirationMs?: string };
}

/** SQL: a table's name. Its parts were checked. */
export const tableName = ({ projectId, dataset }: BigqueryRest, table: keyof typeof tables) => `\`${projectId}.${dataset}.${table}\``;

/** Collects values, and names them for a statement. */
export class Parameters {
  readonly values: Record<string, Parameter> = {};

  add(value: unknown, type: Parameter["type"] = "STRING"): string {
    const name = `p${Object.keys(this.values).length}`;
    this.values[name] = { type, value };
    return `@${name}`;
  }

  rows(rows: readonly object[], type: StructType): string {
    return this.add(rows, [type]);
  }
}

/** SQL conditions: of this scope. */
export function inScope(scope: StoreScope, parameters: Parameters): string[] {
  return [
    `tenant = ${parameters.add(scope.tenant)}`,
    ...(scope.userId === undefined ? [] : [`user_id = ${parameters.add(scope.userId)}`]),
    ...(scope.resourceId === undefined ? [] : [`resource_id = ${parameters.add(scope.resourceId)}`]),
  ];
}

const messageKey = "tenant, user_id, conversation_id, message_id";

/**
 * SQL: messages as they are now, of the rows that meet conditions on their keys (never on what a later row may change). A
 * message keeps the place it was given first, also when two wrote it at once.
 */
export function latestMessages(rest: BigqueryRest, conditions: readonly string[]): string {
  return `(
  SELECT * EXCEPT (seq), MIN(seq) OVER (PARTITION BY ${messageKey}) AS seq FROM ${tableName(rest, "messages")}
  WHERE ${conditions.join(" AND ")}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY ${messageKey} ORDER BY version DESC) = 1
)`;
}

/** SQL: conversations as they are now. An id belongs to whoever took it first. */
export function latestConversations(rest: BigqueryRest, conditions: readonly string[]): string {
  const first = "FIRST_VALUE(user_id) OVER (PARTITION BY tenant, conversation_id ORDER BY version, user_id)";
  return `(
  SELECT * FROM (SELECT *, ${first} AS owner FROM ${tableName(rest, "conversations")} WHERE ${conditions.join(" AND ")})
  WHERE user_id = owner
  QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant, conversation_id ORDER BY version DESC) = 1
)`;
}
