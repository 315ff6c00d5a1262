import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { loadSqlite } from "../../../internal/load-sqlite.ts";

/**
 * The right to open a data directory. It is an exclusive transaction on an empty SQLite file: the kernel ends it when
 * the process dies, however it dies, so there is no pid file to misjudge.
 */
export interface DirectoryLock {
  /** Safe to call twice. */
  release(): void;
}

/** Undefined when another process (or another thread of this one) has it. */
export function tryLock(directory: string): DirectoryLock | undefined {
  const { DatabaseSync } = loadSqlite();
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(directory, "lock.sqlite"), { timeout: 0 });
    // No journal on disk, so that a killed owner leaves nothing to recover; nothing is ever written.
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  let held: DatabaseSync | undefined = database;
  return {
    release() {
      held?.close();
      held = undefined;
    },
  };
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  // SQLITE_BUSY and SQLITE_LOCKED, with their extended codes in the upper bits.
  return typeof code === "number" && ((code & 0xff) === 5 || (code & 0xff) === 6);
}

/** Where the present owner listens, and the word that a client must say. Left behind by a killed one. */
export interface OwnerAddress {
  readonly socket: string;
  readonly token: string;
  /** For messages only: numbers come back. */
  readonly processId: number;
}

const ownerFile = "owner.json";

export function readOwner(directory: string): OwnerAddress | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, ownerFile), "utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    const { socket, token, processId } = value as Record<string, unknown>;
    if (typeof socket !== "string" || typeof token !== "string" || typeof processId !== "number") return undefined;
    return { socket, token, processId };
  } catch {
    // Not there yet, or being replaced: ask again.
    return undefined;
  }
}

export function writeOwner(directory: string, owner: OwnerAddress): void {
  const temporary = join(directory, `${ownerFile}.${randomBytes(4).toString("hex")}`);
  writeFileSync(temporary, JSON.stringify(owner), { mode: 0o600 });
  renameSync(temporary, join(directory, ownerFile));
}
