import type { Metadata } from "./message.ts";

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
}

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

/** What `conversations.update` changes; what is left out stays. `metadata` replaces the whole object. */
export interface ConversationChanges {
  readonly title?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Hand it back as `cursor` for the next page; `undefined` on the last one. */
  readonly nextCursor: string | undefined;
}
