import type { MemoryRecord } from "../../domain/records.ts";

/** Oldest first as they come; times finer than a millisecond decide between rows of one. */
export function inOrderOfTime(records: readonly MemoryRecord[]): MemoryRecord[] {
  return records
    .map((record) => ({ record, at: record.createdAt.getTime(), said: saidAt(record) }))
    .sort((one, other) => {
      if (one.at !== other.at) return one.at - other.at;
      if (one.said === undefined || one.said.instant !== other.said?.instant) return 0;
      return one.said.fraction.localeCompare(other.said.fraction);
    })
    .map(({ record }) => record);
}

/** The timestamp of a row, with all its digits. */
function saidAt({ metadata: { timestamp } }: MemoryRecord): { readonly instant: number; readonly fraction: string } | undefined {
  if (typeof timestamp !== "string") return undefined;
  return { instant: Date.parse(timestamp), fraction: (/:\d\d\.(\d+)/u.exec(timestamp)?.[1] ?? "").padEnd(9, "0") };
}
