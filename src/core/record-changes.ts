import { setTimeout as sleep } from "node:timers/promises";
import { MemoryError } from "../domain/errors.ts";
import type { RecordName, RecordOperation, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { MemoryCore } from "./memory-core.ts";

/** How often a change is tried that others come between, where the store cannot read and write in one step. */
const mostRounds = 100;
/** Short, or those that pause lose to those that just come. */
const longestPauseMs = 10;

export interface RecordChange {
  readonly tenant: string;
  readonly name: RecordName;
  /** What to write, by the version of what is there. Called again when somebody came between. */
  readonly change: (before: StoredRecord | undefined) => readonly RecordOperation[];
  /** Whether a conflict may come of somebody who was faster, and not of what the caller expects. */
  readonly repeats: boolean;
}

/**
 * Reads and changes a record; answers what its first operation made of it. Writers of this process wait for each other.
 *
 * @throws ConflictError when the version is not as the caller expects, or 100 rounds were lost
 */
export function changeRecord(
  core: Pick<MemoryCore, "writers">,
  records: RecordStore,
  { tenant, name, change, repeats }: RecordChange,
  signal: AbortSignal | undefined,
): Promise<StoredRecord | undefined> {
  const key = ["record", tenant, name.userId, name.type, name.id];
  if (records.change !== undefined) {
    const changed = () => records.change?.(tenant, [name], ([before]) => change(before), signal);
    return core.writers.run([JSON.stringify(key)], async () => (await changed())?.[0]);
  }
  const round = async () => {
    const [before] = await records.get(tenant, [name], signal);
    return (await records.write(change(before), signal))[0];
  };
  return untilUnchanged(core, key, round, repeats);
}

export interface RecordsChange extends Pick<RecordChange, "tenant" | "repeats"> {
  readonly names: readonly RecordName[];
  /** As {@link RecordChange.change}, of all of them. */
  readonly change: (before: readonly (StoredRecord | undefined)[]) => readonly RecordOperation[];
}

/** The same for several records, all of them or none; answers what its operations made. */
export function changeRecords(
  core: Pick<MemoryCore, "writers">,
  records: RecordStore,
  { tenant, names, change, repeats }: RecordsChange,
  signal: AbortSignal | undefined,
): Promise<readonly (StoredRecord | undefined)[]> {
  if (records.change !== undefined) return records.change(tenant, names, change, signal);
  const key = ["records", tenant, ...new Set(names.map(({ userId }) => userId))];
  const round = async () => records.write(change(await records.get(tenant, names, signal)), signal);
  return untilUnchanged(core, key, round, repeats);
}

/**
 * Reads and writes by versions, again when another process came between; writers of this process wait for each other.
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
      await sleep(longestPauseMs * Math.random());
    }
  });
}

export function isConflict(error: unknown): boolean {
  return MemoryError.isInstance(error) && error.code === "conflict";
}
