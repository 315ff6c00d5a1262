// Starting, watching and ending the processes of engines.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type Command = readonly [program: string, ...args: string[]];

/** What an engine sees of our environment: nothing that could change how it behaves. */
const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/tmp",
  LANG: "C.UTF-8",
  DEBIAN_FRONTEND: "noninteractive",
  SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt",
};

/** Runs a command to its end; a failure carries the last lines of what it printed. */
export function run([program, ...args]: Command): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer) => {
      output = (output + chunk).slice(-4_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${code}:\n${output.trim().split("\n").slice(-15).join("\n")}`));
    });
  });
}

/** Starts a process that outlives this one, and returns its id. */
export function startDetached([program, ...args]: Command, logFile: string): number {
  const log = openSync(logFile, "a");
  const child = spawn(program, args, { env: environment, detached: true, stdio: ["ignore", log, log], cwd: "/" });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  return child.pid;
}

/** The process named by the first line of a pid file, when it is alive. A number that now belongs to a stranger does not count. */
export function alive(pidFile: string): number | undefined {
  if (!existsSync(pidFile)) return undefined;
  const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10);
  try {
    // The engine sees as its root the directory that its pid file is in.
    const root = readlinkSync(`/proc/${pid}/root`);
    return root !== "/" && realpathSync(pidFile).startsWith(`${root}/`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Ends the process of a pid file and waits until it is gone. */
export async function end(pidFile: string, signal: NodeJS.Signals): Promise<void> {
  const pid = alive(pidFile);
  if (pid === undefined) return;
  process.kill(pid, signal);
  await until(async () => alive(pidFile) !== pid, `process ${pid} to end`);
}

export const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

/** Waits until `check` is true. A minute or two is not long on a machine that installs other engines at the same time. */
export async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  const begin = performance.now();
  while (performance.now() - begin < 180_000) {
    if (await check()) return;
    await delay(100);
  }
  throw new Error(`Waited three minutes for ${what}`);
}

/**
 * A free port on loopback: `preferred`, unless somebody has it. Others lie below the ports that the kernel gives to outgoing
 * connections, and none is given twice: an engine takes its port a moment later.
 */
export async function freePort(preferred?: number): Promise<number> {
  for (let port = preferred ?? somePort(); ; port = somePort()) {
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

const given = new Set<number>();
const somePort = () => randomInt(20_000, 32_000);

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** The port of the last start when it is still free, so that URLs stay the same over restarts. */
export async function choosePort(home: string): Promise<number> {
  const last = existsSync(join(home, "port")) ? Number(readPort(home)) : undefined;
  const port = await freePort(last);
  writeFileSync(join(home, "port"), `${port}\n`);
  return port;
}

export const readPort = (home: string) => readFileSync(join(home, "port"), "utf8").trim();

const made = new Map<string, Promise<string>>();

/** Engines that need the same thing at the same time wait for one making of it. */
export function once(key: string, make: () => Promise<string>): Promise<string> {
  const making = made.get(key) ?? make();
  made.set(key, making);
  return making;
}
