import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const script = fileURLToPath(new URL("../fixtures/sqlite-process.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

export interface SqliteProcess {
  /** Ids that were acknowledged, a line for each batch. */
  readonly lines: string[];
  /** Lines on standard error. */
  readonly errors: string[];
  readonly process: ChildProcess;
  /** Its exit code, or null when it was killed. */
  readonly ended: Promise<number | null>;
  /** Resolves when so many lines are there. */
  printed(count: number): Promise<void>;
}

/** Runs test/fixtures/sqlite-process.ts, killed at the end of the test if it still runs. */
export function sqliteProcess(path: string, name: string, count = Number.POSITIVE_INFINITY): SqliteProcess {
  const child = spawn(process.execPath, [...stripTypes, script, path, name, String(count)], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let notify = () => {};
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    notify();
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    lines,
    errors,
    process: child,
    ended,
    printed: (wanted) =>
      new Promise((resolve, reject) => {
        notify = () => lines.length >= wanted && resolve();
        notify();
        void ended.then((code) => reject(new Error(`the process ended (${code}) after ${lines.length} lines: ${errors.join(" ")}`)));
      }),
  };
}
