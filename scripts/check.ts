// npm run check: everything that can be said about the code without running its tests. Goes on after a failure, so that one run shows all.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { importableSubpaths } from "./consumer.ts";

const bin = (path: string) => [process.execPath, `node_modules/${path}`];
const script = (name: string) => [process.execPath, `scripts/${name}`];

/** The checks in order; those after the build look at what it made. */
const checks: readonly (readonly [title: string, command: () => readonly string[]])[] = [
  ["lint, format and import directions", () => [...bin("@biomejs/biome/bin/biome"), "check", "--error-on-warnings", "."]],
  ["types of the sources and tests", () => bin("typescript/bin/tsc")],
  ["build", () => script("build.ts")],
  ["package description (publint)", () => [...bin("publint/src/cli.js"), "--strict"]],
  [
    "types of the package (attw)",
    () => [...bin("@arethetypeswrong/cli/dist/index.js"), "--pack", ".", "--profile", "esm-only", ...attwEntryPoints()],
  ],
  ["template of the embedded database", () => [...script("make-cluster-template.mjs"), "--check"]],
  ["reference of the command line", () => [...script("generate-cli-docs.mjs"), "--check"]],
  ["table of stores", () => [...script("generate-store-docs.ts"), "--check"]],
  ["docs", () => script("check-docs.ts")],
];

const failed: string[] = [];
for (const [title, command] of checks) {
  const before = performance.now();
  const [program = "", ...args] = command();
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${title} (${((performance.now() - before) / 1000).toFixed(1)} s)`);
  if (status === 0) continue;
  failed.push(title);
  console.log(`${stdout}${stderr}`.trimEnd());
}
if (failed.length > 0) {
  console.log(`\n${failed.length} of ${checks.length} checks failed: ${failed.join("; ")}`);
  process.exitCode = 1;
}

/** Wildcards are not followed by attw: each subpath is named. */
function attwEntryPoints(): string[] {
  if (!existsSync("dist")) return [];
  const subpaths = importableSubpaths(".").map((name) => name.replace(/^[^/]+/, "."));
  return ["--entrypoints", ...subpaths];
}
