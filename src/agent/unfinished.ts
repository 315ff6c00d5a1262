import type { ScopedMemory } from "../domain/memory.ts";
import { isBrokenOff } from "../domain/under-way.ts";

/** Answers of a process that has gone are the newest of their conversation, but for what was said in the minute after. */
const newest = 20;

/** Makes answers that broke off with their process memories as others are: they have been stored, but nothing finds them yet. */
export async function finishBroken(memory: ScopedMemory, userId: string | undefined, conversationId: string): Promise<void> {
  const { items } = await memory.messages.list(conversationId, { userId, limit: newest });
  const answers = items.filter((message) => message.role === "assistant" && isBrokenOff(message));
  const broken = answers.map(({ id, role, parts, createdAt }) => {
    return { id, role, parts, createdAt, metadata: { interrupted: true } };
  });
  if (broken.length > 0) await memory.addMessages(conversationId, broken, { userId, createConversation: false });
}
