import type { RecordName, RecordOperation, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { MemoryCore } from "./memory-core.ts";
import { untilUnchanged } from "./until-unchanged.ts";

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
  return core.writers.run([JSON.stringify(key)], () => (repeats ? untilUnchanged(round) : round()));
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
  return core.writers.run([JSON.stringify(key)], () => (repeats ? untilUnchanged(round) : round()));
}
