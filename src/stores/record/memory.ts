import type { Page } from "../../domain/conversation.ts";
import { BackendError } from "../../domain/errors.ts";
import { matchesFilter } from "../../domain/filter.ts";
import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type {
  NewRecord,
  RecordConditions,
  RecordName,
  RecordOperation,
  RecordQuery,
  RecordSimilarity,
  RecordStore,
  RecordVector,
  RecordVectorEntry,
  RecordVectorQuery,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { cosine } from "../../internal/cosine.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";
import { checkExpected, hasSameText, keyTaken, targetOf, versionAfter } from "../record-operations.ts";

/** There is nothing to choose. */
export type MemoryRecordStoreOptions = Readonly<Record<never, never>>;

/** Records in this process: for tests, and for what may be lost with it. */
export function memoryRecordStore(_options: MemoryRecordStoreOptions = {}): RecordStore {
  /** By tenant and name. */
  const tenants = new Map<string, Map<string, Held>>();
  /** Which record has a key; it may have expired since. */
  const holders = new Map<string, Held>();
  let isClosed = false;

  /** Every method begins here: a promise that rejects, never a throw. */
  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: () => Value): Promise<Value> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("memory", operation, "the store was closed: make a new one", { code: "closed" });
    return work();
  }

  /** What is there now: an expired record is dropped when it is met. */
  function find(tenant: string, name: RecordName): Held | undefined {
    const held = tenants.get(tenant)?.get(keyOf(name));
    if (held === undefined || isThere(held)) return held;
    drop(held);
    return undefined;
  }

  function drop(held: Held): void {
    const { record } = held;
    const rows = tenants.get(record.tenant);
    if (rows?.get(keyOf(record)) === held) rows.delete(keyOf(record));
    if (rows?.size === 0) tenants.delete(record.tenant);
    const place = keyPlace(record);
    if (place !== undefined && holders.get(place) === held) holders.delete(place);
  }

  function hold(held: Held): void {
    const { record } = held;
    const rows = tenants.get(record.tenant) ?? new Map<string, Held>();
    tenants.set(record.tenant, rows.set(keyOf(record), held));
    const place = keyPlace(record);
    if (place !== undefined) holders.set(place, held);
  }

  function write(operations: readonly RecordOperation[]): (StoredRecord | undefined)[] {
    const changes = new Map<string, Change>();
    const answers = operations.map((operation) => {
      const target = targetOf(operation);
      const key = JSON.stringify([target.tenant, keyOf(target)]);
      const change = changes.get(key) ?? { before: find(target.tenant, target), after: find(target.tenant, target) };
      checkExpected(operation, change.after?.record.version ?? 0);
      if ("check" in operation) return change.after;
      const after = "put" in operation ? copyIn(operation, change.after) : undefined;
      changes.set(key, { before: change.before, after });
      return after ?? change.after;
    });
    const all = [...changes.values()];
    const freed = new Set(all.map(({ before }) => before));
    const claimed = new Set<string>();
    for (const { after } of all) {
      const place = after && keyPlace(after.record);
      if (after === undefined || place === undefined) continue;
      const holder = holders.get(place);
      if (claimed.has(place) || (holder !== undefined && isThere(holder) && !freed.has(holder))) throw keyTaken(after.record.id);
      claimed.add(place);
    }
    for (const { before } of all) if (before !== undefined) drop(before);
    for (const { after } of all) if (after !== undefined) hold(after);
    return answers.map((held) => held && copyOut(held));
  }

  function get(tenant: string, names: readonly RecordName[]): (StoredRecord | undefined)[] {
    return names.map((name) => {
      const held = find(tenant, name);
      return held && copyOut(held);
    });
  }

  function matching(scope: StoreScope, conditions: RecordConditions): Held[] {
    const rows = [...(tenants.get(scope.tenant)?.values() ?? [])];
    for (const held of rows) if (!isThere(held)) drop(held);
    return rows.filter((held) => isThere(held) && isInScope(held.record, scope) && matches(held, conditions));
  }

  function setVectors(entries: readonly RecordVectorEntry[]): void {
    for (const { record, model, values } of entries) {
      const held = find(record.tenant, record);
      const isMissing = held?.record.wantsVector === true && held.vector?.model !== model;
      if (held !== undefined && isMissing && hasSameText(held.record, record)) held.vector = copyVector({ model, values });
    }
  }

  function missingVectors(model: string, limit: number): StoredRecord[] {
    const found: StoredRecord[] = [];
    for (const rows of tenants.values()) {
      for (const held of rows.values()) {
        if (found.length >= limit) return found;
        if (isOwed(held, model) && isThere(held)) found.push(copyOut(held));
      }
    }
    return found;
  }

  function nearest(scope: StoreScope, { model, values, limit, minSimilarity = -1, ...conditions }: RecordVectorQuery): RecordSimilarity[] {
    return matching(scope, conditions)
      .flatMap((held) => {
        const { vector } = held;
        if (vector?.model !== model || vector.values?.length !== values.length) return [];
        return [{ held, similarity: cosine(vector.values, values) }];
      })
      .filter(({ similarity }) => similarity >= minSimilarity)
      .sort((left, right) => right.similarity - left.similarity || (keyOf(left.held.record) < keyOf(right.held.record) ? -1 : 1))
      .slice(0, limit)
      .map(({ held, similarity }) => ({ record: copyOut(held), similarity }));
  }

  return {
    name: "memory",
    guarantees,
    open: (signal) => during("open", signal, () => {}),
    async close() {
      isClosed = true;
      tenants.clear();
      holders.clear();
    },
    health: async () => ({
      ok: !isClosed,
      store: "memory",
      latencyMs: isClosed ? undefined : 0,
      versions: {},
      problem: isClosed ? "[memory] the store was closed: make a new one" : undefined,
    }),

    write: (operations, signal) => during("write", signal, () => write(operations)),
    change: (tenant, names, change, signal) => during("change", signal, () => write(change(get(tenant, names)))),
    get: (tenant, names, signal) => during("get", signal, () => get(tenant, names)),
    list: (scope, query, signal) => during("list", signal, () => page(matching(scope, query), query)),
    count: (scope, conditions, signal) => during("count", signal, () => matching(scope, conditions).length),
    vectors: {
      set: (entries, signal) => during("set vectors", signal, () => setVectors(entries)),
      get: (tenant, names, signal) =>
        during("get vectors", signal, () =>
          names.map((name) => {
            const vector = find(tenant, name)?.vector;
            return vector && copyVector(vector);
          }),
        ),
      missing: (model, limit, signal) => during("look for missing vectors", signal, () => missingVectors(model, limit)),
      countMissing: (scope, model, signal) =>
        during("count missing vectors", signal, () => matching(scope, {}).filter((held) => isOwed(held, model)).length),
      search: (scope, query, signal) => during("search vectors", signal, () => nearest(scope, query)),
    },
    erase: (scope, conditions, signal) =>
      during("erase", signal, () => {
        const gone = matching(scope, conditions);
        for (const held of gone) drop(held);
        return gone.length;
      }),
  };
}

const inProcess = "it is kept in this process only";
const guarantees: RecordGuarantees = {
  durable: { level: "not offered", why: inProcess },
  atomic: "required",
  consistent: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  text: { level: "not offered", why: "the core ranks by words itself" },
  vectors: "required",
};

/** A record with its data as JSON, so that no one else holds a part of it. */
interface Held {
  readonly record: Omit<StoredRecord, "data">;
  readonly dataJson: string;
  vector?: RecordVector | undefined;
}

const keyOf = ({ userId, type, id }: RecordName) => JSON.stringify([userId, type, id]);

function copyDates<Fields extends Pick<NewRecord, "createdAt" | "expiresAt">>(fields: Fields): Fields {
  return { ...fields, createdAt: new Date(fields.createdAt), expiresAt: fields.expiresAt && new Date(fields.expiresAt) };
}

function copyIn(operation: Extract<RecordOperation, { put: NewRecord }>, before: Held | undefined): Held {
  const { put, vector } = operation;
  const { data, ...record } = put;
  return {
    record: { ...copyDates(record), version: versionAfter(operation, before?.record.version ?? 0), updatedAt: new Date() },
    dataJson: JSON.stringify(data),
    vector: vector === undefined ? (hasSameText(record, before?.record) ? before?.vector : undefined) : copyVector(vector),
  };
}

function copyVector({ model, values }: RecordVector): RecordVector {
  return { model, values: values && Float32Array.from(values) };
}

function copyOut({ record, dataJson }: Held): StoredRecord {
  return { ...copyDates(record), updatedAt: new Date(record.updatedAt), data: JSON.parse(dataJson) };
}

/** What a write makes of one record. */
interface Change {
  readonly before: Held | undefined;
  readonly after: Held | undefined;
}

const isThere = ({ record: { expiresAt } }: Held) => expiresAt === undefined || expiresAt.getTime() > Date.now();

const isOwed = ({ record: { wantsVector, content }, vector }: Held, model: string) =>
  wantsVector === true && content !== "" && vector?.model !== model;

/** Where a record's key is unique. */
const keyPlace = ({ tenant, userId, type, key }: Held["record"]) =>
  key === undefined ? undefined : JSON.stringify([tenant, userId, type, key]);

function isInScope(record: Held["record"], { userId, resourceId }: StoreScope): boolean {
  return (userId === undefined || record.userId === userId) && (resourceId === undefined || record.resourceId === resourceId);
}

function matches({ record, dataJson }: Held, conditions: RecordConditions): boolean {
  const { types, exceptTypes, ids, name, names, key, conversationId, positionFrom, positionBefore, filter } = conditions;
  return (
    (types === undefined || types.includes(record.type)) &&
    exceptTypes?.includes(record.type) !== true &&
    (ids === undefined || ids.includes(record.id)) &&
    (name === undefined || record.name === name) &&
    (names === undefined || (record.name !== undefined && names.includes(record.name))) &&
    (key === undefined || record.key === key) &&
    (conversationId === undefined || record.conversationId === conversationId) &&
    (positionFrom === undefined || record.position >= positionFrom) &&
    (positionBefore === undefined || record.position < positionBefore) &&
    (filter === undefined || matchesFilter(JSON.parse(dataJson), filter))
  );
}

type Place = readonly (string | number)[];

/** What orders a record, with its name among ties. */
function placeOf({ record }: Held, { orderBy }: RecordQuery): Place {
  const value = record[orderBy] ?? "";
  return [value instanceof Date ? value.getTime() : value, record.userId, record.type, record.id];
}

function comparePlaces(left: Place, right: Place): number {
  for (const [index, value] of left.entries()) {
    const other = right[index] as typeof value;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

function page(rows: readonly Held[], query: RecordQuery): Page<StoredRecord> {
  const sign = query.direction === "asc" ? 1 : -1;
  const after = query.cursor === undefined ? undefined : (decodeCursor(query, query.cursor, 4) as Place);
  const placed = rows.map((held) => ({ held, place: placeOf(held, query) }));
  const behind = after === undefined ? placed : placed.filter(({ place }) => sign * comparePlaces(place, after) > 0);
  behind.sort((left, right) => sign * comparePlaces(left.place, right.place));
  const some = behind.slice(query.offset, query.offset + query.limit);
  const last = behind.length > query.offset + query.limit ? some.at(-1) : undefined;
  return { items: some.map(({ held }) => copyOut(held)), nextCursor: last && encodeCursor(query, last.place) };
}
