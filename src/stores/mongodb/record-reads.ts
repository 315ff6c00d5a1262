import type { Page } from "../../domain/conversation.ts";
import type { RecordConditions, RecordMatch, RecordName, RecordQuery, RecordTextQuery, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import type { UnitOptions } from "./connection.ts";
import { type RecordDatabase, writingTo } from "./record-database.ts";
import { type RecordDocument, recordId, toRecord } from "./record-documents.ts";
import { inScope } from "./session-database.ts";
import { fieldConditions, questionWords, rankByWords } from "./text.ts";

/** Expired records are not there, though the server may take a minute to delete them. */
export const isAlive = () => ({ expiresAt: { $not: { $lte: new Date() } } });

function conditionsOf(conditions: RecordConditions): object[] {
  const { types, exceptTypes, ids, name, names, key, conversationId, positionFrom, positionBefore, filter } = conditions;
  return [
    ...(types === undefined ? [] : [{ type: { $in: [...types] } }]),
    ...(exceptTypes === undefined ? [] : [{ type: { $nin: [...exceptTypes] } }]),
    ...(ids === undefined ? [] : [{ id: { $in: [...ids] } }]),
    ...(name === undefined ? [] : [{ name }]),
    ...(names === undefined ? [] : [{ name: { $in: [...names] } }]),
    ...(positionFrom === undefined ? [] : [{ position: { $gte: positionFrom } }]),
    ...(positionBefore === undefined ? [] : [{ position: { $lt: positionBefore } }]),
    ...(key === undefined ? [] : [{ key }]),
    ...(conversationId === undefined ? [] : [{ conversationId }]),
    ...fieldConditions(filter),
  ];
}

/** Records are read without their vectors. */
export const withoutVector = { projection: { vector: 0 } } as const;

export const matching = (scope: StoreScope, conditions: RecordConditions) => ({
  $and: [inScope(scope), isAlive(), ...conditionsOf(conditions)],
});

export async function get(
  { records }: RecordDatabase,
  tenant: string,
  names: readonly RecordName[],
  unit: UnitOptions = {},
): Promise<(StoredRecord | undefined)[]> {
  if (names.length === 0) return [];
  const ids = names.map((name) => recordId(tenant, name));
  const found = await records.find({ _id: { $in: [...new Set(ids)] }, ...isAlive() }, { ...unit, ...withoutVector }).toArray();
  const byId = new Map((found as unknown as RecordDocument[]).map((document) => [document._id, document]));
  return ids.map((id) => {
    const document = byId.get(id);
    return document && toRecord(document);
  });
}

const ties = ["userId", "type", "id"] as const;

export async function list({ records }: RecordDatabase, scope: StoreScope, query: RecordQuery): Promise<Page<StoredRecord>> {
  const { orderBy, limit, cursor, offset } = query;
  const direction = query.direction === "asc" ? 1 : -1;
  const order = [orderBy === "name" ? "sortName" : orderBy, ...ties] as const;
  const conditions: object[] = [matching(scope, query)];
  if (cursor !== undefined) {
    const [value, ...rest] = decodeCursor(query, cursor, order.length);
    const isTime = orderBy === "createdAt" || orderBy === "updatedAt";
    conditions.push(beyond(order, [isTime ? new Date(Number(value)) : value, ...rest], query.direction === "asc" ? "$gt" : "$lt"));
  }
  const options = { ...withoutVector, sort: Object.fromEntries(order.map((field) => [field, direction])), skip: offset, limit: limit + 1 };
  const found = (await records.find({ $and: conditions }, options).toArray()) as unknown as RecordDocument[];
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  const placeOf = (document: RecordDocument) =>
    order.map((field) => {
      const value = document[field];
      return value instanceof Date ? value.getTime() : value;
    });
  return { items: page.map(toRecord), nextCursor: last && encodeCursor(query, placeOf(last)) };
}

/** What comes after a place in an order of several fields. */
function beyond(fields: readonly string[], place: readonly unknown[], operator: "$gt" | "$lt"): object {
  return {
    $or: fields.map((field, index) => ({
      ...Object.fromEntries(fields.slice(0, index).map((earlier, position) => [earlier, place[position]])),
      [field]: { [operator]: place[index] },
    })),
  };
}

export async function count({ records }: RecordDatabase, scope: StoreScope, conditions: RecordConditions): Promise<number> {
  return records.countDocuments(matching(scope, conditions));
}

export async function searchRecords(database: RecordDatabase, scope: StoreScope, query: RecordTextQuery): Promise<RecordMatch[]> {
  const words = questionWords(query.words);
  if (words.length === 0) return [];
  const found = await rankByWords<RecordDocument>(database.records, words, database.language, {
    scope: inScope(scope),
    conditions: [isAlive(), ...conditionsOf(query)],
    projection: { _id: 1 },
    limit: query.limit,
  });
  const ids = found.map(({ document }) => document._id);
  const documents = (await database.records
    .find({ _id: { $in: ids }, ...isAlive() }, withoutVector)
    .toArray()) as unknown as RecordDocument[];
  const byId = new Map(documents.map((document) => [document._id, document]));
  return found.flatMap(({ document: { _id }, rank }) => {
    const document = byId.get(_id);
    return document === undefined ? [] : [{ record: toRecord(document), rank }];
  });
}

/**
 * Among the writers of the tenant: what one of them has decided is not carried out afterwards. How many there were that
 * had not expired.
 */
export async function erase(database: RecordDatabase, scope: StoreScope, conditions: RecordConditions): Promise<number> {
  const matching = { $and: [inScope(scope), ...conditionsOf(conditions)] };
  return writingTo(database, [scope.tenant], async (unit) => {
    const { deletedCount } = await database.records.deleteMany({ $and: [matching, isAlive()] }, unit);
    await database.records.deleteMany(matching, unit);
    return deletedCount;
  });
}
