// A Debian release in a directory of its own: an engine of a fixed version runs on any Linux machine and leaves the machine as it was.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, run } from "./processes.ts";

/**
 * Makes sure that `directory/release` holds that Debian release with `packages` in it, and returns its path. What is
 * missing is added: engines share a root, and those that run in it go on.
 */
export function debianRoot(directory: string, release: string, packages: readonly string[]): Promise<string> {
  const root = join(directory, release);
  return inTurn(root, () => addPackages(root, release, packages)).then(() => root);
}

/** One at a time uses the package manager of a root. */
export function inTurn(root: string, work: () => Promise<void>): Promise<void> {
  const turn = (turns.get(root) ?? Promise.resolve()).then(work);
  turns.set(
    root,
    turn.catch(() => undefined),
  );
  return turn;
}

const turns = new Map<string, Promise<void>>();

async function addPackages(root: string, release: string, packages: readonly string[]): Promise<void> {
  const receipt = `${root}.packages`;
  const present = existsSync(receipt) ? readFileSync(receipt, "utf8").trim().split(/\s+/) : undefined;
  const missing = packages.filter((name) => !present?.includes(name));
  if (missing.length === 0) return;
  if (present === undefined) {
    // Nothing is ever mounted here for others to see (see `inside`), so an unfinished root can be removed safely.
    rmSync(root, { recursive: true, force: true });
    await run(["debootstrap", "--variant=minbase", release, root]);
    // An engine is started by us alone, and not by its installation.
    writeFileSync(join(root, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    upToDate.add(root);
  }
  trustAsThisMachine(root);
  const aptGet = (...command: string[]) => run(inside(root, "root", ["apt-get", "-q", ...command]));
  if (!upToDate.has(root)) await aptGet("update");
  upToDate.add(root);
  await aptGet("install", "-y", "--no-install-recommends", ...missing);
  await aptGet("clean");
  writeFileSync(receipt, `${[...(present ?? []), ...missing].join(" ")}\n`);
}

/** Roots whose lists of packages were fetched by this process. */
const upToDate = new Set<string>();

/** A machine behind a proxy may have certificates of its own: package clients inside the root need them too, Java's from its installation on. */
function trustAsThisMachine(root: string): void {
  for (const path of ["etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates"]) {
    if (existsSync(`/${path}`)) cpSync(`/${path}`, join(root, path), { recursive: true });
  }
}

/**
 * The mounts live in a namespace of their own and go with the process: nothing has to be unmounted, not even after `kill -9`.
 * The root is a mount of its own for programs that look up what their files are on.
 */
const enter = `
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
root=$1 user=$2
shift 2
exec chroot --userspec="$user" "$root" "$@"
`;

/** The command line that runs `command` inside `root`. */
export function inside(root: string, user: string, command: Command): Command {
  return ["unshare", "--mount", "sh", "-euc", enter, "sh", root, user, ...command];
}
