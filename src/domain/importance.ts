import type { CallOptions } from "./call-options.ts";
import type { LanguageModelLike } from "./titles.ts";

/** Which messages are rated, and by what: a model, or simple signals. */
export interface RateImportanceOptions extends CallOptions {
  /** Administrator's handle only: whose messages. */
  readonly userId?: string | undefined;
  /** Administrator's handle only: everybody's of the tenant. @default false */
  readonly allUsers?: boolean | undefined;
  readonly conversationId?: string | undefined;
  /** Only messages created since (inclusive). */
  readonly since?: Date | string | number | undefined;
  /** An AI SDK language model that rates them, 40 at a time. @default none: simple signals, see the guide */
  readonly model?: LanguageModelLike | undefined;
}

/** How many messages were rated, and how many were not. */
export interface RateImportanceReport {
  /** Messages that have an importance now, and had none. */
  readonly rated: number;
  /** Messages that the model did not rate: call it again. */
  readonly unrated: number;
}
