import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/domain/errors.ts";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { type EmbeddingChoice, resolveEmbedder } from "../../src/embedders/resolve.ts";
import { type EmbeddingsServer, embeddingsServer } from "./embeddings-server.ts";

let server: EmbeddingsServer;
beforeEach(async () => {
  server = await embeddingsServer();
});
afterEach(() => server.close());

describe("resolveEmbedder", () => {
  it.each([undefined, "builtin", { provider: "builtin" }] as const)("takes %j for the built-in model", (choice) => {
    expect(resolveEmbedder(choice)?.model).toBe("unforget/static-en-1");
  });

  it("takes false for no embedder", () => {
    expect(resolveEmbedder(false)).toBeUndefined();
  });

  it("gives an embedder back as it is", () => {
    const embedder = hashedEmbedder();
    expect(resolveEmbedder(embedder)).toBe(embedder);
  });

  it("wraps an AI SDK model", () => {
    const model = {
      specificationVersion: "v3",
      provider: "p",
      modelId: "m",
      maxEmbeddingsPerCall: 1,
      supportsParallelCalls: false,
      doEmbed: async () => ({ embeddings: [[1]] }),
    } as const;
    expect(resolveEmbedder(model)?.model).toBe("p/m");
  });

  it("opens OpenAI's models with the key, the dimensions and the address it is given", async () => {
    const embedder = resolveEmbedder({ provider: "openai", model: "m", apiKey: "k", dimensions: 4, baseUrl: server.baseUrl });
    await embedder?.embed(["a"]);
    expect(embedder?.model).toBe("openai/m");
    expect(server.requests[0]?.headers.authorization).toBe("Bearer k");
    expect(server.requests[0]?.body.dimensions).toBe(4);
  });

  it("opens OpenAI-compatible servers and Ollama without a key", async () => {
    const compatible = resolveEmbedder({ provider: "openai-compatible", model: "m", baseUrl: server.baseUrl });
    const ollama = resolveEmbedder({ provider: "ollama", model: "m", baseUrl: server.baseUrl });
    await compatible?.embed(["a"]);
    await ollama?.embed(["a"]);
    expect([compatible?.model, ollama?.model]).toEqual(["openai-compatible/m", "ollama/m"]);
    expect(server.requests).toHaveLength(2);
  });

  it("opens transformers.js", () => {
    expect(resolveEmbedder({ provider: "transformers", model: "org/m", dtype: "q4" })?.model).toBe("transformers/org/m@q4");
  });

  it.each([
    [{ provider: "openai", model: "m" }, "embedding.apiKey"],
    [{ provider: "openai", apiKey: "k" }, "embedding.model"],
    [{ provider: "openai-compatible", model: "m" }, "embedding.baseUrl"],
    [{ provider: "ollama" }, "embedding.model"],
    [{ provider: "transformers", model: 7 }, "embedding.model"],
    [{ provider: "caller", dimensions: 3 }, "embedding.model"],
    [{ provider: "caller", model: "mine", dimensions: 0 }, "embedding.dimensions"],
  ])("names the field that %j lacks", (choice, field) => {
    expect(() => resolveEmbedder(choice as unknown as EmbeddingChoice)).toThrow(
      expect.objectContaining({ code: "invalid_argument", field }),
    );
  });

  it.each([null, true, 7, "openai/text-embedding-3-small", {}, { provider: "nonsense" }, []])("lists the choices for %j", (choice) => {
    const attempt = () => resolveEmbedder(choice as unknown as EmbeddingChoice);
    expect(attempt).toThrow(InvalidArgumentError);
    expect(attempt).toThrow(/"builtin", false \(none\).*"openai", "openai-compatible", "ollama", "transformers" or "caller"/);
  });

  it("makes no vector itself where the caller brings them", async () => {
    const embedder = resolveEmbedder({ provider: "caller", model: "mine", dimensions: 3 });
    expect(embedder).toMatchObject({ model: "mine", dimensions: 3 });
    expect(await embedder?.embed(["text"])).toEqual([new Float32Array(3)]);
  });

  it("does not repeat what looks like a key", () => {
    expect(() => resolveEmbedder("sk-proj-0123456789abcdef0123456789abcdef" as unknown as EmbeddingChoice)).not.toThrow(/sk-proj/);
  });
});
