import { randomUUID } from "node:crypto";
import type { Agent, AgentAnswer, AgentCallOptions, AgentMessage, AgentOptions, AgentStream, MessageSearch } from "../domain/agent.ts";
import type { ScopedMemory } from "../domain/memory.ts";
import { type HandedOut, handedOut } from "./handed-out.ts";
import { checkOptions } from "./settings.ts";
import { takeTurn } from "./take-turn.ts";

/**
 * An agent that remembers: each turn is recall, answer, persist. Does no I/O by itself.
 *
 * @throws InvalidArgumentError for options that cannot be right
 * @example
 * const agent = createAgent({ model: openai("gpt-4o-mini"), memory: createMemory() });
 * const turn = agent.stream("Do you remember what I am building?", { userId: "priya" });
 * for await (const piece of turn.textStream) process.stdout.write(piece);
 */
export function createAgent<Store extends ScopedMemory>(options: AgentOptions<Store>): Agent<Store> {
  const settings = checkOptions(options);

  function stream(message: AgentMessage, call: AgentCallOptions = {}): AgentStream {
    const { conversationId = randomUUID() } = call;
    const turn = { message, call, conversationId, messageId: randomUUID(), out: handedOut() };
    const answer = ended(turn.out, takeTurn(settings, turn));
    return {
      conversationId,
      messageId: turn.messageId,
      textStream: turn.out.texts(),
      fullStream: turn.out.parts(),
      answer,
    };
  }

  return {
    stream,
    generate: (message, call) => stream(message, call).answer,
    memory: { ...options.memory, ...messageSearch(options.memory) },
  };
}

/** The streams end as the turn does. Who reads them alone is told there, so a failure here is nobody's surprise. */
function ended(out: HandedOut, turn: Promise<AgentAnswer>): Promise<AgentAnswer> {
  turn.then(
    () => out.end(),
    (error: unknown) => out.fail(error),
  );
  return turn;
}

function messageSearch(memory: ScopedMemory): MessageSearch {
  return {
    async searchMessages(query, options) {
      const hits = await memory.recall(query, options);
      return hits.map(({ message, score, scores }) => ({ ...message, timestamp: message.createdAt, score, similarity: scores.vector }));
    },
  };
}
