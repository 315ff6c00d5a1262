import { setTimeout as sleep } from "node:timers/promises";
import { MemoryError } from "../domain/errors.ts";
import type { MemoryCore } from "./memory-core.ts";

/** How often a change is tried that others come between. */
const mostRounds = 20;

/**
 * Reads and changes a record by its version, again when another process came between; writers of this process wait for each
 * other instead.
 *
 * @param key what is changed
 * @param repeats whether it may be tried again
 * @throws ConflictError when the last round was lost, too
 */
export function untilUnchanged<Value>(
  core: Pick<MemoryCore, "writers">,
  key: readonly string[],
  round: () => Promise<Value>,
  repeats = true,
): Promise<Value> {
  return core.writers.run([JSON.stringify(key)], async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await round();
      } catch (error) {
        if (!repeats || !isConflict(error) || attempt === mostRounds) throw error;
      }
      await sleep(Math.min(100, 2 ** attempt) * Math.random());
    }
  });
}

export function isConflict(error: unknown): boolean {
  return MemoryError.isInstance(error) && error.code === "conflict";
}
