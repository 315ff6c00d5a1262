// A Debian release in a directory of its own: an engine of a fixed version runs on any Linux machine and leaves the machine as it was.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, run } from "./processes.ts";

/** Makes sure that `directory/release` holds that Debian release with `packages` in it, and returns its path. */
export async function debianRoot(directory: string, release: string, packages: readonly string[]): Promise<string> {
  const root = join(directory, release);
  const receipt = join(directory, `${release}.packages`);
  const wanted = `${packages.join(" ")}\n`;
  if (existsSync(receipt) && readFileSync(receipt, "utf8") === wanted) return root;
  // Nothing is ever mounted here for others to see (see `inside`), so an unfinished root can be removed safely.
  rmSync(root, { recursive: true, force: true });
  await run(["debootstrap", "--variant=minbase", `--include=${packages.join(",")}`, release, root]);
  writeFileSync(receipt, wanted);
  return root;
}

/** The mounts live in a namespace of their own and go with the process: nothing has to be unmounted, not even after `kill -9`. */
const enter = `
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
root=$1 user=$2
shift 2
exec chroot --userspec="$user:$user" "$root" "$@"
`;

/** The command line that runs `command` inside `root`. */
export function inside(root: string, user: "root" | "postgres", command: Command): Command {
  return ["unshare", "--mount", "sh", "-euc", enter, "sh", root, user, ...command];
}
