import type { Message, RecallHit } from "../../index.ts";

/** What there is to answer from. */
export interface Turn {
  readonly question: string;
  /** What was recalled, best first. */
  readonly memories: readonly RecallHit[];
  /** The newest messages of this conversation, oldest first, without the question. */
  readonly history: readonly Message[];
}

/** Makes the answers of a chat. */
export interface Answerer {
  /** Whether it only quotes: a quote is no new memory, and is kept so that recall does not find it. */
  readonly isQuoting: boolean;
  /** The answer, in pieces as they come. */
  answer(turn: Turn, signal: AbortSignal): AsyncIterable<string>;
}
