import type { CallOptions } from "../../domain/call-options.ts";
import { ConflictError, InvalidArgumentError } from "../../domain/errors.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import { orderedUuid } from "../../internal/ordered-uuid.ts";
import { stableId } from "../../internal/stable-id.ts";
import { isConflict } from "../until-unchanged.ts";
import { parseCount } from "../validate.ts";
import type { RecordsHandle } from "./put-or-update.ts";

/** Whose agents share it, under which name, and which of them this is. */
export interface SharedMemoryOptions {
  /** Whose agents share it. */
  readonly userId: string;
  /** What they share it for: those of one name see the same. */
  readonly name: string;
  /** Who writes with this handle. */
  readonly agentId: string;
}

/** What agents have under a key, and which of them wrote it. */
export interface SharedValue<Value = unknown> {
  readonly value: Value;
  /** 1, and one more with each change. A value that was unset begins anew. */
  readonly version: number;
  /** Who wrote it. */
  readonly agentId: string;
  readonly updatedAt: Date;
}

/** What an agent tells the others. */
export interface BlackboardEntryInput {
  /** E.g. `"task"`, `"result"`, `"tool_call"`. */
  readonly kind: string;
  /** Said to all; searched by `find`. */
  readonly text?: string | undefined;
  readonly data?: unknown;
}

/** What an agent has told the others. */
export interface BlackboardEntry {
  readonly id: string;
  readonly agentId: string;
  readonly kind: string;
  readonly text: string;
  readonly data: unknown;
  readonly createdAt: Date;
}

/** Which entries of the blackboard, and how many. */
export interface ReadBlackboardOptions extends CallOptions {
  readonly kind?: string | undefined;
  /** Only what this agent has posted. */
  readonly agentId?: string | undefined;
  /** 1 to 1000; of `read` the newest, oldest first, of `find` the best. @default 100, of `find` 10 */
  readonly limit?: number | undefined;
}

/** What {@link sharedMemory} gives: values by keys, and a blackboard. Agents of one user and name have the same. */
export interface SharedMemory {
  /** Undefined: nobody has set it. */
  get(key: string, options?: CallOptions): Promise<SharedValue | undefined>;
  /** Sets it, whatever it was. The value is anything JSON can hold. */
  set(key: string, value: unknown, options?: CallOptions): Promise<SharedValue>;
  /**
   * Sets it if it still is of this version, 0: not set yet. Undefined: somebody was faster. Of any number of agents that try
   * at once, one gets it.
   */
  compareAndSet(key: string, version: number, value: unknown, options?: CallOptions): Promise<SharedValue | undefined>;
  /** Changes it by what it is; `change` may be called again. @throws ConflictError after 1,000 rounds lost to others */
  update(key: string, change: (before: unknown) => unknown, options?: CallOptions): Promise<SharedValue>;
  /** Whether it was set. */
  unset(key: string, options?: CallOptions): Promise<boolean>;
  /** Writes on the blackboard, for all to read. */
  post(entry: BlackboardEntryInput, options?: CallOptions): Promise<BlackboardEntry>;
  /** What is on the blackboard, in the order it was posted. */
  read(options?: ReadBlackboardOptions): Promise<readonly BlackboardEntry[]>;
  /** Entries that say something about a query, best first. */
  find(query: string, options?: ReadBlackboardOptions): Promise<readonly BlackboardEntry[]>;
  /** Deletes values and blackboard; how many there were. */
  clear(options?: CallOptions): Promise<number>;
}

const valueType = "shared_value";
const entryType = "shared_memory";
const mostRounds = 1_000;

/**
 * What agents of a user share: values by keys, with compare-and-set, and a blackboard. Kept as records of the types
 * `"shared_value"` and `"shared_memory"`; take a handle without `resourceId`, or agents of other resources do not see it.
 *
 * @throws InvalidArgumentError for options that cannot be right
 * @example
 * const shared = sharedMemory(memory, { userId: "user-123", name: "report", agentId: "researcher" });
 * await shared.post({ kind: "task", text: "Find sources on compilers" });
 * const isMine = (await shared.compareAndSet("owner", 0, "researcher")) !== undefined;
 */
export function sharedMemory({ records }: RecordsHandle, { userId, name, agentId }: SharedMemoryOptions): SharedMemory {
  for (const [field, value] of Object.entries({ userId, name, agentId }))
    if (typeof value !== "string" || value === "") throw new InvalidArgumentError(field, "must be a string that is not empty");
  const idOf = (key: string) => {
    if (typeof key !== "string" || key === "") throw new InvalidArgumentError("key", "must be a string that is not empty");
    return stableId("shared", name, key);
  };
  const ofBoard = ({ kind, agentId: by }: ReadBlackboardOptions) => ({
    ...{ userId, type: entryType },
    filter: { board: name, ...(kind !== undefined && { kind }), ...(by !== undefined && { agentId: by }) },
  });

  async function put(key: string, value: unknown, ifVersion: number | undefined, { signal }: CallOptions): Promise<SharedValue> {
    if (value === undefined) throw new InvalidArgumentError("value", "must be something JSON can hold");
    const record = { id: idOf(key), type: valueType, name: key.slice(0, 512), metadata: { board: name, value, agentId } };
    return toValue(await records.put(record, { userId, ifVersion, signal }));
  }

  async function get(key: string, { signal }: CallOptions = {}): Promise<SharedValue | undefined> {
    const found = await records.get(valueType, idOf(key), { userId, signal });
    return found && toValue(found);
  }

  async function compareAndSet(key: string, version: number, value: unknown, options: CallOptions = {}) {
    parseCount("version", version, 0, 0, Number.MAX_SAFE_INTEGER);
    try {
      return await put(key, value, version, options);
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }

  return {
    get,
    set: (key, value, options = {}) => put(key, value, undefined, options),
    compareAndSet,
    async update(key, change, options = {}) {
      for (let round = 0; round < mostRounds; round++) {
        const before = await get(key, options);
        const changed = await compareAndSet(key, before?.version ?? 0, change(before?.value), options);
        if (changed !== undefined) return changed;
      }
      throw new ConflictError(key, `[shared] "${key}" was changed by others all the time: repeat the call`);
    },
    unset: async (key, { signal } = {}) => (await records.delete(valueType, idOf(key), { userId, signal })) > 0,
    async post({ kind, text = "", data = null }, { signal } = {}) {
      if (typeof kind !== "string" || kind === "") throw new InvalidArgumentError("kind", "must be a string that is not empty");
      const metadata = { board: name, kind, agentId, data };
      return toEntry(await records.put({ id: orderedUuid(), type: entryType, content: text, metadata }, { userId, signal }));
    },
    async read(options = {}) {
      const { limit = 100, signal } = options;
      const { items } = await records.list({ ...ofBoard(options), direction: "desc", limit, signal });
      return items.map(toEntry).reverse();
    },
    async find(query, options = {}) {
      const { limit = 10, signal } = options;
      const hits = await records.query({ ...ofBoard(options), text: query, limit, signal });
      return hits.map(({ record }) => toEntry(record));
    },
    clear: ({ signal } = {}) => records.clear({ userId, type: [valueType, entryType], filter: { board: name }, signal }),
  };
}

function toValue({ metadata, version, updatedAt }: MemoryRecord): SharedValue {
  return { value: metadata.value, version, agentId: String(metadata.agentId), updatedAt };
}

function toEntry({ id, content, metadata, createdAt }: MemoryRecord): BlackboardEntry {
  const { agentId, kind, data } = metadata;
  return { id, agentId: String(agentId), kind: String(kind), text: content, data, createdAt };
}
