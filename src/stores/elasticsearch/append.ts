import { randomUUID } from "node:crypto";
import type { Message } from "../../domain/message.ts";
import { textRevision } from "../../domain/search-text.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { applyAfterCommit, commit, nextRev, nextTail, type Place, toPlace, waitAfterConflict } from "./conversation-log.ts";
import { type Database, getMany, type Hit } from "./database.ts";
import {
  type ConversationDocument,
  conversationKey,
  isVisible,
  type KnownMessage,
  knownFields,
  type MessageDocument,
  makeMessageDocument,
  messageKey,
  type TailEntry,
  titleOrder,
  toMessage,
} from "./documents.ts";
import { currentSpace, spaceId } from "./spaces.ts";

/** The requests to one conversation, in their order. */
interface Group {
  readonly key: string;
  readonly requests: readonly (AppendRequest & { readonly index: number })[];
}

type Answers = (readonly Message[] | undefined)[];

/** Three requests to the server, whatever the number of conversations and messages: read, commit, apply. */
export async function append(database: Database, requests: readonly AppendRequest[], signal?: AbortSignal): Promise<Answers> {
  const answers: Answers = new Array(requests.length).fill(undefined);
  const groups = groupRequests(requests);
  await database.locks.hold(
    groups.map(({ key }) => key),
    async () => {
      let open = groups;
      for (let tries = 1; open.length > 0; tries++) {
        if (tries > 1) await waitAfterConflict("append", tries);
        signal?.throwIfAborted();
        open = await appendOnce(database, open, answers, signal);
      }
    },
  );
  return answers;
}

/** Answers the groups that others were faster than. */
async function appendOnce(
  database: Database,
  groups: readonly Group[],
  answers: Answers,
  signal: AbortSignal | undefined,
): Promise<Group[]> {
  const found = await readAll(database, groups, signal);
  const space = currentSpace(found);
  const plans = groups.map((group) => ({ group, plan: planGroup(database, group, found, space) }));
  const changes = plans.flatMap(({ plan }) => (plan.document === undefined ? [] : [{ place: plan.place, document: plan.document }]));
  // From here on it happens, whatever the caller's signal says: a half-known outcome would be worse.
  const landed = new Map((await commit(database, "append", changes)).map((place) => [place.key, place]));
  await applyAfterCommit(database, [...landed.values()]);
  const missed: Group[] = [];
  for (const { group, plan } of plans) {
    if (plan.document !== undefined && !landed.has(group.key)) missed.push(group);
    else for (const [index, stored] of plan.answers) answers[index] = stored.map(toMessage);
  }
  return missed;
}

async function readAll(database: Database, groups: readonly Group[], signal: AbortSignal | undefined): Promise<Map<string, Hit<unknown>>> {
  const { conversations, messages, outbox } = database.names;
  const messageKeys = groups.flatMap(({ requests }) =>
    requests.flatMap((request) => request.messages.map(({ id }) => messageKey(request.tenant, request.conversationId, id))),
  );
  return getMany(
    database,
    "append",
    [
      ...groups.map(({ key }) => ({ _index: conversations, _id: key })),
      ...[...new Set(messageKeys)].map((key) => ({ _index: messages, _id: key, _source: knownFields })),
      { _index: outbox, _id: spaceId },
    ],
    signal,
  );
}

interface Plan {
  readonly place: Place;
  /** What to commit; undefined when no request of the group is allowed. */
  readonly document: ConversationDocument | undefined;
  readonly answers: ReadonlyMap<number, readonly MessageDocument[]>;
}

function planGroup(database: Database, group: Group, found: ReadonlyMap<string, Hit<unknown>>, space: number | null): Plan {
  const place = toPlace(group.key, found.get(group.key) as Hit<ConversationDocument> | undefined);
  const answers = new Map<number, readonly MessageDocument[]>();
  const entries = new Map<string, TailEntry>();
  const rev = nextRev(place.document);
  let document = place.document?.state === "erased" ? undefined : place.document;
  for (const request of group.requests) {
    if (document === undefined && request.createConversation) document = newDocument(request, rev);
    if (!isAllowed(document, request)) continue;
    const stored: MessageDocument[] = [];
    for (const message of request.messages) {
      const entry = placeMessage(database, document, message, { rev, space, entries, found });
      if (entry.document.seq === document.next_seq) document = { ...document, next_seq: document.next_seq + 1 };
      document = { ...document, updated_at: Math.max(document.updated_at, entry.document.created_at) };
      entries.set(entry.key, entry);
      stored.push(entry.document);
    }
    answers.set(request.index, stored);
  }
  if (document === undefined || entries.size === 0) return { place, document: undefined, answers };
  return { place, document: { ...document, rev, ...nextTail(database, group.key, document, [...entries.values()]) }, answers };
}

function isAllowed(document: ConversationDocument | undefined, request: AppendRequest): document is ConversationDocument {
  return isVisible(document, { tenant: request.tenant, userId: request.userId, resourceId: request.requiredResourceId });
}

/** A conversation that begins with the first message of the request. */
function newDocument({ tenant, userId, conversationId, create, messages }: AppendRequest, rev: number): ConversationDocument {
  const times = messages.map((message) => message.createdAt.getTime());
  return {
    ...startDocument({ tenant, userId, id: conversationId, ...create }, rev),
    created_at: Math.min(...times),
    updated_at: Math.max(...times),
  };
}

/** A new conversation without messages. */
export function startDocument(
  given: AppendRequest["create"] & { readonly tenant: string; readonly userId: string; readonly id: string },
  rev: number,
): ConversationDocument {
  const now = Date.now();
  return {
    tenant: given.tenant,
    user: given.userId,
    conversation: given.id,
    resource: given.resourceId,
    title: given.title,
    title_order: titleOrder(given.title),
    metadata: given.metadataJson,
    language: given.language ?? null,
    created_at: now,
    updated_at: now,
    pinned_at: null,
    archived_at: null,
    next_seq: 1,
    rev,
    born: rev,
    floor: 0,
    cleared_from: 0,
    trimmed: 0,
    state: "live",
    origin: randomUUID(),
    commit: "",
    unsettled: false,
    written_at: now,
    tail: [],
  };
}

interface Placing {
  readonly rev: number;
  readonly space: number | null;
  /** Of this commit. */
  readonly entries: ReadonlyMap<string, TailEntry>;
  readonly found: ReadonlyMap<string, Hit<unknown>>;
}

function placeMessage(
  database: Database,
  conversation: ConversationDocument,
  message: NewMessage,
  { rev, space, entries, found }: Placing,
): TailEntry & { readonly document: MessageDocument } {
  const conversationId = conversationKey(conversation.tenant, conversation.conversation);
  const key = messageKey(conversation.tenant, conversation.conversation, message.id);
  const logged = entries.get(key) ?? conversation.tail.find((entry) => entry.key === key);
  const known = knownMessage(conversation, logged, found.get(key) as Hit<KnownMessage> | undefined);
  const isSame = known !== undefined && known.revision === textRevision(message);
  const keepsVector = isSame && message.embedding === null;
  const document = makeMessageDocument(conversation, message, {
    seq: known?.seq ?? conversation.next_seq,
    rev,
    text_rev: keepsVector ? known.text_rev : rev,
    created_at: known?.created_at ?? message.createdAt.getTime(),
    importance: message.importance ?? known?.importance ?? null,
  });
  // What an entry that this one replaces has not done yet, this one does.
  const undone = logged !== undefined && (logged.rev === rev || logged.rev > database.applied.get(conversationId)) ? logged : undefined;
  const isOwed = space !== null && message.embedding === null && document.has_text && !isSame;
  return {
    key,
    id: message.id,
    rev,
    document,
    owes: isOwed ? space : keepsVector ? (undone?.owes ?? null) : null,
    voided: [...(undone?.voided ?? []), ...(known !== undefined && known.text_rev !== document.text_rev ? [known.text_rev] : [])],
  };
}

/** The message as it is now: the log knows later than the messages' own documents. */
function knownMessage(
  conversation: ConversationDocument,
  logged: TailEntry | undefined,
  hit: Hit<KnownMessage> | undefined,
): KnownMessage | undefined {
  if (logged !== undefined) return logged.document !== undefined && logged.document.seq >= conversation.floor ? logged.document : undefined;
  const known = hit?._source;
  return known !== undefined && known.rev >= conversation.born && known.seq >= conversation.floor ? known : undefined;
}

function groupRequests(requests: readonly AppendRequest[]): Group[] {
  const indexed = requests.map((request, index) => ({ ...request, index }));
  const groups = Map.groupBy(indexed, ({ tenant, conversationId }) => conversationKey(tenant, conversationId));
  return [...groups].map(([key, some]) => ({ key, requests: some }));
}
