import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { checkTypes, installFramework, runProofs } from "../support/framework.ts";
import { writeExamples } from "../support/framework-examples.ts";

// VoltAgent itself, in a folder with packages and a lockfile of its own: it wants another AI SDK than ours.

const folder = join(import.meta.dirname, "voltagent");
let missing: string | undefined;

beforeAll(async () => {
  missing = await installFramework(folder);
}, 600_000);

test("VoltAgent's own types take the adapters, as the docs show them", { timeout: 120_000 }, async ({ skip }) => {
  if (missing !== undefined) skip(missing);
  expect(writeExamples("docs/adapters/voltagent.md", folder)).toBeGreaterThan(0);
  await checkTypes(folder);
});

test("agents and memories of VoltAgent work on the adapters", { timeout: 600_000 }, async ({ skip }) => {
  if (missing !== undefined) skip(missing);
  await runProofs(folder);
});
