import type { CallOptions } from "./call-options.ts";
import type { FactSource } from "./facts.ts";
import type { MetadataFilter } from "./filter.ts";
import type { Role } from "./message.ts";

/** What can be forgotten. */
export type ForgettableKind = "message" | "record" | "fact";

/**
 * Forgetting in plans: `plan` says what would be forgotten and changes nothing, `apply` forgets it, `restore` brings it
 * back, and `purge` deletes it for good.
 *
 * A message that is forgotten stays in its conversation with its parts, and is searched and recalled no more: its
 * `content` is empty. Facts that were read from it stay until it is purged. A record or a fact that is forgotten is not
 * there, whatever asks for it; what was concluded from a fact stays as it is until the fact is purged.
 */
export interface Forgetting {
  /**
   * What the rules would have forgotten. Reads all of the kinds that are named, of the scope, and holds the words of all
   * of them where duplicates are looked for.
   *
   * @throws InvalidArgumentError without a user or `allUsers`, without rules, or for rules that cannot be right
   */
  plan(options: ForgettingPlanOptions): Promise<ForgettingPlan>;
  /**
   * Forgets what a plan names, in batches. What was changed, deleted or forgotten since it was made is passed over. Stopped
   * half way, it can be applied again.
   *
   * @throws InvalidArgumentError for a plan of another tenant or user than this handle's
   */
  apply(plan: ForgettingPlan, options?: CallOptions): Promise<ForgettingReport>;
  /** Makes what was forgotten what it was, unless it was changed or stored anew since; how many. */
  restore(options?: ForgottenOptions): Promise<number>;
  /** Deletes for good what was forgotten, with all that was derived from it alone; how many. */
  purge(options?: PurgeOptions): Promise<number>;
  /**
   * Plans, applies, and purges what has been forgotten for long: one turn of a retention job.
   *
   * @throws InvalidArgumentError as {@link plan} does
   */
  run(options: RetentionOptions): Promise<RetentionReport>;
  /** What is forgotten and can be restored: messages, then records, then facts, each oldest first. */
  list(options?: ForgottenOptions): Promise<readonly ForgottenItem[]>;
}

interface ForgettingScope extends CallOptions {
  /** Administrator's handle only: whose memory. */
  readonly userId?: string | undefined;
  /** Administrator's handle only: everybody's memory of the tenant. @default false */
  readonly allUsers?: boolean | undefined;
}

/** Whose memory is looked at, and what of it would be forgotten. */
export interface ForgettingPlanOptions extends ForgettingScope {
  /** Something is forgotten when one of these fits. @default none */
  readonly rules?: readonly ForgettingRule[] | undefined;
  /**
   * Forget what was said again later, in the same or nearly the same words: the newest stays. Texts that differ in a number,
   * a name or a negation are not the same. `true`: of messages. @default false
   */
  readonly duplicates?: boolean | DuplicateOptions | undefined;
}

/** All that a rule names must hold. */
export type ForgettingRule = MessageForgettingRule | RecordForgettingRule | FactForgettingRule;

/** Names at least one of `olderThanDays`, `unusedForDays` and `maxImportance`. */
export interface MessageForgettingRule {
  /** @default "message" */
  readonly kind?: "message" | undefined;
  /** Created more than so many days ago. At least 0. */
  readonly olderThanDays?: number | undefined;
  /** Created more than so many days ago, and of no use since: see `reinforce`. At least 0. */
  readonly unusedForDays?: number | undefined;
  /** Of this importance or less, 0 to 1. A message without one has that of simple signals: see the guide. */
  readonly maxImportance?: number | undefined;
  /** Said by one of these. @default anybody */
  readonly roles?: readonly Role[] | undefined;
  readonly conversationId?: string | undefined;
  /** Equality on message metadata. */
  readonly filter?: MetadataFilter | undefined;
}

/** Names the types, and at least one of `olderThanDays` and `unchangedForDays`. */
export interface RecordForgettingRule {
  readonly kind: "record";
  /** Of one of these types. */
  readonly types: readonly string[];
  /** Created more than so many days ago. At least 0. */
  readonly olderThanDays?: number | undefined;
  /** Stored or changed last more than so many days ago. At least 0. */
  readonly unchangedForDays?: number | undefined;
  readonly conversationId?: string | undefined;
  /** Equality on top-level fields of the metadata. */
  readonly filter?: MetadataFilter | undefined;
}

/**
 * Names at least one of `supersededForDays`, `olderThanDays` and `maxConfidence`. By its age alone no fact is forgotten
 * that another one, which stays, was ended by: what was true once would be true again.
 */
export interface FactForgettingRule {
  readonly kind: "fact";
  /** Superseded or retracted more than so many days ago. At least 0. */
  readonly supersededForDays?: number | undefined;
  /** Learnt more than so many days ago. At least 0. */
  readonly olderThanDays?: number | undefined;
  /** Of this confidence or less, 0 to 1. */
  readonly maxConfidence?: number | undefined;
  /** About this one; compared without case. @default anybody */
  readonly subject?: string | undefined;
  /** With one of these predicates. @default any, and free statements */
  readonly predicates?: readonly string[] | undefined;
}

/** When two texts say the same, and what is compared with what. */
export interface DuplicateOptions {
  /** The share of their words that two texts have in common, 0.5 to 1. @default 0.9 */
  readonly likeness?: number | undefined;
  /**
   * Among which kinds. Messages are compared with others of the same speaker; records with others of the same type,
   * conversation and name; facts with others of the same subject that are true now. @default ["message"]
   */
  readonly kinds?: readonly ForgettableKind[] | undefined;
  /** Records of these types. @default every type */
  readonly types?: readonly string[] | undefined;
  /** Fields of the metadata that two records must have in common. @default all of them */
  readonly sameMetadata?: readonly string[] | undefined;
}

/** What would be forgotten. Plain data: it can be shown, stored as JSON, and applied later. */
export interface ForgettingPlan {
  readonly id: string;
  readonly tenant: string;
  /** Undefined: of everybody. */
  readonly userId: string | undefined;
  readonly items: readonly PlannedItem[];
  /** How many messages, records and facts were looked at. */
  readonly looked: number;
}

/** What a plan names: `kind` says what it is. */
export type PlannedItem = PlannedMessage | PlannedRecord | PlannedFact;

interface Planned {
  readonly userId: string;
  readonly text: string;
  readonly reason: "rule" | "duplicate";
  /** The place of the rule in the list; undefined for a duplicate. */
  readonly rule: number | undefined;
}

/** A message that would be forgotten, and why. */
export interface PlannedMessage extends Planned {
  readonly kind: "message";
  readonly conversationId: string;
  readonly messageId: string;
  /** The message that says the same and stays; undefined for a rule. */
  readonly duplicateOf: { readonly conversationId: string; readonly messageId: string } | undefined;
}

/** A record that would be forgotten, and why. */
export interface PlannedRecord extends Planned {
  readonly kind: "record";
  readonly type: string;
  readonly recordId: string;
  /** Of another version it is passed over. */
  readonly version: number;
  readonly name: string | undefined;
  /** The record that says the same and stays; undefined for a rule. */
  readonly duplicateOf: { readonly type: string; readonly recordId: string } | undefined;
}

/** A fact that would be forgotten, and why. */
export interface PlannedFact extends Planned {
  readonly kind: "fact";
  readonly factId: string;
  /** Of another version it is passed over. */
  readonly version: number;
  /** The fact that says the same, stays, and is given the sources of this one; undefined for a rule. */
  readonly duplicateOf: { readonly factId: string } | undefined;
}

/** What came of a plan. */
export interface ForgettingReport {
  readonly forgotten: number;
  /** Changed, deleted or forgotten since the plan was made. */
  readonly passedOver: number;
}

/** What a retention job forgets, and when it deletes that for good. */
export interface RetentionOptions extends ForgettingPlanOptions {
  /** Delete for good what was forgotten so many days ago, by whatever plan. At least 0. @default never */
  readonly purgeAfterDays?: number | undefined;
}

/** What a turn of a retention job has forgotten, and deleted for good. */
export interface RetentionReport extends ForgettingReport {
  readonly purged: number;
}

/** What of all that is forgotten: whose, by which plan, of which kind. */
export interface ForgottenOptions extends ForgettingScope {
  /** Only what this plan had forgotten. @default all plans */
  readonly planId?: string | undefined;
  /** Only what belongs to this conversation; facts belong to none. @default everything */
  readonly conversationId?: string | undefined;
  /** @default all of them */
  readonly kinds?: readonly ForgettableKind[] | undefined;
}

/** What of all that is forgotten, and for how long it must have been. */
export interface PurgeOptions extends ForgottenOptions {
  /** Only what was forgotten so many days ago or before. @default 0 */
  readonly forgottenForDays?: number | undefined;
}

/** Something that is forgotten and can be restored: `kind` says what it is. */
export type ForgottenItem = ForgottenMessage | ForgottenRecord | ForgottenFact;

/** Since which plan something is forgotten, and why. */
export interface ForgottenReason {
  readonly planId: string;
  readonly reason: Planned["reason"];
}

interface Forgotten extends ForgottenReason {
  readonly userId: string;
  readonly text: string;
  readonly forgottenAt: Date;
}

/** A message that is forgotten, with the text it had. */
export interface ForgottenMessage extends Forgotten {
  readonly kind: "message";
  readonly conversationId: string;
  readonly messageId: string;
}

/** A record that is forgotten, with the text it had. */
export interface ForgottenRecord extends Forgotten {
  readonly kind: "record";
  readonly type: string;
  readonly recordId: string;
  readonly name: string | undefined;
  readonly conversationId: string | undefined;
}

/** A fact that is forgotten, with its statement. */
export interface ForgottenFact extends Forgotten {
  readonly kind: "fact";
  readonly factId: string;
  /** The messages that say so, and are still there. */
  readonly sources: readonly FactSource[];
}
