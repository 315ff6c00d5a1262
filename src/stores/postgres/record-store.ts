import { BackendError } from "../../domain/errors.ts";
import type { RecordGuarantees } from "../../domain/guarantees.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import type { RecordStore } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { targetOf } from "../record-operations.ts";
import { speaking } from "./errors.ts";
import { countRecords, getRecords, listRecords, searchRecords } from "./record-reads.ts";
import type { RecordDatabase } from "./record-rows.ts";
import { countMissingVectors, getVectors, missingVectors, searchVectors, setVectors } from "./record-vectors.ts";
import { changeRecords, eraseRecords, writeRecords } from "./records.ts";
import type { RowScope } from "./row-security.ts";
import type { SqlClient } from "./sql-client.ts";

export interface RecordPlace {
  readonly client: SqlClient;
  /** Connects and prepares on first use. The records as this scope may see them. */
  database(scope: RowScope): Promise<RecordDatabase>;
  /** Lets go of the client, where it is this store's own. */
  release(): Promise<void>;
  versions(): Readonly<Record<string, string>>;
}

/** Records of an open database: on a connection of their own, or on that of the conversations. */
export function recordStoreAt({ client, database, release, versions }: RecordPlace): RecordStore {
  const store = client.engine === "embedded" ? "embedded" : "postgres";
  let isClosed = false;

  /** A shared or lent client still answers when this store was closed. */
  async function on<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    scope: RowScope,
    work: (found: RecordDatabase) => Promise<Value>,
  ): Promise<Value> {
    signal?.throwIfAborted();
    if (isClosed) throw new BackendError(store, operation, "the store was closed: make a new one", { code: "closed" });
    return speaking(operation, client.engine, async () => work(await database(scope)));
  }

  async function health(signal: AbortSignal | undefined): Promise<MemoryHealth> {
    try {
      await on("health", undefined, everybody, async () => {});
      const started = performance.now();
      await speaking("health", client.engine, () => client.query({ text: "SELECT 1", signal }));
      return { ok: true, store, latencyMs: performance.now() - started, versions: versions(), problem: undefined };
    } catch (error) {
      return { ok: false, store, latencyMs: undefined, versions: {}, problem: (error as Error).message };
    }
  }

  return {
    name: store,
    guarantees,
    open: (signal) => on("open", signal, everybody, async () => {}),
    async close() {
      isClosed = true;
      await release();
    },
    health,
    write: (operations, signal) =>
      on("write", signal, commonOf(operations.map(targetOf)), (found) => writeRecords(found, operations, signal)),
    change: (tenant, wanted, change, signal) => {
      const owners = wanted.map(({ userId }) => ({ tenant, userId }));
      return on("change", signal, commonOf(owners), (found) => changeRecords(found, tenant, wanted, change, signal));
    },
    get: (tenant, wanted, signal) => {
      const owners = wanted.map(({ userId }) => ({ tenant, userId }));
      return on("get", signal, commonOf(owners), (found) => getRecords(found, tenant, wanted, signal));
    },
    list: (scope, query, signal) => on("list", signal, rowsOf(scope), (found) => listRecords(found, scope, query, signal)),
    count: (scope, conditions, signal) => on("count", signal, rowsOf(scope), (found) => countRecords(found, scope, conditions, signal)),
    searchText: (scope, query, signal) => on("search text", signal, rowsOf(scope), (found) => searchRecords(found, scope, query, signal)),
    vectors: {
      set: (entries, signal) =>
        on("set vectors", signal, commonOf(entries.map(({ record }) => record)), (found) => setVectors(found, entries, signal)),
      get: (tenant, wanted, signal) => {
        const owners = wanted.map(({ userId }) => ({ tenant, userId }));
        return on("get vectors", signal, commonOf(owners), (found) => getVectors(found, tenant, wanted, signal));
      },
      missing: (model, limit, signal) =>
        on("look for missing vectors", signal, everybody, (found) => missingVectors(found, model, limit, signal)),
      countMissing: (scope, model, signal) =>
        on("count missing vectors", signal, rowsOf(scope), (found) => countMissingVectors(found, scope, model, signal)),
      search: (scope, query, signal) => on("search vectors", signal, rowsOf(scope), (found) => searchVectors(found, scope, query, signal)),
    },
    erase: (scope, conditions, signal) => on("erase", signal, rowsOf(scope), (found) => eraseRecords(found, scope, conditions, signal)),
  };
}

const guarantees: RecordGuarantees = {
  durable: "required",
  atomic: "required",
  consistent: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  lossless: "required",
  text: "required",
  vectors: "required",
};

const everybody: RowScope = { tenant: undefined, userId: undefined };

const rowsOf = ({ tenant, userId }: StoreScope): RowScope => ({ tenant, userId });

/** The tenant and the user that all of these have in common. */
function commonOf(owners: readonly { readonly tenant: string; readonly userId: string }[]): RowScope {
  const [first] = owners;
  const tenant = owners.every((owner) => owner.tenant === first?.tenant) ? first?.tenant : undefined;
  return { tenant, userId: owners.every((owner) => owner.userId === first?.userId) ? first?.userId : undefined };
}
