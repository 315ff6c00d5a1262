import type { Conversation, Page } from "../../domain/conversation.ts";
import { ConflictError } from "../../domain/errors.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ConversationQuery, NewConversation, SessionStats, StoredConversationChanges } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { markedSince } from "../marks.ts";
import { startDocument } from "./append.ts";
import { commitWith, nextRev, nextTail, readPlace } from "./conversation-log.ts";
import { type Database, type Hit, mostHits, search } from "./database.ts";
import { type ConversationDocument, conversationKey, isVisible, scopeClauses, titleOrder, toConversation } from "./documents.ts";

export async function createConversation(database: Database, conversation: NewConversation, signal?: AbortSignal): Promise<Conversation> {
  const key = conversationKey(conversation.tenant, conversation.id);
  let origin: string | undefined;
  return database.locks.hold([key], async () => {
    const made = await commitWith(
      database,
      "create conversation",
      key,
      async ({ document }) => {
        if (document !== undefined && document.state !== "erased") return undefined;
        const started = startDocument(conversation, nextRev(document));
        origin = started.origin;
        return started;
      },
      signal,
    );
    if (made?.document !== undefined) return toConversation(made.document);
    // Made by this very call, and written to by somebody else before its answer was lost.
    const { document } = origin === undefined ? { document: undefined } : await readPlace(database, key, signal);
    if (document !== undefined && document.origin === origin) return toConversation(document);
    throw new ConflictError(conversation.id, `[conversation] the id "${conversation.id}" is taken: choose another, or leave the id out`);
  });
}

export async function getConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const { document } = await readPlace(database, conversationKey(scope.tenant, id), signal);
  return isVisible(document, scope) ? toConversation(document) : undefined;
}

export async function updateConversation(
  database: Database,
  scope: StoreScope,
  id: string,
  changes: StoredConversationChanges,
  signal?: AbortSignal,
): Promise<Conversation | undefined> {
  const key = conversationKey(scope.tenant, id);
  const { ifTitle } = changes;
  let retitled: Conversation | undefined;
  const updated = await database.locks.hold([key], () =>
    commitWith(
      database,
      "update conversation",
      key,
      async ({ document }) => {
        if (!isVisible(document, scope)) return undefined;
        retitled = ifTitle !== undefined && ifTitle !== document.title ? toConversation(document) : undefined;
        if (retitled !== undefined) return undefined;
        const title = changes.title ?? document.title;
        const now = Date.now();
        const isTouched = changes.title !== undefined || changes.metadata !== undefined;
        return {
          ...document,
          ...nextTail(database, key, document, []),
          rev: nextRev(document),
          title,
          title_order: titleOrder(title),
          metadata: changes.metadata === undefined ? document.metadata : JSON.stringify(changes.metadata),
          updated_at: isTouched ? Math.max(now, document.updated_at) : document.updated_at,
          pinned_at: markedSince(document.pinned_at, changes.pinned, now),
          archived_at: markedSince(document.archived_at, changes.archived, now),
        };
      },
      signal,
    ),
  );
  return updated?.document === undefined ? retitled : toConversation(updated.document);
}

const orderFields = { updatedAt: "updated_at", createdAt: "created_at", title: "title_order" } as const;

/** Conversations of a scope that were not deleted; pinned or archived ones, or others, where that is asked. */
function present(scope: StoreScope, marks: Pick<ConversationQuery, "pinned" | "archived"> = {}) {
  const filter: object[] = [...scopeClauses(scope)];
  const mustNot: object[] = [{ term: { state: "erased" } }];
  for (const mark of ["pinned", "archived"] as const) {
    if (marks[mark] !== undefined) (marks[mark] ? filter : mustNot).push({ exists: { field: `${mark}_at` } });
  }
  return { bool: { filter, must_not: mustNot } };
}

export async function listConversations(
  database: Database,
  scope: StoreScope,
  query: ConversationQuery,
  signal?: AbortSignal,
): Promise<Page<Conversation>> {
  const order = { orderBy: query.orderBy, direction: query.direction };
  const field = orderFields[query.orderBy];
  const start = query.cursor === undefined ? undefined : (decodeCursor(order, query.cursor, 2) as (string | number)[]);
  await database.searchable.catchUp();
  const body = { query: present(scope, query), sort: [{ [field]: query.direction }, { conversation: query.direction }] };
  const after = await passOver(database, body, start, query.offset, signal);
  if (after === "end") return { items: [], nextCursor: undefined };
  const hits: Hit<ConversationDocument>[] = [];
  for (let from = after; hits.length <= query.limit; ) {
    const size = Math.min(query.limit + 1 - hits.length, mostHits);
    const page = { ...body, size, _source: { excludes: ["tail"] }, ...(from === undefined ? {} : { search_after: from }) };
    const answer = await search<ConversationDocument>(database, "list conversations", database.names.conversations, page, signal);
    hits.push(...answer.hits);
    if (answer.hits.length < size) break;
    from = hits.at(-1)?.sort;
  }
  const items = hits.slice(0, query.limit);
  const last = hits.length > query.limit ? items.at(-1)?.sort : undefined;
  return {
    items: items.map(({ _source }) => toConversation(_source)),
    nextCursor: last === undefined ? undefined : encodeCursor(order, last),
  };
}

/** The place after so many hits: the server counts from the beginning only so far. */
async function passOver(
  database: Database,
  body: object,
  start: readonly (string | number)[] | undefined,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<readonly (string | number)[] | undefined | "end"> {
  let after = start;
  for (let left = offset; left > 0; ) {
    const size = Math.min(left, mostHits);
    const page = { ...body, size, _source: false, ...(after === undefined ? {} : { search_after: after }) };
    const { hits } = await search(database, "list conversations", database.names.conversations, page, signal);
    if (hits.length < size) return "end";
    after = hits.at(-1)?.sort;
    left -= size;
  }
  return after;
}

export async function countConversations(database: Database, scope: StoreScope, signal?: AbortSignal): Promise<number> {
  await database.searchable.catchUp();
  const body = { size: 0, track_total_hits: true, query: present(scope) };
  return (await search(database, "count conversations", database.names.conversations, body, signal)).total ?? 0;
}

/** Above this many, the number of users is an estimate. */
const exactUsers = 40_000;

export async function stats(database: Database, scope: StoreScope, signal?: AbortSignal): Promise<SessionStats> {
  await database.searchable.catchUp();
  const users = { cardinality: { field: "user", precision_threshold: exactUsers } };
  const counted = { size: 0, track_total_hits: true };
  const { conversations, messages } = database.names;
  const [ofConversations, ofMessages] = await Promise.all([
    search(database, "stats", conversations, { ...counted, query: present(scope), aggs: { users } }, signal),
    search(database, "stats", messages, { ...counted, query: { bool: { filter: scopeClauses(scope) } } }, signal),
  ]);
  return {
    conversations: ofConversations.total ?? 0,
    messages: ofMessages.total ?? 0,
    users: (ofConversations.aggregations.users as { value: number }).value,
  };
}
