import type { Conversation, ConversationChanges } from "../../domain/conversation.ts";
import { InvalidArgumentError, NotFoundError } from "../../domain/errors.ts";
import type { Memory, ScopedMemory } from "../../domain/memory.ts";
import { type Place, tenant } from "./place.ts";
import type {
  ConversationOrder,
  ConversationQueryOptions,
  CreateConversationInput,
  OrderDirection,
  VoltagentConversation,
} from "./shapes.ts";

const pageSize = 1_000;

const orders = { created_at: "createdAt", updated_at: "updatedAt", title: "title" } as const;
const directions = { ASC: "asc", DESC: "desc" } as const;

/** @throws ConflictError when the id is taken */
export async function createConversation(memory: Memory, input: CreateConversationInput): Promise<VoltagentConversation> {
  const { id, resourceId, userId, title, metadata } = input;
  const named = { ...(id ? { id } : {}), ...(resourceId ? { resourceId } : {}) };
  return toVoltagent(await memory.conversations.create({ ...named, userId, title: title ?? undefined, metadata: metadata ?? undefined }));
}

/** Null when it is not there, or is not this scope's. */
export async function findConversation(memory: ScopedMemory, id: string): Promise<VoltagentConversation | null> {
  try {
    return toVoltagent(await memory.conversations.get(id));
  } catch (error) {
    if (NotFoundError.isInstance(error) && error.code === "not_found") return null;
    throw error;
  }
}

/** A limit of 0 or less is none, and then there is no offset either. */
export async function queryConversations(memory: Memory, options: ConversationQueryOptions): Promise<VoltagentConversation[]> {
  const { userId, resourceId, limit = 50, offset = 0, orderBy = "updated_at", orderDirection = "DESC" } = options;
  const query = {
    userId,
    resourceId,
    orderBy: chosen("orderBy", orders, orderBy),
    direction: chosen("orderDirection", directions, orderDirection),
  };
  const most = limit > 0 ? limit : Number.POSITIVE_INFINITY;
  const found: VoltagentConversation[] = [];
  let place: { readonly cursor: string } | { readonly offset: number } = { offset: limit > 0 ? offset : 0 };
  for (;;) {
    const page = await memory.conversations.list({ ...query, ...place, limit: Math.min(most - found.length, pageSize) });
    found.push(...page.items.map(toVoltagent));
    if (page.nextCursor === undefined || found.length >= most) return found;
    place = { cursor: page.nextCursor };
  }
}

/** @throws NotFoundError */
export async function updateConversation(place: Place, id: string, changes: ConversationChanges): Promise<VoltagentConversation> {
  const { conversations } = place.memory();
  const { userId, resourceId, title, metadata } = changes;
  const updated = await conversations.update(id, { userId, resourceId, title, metadata });
  if (title !== undefined || metadata !== undefined) return toVoltagent(updated);
  // To give it to somebody else is a change too, in VoltAgent.
  await place.query("update conversation", {
    text: `UPDATE ${place.names.table.conversations} SET updated_at = GREATEST(now(), updated_at) WHERE tenant = $1 AND user_id = $2 AND id = $3`,
    values: [tenant, updated.userId, id],
  });
  return toVoltagent(await conversations.get(id));
}

/** One page, and whether there is another. */
export interface ConversationsPage {
  conversations: VoltagentConversation[];
  page: number;
  pageSize: number;
  hasMore: boolean;
}

/** `page` counts from 1. */
export async function pageOfConversations(memory: Memory, userId: string, page: number, size: number): Promise<ConversationsPage> {
  for (const [field, value] of [["page", page] as const, ["pageSize", size] as const])
    if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError(field, "must be a whole number of at least 1");
  const conversations = await queryConversations(memory, { userId, limit: size + 1, offset: (page - 1) * size });
  return { conversations: conversations.slice(0, size), page, pageSize: size, hasMore: conversations.length > size };
}

/** A query that can be run as it is. */
export interface ExecutableQuery {
  /** Runs it. Without `limit` it gives 50, without `orderBy` those changed last first. */
  execute(): Promise<VoltagentConversation[]>;
}

/** A query that can still be given an order. */
export interface OrderableQuery<Next> {
  /**
   * By which field, and which way. @default "updated_at", "DESC"
   *
   * @throws InvalidArgumentError in `execute` for what is no field or direction
   */
  orderBy(field?: ConversationOrder, direction?: OrderDirection): Next;
}

/** A query that can still be given a limit. */
export interface LimitableQuery<Next> {
  /** At most so many; without it 50. */
  limit(count: number): Next;
}

/** Conversations of a user: `limit` and `orderBy` in either order, each once or not at all. */
export type UserConversationsQuery = ExecutableQuery &
  LimitableQuery<ExecutableQuery & OrderableQuery<ExecutableQuery>> &
  OrderableQuery<ExecutableQuery & LimitableQuery<ExecutableQuery>>;

/** The fluent query of `getUserConversations`; `run` is what it ends in. */
export function userConversationsQuery(
  run: (options: Pick<ConversationQueryOptions, "limit" | "orderBy" | "orderDirection">) => Promise<VoltagentConversation[]>,
): UserConversationsQuery {
  const ordered = (orderBy: ConversationOrder = "updated_at", orderDirection: OrderDirection = "DESC") => ({ orderBy, orderDirection });
  return {
    execute: () => run({}),
    limit: (limit) => ({
      execute: () => run({ limit }),
      orderBy: (field, direction) => ({ execute: () => run({ limit, ...ordered(field, direction) }) }),
    }),
    orderBy: (field, direction) => ({
      execute: () => run(ordered(field, direction)),
      limit: (limit) => ({ execute: () => run({ limit, ...ordered(field, direction) }) }),
    }),
  };
}

function toVoltagent({ id, resourceId, userId, title, metadata, createdAt, updatedAt }: Conversation): VoltagentConversation {
  const times = { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
  return { id, resourceId, userId, title, metadata: { ...metadata }, ...times };
}

/** Looked up and never put into a statement: what is not in the list is an error. */
function chosen<Choices extends Readonly<Record<string, string>>>(field: string, choices: Choices, value: string): Choices[keyof Choices] {
  if (!Object.hasOwn(choices, value)) throw new InvalidArgumentError(field, `must be ${Object.keys(choices).join(", ")}`);
  return choices[value as keyof Choices];
}
