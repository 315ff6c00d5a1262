import type { Page } from "../../domain/conversation.ts";
import { BackendError } from "../../domain/errors.ts";
import type { Message } from "../../domain/message.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { ExportPosition, ExportRow, MessageQuery, MessageReference, StoredMessage } from "../../domain/session-store.ts";
import { partnersAmong, readWindow, type ToolEdge, type WindowReader } from "../windows.ts";
import { type Place, readPlace, toPlace } from "./conversation-log.ts";
import { type Database, getMany, type Hit, mostHits, search, searchPages } from "./database.ts";
import {
  type ConversationDocument,
  conversationKey,
  isVisible,
  type MessageDocument,
  messageKey,
  scopeClauses,
  toMessage,
  toolIdsOf,
  toolKey,
  toStored,
} from "./documents.ts";

/*
 * A list is the newest commits, read by id, over what a search finds of the earlier ones. Both are asked for at once. That
 * is right when the search began after whatever is no longer in the tail had become searchable; this process knows so when
 * it has met the conversation with the same tail end before. Otherwise the search is made once more.
 */

/** A message newer than the conversation that was read beside it: both are read again. */
class ReadTooEarly extends Error {}

const mostReadings = 10;
/** Hits beyond those asked for, in place of such that the tail replaces. */
const spareHits = 8;

interface Row {
  readonly seq: number;
  readonly toolIds: readonly string[] | null;
  readonly document: MessageDocument;
}

const toRow = (document: MessageDocument): Row => ({ seq: document.seq, toolIds: toolIdsOf(document), document });

export async function listMessages(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  query: MessageQuery,
  signal?: AbortSignal,
): Promise<Page<Message> | undefined> {
  for (let reading = 1; ; reading++) {
    try {
      const ledger = openLedger(database, scope, conversationKey(scope.tenant, conversationId), signal);
      const window = await readWindow(ledger.reader, query);
      if (!isVisible((await ledger.place()).document, scope)) return undefined;
      return { items: window.rows.map(({ document }) => toMessage(document)), nextCursor: window.nextCursor };
    } catch (error) {
      if (!(error instanceof ReadTooEarly)) throw error;
      if (reading === mostReadings) {
        const message = "the conversation was written all the time it was read: repeat the call";
        throw new BackendError("elasticsearch", "list messages", message, { code: "backend_unavailable", retryable: true });
      }
    }
  }
}

/** One conversation, as of one reading of it. */
function openLedger(database: Database, scope: StoreScope, key: string, signal: AbortSignal | undefined) {
  let read: Promise<Place> | undefined;
  const place = () => {
    read ??= readPlace(database, key, signal);
    return read;
  };

  async function rows(query: MessageQuery): Promise<Row[]> {
    const isFirst = read === undefined;
    const known = database.trimmed.get(key);
    // Nobody needs the hits of no role.
    const wanted = query.roles?.length === 0 ? { ...query, limit: 0 } : query;
    const early = isFirst && wanted.limit > 0 ? searchRows(database, key, wanted, signal) : undefined;
    early?.catch(() => {});
    const { document } = await place();
    database.trimmed.set(key, document?.trimmed ?? 0);
    if (!isVisible(document, scope) || wanted.limit === 0) return [];
    // Of a conversation whose tail was never shortened everything is in the tail.
    if (document.trimmed === 0) return overlay(document, [], wanted);
    const isSafe = early !== undefined && document.trimmed === known;
    return isSafe
      ? completeRows(database, document, key, wanted, await early, signal)
      : completeRows(database, document, key, wanted, undefined, signal);
  }

  const reader: WindowReader<Row> = {
    rows,
    async partners(edges) {
      const { document } = await place();
      return isVisible(document, scope) ? findPartners(database, document, key, edges, signal) : [];
    },
  };
  return { place, reader };
}

/** Rows of a search, newest first; fewer than it may give means that there are no more. */
interface Found {
  readonly documents: readonly MessageDocument[];
  readonly isAll: boolean;
}

async function searchRows(database: Database, key: string, query: MessageQuery, signal: AbortSignal | undefined): Promise<Found> {
  const size = Math.min(query.limit + spareHits, mostHits);
  const body = { size, query: { bool: { filter: rowClauses(key, query) } }, _source: { excludes: ["words"] }, sort: [{ seq: "desc" }] };
  const { hits } = await search<MessageDocument>(database, "list messages", database.names.messages, body, signal);
  return { documents: hits.map(({ _source }) => _source), isAll: hits.length < size };
}

function rowClauses(key: string, { beforeSeq, afterSeq, before, after, roles }: MessageQuery): object[] {
  const seq = { ...(beforeSeq === undefined ? {} : { lt: beforeSeq }), ...(afterSeq === undefined ? {} : { gt: afterSeq }) };
  const time = { ...(before === undefined ? {} : { lt: before.getTime() }), ...(after === undefined ? {} : { gt: after.getTime() }) };
  return [
    { term: { conversation_key: key } },
    ...(Object.keys(seq).length === 0 ? [] : [{ range: { seq } }]),
    ...(Object.keys(time).length === 0 ? [] : [{ range: { created_at: time } }]),
    ...(roles === undefined ? [] : [{ terms: { role: [...roles] } }]),
  ];
}

/** Searches on until there are as many rows as wanted, or no more. */
async function completeRows(
  database: Database,
  conversation: ConversationDocument,
  key: string,
  query: MessageQuery,
  first: Found | undefined,
  signal: AbortSignal | undefined,
): Promise<Row[]> {
  const documents: MessageDocument[] = [];
  for (let found = first; ; found = undefined) {
    const beforeSeq = documents.at(-1)?.seq ?? query.beforeSeq;
    const part = found ?? (await searchRows(database, key, { ...query, beforeSeq }, signal));
    documents.push(...part.documents);
    const rows = overlay(conversation, documents, query);
    const lowest = part.isAll ? 0 : (documents.at(-1)?.seq ?? 0);
    const certain = rows.filter(({ seq }) => seq >= lowest);
    if (part.isAll || certain.length >= query.limit) return certain.slice(0, query.limit);
  }
}

/** What a search found, put right by the tail; newest first. */
function overlay(conversation: ConversationDocument, found: readonly MessageDocument[], query: MessageQuery): Row[] {
  return present(conversation, found)
    .filter((document) => matches(document, query))
    .sort((left, right) => right.seq - left.seq)
    .map(toRow);
}

function present(conversation: ConversationDocument, found: readonly MessageDocument[]): MessageDocument[] {
  if (found.some(({ rev }) => rev > conversation.rev)) throw new ReadTooEarly();
  const logged = new Set(conversation.tail.map(({ key }) => key));
  const settled = found.filter(({ key }) => !logged.has(key));
  const latest = conversation.tail.flatMap(({ document }) => document ?? []);
  return [...settled, ...latest].filter((document) => isPresent(conversation, document));
}

/** Not of a deleted conversation of the same id, and not cleared away. */
export const isPresent = (conversation: ConversationDocument, document: Pick<MessageDocument, "rev" | "seq">) =>
  document.rev >= conversation.born && document.seq >= conversation.floor;

function matches(document: MessageDocument, { beforeSeq, afterSeq, before, after, roles }: MessageQuery): boolean {
  return (
    (beforeSeq === undefined || document.seq < beforeSeq) &&
    (afterSeq === undefined || document.seq > afterSeq) &&
    (before === undefined || document.created_at < before.getTime()) &&
    (after === undefined || document.created_at > after.getTime()) &&
    (roles === undefined || roles.includes(document.role))
  );
}

/** The nearest rows with the tool ids, on both sides at once, in one request. */
async function findPartners(
  database: Database,
  conversation: ConversationDocument,
  key: string,
  edges: readonly ToolEdge[],
  signal: AbortSignal | undefined,
): Promise<readonly Row[]> {
  // As many more as the tail may take away.
  const size = 1 + conversation.tail.length;
  const lines = edges.flatMap(({ seq, id, isResult }) => [
    { index: database.names.messages, allow_partial_search_results: false },
    {
      size,
      track_total_hits: false,
      query: {
        bool: {
          filter: [
            { term: { conversation_key: key } },
            { term: { tools: toolKey(id) } },
            { range: { seq: { [isResult ? "lt" : "gt"]: seq } } },
          ],
        },
      },
      _source: { excludes: ["words"] },
      sort: [{ seq: isResult ? "desc" : "asc" }],
    },
  ]);
  const request = { method: "POST", path: "/_msearch", lines, signal } as const;
  const { body } = await database.transport.request<{ responses: readonly { hits?: { hits: readonly Hit<MessageDocument>[] } }[] }>(
    "list messages",
    request,
  );
  const found = new Map<string, MessageDocument>();
  for (const { hits } of body.responses) {
    if (hits === undefined)
      throw new BackendError("elasticsearch", "list messages", "a part of the search failed: repeat it", { retryable: true });
    for (const { _source } of hits.hits) found.set(_source.key, _source);
  }
  return partnersAmong(present(conversation, [...found.values()]).map(toRow), edges);
}

/** Messages by their names, with their conversations, in one request. */
export async function getMessages(
  database: Database,
  scope: StoreScope,
  references: readonly MessageReference[],
  signal?: AbortSignal,
): Promise<StoredMessage[]> {
  const { tenant } = scope;
  const wanted = new Map(references.map((reference) => [messageKey(tenant, reference.conversationId, reference.messageId), reference]));
  const documents = await readDocuments(
    database,
    [...wanted].map(([key, { conversationId }]) => ({ key, conversation: conversationKey(tenant, conversationId) })),
    signal,
  );
  return documents
    .filter(({ document, conversation }) => isVisible(conversation, scope) && wanted.get(document.key)?.userId === document.user)
    .map(({ document }) => toStored(document));
}

export async function getMessage(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  messageId: string,
  signal?: AbortSignal,
): Promise<Message | undefined> {
  const key = messageKey(scope.tenant, conversationId, messageId);
  const [found] = await readDocuments(database, [{ key, conversation: conversationKey(scope.tenant, conversationId) }], signal);
  return found !== undefined && isVisible(found.conversation, scope) ? toMessage(found.document) : undefined;
}

/** Messages that are there, by key, each with its conversation. */
export async function readDocuments(
  database: Database,
  wanted: readonly { readonly key: string; readonly conversation: string }[],
  signal?: AbortSignal,
): Promise<{ readonly document: MessageDocument; readonly conversation: ConversationDocument }[]> {
  const { conversations, messages } = database.names;
  const found = await getMany(
    database,
    "get messages",
    [
      ...[...new Set(wanted.map(({ conversation }) => conversation))].map((key) => ({ _index: conversations, _id: key })),
      ...wanted.map(({ key }) => ({ _index: messages, _id: key })),
    ],
    signal,
  );
  return wanted.flatMap(({ key, conversation: conversationKey }) => {
    const { document: conversation } = toPlace(conversationKey, found.get(conversationKey) as Hit<ConversationDocument> | undefined);
    if (conversation === undefined || conversation.state === "erased") return [];
    const logged = conversation.tail.find((entry) => entry.key === key);
    const stored = (found.get(key) as Hit<MessageDocument> | undefined)?._source;
    const document = logged === undefined || (stored !== undefined && stored.rev > logged.rev) ? stored : logged.document;
    return document !== undefined && isPresent(conversation, document) ? [{ document, conversation }] : [];
  });
}

export async function exportMessages(
  database: Database,
  scope: StoreScope,
  after: ExportPosition | undefined,
  limit: number,
  signal?: AbortSignal,
): Promise<ExportRow[]> {
  await database.searchable.catchUp();
  const body = {
    size: Math.min(limit, mostHits),
    query: { bool: { filter: scopeClauses(scope) } },
    _source: { excludes: ["words"] },
    sort: [{ user: "asc" }, { conversation: "asc" }, { seq: "asc" }],
    ...(after === undefined ? {} : { search_after: [after.userId, after.conversationId, after.seq] }),
  };
  const rows: ExportRow[] = [];
  for await (const hits of searchPages<MessageDocument>(database, "export", database.names.messages, body, signal)) {
    rows.push(...hits.map(({ _source }) => ({ message: toMessage(_source), resourceId: _source.resource })));
    if (rows.length >= limit) break;
  }
  return rows.slice(0, limit);
}
