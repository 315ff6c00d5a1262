import pg from "pg";
import { afterEach, expect, test, vi } from "vitest";
import { describeServer, type ServerName, serverUrl } from "./servers.ts";
import { tempDatabase, tempSchema } from "./temp-schema.ts";

afterEach(() => vi.unstubAllEnvs());

test("a server without a URL is no error", () => {
  vi.stubEnv("UNFORGET_TEST_POSTGRES_URL", "");
  vi.stubEnv("REQUIRE_BACKENDS", "pgbouncer");
  expect(serverUrl("postgres")).toBeUndefined();
});

test("a required server without a URL is an error that says what to set", () => {
  vi.stubEnv("UNFORGET_TEST_POSTGRES_URL", "");
  vi.stubEnv("REQUIRE_BACKENDS", "pgbouncer,postgres");
  expect(() => serverUrl("postgres")).toThrow("set UNFORGET_TEST_POSTGRES_URL");
});

const versions: readonly [ServerName, number][] = [
  ["postgres", 17],
  ["postgres15", 15],
  ["pgbouncer", 17],
];

for (const [name, version] of versions)
  describeServer(name, `the ${name} server`, (url) => {
    const schema = tempSchema(url);

    test("is of the version that it stands for, with pgvector 0.8 or later", async () => {
      const [row] = await rows(
        url,
        "select current_setting('server_version_num')::int / 10000 as major, extversion from pg_extension where extname = 'vector'",
      );
      expect(row?.major).toBe(version);
      expect(Number.parseFloat(String(row?.extversion))).toBeGreaterThanOrEqual(0.8);
    });

    test("lets a test make a schema", async () => {
      await rows(url, `create schema "${schema}"`);
    });

    test("refuses a wrong password", async () => {
      const wrong = new URL(url);
      wrong.password = "wrong";
      await expect(rows(wrong.href, "select 1")).rejects.toThrow(/authentication failed/);
    });
  });

describeServer("postgres", "a database for one test", (url) => {
  test("has no vector extension", async () => {
    expect(await rows(await tempDatabase(url), "select 1 from pg_extension where extname = 'vector'")).toEqual([]);
  });
});

async function rows(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
