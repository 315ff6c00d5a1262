import { readFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { PostgresStorage, type PostgresStorageOptions } from "../../../src/compat/voltagent.ts";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

function open(options: PostgresStorageOptions): PostgresStorage {
  const storage = new PostgresStorage({ embedding: hashedEmbedder(), ...options });
  onTestFinished(() => storage.close());
  return storage;
}

const message = (id: string) => ({ id, role: "user", content: `said ${id}`, type: "text", createdAt: new Date().toISOString() });

/** All that takes a connection, 64 times at once. */
async function crowd(storage: PostgresStorage): Promise<void> {
  await storage.createConversation({ id: "c", userId: "ada", resourceId: "r", title: "", metadata: {} });
  const kinds = [
    async (index: number) => {
      await storage.createConversation({ id: `c${index}`, userId: "ada", resourceId: "r", title: "", metadata: {} });
      await storage.updateConversation(`c${index}`, { userId: "eve" });
      await storage.deleteConversation(`c${index}`);
    },
    async (index: number) => {
      await storage.addHistoryEntry(`h${index}`, { status: "working", conversationId: "c", userId: "ada" }, "agent");
      await storage.addHistoryStep(`s${index}`, { type: "text" }, `h${index}`, "agent");
    },
    async () => void (await storage.getConversationMessages("c", { limit: 5 })),
    async () => void (await storage.getPaginatedUserConversations("ada")),
  ];
  const callers = Array.from({ length: 64 }, async (_, index) => {
    await storage.addMessage(message(`m${index}`), ...(index % 2 === 0 ? (["c"] as const) : (["ada", "c"] as const)));
    await kinds[index % kinds.length]?.(index);
  });
  await Promise.all(callers);
  expect(await storage.getConversationMessages("c")).toHaveLength(50);
  expect((await storage.getAllHistoryEntriesByAgent("agent", 0, 5)).total).toBe(16);
}

describeServer("postgres", "connections of VoltAgent's PostgresStorage", (url) => {
  const schema = tempSchema(url);

  test("64 callers never wait for each other with a single connection", async () => {
    await crowd(open({ connection: url, schema, tablePrefix: "single", maxConnections: 1, storageLimit: 50 }));
  });

  test("a pool of yours with a single connection is enough, and stays open", async () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    onTestFinished(() => pool.end());
    const storage = open({ connection: pool, schema, tablePrefix: "lent", storageLimit: 50 });
    await crowd(storage);
    expect((await storage.migrateConversationSchema()).success).toBe(true);
    await storage.close();
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("TLS options reach the driver", async () => {
    const { hostname: host, port, pathname, username: user, password } = new URL(url);
    const connection = { host, port: Number(port), database: pathname.slice(1), user, password: decodeURIComponent(password) };
    await open({ connection: { ...connection, ssl: false }, schema, tablePrefix: "plain" }).getConversation("c");
    await expect(
      open({ connection: { ...connection, ssl: { rejectUnauthorized: true, ca: "none" } }, schema }).getConversation("c"),
    ).rejects.toMatchObject({ store: "postgres" });
  });

  test("several storages open at once make the tables once", async () => {
    const storages = Array.from({ length: 6 }, () => open({ connection: url, schema, tablePrefix: "raced", maxConnections: 1 }));
    await Promise.all(storages.map((storage, index) => storage.addMessage(message(`m${index}`))));
    expect(await storages[0]?.getMessages()).toHaveLength(6);
  });
});

test("a PGlite instance of yours stays open", async () => {
  const instance = await PGlite.create({ extensions: { vector } });
  onTestFinished(() => instance.close());
  const storage = open({ connection: instance, storageLimit: 50 });
  await crowd(storage);
  await storage.close();
  expect((await instance.query("SELECT count(*)::int AS count FROM voltagent_memory_messages")).rows).toEqual([{ count: 50 }]);
});

describe("tables of an older version", () => {
  async function oldDatabase() {
    const instance = await PGlite.create({ extensions: { vector } });
    onTestFinished(() => instance.close());
    await instance.exec(await readFile(new URL("../../fixtures/voltagent/0.1.1.sql", import.meta.url), "utf8"));
    await instance.exec(`INSERT INTO voltagent_memory_conversations (id, resource_id, title, metadata, created_at, updated_at)
        VALUES ('c1', 'agent', 'Compilers', '{}', '2025-01-01', '2025-02-01');
      INSERT INTO voltagent_memory_messages (user_id, conversation_id, message_id, role, content, type, created_at)
        VALUES ('ada', 'c1', 'm1', 'user', 'What is a compiler?', 'text', '2025-01-01 10:00:00Z'), ('ada', 'c1', 'm2', 'assistant', 'A program.', 'text', '2025-01-01 10:00:01Z')`);
    return instance;
  }

  test("are brought along by the first call, whichever it is, and are there as a backup", async () => {
    const instance = await oldDatabase();
    const storage = open({ connection: instance });
    const [messages, conversations, hits] = await Promise.all([
      storage.getMessages({ userId: "ada", conversationId: "c1" }),
      storage.getConversationsByUserId("ada"),
      storage.memory.scope({ userId: "ada" }).recall("compiler"),
    ]);
    expect(messages).toEqual([
      { id: "m1", role: "user", content: "What is a compiler?", type: "text", createdAt: "2025-01-01T10:00:00.000Z" },
      { id: "m2", role: "assistant", content: "A program.", type: "text", createdAt: "2025-01-01T10:00:01.000Z" },
    ]);
    expect(conversations).toMatchObject([{ id: "c1", title: "Compilers", updatedAt: "2025-02-01T00:00:00.000Z" }]);
    expect(hits[0]?.id).toBe("m1");
    expect((await instance.query("SELECT message_id FROM voltagent_memory_messages_backup")).rows).toHaveLength(2);
    expect(await storage.migrateConversationSchema()).toEqual({ success: true, migratedCount: 0, backupCreated: true });
  });

  test("are restored when that is asked, and brought along again by the next use", async () => {
    const instance = await oldDatabase();
    const storage = open({ connection: instance });
    expect(await storage.migrateConversationSchema()).toEqual({ success: true, migratedCount: 1, backupCreated: true });
    await storage.addMessage(message("m3"), "ada", "c1");
    expect(await storage.migrateConversationSchema({ restoreFromBackup: true })).toMatchObject({ success: true });
    expect((await instance.query("SELECT user_id FROM voltagent_memory_messages")).rows).toEqual([{ user_id: "ada" }, { user_id: "ada" }]);
    expect((await storage.getMessages("ada", "c1")).map(({ id }) => id)).toEqual(["m1", "m2", "m3"]);
  });

  test("with a backup that is not wanted", async () => {
    const instance = await oldDatabase();
    const storage = open({ connection: instance });
    const result = await storage.migrateConversationSchema({ deleteBackupAfterSuccess: true });
    expect(result).toEqual({ success: true, migratedCount: 1, backupCreated: false });
    await expect(instance.query("SELECT 1 FROM voltagent_memory_messages_backup")).rejects.toThrow("does not exist");
  });
});
