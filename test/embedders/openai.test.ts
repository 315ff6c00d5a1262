import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DimensionMismatchError, EmbeddingError, InvalidArgumentError } from "../../src/domain/errors.ts";
import { openaiEmbedder } from "../../src/embedders/openai.ts";
import { type EmbeddingsServer, embeddingsServer, vectorOf } from "./embeddings-server.ts";

let server: EmbeddingsServer;
beforeEach(async () => {
  server = await embeddingsServer();
});
afterEach(() => server.close());

const key = "sk-very-secret";
const open = (options: { dimensions?: number; timeoutMs?: number; model?: string } = {}) =>
  openaiEmbedder({ model: "any-model", apiKey: key, baseUrl: server.baseUrl, ...options });

async function failure(promise: Promise<unknown>): Promise<EmbeddingError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddingError);
  return error as EmbeddingError;
}

describe("openaiEmbedder", () => {
  it("posts to {baseUrl}/embeddings and gives one vector per text", async () => {
    const embedder = openaiEmbedder({ model: "m", apiKey: key, baseUrl: `${server.baseUrl}/`, headers: { "x-team": "7" } });
    expect(await embedder.embed(["first", "second!"])).toEqual([
      new Float32Array(vectorOf("first")),
      new Float32Array(vectorOf("second!")),
    ]);
    const [request] = server.requests;
    expect(request?.path).toBe("/v1/embeddings");
    expect(request?.headers).toMatchObject({ authorization: `Bearer ${key}`, "x-team": "7" });
    expect(request?.body).toEqual({ model: "m", input: ["first", "second!"], encoding_format: "float" });
  });

  it("names the space after the model and learns its dimensions", async () => {
    const embedder = open();
    expect([embedder.model, embedder.dimensions]).toEqual(["openai/any-model", undefined]);
    await embedder.embed(["a"]);
    expect(embedder.dimensions).toBe(4);
    expect(open({ model: "text-embedding-3-small" }).dimensions).toBe(1_536);
  });

  it("asks for the dimensions it was given and refuses others", async () => {
    await open({ dimensions: 4 }).embed(["a"]);
    expect(server.requests[0]?.body.dimensions).toBe(4);
    await expect(open({ dimensions: 8 }).embed(["a"])).rejects.toBeInstanceOf(DimensionMismatchError);
  });

  it("sends no key when it has none", async () => {
    await openaiEmbedder({ model: "m", baseUrl: server.baseUrl }).embed(["a"]);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  it("sends a space for an empty text", async () => {
    expect(await open().embed(["", "x"])).toHaveLength(2);
    expect(server.requests[0]?.body.input).toEqual([" ", "x"]);
  });

  it("calls nobody for no texts", async () => {
    expect(await open().embed([])).toEqual([]);
    expect(server.requests).toHaveLength(0);
  });

  it("puts vectors into the order of their index", async () => {
    const data = [2, 0, 1].map((index) => ({ index, embedding: [index, 1] }));
    server.answers.push({ body: { data } });
    expect(await open().embed(["a", "b", "c"])).toEqual([0, 1, 2].map((index) => new Float32Array([index, 1])));
  });

  it("keeps to 2,048 texts and 200,000 characters a request, and 4 requests at once", async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => String(index));
    const vectors = await open().embed(many);
    expect(vectors).toHaveLength(5_000);
    expect(vectors[4_321]).toEqual(new Float32Array(vectorOf("4321")));
    expect(server.requests.map(({ body }) => body.input.length).sort()).toEqual([2_048, 2_048, 904].sort());
    server.requests.length = 0;
    await open().embed(Array<string>(20).fill("x".repeat(60_000)));
    expect(server.requests.map(({ body }) => body.input.length).sort()).toEqual([2, 3, 3, 3, 3, 3, 3]);
    expect(server.mostAtOnce()).toBeLessThanOrEqual(4);
  });

  it.each([
    [429, true],
    [500, true],
    [503, true],
    [408, true],
    [400, false],
    [401, false],
    [404, false],
  ])("turns HTTP %i into an EmbeddingError with retryable %s", async (status, retryable) => {
    server.answers.push({ status, body: { error: { message: `bad key ${key} in "private text"`, type: "some_type", code: null } } });
    const error = await failure(open().embed(["private text"]));
    expect(error).toMatchObject({ retryable, code: "embedding_failed", model: "openai/any-model" });
    expect(error.message).toContain(`HTTP ${status} (some_type)`);
    expect(`${error.message} ${String(error.cause)}`).not.toMatch(/secret|private/);
  });

  it("holds a refusal with Retry-After for passing, and tells when", async () => {
    server.answers.push({ status: 403, headers: { "retry-after": "20" } }, { status: 429, headers: { "retry-after": "20" } });
    expect((await failure(open().embed(["a"]))).retryable).toBe(true);
    expect((await failure(open().embed(["a"]))).message).toContain("in 20 s");
  });

  it.each([
    ["a wrong number of vectors", { data: [{ index: 0, embedding: [1] }] }],
    ["no vectors", { hello: "world" }],
    ["no numbers", { data: [0, 1].map((index) => ({ index, embedding: [null, 1] })) }],
    ["empty vectors", { data: [0, 1].map((index) => ({ index, embedding: [] })) }],
    ["nulls", { data: [null, null] }],
    ["a page of a proxy", "<html>"],
  ])("refuses %s", async (_, body) => {
    server.answers.push({ body });
    expect((await failure(open().embed(["a", "b"]))).retryable).toBe(false);
  });

  it("rejects with the signal's reason when it is aborted before and during a call", async () => {
    const reason = new Error("enough");
    await expect(open().embed(["a"], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    server.answers.push({ hang: true });
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(open().embed(["a"], { signal: controller.signal })).rejects.toBe(reason);
  });

  it("gives up on a silent server, and on one that is not there, as a passing failure", async () => {
    server.answers.push({ hang: true });
    const error = await failure(open({ timeoutMs: 50 }).embed(["a"]));
    expect(error.retryable).toBe(true);
    expect(error.message).toContain("50 ms");
    const nobody = openaiEmbedder({ model: "m", baseUrl: "http://127.0.0.1:1/v1" });
    expect((await failure(nobody.embed(["a"]))).retryable).toBe(true);
  });

  it("refuses an address that is none, without telling it, and a model without a name", () => {
    const attempt = () => openaiEmbedder({ model: "m", baseUrl: "//user:hunter2@host" });
    expect(attempt).toThrow(InvalidArgumentError);
    expect(attempt).not.toThrow(/hunter2/);
    expect(() => openaiEmbedder({ model: " " })).toThrow(InvalidArgumentError);
  });
});
