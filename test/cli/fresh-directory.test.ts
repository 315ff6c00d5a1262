import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createMemory } from "../../src/index.ts";
import { cli, newDirectory, startCli } from "./run-cli.ts";

// Each command starts an embedded Postgres of its own: on a busy machine some seconds each.
vi.setConfig({ testTimeout: 90_000 });

test("doctor tries a fresh directory without making it, and says when a server does not answer", async () => {
  const fresh = newDirectory();
  const { code, stdout } = await cli(["doctor", "--data-dir", "new"], { cwd: fresh });
  expect(code).toBe(0);
  expect(stdout).toContain("is made on first use");
  expect(existsSync(join(fresh, "new"))).toBe(false);
  expect((await cli(["doctor", "--url", "postgres://127.0.0.1:1/db"], { cwd: fresh })).code).toBe(1);
});

test("stats and doctor count records, and those that are to be embedded", async () => {
  const fresh = newDirectory();
  const memory = createMemory({ dataDir: join(fresh, ".unforget"), worker: "manual" });
  await memory.records.putMany(
    ["Plays the violin", "Lives in Oslo"].map((content) => ({ type: "note", content })),
    { userId: "ann" },
  );
  await memory.close();
  expect((await cli(["stats"], { cwd: fresh })).stdout).toMatch(/records +2\n(.*\n)*owed records +2\n/u);
  expect((await cli(["doctor"], { cwd: fresh })).stdout).toMatch(/2 records[\s\S]*2 records to embed: run "unforget worker --once"/u);
  expect((await cli(["worker", "--once"], { cwd: fresh })).code).toBe(0);
  expect((await cli(["doctor"], { cwd: fresh })).stdout).not.toContain("to embed");
});

test("migrate makes the tables, worker --once embeds what is owed, a worker ends at SIGTERM", async () => {
  const fresh = newDirectory();
  expect(await cli(["migrate"], { cwd: fresh })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("up to date in the directory ./.unforget"),
  });
  expect(await cli(["worker", "--once"], { cwd: fresh })).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("0 messages to do"),
  });
  const worker = startCli(["worker"], { cwd: fresh });
  await once(worker.stderr, "data");
  worker.kill("SIGTERM");
  expect(await once(worker, "close")).toEqual([0, null]);
});

test("a client that a configuration module made does not keep the process", async () => {
  const own = newDirectory();
  const [pglite, pgvector] = ["@electric-sql/pglite", "@electric-sql/pglite-pgvector"].map((name) =>
    JSON.stringify(import.meta.resolve(name)),
  );
  // The timer stands for the sockets of a pool: nothing but its own end stops it.
  writeFileSync(
    join(own, "unforget.mjs"),
    `import { PGlite } from ${pglite}; import { vector } from ${pgvector};
     const timer = setInterval(() => {}, 1_000);
     class Client extends PGlite { async close() { clearInterval(timer); await super.close(); } }
     export default { client: new Client({ extensions: { vector } }) };`,
  );
  const { code, stdout } = await cli(["stats", "--config", "unforget.mjs"], { cwd: own });
  expect(code).toBe(0);
  expect(stdout).toContain("the client of the configuration file");
});
