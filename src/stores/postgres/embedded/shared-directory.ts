import { existsSync } from "node:fs";
import { mkdir, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BackendError } from "../../../domain/errors.ts";
import type { Logger } from "../../../domain/logger.ts";
import { type DirectoryLock, type OwnerAddress, readOwner, tryLock } from "./directory-lock.ts";
import type { Link } from "./link.ts";
import { connectSocket } from "./socket-link.ts";
import { removeStaleSockets } from "./socket-path.ts";
import { startWorker } from "./worker-link.ts";

/** A data directory as this process sees it: all its clients share one line to the engine. */
export interface SharedDirectory {
  /** The line, made anew when the last one broke. */
  link(): Promise<Link>;
  /** The last one to let go closes the line, and the engine when this process runs it. */
  release(): Promise<void>;
}

export interface DirectoryOptions {
  /** How long to wait for an owner that starts, stops or recovers. */
  readonly waitMs: number;
  /** How long a transaction may do nothing before it is rolled back. */
  readonly leaseIdleMs: number;
  readonly logger?: Logger | undefined;
}

interface Entry {
  users: number;
  link: Promise<Link> | undefined;
}

const entries = new Map<string, Entry>();

/** Creates the directory when it is not there. */
export async function openSharedDirectory(dataDir: string, options: DirectoryOptions): Promise<SharedDirectory> {
  const directory = await prepare(resolve(dataDir));
  const entry: Entry = entries.get(directory) ?? { users: 0, link: undefined };
  entries.set(directory, entry);
  entry.users++;
  let released = false;
  return {
    link: () => currentLink(entry, () => connectDirectory(directory, options)),
    async release() {
      if (released) return;
      released = true;
      if (--entry.users > 0) return;
      entries.delete(directory);
      await (await entry.link?.catch(() => undefined))?.close();
    },
  };
}

/** A database of this client's own that is gone with it. */
export function memoryDirectory({ leaseIdleMs }: DirectoryOptions): SharedDirectory {
  const entry: Entry = { users: 1, link: undefined };
  return {
    link() {
      // Never a second engine after one that worked: it would be empty, and the loss must be seen.
      entry.link ??= startWorker({ directory: undefined, leaseIdleMs }, () => {}).catch((error: unknown) => {
        entry.link = undefined;
        throw error;
      });
      return entry.link;
    },
    async release() {
      await (await entry.link?.catch(() => undefined))?.close();
    },
  };
}

async function currentLink(entry: Entry, connect: () => Promise<Link>): Promise<Link> {
  const present = entry.link;
  if (present !== undefined && !(await present).isLost) return present;
  // Somebody else may have replaced it while we looked.
  if (entry.link === present) {
    const started = connect();
    entry.link = started;
    started.catch(() => {
      if (entry.link === started) entry.link = undefined;
    });
  }
  return entry.link ?? connect();
}

async function prepare(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const directory = await realpath(path);
    if (existsSync(join(directory, "PG_VERSION"))) throw rawCluster(directory);
    return directory;
  } catch (error) {
    throw directoryError(path, error);
  }
}

/** Becomes the owner or finds one, whichever comes first. */
async function connectDirectory(directory: string, options: DirectoryOptions): Promise<Link> {
  const deadline = Date.now() + options.waitMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 1.5, 150)) {
    const address = readOwner(directory);
    if (address !== undefined) {
      const link = await connectSocket(address, Math.max(deadline - Date.now(), 1));
      if (link !== undefined) {
        options.logger?.debug?.("[embedded] connected to the process that has the data directory open", {
          directory,
          processId: address.processId,
        });
        return link;
      }
    }
    const lock = lockDirectory(directory);
    if (lock !== undefined) return becomeOwner(directory, lock, options);
    if (Date.now() > deadline) throw unavailable(directory, address, options.waitMs);
    // Unequal pauses, so that two do not go on disturbing each other.
    await sleep(pauseMs * (0.5 + Math.random()));
  }
}

async function becomeOwner(directory: string, lock: DirectoryLock, { leaseIdleMs, logger }: DirectoryOptions): Promise<Link> {
  try {
    removeStaleSockets(directory);
    const link = await startWorker({ directory, leaseIdleMs }, lock.release);
    logger?.debug?.("[embedded] opened the data directory", { directory });
    return link;
  } catch (error) {
    lock.release();
    throw directoryError(directory, error);
  }
}

function lockDirectory(directory: string): DirectoryLock | undefined {
  try {
    return tryLock(directory);
  } catch (error) {
    throw directoryError(directory, error);
  }
}

const deniedCodes = new Set(["EACCES", "EPERM", "EROFS"]);
/** SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_AUTH. */
const deniedSqliteCodes = new Set([3, 8, 14, 23]);

function directoryError(path: string, error: unknown): unknown {
  if (error instanceof BackendError) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const what = (message: string, kind: "backend_error" | "backend_denied") =>
    new BackendError("embedded", "open", message, { code: kind, cause: error });
  if (code === "ENOTDIR" || code === "EEXIST")
    return what(`${path} is not a directory, or is below a file: choose another data directory`, "backend_error");
  if (deniedCodes.has(String(code)) || (typeof errcode === "number" && deniedSqliteCodes.has(errcode & 0xff))) {
    return what(`${path} cannot be written: check its owner and permissions, or choose another data directory`, "backend_denied");
  }
  const detail = error instanceof Error ? error.message : String(error);
  return what(`${path} cannot be opened (${detail}): the directory must be on a local disk with free space`, "backend_error");
}

function rawCluster(directory: string): BackendError {
  return new BackendError(
    "embedded",
    "open",
    `${directory} is itself a PostgreSQL data directory, and this library keeps its own in a folder "pg" of the data directory: choose another directory, or open this one with PGlite and pass the instance`,
  );
}

function unavailable(directory: string, address: OwnerAddress | undefined, waitMs: number): BackendError {
  const holder = address === undefined ? "another process" : `another process (${address.processId})`;
  return new BackendError(
    "embedded",
    "connect",
    `${holder} holds ${directory} and did not answer within ${Math.round(waitMs / 1000)} s: check that it is not stopped or out of memory; closing it lets this one take over`,
    { code: "backend_unavailable", retryable: true },
  );
}
