import type {
  RecordName,
  RecordSimilarity,
  RecordVector,
  RecordVectorEntry,
  RecordVectorQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { bytesOf, cosine, floatsOf } from "../../internal/cosine.ts";
import type { RecordDatabase } from "./record-database.ts";
import { type RecordDocument, recordId, toRecord } from "./record-documents.ts";
import { isAlive, matching, withoutVector } from "./record-reads.ts";

/** So many vectors are compared at a time: the memory a search takes. */
const pageSize = 1_000;

/** The fields of a record that hold its vector. */
export function vectorFields({ model, values }: RecordVector): Pick<RecordDocument, "vectorModel" | "vector"> {
  return { vectorModel: model, ...(values !== undefined && { vector: bytesOf(Float32Array.from(values)) }) };
}

export async function setVectors({ records }: RecordDatabase, entries: readonly RecordVectorEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const operations = entries.map(({ record: { tenant, name = null, content, ...rest }, model, values }) => ({
    updateOne: {
      filter: { _id: recordId(tenant, rest), name, content, wantsVector: true, vectorModel: { $ne: model } },
      update: { $set: vectorFields({ model, values }), ...(values === undefined && { $unset: { vector: "" } }) },
    },
  }));
  await records.bulkWrite(operations, { ordered: false });
}

export async function getVectors(
  { records }: RecordDatabase,
  tenant: string,
  names: readonly RecordName[],
): Promise<(RecordVector | undefined)[]> {
  const ids = names.map((name) => recordId(tenant, name));
  const fields = { projection: { vectorModel: 1, vector: 1 } };
  const found = await records.find({ _id: { $in: [...new Set(ids)] }, vectorModel: { $exists: true }, ...isAlive() }, fields).toArray();
  const byId = new Map((found as unknown as RecordDocument[]).map((document) => [document._id, document]));
  return ids.map((id) => {
    const document = byId.get(id);
    return document?.vectorModel === undefined ? undefined : { model: document.vectorModel, values: decode(document.vector)?.slice() };
  });
}

/** The driver gives bytes as a `Binary`, unless it is told to give buffers. */
function decode(vector: RecordDocument["vector"]): Float32Array | undefined {
  if (vector === undefined) return undefined;
  return floatsOf(vector instanceof Uint8Array ? vector : vector.buffer);
}

const owed = (model: string) => ({ wantsVector: true, vectorModel: { $ne: model }, content: { $ne: "" } });

export async function countMissingVectors({ records }: RecordDatabase, scope: StoreScope, model: string): Promise<number> {
  return records.countDocuments({ $and: [matching(scope, {}), owed(model)] });
}

export async function missingVectors({ records }: RecordDatabase, model: string, limit: number): Promise<StoredRecord[]> {
  const found = await records.find({ ...owed(model), ...isAlive() }, { ...withoutVector, limit }).toArray();
  return (found as unknown as RecordDocument[]).map(toRecord);
}

/** Compares what matches, a page at a time, and keeps the best. */
export async function searchVectors({ records }: RecordDatabase, scope: StoreScope, query: RecordVectorQuery): Promise<RecordSimilarity[]> {
  const { model, values, limit, minSimilarity = -1 } = query;
  const conditions = { $and: [matching(scope, query), { vectorModel: model, vector: { $exists: true } }] };
  let best: { readonly id: string; readonly similarity: number }[] = [];
  for (let after: string | undefined; ; ) {
    const filter = after === undefined ? conditions : { $and: [conditions, { _id: { $gt: after } }] };
    const options = { projection: { vector: 1 }, sort: { _id: 1 }, limit: pageSize };
    const page = (await records.find(filter, options).toArray()) as unknown as Pick<RecordDocument, "_id" | "vector">[];
    const measured = page.flatMap(({ _id, vector }) => {
      const one = decode(vector);
      return one?.length === values.length ? [{ id: _id, similarity: cosine(one, values) }] : [];
    });
    best = [...best, ...measured.filter(({ similarity }) => similarity >= minSimilarity)]
      .sort((left, right) => right.similarity - left.similarity || (left.id < right.id ? -1 : 1))
      .slice(0, limit);
    after = page.at(-1)?._id;
    if (page.length < pageSize) break;
  }
  const found = await records.find({ _id: { $in: best.map(({ id }) => id) }, ...isAlive() }, withoutVector).toArray();
  const byId = new Map((found as unknown as RecordDocument[]).map((document) => [document._id, toRecord(document)]));
  return best.flatMap(({ id, similarity }) => {
    const record = byId.get(id);
    return record === undefined ? [] : [{ record, similarity }];
  });
}
