import { expect, onTestFinished, test } from "vitest";
import { createMemory, sharedMemory } from "../../../src/index.ts";

function opened() {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual" });
  onTestFinished(() => memory.close());
  const agent = (agentId: string, name = "report", userId = "ada") => sharedMemory(memory, { userId, name, agentId });
  return { memory, agent };
}

test("what one agent sets another reads", async () => {
  const { agent } = opened();
  const [root, writer] = [agent("root"), agent("writer")];
  expect(await root.get("plan")).toBeUndefined();
  await root.set("plan", { steps: ["read", "write"] });
  expect(await writer.get("plan")).toMatchObject({ value: { steps: ["read", "write"] }, version: 1, agentId: "root" });
  expect(await writer.set("plan", null)).toMatchObject({ value: null, version: 2, agentId: "writer" });
  expect(await root.unset("plan")).toBe(true);
  expect(await root.unset("plan")).toBe(false);
});

test("of many agents that claim one task, one gets it", async () => {
  const { agent } = opened();
  const claims = await Promise.all(Array.from({ length: 16 }, (_, index) => agent(`agent-${index}`).compareAndSet("task", 0, index)));
  const won = claims.filter((claim) => claim !== undefined);
  expect(won).toHaveLength(1);
  expect(await agent("root").get("task")).toEqual(won[0]);
  expect(await agent("root").compareAndSet("task", 7, "x")).toBeUndefined();
  expect(await agent("root").compareAndSet("task", 1, "done")).toMatchObject({ version: 2 });
});

test("changes of many at once lose none", async () => {
  const { agent } = opened();
  const count = (before: unknown) => ((before as number | undefined) ?? 0) + 1;
  await Promise.all(Array.from({ length: 16 }, (_, index) => agent(`agent-${index}`).update("count", count)));
  expect(await agent("root").get("count")).toMatchObject({ value: 16, version: 16 });
});

test("a blackboard is read in the order it was written, and searched", async () => {
  const { agent } = opened();
  const [root, worker] = [agent("root"), agent("worker")];
  await root.post({ kind: "task", text: "Find sources on compilers" });
  await worker.post({ kind: "tool_call", data: { tool: "search", input: { q: "compilers" } } });
  await worker.post({ kind: "result", text: "Three papers on parsers" });
  expect((await root.read()).map(({ agentId, kind }) => [agentId, kind])).toEqual([
    ["root", "task"],
    ["worker", "tool_call"],
    ["worker", "result"],
  ]);
  expect((await root.read({ limit: 1 })).map(({ kind }) => kind)).toEqual(["result"]);
  expect((await root.read({ agentId: "worker", kind: "tool_call" }))[0]?.data).toEqual({ tool: "search", input: { q: "compilers" } });
  expect((await root.find("papers")).map(({ kind }) => kind)).toEqual(["result"]);
});

test("what has another name, or is another user's, is apart", async () => {
  const { agent } = opened();
  await agent("root").set("key", 1);
  await agent("root").post({ kind: "task", text: "secret" });
  for (const other of [agent("root", "another"), agent("root", "report", "bob")]) {
    expect(await other.get("key")).toBeUndefined();
    expect(await other.read()).toEqual([]);
    expect(await other.find("secret")).toEqual([]);
    expect(await other.clear()).toBe(0);
  }
  expect(await agent("root").clear()).toBe(2);
});
