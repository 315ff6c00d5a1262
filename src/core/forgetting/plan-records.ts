import { matchesFilter } from "../../domain/filter.ts";
import type { PlannedRecord } from "../../domain/forgetting.ts";
import type { Metadata } from "../../domain/message.ts";
import type { RecordConditions, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { everyRecord } from "../all-records.ts";
import type { MemoryCore } from "../memory-core.ts";
import { ownTypes } from "../records/own-types.ts";
import { countHolders, duplicates } from "./duplicates.ts";
import type { PlanOfKind } from "./kind.ts";
import type { CheckedDuplicates, CheckedRecordRule, CheckedRules } from "./rules.ts";

const readAtOnce = 1_000;

/** Which records the rules would have forgotten, and which say what others of their type say later. */
export async function planRecords(
  core: MemoryCore,
  scope: StoreScope,
  { records: rules, duplicates: same }: CheckedRules,
  signal: AbortSignal | undefined,
): Promise<PlanOfKind<PlannedRecord>> {
  const store = await core.records.openToDelete();
  if (store === undefined) return { items: [], looked: 0 };
  const items: PlannedRecord[] = [];
  const kept: StoredRecord[] = [];
  let looked = 0;
  const query = { ...typesOf(rules, same), orderBy: "createdAt", direction: "asc", limit: readAtOnce } as const;
  for await (const records of everyRecord(store, scope, query, signal)) {
    looked += records.length;
    for (const record of records) {
      const rule = rules.find((one) => fits(one, record));
      if (rule !== undefined) items.push(planned(record, { reason: "rule", rule: rule.place, duplicateOf: undefined }));
      else if (isCompared(record, same)) kept.push(record);
    }
  }
  return { items: [...items, ...repetitions(kept, same)], looked };
}

/** No others are read. */
function typesOf(rules: readonly CheckedRecordRule[], { kinds, types }: CheckedDuplicates): RecordConditions {
  if (kinds.includes("record") && types === undefined) return { exceptTypes: ownTypes };
  const compared = kinds.includes("record") ? (types ?? []) : [];
  return { types: [...new Set([...rules.flatMap((rule) => rule.types), ...compared])] };
}

const isCompared = ({ type }: StoredRecord, { kinds, types }: CheckedDuplicates) =>
  kinds.includes("record") && (types === undefined || types.includes(type));

function fits(rule: CheckedRecordRule, { type, conversationId, data, createdAt, updatedAt }: StoredRecord): boolean {
  return (
    rule.types.includes(type) &&
    createdAt.getTime() < rule.createdBefore &&
    updatedAt.getTime() < rule.changedBefore &&
    (rule.conversationId === undefined || rule.conversationId === conversationId) &&
    matchesFilter(data, rule.filter)
  );
}

/** Newest first: what was stored last stays. */
function repetitions(records: readonly StoredRecord[], same: CheckedDuplicates): PlannedRecord[] {
  const holders = countHolders(records.map(({ content }) => content));
  const groups = new Map<string, ReturnType<typeof duplicates<StoredRecord>>>();
  return [...records].sort(newestFirst).flatMap((record) => {
    const key = groupOf(record, same.sameMetadata);
    const known = groups.get(key) ?? duplicates<StoredRecord>(same.likeness, holders);
    groups.set(key, known);
    const newer = known.findOrAdd(record.content, record);
    if (newer === undefined) return [];
    return [planned(record, { reason: "duplicate", rule: undefined, duplicateOf: { type: newer.type, recordId: newer.id } })];
  });
}

const newestFirst = (left: StoredRecord, right: StoredRecord) =>
  right.updatedAt.getTime() - left.updatedAt.getTime() || right.createdAt.getTime() - left.createdAt.getTime();

/** What records have in common that may stand for each other: one that lasts is not the same as one that ends by itself. */
function groupOf({ userId, resourceId, type, conversationId, name, data, expiresAt }: StoredRecord, fields?: readonly string[]): string {
  const lasts = expiresAt === undefined;
  return JSON.stringify([userId, resourceId, type, conversationId ?? null, name ?? null, lasts, ...fieldsOf(data, fields)]);
}

function fieldsOf(data: Metadata, fields: readonly string[] = Object.keys(data)): unknown[] {
  return [...fields].sort().flatMap((field) => (Object.hasOwn(data, field) ? [[field, data[field]]] : []));
}

function planned(
  { userId, type, id, version, name, content }: StoredRecord,
  why: Pick<PlannedRecord, "reason" | "rule" | "duplicateOf">,
): PlannedRecord {
  return { kind: "record", userId, type, recordId: id, version, name, text: content || (name ?? ""), ...why };
}
