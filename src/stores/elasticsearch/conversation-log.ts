import { randomUUID } from "node:crypto";
import { BackendError } from "../../domain/errors.ts";
import { type BulkAction, bulk, type Database, getMany, type Hit, search } from "./database.ts";
import { type ConversationDocument, keyOf, type TailEntry, withWords } from "./documents.ts";

/*
 * How several messages land at once in a database whose unit of atomicity is one document.
 *
 * 1. A commit writes the conversation alone, under the condition that nobody wrote it since it was read (`if_seq_no`). With
 *    it go the places of the messages and, in its tail, the messages themselves: the batch is stored, in order, or it is not.
 * 2. Then the tail is applied: each message becomes a document of its own, to be searched, with what a vector store is
 *    owed. Its version is the `rev` of the commit, so that it may be done twice, late, or by anybody: an older version
 *    never replaces a newer one.
 * 3. A later commit takes off what was applied and has been refreshed since. Until then whoever reads lays the tail, read
 *    by id and so up to date, over what a search finds: reads need no refresh.
 *
 * A process that dies between 1 and 2 loses nothing: the tail is read as part of the conversation, and applied by the
 * next process that opens the store.
 */

/** A conversation as it was read, and what a commit must find unchanged. */
export interface Place {
  readonly key: string;
  readonly document: ConversationDocument | undefined;
  readonly version: Version | undefined;
}

interface Version {
  readonly seqNo: number;
  readonly primaryTerm: number;
}

export interface Change {
  readonly place: Place;
  readonly document: ConversationDocument;
}

/** When a tail has more entries or characters, it is made ready to be taken off. */
const longTail = { entries: 64, characters: 128_000 };
/** When it has more than this, it is taken off at once. */
const hugeTail = { entries: 500, characters: 1_000_000 };

export async function readPlaces(database: Database, keys: readonly string[], signal?: AbortSignal): Promise<Map<string, Place>> {
  const wanted = keys.map((key) => ({ _index: database.names.conversations, _id: key }));
  const found = await getMany(database, "read conversation", wanted, signal);
  return new Map(keys.map((key) => [key, toPlace(key, found.get(key) as Hit<ConversationDocument> | undefined)]));
}

export async function readPlace(database: Database, key: string, signal?: AbortSignal): Promise<Place> {
  return (await readPlaces(database, [key], signal)).get(key) as Place;
}

export function toPlace(key: string, hit: Hit<ConversationDocument> | undefined): Place {
  if (hit === undefined) return { key, document: undefined, version: undefined };
  return { key, document: hit._source, version: { seqNo: hit._seq_no, primaryTerm: hit._primary_term } };
}

/** The next `rev`: also above that of any conversation of this id that was ever deleted, unless clocks went back since. */
export const nextRev = (document: ConversationDocument | undefined) =>
  document !== undefined && document.state !== "erased" ? document.rev + 1 : Math.max((document?.rev ?? 0) + 1, Date.now() * 1_000);

/** What a commit leaves of a tail, with the entries it adds: one for each message, the newest. */
export function nextTail(
  database: Database,
  key: string,
  document: ConversationDocument,
  added: readonly TailEntry[],
): Pick<ConversationDocument, "tail" | "trimmed" | "unsettled"> {
  const settled = database.settled.get(key);
  const replaced = new Set(added.map((entry) => entry.key));
  const kept = document.tail.filter((entry) => entry.rev > settled && !replaced.has(entry.key));
  const hasTrimmed = document.tail.some((entry) => entry.rev <= settled);
  const tail = [...kept, ...added];
  return { tail, trimmed: hasTrimmed ? settled : document.trimmed, unsettled: tail.length > 0 || document.state !== "live" };
}

/** Writes conversations, each if nobody else has since; answers with the places of those that were written. */
export async function commit(database: Database, operation: string, changes: readonly Change[], signal?: AbortSignal): Promise<Place[]> {
  const nonce = randomUUID();
  const written = changes.map(({ place, document }) => ({ place, document: { ...document, commit: nonce, written_at: Date.now() } }));
  const actions = written.map(({ place, document }) => ({ action: writeAction(database, place), document }));
  const items = await bulk(database, operation, actions, signal);
  const outcomes = items.map((item, index) => {
    const { place, document } = written[index] as Change;
    const isWritten = item.status < 300;
    const version = isWritten ? { seqNo: item._seq_no as number, primaryTerm: item._primary_term as number } : undefined;
    return { key: place.key, document, version };
  });
  // A refusal may be of our own write, sent again because its answer was lost.
  const doubtful = outcomes.filter(({ version }) => version === undefined).map(({ key }) => key);
  const present = doubtful.length === 0 ? new Map<string, Place>() : await readPlaces(database, doubtful, signal);
  const landed = outcomes.flatMap((outcome): Place[] => {
    if (outcome.version !== undefined) return [outcome];
    const now = present.get(outcome.key);
    return now?.document?.commit === nonce ? [now] : [];
  });
  for (const { key, document } of landed) database.trimmed.set(key, document?.trimmed ?? 0);
  return landed;
}

function writeAction({ names }: Database, { key, version }: Place): object {
  const target = { _index: names.conversations, _id: key };
  return version === undefined
    ? { create: target }
    : { index: { ...target, if_seq_no: version.seqNo, if_primary_term: version.primaryTerm } };
}

/** Tries until the commit lands: `change` answers undefined when there is nothing to write any more. */
export async function commitWith(
  database: Database,
  operation: string,
  key: string,
  change: (place: Place) => Promise<ConversationDocument | undefined>,
  signal?: AbortSignal,
): Promise<Place | undefined> {
  for (let tries = 1; ; tries++) {
    const place = await readPlace(database, key, signal);
    const document = await change(place);
    if (document === undefined) return undefined;
    const [landed] = await commit(database, operation, [{ place, document }], signal);
    if (landed !== undefined) return landed;
    await waitAfterConflict(operation, tries);
  }
}

/** Commits of other processes to the same conversation before one gives up. */
const mostConflicts = 40;

export async function waitAfterConflict(operation: string, tries: number): Promise<void> {
  if (tries >= mostConflicts) {
    const message = `${operation} met other writers of the same conversation each of ${tries} times: repeat it`;
    throw new BackendError("elasticsearch", operation, message, { code: "backend_unavailable", retryable: true });
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(200, 5 * 2 ** tries)));
}

/**
 * Applies the tails of conversations that were committed. The commit stands whatever happens here: what fails is read
 * from the tail, and applied by the next commit or {@link settleTails}.
 */
export async function applyAfterCommit(database: Database, places: readonly Place[]): Promise<void> {
  try {
    await applyTails(database, places);
    await shortenTails(database, places);
  } catch {
    // It will be tried again, and must not make a stored message look refused.
  }
}

export async function applyTails(database: Database, places: readonly Place[]): Promise<void> {
  const actions: BulkAction[] = [];
  for (const { key, document } of places) {
    if (document === undefined) continue;
    const entries = document.tail.filter((entry) => entry.rev > database.applied.get(key));
    if (entries.length === 0) continue;
    const analyzer = await database.analyzerOf(document.language);
    for (const entry of entries) actions.push(...entryActions(database, document, entry, analyzer));
    actions.push(...removalActions(database, key, document, entries));
  }
  if (actions.length > 0) await bulk(database, "apply", actions);
  for (const { key, document } of places) if (document !== undefined) database.applied.set(key, document.rev);
}

function entryActions({ names }: Database, conversation: ConversationDocument, entry: TailEntry, analyzer: string): BulkAction[] {
  const { key, rev, document, owes, voided } = entry;
  const target = { _index: names.messages, _id: key, version: rev, version_type: "external_gte" };
  const voids = voided.map((textRev) => ({ action: { delete: { _index: names.outbox, _id: owedId(key, textRev) } } }));
  if (document === undefined) return [{ action: { delete: target } }, ...voids];
  const stored = { action: { index: target }, document: withWords(document, analyzer) };
  return owes === null ? [stored, ...voids] : [stored, ...voids, owedAction(names.outbox, document, owes, conversation.written_at)];
}

/** The name of a vector that is owed: of this message, as it was since this `rev`. Each space owes its own. */
export const owedId = (key: string, textRev: number) => `${key}.${textRev}`;

export function owedAction(
  outbox: string,
  document: TailEntry["document"] & object,
  space: number,
  due: number,
  operation: "create" | "index" = "create",
): BulkAction {
  const { tenant, user, conversation, conversation_key, message, key, text_rev, seq, rev } = document;
  return {
    action: { [operation]: { _index: outbox, _id: owedId(key, text_rev) } },
    document: {
      ...{ kind: "embed", tenant, user, conversation, conversation_key, message, key, text_rev, seq, rev },
      ...{ space, due, attempts: 0, is_failed: false },
    },
  };
}

/** Messages one removal may name. */
const removalSize = 1_000;

/** Removals of vectors that deletions owe: the same each time they are made of the same commit. */
function removalActions({ names }: Database, key: string, document: ConversationDocument, entries: readonly TailEntry[]): BulkAction[] {
  const deleted = entries.filter((entry) => entry.document === undefined && entry.owes !== null);
  return [...Map.groupBy(deleted, (entry) => entry.rev)].flatMap(([rev, some]) =>
    removals(
      names.outbox,
      key,
      document,
      rev,
      some.map((entry) => entry.id),
    ),
  );
}

export function removals(outbox: string, key: string, document: ConversationDocument, rev: number, ids: readonly string[]): BulkAction[] {
  const { tenant, user, conversation } = document;
  const parts = Array.from({ length: Math.ceil(ids.length / removalSize) }, (_, index) =>
    ids.slice(index * removalSize, (index + 1) * removalSize),
  );
  return parts.map((some, part) => ({
    action: { create: { _index: outbox, _id: keyOf("forget", key, String(rev), String(part)) } },
    document: {
      ...{ kind: "forget", tenant, user, conversation, conversation_key: key, ids: JSON.stringify(some), seq: part, rev },
      ...{ due: Date.now(), attempts: 0, is_failed: false },
    },
  }));
}

/** Long tails are refreshed, once for many commits, so that the next commit can take them off; huge ones go at once. */
async function shortenTails(database: Database, places: readonly Place[]): Promise<void> {
  const long = places.filter(({ document }) => document !== undefined && isBeyond(document, longTail));
  if (long.length === 0) return;
  await settle(database, long);
  const huge = long.filter(({ document }) => document !== undefined && isBeyond(document, hugeTail));
  if (huge.length > 0) await takeOff(database, huge);
}

function isBeyond({ tail }: ConversationDocument, bound: { readonly entries: number; readonly characters: number }): boolean {
  return tail.length > bound.entries || tail.reduce((sum, { document }) => sum + (document?.payload.length ?? 0), 0) > bound.characters;
}

/** Makes applied tails searchable, and remembers that they are. */
async function settle(database: Database, places: readonly Place[]): Promise<void> {
  await database.searchable.catchUp();
  for (const { key, document } of places) if (document !== undefined) database.settled.set(key, document.rev);
}

/** Writes conversations without the tails that were settled; one that somebody else wrote meanwhile is left to them. */
async function takeOff(database: Database, places: readonly Place[]): Promise<void> {
  const changes = places.flatMap((place): Change[] => {
    const { key, document } = place;
    return document === undefined
      ? []
      : [{ place, document: { ...document, rev: document.rev + 1, ...nextTail(database, key, document, []) } }];
  });
  await commit(database, "shorten", changes);
}

/** A conversation that was not written for so long has no writer at work on it. */
const restMs = 30_000;
const settledAtOnce = 100;

/** Applies and takes off the tails of conversations at rest; `clear` finishes clearings that were broken off. */
export async function settleTails(
  database: Database,
  clear: (places: readonly Place[]) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  for (let before = 0; ; ) {
    const query = { bool: { filter: [{ term: { unsettled: true } }, { range: { written_at: { gt: before, lt: Date.now() - restMs } } }] } };
    const body = { query, size: settledAtOnce, _source: ["written_at"], sort: [{ written_at: "asc" }] };
    const { hits } = await search<{ written_at: number }>(database, "settle", database.names.conversations, body, signal);
    const last = hits.at(-1);
    if (last === undefined) return;
    await database.locks.hold(
      hits.map(({ _id }) => _id),
      async () => {
        const places = [
          ...(
            await readPlaces(
              database,
              hits.map(({ _id }) => _id),
              signal,
            )
          ).values(),
        ];
        const unsettled = places.filter(({ document }) => document?.unsettled === true);
        const broken = unsettled.filter(({ document }) => document?.state !== "live");
        const live = unsettled.filter(({ document }) => document?.state === "live");
        // Whoever committed may have died: what this process knows of its own does not hold for theirs.
        await applyTails(database, live);
        await settle(database, live);
        await takeOff(database, live);
        if (broken.length > 0) await clear(broken);
      },
    );
    before = last._source.written_at;
  }
}
