import type { CallOptions } from "./call-options.ts";
import type { Context, ContextOptions } from "./context.ts";
import type { ScopedMemory } from "./memory.ts";
import type { Message, MessageInputObject } from "./message.ts";
import type { RecallOptions } from "./recall.ts";
import type { LanguageModelLike } from "./titles.ts";

/** What an agent is made of: a model, a memory, instructions and tools. */
export interface AgentOptions<Store extends ScopedMemory = ScopedMemory> {
  /** A language model of the AI SDK, such as `openai("gpt-4o-mini")`. The package `ai` (5 or later) is loaded by the first call. */
  readonly model: LanguageModelLike;
  /** What it remembers with: a memory, or a handle of one whose scope says whose memory it is. */
  readonly memory: Store;
  /** What the model is told to be. What the fence of memory is, it is told besides. @default "You are a helpful assistant." */
  readonly instructions?: string | undefined;
  /** Tools of the AI SDK by name; a function makes them for each turn, where they have to know whose it is. @default none */
  readonly tools?: AgentTools | ((turn: AgentTurn) => AgentTools | Promise<AgentTools>) | undefined;
  /** Most calls of the model for one answer, 1 to 1000: after the last, no tool's result is answered any more. @default 20 */
  readonly maxSteps?: number | undefined;
  /** The agent's name among others: conversations that it begins are of this resource. @default that of the scope, else "default" */
  readonly resourceId?: string | undefined;
  /** What each turn is given of memory, such as `{ maxTokens: 8000, recall: { limit: 4 } }`. @default as `memory.context` */
  readonly context?: AgentContextOptions | undefined;
  /** Tell memory after each answer that what was recalled for it was of use: see `weights.use` of a recall. @default false */
  readonly reinforce?: boolean | undefined;
  /** Further options of the AI SDK's `streamText`, such as `temperature`, `toolChoice` or `providerOptions`. @default none */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
  /**
   * An answer is stored at most this often while it streams, and what streams is handed out as soon as it is stored: 0 is as
   * often as the store can. 0 to 60,000. @default 100
   */
  readonly saveEveryMs?: number | undefined;
}

/** What a turn is given of memory, as `memory.context` takes it. Whose it is, the conversation and the query are the turn's to say. */
export type AgentContextOptions = Omit<ContextOptions, "userId" | "conversationId" | "query" | "signal">;

/** Tools as `streamText` takes them, by name. */
export type AgentTools = Readonly<Record<string, object>>;

/** One turn: what is asked, of whom. */
export interface AgentTurn {
  /** Undefined: the one that the memory's scope names. */
  readonly userId: string | undefined;
  readonly conversationId: string;
  /** The user's message as it is stored. */
  readonly question: Message;
}

/** What the user says: a text, or a message with parts (a file, an image). Its `id` makes a call that is made again no second message. */
export type AgentMessage = string | Omit<MessageInputObject, "role">;

/** Who talks, in which conversation, and what this turn is given of memory. */
export interface AgentCallOptions extends CallOptions {
  /** Who talks. Required unless the memory's scope says so. */
  readonly userId?: string | undefined;
  /** The conversation that goes on, or a new one. @default a new UUID */
  readonly conversationId?: string | undefined;
  /** Changes to the agent's own `context` for this turn. */
  readonly context?: AgentContextOptions | undefined;
}

/**
 * A model that remembers. Each turn stores what the user says, recalls what matters for it, asks the model, and stores the
 * answer while it streams.
 */
export interface Agent<Store extends ScopedMemory = ScopedMemory> {
  /**
   * Begins a turn at once. It goes on whether its streams are read or not; only `signal` stops it. What was handed out is
   * stored, whatever becomes of the model, the caller or the process.
   */
  stream(message: AgentMessage, options?: AgentCallOptions): AgentStream;
  /** A turn, when it is over. @throws as the `answer` of {@link stream} */
  generate(message: AgentMessage, options?: AgentCallOptions): Promise<AgentAnswer>;
  /** The memory it was given, with a search that gives messages. */
  readonly memory: Store & MessageSearch;
}

/** One turn under way. Each of its streams gives everything from the beginning, however late it is read. */
export interface AgentStream {
  readonly conversationId: string;
  /** Of the answer's message. */
  readonly messageId: string;
  /** What the model says, in pieces. Fails as `answer` does, after what was said. */
  readonly textStream: AsyncIterable<string>;
  /** All that happens, as `fullStream` of the installed AI SDK gives it: text, reasoning, tool calls and results, steps. */
  readonly fullStream: AsyncIterable<AgentStreamPart>;
  /**
   * Resolves when the answer is stored as a whole.
   *
   * @throws InvalidArgumentError without a user, or for a message that says nothing or cannot be stored
   * @throws DependencyMissingError without the package `ai`
   * @throws the model's own error, or the signal's reason: the message then has `metadata.interrupted`
   */
  readonly answer: Promise<AgentAnswer>;
}

/** A part of the AI SDK's `fullStream`. */
export interface AgentStreamPart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A turn that is over: what was asked, what was answered, and what of memory it was made of. */
export interface AgentAnswer {
  readonly conversationId: string;
  /** All that was said, of all steps: its texts, a line break between them. */
  readonly text: string;
  /** The user's message as it is stored. */
  readonly question: Message;
  /** The answer as it is stored: texts, reasoning, tool calls with their results and steps, as the parts of a `UIMessage`. Undefined: it was empty. */
  readonly message: Message | undefined;
  /** What the model was given of memory. */
  readonly context: Context;
  /** Why the model ended, as the AI SDK says: "stop", "length", "tool-calls" … */
  readonly finishReason: string | undefined;
  /** Tokens of all steps, as the AI SDK counts them. */
  readonly usage: unknown;
}

/** Search for messages, as LangSwarm's agents have it. */
export interface MessageSearch {
  /** Finds messages by meaning and by words, best first. */
  searchMessages(query: string, options?: MessageSearchOptions): Promise<FoundMessage[]>;
}

/** As `recall` takes them. */
export type MessageSearchOptions = Omit<RecallOptions, "explain">;

/** A message that a search found. */
export interface FoundMessage extends Message {
  /** When it was said: the same as `createdAt`. */
  readonly timestamp: Date;
  /** Orders these messages and compares with nothing else. */
  readonly score: number;
  /** Cosine similarity, -1 to 1; undefined when words alone found it. */
  readonly similarity: number | undefined;
}
