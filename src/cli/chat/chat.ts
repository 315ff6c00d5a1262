import type { RecallHit, ScopedMemory } from "../../index.ts";

export interface ChatOptions {
  readonly memory: ScopedMemory;
  readonly conversationId: string;
  /** As many memories as are recalled for a turn. */
  readonly memories: number;
  /** Memories with a cosine similarity below are left out. */
  readonly minSimilarity: number | undefined;
}

export interface Chat {
  /**
   * One turn of the loop: recall, answer, remember. The question is kept before the model is called, and of the answer
   * what was shown, also when it is stopped or fails in the middle.
   *
   * @throws the model's error
   */
  ask(question: string, show: (piece: string) => Promise<void>, signal: AbortSignal): Promise<Asked>;
}

export interface Asked {
  readonly answer: string;
  /** What was recalled for it, best first. */
  readonly memories: readonly RecallHit[];
}
