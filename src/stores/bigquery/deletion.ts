import type { StoreScope } from "../../domain/scope.ts";
import type { VectorSelection } from "../../domain/vector-store.ts";
import { findConversation, stats } from "./conversations.ts";
import type { BigqueryRest } from "./rest.ts";
import { inScope, Parameters, tableName } from "./tables.ts";

// Rows that were written by DML can be deleted by DML at once; streamed ones could not for up to 90 minutes.

type Table = "conversations" | "messages";

async function deleteRows(rest: BigqueryRest, table: Table, conditions: readonly string[], parameters: Parameters): Promise<void> {
  await rest.query("delete", `DELETE FROM ${tableName(rest, table)} WHERE ${conditions.join(" AND ")}`, parameters.values);
}

/** SQL conditions: of one conversation, and of these messages in it. */
function ofConversation(
  { tenant, user_id, conversation_id }: { readonly tenant: string; readonly user_id: string; readonly conversation_id: string },
  messageIds: readonly string[] | undefined,
  parameters: Parameters,
): string[] {
  return [
    ...inScope({ tenant, userId: user_id, resourceId: undefined }, parameters),
    `conversation_id = ${parameters.add(conversation_id)}`,
    ...(messageIds === undefined ? [] : [`message_id IN UNNEST(${parameters.add(messageIds, ["STRING"])})`]),
  ];
}

export async function deleteMessages(
  rest: BigqueryRest,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const conversation = await findConversation(rest, scope, conversationId, signal);
  if (conversation === undefined) return undefined;
  const parameters = new Parameters();
  const conditions = ofConversation(conversation, messageIds, parameters);
  const sql = `SELECT COUNT(DISTINCT message_id) AS count FROM ${tableName(rest, "messages")} WHERE ${conditions.join(" AND ")}`;
  const count = Number((await rest.query("delete", sql, parameters.values, signal)).rows[0]?.count ?? 0);
  if (count > 0) await deleteRows(rest, "messages", conditions, parameters);
  return count;
}

/** The conversation goes last: a call that is broken off can be repeated. */
export async function deleteConversation(rest: BigqueryRest, scope: StoreScope, id: string, signal?: AbortSignal): Promise<boolean> {
  const conversation = await findConversation(rest, scope, id, signal);
  if (conversation === undefined) return false;
  for (const table of ["messages", "conversations"] as const) {
    const parameters = new Parameters();
    await deleteRows(rest, table, ofConversation(conversation, undefined, parameters), parameters);
  }
  return true;
}

export async function erase(
  rest: BigqueryRest,
  scope: StoreScope,
  options: { readonly compact: boolean },
  signal?: AbortSignal,
): Promise<{ conversations: number; messages: number }> {
  const { conversations, messages } = await stats(rest, scope, signal);
  for (const table of ["messages", "conversations"] as const) {
    const parameters = new Parameters();
    await deleteRows(rest, table, inScope(scope, parameters), parameters);
  }
  if (options.compact) await deleteReplaced(rest);
  return { conversations, messages };
}

const keys = {
  conversations: ["tenant", "user_id", "conversation_id"],
  messages: ["tenant", "user_id", "conversation_id", "message_id"],
} as const;

/** Deletes the rows that later ones of the same key have replaced. */
async function deleteReplaced(rest: BigqueryRest): Promise<void> {
  for (const table of ["messages", "conversations"] as const) {
    const name = tableName(rest, table);
    const same = keys[table].map((column) => `later.${column} = row.${column}`).join(" AND ");
    const sql = `DELETE FROM ${name} AS row WHERE EXISTS (SELECT 1 FROM ${name} AS later WHERE ${same} AND later.version > row.version)`;
    await rest.query("compact", sql, {});
  }
}

/** Deletes copies that an archive holds. */
export async function removeSelected(rest: BigqueryRest, selection: VectorSelection, signal?: AbortSignal): Promise<void> {
  const { tenant, userId, conversationId, messageIds } = selection;
  const parameters = new Parameters();
  const conditions = [
    ...inScope({ tenant, userId, resourceId: undefined }, parameters),
    ...(conversationId === undefined ? [] : [`conversation_id = ${parameters.add(conversationId)}`]),
    ...(messageIds === undefined ? [] : [`message_id IN UNNEST(${parameters.add(messageIds, ["STRING"])})`]),
  ];
  signal?.throwIfAborted();
  await deleteRows(rest, "messages", conditions, parameters);
}
