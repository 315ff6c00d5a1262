import { randomUUID } from "node:crypto";
import { type Message, NotFoundError, type RecallHit, type ScopedMemory } from "../../index.ts";
import type { Answerer } from "./answerer.ts";

export interface ChatOptions {
  readonly memory: ScopedMemory;
  readonly conversationId: string;
  readonly answerer: Answerer;
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
  readonly memories: readonly RecallHit[];
}

/** As many memories as help without drowning the question. */
const mostMemories = 4;
/** So many messages of this conversation go to the model as they are. */
const mostHistory = 20;

/** A conversation that goes on from what is stored of it. */
export async function openChat({ memory, conversationId, answerer }: ChatOptions): Promise<Chat> {
  let history = await storedHistory(memory, conversationId);

  async function remember(
    role: "user" | "assistant",
    message: { content?: string; parts?: readonly unknown[]; metadata?: object },
  ): Promise<void> {
    const stored = await memory.addMessages(conversationId, { id: randomUUID(), role, ...message });
    history = [...history, ...stored].slice(-mostHistory);
  }

  async function recall(question: string, signal: AbortSignal): Promise<readonly RecallHit[]> {
    // What the model sees anyway is no news; a quoting answer sees nothing else.
    const seen = new Set(answerer.isQuoting ? [] : history.map(({ id }) => id));
    const hits = await memory.recall(question, { limit: mostMemories + seen.size, signal });
    return hits.filter((hit) => hit.conversationId !== conversationId || !seen.has(hit.id)).slice(0, mostMemories);
  }

  return {
    async ask(question, show, signal) {
      const earlier = history;
      // Recalled first, or the question would find itself; kept whatever becomes of that.
      const memories = await recall(question, signal).finally(() => remember("user", { content: question }));
      const turn = { question, memories, history: earlier };
      let answer = "";
      let isWhole = false;
      try {
        for await (const piece of answerer.answer(turn, signal)) {
          answer += piece;
          await show(piece);
        }
        isWhole = true;
      } finally {
        if (answer !== "") {
          const payload = answerer.isQuoting ? { parts: [{ type: "quote", text: answer }] } : { content: answer };
          await remember("assistant", isWhole ? payload : { ...payload, metadata: { interrupted: true } });
        }
      }
      return { answer, memories };
    },
  };
}

async function storedHistory(memory: ScopedMemory, conversationId: string): Promise<readonly Message[]> {
  try {
    return (await memory.messages.list(conversationId, { limit: mostHistory })).items;
  } catch (error) {
    if (error instanceof NotFoundError) return [];
    throw error;
  }
}
