// What engines that are one process have in common.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inside } from "./debian-root.ts";
import { alive, type Command, choosePort, end, readPort, run, startDetached, until } from "./processes.ts";

/** A server in a Debian root. Its folder there, /srv/NAME, holds its data, its log, its port and its pid. */
export interface Server {
  readonly root: string;
  readonly name: string;
  /** Whom it runs as, and to whom its folder belongs. */
  readonly user: string;
  /** The command inside the root. It must not fork away. */
  readonly command: (port: number) => Command;
  readonly ready: (port: number) => Promise<boolean>;
}

/** Starts the server unless it runs, and returns its port once it answers. */
export async function startServer({ root, name, user, command, ready }: Server): Promise<number> {
  const home = await makeFolder(root, name, user);
  const pidFile = join(home, "pid");
  const logFile = join(home, "server.log");
  if (alive(pidFile) === undefined) {
    const port = await choosePort(home);
    writeFileSync(pidFile, `${startDetached(inside(root, user, command(port)), logFile)}\n`);
    await until(async () => alive(pidFile) !== undefined || hasEnded(pidFile), `${name} to start`);
  }
  const port = Number(readPort(home));
  const answers = async () => {
    if (alive(pidFile) === undefined) throw new Error(`It ended at once. Its last words:\n${lastLines(logFile)}`);
    return ready(port).catch(() => false);
  };
  await until(answers, `an answer (the log is ${logFile})`);
  return port;
}

export const stopServer = (root: string, name: string, signal: NodeJS.Signals = "SIGTERM") => end(join(root, "srv", name, "pid"), signal);

/** The port of the server, when it runs. */
export function runningPort(root: string, name: string): number | undefined {
  const home = join(root, "srv", name);
  return alive(join(home, "pid")) === undefined ? undefined : Number(readPort(home));
}

/** A check for servers that speak HTTP. */
export const answersOk = (address: string) => fetch(address, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok);

/** Makes /srv/NAME in the root, and returns its path as seen from outside. */
export async function makeFolder(root: string, name: string, user: string): Promise<string> {
  const home = join(root, "srv", name);
  if (!existsSync(home)) await run(inside(root, "root", ["install", "-d", "-o", user, `/srv/${name}`]));
  return home;
}

const hasEnded = (pidFile: string) => !existsSync(`/proc/${readFileSync(pidFile, "utf8").trim()}`);
const lastLines = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n").slice(-15).join("\n");
