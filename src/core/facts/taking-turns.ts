import { setTimeout as sleep } from "node:timers/promises";
import { MemoryError } from "../../domain/errors.ts";
import type { KeyedQueue } from "../../internal/keyed-queue.ts";

/** How often a timeline is written that other processes come between. */
const mostRounds = 100;
const longestPauseMs = 10;

/**
 * Reads and writes a timeline, again when another process came between; writers of this process wait for each other.
 *
 * @throws ConflictError when the last round was lost, too
 */
export function inTurn<Value>(writers: KeyedQueue, timeline: readonly string[], round: () => Promise<Value>): Promise<Value> {
  return inTurns(writers, [timeline], round);
}

/** The same for several timelines at once. */
export function inTurns<Value>(
  writers: KeyedQueue,
  timelines: readonly (readonly string[])[],
  round: () => Promise<Value>,
): Promise<Value> {
  const keys = timelines.map((timeline) => JSON.stringify(["facts", ...timeline]));
  return writers.run(keys, async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await round();
      } catch (error) {
        if (!MemoryError.isInstance(error) || error.code !== "conflict" || attempt === mostRounds) throw error;
      }
      await sleep(longestPauseMs * Math.random());
    }
  });
}
