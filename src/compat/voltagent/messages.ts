import { InvalidArgumentError, MemoryError, NotFoundError } from "../../domain/errors.ts";
import type { AddMessagesOptions, ListMessagesOptions, ScopedMemory } from "../../domain/memory.ts";
import type { Message, MessageInputObject } from "../../domain/message.ts";
import { fromEpochMs, Parameters } from "../../stores/postgres/database.ts";
import { type MessageRow, messageColumns, toMessage } from "../../stores/postgres/messages.ts";
import type { SqlValue } from "../../stores/postgres/sql-client.ts";
import { type Place, tenant } from "./place.ts";
import type { MemoryMessageType } from "./shapes.ts";

/** The user of messages that name none, and the conversation of such messages, which is made when it is not there. */
export const nobody = "default";

const pageSize = 10_000;

/**
 * Appends messages, all or none, and deletes what is beyond the limit in the same transaction. Without a user they are of
 * whom the conversation is.
 *
 * @throws NotFoundError whose message speaks of a foreign key constraint: the conversation is not there, or somebody else's
 */
export async function addMessages(
  place: Place,
  input: readonly MessageInputObject[],
  { userId, conversationId, storageLimit }: { readonly userId?: string | undefined; conversationId: string; storageLimit: number },
): Promise<void> {
  const memory = place.memory();
  const options: AddMessagesOptions = {
    createConversation: conversationId === nobody,
    ...(storageLimit > 0 ? { keepNewest: storageLimit } : {}),
  };
  try {
    await memory.addMessages(conversationId, input, { ...options, userId });
  } catch (error) {
    const isUnknown = isArgument(error, "userId") && userId === undefined;
    if (isUnknown && conversationId === nobody) await memory.addMessages(conversationId, input, { ...options, userId: nobody });
    else if (isUnknown || isMissing(error)) throw missingConversation(conversationId);
    else throw error;
  }
}

const isArgument = (error: unknown, field: string) =>
  MemoryError.isInstance(error) && error.code === "invalid_argument" && (error as InvalidArgumentError).field === field;
const isMissing = (error: unknown) => MemoryError.isInstance(error) && error.code === "not_found";

function missingConversation(id: string): NotFoundError {
  return new NotFoundError(
    "conversation",
    id,
    "messages refer to a conversation of their user by a foreign key constraint: create it first with createConversation",
  );
}

/** Messages of one conversation of the handle; none when there is no such conversation. No limit: all of them. */
export async function listMessages(
  memory: ScopedMemory,
  conversationId: string,
  { limit, ...query }: Pick<ListMessagesOptions, "limit" | "before" | "after" | "roles">,
): Promise<Message[]> {
  const found: Message[] = [];
  const most = limit ?? Number.POSITIVE_INFINITY;
  try {
    for (let cursor: string | undefined; ; ) {
      const page = await memory.messages.list(conversationId, { ...query, cursor, limit: Math.min(most - found.length, pageSize) });
      found.unshift(...page.items);
      if (page.nextCursor === undefined || found.length >= most) return found;
      cursor = page.nextCursor;
    }
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export interface MessageSearch {
  readonly userId: string | undefined;
  readonly conversationId: string | undefined;
  readonly role: string | undefined;
  readonly types: readonly MemoryMessageType[] | undefined;
  readonly before: Date | undefined;
  readonly after: Date | undefined;
  readonly limit: number | undefined;
}

/** The newest messages that match, of any conversation, oldest first; in one query. */
export async function findMessages(place: Place, search: MessageSearch): Promise<Message[]> {
  const { userId, conversationId, role, types, before, after, limit } = search;
  const parameters = new Parameters<SqlValue>();
  const conditions = [`m.tenant = ${parameters.add(tenant, "text")}`];
  if (userId !== undefined) conditions.push(`m.user_id = ${parameters.add(userId, "text")}`);
  if (conversationId !== undefined) conditions.push(`m.conversation_id = ${parameters.add(conversationId, "text")}`);
  if (role !== undefined) conditions.push(`m.role = ${parameters.add(role, "text")}`);
  if (types !== undefined) conditions.push(`COALESCE(m.metadata #>> '{voltagent,type}', m.type) = ANY(${parameters.add(types, "text[]")})`);
  if (before !== undefined) conditions.push(`m.created_at < ${fromEpochMs(parameters.add(before.getTime(), "float8"))}`);
  if (after !== undefined) conditions.push(`m.created_at > ${fromEpochMs(parameters.add(after.getTime(), "float8"))}`);
  const order = conversationId === undefined ? "m.created_at DESC, m.conversation_id DESC, m.seq DESC" : "m.seq DESC";
  const rows = await place.query<MessageRow>("get messages", {
    text: `SELECT ${messageColumns} FROM ${place.names.table.messages} m WHERE ${conditions.join(" AND ")} ORDER BY ${order}${
      limit === undefined ? "" : ` LIMIT ${parameters.add(limit, "bigint")}`
    }`,
    values: parameters.values,
  });
  return rows.reverse().map(toMessage);
}

/** Messages of a conversation from the oldest on, whoever's it is. Limit 0: to the end. */
export async function pageOfMessages(place: Place, conversationId: string, limit: number, offset: number): Promise<Message[]> {
  const { table } = place.names;
  for (const [field, value] of [["limit", limit] as const, ["offset", offset] as const])
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(field, "must be a whole number");
  const rows = await place.query<MessageRow>("get messages", {
    text: `SELECT ${messageColumns} FROM ${table.messages} m
      WHERE m.tenant = $1::text AND m.conversation_id = $2::text
        AND m.user_id = (SELECT o.user_id FROM ${table.conversation_owners} o WHERE o.tenant = $1::text AND o.conversation_id = $2::text)
      ORDER BY m.seq LIMIT $3::bigint OFFSET $4::bigint`,
    values: [tenant, conversationId, limit > 0 ? limit : null, Math.max(0, offset)],
  });
  return rows.map(toMessage);
}

/** Deletes the messages of a conversation, or of all that the user has. Those of somebody else stay. */
export async function clearMessages(memory: ScopedMemory, conversationId: string | undefined): Promise<void> {
  if (conversationId !== undefined) return clearOne(memory, conversationId);
  for (let cursor: string | undefined; ; ) {
    const page = await memory.conversations.list({ orderBy: "createdAt", limit: 1_000, cursor });
    for (const { id } of page.items) await clearOne(memory, id);
    if (page.nextCursor === undefined) return;
    cursor = page.nextCursor;
  }
}

async function clearOne(memory: ScopedMemory, conversationId: string): Promise<void> {
  try {
    await memory.messages.clear(conversationId);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
