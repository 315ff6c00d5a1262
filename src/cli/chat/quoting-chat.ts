import type { RecallHit } from "../../index.ts";
import { formatTime, shorten, speaker } from "../text-layout.ts";
import type { Chat, ChatOptions } from "./chat.ts";

const longestQuote = 500;

/** A conversation without a model: it answers by quoting what was recalled, and says so. */
export function quotingChat({ memory, conversationId, memories: limit, minSimilarity }: ChatOptions): Chat {
  return {
    async ask(question, show, signal) {
      // Recalled first, or the question would find itself; kept whatever becomes of that.
      const recalled = limit === 0 ? Promise.resolve([]) : memory.recall(question, { limit, minSimilarity, signal });
      const memories = await recalled.finally(() => memory.addMessages(conversationId, question));
      const answer = quote(memories);
      await show(answer);
      // A quote is no new memory: it is kept so that no recall finds it.
      await memory.addMessages(conversationId, { role: "assistant", parts: [{ type: "quote", text: answer }] });
      return { answer, memories };
    },
  };
}

function quote(memories: readonly RecallHit[]): string {
  if (memories.length === 0) return "I remember nothing about that.";
  const lines = memories.map((hit) => `- ${formatTime(hit.createdAt)}, ${speaker(hit)}: "${shorten(hit.text, longestQuote)}"`);
  return ["There is no model to answer, so here is what I remember:", ...lines].join("\n");
}
