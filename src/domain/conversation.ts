import type { Message, Metadata } from "./message.ts";

/** An ordered list of messages of one user with one resource. */
export interface Conversation {
  readonly id: string;
  readonly userId: string;
  /** The agent or app that talks; `"default"` unless given. */
  readonly resourceId: string;
  readonly title: string;
  readonly metadata: Metadata;
  /** The text-search language of its messages; `undefined` means the memory's own. */
  readonly language: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Since when it is pinned; `undefined`: it is not. */
  readonly pinnedAt: Date | undefined;
  /** Since when it is archived; `undefined`: it is not. It is searched and recalled as before. */
  readonly archivedAt: Date | undefined;
}

/** A conversation of a list, with what the list was asked to include. */
export interface ListedConversation extends Conversation {
  /** How many messages it holds. Only with `include: ["messageCount"]`. */
  readonly messageCount?: number | undefined;
  /** Its newest message; `undefined` when it is empty. Only with `include: ["lastMessage"]`. */
  readonly lastMessage?: Message | undefined;
}

/** A conversation that a search found. */
export interface ConversationHit {
  readonly conversation: Conversation;
  /** Orders one list of hits; compares with nothing else. */
  readonly score: number;
  /** Whether words of the query are in its title. */
  readonly titleMatches: boolean;
  /** The message that answers best, when one does. */
  readonly message?: Message | undefined;
  /** A line of that message around the words, at most 160 characters. */
  readonly snippet?: string | undefined;
}

/** What a list of conversations tells of each beside itself. */
export type ConversationDetail = "messageCount" | "lastMessage";

/** A conversation to be made; an administrator's handle has to say whose it is. */
export interface ConversationInput {
  /** @default a new UUID */
  readonly id?: string | undefined;
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /** @default "" */
  readonly title?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** A PostgreSQL text-search configuration, e.g. `"german"`; one the server does not have becomes `"simple"`. */
  readonly language?: string | undefined;
}

/** What `conversations.update` changes; what is left out stays. */
export interface ConversationChanges {
  readonly title?: string | undefined;
  /** Replaces the whole object. */
  readonly metadata?: Metadata | undefined;
  /** Pinning what is pinned keeps its time. Pins and archives leave `updatedAt` as it is. */
  readonly pinned?: boolean | undefined;
  readonly archived?: boolean | undefined;
  /**
   * Administrator's handle only: gives the conversation to another user, with its messages, vectors and records. Offered
   * by Postgres, SQLite and the memory store.
   */
  readonly userId?: string | undefined;
  /** Administrator's handle only: moves it to another agent or app, as `userId` does to another user. */
  readonly resourceId?: string | undefined;
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Hand it back as `cursor` for the next page; `undefined` on the last one. */
  readonly nextCursor: string | undefined;
}
