// Packages of the Python index, for engines that are had no other way.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inside } from "./debian-root.ts";
import { run } from "./processes.ts";
import { makeFolder, runningPort } from "./server.ts";

/** What a root needs for them. */
export const pythonPackages = ["python3", "python3-pip"] as const;

/**
 * Installs `requirements` for the server `name` and returns the folder they are in, as seen from inside. Each server has its
 * own. The requirements are complete: what they depend on in turn is not installed.
 */
export async function installPython(root: string, name: string, requirements: readonly string[]): Promise<string> {
  const home = await makeFolder(root, name, "nobody");
  const folder = `/srv/${name}/python`;
  const receipt = join(home, "python.requirements");
  const wanted = `${requirements.join("\n")}\n`;
  if (existsSync(receipt) && readFileSync(receipt, "utf8") === wanted) return folder;
  // What a running server loads from is left alone.
  if (runningPort(root, name) !== undefined) return folder;
  rmSync(join(home, "python"), { recursive: true, force: true });
  const options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet", "--root-user-action=ignore", "--target", folder];
  await run(inside(root, "root", ["python3", "-m", "pip", "install", ...options, ...requirements]));
  writeFileSync(receipt, wanted);
  return folder;
}
