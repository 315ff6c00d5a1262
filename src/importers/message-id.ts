import { createHash } from "node:crypto";

/**
 * An id for a message that came without one. The same message at the same place of the same conversation gets the same
 * id again, so that importing a file twice doubles nothing.
 */
export function derivedMessageId(conversation: string, position: number, role: string, text: string): string {
  return `import-${hash([conversation, position, role, text])}`;
}

/** An id for a conversation that came without one, from what does not change when it grows. */
export function derivedConversationId(title: string, createdAt: unknown, place: number): string {
  return `import-${hash([title, createdAt ?? place])}`;
}

function hash(values: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 32);
}
