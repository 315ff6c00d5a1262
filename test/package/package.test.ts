import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { importableSubpaths, makeConsumer } from "../../scripts/consumer.ts";

// What is tested here is the tarball that users get: built and packed aside, unpacked into a program that has our
// regular dependencies and no optional peer, as `npm install unforget` would.

/** 8 MB of weights at most, and the code. */
const maxPackedBytes = 10_000_000;

const root = resolve(import.meta.dirname, "../..");
const description = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
  dependencies: Record<string, string>;
};

/** Node runs TypeScript by itself from 22.18 on; before that it has to be told. */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

let scratch: string;
let consumer: string;
let installed: string;
let packed: { filename: string; size: number; files: { path: string; mode: number }[] };

beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), "unforget-package-")));
  const source = join(scratch, "source");
  mkdirSync(source);
  for (const name of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "tsconfig.json", "tsconfig.build.json", "src", "scripts"])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(source, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(source, "node_modules"), "junction");
  run([...stripTypes, "scripts/build.ts"], source);
  const report = execFileSync("npm", ["pack", "--json", "--ignore-scripts"], { cwd: source, shell: process.platform === "win32" });
  packed = (JSON.parse(String(report)) as (typeof packed)[])[0]!;

  consumer = realpathSync(makeConsumer([...Object.keys(description.dependencies), "@types/node", "undici-types"]));
  installed = join(consumer, "node_modules/unforget");
  mkdirSync(installed);
  execFileSync("tar", ["-xzf", join(source, packed.filename), "-C", installed, "--strip-components=1"]);
}, 180_000);

afterAll(() => {
  for (const directory of [scratch, consumer]) if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

test("the tarball holds what users need and nothing else", () => {
  const allowed = /^(dist\/.*|src\/.*\.ts|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
  expect(packed.files.map((file) => file.path).filter((path) => !allowed.test(path))).toEqual([]);
  expect(packed.files.map((file) => file.path)).toEqual(
    expect.arrayContaining(["README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"]),
  );
});

test(`the tarball is smaller than ${maxPackedBytes / 1e6} MB`, () => {
  expect(packed.size).toBeLessThan(maxPackedBytes);
});

test("every subpath can be imported without an optional peer", () => {
  // The suites are the one thing that needs a peer to be loaded: Vitest.
  const subpaths = importableSubpaths(installed).filter((subpath) => !subpath.includes("/testing/"));
  expect(subpaths).toContain("unforget");
  expect(subpaths).toContain("unforget/stores/vector/qdrant");
  run(["--input-type=module", "-e", `for (const subpath of ${JSON.stringify(subpaths)}) await import(subpath);`], consumer);
});

test("the types of every subpath check, also with skipLibCheck off", () => {
  const imports = importableSubpaths(installed).map((subpath, index) => `import type * as m${index} from "${subpath}";`);
  const uses = imports.map((_, index) => `m${index}: typeof m${index};`);
  writeFileSync(join(consumer, "types.ts"), `${imports.join("\n")}\nexport interface All {\n${uses.join("\n")}\n}\n`);
  const options = [
    "--noEmit",
    "--strict",
    "--target",
    "es2024",
    "--module",
    "nodenext",
    "--types",
    "node",
    "--lib",
    "es2024,esnext.disposable",
  ];
  run([join(root, "node_modules/typescript/bin/tsc"), ...options, "types.ts"], consumer);
});

test('`import "unforget"` loads no module outside the package and does no I/O', () => {
  const { modules, calls } = watch('await import("unforget");');
  const own = pathToFileURL(installed).href;
  expect(modules.filter((url) => !url.startsWith("node:") && !url.startsWith(own))).toEqual([]);
  expect(calls).toEqual([]);
});

test("the watch of imports sees files, the environment and foreign modules", () => {
  writeFileSync(join(consumer, "reads.js"), 'import { readFileSync } from "node:fs"; readFileSync("package.json"); process.env.HOME;');
  const { modules, calls } = watch('await import("./reads.js");');
  expect(modules).toContain(pathToFileURL(join(consumer, "reads.js")).href);
  expect(calls).toEqual([expect.stringContaining("fs.readFileSync"), expect.stringContaining("process.env.HOME")]);
});

test("createMemory() does no I/O and reads no environment", () => {
  const { calls } = watch('const { createMemory } = await import("unforget"); createMemory();');
  expect(calls).toEqual([]);
});

test("the command line runs and knows its version", () => {
  expect(run([join(installed, "dist/cli/main.js"), "--version"], consumer).trim()).toBe(description.version);
  if (process.platform !== "win32") expect(statSync(join(installed, "dist/cli/main.js")).mode & 0o111).toBe(0o111);
});

function watch(program: string): { modules: string[]; calls: string[] } {
  const preload = pathToFileURL(join(import.meta.dirname, "watch-imports.mjs")).href;
  const output = run(["--import", preload, "--input-type=module", "-e", program], consumer);
  return JSON.parse(output) as ReturnType<typeof watch>;
}

function run(args: readonly string[], cwd: string): string {
  return execFileSync(process.execPath, args, { cwd, encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
}
