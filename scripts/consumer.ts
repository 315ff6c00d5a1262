import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");

/**
 * A new directory outside of the repository that has `packages` installed (as links to ours, so that nothing is
 * downloaded): what a program that uses unforget looks like.
 */
export function makeConsumer(packages: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-consumer-"));
  mkdirSync(join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), '{ "type": "module", "private": true }\n');
  for (const name of packages) linkPackage(directory, name, join(root, "node_modules", name));
  return directory;
}

export function linkPackage(consumer: string, name: string, target: string): void {
  const link = join(consumer, "node_modules", name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(target, link, "junction");
}

/** The names of all packages that are installed here. */
export function installedPackages(): string[] {
  const folder = join(root, "node_modules");
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  return names.flatMap((name) => (name.startsWith("@") ? readdirSync(join(folder, name)).map((inner) => `${name}/${inner}`) : [name]));
}

/** Every subpath that a built package can be imported by ("unforget", "unforget/embedders/openai"), wildcards written out. */
export function importableSubpaths(packageDirectory: string): string[] {
  const description = JSON.parse(readFileSync(join(packageDirectory, "package.json"), "utf8")) as {
    name: string;
    exports: Record<string, { default: string } | string | null>;
  };
  const entries = Object.entries(description.exports);
  const hidden = entries.filter(([, target]) => target === null).map(([subpath]) => subpath.replace("*", ""));
  const subpaths = entries.flatMap(([subpath, target]) => {
    if (target === null || typeof target === "string") return [];
    if (!subpath.includes("*")) return [subpath];
    const folder = join(packageDirectory, dirname(target.default));
    const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".js")) : [];
    return files.map((name) => subpath.replace("*", name.slice(0, -".js".length)));
  });
  return subpaths
    .filter((subpath) => !hidden.some((prefix) => subpath.startsWith(prefix)))
    .map((subpath) => description.name + subpath.slice(1));
}
