import { NotFoundError } from "../../domain/errors.ts";
import type { ListMessagesOptions, Memory } from "../../domain/memory.ts";
import type { Message, MessageInputObject } from "../../domain/message.ts";
import type { GetMessagesOptions, UiMessageLike } from "./shapes.ts";

const mostAtOnce = 10_000;

/** A UIMessage as a message of ours. The time of its metadata is its own, and is not stored there once more. */
export function toInput({ id, role, parts, metadata, ...rest }: UiMessageLike): MessageInputObject {
  const { content } = rest as { content?: unknown };
  const { createdAt, ...others } = (metadata ?? {}) as { createdAt?: unknown };
  return {
    ...(id === "" ? {} : { id }),
    role,
    ...(Array.isArray(parts) || typeof content !== "string" ? { parts } : { content }),
    metadata: others,
    createdAt: timeOf(createdAt),
  };
}

function timeOf(value: unknown): Date | undefined {
  if (!(value instanceof Date) && typeof value !== "string" && typeof value !== "number") return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function toUiMessage<Stored extends UiMessageLike>({ id, role, parts, metadata, createdAt }: Message): Stored {
  const stored: UiMessageLike = { id, role, metadata: { ...metadata, createdAt }, parts };
  return stored as Stored;
}

/** The newest messages that match, oldest first. Those of a conversation that is not there, or is somebody else's: none. */
export async function getMessages<Stored extends UiMessageLike>(
  memory: Memory,
  userId: string,
  conversationId: string,
  { limit, before, after, roles }: GetMessagesOptions,
): Promise<Stored[]> {
  const query = { before, after, roles: roles !== undefined && roles.length > 0 ? roles : undefined };
  const wanted = limit !== undefined && limit > 0 ? Math.ceil(limit) : Number.POSITIVE_INFINITY;
  const list = (options: ListMessagesOptions) => memory.scope({ userId }).messages.list(conversationId, { ...query, ...options });
  try {
    const pages: (readonly Message[])[] = [];
    let cursor: string | undefined;
    for (let left = wanted; left > 0; ) {
      const page = await list({ limit: Math.min(left, mostAtOnce), cursor });
      pages.unshift(page.items);
      left -= page.items.length;
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    return questionsFirst(pages.flat()).map((message) => toUiMessage<Stored>(message));
  } catch (error) {
    return otherwise(error, []);
  }
}

/**
 * VoltAgent stores what it was asked and what it answered in two tasks, and names their operation in both: where the
 * answer arrived first, the question still goes before it.
 */
function questionsFirst(messages: readonly Message[]): readonly Message[] {
  const questions = new Map<Message, Message[]>();
  const answers = new Map<unknown, Message>();
  for (const message of messages) {
    const { operationId } = message.metadata;
    if (typeof operationId !== "string") continue;
    const answer = answers.get(operationId);
    if (message.role !== "user") answers.set(operationId, answer ?? message);
    else if (answer !== undefined) questions.set(answer, [...(questions.get(answer) ?? []), message]);
  }
  if (questions.size === 0) return messages;
  const late = new Set([...questions.values()].flat());
  return messages.flatMap((message) => (late.has(message) ? [] : [...(questions.get(message) ?? []), message]));
}

/** What is not there is answered with `value`; any other error is thrown on. */
export function otherwise<Value>(error: unknown, value: Value): Value {
  if (error instanceof NotFoundError) return value;
  throw error;
}
