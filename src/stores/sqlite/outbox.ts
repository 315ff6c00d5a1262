import type { StoreScope } from "../../domain/scope.ts";
import { textRevision } from "../../domain/search-text.ts";
import type { MessageReference, OutboxChoice, OutboxCount, OutboxItem, OwedRemoval, OwedVector } from "../../domain/session-store.ts";
import { inScope, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import { findMessage, type MessageRow, toStoredMessage } from "./messages.ts";

/** Removals name at most so many messages each. */
const removalSize = 1_000;

/** Whether a vector store is served from here. */
export function owesVectors(rows: SqliteRows): boolean {
  return rows.get("SELECT 1 FROM {settings} WHERE name = 'space'") !== undefined;
}

export function oweVector(rows: SqliteRows, { entry, tenant, user_id }: Pick<MessageRow, "entry" | "tenant" | "user_id">): void {
  rows.run(
    `INSERT INTO {outbox} (entry, tenant, user_id, generation, available_at) VALUES (?, ?, ?, 1, ?)
ON CONFLICT DO UPDATE SET generation = generation + 1, attempts = 0, available_at = excluded.available_at, last_error = NULL`,
    entry,
    tenant,
    user_id,
    Date.now(),
  );
}

/** Nothing is owed any more; what was leased is known to be of the past. */
export function cancelVector(rows: SqliteRows, entry: number): void {
  rows.run("DELETE FROM {outbox} WHERE entry = ?", entry);
}

/** Owes the removal of these messages' vectors, of one conversation. */
export function oweRemoval(rows: SqliteRows, tenant: string, userId: string, conversationId: string, messageIds: readonly string[]): void {
  for (let start = 0; start < messageIds.length; start += removalSize) {
    rows.run(
      "INSERT INTO {removals} (tenant, user_id, conversation_id, message_ids, available_at) VALUES (?, ?, ?, ?, ?)",
      tenant,
      userId,
      conversationId,
      JSON.stringify(messageIds.slice(start, start + removalSize)),
      Date.now(),
    );
  }
}

export function adopt(rows: SqliteRows, space: string): void {
  const known = rows.get<{ value: string }>("SELECT value FROM {settings} WHERE name = 'space'");
  if (known?.value === space) return;
  rows.run("INSERT INTO {settings} (name, value) VALUES ('space', ?) ON CONFLICT DO UPDATE SET value = excluded.value", space);
  rows.run(
    `INSERT INTO {outbox} (entry, tenant, user_id, generation, available_at)
SELECT entry, tenant, user_id, 1, ? FROM {messages} WHERE content <> ''
ON CONFLICT DO UPDATE SET generation = generation + 1, attempts = 0, available_at = excluded.available_at, last_error = NULL`,
    Date.now(),
  );
}

export function lease(rows: SqliteRows, limit: number, leaseMs: number, { kinds, failed }: OutboxChoice): OutboxItem[] {
  const removals = kinds.includes("forget") ? leaseRemovals(rows, limit, leaseMs, failed) : [];
  if (!kinds.includes("embed") || removals.length >= limit) return removals;
  return [...removals, ...leaseVectors(rows, limit - removals.length, leaseMs, failed)];
}

/** SQL: the rows that are due, of one of the two tables, are taken until the lease ends. */
const take = (table: string) => `UPDATE ${table} SET attempts = attempts + 1, available_at = ?, last_error = NULL
WHERE entry IN (SELECT entry FROM ${table} WHERE available_at <= ? OR (? AND last_error IS NOT NULL) ORDER BY available_at, entry LIMIT ?) RETURNING *`;

interface RemovalRow {
  readonly entry: number;
  readonly tenant: string;
  readonly user_id: string;
  readonly conversation_id: string;
  readonly message_ids: string;
  readonly attempts: number;
}

function leaseRemovals(rows: SqliteRows, limit: number, leaseMs: number, failed: boolean): OwedRemoval[] {
  const now = Date.now();
  const taken = rows.all<RemovalRow>(take("{removals}"), now + leaseMs, now, failed ? 1 : 0, limit);
  return taken.sort(byEntry).map((row) => ({
    kind: "forget",
    key: encodeKey({ entry: row.entry, generation: 0 }),
    tenant: row.tenant,
    userId: row.user_id,
    conversationId: row.conversation_id,
    attempts: row.attempts,
    messageIds: JSON.parse(row.message_ids),
  }));
}

interface OutboxRow {
  readonly entry: number;
  readonly generation: number;
  readonly attempts: number;
}

function leaseVectors(rows: SqliteRows, limit: number, leaseMs: number, failed: boolean): OwedVector[] {
  const now = Date.now();
  const taken = rows.all<OutboxRow>(take("{outbox}"), now + leaseMs, now, failed ? 1 : 0, limit);
  return taken.sort(byEntry).flatMap(({ entry, generation, attempts }): OwedVector[] => {
    const row = rows.get<MessageRow>("SELECT * FROM {messages} WHERE entry = ?", entry);
    if (row === undefined) return [];
    return [
      {
        kind: "embed",
        key: encodeKey({ entry, generation }),
        tenant: row.tenant,
        userId: row.user_id,
        conversationId: row.conversation_id,
        attempts,
        message: toStoredMessage(row),
        revision: textRevision({ role: row.role, name: row.name, text: row.content }),
      },
    ];
  });
}

const byEntry = (left: { readonly entry: number }, right: { readonly entry: number }) => left.entry - right.entry;

interface ItemKey {
  readonly entry: number;
  /** Counts how often a vector of the message was owed. */
  readonly generation: number;
}

const encodeKey = ({ entry, generation }: ItemKey) => `${entry} ${generation}`;

function decodeKey(key: string): ItemKey {
  const [entry = 0, generation = 0] = key.split(" ").map(Number);
  return { entry, generation };
}

/** SQL and values: the row of an item, while it is still what was leased. */
function ofItem({ kind, key }: OutboxItem): { readonly table: string; readonly condition: string; readonly values: number[] } {
  const { entry, generation } = decodeKey(key);
  if (kind === "forget") return { table: "{removals}", condition: "entry = ?", values: [entry] };
  return { table: "{outbox}", condition: "entry = ? AND generation = ?", values: [entry, generation] };
}

export function renew(rows: SqliteRows, items: readonly OutboxItem[], leaseMs: number): void {
  for (const { table, condition, values } of items.map(ofItem))
    rows.run(`UPDATE ${table} SET available_at = ? WHERE ${condition}`, Date.now() + leaseMs, ...values);
}

export function fail(rows: SqliteRows, items: readonly OutboxItem[], error: string, retryAt: Date): void {
  for (const { table, condition, values } of items.map(ofItem))
    rows.run(`UPDATE ${table} SET available_at = ?, last_error = ? WHERE ${condition}`, retryAt.getTime(), error, ...values);
}

export function settle(rows: SqliteRows, items: readonly OutboxItem[]): OutboxItem[] {
  return items.filter((item) => {
    const { table, condition, values } = ofItem(item);
    return rows.run(`DELETE FROM ${table} WHERE ${condition}`, ...values) === 0 && item.kind === "embed";
  });
}

export function owe(rows: SqliteRows, tenant: string, references: readonly MessageReference[]): void {
  for (const { userId, conversationId, messageId } of references) {
    const row = findMessage(rows, [tenant, userId, conversationId], messageId);
    if (row !== undefined && row.content !== "") oweVector(rows, row);
  }
}

interface CountRow {
  readonly pending: number;
  readonly failing: number;
  readonly lastError: string | null;
  readonly dueAt: number | null;
}

export function countOwed(rows: SqliteRows, scope: StoreScope | undefined, kinds: readonly OutboxItem["kind"][]): OutboxCount {
  const counts = kinds.map((kind) => countRows(rows, kind === "embed" ? "{outbox}" : "{removals}", scope));
  const due = counts.flatMap(({ dueAt }) => dueAt ?? []);
  return {
    pending: counts.reduce((sum, { pending }) => sum + pending, 0),
    failing: counts.reduce((sum, { failing }) => sum + failing, 0),
    lastError: counts.find(({ lastError }) => lastError !== null)?.lastError ?? undefined,
    nextDueInMs: due.length === 0 ? undefined : Math.min(...due) - Date.now(),
  };
}

function countRows(rows: SqliteRows, table: string, scope: StoreScope | undefined): CountRow {
  const conditions = scope === undefined ? { sql: ["true"], values: [] } : inScope({ ...scope, resourceId: undefined });
  return rows.get<CountRow>(
    `SELECT count(*) AS pending, count(last_error) AS failing, max(last_error) AS lastError, min(available_at) AS dueAt FROM ${table} ${where(conditions)}`,
    ...conditions.values,
  ) as CountRow;
}
