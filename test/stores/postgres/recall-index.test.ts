import { expect, test } from "vitest";
import { exactScopeRows } from "../../../src/stores/postgres/recall.ts";
import { broughtVectors } from "../../support/embedders.ts";
import { describeServerEngine } from "../../support/engines.ts";
import { nearest, seededRandom } from "../../support/vectors.ts";

const dimensions = 24;
const random = seededRandom(11);
const randomVector = () => Float32Array.from({ length: dimensions }, () => random() * 2 - 1);

describeServerEngine("postgres", "the indexed vector leg", (engine) => {
  test("finds at least 98 % of the exact nearest in a scope above the crossover, and all that is asked for of a small one", {
    timeout: 120_000,
  }, async () => {
    const memory = engine.memory({ embedding: broughtVectors("test/random", dimensions), worker: "manual" });
    const rows = Array.from({ length: exactScopeRows + 500 }, (_, index) => ({
      id: `m-${index}`,
      userId: "large",
      vector: randomVector(),
    }));
    const mine = memory.scope({ userId: "large" });
    for (let start = 0; start < rows.length; start += 2_500) {
      await mine.addMessages(
        `c${start}`,
        rows.slice(start, start + 2_500).map(({ id, vector }) => ({ id, content: "x", embedding: vector })),
      );
    }
    const few = rows.slice(0, 30).map((row) => ({ ...row, vector: randomVector() }));
    await memory.scope({ userId: "small" }).addMessages(
      "small",
      few.map(({ id, vector }) => ({ id, content: "x", embedding: vector })),
    );

    const ask = (userId: string, vector: Float32Array) => memory.recall("", { userId, embedding: vector, legs: ["vector"], explain: true });
    const before = randomVector();
    const exact = await ask("large", before);
    expect(exact.explain?.plan).toBe("exact");
    expect(exact.map((hit) => hit.id)).toEqual(nearest(rows, before, 10));
    await memory.flush();

    let found = 0;
    for (let query = 0; query < 30; query++) {
      const vector = randomVector();
      const hits = await ask("large", vector);
      expect(hits.explain?.plan).toBe("index");
      const truth = new Set(nearest(rows, vector, 10));
      found += hits.filter((hit) => truth.has(hit.id)).length;
      expect((await ask("small", vector)).map((hit) => hit.id)).toEqual(nearest(few, vector, 10));
    }
    expect(found / 300).toBeGreaterThanOrEqual(0.98);
  });
});
