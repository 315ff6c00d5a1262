import { expect, onTestFinished, test } from "vitest";
import { createMemory, entities } from "../../../src/index.ts";

function opened() {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual" });
  onTestFinished(() => memory.close());
  return { memory, known: entities(memory.scope({ userId: "ada" })) };
}

test("what is known of an entity adds up, by its name in any case", async () => {
  const { known } = opened();
  const priya = await known.put({ name: "Priya", kind: "person", attributes: [{ name: "City", value: "Pune", source: "m1" }] });
  const again = await known.put({ name: "priya ", attributes: [{ name: "job", value: "engineer", confidence: 0.6 }] });
  expect(again.id).toBe(priya.id);
  expect(await known.getByName("PRIYA")).toMatchObject({
    kind: "person",
    attributes: [
      { name: "City", value: "Pune", confidence: 1, source: "m1", recordedAt: expect.any(Date) },
      { name: "job", value: "engineer", confidence: 0.6 },
    ],
  });
});

test("a less certain value does not replace a more certain one", async () => {
  const { known } = opened();
  const put = (value: string, confidence: number) => known.put({ name: "Priya", attributes: [{ name: "city", value, confidence }] });
  await put("Pune", 0.7);
  expect((await put("Goa", 0.3)).attributes).toMatchObject([{ value: "Pune" }]);
  expect((await put("Delhi", 0.7)).attributes).toMatchObject([{ value: "Delhi" }]);
  await expect(put("x", 2)).rejects.toMatchObject({ field: "confidence" });
});

test("many that add at once lose nothing, and make one entity", async () => {
  const { known } = opened();
  await Promise.all(
    Array.from({ length: 10 }, (_, index) => known.put({ name: "Priya", attributes: [{ name: `a${index}`, value: index }] })),
  );
  const { items } = await known.list();
  expect(items).toHaveLength(1);
  expect(items[0]?.attributes).toHaveLength(10);
});

test("entities relate, each pair once", async () => {
  const { known } = opened();
  const priya = await known.put({ name: "Priya" });
  const acme = await known.put({ name: "Acme", kind: "company" });
  await known.link(priya.id, { type: "works at", to: acme.id, source: "m1" });
  expect((await known.link(priya.id, { type: "Works at", to: acme.id })).relations).toHaveLength(1);
  await expect(known.link(priya.id, { type: "knows", to: "nobody" })).rejects.toMatchObject({ code: "not_found" });
  expect(await known.delete(acme.id)).toBe(true);
  expect((await known.get(priya.id))?.relations).toEqual([]);
});

test("two that are one are merged, with what relates to them", async () => {
  const { known } = opened();
  const priya = await known.put({ name: "Priya", attributes: [{ name: "city", value: "Pune", confidence: 0.9 }] });
  const full = await known.put({
    name: "Priya Rao",
    kind: "person",
    attributes: [
      { name: "city", value: "Goa", confidence: 0.5 },
      { name: "job", value: "engineer" },
    ],
    relations: [{ type: "is", to: priya.id }],
  });
  const acme = await known.put({ name: "Acme", relations: [{ type: "employs", to: full.id }] });
  const merged = await known.merge(priya.id, full.id);
  expect(merged).toMatchObject({ name: "Priya", kind: "person", relations: [] });
  expect(merged.attributes.map(({ name, value }) => [name, value])).toEqual([
    ["city", "Pune"],
    ["job", "engineer"],
  ]);
  expect((await known.get(acme.id))?.relations).toMatchObject([{ type: "employs", to: priya.id }]);
  expect(await known.get(full.id)).toBeUndefined();
  await expect(known.merge(priya.id, full.id)).rejects.toMatchObject({ code: "not_found" });
});

test("a name that an entity had before is free for another", async () => {
  const { known } = opened();
  const renamed = await known.put({ name: "Acme" });
  await known.put({ id: renamed.id, name: "Acme Holding" });
  const acme = await known.put({ name: "ACME", kind: "company" });
  expect(acme.id).not.toBe(renamed.id);
  expect((await known.put({ name: "acme" })).id).toBe(acme.id);
  expect(await known.get(renamed.id)).toMatchObject({ name: "Acme Holding", kind: undefined });
});

test("two who merge the same pair in opposite ways lose nothing", async () => {
  const { known } = opened();
  for (let round = 0; round < 5; round++) {
    const one = await known.put({ name: `One ${round}`, attributes: [{ name: "city", value: "Pune" }] });
    const two = await known.put({ name: `Two ${round}`, attributes: [{ name: "age", value: 30 }] });
    await Promise.allSettled([known.merge(one.id, two.id), known.merge(two.id, one.id)]);
    const left = (await Promise.all([known.get(one.id), known.get(two.id)])).filter((entity) => entity !== undefined);
    expect(left.map(({ attributes }) => attributes.map(({ name }) => name).sort())).toEqual([["age", "city"]]);
  }
});

test("entities are found by what is known of them", async () => {
  const { memory, known } = opened();
  await known.put({ name: "Priya", kind: "person", attributes: [{ name: "job", value: "compiler engineer" }] });
  await known.put({ name: "Acme", kind: "company", attributes: [{ name: "makes", value: "furniture" }] });
  expect((await known.find("compiler"))[0]?.name).toBe("Priya");
  await memory.flush();
  expect((await known.find("Who sells chairs and tables?"))[0]?.name).toBe("Acme");
  expect((await known.find("chairs and tables", { kind: "person" })).map(({ name }) => name)).toEqual(["Priya"]);
});
