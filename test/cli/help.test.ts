import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { buildProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";
import { cli, newDirectory, stripTypes } from "./run-cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = readdirSync(new URL("../../src/cli/commands", import.meta.url)).map((file) => file.replace(".ts", ""));

test("the help lists every command, and every file of commands/ is one", async () => {
  const { code, stdout } = await cli(["--help"], { cwd: newDirectory() });
  expect(code).toBe(0);
  for (const name of files) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
  expect(
    buildProgram()
      .commands.map((command) => command.name())
      .sort(),
  ).toEqual(files.sort());
});

test("every command says what it does and takes the options that all take", () => {
  for (const command of buildProgram().commands) {
    expect(command.description()).not.toBe("");
    const help = command.helpInformation();
    for (const option of ["--config", "--url", "--data-dir", "--schema", "--table-prefix", "--tenant", "--embedding", "--json"]) {
      expect(help).toContain(option);
    }
  }
});

test.each([
  [[], "Usage:"],
  [["no-such-command"], "unknown command"],
  [["stats", "--no-such-option"], "unknown option"],
  [["recall", "query"], "--user"],
  [["recall", "query", "--user", "u", "--all-users"], "cannot be used with"],
  [["recall", "query", "--user", "u", "--limit", "0"], "whole number from 1 to 1000"],
  [["import", "no-such-file", "--user", "u"], "does not exist"],
  [["import", "file", "--user", "u", "--format", "csv"], "Allowed choices"],
  [["erase", "--user", "u"], "--yes"],
  [["stats", "--embedding", "word2vec"], "say builtin"],
  [["stats", "--url", "postgres://db/a", "--data-dir", "d"], "more than one database"],
])("called wrongly (%j), it says so and exits with 2", async (args, message) => {
  const stdout = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(await run([process.execPath, "unforget", ...args])).toBe(2);
  expect(stdout).not.toHaveBeenCalled();
  const said = stderr.mock.calls.map(([text]) => String(text)).join("");
  expect(said).toContain(message);
  expect(said).not.toMatch(/^\s+at /m);
});

test("the exit code is that of the process", async () => {
  const { code, stdout, stderr } = await cli(["no-such-command"], { cwd: newDirectory() });
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: "error: unknown command 'no-such-command'\n" });
});

test("a server that does not answer: exit code 1, what to check, and no password", async () => {
  const { code, stderr } = await cli(["stats", "--url", "postgres://me:hunter2@127.0.0.1:1/db"], { cwd: newDirectory() });
  expect(code).toBe(1);
  expect(stderr).toContain("check that it runs");
  expect(stderr).not.toContain("hunter2");
});

test("docs/reference/cli.md is what the help says", () => {
  execFileSync(process.execPath, [...stripTypes, "scripts/generate-cli-docs.mjs", "--check"], { cwd: root });
});
