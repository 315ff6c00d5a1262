import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteRecordStore } from "../../../src/stores/record/sqlite.ts";
import { recordStoreSuite } from "../../../src/testing/record-store.ts";

function directory() {
  const path = mkdtempSync(join(tmpdir(), "unforget-sqlite-"));
  return { path, remove: async () => rmSync(path, { recursive: true, force: true }) };
}

recordStoreSuite("sqlite", async () => {
  const { path, remove } = directory();
  const file = join(path, "memory.sqlite");
  return {
    store: sqliteRecordStore({ path: file }),
    reopen: async () => sqliteRecordStore({ path: file }),
    cleanup: remove,
  };
});

recordStoreSuite("sqlite, lent", async () => {
  const { path, remove } = directory();
  const file = join(path, "memory.sqlite");
  const database = new DatabaseSync(file);
  return {
    store: sqliteRecordStore({ database, tablePrefix: "agents" }),
    reopen: async () => sqliteRecordStore({ path: file, tablePrefix: "agents_" }),
    lentClientWorks: async () => database.prepare("SELECT count(*) AS n FROM agents_records").get()?.n !== undefined,
    async cleanup() {
      database.close();
      await remove();
    },
  };
});
