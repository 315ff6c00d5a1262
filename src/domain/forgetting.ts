import type { MetadataFilter } from "./filter.ts";
import type { CallOptions } from "./memory.ts";
import type { Role } from "./message.ts";

/**
 * Forgetting in plans: `plan` says what would be forgotten and changes nothing, `apply` forgets it, `restore` brings it
 * back, and `purge` deletes it for good.
 *
 * A message that is forgotten stays in its conversation with its parts, and is searched and recalled no more: its
 * `content` is empty. Facts that were read from it stay until it is purged.
 */
export interface Forgetting {
  /**
   * What the rules would have forgotten. Reads every message of the scope, and holds the words of all of them where
   * duplicates are looked for.
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
  /** Makes forgotten messages what they were, unless they were changed since; how many. */
  restore(options?: ForgottenOptions): Promise<number>;
  /** Deletes forgotten messages for good, with all that was derived from them alone; how many. */
  purge(options?: PurgeOptions): Promise<number>;
  /**
   * Plans, applies, and purges what has been forgotten for long: one turn of a retention job.
   *
   * @throws InvalidArgumentError as {@link plan} does
   */
  run(options: RetentionOptions): Promise<RetentionReport>;
  /** What is forgotten and can be restored, oldest first. */
  list(options?: ForgottenOptions): Promise<readonly ForgottenMessage[]>;
}

interface ForgettingScope extends CallOptions {
  /** Administrator's handle only: whose memory. */
  readonly userId?: string | undefined;
  /** Administrator's handle only: everybody's memory of the tenant. @default false */
  readonly allUsers?: boolean | undefined;
}

export interface ForgettingPlanOptions extends ForgettingScope {
  /** A message is forgotten when one of these fits. @default none */
  readonly rules?: readonly ForgettingRule[] | undefined;
  /**
   * Forget what the same speaker said again later, in the same or nearly the same words: the newest stays. Texts that
   * differ in a number, a name or a negation are not the same. @default false
   */
  readonly duplicates?: boolean | DuplicateOptions | undefined;
}

/** All that a rule names must hold. It names at least one of `olderThanDays`, `unusedForDays` and `maxImportance`. */
export interface ForgettingRule {
  /** Created more than so many days ago. At least 0. */
  readonly olderThanDays?: number | undefined;
  /** Created more than so many days ago, and of no use since: see `reinforce`. At least 0. */
  readonly unusedForDays?: number | undefined;
  /** Of this importance or less, 0 to 1. Who was given none has that of simple signals: see the guide. */
  readonly maxImportance?: number | undefined;
  /** Said by one of these. @default anybody */
  readonly roles?: readonly Role[] | undefined;
  readonly conversationId?: string | undefined;
  /** Equality on message metadata. */
  readonly filter?: MetadataFilter | undefined;
}

export interface DuplicateOptions {
  /** The share of their words that two texts have in common, 0.5 to 1. @default 0.9 */
  readonly likeness?: number | undefined;
}

/** What would be forgotten. Plain data: it can be shown, stored as JSON, and applied later. */
export interface ForgettingPlan {
  readonly id: string;
  readonly tenant: string;
  /** Undefined: of everybody. */
  readonly userId: string | undefined;
  readonly items: readonly PlannedMessage[];
  /** How many messages were looked at. */
  readonly looked: number;
}

export interface PlannedMessage {
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly text: string;
  readonly reason: "rule" | "duplicate";
  /** The place of the rule in the list; undefined for a duplicate. */
  readonly rule: number | undefined;
  /** The message that says the same and stays; undefined for a rule. */
  readonly duplicateOf: { readonly conversationId: string; readonly messageId: string } | undefined;
}

export interface ForgettingReport {
  readonly forgotten: number;
  /** Changed, deleted or forgotten since the plan was made. */
  readonly passedOver: number;
}

export interface RetentionOptions extends ForgettingPlanOptions {
  /** Delete for good what was forgotten so many days ago, by whatever plan. At least 0. @default never */
  readonly purgeAfterDays?: number | undefined;
}

export interface RetentionReport extends ForgettingReport {
  readonly purged: number;
}

export interface ForgottenOptions extends ForgettingScope {
  /** Only what this plan had forgotten. @default all plans */
  readonly planId?: string | undefined;
  readonly conversationId?: string | undefined;
}

export interface PurgeOptions extends ForgottenOptions {
  /** Only what was forgotten so many days ago or before. @default 0 */
  readonly forgottenForDays?: number | undefined;
}

export interface ForgottenMessage {
  readonly planId: string;
  readonly userId: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly text: string;
  readonly reason: PlannedMessage["reason"];
  readonly forgottenAt: Date;
}
