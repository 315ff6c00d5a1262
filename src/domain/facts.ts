import type { CallOptions } from "./call-options.ts";
import type { Page } from "./conversation.ts";
import type { LanguageModelLike } from "./titles.ts";

/**
 * Something an agent knows, with two time axes: when it is true (`validFrom`, `validTo`), and when we learnt it and learnt
 * better (`recordedAt`, `supersededAt`). Nothing that was known is overwritten: a fact that is superseded stays in the
 * history until it is deleted.
 */
export interface Fact {
  readonly id: string;
  readonly userId: string;
  readonly resourceId: string;
  /** Whom or what it is about; `"user"`: the user. Compared without case. */
  readonly subject: string;
  /** Snake case, e.g. `"lives_in"`; undefined: a free statement. */
  readonly predicate: string | undefined;
  readonly object: string | undefined;
  /** The fact as a sentence: what is searched and shown. */
  readonly statement: string;
  /** 0 to 1. */
  readonly confidence: number;
  /** Which messages say so. A fact that had sources is deleted with the last of them. */
  readonly sources: readonly FactSource[];
  /** It came from the output of a tool, which anybody may have written. */
  readonly isUntrusted: boolean;
  /** It says that something is no longer so, from `validFrom` on; it is in histories, and never current. */
  readonly isEnd: boolean;
  /** Undefined: for as long as anybody knows. */
  readonly validFrom: Date | undefined;
  /** True until then (exclusive), as is known now; undefined: it is true until something else is learnt. */
  readonly validTo: Date | undefined;
  readonly recordedAt: Date;
  /** When we learnt of something that ends or replaces it. */
  readonly supersededAt: Date | undefined;
  /** The fact that does. */
  readonly supersededBy: string | undefined;
  /** Given up as wrong: believed only until then. */
  readonly retraction: { readonly at: Date; readonly reason: string } | undefined;
  /** Facts it was concluded from. */
  readonly derivedFrom: readonly string[];
  /** A fact it was concluded from, directly or not, was superseded, retracted or deleted since. */
  readonly isStale: boolean;
  /** 1, and one more with each change. */
  readonly version: number;
}

/** A message that says so. */
export interface FactSource {
  readonly conversationId: string;
  readonly messageId: string;
}

/** A point in time: a date, ISO 8601, or epoch milliseconds. */
export type FactTime = Date | string | number;

/** A fact to be asserted: what is so, since when, and who says so. */
export interface FactInput {
  /** At most 256 characters. @default "user" */
  readonly subject?: string | undefined;
  /** At most 100 characters; `"lives in"` and `"lives_in"` are one. Left out: a free statement. */
  readonly predicate?: string | undefined;
  /** At most 2,000 characters. Required with a predicate, unless `isEnd` ends whatever there is. */
  readonly object?: string | undefined;
  /** At most 4,000 characters; required without a predicate. @default subject, predicate and object as words */
  readonly statement?: string | undefined;
  /** 0 to 1. @default 1 */
  readonly confidence?: number | undefined;
  /** @default none */
  readonly sources?: readonly FactSource[] | undefined;
  /** @default false */
  readonly isUntrusted?: boolean | undefined;
  /**
   * Whether the subject has one value of this predicate at a time, so that a new one supersedes the old one. It must be said
   * the same way each time. @default whether the predicate is among those of `createMemory({ facts: { single } })`
   */
  readonly single?: boolean | undefined;
  /** It is no longer so, from `validFrom` on: of the object, or with none of whatever value there is. @default false */
  readonly isEnd?: boolean | undefined;
  /** Since when it is true; `null`: for as long as anybody knows. @default when it was recorded */
  readonly validFrom?: FactTime | null | undefined;
  /** Until when it is true (exclusive), where that is known; such a fact supersedes none. @default open */
  readonly validTo?: FactTime | undefined;
  /** When it was learnt, for what is brought from elsewhere. @default now */
  readonly recordedAt?: FactTime | undefined;
  /** Ids of facts it is concluded from. @default none */
  readonly derivedFrom?: readonly string[] | undefined;
  /** Administrator's handle: whose it is. */
  readonly userId?: string | undefined;
  /** @default the scope's, else "default" */
  readonly resourceId?: string | undefined;
}

/** Which facts, of whom. */
export interface FactSelection extends CallOptions {
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly subject?: string | undefined;
  readonly predicate?: string | undefined;
}

/** Which facts, and by what was known when. */
export interface KnownFactsOptions extends FactSelection {
  /** As was known then. @default as is known now */
  readonly knownAt?: FactTime | undefined;
}

/** Which facts, and true at what time. */
export interface TrueFactsOptions extends FactSelection {
  /** What was held to be true of this time. @default the time of the knowledge itself */
  readonly asOf?: FactTime | undefined;
}

/** Which facts a list holds, and in which order. */
export interface ListFactsOptions extends FactSelection {
  /** Only facts that are true now, as is known now. @default all but the retracted */
  readonly current?: boolean | undefined;
  /** Retracted ones, too. @default false */
  readonly retracted?: boolean | undefined;
  /** Order of `recordedAt`. @default "desc" */
  readonly direction?: "asc" | "desc" | undefined;
  /** 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** Among which facts a search looks, how many it gives, and how near they must be. */
export interface SearchFactsOptions extends FactSelection {
  /** Facts that were true once, too. @default false */
  readonly past?: boolean | undefined;
  /** 1 to 100. @default 10 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1; leaves out what has no vector. @default none */
  readonly minSimilarity?: number | undefined;
  /** A vector of the query, brought by the caller; the query is then not embedded. */
  readonly embedding?: Float32Array | readonly number[] | undefined;
}

/** A fact a search found. */
export interface FactHit {
  readonly fact: Fact;
  /** Orders one list of hits; compares with nothing else. */
  readonly score: number;
  readonly scores: {
    /** Cosine similarity; undefined when vectors did not bring it up. */
    readonly vector: number | undefined;
    /** Full-text rank; undefined when words did not bring it up. */
    readonly text: number | undefined;
  };
}

/** Whose fact it is. */
export interface FactOptions extends CallOptions {
  /** Administrator's handle: whose it is. */
  readonly userId?: string | undefined;
}

/** Which messages are read, and by what: a model, or rules alone. */
export interface ExtractFactsOptions extends CallOptions {
  /** Administrator's handle: whose conversations. */
  readonly userId?: string | undefined;
  readonly resourceId?: string | undefined;
  /**
   * An AI SDK language model; `false`: only what the rules find that need none.
   * @default that of `createMemory({ facts: { extract: { model } } })`, else none
   */
  readonly model?: LanguageModelLike | false | undefined;
  /** Only messages created at or after. @default all */
  readonly since?: FactTime | undefined;
  /** Read the output of tools, too; what it says is marked `isUntrusted`. @default false */
  readonly toolOutput?: boolean | undefined;
}

/** What was read, and what came of it. */
export interface FactExtraction {
  /** Messages read for the first time, or again since they changed. */
  readonly messages: number;
  /** Facts that were new, those that supersede others among them. */
  readonly added: number;
  /** Facts that stopped being the last word by what was added. */
  readonly superseded: number;
  /** Facts found that were known before: they have one more source now. */
  readonly confirmed: number;
}

/** How facts are kept and found: `createMemory({ facts })`. */
export interface FactsOption {
  /** Predicates with one value at a time, beside the ones known: see `singleValuedPredicates`. @default [] */
  readonly single?: readonly string[] | undefined;
  /**
   * Reads facts out of messages after they are stored, in the background: by rules (`true`), or by a language model of the
   * AI SDK. @default false
   */
  readonly extract?: boolean | FactExtractionModel | undefined;
}

/** A model that reads facts out of messages, and what it is told. */
export interface FactExtractionModel {
  readonly model: LanguageModelLike;
  /** What the model is told beside the messages, e.g. what matters to this app. @default nothing more */
  readonly instructions?: string | undefined;
}

/**
 * `facts` of a handle: what is known of a user, in each of the user's resources for itself.
 *
 * Of a predicate with one value at a time, asserting a new one supersedes the old one: there is one last word, guaranteed by
 * the store. A fact about an earlier time, told later, takes its place in the past and supersedes nothing that came after.
 */
export interface Facts {
  /**
   * Asserts a fact. What is known already gets the new sources and the higher confidence, and comes back as it is now.
   *
   * @throws NotFoundError for a fact it is derived from
   * @throws ConflictError after 100 rounds lost to other processes
   */
  put(input: FactInput, options?: CallOptions): Promise<Fact>;
  /** A fact by its id, superseded and retracted ones too. @throws NotFoundError */
  get(id: string, options?: FactOptions): Promise<Fact>;
  /** What is true now, as is known now; newest knowledge first. */
  current(subject?: string, predicate?: string, options?: FactSelection): Promise<readonly Fact[]>;
  /** What was true then, as is known now or was known at `knownAt`. */
  asOf(date: FactTime, options?: KnownFactsOptions): Promise<readonly Fact[]>;
  /** What was known then: held to be true at the same time, or at `asOf`. */
  knownAt(date: FactTime, options?: TrueFactsOptions): Promise<readonly Fact[]>;
  /** All that was ever known of a subject, ends and retracted ones too, in the order in which it was true. */
  history(subject: string, predicate?: string, options?: FactSelection): Promise<readonly Fact[]>;
  /** A page of facts, those recorded last first unless told otherwise. */
  list(options?: ListFactsOptions): Promise<Page<Fact>>;
  /**
   * Facts that are like the query, best first: by words at once, and by meaning when the worker has embedded their statements.
   * When the embedding model fails, words alone answer.
   */
  search(query: string, options?: SearchFactsOptions): Promise<readonly FactHit[]>;
  /**
   * Gives up a fact as wrong, and keeps it: what it had superseded holds again, and `knownAt` still tells what was believed.
   * @throws NotFoundError
   */
  retract(id: string, reason: string, options?: FactOptions): Promise<Fact>;
  /** Deletes facts for good, forgotten ones too; how many were there. What they had superseded holds again. */
  delete(ids: string | readonly string[], options?: FactOptions): Promise<number>;
  /**
   * Reads facts out of messages that were not read before: of one conversation, or of all of the scope. Never from system
   * messages, nor from what was itself recalled.
   * @throws NotFoundError for the conversation
   */
  extract(conversationId?: string, options?: ExtractFactsOptions): Promise<FactExtraction>;
}

/** Predicates of which a subject has one value at a time, unless a fact says otherwise. */
export const singleValuedPredicates: readonly string[] = [
  "name",
  "nickname",
  "age",
  "birthday",
  "pronouns",
  "lives_in",
  "comes_from",
  "works_at",
  "works_as",
  "studies_at",
  "employer",
  "job_title",
  "email",
  "phone",
  "timezone",
  "time_zone",
  "native_language",
  "marital_status",
  "spouse",
  "partner",
];
