import type { RecallHit } from "./recall.ts";

/** A message that was of use: a hit of `recall`, or one of a context's `memories`. */
export type UsedMemory = Pick<RecallHit, "userId" | "conversationId" | "id">;
