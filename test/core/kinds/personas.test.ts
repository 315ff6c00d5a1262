import { expect, onTestFinished, test } from "vitest";
import { createMemory, personaPrompt, personas } from "../../../src/index.ts";

function opened() {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual" });
  onTestFinished(() => memory.close());
  return { memory, mine: personas(memory.scope({ userId: "ada" })) };
}

const researcher = { id: "r", name: "Research Assistant", role: "Researcher", goals: ["Answer with sources"], background: "Reads papers." };

test("a persona comes back, and says who it is in a prompt", async () => {
  const { mine } = opened();
  const persona = await mine.put(researcher);
  expect(persona).toEqual({ ...researcher, version: 1, updatedAt: expect.any(Date) });
  expect(await mine.get("r")).toEqual(persona);
  expect(personaPrompt(persona)).toBe(
    "You are Research Assistant. Your role: Researcher\n\nYour goals:\n- Answer with sources\n\nYour background: Reads papers.",
  );
  expect(personaPrompt({ name: "Ada", role: "", goals: [], background: "" })).toBe("You are Ada.");
});

test("a change is the next version, and what it was is kept; the same again changes nothing", async () => {
  const { mine } = opened();
  await mine.put(researcher);
  expect(await mine.put(researcher)).toMatchObject({ version: 1 });
  expect(await mine.put({ ...researcher, goals: "Be brief" })).toMatchObject({ version: 2, goals: ["Be brief"] });
  expect(await mine.put({ ...researcher, role: "Librarian" })).toMatchObject({ version: 3 });
  const history = await mine.history("r");
  expect(history.map(({ version, role, goals }) => [version, role, goals])).toEqual([
    [2, "Researcher", ["Be brief"]],
    [1, "Researcher", ["Answer with sources"]],
  ]);
  await expect(mine.history("none")).rejects.toMatchObject({ code: "not_found" });
});

test("changes of many at once are each a version", async () => {
  const { mine } = opened();
  await Promise.all(Array.from({ length: 10 }, (_, index) => mine.put({ ...researcher, background: `${index}` })));
  expect((await mine.get("r"))?.version).toBe(10);
  expect(await mine.history("r")).toHaveLength(9);
});

test("the persona for a task is found by meaning", async () => {
  const { memory, mine } = opened();
  await mine.put(researcher);
  await mine.put({ id: "c", name: "Chef", role: "Cooks dinner and bakes bread" });
  await memory.flush();
  expect((await mine.find("Who prepares a meal?"))[0]?.id).toBe("c");
  expect((await mine.find("Who studies scientific articles?", { limit: 1 })).map(({ id }) => id)).toEqual(["r"]);
  expect((await mine.list()).items).toHaveLength(2);
  expect(await mine.delete("c")).toBe(true);
  expect(await mine.delete("c")).toBe(false);
});

test("of another user there is none", async () => {
  const { memory, mine } = opened();
  await mine.put(researcher);
  const others = personas(memory.scope({ userId: "bob" }));
  expect(await others.get("r")).toBeUndefined();
  expect(await others.find("Researcher")).toEqual([]);
});
