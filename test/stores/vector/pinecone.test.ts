import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { VectorEntry, VectorQuery, VectorStore } from "../../../src/domain/vector-store.ts";
import { regionOfEnvironment } from "../../../src/stores/pinecone/region.ts";
import { type PineconeVectorStoreOptions, pineconeVectorStore } from "../../../src/stores/vector/pinecone.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { type PineconeServerOptions, pineconeServer } from "../../support/pinecone-server.ts";

vectorStoreSuite(
  "pineconeVectorStore, by contract",
  async () => {
    const server = await pineconeServer({ lagMs: 10 });
    const options = { apiKey: "pinecone-key", controllerUrl: server.controllerUrl };
    return {
      store: pineconeVectorStore(options),
      reopen: () => pineconeVectorStore(options),
      unreachable: () => pineconeVectorStore({ ...options, controllerUrl: "http://127.0.0.1:1" }),
      dispose: () => server.close(),
    };
  },
  {
    except: {
      "takes another space while it holds nothing": "an index has one length for good, and the store never deletes an index",
    },
  },
);

describe("pinecone", () => {
  const apiKey = "pinecone-key";
  const space = { model: "test", dimensions: 2 };

  async function served(serverOptions: PineconeServerOptions = {}, options: Partial<PineconeVectorStoreOptions> = {}) {
    const server = await pineconeServer(serverOptions);
    onTestFinished(() => server.close());
    const make = (more: Partial<PineconeVectorStoreOptions> = {}) =>
      pineconeVectorStore({ apiKey, controllerUrl: server.controllerUrl, maxRetries: 1, timeoutMs: 1_000, ...options, ...more });
    return { server, make, store: make() };
  }

  test("makes a serverless index where it is told to, and waits until it is ready", async () => {
    const { server, store } = await served({ readyMs: 300 }, { index: "agent-memory", environment: "us-west1-gcp" });
    await store.open();
    await store.useSpace(space);
    expect(server.requests.find(({ method, path }) => method === "POST" && path === "/indexes")?.body).toEqual({
      name: "agent-memory",
      vector_type: "dense",
      dimension: 2,
      metric: "cosine",
      spec: { serverless: { cloud: "gcp", region: "us-central1" } },
      deletion_protection: "disabled",
    });
    expect(await store.count(scope("acme"))).toBe(0);
  });

  test("an index that does not get ready is unavailable, not waited for without end", async () => {
    const { store } = await served({ readyMs: 60_000 }, { readyTimeoutMs: 100 });
    await expect(store.useSpace(space)).rejects.toMatchObject({ code: "backend_unavailable", retryable: true });
  });

  test("several processes may make an index at once", async () => {
    const { server, make } = await served();
    await Promise.all([make(), make(), make()].map((store) => store.useSpace(space)));
    expect(server.hostOf("unforget")).toBeDefined();
  });

  test("with a host, nothing is asked of the controller", async () => {
    const { server, make } = await served();
    server.addIndex("mine", 2);
    const store = make({ host: server.hostOf("mine") as string, index: "mine" });
    await store.open();
    await store.useSpace(space);
    expect(await store.health()).toMatchObject({ ok: true });
    expect(server.requests.filter(({ path }) => path.startsWith("/indexes"))).toEqual([]);
  });

  test("an index of another metric is refused, and one of another length names both", async () => {
    const { server, make } = await served();
    server.addIndex("dots", 2, "dotproduct");
    server.addIndex("long", 3);
    await expect(make({ index: "dots" }).useSpace(space)).rejects.toThrow("another metric than cosine");
    await expect(make({ index: "long" }).useSpace(space)).rejects.toMatchObject({ code: "dimension_mismatch", expected: 3, actual: 2 });
  });

  test("two memories share an index by namespaces, with models of their own", async () => {
    const { make } = await served();
    const [one, other] = [make({ namespace: "one" }), make({ namespace: "other" })];
    await one.useSpace(space);
    await other.useSpace({ ...space, model: "another" });
    await one.upsert([entry("acme", "m1")]);
    expect(await one.count(scope("acme"))).toBe(1);
    expect(await other.count(scope("acme"))).toBe(0);
  });

  test("a query waits until it sees the writes of its own process", async () => {
    const { store } = await served({ lagMs: 400 });
    await store.useSpace(space);
    await store.upsert([entry("acme", "m1")]);
    expect(await ask(store)).toHaveLength(1);
    await store.delete({ tenant: "acme", userId: "ada", conversationId: "c", messageIds: ["m1"] });
    expect(await ask(store)).toEqual([]);
  });

  test("a query waits no longer than freshnessMs", async () => {
    const { store } = await served({ lagMs: 60_000 }, { freshnessMs: 200 });
    await store.useSpace(space);
    await store.upsert([entry("acme", "m1")]);
    const started = Date.now();
    expect(await ask(store)).toEqual([]);
    expect(Date.now() - started).toBeLessThan(1_000);
  });

  test("a delete by condition selects what was just written", async () => {
    const { store } = await served({ lagMs: 100 });
    await store.useSpace(space);
    await store.upsert([entry("acme", "m1")]);
    await store.delete({ tenant: "acme", userId: "ada" });
    expect(await ask(store)).toEqual([]);
  });

  test("where an index does not delete by condition, ids are listed by prefix", async () => {
    const { server, store } = await served({ refusesFilteredDeletes: true });
    await store.useSpace(space);
    const entries = Array.from({ length: 250 }, (_, index) => entry("acme", `m${index}`));
    await store.upsert([...entries, { ...entry("acme", "m1"), conversationId: "d" }, { ...entry("acme", "m1"), userId: "ben" }]);
    await store.delete({ tenant: "acme", userId: "ada", conversationId: "c" });
    expect(await ask(store)).toHaveLength(2);
    expect(server.requests.filter(({ path }) => path.startsWith("/vectors/list"))).toHaveLength(3);
    await store.delete({ tenant: "acme", userId: "ada" });
    expect((await ask(store)).map(({ userId }) => userId)).toEqual(["ben"]);
  });

  test("keeps to the size of a request, with vectors of 3,072 numbers", async () => {
    const { server, make } = await served({}, { timeoutMs: 10_000 });
    const store = make();
    await store.useSpace({ model: "test", dimensions: 3_072 });
    const vector = Float32Array.from({ length: 3_072 }, (_, index) => Math.sin(index));
    await store.upsert(Array.from({ length: 150 }, (_, index) => ({ ...entry("acme", `m${index}`), vector })));
    expect(server.requests.filter(({ path }) => path === "/vectors/upsert").length).toBeGreaterThan(2);
    expect(await store.count(scope("acme"))).toBe(150);
  });

  test("metadata with a thousand fields fits and is found; with ten thousand it is an error that says so", async () => {
    const { store } = await served();
    await store.useSpace(space);
    const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`field number ${index}`, index]));
    await store.upsert([{ ...entry("acme", "m1"), metadata: fields(1_000) }]);
    expect(await ask(store, { filter: { "field number 700": 700 } })).toHaveLength(1);
    await expect(store.upsert([{ ...entry("acme", "m2"), metadata: fields(10_000) }])).rejects.toThrow("40 KB");
  });

  test("counts a user beyond the 10,000 matches of a query", async () => {
    const { store } = await served({}, { timeoutMs: 20_000 });
    await store.useSpace(space);
    await store.upsert(Array.from({ length: 10_050 }, (_, index) => entry("acme", `m${index}`)));
    expect(await store.count({ ...scope("acme"), userId: "ada" })).toBe(10_050);
  });

  test.each([
    [401, "backend_denied", false],
    [403, "backend_denied", false],
    [429, "backend_unavailable", true],
    [500, "backend_error", true],
    [503, "backend_unavailable", true],
  ])("HTTP %i is a %s without the key", async (status, code, retryable) => {
    const { server, store } = await served();
    await store.useSpace(space);
    const fault = { path: "/query", fault: { status, body: { error: { message: `no: ${apiKey}` } } } };
    server.faults.push(fault, fault);
    const error: unknown = await ask(store).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, retryable, store: "pinecone" });
    expect(inspect(error, { depth: 10 })).not.toContain(apiKey);
  });

  test("waits as long as a limit of Pinecone's asks for", async () => {
    const { server, store } = await served();
    await store.useSpace(space);
    server.faults.push({ path: "/vectors/upsert", fault: { status: 429, headers: { "retry-after": "1" } } });
    const started = Date.now();
    await store.upsert([entry("acme", "m1")]);
    expect(Date.now() - started).toBeGreaterThanOrEqual(950);
    expect(await ask(store)).toHaveLength(1);
  });

  test("a wrong key is told at open and in health", async () => {
    const { make } = await served();
    const store = make({ apiKey: "a-wrong-key" });
    await expect(store.open()).rejects.toMatchObject({ code: "backend_denied" });
    expect(await store.health()).toMatchObject({ ok: false, problem: expect.stringContaining("check apiKey") });
  });

  test("refuses options that cannot be", () => {
    expect(() => pineconeVectorStore({ apiKey: "" })).toThrow("[vectors.apiKey]");
    expect(() => pineconeVectorStore({ apiKey, index: "Agent_Memory" })).toThrow("[vectors.index]");
    expect(() => pineconeVectorStore({ apiKey, namespace: "a.b" })).toThrow("[vectors.namespace]");
    expect(() => pineconeVectorStore({ apiKey, controllerUrl: "nowhere" })).toThrow("[vectors.controllerUrl]");
  });

  test.each([
    ["us-west1-gcp", "gcp", "us-central1"],
    ["us-west1", "gcp", "us-central1"],
    ["eu-west4-gcp", "gcp", "europe-west4"],
    ["gcp-starter", "gcp", "us-central1"],
    ["us-east-1-aws", "aws", "us-east-1"],
    ["eu-west-1", "aws", "eu-west-1"],
    ["eastus-azure", "azure", "eastus2"],
  ])("the environment %s is %s %s", (environment, cloud, region) => {
    expect(regionOfEnvironment(environment)).toEqual({ cloud, region });
  });
});

const scope = (tenant: string) => ({ tenant, userId: undefined, resourceId: undefined });

function ask(store: VectorStore, changes: Partial<VectorQuery> = {}) {
  const anything = {
    scope: scope("acme"),
    conversationId: undefined,
    roles: undefined,
    since: undefined,
    until: undefined,
    filter: undefined,
  };
  return store.query({ ...anything, vector: Float32Array.of(1, 0), limit: 500, ...changes });
}

function entry(tenant: string, messageId: string): VectorEntry {
  const owner = { tenant, userId: "ada", conversationId: "c", resourceId: "agent" };
  const createdAt = new Date(0);
  return {
    ...owner,
    messageId,
    role: "user",
    seq: 1,
    createdAt,
    importance: null,
    revision: "r",
    metadata: {},
    vector: Float32Array.of(1, 2),
  };
}
