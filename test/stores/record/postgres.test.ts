import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { postgresRecordStore } from "../../../src/stores/record/postgres.ts";
import { recordStoreSuite } from "../../../src/testing/record-store.ts";
import { describeServer } from "../../support/servers.ts";

recordStoreSuite("postgres, embedded", async () => {
  const directory = await mkdtemp(join(tmpdir(), "unforget-test-"));
  const options = { dataDir: join(directory, "data") };
  return {
    store: postgresRecordStore(options),
    reopen: async () => postgresRecordStore(options),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});

describeServer("postgres", "on a server", (url) => {
  recordStoreSuite(
    "postgres",
    async () => {
      const schema = `test_${randomUUID().replaceAll("-", "")}`;
      const pool = new Pool({ connectionString: url, max: 4 });
      return {
        store: postgresRecordStore({ client: pool, schema }),
        reopen: async () => postgresRecordStore({ url, schema }),
        lentClientWorks: async () => (await pool.query("SELECT 1")).rowCount === 1,
        async cleanup() {
          await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
          await pool.end();
        },
      };
    },
    { unreachable: () => postgresRecordStore({ url: "postgres://127.0.0.1:1/none", connectTimeoutMs: 1_000 }) },
  );
});
