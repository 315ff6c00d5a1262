import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const example = fileURLToPath(new URL("../../examples/memorizz-provider.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

test("the example of Memorizz's document prints what the document shows", { timeout: 60_000 }, () => {
  const { POSTGRES_HOST: _host, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...stripTypes, example], { env, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.slice(0, 5)).toEqual([
    "🚀 PostgreSQL Memory Provider Example",
    "==================================================",
    "📡 Connecting to PostgreSQL...",
    "✅ Connected successfully!",
    "📝 Example 1: Storing a Persona",
  ]);
  expect(lines[5]).toMatch(/^✅ Stored persona with ID: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(lines).toContain("✅ Retrieved: My Memory: This is important information");
  expect(lines).toContain("✅ My Memory, at distance 0.004");
  expect(lines).toContain("✅ user: I am building a compiler in Rust.");
  expect(lines).toContain("✅ Found tool: get_weather");
  expect(lines).toContain('✅ Stored agent with memories: ["memory-1"]');
  expect(lines.at(-1)).toBe("🎉 All examples completed successfully!");
});
