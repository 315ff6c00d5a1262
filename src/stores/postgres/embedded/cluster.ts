import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { BackendError } from "../../../domain/errors.ts";
import { readTemplate, unpackTemplate } from "./cluster-template.ts";

/**
 * Committed transactions are in the kernel's hands when the statement returns, so they survive the death of the
 * process; PGlite has no fsync, so a power cut can cost the last writes, and at worst the cluster.
 */
const settings = [
  "jit=off",
  "maintenance_work_mem=256MB",
  "work_mem=16MB",
  "effective_cache_size=512MB",
  // Pages come from the kernel's cache.
  "random_page_cost=1.1",
  "wal_level=minimal",
  "max_wal_senders=0",
];

/** For `initdb`: segments of 4 MB, so that a small memory is a small directory. */
export const initdbParameters = ["--wal-segsize=4"];

function options(): PGliteOptions {
  return {
    extensions: { vector },
    startParams: [...PGlite.defaultStartParams, ...settings.flatMap((setting) => ["-c", setting])],
    initDbStartParams: initdbParameters,
  };
}

/** Opens the cluster in `<directory>/pg`, made on first use. The caller holds the directory's lock. */
export async function openCluster(directory: string): Promise<PGlite> {
  const path = join(directory, "pg");
  if (!existsSync(join(path, "PG_VERSION"))) await createCluster(directory, path);
  const template = readTemplate();
  const version = readFileSync(join(path, "PG_VERSION"), "utf8").trim();
  if (template !== undefined && version !== template.postgresVersion) throw outdated(path, version, template.postgresVersion);
  return PGlite.create({ ...options(), dataDir: path });
}

/** A database that lives as long as the process. */
export async function openMemoryCluster(): Promise<PGlite> {
  const tar = readTemplate()?.tar();
  const start = tar === undefined ? {} : { loadDataDir: new Blob([tar]) };
  return PGlite.create({ ...options(), ...start, dataDir: "memory://" });
}

/** Built beside its place and renamed into it: a directory named `pg` is whole. */
async function createCluster(directory: string, path: string): Promise<void> {
  if (existsSync(path) && readdirSync(path).length > 0) throw foreign(path);
  for (const name of readdirSync(directory)) {
    if (name.startsWith("pg.new")) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const building = join(directory, "pg.new");
  mkdirSync(building, { mode: 0o700 });
  const tar = readTemplate()?.tar();
  if (tar === undefined) {
    const database = await PGlite.create({ ...options(), dataDir: building });
    await database.exec("CREATE EXTENSION IF NOT EXISTS vector");
    await database.close();
  } else {
    unpackTemplate(tar, building);
  }
  rmSync(path, { recursive: true, force: true });
  renameSync(building, path);
}

function foreign(path: string): BackendError {
  return new BackendError(
    "embedded",
    "open",
    `${path} holds something that is not a database of this library: choose another data directory, or move those files away`,
  );
}

function outdated(path: string, found: string, expected: string): BackendError {
  return new BackendError(
    "embedded",
    "open",
    `${path} was written by PostgreSQL ${found}, and the installed PGlite is PostgreSQL ${expected}: export it with the version that wrote it and import it into a new directory`,
    { code: "backend_outdated" },
  );
}
