import type { Page } from "../domain/conversation.ts";
import { ConflictError, InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { RecordConditions, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type {
  ListRecordsOptions,
  MemoryRecord,
  RecordCallOptions,
  RecordChanges,
  RecordOfBatch,
  RecordSelection,
  Records,
  RecordWriteOptions,
} from "../domain/records.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { changeRecord, changeRecords } from "./record-changes.ts";
import { changed, checkChanges, checkRecord, toMemoryRecord } from "./records/checked-record.ts";
import { forgottenIds, forgottenRecordType, withForgotten } from "./records/forgotten-record.ts";
import { ownTypes, parseType } from "./records/own-types.ts";
import { queryRecords } from "./records/query-records.ts";
import { narrowed, ownerOf } from "./scope.ts";
import { parseCount, parseFilter, parseText } from "./validate.ts";

const longestName = 512;
const mostAtOnce = 10_000;

/** `records` of a handle. */
export function records(core: MemoryCore, scope: StoreScope): Records {
  function writer({ userId }: RecordCallOptions): StoreScope & { readonly userId: string } {
    const owner = ownerOf(scope, userId);
    if (owner === undefined)
      throw new InvalidArgumentError("userId", "is required: whose records are they? Pass userId, or use memory.scope({ userId })");
    return { ...scope, userId: owner };
  }

  /** A record of another resource is not this scope's. */
  const isMine = (record: StoredRecord | undefined): record is StoredRecord =>
    record !== undefined && (scope.resourceId === undefined || record.resourceId === scope.resourceId);

  async function write(inputs: readonly RecordOfBatch[], options: RecordWriteOptions): Promise<MemoryRecord[]> {
    const whose = writer(options);
    const { signal } = options;
    if (!Array.isArray(inputs) || inputs.length > mostAtOnce)
      throw new InvalidArgumentError("records", `must be a list of at most ${mostAtOnce}`);
    const checked = await Promise.all(
      inputs.map(async (input) => ({ ...(await checkRecord(core, whose, input)), ifVersion: options.ifVersion ?? input.ifVersion })),
    );
    if (checked.length === 0) return [];
    const store = await core.records.open();
    const written = await changeRecords(
      core,
      store,
      {
        tenant: whose.tenant,
        names: checked.map(({ name }) => name),
        change: (found) =>
          checked.map(({ make, vector, name, ifVersion }, index) => {
            const before = found[index];
            if (before !== undefined && !isMine(before))
              throw new ConflictError(name.id, `[records] the id "${name.id}" is taken: choose another`);
            return {
              put: make(before),
              vector,
              ifVersion: ifVersion ?? (core.records.store.change === undefined ? (before?.version ?? 0) : undefined),
            };
          }),
        repeats: checked.every(({ ifVersion }) => ifVersion === undefined),
      },
      signal,
    );
    core.recordEmbedding.wake();
    return written.map((record) => toMemoryRecord(record as StoredRecord));
  }

  async function find(type: string, id: string, options: RecordCallOptions): Promise<StoredRecord | undefined> {
    const within = narrowed(scope, { userId: options.userId });
    validateId("id", id);
    parseType(type);
    const store = await core.records.open();
    if (within.userId === undefined) {
      const query = { types: [type], ids: [id], orderBy: "createdAt", direction: "asc", limit: 1, cursor: undefined, offset: 0 } as const;
      return (await store.list(within, query, options.signal)).items[0];
    }
    const [found] = await store.get(within.tenant, [{ userId: within.userId, type, id }], options.signal);
    return isMine(found) ? found : undefined;
  }

  async function update(
    type: string,
    id: string,
    changes: RecordChanges | ((record: MemoryRecord) => RecordChanges | undefined),
    options: RecordWriteOptions,
  ): Promise<MemoryRecord> {
    const { ifVersion, signal } = options;
    const owner = ownerOf(scope, options.userId) ?? (await find(type, id, options))?.userId;
    validateId("id", id);
    const fixed = typeof changes === "function" ? undefined : await checkChanges(core, changes);
    if (owner === undefined) throw new NotFoundError("record", id);
    const store = await core.records.open();
    let before: StoredRecord | undefined;
    const written = await changeRecord(
      core,
      store,
      {
        tenant: scope.tenant,
        name: { userId: owner, type: parseType(type), id },
        change(found) {
          if (!isMine(found)) throw new NotFoundError("record", id);
          before = found;
          if (fixed !== undefined) return [{ put: fixed.make(found), vector: fixed.vector, ifVersion: ifVersion ?? found.version }];
          const wanted = (changes as (record: MemoryRecord) => RecordChanges | undefined)(toMemoryRecord(found));
          if (wanted === undefined) return [];
          if (wanted.embedding !== undefined)
            throw new InvalidArgumentError("embedding", "cannot come of a function of the record: pass the changes themselves");
          return [{ put: changed(core, wanted, found, undefined), ifVersion: ifVersion ?? found.version }];
        },
        repeats: ifVersion === undefined,
      },
      signal,
    );
    core.recordEmbedding.wake();
    return toMemoryRecord((written ?? before) as StoredRecord);
  }

  async function erase(store: Promise<RecordStore | undefined>, options: RecordSelection, conditions: RecordConditions): Promise<number> {
    return (await (await store)?.erase(narrowed(scope, options), conditions, options.signal)) ?? 0;
  }

  async function clear(options: RecordSelection, conditions: RecordConditions): Promise<number> {
    const store = await core.records.openToDelete();
    if (store === undefined) return 0;
    const within = narrowed(scope, options);
    const erased = await store.erase(within, conditions, options.signal);
    // What is forgotten meanwhile is found after, and not before.
    const ids = await forgottenIds(store, within, conditions, options.signal);
    return erased + (ids.length === 0 ? 0 : await store.erase(within, { types: [forgottenRecordType], ids }, options.signal));
  }

  async function list(options: ListRecordsOptions = {}): Promise<Page<MemoryRecord>> {
    const { orderBy = "createdAt", direction = "desc", cursor, offset = 0, signal } = options;
    if (!["createdAt", "updatedAt", "name"].includes(orderBy))
      throw new InvalidArgumentError("orderBy", 'must be "createdAt", "updatedAt" or "name"');
    if (direction !== "asc" && direction !== "desc") throw new InvalidArgumentError("direction", 'must be "asc" or "desc"');
    const limit = parseCount("limit", options.limit, 50, 1, 1000);
    parseCount("offset", offset, 0, 0, Number.MAX_SAFE_INTEGER);
    const within = narrowed(scope, options);
    // A record is placed by when it was created: stores have an index of places.
    const order = orderBy === "createdAt" ? ("position" as const) : orderBy;
    const query = { ...conditionsOf(options), orderBy: order, direction, limit, cursor, offset };
    const page = await (await core.records.open()).list(within, query, signal);
    return { ...page, items: page.items.map(toMemoryRecord) };
  }

  return {
    put: (record, options = {}) => core.finished(write([record], options).then(([stored]) => stored as MemoryRecord)),
    putMany: (inputs, options = {}) => core.finished(write(inputs, { ...options, ifVersion: undefined })),
    async get(type, id, options = {}) {
      const found = await find(type, id, options);
      return found && toMemoryRecord(found);
    },
    async getByName(type, name, options = {}) {
      const { items } = await list({ ...options, type, name, limit: 1 });
      return items[0];
    },
    async getEmbedding(type, id, options = {}) {
      const found = await find(type, id, options);
      if (found === undefined) return undefined;
      const [vector] = (await core.records.store.vectors?.get(found.tenant, [found], options.signal)) ?? [];
      return vector?.values;
    },
    list,
    async count(options = {}) {
      const within = narrowed(scope, options);
      const conditions = conditionsOf(options);
      return (await core.records.open()).count(within, conditions, options.signal);
    },
    async query(options) {
      return queryRecords(core, narrowed(scope, options), conditionsOf(options), options);
    },
    update: (type, id, changes, options = {}) => core.finished(update(type, id, changes, options)),
    async delete(type, ids, options = {}) {
      const wanted = typeof ids === "string" ? [ids] : ids;
      for (const id of wanted) validateId("id", id);
      return core.finished(erase(core.records.openToDelete(), options, withForgotten(parseType(type), wanted)));
    },
    async clear(options) {
      const { type, ids, name, conversationId, filter = {} } = options;
      if ([type, ids, name, conversationId].every((condition) => condition === undefined) && Object.keys(filter).length === 0)
        throw new InvalidArgumentError("type", "is required, or another condition: memory.erase() deletes everything of a user");
      return core.finished(clear(options, conditionsOf(options)));
    },
  };
}

/** Without a type, all but what memory keeps for itself. */
function conditionsOf(options: RecordSelection): RecordConditions {
  const { type, ids, conversationId, filter } = options;
  const name = parseText("name", options.name, longestName);
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  if (ids !== undefined && !Array.isArray(ids)) throw new InvalidArgumentError("ids", "must be a list");
  for (const id of ids ?? []) validateId("id", id);
  parseFilter("filter", filter);
  const types = type === undefined ? { exceptTypes: ownTypes } : { types: (Array.isArray(type) ? type : [type]).map(parseType) };
  return { ...types, ids, name, conversationId, filter };
}
