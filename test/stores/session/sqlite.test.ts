import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteSessionStore } from "../../../src/stores/session/sqlite.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";

function directory() {
  const path = mkdtempSync(join(tmpdir(), "unforget-sqlite-"));
  return { path, remove: async () => rmSync(path, { recursive: true, force: true }) };
}

sessionStoreSuite("sqlite", async () => {
  const { path, remove } = directory();
  const file = join(path, "made", "memory.sqlite");
  return {
    store: sqliteSessionStore({ path: file }),
    reopen: async () => sqliteSessionStore({ path: file }),
    cleanup: remove,
  };
});

sessionStoreSuite("sqlite, lent", async () => {
  const { path, remove } = directory();
  const file = join(path, "memory.sqlite");
  const database = new DatabaseSync(file);
  return {
    store: sqliteSessionStore({ database, tablePrefix: "agents" }),
    reopen: async () => sqliteSessionStore({ path: file, tablePrefix: "agents_" }),
    lentClientWorks: async () => database.prepare("SELECT count(*) AS n FROM agents_messages").get()?.n !== undefined,
    async cleanup() {
      database.close();
      await remove();
    },
  };
});
