import { createAgent, type LanguageModelLike } from "../../index.ts";
import type { Chat, ChatOptions } from "./chat.ts";

/** So many messages of the conversation go to the model as they are. */
const mostHistory = 20;
const mostTokens = 8_000;

/** A conversation with a model. */
export function agentChat({
  memory,
  conversationId,
  model,
  memories,
  minSimilarity,
}: ChatOptions & { readonly model: LanguageModelLike }): Chat {
  const recall = memories === 0 ? false : { limit: memories, minSimilarity };
  const agent = createAgent({ model, memory, context: { maxTokens: mostTokens, recentMessages: mostHistory, recall } });
  return {
    async ask(question, show, signal) {
      const turn = agent.stream(question, { conversationId, signal });
      try {
        for await (const piece of turn.textStream) await show(piece);
      } finally {
        // Over means stored: only then may the memory be closed.
        await turn.answer.catch(() => {});
      }
      const { text, context } = await turn.answer;
      return { answer: text, memories: context.memories };
    },
  };
}
