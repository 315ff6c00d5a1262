import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[];
}

/** The tests about order that failed, by suite; runs the suites of test/fixtures/suites in a Vitest of their own. */
async function failures(): Promise<Map<string, string[]>> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const config = join(root, "test/fixtures/suites/vitest.config.ts");
  const options = ["run", "--config", config, "--reporter=json", "-t", "ordered|exceptions name"];
  const { stdout } = await promisify(execFile)(process.execPath, [vitest, ...options], { cwd: root, maxBuffer: 100_000_000 }).catch(
    (error: { stdout: string }) => error,
  );
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Report;
  const failed = new Map<string, string[]>();
  for (const { fullName, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    const [, suite = "", rest = ""] = /^session store (.*?) (ordered .*|exceptions .*)$/.exec(fullName) ?? [];
    if (status === "skipped") continue;
    const known = failed.get(suite) ?? [];
    failed.set(suite, status === "failed" ? [...known, rest] : known);
  }
  return failed;
}

describe("the suite of session stores", () => {
  let failed: Map<string, string[]>;
  beforeAll(async () => {
    failed = await failures();
  }, 60_000);

  test("a store that breaks a promise is red, in the test of this promise alone", () => {
    expect(failed.get("broken")).toEqual(["ordered times change nothing about the order"]);
  });

  test("a store that declares what it does not offer is green", () => {
    expect(failed.get("honest")).toEqual([]);
  });

  test("a guarantee that is declared as not offered, and holds, is red", () => {
    expect(failed.get("stale")).toEqual(["ordered is declared as it is"]);
  });

  test("a test that is excepted may fail, and must", () => {
    expect(failed.get("excepted")).toEqual([]);
    expect(failed.get("excepted but fine")).toEqual(["ordered times change nothing about the order"]);
  });

  test("an exception of a guarantee that is declared as required is red", () => {
    expect(failed.get("excepted but required")).toEqual(["ordered is declared as not offered, as some of its tests are excepted"]);
  });

  test("an exception that names no test is red", () => {
    expect(failed.get("unknown exception")).toEqual(["exceptions name tests of this suite"]);
  });
});
