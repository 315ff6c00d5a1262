import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { SqlClient } from "../../src/stores/postgres/sql-client.ts";

/** A path that does not exist yet, removed after the test. */
export function newDataDir(...segments: string[]): string {
  const parent = mkdtempSync(join(tmpdir(), "unforget-test-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return join(parent, ...(segments.length === 0 ? ["data"] : segments));
}

/** Closes the client before the directory is removed. */
export function closedAfterTest(client: SqlClient): SqlClient {
  onTestFinished(() => client.close());
  return client;
}

export interface OtherProcess {
  readonly lines: string[];
  readonly process: ChildProcess;
  /** Resolves when it has printed `count` lines in all. */
  printed(count: number): Promise<void>;
  /** Its exit code, or null when it was killed. */
  readonly ended: Promise<number | null>;
}

const script = fileURLToPath(new URL("../fixtures/embedded-process.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

/** Runs test/fixtures/embedded-process.ts, killed at the end of the test if it still runs. */
export function otherProcess(mode: string, dataDir: string, name = "", count = 0): OtherProcess {
  const child = spawn(process.execPath, [...stripTypes, script, mode, dataDir, name, String(count)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const waiting: { count: number; resolve(): void; reject(error: Error): void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const waiter of waiting) if (lines.length >= waiter.count) waiter.resolve();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  void ended.then((code) => {
    for (const waiter of waiting) waiter.reject(new Error(`the process ended (${code}) after ${lines.length} lines`));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    lines,
    process: child,
    printed: (count) =>
      new Promise((resolve, reject) => {
        if (lines.length >= count) resolve();
        else waiting.push({ count, resolve, reject });
      }),
    ended,
  };
}
