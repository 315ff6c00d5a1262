import type { Message } from "../../domain/message.ts";
import { decodeParts } from "../../domain/parts-codec.ts";
import type { AppendRequest, NewMessage } from "../../domain/session-store.ts";
import { type ConversationRecord, insertConversations, isVisible, lastPlaces, nameKey, readConversations } from "./conversations.ts";
import { type FoundMessage, findMessages, insertMessages, type MessageRecord } from "./messages.ts";
import type { BigqueryRest } from "./rest.ts";

/** Counts up with time, also within a millisecond. */
export interface Clock {
  next(): number;
}

export function makeClock(): Clock {
  let last = 0;
  return {
    next() {
      last = Math.max(last + 1, Date.now() * 1_000);
      return last;
    },
  };
}

/** Places stay below 10^15 until 2055. */
const placesSince = 1_700_000_000_000;

/** Two processes that write in the same millisecond begin at different places, most likely. */
const firstPlace = () => (Date.now() - placesSince) * 1_000 + Math.floor(Math.random() * 1_000);

/** What is there already, read once for all requests. */
interface Known {
  readonly conversations: Map<string, ConversationRecord>;
  readonly places: Map<string, number>;
  readonly messages: Map<string, FoundMessage>;
}

const messageKey = (tenant: string, conversationId: string, id: string) => JSON.stringify([tenant, conversationId, id]);

/** One read, one insert of new conversations where there are any, and one insert of all messages. */
export async function append(
  rest: BigqueryRest,
  clock: Clock,
  requests: readonly AppendRequest[],
  signal?: AbortSignal,
): Promise<(Message[] | undefined)[]> {
  const known = await readKnown(rest, requests, signal);
  const made: ConversationRecord[] = [];
  const records = new Map<string, MessageRecord>();
  const answers = requests.map((request): Message[] | undefined => {
    const key = nameKey({ tenant: request.tenant, id: request.conversationId });
    let conversation = known.conversations.get(key);
    if (conversation === undefined && request.createConversation) {
      conversation = newConversation(request, clock.next());
      made.push(conversation);
      known.conversations.set(key, conversation);
    }
    if (!isVisible(conversation, { tenant: request.tenant, userId: request.userId, resourceId: request.requiredResourceId }))
      return undefined;
    let last = Math.max(known.places.get(key) ?? 0, firstPlace());
    const stored = request.messages.map((message) => {
      const id = messageKey(request.tenant, request.conversationId, message.id);
      const record = toRecord(
        request,
        conversation as ConversationRecord,
        message,
        records.get(id),
        known.messages.get(id),
        clock.next(),
        last + 1,
      );
      last = Math.max(last, record.seq);
      records.set(id, record);
      return toMessage(record);
    });
    known.places.set(key, last);
    return stored;
  });
  signal?.throwIfAborted();
  await insertMessages(rest, [...records.values()], () => insertConversations(rest, made));
  return answers;
}

async function readKnown(rest: BigqueryRest, requests: readonly AppendRequest[], signal: AbortSignal | undefined): Promise<Known> {
  const conversationNames = requests.map(({ tenant, conversationId }) => ({ tenant, id: conversationId }));
  const messageNames = requests.flatMap(({ tenant, userId, conversationId, messages }) =>
    messages.map(({ id }) => ({ tenant, userId, conversationId, messageId: id })),
  );
  const [conversations, places, messages] = await Promise.all([
    readConversations(rest, conversationNames, signal),
    lastPlaces(rest, conversationNames, signal),
    findMessages(rest, messageNames, undefined, signal),
  ]);
  const byKey = messages.map((one): [string, FoundMessage] => [messageKey(one.tenant, one.message.conversationId, one.message.id), one]);
  return { conversations, places, messages: new Map(byKey) };
}

function newConversation({ tenant, userId, conversationId, create, messages }: AppendRequest, version: number): ConversationRecord {
  const times = messages.map(({ createdAt }) => createdAt.getTime());
  return {
    ...{ tenant, user_id: userId, conversation_id: conversationId, resource_id: create.resourceId, title: create.title },
    ...{ metadata: create.metadataJson, language: create.language ?? null, version },
    ...{ pinned_at: null, archived_at: null },
    created_at: Math.min(...times),
    updated_at: Math.max(...times),
  };
}

function toRecord(
  request: AppendRequest,
  conversation: ConversationRecord,
  message: NewMessage,
  /** Of the same call. */
  earlier: MessageRecord | undefined,
  stored: FoundMessage | undefined,
  version: number,
  seq: number,
): MessageRecord {
  return {
    ...{ tenant: request.tenant, user_id: request.userId, conversation_id: request.conversationId, message_id: message.id },
    ...{ resource_id: conversation.resource_id, role: message.role, name: message.name, type: message.type, content: message.text },
    ...{ parts: message.partsJson, metadata: message.metadataJson },
    tool_ids: message.toolIds === null ? null : JSON.stringify(message.toolIds),
    seq: earlier?.seq ?? stored?.message.seq ?? seq,
    importance: message.importance ?? earlier?.importance ?? stored?.importance ?? null,
    created_at: earlier?.created_at ?? (stored?.message.createdAt ?? message.createdAt).getTime(),
    version: Math.max(version, (stored?.version ?? 0) + 1),
  };
}

function toMessage(record: MessageRecord): Message {
  return {
    id: record.message_id,
    conversationId: record.conversation_id,
    userId: record.user_id,
    seq: record.seq,
    role: record.role,
    name: record.name ?? undefined,
    content: record.content,
    parts: decodeParts(record.parts),
    metadata: JSON.parse(record.metadata),
    createdAt: new Date(record.created_at),
  };
}

/** Requests that leave in one statement, at most. */
const mostRequests = 500;

interface Waiting {
  readonly requests: readonly AppendRequest[];
  readonly resolve: (answers: (Message[] | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers appends while one is under way: statements take seconds and are counted, and their rows are not. */
export function appendQueue(
  send: (requests: readonly AppendRequest[]) => Promise<(Message[] | undefined)[]>,
): (requests: readonly AppendRequest[]) => Promise<(Message[] | undefined)[]> {
  let waiting: Waiting[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, mostRequests);
      waiting = waiting.slice(mostRequests);
      const sent = send(batch.flatMap(({ requests }) => requests));
      const answers = await sent.catch((error: unknown) => error);
      if (Array.isArray(answers)) {
        let start = 0;
        for (const { requests, resolve } of batch) {
          resolve(answers.slice(start, start + requests.length));
          start += requests.length;
        }
      } else if (batch.length === 1) batch[0]?.reject(answers);
      // One of them is at fault, and only its caller is told.
      else for (const { requests, resolve, reject } of batch) await send(requests).then(resolve, reject);
    }
    isRunning = false;
  }

  return (requests) =>
    new Promise((resolve, reject) => {
      waiting.push({ requests, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      // What is called in the same tick leaves together.
      queueMicrotask(() => void run());
    });
}
