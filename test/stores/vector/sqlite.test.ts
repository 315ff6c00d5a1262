import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, expectTypeOf, onTestFinished, test } from "vitest";
import { type SqliteDatabaseLike, sqliteVectorStore } from "../../../src/stores/vector/sqlite.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";

function directory() {
  const path = mkdtempSync(join(tmpdir(), "unforget-sqlite-"));
  return { path, remove: async () => rmSync(path, { recursive: true, force: true }) };
}

vectorStoreSuite("sqlite vector store", () => {
  const { path, remove } = directory();
  const file = join(path, "memory.sqlite");
  return {
    store: sqliteVectorStore({ path: file }),
    reopen: () => sqliteVectorStore({ path: file }),
    lend: () => {
      const database = new DatabaseSync(join(path, "lent.sqlite"), { allowExtension: true });
      return {
        store: sqliteVectorStore({ database, tablePrefix: "lent" }),
        use: async () => database.prepare("SELECT count(*) FROM lent_vectors").get(),
        end: async () => database.close(),
      };
    },
    // A directory cannot be opened as a file.
    unreachable: () => sqliteVectorStore({ path }),
    dispose: remove,
  };
});

describe("the sqlite vector store", () => {
  test("takes a DatabaseSync as it is", () => {
    expectTypeOf<DatabaseSync>().toExtend<SqliteDatabaseLike>();
  });

  test("says what is missing when a lent database takes no extension", async () => {
    const database = new DatabaseSync(":memory:");
    onTestFinished(() => database.close());
    await expect(sqliteVectorStore({ database }).open()).rejects.toThrow("allowExtension: true");
  });

  test("refuses two databases at once, and a prefix that is no identifier", () => {
    expect(() => sqliteVectorStore({ path: "a", database: {} as SqliteDatabaseLike })).toThrow("names a second database");
    expect(() => sqliteVectorStore({ path: ":memory:", tablePrefix: 'a"b' })).toThrow("[tablePrefix]");
  });

  test("two prefixes in one file know nothing of each other", async () => {
    const { path, remove } = directory();
    const stores = ["one", "two"].map((tablePrefix) => sqliteVectorStore({ path: join(path, "memory.sqlite"), tablePrefix }));
    onTestFinished(async () => {
      for (const store of stores) await store.close();
      await remove();
    });
    await stores[0]?.useSpace({ model: "a", dimensions: 4 });
    await stores[1]?.useSpace({ model: "b", dimensions: 8 });
  });

  test("writes no vectors of the older model when another process chose another one meanwhile", async () => {
    const { path, remove } = directory();
    const [first, second] = [1, 2].map(() => sqliteVectorStore({ path: join(path, "memory.sqlite") }));
    onTestFinished(async () => {
      await Promise.all([first?.close(), second?.close()]);
      await remove();
    });
    await first?.useSpace({ model: "a", dimensions: 2 });
    await second?.useSpace({ model: "b", dimensions: 2 });
    await expect(first?.upsert([entry(Float32Array.of(1, 2))])).rejects.toMatchObject({ code: "dimension_mismatch", model: "b" });
  });

  test("takes part in a transaction of the lender's, and leaves it to the lender", async () => {
    const database = new DatabaseSync(":memory:", { allowExtension: true });
    onTestFinished(() => database.close());
    const store = sqliteVectorStore({ database });
    await store.useSpace({ model: "a", dimensions: 2 });
    database.exec("BEGIN");
    await store.upsert([entry(Float32Array.of(1, 2))]);
    expect(database.isTransaction).toBe(true);
    database.exec("ROLLBACK");
    expect(await store.count({ tenant: "acme", userId: undefined, resourceId: undefined })).toBe(0);
  });

  test("waits for another writer without blocking, and gives up with an error that may be retried", async () => {
    const { path, remove } = directory();
    const file = join(path, "new", "memory.sqlite");
    const store = sqliteVectorStore({ path: file });
    const impatient = sqliteVectorStore({ path: file, busyTimeoutMs: 50 });
    await store.useSpace({ model: "a", dimensions: 2 });
    await impatient.useSpace({ model: "a", dimensions: 2 });
    const other = new DatabaseSync(file);
    onTestFinished(async () => {
      other.close();
      await Promise.all([store.close(), impatient.close()]);
      await remove();
    });
    other.exec("BEGIN IMMEDIATE");
    await expect(impatient.upsert([entry(Float32Array.of(1, 2))])).rejects.toMatchObject({ code: "backend_unavailable", retryable: true });
    const waiting = store.upsert([entry(Float32Array.of(1, 2))]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    other.exec("COMMIT");
    await waiting;
  });

  test("a delete empties the tables of vec0 too, and a search is as before", async () => {
    const database = new DatabaseSync(":memory:", { allowExtension: true });
    onTestFinished(() => database.close());
    const store = sqliteVectorStore({ database });
    await store.useSpace({ model: "a", dimensions: 2 });
    await store.upsert(Array.from({ length: 100 }, (_, index) => ({ ...entry(Float32Array.of(1, index)), messageId: `m${index}` })));
    await store.delete({ tenant: "acme", userId: "ada" });
    const rows = (table: string) => database.prepare(`SELECT count(*) AS n FROM "${table}"`).get()?.n;
    for (const table of ["vectors", "vectors_vec0_rowids", "vectors_vec0_chunks", "vectors_vec0_vector_chunks00"])
      expect(rows(table), table).toBe(0);
  });

  test("a file that is no database is an error that says so", async () => {
    const { path, remove } = directory();
    onTestFinished(remove);
    writeFileSync(join(path, "memory.sqlite"), "This is not a database, it is a letter. ".repeat(100));
    await expect(sqliteVectorStore({ path: join(path, "memory.sqlite") }).open()).rejects.toThrow("no sound SQLite database");
  });
});

const entry = (vector: Float32Array) => ({
  tenant: "acme",
  userId: "ada",
  conversationId: "plans",
  messageId: "m1",
  resourceId: "agent",
  role: "user",
  seq: 1,
  createdAt: new Date(),
  importance: null,
  revision: "r1",
  metadata: {},
  vector,
});
