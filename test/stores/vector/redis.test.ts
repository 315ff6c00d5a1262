import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { createClient, createCluster } from "redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { VectorEntry } from "../../../src/domain/vector-store.ts";
import { type RedisVectorStoreOptions, redisVectorStore } from "../../../src/stores/vector/redis.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

describeServer("redis", "redis, vector sets", (url) => {
  const server = serverOf(url);
  suiteOver("redisVectorStore, vector sets", url, server, {});

  test("vectors of a user share a slot, and a delete leaves no key but the note", async () => {
    const keyPrefix = server.prefix();
    const store = redisVectorStore({ url, keyPrefix });
    onTestFinished(() => store.close());
    await store.useSpace(space);
    await store.upsert([entry("m1"), entry("m2"), entry("m1", { userId: "ben" })]);
    const keys = await server.keys(keyPrefix);
    const tags = keys.flatMap((key) => /\{(.+)\}:(set|names)$/.exec(key)?.[1] ?? []);
    expect([keys.length, new Set(tags).size]).toEqual([6, 2]);
    await store.delete({ tenant: "acme" });
    expect(await server.keys(keyPrefix)).toEqual([`${keyPrefix}vectors:space`]);
  });

  test("does not offer the query engine", async () => {
    const store = redisVectorStore({ url, using: "query-engine" });
    onTestFinished(() => store.close());
    await expect(store.open()).rejects.toMatchObject({ code: "backend_outdated" });
  });

  test("an address with a secret that is refused is not told", async () => {
    const secret = "a-secret-password";
    const store = redisVectorStore({ url: url.replace("redis://", `redis://nobody:${secret}@`) });
    onTestFinished(() => store.close());
    const error: unknown = await store.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "backend_denied" });
    expect(inspect(error, { depth: 10 })).not.toContain(secret);
    expect(() => redisVectorStore({ url: `http://x:${secret}@localhost` })).toThrow("[vectors.url]");
  });

  test("a process of an older model writes nothing into the space of a newer one", async () => {
    const keyPrefix = server.prefix();
    const [older, newer] = [redisVectorStore({ url, keyPrefix }), redisVectorStore({ url, keyPrefix })];
    onTestFinished(async () => void (await Promise.all([older.close(), newer.close()])));
    await older.useSpace(space);
    await newer.useSpace({ ...space, model: "newer" });
    await expect(older.upsert([entry("m1")])).rejects.toMatchObject({ code: "dimension_mismatch" });
    expect(await newer.count(everybody)).toBe(0);
  });

  test("works over a client of the newer and of the older protocol", async () => {
    for (const RESP of [2, 3] as const) await expectAllCalls(await server.client(RESP), server.prefix());
  });

  test("finds the nearest of many users and of many of one, the graph's too", async () => {
    const store = redisVectorStore({ url, keyPrefix: server.prefix(), scanUpTo: 2_000 });
    onTestFinished(() => store.close());
    await store.useSpace({ model: "test", dimensions: 8 });
    const random = seeded();
    const vector = () => Float32Array.from({ length: 8 }, () => random() - 0.5);
    const many = Array.from({ length: 12_000 }, (_, index) =>
      entry(`m${index}`, { vector: vector(), metadata: { part: index % 10, rare: index % 1_000 } }),
    );
    const users = Array.from({ length: 250 }, (_, index) => entry("m", { tenant: "wide", userId: `u${index}`, vector: vector() }));
    await store.upsert([...many, ...users]);
    let found = 0;
    for (const [entries, filter] of [[many], [many, { part: 3 }], [many, { rare: 7 }], [users]] as const) {
      const query = vector();
      const { tenant } = entries[0] as VectorEntry;
      const matches = await store.query({ ...anything, scope: { ...everybody, tenant }, filter, vector: query, limit: 10 });
      const wanted = entries.filter(({ metadata }) => Object.entries(filter ?? {}).every(([field, value]) => metadata[field] === value));
      const nearest = wanted.toSorted((left, right) => cosine(right.vector, query) - cosine(left.vector, query)).slice(0, 10);
      const names = new Set(nearest.map(({ userId, messageId }) => `${userId} ${messageId}`));
      found += matches.filter(({ userId, messageId }) => names.has(`${userId} ${messageId}`)).length;
    }
    expect(found).toBeGreaterThanOrEqual(39);
    expect(await store.count(everybody)).toBe(12_000);
  }, 120_000);
});

describeServer("redisearch", "redis, query engine", (url) => {
  const server = serverOf(url);
  suiteOver("redisVectorStore, query engine, graph", url, server, {});
  suiteOver("redisVectorStore, query engine, list", url, server, { index: "flat" });
  suiteOver("redisVectorStore, vector sets beside the query engine", url, server, { using: "vector-sets" });

  test("works over a client of the newer and of the older protocol", async () => {
    for (const RESP of [2, 3] as const) await expectAllCalls(await server.client(RESP), server.prefix());
  });

  test("goes on with the sets that hold vectors already, and refuses to hide them", async () => {
    const keyPrefix = server.prefix();
    const sets = redisVectorStore({ url, keyPrefix, using: "vector-sets" });
    const either = redisVectorStore({ url, keyPrefix });
    const engine = redisVectorStore({ url, keyPrefix, using: "query-engine" });
    onTestFinished(async () => void (await Promise.all([sets.close(), either.close(), engine.close()])));
    await sets.useSpace(space);
    await sets.upsert([entry("m1")]);
    await either.useSpace(space);
    expect(await either.count(everybody)).toBe(1);
    await expect(engine.useSpace(space)).rejects.toThrow('kept by "vector-sets"');
  });

  test("makes its index again when somebody dropped it, and finds what is there", async () => {
    const keyPrefix = server.prefix();
    const store = redisVectorStore({ url, keyPrefix });
    onTestFinished(() => store.close());
    await store.useSpace(space);
    await store.upsert([entry("m1"), entry("m2")]);
    await (await server.client(2)).sendCommand(["FT.DROPINDEX", `${keyPrefix}vectors:index`]);
    await store.useSpace(space);
    expect(await store.count(everybody)).toBe(2);
  });

  test("finds the nearest of a scope that is too large to scan", async () => {
    const store = redisVectorStore({ url, keyPrefix: server.prefix(), scanUpTo: 1_000 });
    onTestFinished(() => store.close());
    await store.useSpace({ model: "test", dimensions: 8 });
    const random = seeded();
    const vector = () => Float32Array.from({ length: 8 }, () => random() - 0.5);
    const many = Array.from({ length: 4_000 }, (_, index) => entry(`m${index}`, { vector: vector() }));
    await store.upsert([...many, ...many.map((one) => ({ ...one, tenant: "other" }))]);
    const query = vector();
    const matches = await store.query({ ...anything, scope: everybody, vector: query, limit: 10 });
    const nearest = many.toSorted((left, right) => cosine(right.vector, query) - cosine(left.vector, query)).slice(0, 10);
    const names = new Set(nearest.map(({ messageId }) => messageId));
    expect(matches.filter(({ messageId }) => names.has(messageId)).length).toBeGreaterThanOrEqual(9);
  }, 120_000);
});

describeServer("rediscluster", "redis, cluster", (url) => {
  const prefixes: string[] = [];
  const cluster = createCluster({ rootNodes: [{ url }], RESP: 2 });
  cluster.on("error", () => {});
  beforeAll(async () => void (await cluster.connect()));
  afterAll(async () => {
    for (const { client } of cluster.masters) {
      const node = await client;
      for (const prefix of prefixes) for (const key of await keysOf(node, prefix)) await node?.sendCommand(["DEL", key]);
    }
    await cluster.close();
  });

  vectorStoreSuite(
    "redisVectorStore, cluster",
    () => {
      const keyPrefix = `test ${randomUUID()}:`;
      prefixes.push(keyPrefix);
      return {
        store: redisVectorStore({ url, keyPrefix }),
        reopen: () => redisVectorStore({ url: [url], cluster: true, keyPrefix }),
        lend: () => ({
          store: redisVectorStore({ client: cluster, keyPrefix }),
          use: () => cluster.get("some key"),
          end: async () => {},
        }),
        unreachable: () => redisVectorStore({ url: "redis://127.0.0.1:1", cluster: true }),
      };
    },
    { indexed: true },
  );
});

describe("redis, without a server", () => {
  test("connects to nothing before it is opened, and refuses options that cannot be", async () => {
    const store = redisVectorStore({ url: "redis://127.0.0.1:1" });
    await store.close();
    expect(() => redisVectorStore({ url: "localhost" })).toThrow("[vectors.url]");
    expect(() => redisVectorStore({ url: [] })).toThrow("[vectors.url]");
  });
});

// Servers -------------------------------------------------------------------------------------------------------------

type Sender = { sendCommand(words: string[]): Promise<unknown> };

async function keysOf(client: Sender | undefined, prefix: string): Promise<string[]> {
  const keys = (await client?.sendCommand(["KEYS", `${prefix.replace(/[*?[\]\\^]/g, "\\$&")}*`])) as string[];
  return keys.sort();
}

/** Prefixes of a server's own that are emptied after the tests. */
function serverOf(url: string) {
  const admin = createClient({ url, RESP: 2 });
  admin.on("error", () => {});
  beforeAll(async () => void (await admin.connect()));
  afterAll(() => admin.close());
  const remove = async (prefix: string) => {
    await admin.sendCommand(["FT.DROPINDEX", `${prefix}vectors:index`]).catch(() => {});
    for (const key of await keysOf(admin, prefix)) await admin.sendCommand(["DEL", key]);
  };
  return {
    remove,
    keys: (prefix: string) => keysOf(admin, prefix),
    prefix(): string {
      const prefix = `test ${randomUUID()}:`;
      onTestFinished(() => remove(prefix));
      return prefix;
    },
    async client(RESP: 2 | 3) {
      const client = createClient({ url, RESP });
      client.on("error", () => {});
      await client.connect();
      onTestFinished(() => client.destroy());
      return client;
    },
  };
}

function suiteOver(name: string, url: string, server: ReturnType<typeof serverOf>, options: RedisVectorStoreOptions): void {
  vectorStoreSuite(
    name,
    async () => {
      const keyPrefix = `test ${randomUUID()}:`;
      const proxy = await tcpProxy(url);
      return {
        store: redisVectorStore({ url: proxy.url, keyPrefix, ...options }),
        restart: () => proxy.restart(),
        reopen: () => redisVectorStore({ url, keyPrefix, ...options }),
        lend: async () => {
          const client = createClient({ url });
          client.on("error", () => {});
          await client.connect();
          const store = redisVectorStore({ client, keyPrefix, ...options });
          return { store, use: () => client.ping(), end: () => client.close() };
        },
        unreachable: () => redisVectorStore({ url: "redis://127.0.0.1:1" }),
        dispose: async () => {
          await proxy.close();
          await server.remove(keyPrefix);
        },
      };
    },
    { indexed: options.index !== "flat" },
  );
}

async function expectAllCalls(client: { sendCommand(...args: never[]): Promise<unknown> }, keyPrefix: string): Promise<void> {
  const store = redisVectorStore({ client, keyPrefix });
  await store.useSpace(space);
  await store.upsert([entry("m1", { metadata: { kind: "a" } }), entry("m2", { vector: Float32Array.of(0, 1, 0, 0) })]);
  const question = { ...anything, scope: everybody, vector: Float32Array.of(3, 1, 0, 0), limit: 5 };
  const matches = await store.query(question);
  expect(matches.map(({ messageId }) => messageId)).toEqual(["m1", "m2"]);
  expect(matches[0]?.similarity).toBeCloseTo(3 / Math.sqrt(10), 5);
  expect(await store.query({ ...question, filter: { kind: "a" } })).toHaveLength(1);
  expect(await store.count({ ...everybody, resourceId: "agent" })).toBe(2);
  await store.delete({ tenant: "acme", userId: "ada", conversationId: "c" });
  expect(await store.count(everybody)).toBe(0);
  await store.close();
}

// Data ----------------------------------------------------------------------------------------------------------------

const space = { model: "test", dimensions: 4 };
const everybody = { tenant: "acme", userId: undefined, resourceId: undefined };
const anything = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined };

function entry(messageId: string, changes: Partial<VectorEntry> = {}): VectorEntry {
  return {
    tenant: "acme",
    userId: "ada",
    conversationId: "c",
    resourceId: "agent",
    messageId,
    role: "user",
    seq: 1,
    createdAt: new Date(0),
    importance: null,
    revision: "r",
    metadata: {},
    vector: Float32Array.of(1, 0, 0, 0),
    ...changes,
  };
}

function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function cosine(left: Float32Array, right: Float32Array): number {
  const dot = (one: Float32Array, other: Float32Array) => one.reduce((sum, value, index) => sum + value * (other[index] as number), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}
