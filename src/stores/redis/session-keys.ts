import { stableId } from "../../internal/stable-id.ts";

/** Keys of one conversation share a slot of a cluster: what stands in braces is the same. */
export function conversationKeys(prefix: string, tenant: string, id: string): string[] {
  const tag = `${prefix}{${stableId("conversation", tenant, id)}}:`;
  return conversationParts.map((part) => tag + part);
}

/**
 * The parts, in the order the scripts take them: its own fields; payloads, what filters and ranking read, places in order, and
 * places by message id; tool ids by place; what is owed by its time, and what it is.
 */
const conversationParts = ["conversation", "messages", "meta", "order", "ids", "tools", "due", "work"] as const;

/** The conversations of a user, or of a tenant when `userId` is undefined, in three orders; the entry each has in the third. */
export interface Listing {
  readonly updatedAt: string;
  readonly createdAt: string;
  readonly title: string;
  readonly titles: string;
}

export function listingKeys(prefix: string, tenant: string, userId: string | undefined): Listing {
  const tag = `${prefix}{${userId === undefined ? stableId("tenant", tenant) : stableId("user", tenant, userId)}}:`;
  return { updatedAt: `${tag}updated`, createdAt: `${tag}created`, title: `${tag}title`, titles: `${tag}titles` };
}

/** In the order the scripts take them. */
export const keysOfListing = ({ updatedAt, createdAt, title, titles }: Listing) => [updatedAt, createdAt, title, titles];

/** Hash in a tenant: whose each conversation is. */
export const ownersKey = (prefix: string, tenant: string) => `${prefix}{${stableId("tenant", tenant)}}:owners`;

/** Set of all tenants. */
export const tenantsKey = (prefix: string) => `${prefix}tenants`;

/** The embedding space that is owed. */
export const spaceKey = (prefix: string) => `${prefix}space`;

/** Sorted set of the conversations that something is owed for, by when. */
export const dueKey = (prefix: string) => `${prefix}due`;

/** A conversation's title in a sorted set that orders by it: the id follows what no title holds. */
export const titleMember = (title: string, id: string) => `${title.replaceAll("\0", "")}\0${id}`;
export const idOfTitleMember = (member: string) => member.slice(member.indexOf("\0") + 1);

/** Names a conversation in {@link dueKey}. */
export const dueMember = (tenant: string, id: string) => JSON.stringify([tenant, id]);
export const parseDueMember = (member: string) => JSON.parse(member) as [tenant: string, id: string];
