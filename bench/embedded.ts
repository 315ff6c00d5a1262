import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createMemory } from "../src/index.ts";
import type { Result } from "./report.ts";
import { median } from "./timing.ts";
import { embeddedWrites, type WriteSizes } from "./writes.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("first-recall.ts", import.meta.url));

/** From the start of a process to its first answer; the median of so many processes each. */
export async function firstRecalls(processes: number): Promise<Result[]> {
  const fresh: number[] = [];
  const existing: number[] = [];
  for (let round = 0; round < processes; round++) {
    await inDirectory(async (directory) => {
      const dataDir = join(directory, "data");
      fresh.push(Number((await run(process.execPath, [script, dataDir, "new"])).stdout));
      existing.push(Number((await run(process.execPath, [script, dataDir])).stdout));
    });
  }
  const note = "a new process, with the time Node takes to start";
  return [
    { case: "first recall, new embedded directory", unit: "s", ours: median(fresh) / 1000, bar: { most: 5 }, note },
    { case: "first recall, existing embedded directory", unit: "s", ours: median(existing) / 1000, bar: { most: 1 }, note },
  ];
}

export function embeddedAppends(sizes: WriteSizes): Promise<Result[]> {
  return inDirectory(async (directory) => {
    await using memory = createMemory({ dataDir: join(directory, "data"), worker: "manual" });
    await memory.ready();
    return await embeddedWrites(memory, sizes);
  });
}

async function inDirectory<Value>(work: (directory: string) => Promise<Value>): Promise<Value> {
  const directory = await mkdtemp(join(tmpdir(), "unforget-bench-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
