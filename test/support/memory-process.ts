import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { MemoryOptions } from "../../src/index.ts";

const script = fileURLToPath(new URL("../fixtures/memory-process.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

// Kept between the processes of one test file: a test may start a hundred of them, and each reads the same sources.
const compileCache = mkdtempSync(join(tmpdir(), "unforget-test-"));
process.once("exit", () => rmSync(compileCache, { recursive: true, force: true }));

export interface MemoryProcess {
  readonly lines: readonly string[];
  /** Resolves when it has printed `count` lines in all, and rejects when it ends before. */
  printed(count: number): Promise<void>;
  /** Resolves when it has ended by itself or was killed. */
  readonly ended: Promise<void>;
  /** SIGKILL; resolves when it is gone and all it printed is in `lines`. */
  kill(): Promise<void>;
}

/** Runs test/fixtures/memory-process.ts, killed at the end of the test if it still runs. */
export function memoryProcess(mode: string, place: MemoryOptions, name = "", user: { uid?: number } = {}): MemoryProcess {
  const child = spawn(process.execPath, [...stripTypes, script, mode, JSON.stringify(place), name], {
    ...user,
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  let notify = () => {};
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    notify();
  });
  let hasEnded = false;
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => {
      hasEnded = true;
      notify();
      resolve();
    }),
  );
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  onTestFinished(kill);
  return {
    lines,
    ended,
    kill,
    printed: (count) =>
      new Promise((resolve, reject) => {
        notify = () => {
          if (lines.length >= count) resolve();
          else if (hasEnded) reject(new Error(`the process ended after ${lines.length} lines`));
        };
        notify();
      }),
  };
}
