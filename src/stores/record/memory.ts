import type { Page } from "../../domain/conversation.ts";
import { BackendError, ConflictError } from "../../domain/errors.ts";
import { matchesFilter } from "../../domain/filter.ts";
import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type {
  NewRecord,
  RecordConditions,
  RecordName,
  RecordOperation,
  RecordQuery,
  RecordStore,
  StoredRecord,
} from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/session-store.ts";
import { decodeCursor, encodeCursor } from "../cursors.ts";

/** There is nothing to choose. */
export type MemoryRecordStoreOptions = Readonly<Record<never, never>>;

/** Records in this process: for tests, and for what may be lost with it. */
export function memoryRecordStore(_options: MemoryRecordStoreOptions = {}): RecordStore {
  const tenants = new Map<string, Map<string, Held>>();
  let isClosed = false;

  /** Every method begins here: a promise that rejects, never a throw. */
  async function during<Value>(operation: string, signal: AbortSignal | undefined, work: () => Value): Promise<Value> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError("memory", operation, "the store was closed: make a new one", { code: "closed" });
    return work();
  }

  /** What is there now: the expired are dropped on the way. */
  function present(tenant: string): Map<string, Held> {
    const rows = tenants.get(tenant) ?? new Map<string, Held>();
    const now = Date.now();
    for (const [key, { record }] of rows) if (record.expiresAt !== undefined && record.expiresAt.getTime() <= now) rows.delete(key);
    return rows;
  }

  const matching = (scope: StoreScope, conditions: RecordConditions): Held[] =>
    [...present(scope.tenant).values()].filter((held) => isInScope(held.record, scope) && matches(held, conditions));

  return {
    name: "memory",
    guarantees,
    open: (signal) => during("open", signal, () => {}),
    async close() {
      isClosed = true;
      tenants.clear();
    },
    health: async () => ({
      ok: !isClosed,
      store: "memory",
      latencyMs: isClosed ? undefined : 0,
      versions: {},
      problem: isClosed ? "[memory] the store was closed: make a new one" : undefined,
    }),

    write: (operations, signal) =>
      during("write", signal, () => {
        const names = new Set(operations.map((operation) => targetOf(operation).tenant));
        const changed = new Map([...names].map((tenant) => [tenant, new Map(present(tenant))]));
        const answers = operations.map((operation) => apply(changed.get(targetOf(operation).tenant) as Map<string, Held>, operation));
        for (const operation of operations) if ("put" in operation) checkKey(changed, operation.put);
        for (const [tenant, rows] of changed) tenants.set(tenant, rows);
        return answers.map((held) => held && copyOut(held));
      }),
    get: (tenant, names, signal) =>
      during("get", signal, () => {
        const rows = present(tenant);
        return names.map((name) => {
          const held = rows.get(keyOf(name));
          return held && copyOut(held);
        });
      }),
    list: (scope, query, signal) => during("list", signal, () => page(matching(scope, query), query)),
    count: (scope, conditions, signal) => during("count", signal, () => matching(scope, conditions).length),
    erase: (scope, signal) =>
      during("erase", signal, () => {
        const gone = matching(scope, {});
        const rows = tenants.get(scope.tenant);
        for (const { record } of gone) rows?.delete(keyOf(record));
        if (rows?.size === 0) tenants.delete(scope.tenant);
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
};

/** A record with its data as JSON, so that no one else holds a part of it. */
interface Held {
  readonly record: Omit<StoredRecord, "data">;
  readonly dataJson: string;
}

const keyOf = ({ userId, type, id }: RecordName) => JSON.stringify([userId, type, id]);
const targetOf = (operation: RecordOperation) => ("put" in operation ? operation.put : operation.delete);

function copyDates<Fields extends Pick<NewRecord, "createdAt" | "expiresAt">>(fields: Fields): Fields {
  return { ...fields, createdAt: new Date(fields.createdAt), expiresAt: fields.expiresAt && new Date(fields.expiresAt) };
}

function copyIn({ data, ...record }: NewRecord, version: number): Held {
  return { record: { ...copyDates(record), version, updatedAt: new Date() }, dataJson: JSON.stringify(data) };
}

function copyOut({ record, dataJson }: Held): StoredRecord {
  return { ...copyDates(record), updatedAt: new Date(record.updatedAt), data: JSON.parse(dataJson) };
}

/** Does one operation on the rows of its tenant; answers what was stored, or deleted. */
function apply(rows: Map<string, Held>, operation: RecordOperation): Held | undefined {
  const target = targetOf(operation);
  const key = keyOf(target);
  const before = rows.get(key);
  const version = before?.record.version ?? 0;
  if (operation.ifVersion !== undefined && operation.ifVersion !== version) {
    throw new ConflictError(target.id, `[record] "${target.id}" is not of the version expected: read it again`, {
      expected: String(operation.ifVersion),
      actual: String(version),
    });
  }
  if ("delete" in operation) {
    rows.delete(key);
    return before;
  }
  const after = copyIn(operation.put, version + 1);
  rows.set(key, after);
  return after;
}

function checkKey(changed: ReadonlyMap<string, ReadonlyMap<string, Held>>, { tenant, userId, type, key }: NewRecord): void {
  if (key === undefined) return;
  const holders = [...(changed.get(tenant)?.values() ?? [])].filter(
    ({ record }) => record.key === key && record.userId === userId && record.type === type,
  );
  const [, second] = holders;
  if (second !== undefined)
    throw new ConflictError(second.record.id, `[record] the key of "${second.record.id}" is taken: choose another, or change its holder`);
}

function isInScope(record: Held["record"], { userId, resourceId }: StoreScope): boolean {
  return (userId === undefined || record.userId === userId) && (resourceId === undefined || record.resourceId === resourceId);
}

function matches({ record, dataJson }: Held, { types, name, key, conversationId, filter }: RecordConditions): boolean {
  return (
    (types === undefined || types.includes(record.type)) &&
    (name === undefined || record.name === name) &&
    (key === undefined || record.key === key) &&
    (conversationId === undefined || record.conversationId === conversationId) &&
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
