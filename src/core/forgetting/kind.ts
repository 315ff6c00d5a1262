import type { CallOptions } from "../../domain/call-options.ts";
import type { ForgottenItem, PlannedItem } from "../../domain/forgetting.ts";
import type { RecordStore, StoredRecord } from "../../domain/record-store.ts";

/** How things of one kind are forgotten. What is kept of them is a record of a type of its own, with the plan in its data. */
export interface ForgettingKind<Planned extends PlannedItem> {
  /** Of the records that hold what is forgotten. */
  readonly type: string;
  /** Forgets what was not changed since; how many it was. */
  forget(planId: string, items: readonly Planned[], signal: AbortSignal | undefined): Promise<number>;
  /** What is shown of such a record. */
  show(row: StoredRecord): ForgottenItem;
  restore(records: RecordStore, rows: readonly StoredRecord[], options: CallOptions): Promise<number>;
  purge(records: RecordStore, rows: readonly StoredRecord[], options: CallOptions): Promise<number>;
}

/** What the rules would have forgotten of one kind. */
export interface PlanOfKind<Item extends PlannedItem> {
  readonly items: readonly Item[];
  /** How many were looked at. */
  readonly looked: number;
}
