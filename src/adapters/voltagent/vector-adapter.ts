import { clientOptions, type StorageConnection } from "../../compat/voltagent/connection.ts";
import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import { once } from "../../internal/once.ts";
import { type ClientOptions, chooseClient } from "../../stores/postgres/choose-client.ts";
import { speaking } from "../../stores/postgres/errors.ts";
import { prepareVector } from "../../stores/postgres/migrate.ts";
import { makeNames, quoteIdentifier } from "../../stores/postgres/names.ts";
import { LargeScopes } from "../../stores/postgres/recall.ts";
import type { SqlClient } from "../../stores/postgres/sql-client.ts";
import { throwingVoltagentErrors } from "./errors.ts";
import type { SearchResult, VectorItem, VectorSearchOptions } from "./shapes.ts";
import { adoptLegacy } from "./vectors/adopt-legacy.ts";
import { checkVector, type ItemRow, itemColumns, toItem, toRow, type VectorRow, writeRows } from "./vectors/rows.ts";
import { search } from "./vectors/search.ts";
import { buildIndex, inspectTable, isStale, mismatch, prepareTable, type VectorDatabase } from "./vectors/table.ts";

/** Where the vectors are kept, how long they may be, and up to how many are compared one by one. */
export interface PostgreSQLVectorAdapterOptions {
  /** A URL, `{ host, port, database, user, password, ssl }`, or a client of yours: a `pg.Pool` or a PGlite instance, which stays open. */
  readonly connection: StorageConnection;
  /** Connections of the pool; with a client of yours it is its own. @default 10 */
  readonly maxConnections?: number | undefined;
  /** The table is `<prefix>_vectors`; at most 30 characters. @default "voltagent_vector" */
  readonly tablePrefix?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "public" */
  readonly schema?: string | undefined;
  /** VoltAgent's name for `schema`; of a list the first counts. */
  readonly searchPath?: string | undefined;
  /** Longer vectors are refused; at most 16,000. Those beyond 4,000 are compared one by one. @default 1536 */
  readonly maxVectorDimensions?: number | undefined;
  /** Vectors of one statement. @default 100 */
  readonly batchSize?: number | undefined;
  /**
   * Up to so many vectors that match a filter are compared one by one, which is exact; more are searched through the
   * index. @default 2,000,000 numbers' worth, 1,000 to 10,000: 1,302 of 1,536 dimensions
   */
  readonly exactRows?: number | undefined;
  /** Tells what is done on the console. @default false */
  readonly debug?: boolean | undefined;
  readonly logger?: Logger | undefined;
  /** Accepted for VoltAgent's sake: nothing is kept in this process. */
  readonly cacheSize?: number | undefined;
  /** Accepted for VoltAgent's sake: a call is repeated where that is safe. */
  readonly maxRetries?: number | undefined;
  /** Accepted for VoltAgent's sake. */
  readonly retryDelayMs?: number | undefined;
}

/**
 * VoltAgent's vector adapter in PostgreSQL with pgvector: one table, filters and thresholds in SQL, an HNSW index when
 * searches have come to need it. Connects on first use; a table of VoltAgent's own is taken over then. A failure is
 * thrown as VoltAgent's `VectorError`.
 *
 * @example
 * const memory = new Memory({ storage, embedding, vector: new PostgreSQLVectorAdapter({ connection: url }) });
 */
export class PostgreSQLVectorAdapter {
  readonly #place: ClientOptions;
  readonly #client: SqlClient;
  readonly #names: ReturnType<typeof makeNames>;
  readonly #logger: Logger | undefined;
  readonly #maxDimensions: number;
  readonly #batchSize: number;
  readonly #exactRows: number | undefined;
  readonly #large = new LargeScopes();
  /** Length of the vectors in the table; undefined: not known, or no table yet. */
  #dimensions: number | undefined;
  #hasIndex = false;
  #lookedAt = 0;
  #building: Promise<void> | undefined;
  #isClosed = false;

  /** @throws InvalidArgumentError for options that cannot be right */
  constructor(options: PostgreSQLVectorAdapterOptions) {
    const { connection, maxConnections = 10, tablePrefix = "voltagent_vector", searchPath } = options;
    const { schema = firstSchema(searchPath) ?? "public", maxVectorDimensions = 1536, batchSize = 100, exactRows } = options;
    this.#names = makeNames(schema, tablePrefix);
    this.#maxDimensions = wholeNumber("maxVectorDimensions", maxVectorDimensions, 1, 16_000);
    this.#batchSize = wholeNumber("batchSize", batchSize, 1, 10_000);
    this.#exactRows = exactRows === undefined ? undefined : wholeNumber("exactRows", exactRows, 0, 1_000_000);
    this.#logger = options.logger ?? (options.debug === true ? console : undefined);
    this.#place = clientOptions(connection, maxConnections);
    this.#client = chooseClient("connection", this.#place);
  }

  /** Stores a vector, or replaces the one of this id. */
  store(id: string, vector: number[], metadata?: Record<string, unknown>): Promise<void> {
    return this.storeBatch([{ id, vector, ...(metadata === undefined ? {} : { metadata }) }]);
  }

  /** Stores all or none. Of an id that stands twice, the last counts. */
  storeBatch(items: readonly VectorItem[]): Promise<void> {
    return this.#run("store vectors", async (database) => {
      const rows = this.#checked(items);
      const [first] = rows;
      if (first === undefined) return;
      await this.#fresh(async () => {
        if (this.#dimensions !== first.vector.length) {
          await prepareTable(database, first.vector.length);
          await this.#inspect(database);
        }
        await this.#write(database, rows);
      });
    });
  }

  /** The nearest by cosine, best first. */
  search(vector: number[], options: VectorSearchOptions = {}): Promise<SearchResult[]> {
    return this.#run("search vectors", async (database) => {
      const { limit = 10, threshold = 0, filter = {} } = options;
      const query = { vector: checkVector("vector", vector, this.#maxDimensions), limit: Math.floor(limit), threshold, filter };
      if (!(query.limit > 0)) return [];
      return this.#fresh(async () => {
        const isOld = !this.#hasIndex && Date.now() - this.#lookedAt > 60_000;
        if (isOld || this.#dimensions !== vector.length) await this.#inspect(database);
        if (this.#dimensions === undefined) return [];
        if (this.#dimensions !== vector.length) throw mismatch(this.#dimensions, vector.length);
        const memory = {
          large: this.#large,
          exactRows: this.#exactRows ?? cheapRows(vector.length),
          hasIndex: this.#hasIndex,
          wantIndex: () => this.#buildSoon(database),
        };
        return search(database, memory, query);
      });
    });
  }

  /** Deletes the vector of this id, if there is one. */
  delete(id: string): Promise<void> {
    return this.deleteBatch([id]);
  }

  /** Ids that are not there are passed over. */
  deleteBatch(ids: readonly string[]): Promise<void> {
    return this.#run("delete vectors", async ({ client, table }) => {
      const values = ids.filter((id) => !id.includes("\0"));
      if (values.length === 0) return;
      await this.#whereThere(undefined, () => client.query({ text: `DELETE FROM ${table} WHERE id = ANY($1::text[])`, values: [values] }));
    });
  }

  /** Deletes every vector. The next may have another length. */
  clear(): Promise<void> {
    return this.#run("clear vectors", async ({ client, table }) => {
      await this.#whereThere(undefined, () => client.query({ text: `DELETE FROM ${table}` }));
    });
  }

  /** How many vectors there are. */
  count(): Promise<number> {
    return this.#run("count vectors", async ({ client, table }) => {
      const counted = await this.#whereThere(undefined, () => client.query<{ n: number }>({ text: `SELECT count(*) AS n FROM ${table}` }));
      return counted?.rows[0]?.n ?? 0;
    });
  }

  /** A vector with what belongs to it. `null`: there is none of this id. */
  get(id: string): Promise<VectorItem | null> {
    return this.#run("get vector", async ({ client, table }) => {
      if (id.includes("\0")) return null;
      const found = await this.#whereThere(undefined, () =>
        client.query<ItemRow>({ text: `SELECT ${itemColumns} FROM ${table} v WHERE v.id = $1`, values: [id] }),
      );
      const row = found?.rows[0];
      return row === undefined ? null : toItem(row);
    });
  }

  /**
   * Builds the index now, e.g. after a bulk load; without this call it is built in the background when searches have come
   * to need it. Searches go on meanwhile, and vectors that are stored wait.
   */
  buildIndex(): Promise<void> {
    return this.#run("build index", async (database) => {
      await buildIndex(database);
      await this.#inspect(database);
    });
  }

  /** Ends the connections this adapter made. A client of yours stays open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#building;
    await this.#client.close();
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #open = once(async (): Promise<VectorDatabase> => {
    const tableName = this.#names.bare("vectors");
    const table = `${this.#names.quotedSchema}.${quoteIdentifier(tableName)}`;
    const installation = await prepareVector(this.#client, this.#names);
    const database: VectorDatabase = { client: this.#client, names: this.#names, installation, table, tableName };
    if ((await inspectTable(database, this.#client)).kind === "legacy") {
      const adopted = await adoptLegacy(database);
      if (adopted !== undefined) {
        this.#logger?.debug?.(`[voltagent] took over ${adopted.adopted} vectors; the old table is ${adopted.backup}`);
        if (adopted.skipped > 0)
          this.#logger?.warn(
            `[voltagent] ${adopted.skipped} vectors have another length than most, or are damaged: they stay in ${adopted.backup}`,
          );
      }
    }
    await this.#inspect(database);
    return database;
  });

  async #run<Value>(operation: string, work: (database: VectorDatabase) => Promise<Value>): Promise<Value> {
    return throwingVoltagentErrors("VectorError", () =>
      speaking(operation, this.#client.engine, async () => {
        if (this.#isClosed) throw new BackendError("voltagent", operation, "the adapter was closed: make a new one", { code: "closed" });
        return work(await this.#open());
      }),
    );
  }

  /** Another process may have made the table anew: then once more. */
  async #fresh<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if (!isStale(error)) throw error;
      this.#dimensions = undefined;
      return work();
    }
  }

  /** A table that is not made yet holds nothing. */
  async #whereThere<Value>(otherwise: Value, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if (isStale(error)) return otherwise;
      throw error;
    }
  }

  async #inspect(database: VectorDatabase): Promise<void> {
    this.#lookedAt = Date.now();
    const found = await inspectTable(database, database.client);
    this.#dimensions = found.kind === "ready" ? found.dimensions : undefined;
    this.#hasIndex = found.kind === "ready" && found.hasIndex;
  }

  #checked(items: readonly VectorItem[]): VectorRow[] {
    const rows = items.map((item, index) => toRow(item, `items[${index}]`, this.#maxDimensions));
    const other = rows.find(({ vector }) => vector.length !== rows[0]?.vector.length);
    if (other !== undefined) throw mismatch(rows[0]?.vector.length ?? 0, other.vector.length);
    // One statement must not meet a row twice; and in one order everywhere, two never wait for each other in a circle.
    return [...new Map(rows.map((row) => [row.id, row])).values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  async #write(database: VectorDatabase, rows: readonly VectorRow[]): Promise<void> {
    if (rows.length <= this.#batchSize) return writeRows(database, database.client, rows);
    await database.client.transaction(async (transaction) => {
      for (let start = 0; start < rows.length; start += this.#batchSize)
        await writeRows(database, transaction, rows.slice(start, start + this.#batchSize));
    });
  }

  /** In the background, once at a time; on a connection of its own, as it takes a while and the pool may have but one. */
  #buildSoon(database: VectorDatabase): void {
    const isLent = this.#place.client !== undefined;
    this.#building ??= (async () => {
      const client = isLent ? this.#client : chooseClient("connection", { ...this.#place, maxConnections: 1 });
      try {
        await buildIndex({ ...database, client });
        await this.#inspect(database);
      } catch (error) {
        this.#logger?.warn("[voltagent] the index of the vectors could not be built: searches compare every vector until it can", {
          problem: (error as Error).message,
        });
      } finally {
        if (!isLent) await client.close();
        this.#building = undefined;
      }
    })();
  }
}

/** Comparing as many takes about as long as a search through the index does. */
function cheapRows(dimensions: number): number {
  return Math.min(10_000, Math.max(1000, Math.floor(2_000_000 / dimensions)));
}

function firstSchema(searchPath: string | undefined): string | undefined {
  const [first] = searchPath?.split(",") ?? [];
  return first?.trim().replace(/^"(.*)"$/, "$1") || undefined;
}

function wholeNumber(field: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new InvalidArgumentError(field, `must be a whole number from ${least} to ${most}`);
  return value;
}
