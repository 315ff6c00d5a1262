import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BackendError, InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import { matchesFilter } from "../../domain/filter.ts";
import type { MemoryHealth } from "../../domain/health.ts";
import { loadSqlite } from "../../internal/load-sqlite.ts";
import { once } from "../../internal/once.ts";

/** Which file it is, and how long to wait for others that write to it. */
export interface SqliteFileOptions {
  /**
   * The database file, made when it is missing, with its directory; several stores and processes may share it.
   * `":memory:"` keeps nothing. @default "./unforget.sqlite"
   */
  readonly path?: string | undefined;
  /** A `DatabaseSync` of yours. It is lent: `close` leaves it open, and its settings are left alone. */
  readonly database?: SqliteDatabaseLike | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /** How long a write waits for other processes that write to the file. @default 10_000 */
  readonly busyTimeoutMs?: number | undefined;
}

/** What is used of a `DatabaseSync` (`node:sqlite`). */
export interface SqliteDatabaseLike {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqliteStatementLike;
  function(name: string, options: { readonly deterministic: boolean }, body: (left: SqliteOutput, right: SqliteOutput) => number): void;
  close(): void;
}

export interface SqliteStatementLike {
  all(...values: SqliteValue[]): unknown[];
  get(...values: SqliteValue[]): unknown;
  run(...values: SqliteValue[]): { readonly changes: number | bigint };
}

export type SqliteValue = string | number | null | Uint8Array;
type SqliteOutput = SqliteValue | bigint;

/** What a kind of store keeps in the file. */
export interface SqliteSchema {
  /** Names it in the table of settings. */
  readonly name: string;
  /** Each brings the schema one version further; `{messages}` stands for the table of that name, quoted and with the prefix. */
  readonly migrations: readonly string[];
}

/** Statements on an open file. They run at once and block this thread while they do. */
export interface SqliteRows {
  /** In SQL, `{messages}` stands for the table of that name. */
  all<Row>(sql: string, ...values: readonly SqliteValue[]): Row[];
  get<Row>(sql: string, ...values: readonly SqliteValue[]): Row | undefined;
  /** How many rows it changed. */
  run(sql: string, ...values: readonly SqliteValue[]): number;
}

export interface SqliteFile {
  open(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
  health(signal?: AbortSignal): Promise<MemoryHealth>;
  /** Runs `work` on one state of the file. */
  read<Value>(operation: string, signal: AbortSignal | undefined, work: (rows: SqliteRows) => Value): Promise<Value>;
  /** Runs `work` in a transaction that no other writer shares: committed when it returns, rolled back when it throws. */
  write<Value>(operation: string, signal: AbortSignal | undefined, work: (rows: SqliteRows) => Value): Promise<Value>;
  /** Rewrites the file without what was deleted. */
  compact(signal: AbortSignal | undefined, indexes: readonly string[]): Promise<void>;
}

const longestPrefix = 30;
const longestPauseMs = 20;

/** A file as several stores, and several processes, use it. Nothing is opened before the first call. */
export function sqliteFile(options: SqliteFileOptions, ...schemas: readonly SqliteSchema[]): SqliteFile {
  const { path = "./unforget.sqlite", database: lent, tablePrefix = "", busyTimeoutMs = 10_000 } = options;
  if (path === "") throw new InvalidArgumentError("path", "names no file: give the path of a database file, or leave it out");
  if (lent !== undefined && options.path !== undefined)
    throw new InvalidArgumentError("path", "names a second database: give path or database");
  const tables = tableNames(tablePrefix);
  const statements = new Map<string, SqliteStatementLike>();
  let handle: SqliteDatabaseLike | undefined;
  let isClosed = false;

  const rows: SqliteRows = {
    all: <Row>(sql: string, ...values: readonly SqliteValue[]) => prepared(sql).all(...values) as Row[],
    get: <Row>(sql: string, ...values: readonly SqliteValue[]) => prepared(sql).get(...values) as Row | undefined,
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
  };

  function prepared(sql: string): SqliteStatementLike {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database().prepare(tables(sql));
      statements.set(sql, statement);
    }
    return statement;
  }

  function database(): SqliteDatabaseLike {
    if (handle === undefined || isClosed)
      throw new BackendError("sqlite", "use", "the store was closed: make a new one", { code: "closed" });
    return handle;
  }

  /** Tries again while another process holds the file. The waiting blocks nothing. */
  async function patiently<Value>(operation: string, signal: AbortSignal | undefined, work: () => Value): Promise<Value> {
    const deadline = performance.now() + busyTimeoutMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      signal?.throwIfAborted();
      if (isClosed) throw new BackendError("sqlite", operation, "the store was closed: make a new one", { code: "closed" });
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw toMemoryError(error, operation);
      }
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  }

  /** Within a transaction of the lender's it takes part in that one. */
  function transaction<Value>(begin: string, work: () => Value): Value {
    const file = database();
    const isInner = file.isTransaction;
    file.exec(isInner ? "SAVEPOINT unforget" : begin);
    try {
      const value = work();
      file.exec(isInner ? "RELEASE unforget" : "COMMIT");
      return value;
    } catch (error) {
      if (file.isTransaction) file.exec(isInner ? "ROLLBACK TO unforget; RELEASE unforget" : "ROLLBACK");
      throw error;
    }
  }

  const opened = once(() =>
    patiently("open", undefined, () => {
      handle = lent ?? connect(path);
      try {
        handle.function("unforget_matches", { deterministic: true }, matches);
        handle.prepare("SELECT 1 FROM sqlite_schema").get();
        const isBehind = (schema: SqliteSchema) => version(schema) < schema.migrations.length;
        if (schemas.some(isBehind)) transaction("BEGIN IMMEDIATE", () => schemas.forEach(migrate));
      } catch (error) {
        statements.clear();
        if (lent === undefined) handle.close();
        handle = undefined;
        throw error;
      }
    }),
  );

  /** How many of the migrations the file has seen. */
  function version(schema: SqliteSchema): number {
    const hasSettings = database().prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(tables.bare("settings"));
    if (hasSettings === undefined) return 0;
    const found = rows.get<{ value: string }>("SELECT value FROM {settings} WHERE name = ?", `${schema.name} schema`);
    const known = Number(found?.value ?? 0);
    if (known <= schema.migrations.length) return known;
    throw new BackendError("sqlite", "open", "the file was made by a newer version of unforget: update the package", {
      code: "backend_outdated",
    });
  }

  function migrate(schema: SqliteSchema): void {
    const file = database();
    file.exec(tables("CREATE TABLE IF NOT EXISTS {settings} (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"));
    for (const migration of schema.migrations.slice(version(schema))) file.exec(tables(migration));
    const set = "INSERT INTO {settings} (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
    rows.run(set, `${schema.name} schema`, String(schema.migrations.length));
  }

  return {
    open: async (signal) => {
      signal?.throwIfAborted();
      await opened();
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      statements.clear();
      if (lent === undefined) handle?.close();
      handle = undefined;
    },
    async health() {
      const started = performance.now();
      try {
        await opened();
        const found = await patiently("health", undefined, () => rows.get<{ version: string }>("SELECT sqlite_version() AS version"));
        const latencyMs = performance.now() - started;
        return { ok: true, store: "sqlite", latencyMs, versions: { sqlite: found?.version ?? "" }, problem: undefined };
      } catch (error) {
        return { ok: false, store: "sqlite", latencyMs: undefined, versions: {}, problem: (error as Error).message };
      }
    },
    async read(operation, signal, work) {
      signal?.throwIfAborted();
      await opened();
      return patiently(operation, signal, () => transaction("BEGIN", () => work(rows)));
    },
    async write(operation, signal, work) {
      signal?.throwIfAborted();
      await opened();
      return patiently(operation, signal, () => transaction("BEGIN IMMEDIATE", () => work(rows)));
    },
    async compact(signal, indexes) {
      for (const index of indexes) {
        const column = tables.bare(index);
        await patiently("compact", signal, () => rows.run(`INSERT INTO {${index}} ("${column}") VALUES ('optimize')`));
      }
      await patiently("compact", signal, () => database().exec("VACUUM"));
      await patiently("compact", signal, () => database().exec("PRAGMA wal_checkpoint(TRUNCATE)"));
    },
  };
}

/**
 * WAL: readers and the writer never wait for each other. FULL: a commit has reached the disk when a call resolves, so that
 * not even a power cut loses it. Deleted bytes are overwritten.
 */
const settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON";

function connect(path: string): SqliteDatabaseLike {
  const { DatabaseSync } = loadSqlite();
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  const file = new DatabaseSync(path, { timeout: 0 });
  try {
    file.exec(settings);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** What a metadata filter means, said once, in `matchesFilter`. */
function matches(dataJson: SqliteOutput, filterJson: SqliteOutput): number {
  return matchesFilter(JSON.parse(String(dataJson)), JSON.parse(String(filterJson))) ? 1 : 0;
}

interface TableNames {
  /** Puts the quoted names of tables into SQL. */
  (sql: string): string;
  bare(name: string): string;
}

function tableNames(prefix: string): TableNames {
  if (!/^([A-Za-z_][A-Za-z0-9_]*)?$/.test(prefix) || prefix.length > longestPrefix) {
    throw new InvalidArgumentError("tablePrefix", `must be at most ${longestPrefix} letters, digits or _ , and begin with a letter or _`);
  }
  const start = prefix === "" || prefix.endsWith("_") ? prefix : `${prefix}_`;
  const bare = (name: string) => `${start}${name}`;
  return Object.assign((sql: string) => sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => `"${bare(name)}"`), { bare });
}

/** SQLite's primary result code; the extended one has more in its upper bits. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

const codes = { busy: 5, locked: 6, noMemory: 7, readOnly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notDatabase: 26 };

function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === codes.busy || code === codes.locked;
}

/** Says what happened without the values of any row. */
function toMemoryError(error: unknown, operation: string): unknown {
  if (MemoryError.isInstance(error)) return error;
  const fail = (message: string, code?: BackendError["code"], retryable = false) =>
    new BackendError("sqlite", operation, message, { code: code as "backend_error", cause: error, retryable });
  switch (resultCode(error)) {
    case codes.busy:
    case codes.locked:
      return fail("another process kept writing to the file: try again, or raise busyTimeoutMs", "backend_unavailable", true);
    case codes.readOnly:
    case codes.cannotOpen:
      return fail("the file cannot be opened for writing: check the path and its permissions", "backend_denied");
    case codes.notDatabase:
    case codes.corrupt:
      return fail("the file is not a sound SQLite database: check the path, or restore a copy");
    case codes.full:
      return fail("the disk is full: free space, then repeat the call", undefined, true);
    case codes.ioError:
      return fail("the disk failed: check it, then repeat the call", undefined, true);
    case undefined:
      return isFileError(error)
        ? fail("the directory of the file cannot be made: check the path and its permissions", "backend_denied")
        : error;
    default:
      return fail(`${operation} failed: ${(error as Error).message}`);
  }
}

function isFileError(error: unknown): boolean {
  return typeof (error as { syscall?: unknown }).syscall === "string";
}
