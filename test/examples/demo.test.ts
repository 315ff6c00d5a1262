import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ImportedMessage } from "../../src/index.ts";

const demo = fileURLToPath(new URL("../../examples/demo/", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

/** An empty directory for what a process of the demo puts into the temporary directory; removed after the test. */
function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-demo-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function run(
  script: string,
  args: readonly string[],
  temporary: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [...stripTypes, join(demo, script), ...args], {
    env: { ...process.env, TMPDIR: temporary, TMP: temporary, TEMP: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  return { code, output };
}

const answer = /first hit, score \d\.\d\d · \d+ ms|hit [23], score \d\.\d\d · \d+ ms/g;

describe("the demo", () => {
  test("answers five questions in a new process, within 30 s, and leaves nothing behind", async () => {
    const temporary = emptyDirectory();
    const beginning = performance.now();
    const { code, output } = await run("start.ts", [], temporary);
    expect(code, output).toBe(0);
    expect(performance.now() - beginning).toBeLessThan(30_000);
    expect(output.match(answer)).toHaveLength(5);
    const processes = [...output.matchAll(/Process (\d+) has/g)].map(([, id]) => id);
    expect(new Set(processes).size).toBe(2);
    expect(output).not.toContain("\u001b[");
    expect(output.trimEnd().split("\n").at(-1)).toMatch(/^Next: /);
    expect(readdirSync(temporary).filter((name) => name.startsWith("unforget-demo-"))).toEqual([]);
  }, 60_000);

  test("ends with exit code 1 when nothing is remembered", async () => {
    const temporary = emptyDirectory();
    const { code, output } = await run("ask.ts", [join(temporary, "memory")], temporary);
    expect(code, output).toBe(1);
    expect(output.match(/Not remembered/g)).toHaveLength(5);
    expect(output).toContain("5 of 5 questions were not answered.");
  }, 60_000);
});

describe("the conversations of the demo", () => {
  const messages: readonly (ImportedMessage & { readonly createdAt: string })[] = readFileSync(join(demo, "conversations.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const conversations = Map.groupBy(messages, ({ conversation }) => conversation);

  test("are some hundred messages, each with an id and words of its own", () => {
    expect(messages.length).toBeGreaterThan(250);
    expect(conversations.size).toBeGreaterThan(20);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
    expect(new Set(messages.map(({ content }) => content)).size).toBe(messages.length);
  });

  test("belong to one person and her assistant", () => {
    expect(new Set(messages.map(({ userId }) => userId))).toEqual(new Set(["ilse"]));
    expect(new Set(messages.map(({ role }) => role))).toEqual(new Set(["user", "assistant"]));
  });

  test("go forward in time, through eight months of 2026", () => {
    for (const [conversation, turns] of conversations) {
      const times = turns.map(({ createdAt }) => Date.parse(createdAt));
      expect(times, conversation).toEqual([...new Set(times)].sort((a, b) => a - b));
    }
    const months = new Set(messages.map(({ createdAt }) => createdAt.slice(0, 7)));
    expect([...months].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((month) => `2026-0${month}`));
  });
});
