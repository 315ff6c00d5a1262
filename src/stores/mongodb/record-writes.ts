import { randomUUID } from "node:crypto";
import type { RecordName, RecordOperation, StoredRecord } from "../../domain/record-store.ts";
import { checkExpected, hasSameText, keyTaken, targetOf, versionAfter } from "../record-operations.ts";
import type { UnitOptions } from "./connection.ts";
import { documentId } from "./documents.ts";
import { type Decide, type RecordChanges, type RecordDatabase, writingTo } from "./record-database.ts";
import { type RecordDocument, recordId, toRecord, toRecordDocument } from "./record-documents.ts";
import { get } from "./record-reads.ts";
import { vectorFields } from "./record-vectors.ts";

const idOf = (operation: RecordOperation) => recordId(targetOf(operation).tenant, targetOf(operation));

export async function write(database: RecordDatabase, operations: readonly RecordOperation[]): Promise<(StoredRecord | undefined)[]> {
  if (operations.length === 0) return [];
  const tenants = [...new Set(operations.map((operation) => targetOf(operation).tenant))];
  return writingTo(database, tenants, (unit, decide) => writeIn(database, operations, unit, decide));
}

/** Reads and writes as one of the tenant's writers. */
export async function change(
  database: RecordDatabase,
  tenant: string,
  names: readonly RecordName[],
  decideOperations: (found: readonly (StoredRecord | undefined)[]) => readonly RecordOperation[],
): Promise<(StoredRecord | undefined)[]> {
  return writingTo(database, [tenant], async (unit, decide) =>
    writeIn(database, decideOperations(await get(database, tenant, names, unit)), unit, decide),
  );
}

async function writeIn(
  database: RecordDatabase,
  operations: readonly RecordOperation[],
  unit: UnitOptions,
  decide: Decide,
): Promise<(StoredRecord | undefined)[]> {
  if (operations.length === 0) return [];
  const found = await database.records.find(concerned(operations), unit).toArray();
  const { answers, changes } = decideOn(database, operations, found as unknown as RecordDocument[]);
  await decide(changes);
  return answers;
}

/** The records that are named, and the holders of keys that are asked for. */
function concerned(operations: readonly RecordOperation[]): object {
  const keys = operations.flatMap((operation) => {
    if (!("put" in operation) || operation.put.key === undefined) return [];
    const { tenant, userId, type, key } = operation.put;
    return [documentId(tenant, userId, type, key)];
  });
  const named = { _id: { $in: [...new Set(operations.map(idOf))] } };
  return keys.length === 0 ? named : { $or: [named, { uniqueKey: { $in: [...new Set(keys)] } }] };
}

function decideOn(database: RecordDatabase, operations: readonly RecordOperation[], found: readonly RecordDocument[]) {
  const now = Date.now();
  const isExpired = ({ expiresAt }: RecordDocument) => expiresAt !== undefined && expiresAt.getTime() <= now;
  const before = new Map(found.filter((document) => !isExpired(document)).map((document) => [document._id, document]));
  const after = new Map(before);
  const answers = operations.map((operation) => {
    const answer = apply(after, operation, database.language);
    return answer && toRecord(answer);
  });
  checkKeys(after);
  const touched = new Set(operations.map(idOf));
  const changes = new Map<string, RecordChanges>();
  for (const tenant of new Set([...found, ...operations.map(targetOf)].map((one) => one.tenant))) {
    const own = found.filter((document) => document.tenant === tenant);
    const stored = [...after.values()].filter((document) => document.tenant === tenant && touched.has(document._id));
    changes.set(tenant, {
      deleted: own.filter((document) => !after.has(document._id)).map(({ _id }) => _id),
      freed: own.filter(({ _id, uniqueKey }) => uniqueKey !== undefined && after.get(_id)?.uniqueKey !== uniqueKey).map(({ _id }) => _id),
      stored,
    });
  }
  return { answers, changes };
}

/** Does one operation; answers what was stored, or deleted. */
function apply(rows: Map<string, RecordDocument>, operation: RecordOperation, language: string): RecordDocument | undefined {
  const id = idOf(operation);
  const before = rows.get(id);
  const version = before?.version ?? 0;
  checkExpected(operation, version);
  if ("check" in operation && before !== undefined) {
    // Two transactions that only read of each other's records do not collide: it is written, so that they do.
    const held = { ...before, held: randomUUID() };
    rows.set(id, held);
    return held;
  }
  if ("delete" in operation) {
    rows.delete(id);
    return before;
  }
  if ("check" in operation) return undefined;
  const stored = { ...toRecordDocument(operation.put, versionAfter(operation, version), language), ...vectorAfter(operation, before) };
  rows.set(id, stored);
  return stored;
}

/** A text that stays as it is keeps its vector. */
function vectorAfter({ put, vector }: Extract<RecordOperation, { put: unknown }>, before: RecordDocument | undefined) {
  if (vector !== undefined) return vectorFields(vector);
  if (before?.vectorModel === undefined || !hasSameText(put, { name: before.name, content: before.content })) return {};
  return { vectorModel: before.vectorModel, ...(before.vector !== undefined && { vector: before.vector }) };
}

function checkKeys(rows: ReadonlyMap<string, RecordDocument>): void {
  const holders = new Map<string, string>();
  for (const { id, uniqueKey } of rows.values()) {
    if (uniqueKey === undefined) continue;
    if (holders.has(uniqueKey)) throw keyTaken(id);
    holders.set(uniqueKey, id);
  }
}
