import { randomUUID } from "node:crypto";
import type { StoreScope } from "../../domain/scope.ts";
import { textRevision } from "../../domain/search-text.ts";
import type { MessageReference, Outbox, OutboxChoice, OutboxCount, OutboxItem } from "../../domain/session-store.ts";
import { owedAction } from "./conversation-log.ts";
import { bulk, type Database, getMany, type Hit, mostHits, search } from "./database.ts";
import { conversationKey, type MessageDocument, messageKey, scopeClauses, toStored } from "./documents.ts";
import { readDocuments } from "./messages.ts";
import { adopt, currentSpace, spaceId } from "./spaces.ts";

/** A vector or removal that is owed. Whose it is for now, `claim` says. */
interface OwedDocument {
  readonly kind: "embed" | "forget";
  readonly tenant: string;
  readonly user: string;
  readonly conversation: string;
  readonly conversation_key: string;
  readonly key?: string;
  readonly text_rev?: number;
  readonly ids?: string;
  readonly due: number;
  readonly attempts: number;
  readonly claim?: string | null;
  readonly is_failed: boolean;
  readonly error?: string | null;
}

/** An item's own name: which entry, and who leased it. */
type Name = readonly [id: string, claim: string];
const encodeName = (name: Name) => JSON.stringify(name);
const decodeName = (key: string) => JSON.parse(key) as Name;

/** What a vector store is owed: documents written by whoever applies a commit, see conversation-log.ts. */
export function elasticsearchOutbox(opened: () => Promise<Database>): Outbox {
  return {
    adopt: async (space, signal) => {
      const database = await opened();
      await database.locks.hold([spaceId], () => adopt(database, space, signal));
    },
    lease: async (limit, leaseMs, which, signal) => {
      const database = await opened();
      return database.locks.hold(["lease"], () => lease(database, limit, leaseMs, which, signal));
    },
    renew: async (items, leaseMs) => update(await opened(), items, { due: Date.now() + leaseMs }),
    settle: async (items, signal) => settle(await opened(), items, signal),
    fail: async (items, error, retryAt) => update(await opened(), items, { due: retryAt.getTime(), is_failed: true, error }),
    owe: async (tenant, references, signal) => owe(await opened(), tenant, references, signal),
    count: async (scope, kinds, signal) => count(await opened(), scope, kinds, signal),
  };
}

/** Workers look now and then, and must see what any process owes: unlike other searches theirs refresh each time. */
async function catchUpWithAll(database: Database, signal: AbortSignal | undefined): Promise<void> {
  await database.transport.request("refresh", { method: "POST", path: `/${database.names.outbox}/_refresh`, signal });
}

async function lease(
  database: Database,
  limit: number,
  leaseMs: number,
  { kinds, failed }: OutboxChoice,
  signal: AbortSignal | undefined,
): Promise<OutboxItem[]> {
  if (kinds.length === 0) return [];
  await catchUpWithAll(database, signal);
  const { outbox } = database.names;
  const now = Date.now();
  const isDue = [{ range: { due: { lte: now } } }, ...(failed ? [{ term: { is_failed: true } }] : [])];
  const body = {
    size: Math.min(limit, mostHits),
    query: { bool: { filter: [{ terms: { kind: [...kinds] } }], should: isDue, minimum_should_match: 1 } },
    sort: [{ due: "asc" }, { rev: "asc" }, { seq: "asc" }],
    seq_no_primary_term: true,
  };
  const { hits } = await search<OwedDocument>(database, "lease", outbox, body, signal);
  const claim = randomUUID();
  const taken = hits.map((hit) => ({
    action: { index: { _index: outbox, _id: hit._id, if_seq_no: hit._seq_no, if_primary_term: hit._primary_term } },
    document: { ...hit._source, attempts: hit._source.attempts + 1, due: now + leaseMs, claim, is_failed: false, error: null },
  }));
  const items = await bulk(database, "lease", taken, signal);
  // What another process took first is theirs.
  const mine = hits.flatMap((hit, index) =>
    (items[index]?.status ?? 409) < 300 ? [{ id: hit._id, owed: (taken[index] as { document: OwedDocument }).document }] : [],
  );
  return describe(database, mine, claim, signal);
}

interface Mine {
  readonly id: string;
  readonly owed: OwedDocument;
}

/** The items with their messages; what is owed for a message that is gone, or says something else by now, is dropped. */
async function describe(database: Database, mine: readonly Mine[], claim: string, signal: AbortSignal | undefined): Promise<OutboxItem[]> {
  const wanted = mine.flatMap(({ owed }) => (owed.key === undefined ? [] : [{ key: owed.key, conversation: owed.conversation_key }]));
  const found = new Map((await readDocuments(database, wanted, signal)).map(({ document }) => [document.key, document]));
  const gone: string[] = [];
  const items = mine.flatMap(({ id, owed }): OutboxItem[] => {
    const base = {
      ...{ key: encodeName([id, claim]), tenant: owed.tenant, userId: owed.user },
      ...{ conversationId: owed.conversation, attempts: owed.attempts },
    };
    if (owed.kind === "forget") return [{ ...base, kind: "forget", messageIds: JSON.parse(owed.ids ?? "[]") }];
    const document = found.get(owed.key ?? "");
    if (document === undefined || !document.has_text || document.text_rev !== owed.text_rev) {
      gone.push(id);
      return [];
    }
    const message = toStored(document);
    const { role, name, content } = message.message;
    return [{ ...base, kind: "embed", message, revision: textRevision({ role, name, text: content }) }];
  });
  const { outbox } = database.names;
  if (gone.length > 0)
    await bulk(
      database,
      "lease",
      gone.map((_id) => ({ action: { delete: { _index: outbox, _id } } })),
    );
  return items;
}

/** The entries of items that are still whose they were. */
async function readHeld(
  database: Database,
  items: readonly OutboxItem[],
  signal?: AbortSignal,
): Promise<Map<OutboxItem, Hit<OwedDocument>>> {
  const wanted = items.map((item) => ({ _index: database.names.outbox, _id: decodeName(item.key)[0] }));
  const found = await getMany(database, "settle", wanted, signal);
  const held = new Map<OutboxItem, Hit<OwedDocument>>();
  for (const item of items) {
    const [id, claim] = decodeName(item.key);
    const hit = found.get(id) as Hit<OwedDocument> | undefined;
    if (hit?._source.claim === claim) held.set(item, hit);
  }
  return held;
}

async function update(database: Database, items: readonly OutboxItem[], changes: Partial<OwedDocument>): Promise<void> {
  const held = await readHeld(database, items);
  const { outbox } = database.names;
  const actions = [...held.values()].map(({ _id, _seq_no, _primary_term, _source }) => ({
    action: { index: { _index: outbox, _id, if_seq_no: _seq_no, if_primary_term: _primary_term } },
    document: { ..._source, ...changes },
  }));
  await bulk(database, "renew", actions);
}

async function settle(database: Database, items: readonly OutboxItem[], signal: AbortSignal | undefined): Promise<OutboxItem[]> {
  const held = [...(await readHeld(database, items, signal))];
  const { outbox } = database.names;
  const removed = await bulk(
    database,
    "settle",
    held.map(([, { _id, _seq_no, _primary_term }]) => ({
      action: { delete: { _index: outbox, _id, if_seq_no: _seq_no, if_primary_term: _primary_term } },
    })),
  );
  const settled = new Set(held.flatMap(([item], index) => ((removed[index]?.status ?? 409) < 300 ? [item] : [])));
  return items.filter((item) => item.kind === "embed" && !settled.has(item));
}

async function owe(
  database: Database,
  tenant: string,
  references: readonly MessageReference[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { outbox } = database.names;
  const wanted = references.map(({ conversationId, messageId }) => ({
    key: messageKey(tenant, conversationId, messageId),
    conversation: conversationKey(tenant, conversationId),
  }));
  const [documents, read] = await Promise.all([
    readDocuments(database, wanted, signal),
    getMany(database, "owe", [{ _index: outbox, _id: spaceId }], signal),
  ]);
  const space = currentSpace(read);
  if (space === null) return;
  const users = new Map(wanted.map(({ key }, index) => [key, references[index]?.userId]));
  const isMeant = (document: MessageDocument) => document.has_text && users.get(document.key) === document.user;
  const actions = documents.flatMap(({ document }) =>
    isMeant(document) ? [owedAction(outbox, document, space, Date.now(), "index")] : [],
  );
  await bulk(database, "owe", actions, signal);
}

async function count(
  database: Database,
  scope: StoreScope | undefined,
  kinds: readonly OutboxItem["kind"][],
  signal: AbortSignal | undefined,
): Promise<OutboxCount> {
  if (kinds.length === 0) return { pending: 0, failing: 0, lastError: undefined, nextDueInMs: undefined };
  await catchUpWithAll(database, signal);
  const owner = scope === undefined ? [] : scopeClauses({ ...scope, resourceId: undefined });
  const body = {
    size: 0,
    track_total_hits: true,
    query: { bool: { filter: [{ terms: { kind: [...kinds] } }, ...owner] } },
    aggs: {
      next: { min: { field: "due" } },
      failed: {
        filter: { term: { is_failed: true } },
        aggs: { last: { top_hits: { size: 1, _source: ["error"], sort: [{ due: "desc" }] } } },
      },
    },
  };
  const { total = 0, aggregations } = await search(database, "count owed", database.names.outbox, body, signal);
  const { next, failed } = aggregations as unknown as Aggregations;
  return {
    pending: total,
    failing: failed.doc_count,
    lastError: failed.last.hits.hits[0]?._source.error ?? undefined,
    nextDueInMs: next.value === null ? undefined : next.value - Date.now(),
  };
}

interface Aggregations {
  readonly next: { readonly value: number | null };
  readonly failed: {
    readonly doc_count: number;
    readonly last: { readonly hits: { readonly hits: readonly Hit<{ error?: string | null }>[] } };
  };
}
