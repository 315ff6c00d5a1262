import type { CallOptions } from "./call-options.ts";
import type { MetadataFilter } from "./filter.ts";
import type { RecallHit, RecallOptions } from "./recall.ts";

/** What a model call is about, how many tokens memory has in it, and how they are filled. */
export interface ContextOptions extends CallOptions {
  /** Administrator's handle only: whose memory. */
  readonly userId?: string | undefined;
  /** The conversation that goes on: its newest messages, notes and summaries come in. One that is not there (yet) has none. */
  readonly conversationId?: string | undefined;
  /** What memory is searched for. @default the newest user message of the conversation */
  readonly query?: string | undefined;
  /** Most tokens of `instructions`, which always come in, and `messages` together. 200 to 10,000,000. @default 4000 */
  readonly maxTokens?: number | undefined;
  /** How the tokens are divided. @default see {@link ContextShares} */
  readonly shares?: Partial<ContextShares> | undefined;
  /** Most messages of the recent window. 0 to 1000. @default one for 20 tokens of `maxTokens`, at most 200 */
  readonly recentMessages?: number | undefined;
  /** How memories are searched; `false`: they are not. @default as `recall` does, one hit for 20 tokens, at most 200 */
  readonly recall?: ContextRecallOptions | false | undefined;
  /**
   * Which records matter, such as `{ types: ["long_term_memory"] }`: those that the query finds, by meaning and by words.
   * @default none: no type is taken unasked, as personas, tools and cached answers are no memories
   */
  readonly records?: ContextRecordOptions | undefined;
  /**
   * Counts the tokens of a text. Other models count otherwise: pass theirs. @default o200k_base, as GPT-4o, GPT-5 and o-series
   * count
   */
  readonly tokenizer?: ((text: string) => number) | undefined;
  /**
   * What is not there after so many milliseconds is left out and named in `omitted`. Above 0. The tokenizer is loaded once a
   * process, in about 0.2 s: until then, a call with less than a second counts each byte as a token. @default none
   */
  readonly deadlineMs?: number | undefined;
}

/** Which messages are recalled and how they are ranked, as in `recall`. */
export type ContextRecallOptions = Pick<
  RecallOptions,
  | "roles"
  | "since"
  | "until"
  | "filter"
  | "limit"
  | "minSimilarity"
  | "legs"
  | "weights"
  | "recencyHalfLifeDays"
  | "diversity"
  | "embedding"
  | "language"
>;

/** Which records a context takes; all conditions must hold. */
export interface ContextRecordOptions {
  /** Types of yours, at least one. */
  readonly types: readonly string[];
  /** Most records. 1 to 1000. @default 10 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1; leaves out what has no vector. @default none */
  readonly minSimilarity?: number | undefined;
  /** Equality on top-level fields of the metadata; an array means any of these. @default none */
  readonly filter?: MetadataFilter | undefined;
}

/**
 * Parts of the budget, as weights: only their ratios count. They are filled in this order; what one does not need goes to
 * the next, and what is left at the end to older messages of the conversation. 0 leaves a part out.
 */
export interface ContextShares {
  /** The newest messages of the conversation. @default 0.4 */
  readonly recent: number;
  /** Working memory, of the user and of the conversation. @default 0.15 */
  readonly working: number;
  /** Facts that matter for the query. @default 0.1 */
  readonly facts: number;
  /** Records that matter for the query. Takes nothing when `records` asks for none. @default 0.2 */
  readonly records: number;
  /** Summaries of what came before the newest messages. @default 0.1 */
  readonly summaries: number;
  /** Messages that were recalled. @default 0.25 */
  readonly recall: number;
}

/** Where something in the context comes from, or what was left out of it. */
export type ContextKind = keyof ContextShares;

/** Ready for a model call: `generateText({ model, system: context.instructions, messages: context.messages })`. */
export interface Context {
  /** Tells the model how memory is fenced; always the same text, without anything remembered in it. */
  readonly instructions: string;
  /**
   * What is remembered, fenced, in one user message; then the newest messages as `ModelMessage`s of the AI SDK. Every tool
   * call is followed by its result; system messages are not among them.
   */
  readonly messages: ContextMessage[];
  /** The recalled messages that are in the fence, best first. */
  readonly memories: readonly RecallHit[];
  /** What is in `messages`. */
  readonly sources: readonly ContextSource[];
  /** What is not, and why. */
  readonly omitted: readonly ContextOmission[];
  /** Of `instructions` and `messages`, with 4 for each message and 1,000 for each file or image. */
  readonly tokens: number;
}

/** Something that came in, and where it stands in the fenced text. */
export interface ContextSource {
  readonly kind: ContextKind;
  /** Of the message, fact, record or summary; of notes, `"user"` or `"conversation"`. */
  readonly id: string;
  /** Of a record: its type. */
  readonly type?: string | undefined;
  readonly conversationId: string | undefined;
  /** The number it has in the fenced text: `"3"` for `[3]`. Undefined for recent messages. */
  readonly label: string | undefined;
  readonly createdAt: Date;
}

/**
 * - `"budget"`: no room for it.
 * - `"cut"`: it is in, but for what had no room: the end of a text, statements of a summary.
 * - `"duplicate"`: the recent messages, or something recalled before it, say the same.
 * - `"deadline"`: it was not there in time.
 * - `"system"`: a system message. Memory never speaks as the system.
 * - `"recalled"`: a message that only quotes memory.
 * - `"incomplete"`: nothing that a model takes, such as a tool call without its result.
 * - `"older"`: the conversation has more messages than were read.
 */
export type ContextOmissionReason = "budget" | "cut" | "duplicate" | "deadline" | "system" | "recalled" | "incomplete" | "older";

/** Something that was left out or cut, and why. */
export interface ContextOmission {
  readonly kind: ContextKind;
  /** Undefined: the whole kind. */
  readonly id: string | undefined;
  /** Of a record: its type. */
  readonly type?: string | undefined;
  readonly conversationId: string | undefined;
  readonly reason: ContextOmissionReason;
  /** What it would have taken, where it was counted. */
  readonly tokens: number | undefined;
}

/** A `ModelMessage` of the AI SDK, 5 and later. */
export type ContextMessage =
  | { role: "user"; content: (ContextTextPart | ContextFilePart | ContextImagePart)[] }
  | { role: "assistant"; content: (ContextTextPart | ContextFilePart | ContextReasoningPart | ContextToolCall | ContextToolResult)[] }
  | { role: "tool"; content: ContextToolResult[] };

/** A part of a message's content, whoever speaks. */
export type ContextPart = ContextMessage["content"][number];

/** Words. */
export interface ContextTextPart {
  type: "text";
  text: string;
  providerOptions?: ContextProviderOptions;
}

/** What the model thought before it spoke. */
export interface ContextReasoningPart {
  type: "reasoning";
  text: string;
  providerOptions?: ContextProviderOptions;
}

/** A file: its bytes, base64, or a URL. */
export interface ContextFilePart {
  type: "file";
  data: string | Uint8Array | URL;
  mediaType: string;
  filename?: string;
  providerOptions?: ContextProviderOptions;
}

/** An image: its bytes, base64, or a URL. */
export interface ContextImagePart {
  type: "image";
  image: string | Uint8Array | URL;
  mediaType?: string;
  providerOptions?: ContextProviderOptions;
}

/** A tool that the model called, and what it gave it. */
export interface ContextToolCall {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  input: unknown;
  providerExecuted?: boolean;
  providerOptions?: ContextProviderOptions;
}

/** What a tool answered to the call of this `toolCallId`. */
export interface ContextToolResult {
  type: "tool-result";
  toolCallId: string;
  toolName: string;
  output: ContextToolOutput;
  providerOptions?: ContextProviderOptions;
}

/** A tool's answer, as a text or as JSON; `error-…` when it failed. */
export type ContextToolOutput = { type: "text" | "error-text"; value: string } | { type: "json" | "error-json"; value: ContextJson };

/** Any JSON value. */
export type ContextJson = null | string | number | boolean | { [key: string]: ContextJson } | ContextJson[];

/** By the name of a provider; what memory has written is marked under `unforget`. */
export type ContextProviderOptions = Record<string, { [key: string]: ContextJson }>;
