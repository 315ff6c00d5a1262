// Checks what the repository says about itself:
//
//   - every ```ts block of README.md, CONTRIBUTING.md and docs/ compiles against the built package, as in a program that uses it;
//     ```ts run     is also run, in an empty directory, and must end well
//     ```ts more    goes on where the block before it ended (as in ```ts run more)
//   - every link to a file, or to a heading in a file, leads somewhere
//   - no committed file names a path or a host of somebody's own machine
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { installedPackages, linkPackage, makeConsumer } from "./consumer.ts";

interface Block {
  readonly file: string;
  readonly line: number;
  /** The blocks it goes on from, and its own lines. */
  readonly code: string;
  readonly isRun: boolean;
}

const root = join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
const files = tracked.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
const pages = files.filter((file) => /^(README|CONTRIBUTING|CHANGELOG)\.md$|^(docs|examples)\/.*\.md$/.test(file));

const problems = [...pages.flatMap(deadLinks), ...files.flatMap(namesOfMachines), ...brokenBlocks(pages.flatMap(blocksOf))];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  for (const match of read(file).matchAll(/^```ts\b(.*)\n([\s\S]*?)^```/gm)) {
    const [, words = "", code = ""] = match;
    const line = read(file).slice(0, match.index).split("\n").length + 1;
    const before = /\bmore\b/.test(words) ? (blocks.at(-1)?.code ?? "") : "";
    blocks.push({ file, line, code: before + code, isRun: /\brun\b/.test(words) });
  }
  return blocks;
}

function brokenBlocks(blocks: readonly Block[]): string[] {
  if (blocks.length === 0) return [];
  const consumer = makeConsumer(installedPackages());
  try {
    linkPackage(consumer, "unforget", root);
    // The name says where it stands in the docs: the compiler and Node print it.
    const names = blocks.map(({ file, line }) => `${file.replaceAll("/", "-")}-line-${line}.ts`);
    blocks.forEach(({ code }, index) => {
      writeFileSync(join(consumer, names[index]!), `${code}\nexport {};\n`);
    });
    return [...typeErrors(consumer), ...blocks.flatMap((block, index) => (block.isRun ? runErrors(consumer, names[index]!) : []))];
  } finally {
    rmSync(consumer, { recursive: true, force: true });
  }
}

function typeErrors(consumer: string): string[] {
  const compilerOptions = {
    target: "es2024",
    lib: ["es2024", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
  };
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const compiler = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc")], { cwd: consumer, encoding: "utf8" });
  return compiler.status === 0 ? [] : [compiler.stdout.trimEnd()];
}

function runErrors(consumer: string, name: string): string[] {
  const cwd = mkdtempSync(join(consumer, "run-"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(consumer, name)], { cwd, encoding: "utf8", timeout: 60_000 });
  return status === 0 ? [] : [`${name} ended with ${status}:\n${stdout}${stderr}`.trimEnd()];
}

function deadLinks(file: string): string[] {
  const text = read(file).replaceAll(/^```[\s\S]*?^```/gm, "");
  const targets = [...text.matchAll(/\]\(([^)\s]+)[^)]*\)/g)].map((match) => match[1] ?? "");
  return targets.flatMap((target) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = "", heading] = target.split("#");
    const linked = path === "" ? file : normalize(join(dirname(file), path));
    if (!existsSync(join(root, linked))) return [`${file}: the link to ${target} leads nowhere`];
    if (heading && linked.endsWith(".md") && !headingsOf(linked).includes(heading))
      return [`${file}: ${linked} has no heading #${heading}`];
    return [];
  });
}

/** The anchors of a page's headings, as GitHub makes them. */
function headingsOf(file: string): string[] {
  const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map((match) => match[1] ?? "");
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

function namesOfMachines(file: string): string[] {
  const machines = [
    // The parts are kept apart so that this file does not match itself.
    new RegExp(`(?<![\\w.~:@/-])/(?:${["home", "root", "Users", "work", "workspace"].join("|")})/[\\w.-]+`, "g"),
    new RegExp(`https?://[^\\s/"']*(?:${["registry", "artifactory", "nexus", "mirror"].join("|")})[^\\s/"']*`, "g"),
  ];
  const text = read(file);
  if (text.includes("\0")) return [];
  return machines.flatMap((machine) => (text.match(machine) ?? []).map((found) => `${file}: names ${found}`));
}
