import { createOpenAI as createOpenAIv3 } from "@ai-sdk/openai";
import { createOpenAI as createOpenAIv2 } from "openai-v2";
import { createOpenAI as createOpenAIv4 } from "openai-v4";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { DimensionMismatchError, EmbeddingError } from "../../src/domain/errors.ts";
import { type AiSdkEmbedCall, type AiSdkEmbeddingModel, aiSdkEmbedder, isAiSdkEmbeddingModel } from "../../src/embedders/ai-sdk.ts";
import { type EmbeddingsServer, embeddingsServer, vectorOf } from "./embeddings-server.ts";

let server: EmbeddingsServer;
beforeEach(async () => {
  server = await embeddingsServer();
});
afterEach(() => server.close());

const providers = {
  v2: () => createOpenAIv2({ baseURL: server.baseUrl, apiKey: "sk-secret" }).embedding("any-model"),
  v3: () => createOpenAIv3({ baseURL: server.baseUrl, apiKey: "sk-secret" }).embedding("any-model"),
  v4: () => createOpenAIv4({ baseURL: server.baseUrl, apiKey: "sk-secret" }).embedding("any-model"),
};
const versions = ["v2", "v3", "v4"] as const;

describe.each(versions)("aiSdkEmbedder with a real provider of specification %s", (version) => {
  it("is given what it expects", () => {
    expect(providers[version]().specificationVersion).toBe(version);
    expect(isAiSdkEmbeddingModel(providers[version]())).toBe(true);
  });

  it("gives one vector per text, in order", async () => {
    const embedder = aiSdkEmbedder(providers[version]());
    expect(embedder.model).toBe("openai.embedding/any-model");
    expect(embedder.dimensions).toBeUndefined();
    expect(await embedder.embed(["first", "", "third!"])).toEqual(["first", " ", "third!"].map((text) => new Float32Array(vectorOf(text))));
    expect(embedder.dimensions).toBe(4);
  });

  it("keeps to maxEmbeddingsPerCall", async () => {
    await aiSdkEmbedder(providers[version]()).embed(Array<string>(2_100).fill("a"));
    expect(server.requests.map(({ body }) => body.input.length).sort()).toEqual([2_048, 52].sort());
  });

  it("passes headers and provider options on", async () => {
    const options = { headers: { "x-team": "7" }, providerOptions: { openai: { dimensions: 4 } }, name: "mine" };
    const embedder = aiSdkEmbedder(providers[version](), options);
    expect(embedder.model).toBe("mine");
    await embedder.embed(["a"]);
    expect(server.requests[0]?.headers["x-team"]).toBe("7");
    expect(server.requests[0]?.body.dimensions).toBe(4);
  });

  it.each([
    [429, true],
    [500, true],
    [401, false],
  ])("turns HTTP %i into an EmbeddingError with retryable %s that keeps the cause and tells no secrets", async (status, retryable) => {
    server.answers.push({ status, body: { error: { message: "key sk-secret, text: private", type: "t", param: null, code: null } } });
    const error: unknown = await aiSdkEmbedder(providers[version]())
      .embed(["private"])
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EmbeddingError);
    expect(error).toMatchObject({ retryable, cause: { statusCode: status } });
    expect((error as EmbeddingError).message).toContain(`HTTP ${status}`);
    expect((error as EmbeddingError).message).not.toMatch(/secret|private/);
  });

  it("rejects with the signal's reason when it is aborted before and during a call", async () => {
    const reason = new Error("enough");
    const embedder = aiSdkEmbedder(providers[version]());
    await expect(embedder.embed(["a"], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    server.answers.push({ hang: true });
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(embedder.embed(["a"], { signal: controller.signal })).rejects.toBe(reason);
  });
});

describe("aiSdkEmbedder", () => {
  /** A model that counts its calls, for what OpenAI's own cannot show. */
  function modelOf(overrides: Partial<AiSdkEmbeddingModel> = {}) {
    const calls: AiSdkEmbedCall[] = [];
    let running = 0;
    const stats = { calls, mostAtOnce: 0 };
    const model: AiSdkEmbeddingModel = {
      specificationVersion: "v3",
      provider: "test",
      modelId: "model",
      maxEmbeddingsPerCall: 2,
      supportsParallelCalls: true,
      async doEmbed(options) {
        calls.push(options);
        stats.mostAtOnce = Math.max(stats.mostAtOnce, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
        return { embeddings: options.values.map(vectorOf) };
      },
      ...overrides,
    };
    return { model, stats };
  }

  it("takes limits that are promises, and one call at a time where the model wants that", async () => {
    const { model, stats } = modelOf({ maxEmbeddingsPerCall: Promise.resolve(3), supportsParallelCalls: Promise.resolve(false) });
    expect(await aiSdkEmbedder(model).embed(["a", "b", "c", "d"])).toHaveLength(4);
    expect(stats.calls.map(({ values }) => values.length)).toEqual([3, 1]);
    expect(stats.mostAtOnce).toBe(1);
  });

  it("runs at most 4 calls at once where the model allows it", async () => {
    const { model, stats } = modelOf();
    await aiSdkEmbedder(model).embed(Array<string>(20).fill("a"));
    expect(stats.calls).toHaveLength(10);
    expect(stats.mostAtOnce).toBe(4);
  });

  it.each([undefined, Number.POSITIVE_INFINITY, 0])("takes the limit %s for none", async (maxEmbeddingsPerCall) => {
    const { model, stats } = modelOf({ maxEmbeddingsPerCall });
    await aiSdkEmbedder(model).embed(Array<string>(129).fill("a"));
    expect(stats.calls.map(({ values }) => values.length)).toEqual([128, 1]);
  });

  it("begins no further call after a failure", async () => {
    let calls = 0;
    const { model } = modelOf({
      supportsParallelCalls: false,
      async doEmbed() {
        calls++;
        throw new Error("no");
      },
    });
    await expect(aiSdkEmbedder(model).embed(["a", "b", "c"])).rejects.toMatchObject({ code: "embedding_failed", retryable: false });
    expect(calls).toBe(1);
  });

  it("refuses a wrong number of vectors and vectors of another length", async () => {
    const { model } = modelOf({ doEmbed: async () => ({ embeddings: [[1, 2]] }) });
    await expect(aiSdkEmbedder(model).embed(["a", "b"])).rejects.toBeInstanceOf(EmbeddingError);
    await expect(aiSdkEmbedder(model, { dimensions: 3 }).embed(["a"])).rejects.toBeInstanceOf(DimensionMismatchError);
  });

  it("has a model type that the SDK's own models fit", () => {
    expectTypeOf<ReturnType<(typeof providers)["v2"]>>().toExtend<AiSdkEmbeddingModel>();
    expectTypeOf<ReturnType<(typeof providers)["v3"]>>().toExtend<AiSdkEmbeddingModel>();
    expectTypeOf<ReturnType<(typeof providers)["v4"]>>().toExtend<AiSdkEmbeddingModel>();
  });
});
