import { expect, onTestFinished, test } from "vitest";
import { createMemory, workflows } from "../../../src/index.ts";

function opened() {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual" });
  onTestFinished(() => memory.close());
  return { memory, past: workflows(memory.scope({ userId: "ada" })) };
}

const refund = {
  id: "refund",
  name: "refund",
  description: "Pays a customer back",
  query: "I want my money back",
  steps: [{ name: "find order", input: { id: 7 }, output: { total: 12.5 } }, "refund payment"],
  outcome: "success",
} as const;

test("a workflow comes back with its steps", async () => {
  const { past } = opened();
  await past.put(refund);
  expect(await past.get("refund")).toMatchObject({ ...refund, steps: [refund.steps[0], { name: "refund payment" }], metadata: {} });
  await expect(past.put({ name: "x", outcome: "maybe" as never })).rejects.toMatchObject({ field: "outcome" });
  await expect(past.put({ name: "x", steps: [{} as never] })).rejects.toMatchObject({ field: "steps" });
});

test("similar past ones are found by meaning, by how they ended", async () => {
  const { memory, past } = opened();
  await past.put(refund);
  await past.put({ ...refund, id: "failed", outcome: "failure", steps: [{ name: "find order", error: "no such order" }] });
  await past.put({ id: "address", name: "move", query: "I have a new address", steps: ["change address"], outcome: "success" });
  await memory.flush();
  expect((await past.find("The customer asks for his payment to be returned", { outcome: "success" }))[0]?.id).toBe("refund");
  const failed = await past.find("give the money back", { outcome: "failure" });
  expect(failed.map(({ id, steps }) => [id, steps[0]?.error])).toEqual([["failed", "no such order"]]);
  expect((await past.list({ outcome: "success" })).items.map(({ id }) => id).sort()).toEqual(["address", "refund"]);
});

test("what are no steps is refused", async () => {
  const { past } = opened();
  for (const steps of ["one", [{ input: 1 }], [null]])
    await expect(past.put({ name: "w", steps: steps as never })).rejects.toMatchObject({ field: "steps" });
});

test("one that has not ended is replaced when it has", async () => {
  const { past } = opened();
  const { id } = await past.put({ name: "report" });
  expect((await past.get(id))?.outcome).toBeUndefined();
  await past.put({ id, name: "report", outcome: "failure" });
  expect(await past.get(id)).toMatchObject({ outcome: "failure" });
  expect(await past.delete(id)).toBe(true);
  expect(await past.get(id)).toBeUndefined();
});
