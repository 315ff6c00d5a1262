import type { Conversation, Page } from "../../domain/conversation.ts";
import type { Message } from "../../domain/message.ts";
import type { ConversationQuery, ExportPosition, ExportRow, MessageQuery } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { isListed, markTime } from "../marks.ts";
import { partnersAmong, readWindow } from "../windows.ts";
import { type ConversationDocument, type MessageDocument, toConversation, toMessage } from "./document.ts";

/** The window of a query over one conversation. */
export async function messagePage(document: ConversationDocument, query: MessageQuery): Promise<Page<Message>> {
  // What arrives while the window is read stands behind this length.
  const { messages } = document;
  const length = messages.length;
  const window = await readWindow<MessageDocument>(
    {
      rows: async (query) => newest(messages, length, query),
      partners: async (edges) => partnersAmong(messages.slice(0, length), edges),
    },
    query,
  );
  return { items: window.rows.map((message) => toMessage(document, message)), nextCursor: window.nextCursor };
}

/** The newest that match, newest first. */
function newest(messages: readonly MessageDocument[], length: number, query: MessageQuery): MessageDocument[] {
  const { limit, beforeSeq = Number.POSITIVE_INFINITY, afterSeq = Number.NEGATIVE_INFINITY, before, after, roles } = query;
  const found: MessageDocument[] = [];
  for (let index = length - 1; index >= 0 && found.length < limit; index--) {
    const message = messages[index] as MessageDocument;
    if (message.seq <= afterSeq) break;
    const isWithin =
      message.seq < beforeSeq &&
      (before === undefined || message.createdAt < before.getTime()) &&
      (after === undefined || message.createdAt > after.getTime()) &&
      (roles === undefined || roles.includes(message.role));
    if (isWithin) found.push(message);
  }
  return found;
}

/** A page of conversations, in the order and from the cursor of the query. */
export function conversationPage(documents: readonly ConversationDocument[], query: ConversationQuery): Page<Conversation> {
  const { orderBy, direction, limit, offset } = query;
  const sign = direction === "asc" ? 1 : -1;
  const compare = (left: Place, right: Place) => sign * (compareValues(left.key, right.key) || compareValues(left.id, right.id));
  const placeOf = (document: ConversationDocument): Place => ({ key: document[orderBy], id: document.id });
  const after = query.cursor === undefined ? undefined : placeIn(query, query.cursor);
  const rows = documents
    .filter((document) => isListed({ pinnedAt: markTime(document.pinnedAt), archivedAt: markTime(document.archivedAt) }, query))
    .filter((document) => after === undefined || compare(placeOf(document), after) > 0)
    .sort((left, right) => compare(placeOf(left), placeOf(right)))
    .slice(offset, offset + limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    items: page.map(toConversation),
    nextCursor: last === undefined ? undefined : encodeCursor(query, [last[orderBy], last.id]),
  };
}

/** Messages in the order (user, conversation, seq) from a position on. */
export function exportPage(documents: readonly ConversationDocument[], after: ExportPosition | undefined, limit: number): ExportRow[] {
  const rows: ExportRow[] = [];
  const ordered = [...documents].sort((left, right) => compareValues(left.userId, right.userId) || compareValues(left.id, right.id));
  for (const document of ordered) {
    const side = after === undefined ? 1 : compareValues(document.userId, after.userId) || compareValues(document.id, after.conversationId);
    if (side < 0) continue;
    for (const message of document.messages) {
      if (side === 0 && message.seq <= (after as ExportPosition).seq) continue;
      if (rows.length === limit) return rows;
      rows.push({ message: toMessage(document, message), resourceId: document.resourceId });
    }
  }
  return rows;
}

interface Place {
  readonly key: number | string;
  readonly id: string;
}

function compareValues(left: number | string, right: number | string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** @throws InvalidArgumentError when the cursor is of another list */
function placeIn(order: Pick<ConversationQuery, "orderBy" | "direction">, cursor: string): Place {
  const [key, id] = decodeCursor(order, cursor, 2);
  return { key: key as Place["key"], id: id as string };
}
