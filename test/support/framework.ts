import { type SpawnOptions, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/**
 * Installs what a folder of test/frameworks locks, apart from the packages of this repository; nothing when it is there.
 * Undefined, or why it could not be: without a network its tests are skipped and say so. In CI that is an error.
 */
export async function installFramework(folder: string): Promise<string | undefined> {
  const lock = createHash("sha256")
    .update(readFileSync(join(folder, "package-lock.json")))
    .digest("hex");
  const installed = join(folder, "node_modules/.installed-lock");
  if (existsSync(installed) && readFileSync(installed, "utf8") === lock) return undefined;
  const { status, output } = await run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
    cwd: folder,
    shell: process.platform === "win32",
  });
  if (status === 0) {
    writeFileSync(installed, lock);
    return undefined;
  }
  const reason = `npm ci failed in ${folder.slice(root.length + 1)}: ${output.trim().split("\n").at(0) ?? ""}`;
  if (process.env.CI === "true") throw new Error(`${reason}\n${output}`);
  console.warn(`SKIPPED: ${reason}`);
  return reason;
}

/** Runs the proofs of a folder with its own configuration of vitest. Throws their output when one fails. */
export async function runProofs(folder: string): Promise<void> {
  // What the runner of this test told its own processes is not meant for another one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$)/.test(name)));
  const args = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--config", "vitest.config.ts"];
  const { status, output } = await run(process.execPath, args, { cwd: folder, env });
  if (status !== 0) throw new Error(`ended with ${status}:\n${output.slice(-20_000)}`);
}

/** Compiles a folder with its own configuration. Throws what the compiler says of its files: the sources are checked elsewhere. */
export async function checkTypes(folder: string): Promise<void> {
  const { status, output } = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: folder });
  const lines = output.split("\n").filter((line) => /: error TS/.test(line) && !line.startsWith(".."));
  if (lines.length > 0 || (status !== 0 && !output.includes("error TS"))) throw new Error(lines.join("\n") || output);
}

function run(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<{ readonly status: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer) => {
      output += String(chunk);
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output }));
  });
}
