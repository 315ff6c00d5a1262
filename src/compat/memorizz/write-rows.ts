import { untilUnchanged } from "../../core/until-unchanged.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { MemoryRecord, RecordOfBatch, Records } from "../../domain/records.ts";
import { orderedUuid } from "../../internal/ordered-uuid.ts";
import { stableUuid } from "../../internal/stable-id.ts";
import { type MemoryType, placesOf } from "./memory-type.ts";
import { type MemorizzData, nobody, timeOf, toInput, toRow } from "./rows.ts";

/** Where rows are written, and how. */
export interface RowWriter {
  readonly records: Records;
  readonly upsertByName: boolean;
  /** A vector of the caller's, checked. */
  vectorOf(data: MemorizzData): Promise<RowVector>;
}

export type RowVector = Pick<RecordOfBatch, "embedding" | "embeddingModel">;

/** A row as it shall be. */
interface RowDraft {
  readonly owner: string;
  readonly id: string;
  readonly place: MemoryType;
  /** What is there of it. */
  readonly before: MemoryRecord | undefined;
  data: MemorizzData;
  createdAt: Date | undefined;
  vector: RowVector;
}

const idsAtOnce = 1_000;

/** Stores rows, or changes those of their ids or names: all of a user's or none. Answers their ids in order. */
export async function writeRows(writer: RowWriter, rows: readonly MemorizzData[], type: MemoryType): Promise<string[]> {
  for (const data of rows) if (typeof data !== "object" || data === null) throw new InvalidArgumentError("data", "must be an object");
  const ids: string[] = [];
  let waiting = rows.map((data, index) => ({ data, index }));
  await untilUnchanged(async () => {
    const drafts = draftsOf(await rowsOfIds(writer, waiting, type));
    const drafted: { readonly draft: RowDraft; readonly index: number }[] = [];
    for (const { data, index } of waiting) {
      const draft =
        drafts.of(data) ??
        drafts.add(
          (await rowOfName(writer, data, type)) ?? (await newRow(writer, data, type)),
          writer.upsertByName ? data.name : undefined,
        );
      await change(writer, draft, data);
      drafted.push({ draft, index });
    }
    for (const [owner, some] of Map.groupBy(drafted, ({ draft }) => draft.owner)) {
      await put(writer, owner, [...new Set(some.map(({ draft }) => draft))]);
      for (const { draft, index } of some) ids[index] = draft.id;
      waiting = waiting.filter(({ index }) => ids[index] === undefined);
    }
  });
  return ids;
}

/** Changes the row that `find` finds. Whether there was one. */
export async function changeRow(writer: RowWriter, find: () => Promise<MemoryRecord | undefined>, data: MemorizzData): Promise<boolean> {
  return untilUnchanged(async () => {
    const found = await find();
    if (found === undefined) return false;
    const draft = draftOf(found);
    if (data.user_id !== undefined && (data.user_id ?? nobody) !== draft.owner)
      throw new InvalidArgumentError("user_id", "cannot change: store the row for the other user, and delete this one");
    await change(writer, draft, data);
    await put(writer, draft.owner, [draft]);
    return true;
  });
}

async function put({ records }: RowWriter, userId: string, drafts: readonly RowDraft[]): Promise<void> {
  const inputs = drafts.map(
    ({ place, id, data, createdAt, vector, before }): RecordOfBatch => ({
      ...toInput(place, id, data),
      ...{ createdAt, conversationId: before?.conversationId, expiresAt: before?.expiresAt, ifVersion: before?.version ?? 0 },
      ...vector,
    }),
  );
  await records.putMany(inputs, { userId });
}

/** Fields that are not given stay. */
async function change(writer: RowWriter, draft: RowDraft, data: MemorizzData): Promise<void> {
  const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
  draft.data = { ...draft.data, ...given };
  draft.createdAt = timeOf(data) ?? draft.createdAt;
  const vector = await writer.vectorOf(data);
  if (vector.embedding !== undefined) draft.vector = vector;
}

/** Rows of a batch, each once: what comes later in it goes on with what came before. */
function draftsOf(found: readonly RowDraft[]) {
  const byPlace = new Map<string, RowDraft>();
  const byId = new Map<string, RowDraft[]>();
  const byName = new Map<string, RowDraft>();

  function add(draft: RowDraft, name?: string): RowDraft {
    const { owner, place, id } = draft;
    const key = JSON.stringify([owner, place, id]);
    const known = byPlace.get(key) ?? draft;
    if (known === draft) {
      byPlace.set(key, draft);
      byId.set(id, [...(byId.get(id) ?? []), draft]);
    }
    if (name !== undefined) byName.set(JSON.stringify([owner, name]), known);
    return known;
  }

  for (const draft of found) add(draft);
  return {
    add,
    /** The row that data would change. */
    of({ id, name, user_id: userId }: MemorizzData): RowDraft | undefined {
      if (id !== undefined) return byId.get(id)?.find(({ owner }) => userId === undefined || owner === (userId ?? nobody));
      return name === undefined ? undefined : byName.get(JSON.stringify([userId ?? nobody, name]));
    },
  };
}

function draftOf(before: MemoryRecord): RowDraft {
  const { id, userId: owner, type } = before;
  return { owner, id, place: type as MemoryType, before, data: toRow(before), createdAt: undefined, vector: {} };
}

async function newRow({ records, upsertByName }: RowWriter, { id, name, user_id }: MemorizzData, place: MemoryType): Promise<RowDraft> {
  const owner = user_id ?? nobody;
  const draft = (found: string): RowDraft => ({ owner, id: found, place, before: undefined, data: {}, createdAt: undefined, vector: {} });
  if (id !== undefined) return draft(id);
  if (!upsertByName || name === undefined) return draft(orderedUuid());
  // Of writers of one name at once each makes the same id: all but the first find it taken. A row renamed since keeps its own.
  for (let attempt = 0; ; attempt++) {
    const named = stableUuid("memorizz", place, name, String(attempt));
    const found = await records.get(place, named, { userId: owner });
    if (found === undefined) return draft(named);
    if (found.name === name) return draftOf(found);
  }
}

async function rowOfName({ records, upsertByName }: RowWriter, data: MemorizzData, type: MemoryType): Promise<RowDraft | undefined> {
  const { id, name, user_id } = data;
  if (!upsertByName || id !== undefined || name === undefined) return undefined;
  const { items } = await records.list({ type: placesOf(type), name, userId: user_id ?? nobody, limit: 1 });
  return items[0] && draftOf(items[0]);
}

/** The rows there are of these ids, newest first. */
async function rowsOfIds({ records }: RowWriter, rows: readonly { readonly data: MemorizzData }[], type: MemoryType): Promise<RowDraft[]> {
  const ids = [...new Set(rows.flatMap(({ data }) => data.id ?? []))];
  const found: RowDraft[] = [];
  for (let start = 0; start < ids.length; start += idsAtOnce) {
    const some = ids.slice(start, start + idsAtOnce);
    for (let cursor: string | undefined; ; ) {
      const page = await records.list({ type: placesOf(type), ids: some, limit: idsAtOnce, cursor });
      found.push(...page.items.map(draftOf));
      if (page.nextCursor === undefined) break;
      cursor = page.nextCursor;
    }
  }
  return found;
}
