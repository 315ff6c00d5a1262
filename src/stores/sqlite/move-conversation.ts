import type { Conversation } from "../../domain/conversation.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationDescription, ConversationOwner } from "../../domain/session-store.ts";
import { type ConversationRow, findConversation, toConversation } from "./conversations.ts";
import type { SqliteRows } from "./database.ts";
import type { ConversationKey, MessageRow } from "./messages.ts";
import { toMessage } from "./messages.ts";
import { oweRemoval, owesVectors, oweVector } from "./outbox.ts";
import { indexMessages } from "./words.ts";

const ofConversation = "tenant = ? AND user_id = ? AND conversation_id = ?";

/** Count and newest message; nothing of a conversation that is not there. */
export function describeConversation(rows: SqliteRows, scope: StoreScope, id: string): ConversationDescription {
  const conversation = findConversation(rows, scope, id);
  if (conversation === undefined) return { messageCount: 0, lastMessage: undefined };
  const key: ConversationKey = [scope.tenant, conversation.user_id, id];
  const count = rows.get<{ n: number }>(`SELECT count(*) AS n FROM {messages} WHERE ${ofConversation}`, ...key);
  const last = rows.get<MessageRow>(`SELECT * FROM {messages} WHERE ${ofConversation} ORDER BY seq DESC LIMIT 1`, ...key);
  return { messageCount: count?.n ?? 0, lastMessage: last && toMessage(last) };
}

/** The words say whose a message is, and so does its vector: both are made anew. */
export function moveConversation(rows: SqliteRows, scope: StoreScope, id: string, to: ConversationOwner): Conversation | undefined {
  const before = findConversation(rows, scope, id);
  if (before === undefined) return undefined;
  const { userId = before.user_id, resourceId = before.resource_id } = to;
  const row = rows.get<ConversationRow>(
    "UPDATE {conversations} SET user_id = ?, resource_id = ? WHERE tenant = ? AND id = ? RETURNING *",
    userId,
    resourceId,
    scope.tenant,
    id,
  );
  const messages = rows.all<MessageRow>(
    `UPDATE {messages} SET user_id = ?, resource_id = ? WHERE ${ofConversation} RETURNING *`,
    userId,
    resourceId,
    ...([scope.tenant, before.user_id, id] satisfies ConversationKey),
  );
  indexMessages(
    rows,
    messages.map(({ entry }) => entry),
  );
  oweAnew(rows, [scope.tenant, before.user_id, id], messages);
  return row && toConversation(row);
}

function oweAnew(rows: SqliteRows, key: ConversationKey, messages: readonly MessageRow[]): void {
  if (!owesVectors(rows)) return;
  const withText = messages.filter(({ content }) => content !== "");
  oweRemoval(
    rows,
    ...key,
    withText.map(({ message_id }) => message_id),
  );
  for (const message of withText) {
    rows.run("DELETE FROM {outbox} WHERE entry = ?", message.entry);
    oweVector(rows, message);
  }
}
