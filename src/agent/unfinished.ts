import type { ScopedMemory } from "../domain/memory.ts";
import type { Message } from "../domain/message.ts";

// What an answer says of itself while it comes, and what is done about one whose process has gone.

/** An answer that has not been stored for so long comes no more. */
export const stillAnsweringMs = 60_000;
/** Answers of a process that has gone are the newest of their conversation, or nearly. */
const newest = 6;

/** Metadata of an answer under way: should nothing follow, it says what there is to say. */
export function answering(): object {
  return { interrupted: true, answeringUntil: new Date(Date.now() + stillAnsweringMs).toISOString() };
}

/** Makes answers that broke off with their process memories as others are: they have been stored, but nothing finds them yet. */
export async function finishBroken(memory: ScopedMemory, userId: string | undefined, conversationId: string): Promise<void> {
  const { items } = await memory.messages.list(conversationId, { userId, limit: newest });
  const broken = items.filter(isBroken).map(({ id, role, parts, createdAt }) => {
    return { id, role, parts, createdAt, metadata: { interrupted: true } };
  });
  if (broken.length > 0) await memory.addMessages(conversationId, broken, { userId, createConversation: false });
}

function isBroken({ role, metadata }: Message): boolean {
  const { answeringUntil } = metadata;
  return role === "assistant" && typeof answeringUntil === "string" && Date.parse(answeringUntil) < Date.now();
}
