import type { Conversation } from "../../domain/conversation.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ListConversationsOptions, Memory } from "../../domain/memory.ts";
import type { ConversationQueryOptions, VoltagentConversation } from "./shapes.ts";

const mostAtOnce = 1000;

export function toVoltagentConversation({
  id,
  resourceId,
  userId,
  title,
  metadata,
  createdAt,
  updatedAt,
}: Conversation): VoltagentConversation {
  return {
    id,
    resourceId,
    userId,
    title,
    metadata: { ...metadata },
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

const orders = { created_at: "createdAt", updated_at: "updatedAt", title: "title" } as const;
const directions = { ASC: "asc", DESC: "desc" } as const;

/**
 * Conversations of a user, of a resource, or of both.
 *
 * @throws InvalidArgumentError for an order that is none: names of columns never reach a statement
 */
export async function queryConversations(memory: Memory, options: ConversationQueryOptions): Promise<VoltagentConversation[]> {
  const query = {
    ...owners(options),
    orderBy: chosen("orderBy", orders, options.orderBy ?? "updated_at"),
    direction: chosen("orderDirection", directions, options.orderDirection ?? "DESC"),
  };
  const wanted = options.limit !== undefined && options.limit > 0 ? options.limit : Number.POSITIVE_INFINITY;
  const found: Conversation[] = [];
  let place: Pick<ListConversationsOptions, "offset" | "cursor"> = { offset: Math.max(0, options.offset ?? 0) };
  while (found.length < wanted) {
    const page = await memory.conversations.list({ ...query, ...place, limit: Math.min(wanted - found.length, mostAtOnce) });
    found.push(...page.items);
    if (page.nextCursor === undefined) break;
    place = { cursor: page.nextCursor };
  }
  return found.map(toVoltagentConversation);
}

/** An empty name names nobody in particular, as in VoltAgent. */
export function owners({ userId, resourceId }: ConversationQueryOptions): Pick<ListConversationsOptions, "userId" | "resourceId"> {
  return { userId: userId || undefined, resourceId: resourceId || undefined };
}

function chosen<Known extends Readonly<Record<string, string>>>(field: string, known: Known, choice: string): Known[keyof Known] {
  if (!Object.hasOwn(known, choice))
    throw new InvalidArgumentError(
      field,
      `must be ${Object.keys(known)
        .map((name) => `"${name}"`)
        .join(" or ")}`,
    );
  return known[choice as keyof Known];
}
