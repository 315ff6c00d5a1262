import type { KeyedQueue } from "../../internal/keyed-queue.ts";
import { untilUnchanged } from "../until-unchanged.ts";

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
  return writers.run(keys, () => untilUnchanged(round));
}
