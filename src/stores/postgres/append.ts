import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { type ConversationAppend, fullAppend, plainAppend } from "./append-statements.ts";
import type { Database } from "./database.ts";
import { type PrunedMessage, prune } from "./prune.ts";
import { SqlError, type SqlStatement } from "./sql-client.ts";

/** Beyond this many messages a batch is a bulk load, and usually of new conversations. */
const mostPlainMessages = 256;

/**
 * Stores any number of requests in one statement: places in their conversations, ledger rows, search rows and what a
 * worker owes. New conversations are claimed in the same statement. A request without rows in the answer was not allowed.
 *
 * New messages of conversations this process has met go by a plain statement that only inserts; it fails as a whole
 * when an id is there already, and the full statement, which can update, takes over.
 *
 * Requests that name `keepNewest` take a transaction, in which what is too old is deleted.
 */
export async function append(
  database: Database,
  requests: readonly AppendRequest[],
  signal?: AbortSignal,
): Promise<(Message[] | undefined)[]> {
  const conversations = groupByConversation(requests);
  const isPruning = conversations.some(({ first }) => first.keepNewest !== undefined);
  const outcome = await (isPruning ? appendAndPrune(database, conversations, signal) : appendAll(database, conversations, signal));
  for (const [{ first }, rows] of outcome) {
    const replaced = rows.filter(({ isReplaced }) => isReplaced === true).map(({ seq }) => seq);
    if (replaced.length > 0) first.onReplaced?.(replaced);
  }
  for (const conversation of outcome.keys()) for (const key of keysOf(conversation)) database.written.add(key);
  return collect(requests, conversations, outcome);
}

async function appendAll(database: Database, conversations: readonly ConversationAppend[], signal: AbortSignal | undefined) {
  const outcome = (isPlain(database, conversations) && (await appendPlain(database, conversations, signal))) || new Map();
  return appendMissed(conversations, outcome, (missed) => appendFully(database, missed, signal));
}

/** Twice: a conversation that another transaction was just creating is invisible to the first statement's snapshot. */
async function appendMissed(
  conversations: readonly ConversationAppend[],
  outcome: Outcome,
  run: (missed: readonly ConversationAppend[]) => Promise<Outcome>,
): Promise<Outcome> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const missed = conversations.filter(
      (conversation) => !outcome.has(conversation) && (attempt === 0 || conversation.first.createConversation),
    );
    if (missed.length === 0) break;
    for (const [conversation, rows] of await run(missed)) outcome.set(conversation, rows);
  }
  return outcome;
}

/** A statement that fails ends its transaction: the next try is one of its own. */
async function appendAndPrune(
  database: Database,
  conversations: readonly ConversationAppend[],
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  let plainly = isPlain(database, conversations);
  for (let attempt = 1; ; attempt++) {
    try {
      const { outcome, pruned } = await database.client.transaction(
        async (transaction) => {
          const run = async (statement: SqlStatement, some: readonly ConversationAppend[]) =>
            byConversation(some, (await transaction.query<PlacedRow>(statement)).rows);
          const first = plainly ? await run(plainAppend(database, conversations), conversations) : new Map();
          const outcome = await appendMissed(conversations, first, (missed) => run(fullAppend(database, missed), missed));
          return { outcome, pruned: await prune(database, transaction, keptOf(outcome)) };
        },
        { signal },
      );
      tellPruned(conversations, pruned);
      return outcome;
    } catch (error) {
      const isOutrun = error instanceof SqlError && (error.sqlState === uniqueViolation || error.sqlState === divisionByZero);
      if (!isOutrun || attempt === 3) throw error;
      plainly = false;
    }
  }
}

/** One request of a conversation is enough to tell. */
function tellPruned(conversations: readonly ConversationAppend[], pruned: readonly PrunedMessage[]): void {
  for (const { first } of conversations) {
    const own = pruned.filter(
      (one) => one.conversationId === first.conversationId && one.userId === first.userId && one.tenant === first.tenant,
    );
    if (own.length > 0) first.onPruned?.(own.map(({ messageId }) => messageId));
  }
}

/** Conversations that may hold too much: the places given out so far are at least as many as the messages. */
function keptOf(outcome: Outcome) {
  return [...outcome].flatMap(([{ first }, rows]) => {
    const { tenant, userId, conversationId, keepNewest } = first;
    const isLong = keepNewest !== undefined && rows.some(({ seq }) => seq > keepNewest);
    return isLong ? [{ tenant, userId, conversationId, keepNewest }] : [];
  });
}

function isPlain(database: Database, conversations: readonly ConversationAppend[]): boolean {
  const count = conversations.reduce((sum, { messages }) => sum + messages.length, 0);
  return (
    count <= mostPlainMessages &&
    conversations.every((conversation) => {
      const [whole, ...messages] = keysOf(conversation);
      return database.written.has(whole as string) && !messages.some((key) => database.written.has(key));
    })
  );
}

/** The conversation first, then each message. */
function keysOf({ first, messages }: ConversationAppend): string[] {
  const whole = JSON.stringify([first.tenant, first.userId, first.conversationId]);
  return [whole, ...messages.map((message) => `${whole}${message.id}`)];
}

/** Undefined when a message id is there already: nothing was stored. */
async function appendPlain(
  database: Database,
  conversations: readonly ConversationAppend[],
  signal: AbortSignal | undefined,
): Promise<Outcome | undefined> {
  try {
    const { rows } = await database.client.query<PlacedRow>({ ...plainAppend(database, conversations), signal });
    return byConversation(conversations, rows);
  } catch (error) {
    if (error instanceof SqlError && error.sqlState === uniqueViolation) return undefined;
    throw error;
  }
}

async function appendFully(
  database: Database,
  conversations: readonly ConversationAppend[],
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const statement = { ...fullAppend(database, conversations), signal };
  const { rows } = await database.client.query<PlacedRow>(statement).catch((error: unknown) => {
    if (!(error instanceof SqlError && error.sqlState === divisionByZero)) throw error;
    return database.client.query<PlacedRow>(statement);
  });
  return byConversation(conversations, rows);
}

type Outcome = Map<ConversationAppend, PlacedRow[]>;

const uniqueViolation = "23505";
/** By which {@link fullAppend} says that it looked at an old snapshot. */
const divisionByZero = "22012";

interface PlacedRow {
  readonly conversation: number;
  readonly position: number;
  readonly seq: number;
  readonly createdAt: number;
  /** It was there, and said something else. */
  readonly isReplaced?: boolean;
}

function groupByConversation(requests: readonly AppendRequest[]): ConversationAppend[] {
  const groups = new Map<string, ConversationAppend & { readonly places: Map<string, number> }>();
  requests.forEach((request, index) => {
    const key = JSON.stringify([
      request.tenant,
      request.userId,
      request.conversationId,
      request.requiredResourceId,
      request.createConversation,
      request.keepNewest,
    ]);
    const group = groups.get(key) ?? { first: request, requests: [], messages: [], places: new Map<string, number>() };
    groups.set(key, group);
    const positions = request.messages.map((message) => {
      const position = group.places.get(message.id) ?? group.messages.length;
      group.places.set(message.id, position);
      group.messages[position] = message;
      return position;
    });
    group.requests.push({ index, positions });
  });
  return [...groups.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, group]) => group);
}

function byConversation(conversations: readonly ConversationAppend[], rows: readonly PlacedRow[]): Outcome {
  const outcome: Outcome = new Map();
  for (const row of rows) {
    const conversation = conversations[row.conversation - 1] as ConversationAppend;
    const placed = outcome.get(conversation);
    if (placed === undefined) outcome.set(conversation, [row]);
    else placed.push(row);
  }
  return outcome;
}

/** Deals the stored rows out to the requests they came from. */
function collect(
  requests: readonly AppendRequest[],
  conversations: readonly ConversationAppend[],
  outcome: ReadonlyMap<ConversationAppend, readonly PlacedRow[]>,
) {
  const answers: (Message[] | undefined)[] = new Array(requests.length).fill(undefined);
  for (const conversation of conversations) {
    const placed = outcome.get(conversation);
    if (placed === undefined) continue;
    const byPosition = new Map(placed.map((row) => [row.position, row]));
    for (const { index, positions } of conversation.requests) {
      const request = requests[index] as AppendRequest;
      answers[index] = positions.map((position) =>
        toMessage(request, conversation.messages[position] as NewMessage, byPosition.get(position) as PlacedRow),
      );
    }
  }
  return answers;
}

function toMessage(request: AppendRequest, message: NewMessage, row: PlacedRow): Message {
  return {
    id: message.id,
    conversationId: request.conversationId,
    userId: request.userId,
    seq: row.seq,
    role: message.role,
    name: message.name ?? undefined,
    content: message.text,
    parts: decodeParts(message.partsJson),
    metadata: JSON.parse(message.metadataJson),
    createdAt: new Date(row.createdAt),
  };
}
