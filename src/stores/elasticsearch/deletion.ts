import type { StoreScope } from "../../domain/scope.ts";
import {
  applyAfterCommit,
  commit,
  commitWith,
  nextRev,
  nextTail,
  owedId,
  type Place,
  readPlaces,
  removals,
  waitAfterConflict,
} from "./conversation-log.ts";
import { type BulkAction, bulk, type Database, getMany, type Hit, searchPages } from "./database.ts";
import {
  type ConversationDocument,
  conversationKey,
  isVisible,
  type MessageDocument,
  messageKey,
  scopeClauses,
  type TailEntry,
} from "./documents.ts";
import { isPresent, readDocuments } from "./messages.ts";
import { currentSpace, deleteFound, spaceId } from "./spaces.ts";

/*
 * The commit is the delete: from it on nobody reads what it names. Then the documents are removed, with a version above
 * theirs, and what is broken off there is finished by the next process that opens the store.
 */

export async function deleteMessages(
  database: Database,
  scope: StoreScope,
  conversationId: string,
  messageIds: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const key = conversationKey(scope.tenant, conversationId);
  return database.locks.hold([key], () =>
    messageIds === undefined ? clear(database, scope, key, signal) : deleteSome(database, scope, key, conversationId, messageIds, signal),
  );
}

async function deleteSome(
  database: Database,
  scope: StoreScope,
  key: string,
  conversationId: string,
  messageIds: readonly string[],
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const wanted = [...new Set(messageIds)].map((id) => ({ key: messageKey(scope.tenant, conversationId, id), conversation: key }));
  let count: number | undefined;
  const landed = await commitWith(
    database,
    "delete messages",
    key,
    async ({ document }) => {
      count = undefined;
      if (!isVisible(document, scope)) return undefined;
      const rev = nextRev(document);
      const space = await readSpace(database, signal);
      const entries = (await readDocuments(database, wanted, signal)).map((found) => tombstone(found.document, rev, space));
      count = entries.length;
      return count === 0 ? undefined : { ...document, rev, ...nextTail(database, key, document, entries) };
    },
    signal,
  );
  if (landed !== undefined) await applyAfterCommit(database, [landed]);
  return count;
}

const tombstone = ({ key, message, has_text, text_rev }: MessageDocument, rev: number, space: number | null): TailEntry => ({
  key,
  id: message,
  rev,
  owes: has_text ? space : null,
  voided: [text_rev],
});

async function readSpace(database: Database, signal: AbortSignal | undefined): Promise<number | null> {
  return currentSpace(await getMany(database, "read space", [{ _index: database.names.outbox, _id: spaceId }], signal));
}

async function clear(database: Database, scope: StoreScope, key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  const cleared = await commitWith(
    database,
    "clear messages",
    key,
    async ({ document }) => {
      if (!isVisible(document, scope)) return undefined;
      // One that was broken off is taken up.
      const clearedFrom = document.state === "clearing" ? document.cleared_from : document.floor;
      return {
        ...document,
        rev: nextRev(document),
        state: "clearing",
        floor: document.next_seq,
        cleared_from: clearedFrom,
        unsettled: true,
      };
    },
    signal,
  );
  return cleared === undefined ? undefined : (await removeDocuments(database, [cleared])).messages;
}

export async function deleteConversation(database: Database, scope: StoreScope, id: string, signal?: AbortSignal): Promise<boolean> {
  const key = conversationKey(scope.tenant, id);
  return database.locks.hold([key], async () => {
    const erased = await commitWith(
      database,
      "delete conversation",
      key,
      async ({ document }) => (isVisible(document, scope) ? toErased(document) : undefined),
      signal,
    );
    if (erased !== undefined) await removeDocuments(database, [erased]);
    return erased !== undefined;
  });
}

const toErased = (document: ConversationDocument): ConversationDocument => ({
  ...document,
  rev: nextRev(document),
  state: "erased",
  cleared_from: document.state === "clearing" ? document.cleared_from : document.floor,
  floor: document.next_seq,
  unsettled: true,
});

/** Conversations erased together: a few requests for all of them. */
const erasedAtOnce = 200;

export async function erase(
  database: Database,
  scope: StoreScope,
  options: { readonly compact: boolean },
  signal?: AbortSignal,
): Promise<{ conversations: number; messages: number }> {
  const erased = { conversations: 0, messages: 0 };
  await database.searchable.catchUp();
  const { conversations } = database.names;
  const body = {
    size: erasedAtOnce,
    query: { bool: { filter: scopeClauses(scope) } },
    _source: false,
    sort: [{ tenant: "asc" }, { conversation: "asc" }],
  };
  for await (const hits of searchPages<undefined>(database, "erase", conversations, body, signal)) {
    const keys = hits.map(({ _id }) => _id);
    await database.locks.hold(keys, async () => {
      const places = await commitErased(database, scope, keys, signal);
      erased.conversations += places.length;
      erased.messages += (await removeDocuments(database, places)).messages;
    });
  }
  if (options.compact) {
    const query = { only_expunge_deletes: true };
    await database.transport.request("erase", { method: "POST", path: `/${database.names.all}/_forcemerge`, query, signal });
  }
  return erased;
}

async function commitErased(
  database: Database,
  scope: StoreScope,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Place[]> {
  const landed: Place[] = [];
  let open = keys;
  for (let tries = 1; open.length > 0; tries++) {
    if (tries > 1) await waitAfterConflict("erase", tries);
    const places = [...(await readPlaces(database, open, signal)).values()];
    const changes = places.flatMap((place) => (isVisible(place.document, scope) ? [{ place, document: toErased(place.document) }] : []));
    landed.push(...(await commit(database, "erase", changes, signal)));
    const done = new Set(landed.map(({ key }) => key));
    open = changes.map(({ place }) => place.key).filter((key) => !done.has(key));
  }
  return landed;
}

interface Remains {
  /** Of messages that were there, by key; whether they had text. */
  readonly messages: Map<string, { readonly id: string; readonly hasText: boolean }>;
  /** All documents, also those that only linger. */
  readonly keys: Map<string, number | undefined>;
}

/**
 * Removes the documents of conversations whose commit says that they are erased or cleared, and lets the commit go. How
 * many messages these were.
 */
export async function removeDocuments(database: Database, places: readonly Place[]): Promise<{ messages: number }> {
  await database.searchable.catchUp();
  const documents = new Map(places.flatMap(({ key, document }) => (document === undefined ? [] : [[key, document] as const])));
  if (documents.size === 0) return { messages: 0 };
  const space = await readSpace(database, undefined);
  const remains = await findRemains(database, documents);
  const { names } = database;
  const actions: BulkAction[] = [];
  for (const [key, document] of documents) {
    const { messages, keys } = remains.get(key) as Remains;
    for (const [_id, textRev] of keys) {
      actions.push({ action: { delete: { _index: names.messages, _id, version: document.rev, version_type: "external_gte" } } });
      if (textRev !== undefined) actions.push({ action: { delete: { _index: names.outbox, _id: owedId(_id, textRev) } } });
    }
    const withText = [...messages.values()].filter(({ hasText }) => hasText).map(({ id }) => id);
    if (space !== null) actions.push(...removals(names.outbox, key, document, document.rev, withText));
  }
  await bulk(database, "delete", actions);
  const owed = {
    bool: { filter: [{ term: { kind: "embed" } }, { terms: { conversation_key: [...documents.keys()] } }, ...endedClauses(documents)] },
  };
  await deleteFound(database, "delete", names.outbox, owed);
  await letGo(database, places);
  return { messages: [...remains.values()].reduce((sum, { messages }) => sum + messages.size, 0) };
}

/** Only what was owed before; a single clearing may go on beside new messages. */
function endedClauses(documents: ReadonlyMap<string, ConversationDocument>): object[] {
  return [{ range: { rev: { lte: Math.max(...[...documents.values()].map(({ rev }) => rev)) } } }];
}

async function findRemains(database: Database, documents: ReadonlyMap<string, ConversationDocument>): Promise<Map<string, Remains>> {
  const remains = new Map([...documents.keys()].map((key): [string, Remains] => [key, { messages: new Map(), keys: new Map() }]));
  const note = (conversationKey: string, document: MessageDocument) => {
    const conversation = documents.get(conversationKey) as ConversationDocument;
    const { messages, keys } = remains.get(conversationKey) as Remains;
    if (document.seq >= conversation.floor && document.rev >= conversation.born) return;
    keys.set(document.key, document.text_rev);
    if (isPresent({ ...conversation, floor: conversation.cleared_from }, document))
      messages.set(document.key, { id: document.message, hasText: document.has_text });
  };
  const body = {
    query: { terms: { conversation_key: [...documents.keys()] } },
    _source: { excludes: ["words", "payload"] },
    sort: [{ conversation_key: "asc" }, { seq: "asc" }, { rev: "asc" }],
  };
  for await (const hits of searchPages<MessageDocument>(database, "delete", database.names.messages, body)) {
    for (const { _source } of hits as readonly Hit<MessageDocument>[]) note(_source.conversation_key, _source);
  }
  for (const [key, conversation] of documents) {
    for (const entry of conversation.tail) {
      const { messages, keys } = remains.get(key) as Remains;
      if (entry.document !== undefined) note(key, entry.document);
      else {
        messages.delete(entry.key);
        keys.set(entry.key, entry.voided.at(-1));
      }
    }
  }
  return remains;
}

/** Erased conversations go; cleared ones are at rest again. */
async function letGo(database: Database, places: readonly Place[]): Promise<void> {
  const erased = places.filter(({ document }) => document?.state === "erased");
  const target = ({ key, version }: Place) => ({
    ...{ _index: database.names.conversations, _id: key },
    ...{ if_seq_no: version?.seqNo, if_primary_term: version?.primaryTerm },
  });
  await bulk(
    database,
    "delete",
    erased.map((place) => ({ action: { delete: target(place) } })),
  );
  for (const { key, document } of places) {
    if (document?.state !== "clearing") continue;
    await commitWith(database, "clear messages", key, async ({ document: now }) => {
      if (now?.state !== "clearing" || now.floor !== document.floor) return undefined;
      const tail = now.tail.filter((entry) => entry.rev > document.rev);
      const rev = nextRev(now);
      return { ...now, rev, state: "live", tail, trimmed: Math.max(now.trimmed, document.rev), unsettled: tail.length > 0 };
    });
  }
}
