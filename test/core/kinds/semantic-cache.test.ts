import { expect, onTestFinished, test } from "vitest";
import { createMemory, type MemoryOptions, semanticCache } from "../../../src/index.ts";

function opened(options: MemoryOptions = {}) {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual", ...options });
  onTestFinished(() => memory.close());
  return memory;
}

const userId = "ada";
const question = "What is the capital of France?";

test("a question asked again is answered, in the same words at once, in similar ones when it is embedded", async () => {
  const memory = opened();
  const cache = semanticCache(memory, { userId, minSimilarity: 0.7 });
  expect(await cache.get(question)).toBeUndefined();
  await cache.put(question, { text: "Paris" });
  expect(await cache.get("what is  the capital of FRANCE?")).toMatchObject({ response: { text: "Paris" }, similarity: 1, query: question });
  await memory.flush();
  expect(await cache.get("Tell me the capital of France")).toMatchObject({ response: { text: "Paris" } });
  expect(await cache.get("How do I bake bread?")).toBeUndefined();
  expect(cache.counts).toEqual({ hits: 2, misses: 2 });
});

test("nobody is given the answers of another user, also by the administrator's handle", async () => {
  const memory = opened();
  await semanticCache(memory, { userId }).put(question, "Paris");
  await memory.flush();
  const others = semanticCache(memory, { userId: "bob", minSimilarity: -1 });
  expect(await others.get(question)).toBeUndefined();
  expect(await others.clear()).toBe(0);
  expect(() => semanticCache(memory, {} as never)).toThrow("userId");
  await expect(semanticCache(memory.scope({ userId: "bob" }), { userId }).get(question)).rejects.toMatchObject({ field: "userId" });
});

test("an answer holds in its scope, for its time", async () => {
  const memory = opened();
  const cache = (agentId: string) => semanticCache(memory, { userId, scope: { agentId, dataVersion: 1 }, minSimilarity: -1 });
  await cache("a").put(question, "Paris", { ttlSeconds: 0.3 });
  await memory.flush();
  expect(await cache("b").get(question)).toBeUndefined();
  expect(await cache("a").get(question)).toBeDefined();
  await expect.poll(() => cache("a").get(question), { timeout: 5_000 }).toBeUndefined();
});

test("answers are forgotten one by one, by tag, and altogether; the oldest make room", async () => {
  const memory = opened();
  const cache = semanticCache(memory, { userId, maxEntries: 3 });
  await cache.put("one", 1, { tag: "a" });
  await cache.put("two", 2, { tag: "a" });
  await cache.put("three", 3);
  await cache.put("one", "again", { tag: "b" });
  expect(await cache.delete("three")).toBe(true);
  expect(await cache.clear({ tag: "a" })).toBe(1);
  expect(await cache.get("one")).toMatchObject({ response: "again" });
  for (let index = 0; index < 5; index++) await cache.put(`more ${index}`, index);
  expect(await memory.records.count({ userId, type: "semantic_cache" })).toBe(3);
  expect(await cache.clear()).toBe(3);
});

test("without an embedding model the same words answer", async () => {
  const cache = semanticCache(opened({ embedding: false }), { userId });
  await cache.put(question, "Paris");
  expect(await cache.get(question)).toMatchObject({ response: "Paris" });
  expect(await cache.get("something else")).toBeUndefined();
});
