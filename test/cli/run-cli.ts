import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
/** Node before 22.18 has to be told to run TypeScript. */
export const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Where it runs, and where the default ./.unforget is. */
  readonly cwd: string;
  /** Standard input; nothing unless given. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** An empty directory, removed after the test. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts the command line as its own process, killed after the test if it still runs. */
export function startCli(args: readonly string[], options: CliOptions): ChildProcessWithoutNullStreams {
  const child = spawnCli(args, options);
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

function spawnCli(args: readonly string[], { cwd, env = {} }: CliOptions): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [...stripTypes, main, ...args], { cwd, env: { ...neutralEnvironment(), ...env } });
}

/** Runs the command line to its end. */
export async function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const child = spawnCli(args, options);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A command that ends before it has read all breaks the pipe.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

/** The environment without what the command line reads: the machine's own keys and databases are none of the test's business. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(UNFORGET_|PG|OPENAI_|OLLAMA_|DEBUG$|NO_COLOR$|FORCE_COLOR$)/.test(name)),
  );
}
