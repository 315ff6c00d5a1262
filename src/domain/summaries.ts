import type { CallOptions } from "./call-options.ts";
import type { Page } from "./conversation.ts";
import type { LanguageModelLike } from "./titles.ts";

/**
 * A text that stands for a run of a conversation: of its messages (level 1), or of summaries of the level below. The messages
 * stay as they are. It is deleted as soon as one of its messages is edited or deleted.
 */
export interface Summary {
  readonly id: string;
  readonly conversationId: string;
  readonly userId: string;
  readonly resourceId: string;
  /** Its statements, a line each. */
  readonly text: string;
  readonly statements: readonly SummaryStatement[];
  /** 1: made of messages; one more than that of the summaries it was made of. */
  readonly level: number;
  /** Ids of these summaries; of level 1, none. */
  readonly summaryIds: readonly string[];
  /** Places of the conversation it stands for, both inclusive. */
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly messageCount: number;
  /** When the first and the last of its messages were written. */
  readonly from: Date;
  readonly until: Date;
  /** Who wrote it: a language model, or nobody (its sentences are those of the messages). */
  readonly method: "model" | "extractive";
  readonly createdAt: Date;
}

/** One thing that a summary says. */
export interface SummaryStatement {
  readonly text: string;
  /** What must not be lost, such as a name, a number, a decision: it stays in every summary made of this one. */
  readonly isKey: boolean;
}

/** What stands for a conversation up to a place: one summary, or several side by side. */
export interface ConversationSummary {
  readonly conversationId: string;
  /** Theirs, one after the other. */
  readonly text: string;
  /** Oldest first; none is part of another. */
  readonly summaries: readonly Summary[];
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly messageCount: number;
  /** When the last of the messages was written. */
  readonly until: Date;
}

/** Whose conversation it is. */
export interface SummaryOptions extends CallOptions {
  /** Administrator's handle: whose it is. */
  readonly userId?: string | undefined;
}

/** What of a conversation is summarised, by whom, and whether anew. */
export interface CreateSummaryOptions extends SummaryOptions {
  /** Newest messages of so many tokens stay out, whole tool exchanges together. 0 or more. @default 0: all are summarised */
  readonly keepTokens?: number | undefined;
  /**
   * An AI SDK language model; `false`: sentences of the messages themselves.
   * @default that of `createMemory({ summaries: { model } })`, else none
   */
  readonly model?: LanguageModelLike | false | undefined;
  /** Makes all of it anew, e.g. by another model. @default false */
  readonly force?: boolean | undefined;
}

/** Which summaries of a conversation, and how many at once. */
export interface ListSummariesOptions extends SummaryOptions {
  /** Only those of this level. @default all */
  readonly level?: number | undefined;
  /** 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** When and by whom conversations are summarised: `createMemory({ summaries })`. */
export interface SummariesOption {
  /**
   * Summarises in the background, as soon as the messages that are in no summary take more tokens than this. Above
   * `keepTokens`. @default 4000
   */
  readonly afterTokens?: number | undefined;
  /**
   * The same, as soon as there are more messages than this; what fits `keepTokens` stays out all the same. 2 to 1,000,000.
   * @default any number
   */
  readonly afterMessages?: number | undefined;
  /** Newest messages of so many tokens are left out then. @default half of `afterTokens` */
  readonly keepTokens?: number | undefined;
  /** An AI SDK language model. @default none: the sentences that say most, as they are */
  readonly model?: LanguageModelLike | undefined;
  /** What the model is told beside the messages, e.g. what matters to this app. @default nothing more */
  readonly instructions?: string | undefined;
}

/**
 * `summaries` of a handle. Messages beyond a budget are folded into summaries of level 1, four of which are folded into one
 * of level 2, and so on; what is key in one stays in all above it. One process at a time works on a conversation.
 */
export interface Summaries {
  /**
   * Brings the summaries of a conversation up to date, and answers what stands for it now; undefined when there is nothing
   * to summarise.
   *
   * @throws NotFoundError for the conversation
   * @throws ConflictError when messages are changed again and again meanwhile, or another process takes too long
   */
  create(conversationId: string, options?: CreateSummaryOptions): Promise<ConversationSummary | undefined>;
  /** What stands for a conversation now, without making anything. @throws NotFoundError for the conversation */
  current(conversationId: string, options?: SummaryOptions): Promise<ConversationSummary | undefined>;
  /** All summaries of a conversation, those that are part of others too, newest places first. @throws NotFoundError */
  list(conversationId: string, options?: ListSummariesOptions): Promise<Page<Summary>>;
  /** A summary by its id, be it part of another or not. @throws NotFoundError for the conversation or the summary */
  get(conversationId: string, summaryId: string, options?: SummaryOptions): Promise<Summary>;
  /** Deletes a summary with those made of it, or all of a conversation; how many. @throws NotFoundError for the conversation */
  delete(conversationId: string, summaryId?: string, options?: SummaryOptions): Promise<number>;
}
