import { MemoryError } from "../../domain/errors.ts";
import type { ScopedMemory } from "../../domain/memory.ts";
import type { MemoryRecord, RecordCallOptions, RecordInput } from "../../domain/records.ts";
import { isConflict } from "../until-unchanged.ts";

/** What the kinds of records are kept in: the handle of a user, or the administrator's. */
export type RecordsHandle = Pick<ScopedMemory, "records">;

const mostRounds = 100;

/** Makes a record, or changes it by what it is, in one step: nobody comes between. `make` may be called again. */
export async function putOrUpdate(
  { records }: RecordsHandle,
  type: string,
  id: string,
  make: (before: MemoryRecord | undefined) => Pick<RecordInput, "name" | "content" | "metadata">,
  options: RecordCallOptions,
): Promise<MemoryRecord> {
  for (let round = 1; ; round++) {
    try {
      return await records.update(type, id, make, options);
    } catch (error) {
      if (!MemoryError.isInstance(error) || error.code !== "not_found") throw error;
    }
    try {
      return await records.put({ ...make(undefined), id, type }, { ...options, ifVersion: 0 });
    } catch (error) {
      if (!isConflict(error) || round === mostRounds) throw error;
    }
  }
}
