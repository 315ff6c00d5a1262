import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { createMemory, type Memory, type MemoryOptions } from "../../index.ts";
import { failure } from "../exit-codes.ts";
import { QuietExit } from "../failure.ts";
import { withMemory } from "../open-memory.ts";
import { printJson, printLine } from "../output.ts";
import { describePlace, embeddedDirectory, type GlobalFlags } from "../settings.ts";
import { count } from "../text-layout.ts";

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found; when it is not well, what to do. */
  readonly says: string;
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check Node, the place where memory lives, the tables and what is owed, and say what to do")
    .action(async (_own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags>();
      await withMemory(flags, "manual", async (memory, options) => {
        const findings = [{ check: "node", ok: true, says: process.versions.node }, ...(await examine(memory, options))];
        const isWell = findings.every(({ ok }) => ok);
        if (flags.json) await printJson({ ok: isWell, findings });
        else for (const { check, ok, says } of findings) await printLine(`${ok ? "ok     " : "PROBLEM"} ${check.padEnd(10)} ${says}`);
        if (!isWell) throw new QuietExit(failure);
      });
    });
}

async function examine(memory: Memory, options: MemoryOptions): Promise<Finding[]> {
  const directory = embeddedDirectory(options);
  if (directory === undefined || directory.includes("://")) {
    return [{ check: "place", ok: true, says: describePlace(options) }, ...(await examineStore(memory))];
  }
  const path = resolve(directory);
  const exists = await isThere(path);
  const base = exists ? path : await nearestDirectory(path);
  if (!(await isWritable(base)))
    return [
      { check: "directory", ok: false, says: `${base} cannot be written to: change its permissions, or name another with --data-dir` },
    ];
  if (exists) return [{ check: "directory", ok: true, says: path }, ...(await examineStore(memory))];
  return [{ check: "directory", ok: true, says: `${path} is made on first use` }, ...(await examineEngine())];
}

/** Is there no directory yet, the embedded Postgres is tried without one: a check leaves nothing behind. */
async function examineEngine(): Promise<Finding[]> {
  const trial = createMemory({ dataDir: "memory://", embedding: false, worker: "manual" });
  try {
    return [await examineHealth(trial)];
  } finally {
    await trial.close();
  }
}

async function examineStore(memory: Memory): Promise<Finding[]> {
  const health = await examineHealth(memory);
  if (!health.ok) return [health];
  try {
    const { messages, vectors, owed, records, embedding } = await memory.stats();
    const toEmbed = [
      ...(owed.pending === 0 ? [] : [count(owed.pending, "message")]),
      ...(records.owed ? [count(records.owed, "record")] : []),
    ].join(" and ");
    const model = embedding === undefined ? "none: recall goes by words alone" : embedding.model;
    return [
      health,
      { check: "tables", ok: true, says: `${count(messages, "message")}, ${count(vectors, "vector")}, ${count(records.count, "record")}` },
      { check: "embedding", ok: true, says: model },
      owed.failing > 0
        ? {
            check: "owed",
            ok: false,
            says: `${count(owed.failing, "message")} could not be embedded (${owed.lastError ?? "no reason kept"}): put that right; it is tried again by itself`,
          }
        : {
            check: "owed",
            ok: true,
            says: toEmbed === "" ? "nothing" : `${toEmbed} to embed: run "unforget worker --once"`,
          },
    ];
  } catch (error) {
    return [health, { check: "tables", ok: false, says: (error as Error).message }];
  }
}

async function examineHealth(memory: Memory): Promise<Finding> {
  const { ok, problem, versions, latencyMs } = await memory.health();
  if (!ok) return { check: "database", ok, says: problem ?? "does not answer" };
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return { check: "database", ok, says: [...known, `answers in ${latencyMs?.toFixed(1) ?? "?"} ms`].join(", ") };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function nearestDirectory(path: string): Promise<string> {
  const parent = dirname(path);
  return parent === path || (await isThere(parent)) ? parent : nearestDirectory(parent);
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}
