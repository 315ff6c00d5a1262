import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { postgresSessionStore } from "../../../src/stores/session/postgres.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";

// As the store of conversations and words alone; what it does by itself is tested in test/core and test/stores/postgres.

sessionStoreSuite("postgres, embedded", async () => {
  const directory = await mkdtemp(join(tmpdir(), "unforget-test-"));
  const options = { dataDir: join(directory, "data") };
  return {
    store: postgresSessionStore(options),
    reopen: async () => postgresSessionStore(options),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});

describeServer("postgres", "on a server", (url) => {
  sessionStoreSuite(
    "postgres",
    async () => {
      const schema = `test_${randomUUID().replaceAll("-", "")}`;
      const pool = new Pool({ connectionString: url, max: 4 });
      return {
        store: postgresSessionStore({ client: pool, schema }),
        reopen: async () => postgresSessionStore({ url, schema }),
        lentClientWorks: async () => (await pool.query("SELECT 1")).rowCount === 1,
        async cleanup() {
          await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
          await pool.end();
        },
      };
    },
    { unreachable: () => postgresSessionStore({ url: "postgres://127.0.0.1:1/none", connectTimeoutMs: 1_000 }) },
  );
});
