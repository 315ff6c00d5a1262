import type { StoreScope } from "../../domain/scope.ts";
import { type ConversationRow, findConversation, inScope, where } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import { type ConversationKey, findMessage, type MessageRow } from "./messages.ts";
import { cancelVector, oweRemoval, owesVectors } from "./outbox.ts";
import { eraseRecords } from "./records.ts";
import { findFollowers, indexMessages, unindexMessage } from "./words.ts";

export function deleteConversation(rows: SqliteRows, scope: StoreScope, id: string): boolean {
  const conversation = findConversation(rows, scope, id);
  if (conversation !== undefined) deleteWhole(rows, scope.tenant, conversation);
  // Runs may name a conversation that is not there.
  else eraseRecords(rows, scope, { conversationId: id });
  return conversation !== undefined;
}

/** Returns how many messages it had. */
function deleteWhole(rows: SqliteRows, tenant: string, { user_id, id }: Pick<ConversationRow, "user_id" | "id">): number {
  rows.run("DELETE FROM {conversations} WHERE tenant = ? AND id = ?", tenant, id);
  eraseRecords(rows, { tenant, userId: user_id, resourceId: undefined }, { conversationId: id });
  return clear(rows, [tenant, user_id, id]);
}

/** Deletes all messages of a conversation; returns how many there were. */
function clear(rows: SqliteRows, key: ConversationKey): number {
  const ofConversation = "tenant = ? AND user_id = ? AND conversation_id = ?";
  if (owesVectors(rows)) {
    const found = rows.all<{ message_id: string }>(`SELECT message_id FROM {messages} WHERE ${ofConversation} AND content <> ''`, ...key);
    oweRemoval(
      rows,
      ...key,
      found.map(({ message_id }) => message_id),
    );
  }
  for (const table of ["{words} WHERE rowid", "{outbox} WHERE entry"])
    rows.run(`DELETE FROM ${table} IN (SELECT entry FROM {messages} WHERE ${ofConversation})`, ...key);
  return rows.run(`DELETE FROM {messages} WHERE ${ofConversation}`, ...key);
}

export function deleteMessages(
  rows: SqliteRows,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
): number | undefined {
  const conversation = findConversation(rows, scope, conversationId);
  if (conversation === undefined) return undefined;
  const key: ConversationKey = [scope.tenant, conversation.user_id, conversationId];
  if (messageIds === undefined) return clear(rows, key);
  const gone = [...new Set(messageIds)].map((id) => findMessage(rows, key, id)).filter((row) => row !== undefined);
  for (const row of gone) deleteOne(rows, row);
  if (owesVectors(rows)) {
    const withText = gone.filter(({ content }) => content !== "");
    oweRemoval(
      rows,
      ...key,
      withText.map(({ message_id }) => message_id),
    );
  }
  indexMessages(
    rows,
    gone.flatMap(({ seq }) => findFollowers(rows, key, seq)),
  );
  return gone.length;
}

function deleteOne(rows: SqliteRows, { entry }: MessageRow): void {
  unindexMessage(rows, entry);
  cancelVector(rows, entry);
  rows.run("DELETE FROM {messages} WHERE entry = ?", entry);
}

export function erase(rows: SqliteRows, scope: StoreScope): { readonly conversations: number; readonly messages: number } {
  const conditions = inScope(scope);
  const found = rows.all<ConversationRow>(`SELECT * FROM {conversations} ${where(conditions)}`, ...conditions.values);
  const messages = found.reduce((sum, conversation) => sum + deleteWhole(rows, scope.tenant, conversation), 0);
  eraseRecords(rows, scope, {});
  return { conversations: found.length, messages };
}
