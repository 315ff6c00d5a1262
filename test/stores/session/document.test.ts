import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createMemory } from "../../../src/index.ts";
import { type DocumentDriver, documentSessionStore } from "../../../src/stores/session/document.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { fileSessionStore } from "../../docs/file-session-store.ts";

sessionStoreSuite("document (files)", async () => {
  const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
  return {
    store: fileSessionStore({ directory }),
    reopen: async () => fileSessionStore({ directory }),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});

/** Texts in a map; each write answers a turn later, so that two stores race each other. */
function mapDriver(texts = new Map<string, { value: string; version: string }>()): DocumentDriver {
  let writes = 0;
  return {
    name: "map",
    read: async (key) => texts.get(key),
    async write(key, value, ifVersion) {
      await new Promise((resolve) => setImmediate(resolve));
      if (texts.get(key)?.version !== ifVersion) return false;
      texts.set(key, { value, version: `${++writes}-${Math.random()}` });
      return true;
    },
    delete: async (key, ifVersion) => texts.get(key)?.version === ifVersion && texts.delete(key),
    list: async (prefix) => [...texts.keys()].filter((key) => key.startsWith(prefix)),
  };
}

sessionStoreSuite("document (two stores that race)", async () => {
  const texts = new Map<string, { value: string; version: string }>();
  return { store: documentSessionStore(mapDriver(texts)), reopen: async () => documentSessionStore(mapDriver(texts)) };
});

const scope = { tenant: "t", userId: "u", resourceId: undefined };

describe("a store on a document driver", () => {
  test("what a driver does not promise is declared", () => {
    const durable = { level: "not offered", why: "a map" } as const;
    expect(documentSessionStore({ ...mapDriver(), guarantees: { durable } }).guarantees).toMatchObject({ durable, ordered: "required" });
  });

  test("keys are short, of plain characters, and tell nothing", async () => {
    const texts = new Map<string, { value: string; version: string }>();
    const store = documentSessionStore(mapDriver(texts));
    const id = "Ä/../".repeat(100);
    const described = { resourceId: "default", title: "", metadataJson: "{}", language: undefined };
    await store.createConversation({ tenant: id, userId: id, id, ...described });
    expect([...texts.keys()]).toHaveLength(2);
    for (const key of texts.keys()) expect(key).toMatch(/^[a-z0-9/]{1,220}$/);
    expect(await store.deleteConversation({ tenant: id, userId: id, resourceId: undefined }, id)).toBe(true);
    expect(texts.size).toBe(0);
  });

  test("a driver that fails is a rejected call with its error as the cause, and the next one is tried", async () => {
    const cause = new Error("the disk is full");
    const store = documentSessionStore({ ...mapDriver(), read: () => Promise.reject(cause) });
    await expect(store.getConversation(scope, "c")).rejects.toMatchObject({ code: "backend_error", store: "map", retryable: true, cause });
    expect(await store.health()).toMatchObject({ ok: false, problem: expect.stringContaining("[map]") });
  });

  test("open is tried again after it failed", async () => {
    let opened = 0;
    const open = async () => {
      if (++opened === 1) throw new Error("not yet");
    };
    const store = documentSessionStore({ ...mapDriver(), open });
    await expect(store.open()).rejects.toMatchObject({ code: "backend_error" });
    await Promise.all([store.open(), store.open()]);
    expect(opened).toBe(2);
  });

  test("a pointer that a crash left behind harms nothing", async () => {
    const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const store = fileSessionStore({ directory });
    const conversation = { tenant: "t", userId: "u", resourceId: "default", title: "", metadataJson: "{}", language: undefined };
    await store.createConversation({ ...conversation, id: "kept" });
    const tenant = join(directory, "users", readdirSync(join(directory, "users"))[0] as string);
    writeFileSync(join(tenant, readdirSync(tenant)[0] as string, `${"0".repeat(64)}.json`), "{}");
    expect(await store.countConversations(scope)).toBe(1);
  });

  test("the store of the docs is the one that is tested, in forty lines", () => {
    const docs = readFileSync("docs/extend/store.md", "utf8");
    const tested = readFileSync("test/docs/file-session-store.ts", "utf8").replace(
      "../../src/stores/session/document.ts",
      "unforget/stores/session/document",
    );
    expect(docs).toContain(`\`\`\`ts\n${tested}\`\`\``);
    expect(tested.trimEnd().split("\n").length).toBeLessThanOrEqual(45);
  });

  test("a memory works on it, as the docs show", async () => {
    const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const memory = createMemory({ sessions: fileSessionStore({ directory }), embedding: false });
    onTestFinished(() => memory.close());
    const mine = memory.scope({ userId: "u" });
    await mine.addMessages("c", ["hello", { role: "assistant", content: "hi" }]);
    expect((await mine.messages.list("c")).items.map((message) => message.content)).toEqual(["hello", "hi"]);
  });
});
