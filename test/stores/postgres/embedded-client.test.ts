import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readTemplate } from "../../../src/stores/postgres/embedded/cluster-template.ts";
import { embeddedClient } from "../../../src/stores/postgres/embedded/embedded-client.ts";
import type { SqlClient } from "../../../src/stores/postgres/sql-client.ts";
import { closedAfterTest, newDataDir, otherProcess } from "../../support/embedded.ts";

/** The wire format of pgvector: dimensions, nothing, and big-endian floats. */
function binaryVector(values: number[]): Uint8Array {
  const bytes = Buffer.alloc(4 + 4 * values.length);
  bytes.writeInt16BE(values.length, 0);
  for (const [index, value] of values.entries()) bytes.writeFloatBE(value, 4 + 4 * index);
  return bytes;
}

describe.each(["in a directory", "in memory"])("embedded client %s", (place) => {
  let client: SqlClient;
  beforeAll(() => {
    const parent = mkdtempSync(join(tmpdir(), "unforget-test-"));
    client = embeddedClient({ dataDir: place === "in memory" ? "memory://" : join(parent, "data") });
    return async () => {
      await client.close();
      rmSync(parent, { recursive: true });
    };
  });

  test("gives values back as they went in", async () => {
    const at = new Date("2026-11-21T04:24:00.123Z");
    const { rows, rowCount } = await client.query({
      text: "SELECT $1::text AS text, $2::int8 AS int, $3::bool AS bool, $4::timestamptz AS at, $5::text[] AS texts, $6::json AS json, $7::text AS nothing",
      values: ["äöü 🐘", 9_007_199_254_740_991, true, at, ['a "quoted" \\ one', null, ""], '{"b":1, "a":"\\u0000"}', null],
    });
    expect(rows).toEqual([
      {
        text: "äöü 🐘",
        int: 9_007_199_254_740_991,
        bool: true,
        at,
        texts: ['a "quoted" \\ one', null, ""],
        json: '{"b":1, "a":"\\u0000"}',
        nothing: null,
      },
    ]);
    expect(rowCount).toBe(1);
  });

  test("takes vectors in binary", async () => {
    const { rows } = await client.query({
      text: "SELECT $1::vector <-> '[0,0,3]' AS distance, vector_dims($1) AS length",
      values: [binaryVector([0, 4, 0])],
    });
    expect(rows).toEqual([{ distance: 5, length: 3 }]);
  });

  test("says what went wrong with a SQLSTATE and the constraint, and without row contents", async () => {
    await client.execute("CREATE TABLE things (id text PRIMARY KEY)");
    const insert = { name: "insert_thing", text: "INSERT INTO things VALUES ($1)", values: ["secret"] };
    expect((await client.query(insert)).rowCount).toBe(1);
    const duplicate = await client.query(insert).catch((error: unknown) => error);
    expect(duplicate).toMatchObject({ name: "SqlError", sqlState: "23505", constraint: "things_pkey" });
    const invalid = await client.query({ text: "SELECT $1::int", values: ["secret"] }).catch((error: unknown) => error);
    expect(invalid).toMatchObject({ sqlState: "22P02" });
    expect(JSON.stringify([duplicate, invalid]) + String(duplicate) + String(invalid)).not.toContain("secret");
    await expect(client.execute("SELECT 1; SELEKT 2")).rejects.toMatchObject({ sqlState: "42601" });
    expect((await client.query({ text: "SELECT id FROM things" })).rows).toEqual([{ id: "secret" }]);
  });

  test("prepares named statements again after a migration", async () => {
    await client.execute("CREATE TABLE migrated (id int)");
    const select = { name: "select_migrated", text: "SELECT * FROM migrated" };
    expect((await client.query(select)).rows).toEqual([]);
    await client.execute("ALTER TABLE migrated ADD COLUMN name text; INSERT INTO migrated VALUES (1, 'one')");
    expect((await client.query(select)).rows).toEqual([{ id: 1, name: "one" }]);
    await client.execute("DEALLOCATE ALL");
    expect((await client.query(select)).rows).toEqual([{ id: 1, name: "one" }]);
  });

  test("commits what resolves and rolls back what throws", async () => {
    await client.execute("CREATE TABLE kept (id int)");
    const insert = (id: number) => ({ text: "INSERT INTO kept VALUES ($1)", values: [id] });
    const given = await client.transaction(async (transaction) => {
      await transaction.query(insert(1));
      return "given";
    });
    expect(given).toBe("given");
    const failure = new Error("no");
    const failed = client.transaction(async (transaction) => {
      await transaction.query(insert(2));
      throw failure;
    });
    await expect(failed).rejects.toBe(failure);
    const swallowed = client.transaction(async (transaction) => {
      await transaction.query(insert(3));
      await transaction.query({ text: "SELECT 1 / 0" }).catch(() => {});
    });
    await expect(swallowed).rejects.toMatchObject({ sqlState: "25P02" });
    expect((await client.query({ text: "SELECT id FROM kept" })).rows).toEqual([{ id: 1 }]);
  });

  test("30 transactions at once take turns", async () => {
    await client.execute("CREATE TABLE counter (value int); INSERT INTO counter VALUES (0)");
    const increment = () =>
      client.transaction(async (transaction) => {
        const { rows } = await transaction.query<{ value: number }>({ text: "SELECT value FROM counter" });
        await transaction.query({ text: "UPDATE counter SET value = $1", values: [(rows[0]?.value ?? 0) + 1] });
      });
    await Promise.all(Array.from({ length: 30 }, increment));
    expect((await client.query({ text: "SELECT value FROM counter" })).rows).toEqual([{ value: 30 }]);
  });

  test("leaves no transaction open, whatever a statement does", async () => {
    await client.execute("CREATE TABLE unfinished (id int)");
    await client.execute("BEGIN; INSERT INTO unfinished VALUES (1)");
    expect((await client.query({ text: "SELECT count(*) FROM unfinished" })).rows).toEqual([{ count: 0 }]);
  });

  test("an abort rejects with its reason, before and during", async () => {
    const reason = new Error("enough");
    await expect(client.query({ text: "SELECT 1", signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const slow = client.query({ text: "SELECT pg_sleep(0.2)", signal: controller.signal });
    const hanging = client.transaction(() => new Promise(() => {}), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 50);
    await expect(slow).rejects.toBe(reason);
    await expect(hanging).rejects.toBe(reason);
    expect((await client.query({ text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
  });

  test("large parameters and results pass whole", async () => {
    const text = "0123456789".repeat(500_000);
    const { rows } = await client.query({ text: "SELECT $1::text AS text, n FROM generate_series(1, 3) AS n", values: [text] });
    expect(rows.map((row) => (row.text as string).length)).toEqual([5_000_000, 5_000_000, 5_000_000]);
  });
});

test("does nothing before the first call, and closes without one", async () => {
  const dataDir = newDataDir();
  const client = embeddedClient({ dataDir });
  await client.close();
  await expect(client.query({ text: "SELECT 1" })).rejects.toMatchObject({ code: "closed" });
  expect(existsSync(dataDir)).toBe(false);
});

test("a transaction that falls silent is rolled back, as everybody waits for it", async () => {
  const client = closedAfterTest(embeddedClient({ dataDir: newDataDir(), leaseIdleMs: 100 }));
  await client.execute("CREATE TABLE things (id int)");
  const silent = client.transaction(async (transaction) => {
    await transaction.query({ text: "INSERT INTO things VALUES (1)" });
    await client.query({ text: "SELECT 'this waits for the transaction, which waits for this'" });
    await transaction.query({ text: "INSERT INTO things VALUES (2)" });
  });
  await expect(silent).rejects.toMatchObject({ sqlState: "25P03" });
  expect((await client.query({ text: "SELECT count(*) FROM things" })).rows).toEqual([{ count: 0 }]);
});

test("clients of one process share the directory, and the last one closes it", async () => {
  const dataDir = newDataDir();
  const [first, second] = [embeddedClient({ dataDir }), closedAfterTest(embeddedClient({ dataDir: join(dataDir, "..", "data") }))];
  await Promise.all([first.query({ text: "SELECT 1" }), second.execute("CREATE TABLE things (id int)")]);
  await first.close();
  await second.query({ text: "INSERT INTO things VALUES (1)" });
  await second.close();
  await second.close();
  expect(existsSync(join(dataDir, "owner.json"))).toBe(false);
  const third = closedAfterTest(embeddedClient({ dataDir }));
  expect((await third.query({ text: "SELECT id FROM things" })).rows).toEqual([{ id: 1 }]);
});

test("a path too long for a socket works, also for a second process", async () => {
  const dataDir = newDataDir("x".repeat(100), "y".repeat(100));
  const client = closedAfterTest(embeddedClient({ dataDir }));
  await client.execute("CREATE TABLE rows (id text PRIMARY KEY, writer text NOT NULL, body text NOT NULL, writes int NOT NULL DEFAULT 1)");
  expect(await otherProcess("write", dataDir, "a", 20).ended).toBe(0);
  expect((await client.query({ text: "SELECT count(*) FROM rows" })).rows).toEqual([{ count: 20 }]);
});

test("the shipped cluster was made by the installed PGlite and pgvector (node scripts/make-cluster-template.mjs)", () => {
  expect(readTemplate()?.postgresVersion).toBe("18");
});

test("what an interrupted first opening left is cleared away", async () => {
  const dataDir = newDataDir();
  mkdirSync(join(dataDir, "pg.new", "base"), { recursive: true });
  const client = closedAfterTest(embeddedClient({ dataDir }));
  expect((await client.query({ text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
});

test("the log of changes does not grow for ever", { timeout: 30_000 }, async () => {
  const client = closedAfterTest(embeddedClient({ dataDir: newDataDir() }));
  await client.execute("CREATE TABLE things (body text)");
  for (let turn = 0; turn < 8; turn++) {
    await client.query({ text: "INSERT INTO things SELECT repeat(md5(n::text), 50) FROM generate_series(1, 15000) AS n" });
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const { rows } = await client.query<{ written: number; kept: number }>({
    text: "SELECT pg_current_wal_lsn() - '0/0' AS written, pg_current_wal_lsn() - redo_lsn AS kept FROM pg_control_checkpoint()",
  });
  expect(rows[0]?.written).toBeGreaterThan(150e6);
  expect(rows[0]?.kept).toBeLessThan(120e6);
});

test("an idle database counts its rows for the planner and cleans up after deletes", { timeout: 30_000 }, async () => {
  const client = closedAfterTest(embeddedClient({ dataDir: newDataDir() }));
  await client.execute("CREATE TABLE things (n int)");
  await client.query({ text: "INSERT INTO things SELECT generate_series(1, 1000)" });
  await client.query({ text: "DELETE FROM things WHERE n > 300" });
  const { rows } = await expect
    .poll(() => client.query({ text: "SELECT reltuples AS known FROM pg_class WHERE relname = 'things'" }), {
      interval: 1_500,
      timeout: 15_000,
    })
    .toMatchObject({ rows: [{ known: 300 }] })
    .then(() => client.query({ text: "SELECT vacuum_count, n_dead_tup FROM pg_stat_user_tables" }));
  expect(rows).toEqual([{ vacuum_count: 1, n_dead_tup: 0 }]);
});

test("a statement that stops the engine fails, and the next one finds it restarted", async () => {
  const client = closedAfterTest(embeddedClient({ dataDir: newDataDir() }));
  await client.execute("CREATE TABLE things (n int); CREATE FUNCTION deeper(n int) RETURNS int LANGUAGE sql AS 'SELECT deeper(n + 1)'");
  await client.query({ text: "INSERT INTO things VALUES (1)" });
  await expect(client.query({ text: "SELECT deeper(1)" })).rejects.toMatchObject({ sqlState: "58000" });
  expect((await client.query({ text: "SELECT n FROM things" })).rows).toEqual([{ n: 1 }]);
});

describe("a directory that cannot be used is refused with what to do", () => {
  const failure = async (dataDir: string) =>
    closedAfterTest(embeddedClient({ dataDir }))
      .query({ text: "SELECT 1" })
      .catch((error: unknown) => error);

  test("a file, or a path below one", async () => {
    const path = newDataDir();
    writeFileSync(path, "");
    const expected = { name: "BackendError", code: "backend_error", message: expect.stringContaining("choose another data directory") };
    expect(await failure(path)).toMatchObject(expected);
    expect(await failure(join(path, "below"))).toMatchObject(expected);
  });

  test("one that may not be written", async ({ skip }) => {
    const dataDir = newDataDir();
    mkdirSync(dataDir);
    if (process.getuid?.() === 0) {
      // Nothing is denied to root but what the file system itself denies.
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", dataDir], { stdio: "ignore" });
      } catch {
        skip("runs as root and may not mount, so that no directory is read-only");
      }
      onTestFinished(() => void execFileSync("umount", [dataDir]));
    } else chmodSync(dataDir, 0o500);
    expect(await failure(dataDir)).toMatchObject({
      code: "backend_denied",
      message: expect.stringContaining("check its owner and permissions"),
    });
  });

  test("a PostgreSQL cluster itself, one of another version, and foreign files in our place", async () => {
    const cluster = newDataDir();
    mkdirSync(cluster);
    writeFileSync(join(cluster, "PG_VERSION"), "16\n");
    expect(await failure(cluster)).toMatchObject({ code: "backend_error", message: expect.stringContaining("choose another directory") });

    const older = newDataDir();
    mkdirSync(join(older, "pg"), { recursive: true });
    writeFileSync(join(older, "pg", "PG_VERSION"), "16\n");
    expect(await failure(older)).toMatchObject({ code: "backend_outdated", message: expect.stringContaining("export it") });

    const foreign = newDataDir();
    mkdirSync(join(foreign, "pg"), { recursive: true });
    writeFileSync(join(foreign, "pg", "thesis.txt"), "");
    expect(await failure(foreign)).toMatchObject({ code: "backend_error", message: expect.stringContaining("move those files away") });
    expect(existsSync(join(foreign, "pg", "thesis.txt"))).toBe(true);
  });
});
