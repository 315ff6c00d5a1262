import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createMemory, registerStore, type VectorStore } from "../../src/index.ts";
import { recordStores, sessionStores, storeNames, vectorStores } from "../../src/stores/registry.ts";
import { memoryVectorStore } from "../../src/stores/vector/memory.ts";

const root = join(import.meta.dirname, "../..");

/** Session stores that are made by something else than a name. */
const unnamed = new Set(["document"]);

const kinds = [
  ["session", "SessionStore", "sessionStoreSuite", sessionStores],
  ["vector", "VectorStore", "vectorStoreSuite", vectorStores],
  ["record", "RecordStore", "recordStoreSuite", recordStores],
] as const;

const camelCase = (name: string) => name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
const page = (kind: string, name: string) => {
  const names = kind === "vector" ? [`vector-${name}`, name] : [name];
  return names.map((one) => join(root, `docs/backends/${one}.md`)).find(existsSync);
};

describe.each(kinds)("%s stores", (kind, suffix, suite, registry) => {
  const files = readdirSync(join(root, "src/stores", kind)).map((file) => file.replace(/\.ts$/, ""));

  test("each file has a line in the registry, and each line a file", () => {
    expect(Object.keys(registry).sort()).toEqual(files.filter((name) => !unnamed.has(name)).sort());
  });

  test.each(files)("%s exports its factory, runs the suite, and has a page", async (name) => {
    const module = (await import(join(root, "src/stores", kind, `${name}.ts`))) as Record<string, unknown>;
    expect(Object.keys(module)).toContain(`${camelCase(name)}${suffix}`);
    expect(readFileSync(join(root, "test/stores", kind, `${name}.test.ts`), "utf8")).toContain(`${suite}(`);
    if (!unnamed.has(name)) expect(page(kind, name), "docs/backends").toBeDefined();
  });
});

describe("a store of one's own", () => {
  test("is taken by a name once it is registered", async () => {
    let made: object | undefined;
    registerStore("vectors", "shelf", (options: { readonly board: number }): VectorStore => {
      made = options;
      return memoryVectorStore();
    });
    const sessions = { store: "memory" } as const;
    const memory = createMemory({ sessions, vectors: { store: "shelf", board: 3 } as never });
    await memory.close();
    expect(made).toEqual({ board: 3 });
    expect(storeNames("vectors")).toContain("shelf");
    expect(() => registerStore("vectors", "shelf", () => memoryVectorStore())).toThrow("is taken");
  });

  test("an unknown name is an error that lists the known ones", () => {
    expect(() => createMemory({ sessions: { store: "oracle" } as never })).toThrow('"oracle" is not known: use memory, postgres');
    expect(() => createMemory({ sessions: { store: "memory" }, vectors: { store: "faiss" } as never })).toThrow("vectors.store");
    expect(() => createMemory({ sessions: { store: "memory" }, vectors: 3 as never })).toThrow("[vectors] is not a store");
    expect(() => createMemory({ sessions: {} as never })).toThrow("[sessions] is not a store");
  });
});
