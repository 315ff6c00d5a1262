import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { EmbeddingError, InvalidArgumentError } from "../../src/domain/errors.ts";
import { type TransformersModule, transformersEmbedder } from "../../src/embedders/transformers.ts";

/** The module as the embedder sees it; it records what it is asked. */
function moduleOf(failures = 0) {
  const seen = { loads: [] as unknown[], calls: [] as unknown[], disposed: 0 };
  const module: TransformersModule = {
    async pipeline(task, model, options) {
      seen.loads.push([task, model, options]);
      if (failures-- > 0) throw new Error("offline");
      return Object.assign(
        async (texts: string[], options: unknown) => {
          seen.calls.push([texts, options]);
          return { tolist: () => texts.map((text) => [text.length, 1]) };
        },
        { dispose: async () => void seen.disposed++ },
      );
    },
  };
  return { module, seen };
}

describe("transformersEmbedder", () => {
  it("opens the model once, on first use", async () => {
    const { module, seen } = moduleOf();
    const embedder = transformersEmbedder({ model: "org/model", dtype: "q8", transformers: module });
    expect(seen.loads).toHaveLength(0);
    expect(await embedder.embed([])).toEqual([]);
    expect(await Promise.all([embedder.embed(["ab", ""]), embedder.embed(["c"])])).toEqual([
      [new Float32Array([2, 1]), new Float32Array([0, 1])],
      [new Float32Array([1, 1])],
    ]);
    expect(seen.loads).toEqual([["feature-extraction", "org/model", { dtype: "q8" }]]);
    expect([embedder.model, embedder.dimensions]).toEqual(["transformers/org/model@q8", 2]);
  });

  it("puts the prefix of the purpose before each text, and pools as told", async () => {
    const { module, seen } = moduleOf();
    const embedder = transformersEmbedder({
      model: "m",
      pooling: "cls",
      queryPrefix: "query: ",
      documentPrefix: "passage: ",
      transformers: module,
    });
    await embedder.embed(["a"]);
    await embedder.embed(["b"], { purpose: "query" });
    const options = { pooling: "cls", normalize: true };
    expect(seen.calls).toEqual([
      [["passage: a"], options],
      [["query: b"], options],
    ]);
  });

  it("tries again after the model could not be loaded", async () => {
    const { module } = moduleOf(1);
    const embedder = transformersEmbedder({ model: "m", transformers: module });
    await expect(embedder.embed(["a"])).rejects.toBeInstanceOf(EmbeddingError);
    expect(await embedder.embed(["a"])).toHaveLength(1);
  });

  it("disposes of what it opened, once", async () => {
    const { module, seen } = moduleOf();
    const embedder = transformersEmbedder({ model: "m", transformers: module });
    await embedder.close?.();
    await embedder.embed(["a"]);
    await embedder.close?.();
    await embedder.close?.();
    expect(seen.disposed).toBe(1);
  });

  it("names the package that is missing", async () => {
    // In a process of its own: the test runner puts a stub in the place of missing optional packages.
    const source = new URL("../../src/embedders/transformers.ts", import.meta.url).href;
    const program = `import { transformersEmbedder } from ${JSON.stringify(source)};
      await transformersEmbedder({ model: "m" }).embed(["a"]).catch((error) => console.log(error.name, error.message));`;
    const flags = ["--experimental-strip-types", "--no-warnings", "--input-type=module", "--eval", program];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 20_000 });
    expect(stdout).toContain("DependencyMissingError");
    expect(stdout).toContain("npm install @huggingface/transformers");
  });

  it("rejects with the signal's reason, and refuses a model without a name", async () => {
    const reason = new Error("enough");
    const embedder = transformersEmbedder({ model: "m", transformers: moduleOf().module });
    await expect(embedder.embed(["a"], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(() => transformersEmbedder({ model: "" })).toThrow(InvalidArgumentError);
  });
});
