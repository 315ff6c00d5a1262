import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/domain/errors.ts";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";

describe("hashedEmbedder", () => {
  it("gives the same normalised vector for the same words, and 64 dimensions unless told otherwise", async () => {
    const [a, b] = await hashedEmbedder().embed(["The dog, the cat", "the DOG the cat!"]);
    expect(a).toHaveLength(64);
    expect(a).toEqual(b);
    expect(Math.hypot(...(a ?? []))).toBeCloseTo(1, 5);
    expect((await hashedEmbedder({ dimensions: 3 }).embed(["x"]))[0]).toHaveLength(3);
  });

  it("puts texts that share words closer together than texts that do not", async () => {
    const [query, near, far] = await hashedEmbedder().embed(["my dog sleeps", "the dog sleeps", "we flew abroad"]);
    const dot = (other: Float32Array | undefined) => query?.reduce((sum, value, at) => sum + value * (other?.[at] ?? 0), 0) ?? 0;
    expect(dot(near)).toBeGreaterThan(dot(far));
  });

  it("gives a zero vector for a text without words", async () => {
    expect(await hashedEmbedder().embed(["", " !? "])).toEqual([new Float32Array(64), new Float32Array(64)]);
  });

  it("refuses dimensions that are none", () => {
    expect(() => hashedEmbedder({ dimensions: 1.5 })).toThrow(InvalidArgumentError);
  });
});
