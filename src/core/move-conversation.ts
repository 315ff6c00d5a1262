import type { Conversation } from "../domain/conversation.ts";
import { UnsupportedError } from "../domain/errors.ts";
import type { ConversationOwner, StoreScope } from "../domain/session-store.ts";
import type { MemoryCore } from "./memory-core.ts";

/** Gives a conversation to another owner; undefined when it is not there. */
export async function moveConversation(
  core: MemoryCore,
  scope: StoreScope,
  id: string,
  to: ConversationOwner,
  signal: AbortSignal | undefined,
): Promise<Conversation | undefined> {
  const { store } = core;
  if (store.moveConversation === undefined)
    throw new UnsupportedError(
      store.name,
      "move conversation",
      "conversations keep their owner here: export this one, import it for the other user, and delete it",
    );
  // Messages on their way to it arrive before it goes.
  await core.queue.drain();
  const moved = await store.moveConversation(scope, id, to, signal);
  core.worker.wake();
  return moved;
}
