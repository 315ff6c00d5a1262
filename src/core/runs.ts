import { randomUUID } from "node:crypto";
import { ConflictError, InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type { RecordConditions, RecordQuery, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type {
  ListRunsOptions,
  Run,
  RunChanges,
  RunInput,
  RunOptions,
  RunRecording,
  Runs,
  RunTree,
  UpdateRunOptions,
} from "../domain/runs.ts";
import type { StoreScope } from "../domain/scope.ts";
import { batchesOf } from "../internal/batches.ts";
import { allRecords } from "./all-records.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { changeRecord } from "./record-changes.ts";
import { changedRun, newRun, runFilter, runType, toRun } from "./runs/run-records.ts";
import { eventType, indexOf, newEvent, newStep, stepRecordId, stepType, toTree } from "./runs/run-tree.ts";
import { narrowed, ownerOf } from "./scope.ts";
import { isConflict } from "./until-unchanged.ts";
import { parseCount, parseTime } from "./validate.ts";

/** Rows read at once of what hangs on runs. */
const partsAtOnce = 10_000;
const deletedAtOnce = 500;

const byPlace = { orderBy: "position", cursor: undefined, offset: 0 } as const satisfies Partial<RecordQuery>;

let lastMoment = 0;

/** Now, in milliseconds, and later than any moment before: batches of one millisecond keep their order. */
function nextMoment(): number {
  lastMoment = Math.max(Date.now(), lastMoment + 0.001);
  return lastMoment;
}

/** `runs` of a handle. */
export function runs(core: MemoryCore, scope: StoreScope): Runs {
  /** By id alone where no user is known: then the one that started last. */
  async function find(records: RecordStore, within: StoreScope, id: string, signal: AbortSignal | undefined): Promise<StoredRecord> {
    const { tenant, userId, resourceId } = within;
    let found: StoredRecord | undefined;
    if (userId === undefined) {
      const page = await records.list(within, { ...byPlace, types: [runType], ids: [id], direction: "desc", limit: 1 }, signal);
      found = page.items[0];
    } else [found] = await records.get(tenant, [{ userId, type: runType, id }], signal);
    if (found === undefined || (resourceId !== undefined && found.resourceId !== resourceId)) throw new NotFoundError("run", id);
    return found;
  }

  const whose = (id: string, options: RunOptions): StoreScope => {
    validateId("runId", id);
    return narrowed(scope, { userId: options.userId });
  };

  async function start(input: RunInput, signal: AbortSignal | undefined): Promise<Run> {
    const { tenant } = scope;
    const { id = randomUUID(), conversationId } = input;
    validateId("id", id);
    const { resourceId = "default" } = narrowed(scope, { resourceId: input.resourceId });
    const userId = ownerOf(scope, input.userId) ?? (await ownerOfConversation(core, scope, conversationId, signal));
    const run = newRun({ tenant, userId, resourceId, keptMs: core.runsKeptMs }, id, input);
    const records = await core.records.open();
    if (scope.resourceId !== undefined && input.id !== undefined) await expectOwn(records, { ...scope, userId }, id, signal);
    const [stored] = await records.write([{ put: run }], signal);
    return toRun(stored as StoredRecord);
  }

  async function update(id: string, changes: RunChanges, options: UpdateRunOptions): Promise<Run> {
    const { ifVersion, signal } = options;
    const within = whose(id, options);
    const records = await core.records.open();
    const { tenant, resourceId } = within;
    const userId = within.userId ?? (await find(records, within, id, signal)).userId;
    const after = await changeRecord(
      core,
      records,
      {
        tenant,
        name: { userId, type: runType, id },
        change(before) {
          if (before === undefined || (resourceId !== undefined && before.resourceId !== resourceId)) throw new NotFoundError("run", id);
          return [{ put: changedRun(before, changes), ifVersion: ifVersion ?? before.version }];
        },
        repeats: ifVersion === undefined,
      },
      signal,
    );
    return toRun(after as StoredRecord);
  }

  async function record(id: string, what: RunRecording, options: RunOptions): Promise<void> {
    const { steps = [], events = [] } = what;
    const within = whose(id, options);
    const records = await core.records.open();
    const run = await find(records, within, id, options.signal);
    const now = nextMoment();
    const indexes = await indexesOf(records, run, steps, options.signal);
    const parts = [
      ...steps.map((step, place) => newStep(run, step, indexes[place] as number, [now, place])),
      ...events.map((event, place) => newEvent(run, event, [now, place])),
    ];
    if (parts.length === 0) return;
    const { tenant, userId } = run;
    const check = { tenant, userId, type: runType, id };
    try {
      await records.write([{ check }, ...parts.map((part) => ({ put: part }))], options.signal);
    } catch (error) {
      // It was deleted since it was read.
      throw isConflict(error) ? new NotFoundError("run", id) : error;
    }
  }

  async function page(options: ListRunsOptions) {
    const within = narrowed(scope, options);
    const query = {
      ...conditionsOf(options),
      orderBy: "position" as const,
      direction: checkedDirection(options.direction),
      limit: parseCount("limit", options.limit, 50, 1, 1000),
      cursor: options.cursor,
      offset: parseCount("offset", options.offset, 0, 0, Number.MAX_SAFE_INTEGER),
    };
    const records = await core.records.open();
    return { within, records, found: await records.list(within, query, options.signal) };
  }

  return {
    start: (input, options) => core.finished(start(input, options?.signal)),

    update: (id, changes, options = {}) => core.finished(update(id, changes, options)),

    record: (id, what, options = {}) => core.finished(record(id, what, options)),

    async get(id, options = {}) {
      const within = whose(id, options);
      return toRun(await find(await core.records.open(), within, id, options.signal));
    },

    async tree(id, options = {}) {
      const within = whose(id, options);
      const records = await core.records.open();
      const found = await listAll(records, within, { types: [runType, stepType, eventType], name: id }, options.signal);
      const run = found.findLast(({ type }) => type === runType);
      if (run === undefined) throw new NotFoundError("run", id);
      return toTree(
        toRun(run),
        found.filter(({ userId }) => userId === run.userId),
      );
    },

    async list(options = {}) {
      const { found } = await page(options);
      return { ...found, items: found.items.map(toRun) };
    },

    async trees(options = {}) {
      const { within, records, found } = await page(options);
      return { ...found, items: await treesOf(records, within, found.items, options.signal) };
    },

    async count(options = {}) {
      const within = narrowed(scope, options);
      const conditions = conditionsOf(options);
      const records = await core.records.open();
      return records.count(within, conditions, options.signal);
    },

    delete: (ids, options = {}) => core.finished(remove(core, scope, typeof ids === "string" ? [ids] : ids, options)),
  };
}

/** On the administrator's handle a conversation says whose a run is. */
async function ownerOfConversation(
  core: MemoryCore,
  scope: StoreScope,
  conversationId: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (conversationId !== undefined) {
    validateId("conversationId", conversationId);
    await core.open();
    const conversation = await core.store.getConversation(scope, conversationId, signal);
    if (conversation !== undefined) return conversation.userId;
  }
  throw new InvalidArgumentError("userId", "is required: whose run is it? Pass userId, or use memory.scope({ userId })");
}

/** A handle of one resource replaces no run of another. */
async function expectOwn(
  records: RecordStore,
  scope: StoreScope & { readonly userId: string },
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [there] = await records.get(scope.tenant, [{ userId: scope.userId, type: runType, id }], signal);
  if (there !== undefined && there.resourceId !== scope.resourceId)
    throw new ConflictError(id, `[run] the id "${id}" is taken: choose another, or leave the id out`);
}

/** The place of each step: its own, else that of the step it replaces, else behind all others. */
async function indexesOf(
  records: RecordStore,
  run: StoredRecord,
  steps: NonNullable<RunRecording["steps"]>,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  if (steps.every(({ index }) => index !== undefined)) return steps.map(({ index }) => index as number);
  const scope = { tenant: run.tenant, userId: run.userId, resourceId: undefined };
  const known = await listAll(records, scope, { types: [stepType], name: run.id }, signal);
  const places = new Map(known.map((step) => [step.id, indexOf(step)]));
  let last = Math.max(-1, ...[...places.values(), ...steps.flatMap(({ index }) => index ?? [])]);
  return steps.map(({ id, index }) => index ?? places.get(stepRecordId(run.id, id)) ?? ++last);
}

function listAll(
  records: RecordStore,
  scope: StoreScope,
  conditions: RecordConditions,
  signal: AbortSignal | undefined,
): Promise<StoredRecord[]> {
  return allRecords(records, scope, { ...conditions, orderBy: "position", direction: "asc", limit: partsAtOnce }, signal);
}

async function treesOf(
  records: RecordStore,
  scope: StoreScope,
  found: readonly StoredRecord[],
  signal: AbortSignal | undefined,
): Promise<RunTree[]> {
  if (found.length === 0) return [];
  const names = [...new Set(found.map(({ id }) => id))];
  const parts = await listAll(records, scope, { types: [stepType, eventType], names }, signal);
  const byRun = Map.groupBy(parts, ({ userId, name }) => JSON.stringify([userId, name]));
  return found.map((run) => toTree(toRun(run), byRun.get(JSON.stringify([run.userId, run.id])) ?? []));
}

async function remove(core: MemoryCore, scope: StoreScope, ids: readonly string[], options: RunOptions): Promise<number> {
  for (const id of ids) validateId("runId", id);
  const within = narrowed(scope, { userId: options.userId });
  const records = await core.records.openToDelete();
  if (records === undefined) return 0;
  let deleted = 0;
  for (const some of batchesOf([...new Set(ids)], { count: deletedAtOnce })) {
    const found = await listAll(records, within, { types: [runType], ids: some }, options.signal);
    for (const [userId, own] of Map.groupBy(found, (run) => run.userId)) {
      const names = own.map(({ id }) => id);
      await records.erase({ ...within, userId }, { types: [runType, stepType, eventType], names }, options.signal);
      deleted += names.length;
    }
  }
  return deleted;
}

function conditionsOf(options: Omit<ListRunsOptions, "limit" | "cursor" | "offset" | "direction">): RecordConditions {
  const { conversationId } = options;
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  return {
    types: [runType],
    conversationId,
    positionFrom: parseTime("since", options.since)?.getTime(),
    positionBefore: parseTime("until", options.until)?.getTime(),
    filter: runFilter(options),
  };
}

function checkedDirection(direction: "asc" | "desc" = "desc"): "asc" | "desc" {
  if (direction !== "asc" && direction !== "desc") throw new InvalidArgumentError("direction", 'must be "asc" or "desc"');
  return direction;
}
