import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { qdrantVectorStore } from "../../../src/stores/vector/qdrant.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { type ScriptedAnswer, scriptedServer } from "../../support/scripted-server.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

describeServer("qdrant", "qdrant", (url) => {
  vectorStoreSuite(
    "qdrantVectorStore",
    async () => {
      const collection = `test ${randomUUID()}`;
      const proxy = await tcpProxy(url);
      return {
        store: qdrantVectorStore({ url: proxy.url, collection }),
        restart: () => proxy.restart(),
        reopen: () => qdrantVectorStore({ url, collection }),
        unreachable: () => qdrantVectorStore({ url: "http://127.0.0.1:1" }),
        dispose: async () => {
          await proxy.close();
          await fetch(`${url}/collections/${encodeURIComponent(collection)}`, { method: "DELETE" });
        },
      };
    },
    { indexed: true },
  );

  const path = (collection: string) => `${url}/collections/${encodeURIComponent(collection)}`;

  function named(): string {
    const collection = `test ${randomUUID()}`;
    onTestFinished(async () => void (await fetch(path(collection), { method: "DELETE" })));
    return collection;
  }

  test("a collection has cosine distance, and an index for every field a query asks for", async () => {
    const collection = named();
    const store = qdrantVectorStore({ url, collection });
    await store.open();
    await store.useSpace({ model: "test", dimensions: 4 });
    const { result } = (await (await fetch(path(collection))).json()) as {
      result: { config: { params: { vectors: object } }; payload_schema: Record<string, { data_type: string }> };
    };
    expect(result.config.params.vectors).toMatchObject({ size: 4, distance: "Cosine" });
    expect(Object.fromEntries(Object.entries(result.payload_schema).map(([field, { data_type }]) => [field, data_type]))).toEqual({
      tenant: "keyword",
      user: "keyword",
      resource: "keyword",
      conversation: "keyword",
      role: "keyword",
      metadata: "keyword",
      created_at: "integer",
    });
  });

  test("several processes may make a collection at once", async () => {
    const collection = named();
    const stores = Array.from({ length: 4 }, () => qdrantVectorStore({ url, collection }));
    await Promise.all(stores.map((store) => store.useSpace({ model: "test", dimensions: 4 })));
    expect(await stores[0]?.count({ tenant: "acme", userId: undefined, resourceId: undefined })).toBe(0);
  });

  test("a collection of another program stays as it is", async () => {
    const collection = named();
    const vectors = { size: 4, distance: "Dot" };
    await fetch(path(collection), { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ vectors }) });
    const store = qdrantVectorStore({ url, collection });
    await expect(store.useSpace({ model: "test", dimensions: 4 })).rejects.toThrow("made by another program");
    const { result } = (await (await fetch(path(collection))).json()) as { result: { points_count: number; payload_schema: object } };
    expect(result).toMatchObject({ points_count: 0, payload_schema: {} });
  });

  test("compares with everything when exact is asked for", async () => {
    const collection = named();
    const store = qdrantVectorStore({ url, collection, exact: true });
    await store.useSpace({ model: "test", dimensions: 2 });
    await store.upsert([entry("m1", [1, 0]), entry("m2", [0, 1])]);
    const scope = { tenant: "acme", userId: undefined, resourceId: undefined };
    const matches = await store.query({ ...anything, scope, vector: Float32Array.of(3, 1), limit: 5 });
    expect(matches.map(({ messageId }) => messageId)).toEqual(["m1", "m2"]);
  });
});

describe("qdrant, by a scripted server", () => {
  const apiKey = "a-secret-api-key";

  async function scripted(...answers: ScriptedAnswer[]) {
    const server = await scriptedServer(...answers);
    onTestFinished(() => server.close());
    return { server, store: qdrantVectorStore({ url: server.url, apiKey, collection: "a/b ?", maxRetries: 1, timeoutMs: 500 }) };
  }

  test("sends the key, and encodes the collection's name", async () => {
    const { server, store } = await scripted({ body: { version: "1.15.0" } });
    await store.open();
    expect(server.requests).toMatchObject([
      { path: "/", headers: { "api-key": apiKey } },
      { path: "/collections/a%2Fb%20%3F", headers: { "api-key": apiKey } },
    ]);
  });

  test.each([
    ["a wrong key", [{ body: { version: "1.15.0" } }, { status: 401, body: `key ${apiKey} is wrong` }], "backend_denied"],
    ["a server without the interface", [{ body: { version: "1.9.2" } }], "backend_outdated"],
    ["a server that is overloaded", [{ status: 503 }, { status: 503 }], "backend_unavailable"],
    ["a server that does not answer", [{ hang: true }], "backend_unavailable"],
  ])("%s is a clear error without the key, and forgotten", async (_, answers, code) => {
    const { store } = await scripted(...(answers as ScriptedAnswer[]));
    const error: unknown = await store.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(inspect(error, { depth: 10 })).not.toContain(apiKey);
    await store.open();
  });

  test.each([
    ["https://xyz.eu-central.aws.cloud.qdrant.io", "https://xyz.eu-central.aws.cloud.qdrant.io:6333/"],
    ["https://xyz.cloud.qdrant.io:8443", "https://xyz.cloud.qdrant.io:8443/"],
    ["https://qdrant.example.com/here/", "https://qdrant.example.com/here/"],
  ])("asks at %s", async (url, expected) => {
    const asked: string[] = [];
    const mine: typeof fetch = async (input) => {
      asked.push(String(input));
      return Response.json({ version: "1.15.0" });
    };
    await qdrantVectorStore({ url, fetch: mine }).open();
    expect(asked[0]).toBe(expected);
  });

  test("health tells what is wrong", async () => {
    const { store } = await scripted({ body: { version: "1.15.0" } }, { status: 403 });
    expect(await store.health()).toMatchObject({ ok: false, problem: expect.stringContaining("check apiKey") });
    expect(await store.health()).toMatchObject({ ok: true });
  });

  test("connects to nothing before it is opened, and refuses options that cannot be", async () => {
    const { server } = await scripted();
    expect(server.requests).toEqual([]);
    expect(() => qdrantVectorStore({ url: "localhost" })).toThrow("[vectors.url]");
    expect(() => qdrantVectorStore({ collection: "" })).toThrow("[vectors.collection]");
  });
});

const anything = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined };

function entry(messageId: string, vector: number[]) {
  const createdAt = new Date(0);
  const owner = { tenant: "acme", userId: "ada", conversationId: "c", resourceId: "agent" };
  return {
    ...owner,
    messageId,
    role: "user",
    seq: 1,
    createdAt,
    importance: null,
    revision: "r",
    metadata: {},
    vector: Float32Array.from(vector),
  };
}
