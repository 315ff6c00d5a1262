import { setTimeout as sleep } from "node:timers/promises";
import { MemoryError } from "../domain/errors.ts";

/** How often a change is tried that others come between. */
const mostRounds = 100;
/** Short, or those that pause lose to those that just come. */
const longestPauseMs = 10;

/**
 * Reads and writes by versions, again when somebody came between.
 *
 * @throws ConflictError when the last of 100 rounds was lost, too
 */
export async function untilUnchanged<Value>(round: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await round();
    } catch (error) {
      if (!isConflict(error) || attempt === mostRounds) throw error;
    }
    await sleep(longestPauseMs * Math.random());
  }
}

export function isConflict(error: unknown): boolean {
  return MemoryError.isInstance(error) && error.code === "conflict";
}
