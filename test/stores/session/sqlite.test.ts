import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, expectTypeOf, onTestFinished, test } from "vitest";
import type { NewMessage, SessionStore } from "../../../src/domain/session-store.ts";
import { sqliteRecordStore } from "../../../src/stores/record/sqlite.ts";
import { type SqliteSessionStoreOptions, sqliteSessionStore } from "../../../src/stores/session/sqlite.ts";
import type { SqliteDatabaseLike } from "../../../src/stores/sqlite/database.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { sqliteProcess } from "../../support/sqlite-process.ts";

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

const scope = { tenant: "t", userId: "u", resourceId: undefined };
const everyMessage = { limit: 10_000, beforeSeq: undefined, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };

function newFile(): string {
  const { path, remove } = directory();
  onTestFinished(remove);
  return join(path, "memory.sqlite");
}

function opened(options: SqliteSessionStoreOptions) {
  const store = sqliteSessionStore(options);
  onTestFinished(() => store.close());
  return store;
}

function message(id: string, text: string) {
  const rest = { name: null, partsJson: "[]", metadataJson: "{}", type: "text", toolIds: null, importance: null, embedding: null } as const;
  return { id, role: "user", text, createdAt: new Date(), ...rest };
}

function append(store: SessionStore, conversationId: string, messages: readonly NewMessage[]) {
  const create = { resourceId: "r", title: "", metadataJson: "{}", language: undefined };
  return store.append([
    { tenant: "t", userId: "u", conversationId, requiredResourceId: undefined, createConversation: true, create, messages },
  ]);
}

async function found(store: SessionStore, words: string): Promise<string[] | undefined> {
  const any = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined, language: undefined };
  const answer = await store.searchText?.({ ...any, scope, words, limit: 10 });
  return answer?.matches.map(({ messageId }) => messageId);
}

describe("the sqlite session store", () => {
  test("takes a DatabaseSync as it is", () => {
    expectTypeOf<DatabaseSync>().toExtend<SqliteDatabaseLike>();
  });

  test("refuses options that name no file or two, and a prefix that is no identifier", () => {
    expect(() => sqliteSessionStore({ path: "" })).toThrow("[path]");
    expect(() => sqliteSessionStore({ path: "x", database: new DatabaseSync(":memory:") })).toThrow("[path]");
    expect(() => sqliteSessionStore({ path: "x", tablePrefix: 'a"b' })).toThrow("[tablePrefix]");
  });

  test("four processes write to one file at once, and nothing is lost or doubled", { timeout: 60_000 }, async () => {
    const path = newFile();
    const processes = ["a", "b", "c", "d"].map((name) => sqliteProcess(path, name, 60));
    expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);
    const store = opened({ path });
    const messages = (await Promise.all(["c0", "c1"].map((id) => store.listMessages(scope, id, everyMessage)))).flatMap(
      (page) => page?.items ?? [],
    );
    const acknowledged = processes.flatMap(({ lines }) => lines.flatMap((line) => line.split(" ")));
    expect(messages.map(({ id }) => id).toSorted()).toEqual(acknowledged.toSorted());
    expect(acknowledged).toHaveLength(4 * 120);
  });

  test("kill -9: every acknowledged batch is there, and whole", { timeout: 120_000 }, async () => {
    const path = newFile();
    const acknowledged: string[] = [];
    for (let round = 0; round < 8; round++) {
      const victim = sqliteProcess(path, `${round}`);
      await victim.printed(1 + 7 * round);
      victim.process.kill("SIGKILL");
      await victim.ended;
      acknowledged.push(...victim.lines);
    }
    const store = opened({ path });
    const pages = await Promise.all(["c0", "c1"].map((id) => store.listMessages(scope, id, everyMessage)));
    const ids = new Set(pages.flatMap((page) => page?.items ?? []).map(({ id }) => id));
    expect(acknowledged.flatMap((line) => line.split(" ")).filter((id) => !ids.has(id))).toEqual([]);
    for (const id of ids) {
      const [name, number] = id.split("-") as [string, string];
      const batch = Array.from({ length: 1 + (Number(number) % 3) }, (_, index) => `${name}-${number}-${index}`);
      expect(batch.filter((one) => !ids.has(one))).toEqual([]);
    }
    const database = new DatabaseSync(path);
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    database.close();
  });

  test("waits for another process that writes, without blocking this one, and says so in the end", async () => {
    const path = newFile();
    const store = opened({ path, busyTimeoutMs: 300 });
    await append(store, "c", [message("a", "before")]);
    const other = new DatabaseSync(path);
    onTestFinished(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    const refused = append(store, "c", [message("b", "a secret text")]);
    await expect(refused).rejects.toMatchObject({ code: "backend_unavailable", retryable: true });
    await expect(refused).rejects.not.toThrow("secret");
    expect(await store.getMessage(scope, "c", "a")).toMatchObject({ content: "before" });
    const patient = append(store, "c", [message("b", "after")]);
    setTimeout(() => other.exec("ROLLBACK"), 50);
    expect(await patient).toHaveLength(1);
  });

  test("takes part in a transaction of the lender's, and leaves it to the lender", async () => {
    const database = new DatabaseSync(":memory:");
    onTestFinished(() => database.close());
    const store = opened({ database });
    await store.open();
    database.exec("BEGIN");
    await append(store, "c", [message("a", "gone soon")]);
    await expect(store.createConversation({ ...conversation, id: "c" })).rejects.toMatchObject({ code: "conflict" });
    expect(await store.countConversations(scope)).toBe(1);
    database.exec("ROLLBACK");
    expect(await store.countConversations(scope)).toBe(0);
  });

  test("shares its file with the records, and with other prefixes", async () => {
    const path = newFile();
    const sessions = opened({ path });
    const others = opened({ path, tablePrefix: "other" });
    const records = sqliteRecordStore({ path });
    onTestFinished(() => records.close());
    await Promise.all([sessions.open(), others.open(), records.open()]);
    await append(sessions, "c", [message("a", "walrus")]);
    expect(await records.count(scope, {})).toBe(0);
    expect(await found(others, "walrus")).toEqual([]);
    expect(await found(sessions, "walrus")).toEqual(["a"]);
  });

  test("a message is also found by the words of the two turns before it, as they are now", async () => {
    const store = opened({ path: ":memory:" });
    await append(store, "c", [message("a", "my boat"), message("b", "how nice"), message("c", "thank you"), message("d", "bye")]);
    expect(await found(store, "boats")).toEqual(["a", "b", "c"]);
    await append(store, "c", [message("a", "my zebra")]);
    expect(await found(store, "boat")).toEqual([]);
    expect(await found(store, "zebra")).toEqual(["a", "b", "c"]);
    await store.deleteMessages(scope, "c", ["b"]);
    expect(await found(store, "zebra")).toEqual(["a", "c", "d"]);
    expect(await found(store, "nice")).toEqual([]);
    await append(store, "c", [message("a", "")]);
    expect(await found(store, "zebra")).toEqual([]);
  });

  test("erase with compact leaves no byte in the file", async () => {
    const path = newFile();
    const store = opened({ path });
    await append(store, "c", [message("a", "my zebrafish"), message("b", "swims")]);
    await store.erase(scope, { compact: true });
    expect(readFileSync(path).includes("zebrafish")).toBe(false);
    expect(readFileSync(`${path}-wal`).includes("zebrafish")).toBe(false);
  });

  test("a file that is none of ours is an error that says so", async () => {
    const path = newFile();
    writeFileSync(path, "this is not a database ".repeat(100));
    await expect(opened({ path }).open()).rejects.toMatchObject({ code: "backend_error", message: expect.stringContaining("not a sound") });

    const foreign = new DatabaseSync(newFile());
    onTestFinished(() => foreign.close());
    foreign.exec("CREATE TABLE messages (id INTEGER)");
    await expect(opened({ database: foreign }).open()).rejects.toThrow("already exists");

    const newer = new DatabaseSync(":memory:");
    onTestFinished(() => newer.close());
    await opened({ database: newer }).open();
    newer.exec("UPDATE settings SET value = '99' WHERE name = 'sessions schema'");
    await expect(opened({ database: newer }).open()).rejects.toMatchObject({ code: "backend_outdated" });

    const notMine = join(newFile(), "..", "file");
    writeFileSync(notMine, "");
    await expect(opened({ path: join(notMine, "memory.sqlite") }).open()).rejects.toMatchObject({ code: "backend_denied" });
  });

  test("says nothing of node:sqlite being experimental", { timeout: 30_000 }, async () => {
    const path = newFile();
    const one = sqliteProcess(path, "a", 1);
    expect(await one.ended).toBe(0);
    expect(one.errors).toEqual([]);
  });
});

const conversation = { tenant: "t", userId: "u", id: "c", resourceId: "r", title: "", metadataJson: "{}", language: undefined };
