import type { Message } from "./message.ts";

// What an answer says of itself that is stored while it streams.

/** An answer that has not been stored for so long comes no more. */
export const stillAnsweringMs = 60_000;

/** Metadata of an answer under way: should nothing follow, it says what there is to say. */
export function answering(): object {
  return { interrupted: true, answeringUntil: new Date(Date.now() + stillAnsweringMs).toISOString() };
}

/** Whether a message is an answer that still streams. Nothing is made of half a sentence that changes ten times a second. */
export function isUnderWay(message: Pick<Message, "metadata">): boolean {
  const until = answeringUntil(message);
  return until !== undefined && until >= Date.now();
}

/** Whether a message is an answer that began to stream and never ended. */
export function isBrokenOff(message: Pick<Message, "metadata">): boolean {
  const until = answeringUntil(message);
  return until !== undefined && until < Date.now();
}

function answeringUntil({ metadata: { answeringUntil } }: Pick<Message, "metadata">): number | undefined {
  return typeof answeringUntil === "string" ? Date.parse(answeringUntil) : undefined;
}
