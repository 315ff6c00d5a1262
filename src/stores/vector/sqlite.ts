import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { BackendError, DimensionMismatchError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { FilterValue } from "../../domain/filter.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery, VectorSelection, VectorStore } from "../../domain/vector-store.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { loadSqlite } from "../../internal/load-sqlite.ts";
import { once } from "../../internal/once.ts";
import { scalarToken, scalarTokens } from "../../internal/scalar-tokens.ts";

/** Which SQLite file holds the vectors, and how long to wait for others that write to it. */
export interface SqliteVectorStoreOptions {
  /**
   * The database file, made when it is missing; several processes may open it, and the stores of sessions and records
   * may share it. `":memory:"` keeps nothing. @default "./unforget.sqlite"
   */
  readonly path?: string | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /**
   * A `DatabaseSync` of yours in place of `path`, made with `allowExtension: true` or with sqlite-vec loaded. It is lent:
   * `close` leaves it open, and its settings are left alone.
   */
  readonly database?: SqliteDatabaseLike | undefined;
  /** How long a call waits for other processes that write to the file. @default 10_000 */
  readonly busyTimeoutMs?: number | undefined;
}

/** What this store uses of a `DatabaseSync` (`node:sqlite`). */
export interface SqliteDatabaseLike {
  /** Runs statements that give no rows. */
  exec(sql: string): void;
  /** Makes a statement that can be run many times. */
  prepare(sql: string): SqliteStatementLike;
  /** Loads sqlite-vec, where it is not there yet. */
  loadExtension(path: string): void;
  readonly isTransaction: boolean;
  /** Called only on a database that this store opened. */
  close(): void;
}

/** What this store uses of a prepared statement. */
export interface SqliteStatementLike {
  /** Every row it gives. */
  all(...values: SqliteValue[]): unknown[];
  /** Runs it, and gives no rows. */
  run(...values: SqliteValue[]): unknown;
}

type SqliteValue = string | number | bigint | null | Uint8Array;

const guarantees: VectorGuarantees = {
  durable: "required",
  exact: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  filters: "required",
};

/** Chunks of vec0 hold one user's vectors only: as few as this waste little for users with few messages. */
const chunkSize = 32;
/** vec0 refuses more neighbours. */
const mostNeighbours = 4096;
/** vec0 refuses longer vectors. */
const mostDimensions = 8192;
/** Up to so many rows that pass the filters are compared one by one; beyond, vec0 walks the whole partition. */
const fewRows = 1000;
/** Rows a transaction writes: the event loop waits for no more. */
const batchSize = 500;

/**
 * Vectors in an SQLite file, through the extension sqlite-vec (a peer package): every vector of a scope is compared, so
 * that answers are exact. A `vec0` table holds them, partitioned by tenant and user; a table beside it holds what
 * filters need. SQLite runs in this thread: a call blocks it while it searches.
 *
 * @throws InvalidArgumentError when both a path and a database are given
 */
export function sqliteVectorStore(options: SqliteVectorStoreOptions = {}): VectorStore {
  const { path = "./unforget.sqlite", tablePrefix = "", database: lent, busyTimeoutMs = 10_000 } = options;
  const names = makeNames(tablePrefix);
  let closed = false;
  let made: SqliteDatabaseLike | undefined;
  let space: EmbeddingSpace | undefined;
  if (lent !== undefined && options.path !== undefined)
    throw new InvalidArgumentError("path", "names a second database: give path or database");

  const database = once(() =>
    patiently("open", undefined, async () => {
      const opened = lent ?? openFile(path);
      try {
        await loadExtension(opened);
        opened.exec(tablesSql(names));
      } catch (error) {
        if (lent === undefined) opened.close();
        throw error;
      }
      if (lent === undefined) made = opened;
      return opened;
    }),
  );

  function checkOpen(operation: string): void {
    if (closed) throw new BackendError("sqlite", operation, "the store was closed: make a new one", { code: "closed" });
  }

  /** Tries again while another process holds the file. The waiting blocks nothing. */
  async function patiently<Value>(operation: string, signal: AbortSignal | undefined, work: () => Value | Promise<Value>): Promise<Value> {
    const deadline = performance.now() + busyTimeoutMs;
    for (;;) {
      signal?.throwIfAborted();
      checkOpen(operation);
      try {
        return await work();
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw toMemoryError(error, operation);
      }
      await sleep(5 + 15 * Math.random());
    }
  }

  async function run<Value>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (database: SqliteDatabaseLike) => Value,
  ): Promise<Value> {
    signal?.throwIfAborted();
    checkOpen(operation);
    const opened = await database();
    return patiently(operation, signal, () => work(opened));
  }

  function checkLength(vector: Float32Array): void {
    if (space === undefined) throw new BackendError("sqlite", "useSpace", "no embedding space was chosen: call useSpace first");
    if (vector.length !== space.dimensions) throw new DimensionMismatchError(space.dimensions, vector.length, space.model);
  }

  return {
    name: "sqlite",
    guarantees,

    open: (signal) => run("open", signal, () => {}),
    async close() {
      closed = true;
      made?.close();
      made = undefined;
    },
    async health(signal) {
      const started = performance.now();
      try {
        const versions = await run(
          "health",
          signal,
          (opened) => opened.prepare("SELECT sqlite_version() AS sqlite, vec_version() AS vec").all()[0],
        );
        const { sqlite, vec } = versions as { sqlite: string; vec: string };
        const latencyMs = performance.now() - started;
        return { ok: true, store: "sqlite", latencyMs, versions: { sqlite, "sqlite-vec": vec }, problem: undefined };
      } catch (error) {
        return { ok: false, store: "sqlite", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },

    useSpace: (wanted, signal) =>
      run("useSpace", signal, (opened) => {
        useSpace(opened, names, wanted);
        space = { model: wanted.model, dimensions: wanted.dimensions };
      }),

    async upsert(entries, signal) {
      await run("upsert", signal, () => {
        for (const { vector } of entries) checkLength(vector);
      });
      for (let start = 0; start < entries.length; start += batchSize) {
        if (start > 0) await nextTurn();
        const batch = entries.slice(start, start + batchSize);
        await run("upsert", signal, (opened) =>
          inTransaction(opened, () => {
            if (space !== undefined) checkHeld(heldSpace(opened, names), space);
            upsert(opened, names, batch);
          }),
        );
      }
    },

    query: (query, signal) =>
      run("query", signal, (opened) => {
        checkLength(query.vector);
        return nearest(opened, names, query);
      }),

    delete: (selection, signal) =>
      run("delete", signal, (opened) => {
        inTransaction(opened, () => remove(opened, names, selection));
      }),

    count: (scope, signal) =>
      run("count", signal, (opened) => {
        const { sql, values } = scopeConditions(scope);
        const [row] = opened.prepare(`SELECT count(*) AS n FROM ${names.rows} m WHERE ${sql}`).all(...values);
        return (row as { n: number }).n;
      }),
  };
}

interface Names {
  /** What is known of each message. */
  readonly rows: string;
  /** The vec0 table: id, tenant, user_id, embedding. */
  readonly vectors: string;
  /** The one embedding space. */
  readonly space: string;
}

function makeNames(prefix: string): Names {
  if (!/^([A-Za-z_][A-Za-z0-9_]{0,29})?$/.test(prefix))
    throw new InvalidArgumentError("tablePrefix", "must be at most 30 letters, digits or _, and begin with a letter or _");
  const separated = prefix === "" || prefix.endsWith("_") ? prefix : `${prefix}_`;
  return { rows: `"${separated}vectors"`, vectors: `"${separated}vectors_vec0"`, space: `"${separated}vectors_space"` };
}

function tablesSql(names: Names): string {
  return `CREATE TABLE IF NOT EXISTS ${names.space} (one INTEGER PRIMARY KEY CHECK (one = 1), model TEXT NOT NULL, dimensions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ${names.rows} (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, conversation_id TEXT NOT NULL, message_id TEXT NOT NULL,
  resource_id TEXT NOT NULL, role TEXT NOT NULL, seq INTEGER NOT NULL, created_at INTEGER NOT NULL, importance REAL, revision TEXT NOT NULL,
  tokens TEXT NOT NULL, UNIQUE (tenant, user_id, conversation_id, message_id))`;
}

function openFile(path: string): SqliteDatabaseLike {
  const { DatabaseSync } = loadSqlite();
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  const opened = new DatabaseSync(path, { allowExtension: true, timeout: 0 });
  try {
    // A commit has reached the disk when a call resolves; deleted bytes are overwritten.
    opened.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function loadExtension(database: SqliteDatabaseLike): Promise<void> {
  if (hasExtension(database)) return;
  const { getLoadablePath } = await loadDependency("sqlite", "sqlite-vec", () => import("sqlite-vec"));
  try {
    database.loadExtension(getLoadablePath());
  } catch (error) {
    throw new BackendError(
      "sqlite",
      "open",
      "sqlite-vec could not be loaded into the database: make it with { allowExtension: true }, on a platform sqlite-vec is built for",
      { code: "backend_denied", cause: error },
    );
  }
}

function hasExtension(database: SqliteDatabaseLike): boolean {
  const [row] = database.prepare("SELECT count(*) AS n FROM pragma_function_list WHERE name = 'vec_version'").all();
  return (row as { n: number }).n > 0;
}

function inTransaction(database: SqliteDatabaseLike, work: () => void): void {
  // A lent database may be in a transaction of the lender's.
  const [begin, commit, rollback] = database.isTransaction
    ? ["SAVEPOINT unforget", "RELEASE unforget", "ROLLBACK TO unforget; RELEASE unforget"]
    : ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"];
  database.exec(begin as string);
  try {
    work();
    database.exec(commit as string);
  } catch (error) {
    // Some failures end the transaction by themselves.
    if (database.isTransaction) database.exec(rollback as string);
    throw error;
  }
}

function useSpace(database: SqliteDatabaseLike, names: Names, wanted: EmbeddingSpace): void {
  if (!Number.isInteger(wanted.dimensions) || wanted.dimensions < 1 || wanted.dimensions > mostDimensions)
    throw new BackendError(
      "sqlite",
      "useSpace",
      `a vector of ${wanted.dimensions} dimensions cannot be stored: sqlite-vec holds 1 to ${mostDimensions}`,
    );
  inTransaction(database, () => {
    const held = heldSpace(database, names);
    if (held?.model === wanted.model && held.dimensions === wanted.dimensions) return;
    if (database.prepare(`SELECT 1 FROM ${names.rows} LIMIT 1`).all().length > 0) checkHeld(held, wanted);
    database.exec(`DROP TABLE IF EXISTS ${names.vectors};
CREATE VIRTUAL TABLE ${names.vectors} USING vec0(
  id INTEGER PRIMARY KEY, tenant TEXT PARTITION KEY, user_id TEXT PARTITION KEY,
  embedding FLOAT[${wanted.dimensions}] distance_metric=cosine, chunk_size=${chunkSize})`);
    database
      .prepare(`INSERT OR REPLACE INTO ${names.space} (one, model, dimensions) VALUES (1, ?, ?)`)
      .run(wanted.model, BigInt(wanted.dimensions));
  });
}

function heldSpace(database: SqliteDatabaseLike, names: Names): EmbeddingSpace | undefined {
  return database.prepare(`SELECT model, dimensions FROM ${names.space}`).all()[0] as EmbeddingSpace | undefined;
}

/** Another process may have chosen another model since, while there were no vectors. */
function checkHeld(held: EmbeddingSpace | undefined, wanted: EmbeddingSpace): void {
  if (held === undefined || (held.model === wanted.model && held.dimensions === wanted.dimensions)) return;
  throw new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[sqlite] the file holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: use the model it has, or another path or tablePrefix for the new one`,
  );
}

function upsert(database: SqliteDatabaseLike, names: Names, entries: readonly VectorEntry[]): void {
  const find = database.prepare(`SELECT id FROM ${names.rows} WHERE tenant = ? AND user_id = ? AND conversation_id = ? AND message_id = ?`);
  const insert = database.prepare(
    `INSERT INTO ${names.rows} (resource_id, role, seq, created_at, importance, revision, tokens, tenant, user_id, conversation_id, message_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
  );
  const update = database.prepare(
    `UPDATE ${names.rows} SET resource_id = ?, role = ?, seq = ?, created_at = ?, importance = ?, revision = ?, tokens = ? WHERE id = ?`,
  );
  const insertVector = database.prepare(`INSERT INTO ${names.vectors} (id, tenant, user_id, embedding) VALUES (?, ?, ?, ?)`);
  const updateVector = database.prepare(`UPDATE ${names.vectors} SET embedding = ? WHERE id = ?`);
  for (const entry of entries) {
    const { tenant, userId, conversationId, messageId } = entry;
    const [found] = find.all(tenant, userId, conversationId, messageId) as { id: number }[];
    if (found === undefined) {
      const [row] = insert.all(...rowValues(entry), tenant, userId, conversationId, messageId) as { id: number }[];
      insertVector.run(BigInt((row as { id: number }).id), tenant, userId, vectorBytes(entry.vector));
    } else {
      update.run(...rowValues(entry), BigInt(found.id));
      updateVector.run(vectorBytes(entry.vector), BigInt(found.id));
    }
  }
}

function rowValues({ resourceId, role, seq, createdAt, importance, revision, metadata }: VectorEntry): SqliteValue[] {
  return [resourceId, role, BigInt(seq), BigInt(createdAt.getTime()), importance, revision, joinTokens(scalarTokens(metadata))];
}

/** Each token between line breaks, of which tokens have none: one is found by its own with its breaks. */
const joinTokens = (tokens: readonly string[]) => `\n${tokens.join("\n")}\n`;

const vectorBytes = (vector: Float32Array) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);

function remove(database: SqliteDatabaseLike, names: Names, { tenant, userId, conversationId, messageIds }: VectorSelection): void {
  const chosen = new Conditions();
  chosen.add("m.tenant = ?", tenant);
  if (userId !== undefined) chosen.add("m.user_id = ?", userId);
  if (conversationId !== undefined) chosen.add("m.conversation_id = ?", conversationId);
  if (messageIds !== undefined) chosen.add("m.message_id IN (SELECT value FROM json_each(?))", JSON.stringify(messageIds));
  const rows = database.prepare(`SELECT m.id FROM ${names.rows} m WHERE ${chosen.sql}`).all(...chosen.values) as { id: number }[];
  // The table of vectors is not there before there is an embedding space.
  if (rows.length === 0) return;
  const removeVector = database.prepare(`DELETE FROM ${names.vectors} WHERE id = ?`);
  const removeRow = database.prepare(`DELETE FROM ${names.rows} WHERE id = ?`);
  for (const { id } of rows) {
    removeVector.run(BigInt(id));
    removeRow.run(BigInt(id));
  }
}

/** SQL conditions on the row `m`, and their values. */
class Conditions {
  readonly values: SqliteValue[] = [];
  readonly #terms: string[] = [];

  get sql(): string {
    return this.#terms.join(" AND ");
  }

  add(term: string, ...values: SqliteValue[]): void {
    this.#terms.push(term);
    this.values.push(...values);
  }
}

function scopeConditions({ tenant, userId, resourceId }: StoreScope): Conditions {
  const conditions = new Conditions();
  conditions.add("m.tenant = ?", tenant);
  if (userId !== undefined) conditions.add("m.user_id = ?", userId);
  if (resourceId !== undefined) conditions.add("m.resource_id = ?", resourceId);
  return conditions;
}

function queryConditions({ scope, conversationId, roles, since, until, filter }: VectorQuery): Conditions {
  const conditions = scopeConditions(scope);
  if (conversationId !== undefined) conditions.add("m.conversation_id = ?", conversationId);
  if (roles !== undefined) conditions.add("m.role IN (SELECT value FROM json_each(?))", JSON.stringify(roles));
  if (since !== undefined) conditions.add("m.created_at >= ?", BigInt(since.getTime()));
  if (until !== undefined) conditions.add("m.created_at < ?", BigInt(until.getTime()));
  for (const [field, wanted] of Object.entries(filter ?? {})) {
    const values: readonly FilterValue[] = Array.isArray(wanted) ? wanted : [wanted as FilterValue];
    const tokens = values.map((value) => joinTokens([scalarToken(field, value)]));
    conditions.add(tokens.length === 0 ? "0" : `(${tokens.map(() => "instr(m.tokens, ?) > 0").join(" OR ")})`, ...tokens);
  }
  return conditions;
}

interface MatchRow {
  readonly user_id: string;
  readonly conversation_id: string;
  readonly message_id: string;
  readonly seq: number;
  readonly created_at: number;
  readonly importance: number | null;
  readonly revision: string;
  readonly distance: number;
}

const matchColumns = "m.user_id, m.conversation_id, m.message_id, m.seq, m.created_at, m.importance, m.revision";

function nearest(database: SqliteDatabaseLike, names: Names, query: VectorQuery): VectorMatch[] {
  const conditions = queryConditions(query);
  const isWhole = isWholePartition(query);
  const oneByOne = query.limit > mostNeighbours || (!isWhole && hasFewRows(database, names, conditions));
  const rows = oneByOne
    ? compareRows(database, names, query, conditions)
    : searchPartition(database, names, query, isWhole ? undefined : conditions);
  return rows.map(toMatch);
}

/** Whether the tenant, and the user if there is one, are all that is asked for. */
function isWholePartition({ scope, conversationId, roles, since, until, filter }: VectorQuery): boolean {
  return [scope.resourceId, conversationId, roles, since, until, filter].every((condition) => condition === undefined);
}

function hasFewRows(database: SqliteDatabaseLike, names: Names, { sql, values }: Conditions): boolean {
  const counted = database.prepare(`SELECT count(*) AS n FROM (SELECT 1 FROM ${names.rows} m WHERE ${sql} LIMIT ${fewRows + 1})`);
  return (counted.all(...values)[0] as { n: number }).n <= fewRows;
}

function compareRows(database: SqliteDatabaseLike, names: Names, query: VectorQuery, { sql, values }: Conditions): MatchRow[] {
  const statement = database.prepare(`SELECT ${matchColumns}, vec_distance_cosine(v.embedding, ?) AS distance
FROM ${names.rows} m CROSS JOIN ${names.vectors} v ON v.id = m.id WHERE ${sql} ORDER BY distance, m.id LIMIT ?`);
  return statement.all(vectorBytes(query.vector), ...values, BigInt(query.limit)) as MatchRow[];
}

/** Walks the chunks of the partition; `conditions` choose beforehand which rows count. */
function searchPartition(database: SqliteDatabaseLike, names: Names, query: VectorQuery, conditions: Conditions | undefined): MatchRow[] {
  const { tenant, userId } = query.scope;
  const chosen = conditions === undefined ? "" : ` AND id IN (SELECT m.id FROM ${names.rows} m WHERE ${conditions.sql})`;
  const statement = database.prepare(`WITH found AS MATERIALIZED (
  SELECT id, distance FROM ${names.vectors} WHERE embedding MATCH ? AND k = ? AND tenant = ?${userId === undefined ? "" : " AND user_id = ?"}${chosen}
) SELECT ${matchColumns}, found.distance FROM found JOIN ${names.rows} m ON m.id = found.id ORDER BY found.distance, m.id`);
  const partition = userId === undefined ? [tenant] : [tenant, userId];
  return statement.all(vectorBytes(query.vector), BigInt(query.limit), ...partition, ...(conditions?.values ?? [])) as MatchRow[];
}

function toMatch(row: MatchRow): VectorMatch {
  return {
    userId: row.user_id,
    conversationId: row.conversation_id,
    messageId: row.message_id,
    seq: row.seq,
    createdAt: new Date(row.created_at),
    importance: row.importance,
    revision: row.revision,
    similarity: Math.max(-1, Math.min(1, 1 - row.distance)),
  };
}

function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && ((errcode as number) & 0xff) === 5;
}

/** What `node:sqlite` throws, as an error a caller can act on. Primary result codes: https://www.sqlite.org/rescode.html */
function toMemoryError(error: unknown, operation: string): unknown {
  const { code, errcode, errstr } = error as { code?: unknown; errcode?: unknown; errstr?: unknown };
  if (MemoryError.isInstance(error) || code !== "ERR_SQLITE_ERROR" || typeof errcode !== "number") return error;
  const fail = (message: string, kind: "backend_error" | "backend_unavailable" | "backend_denied", retryable = false) =>
    new BackendError("sqlite", operation, message, { code: kind, cause: error, retryable });
  switch (errcode & 0xff) {
    case 5:
    case 6:
      return fail(`another connection kept the database locked during ${operation}: the call can be repeated`, "backend_unavailable", true);
    case 8:
    case 23:
      return fail("the database cannot be written: give this process the right to write the file and its directory", "backend_denied");
    case 13:
      return fail("the disk is full: free space, then repeat the call", "backend_error", true);
    case 14:
      return fail(
        "the database file could not be opened: check that its directory is there and may be written",
        "backend_unavailable",
        true,
      );
    case 11:
    case 26:
      return fail("the file is no sound SQLite database: name another path, or restore a copy", "backend_error");
    default:
      return fail(`${operation} failed (SQLite ${errcode}): ${String(errstr)}`, "backend_error");
  }
}
