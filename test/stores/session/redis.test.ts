import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { createClient, createCluster } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { type RedisSessionStoreOptions, redisSessionStore } from "../../../src/stores/session/redis.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

/** Every key of a prefix, on one server. */
async function keysOf(url: string, prefix: string): Promise<string[]> {
  const client = await createClient({ url, RESP: 2 }).connect();
  try {
    return (await client.sendCommand(["KEYS", `${prefix}*`])) as unknown as string[];
  } finally {
    client.destroy();
  }
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const client = await createClient({ url, RESP: 2 }).connect();
  const keys = (await client.sendCommand(["KEYS", `${prefix}*`])) as unknown as string[];
  for (const key of keys) await client.sendCommand(["DEL", key]);
  client.destroy();
}

const newPrefix = () => `test:${randomUUID()}:`;

describeServer("redis", "on one server", (url) => {
  sessionStoreSuite(
    "redis",
    async () => {
      const keyPrefix = newPrefix();
      const proxy = await tcpProxy(url.replace("redis:", "http:"));
      const address = proxy.url.replace("http:", "redis:");
      return {
        store: redisSessionStore({ url: address, keyPrefix, connectTimeoutMs: 5_000 }),
        reopen: async () => redisSessionStore({ url, keyPrefix }),
        restart: () => proxy.restart(),
        async cleanup() {
          await proxy.close();
          await removeKeys(url, keyPrefix);
        },
      };
    },
    { unreachable: () => redisSessionStore({ url: "redis://127.0.0.1:1", connectTimeoutMs: 500 }) },
  );

  sessionStoreSuite("redis, over a lent client", async () => {
    const keyPrefix = newPrefix();
    const client = await createClient({ url }).connect();
    return {
      store: redisSessionStore({ client, keyPrefix, ttlSeconds: 600 }),
      reopen: async () => redisSessionStore({ url, keyPrefix, ttlSeconds: 600 }),
      lentClientWorks: async () => (await client.ping()) === "PONG",
      async cleanup() {
        client.destroy();
        await removeKeys(url, keyPrefix);
      },
    };
  });

  test("a refused login is told at once, and no address with its password in it", async () => {
    const secret = "a-secret-password";
    const store = redisSessionStore({ url: url.replace("redis://", `redis://nobody:${secret}@`) });
    onTestFinished(() => store.close());
    const error: unknown = await store.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "backend_denied" });
    expect(inspect(error, { depth: 10 })).not.toContain(secret);
    for (const wrong of [`redis://u:${secret}@localhost:port`, `http://u:${secret}@localhost`, "localhost:6379"])
      expect(() => redisSessionStore({ url: wrong })).toThrow(/^\[sessions.url\] is no address of Redis: [^@]*$/);
    expect(() => redisSessionStore({ url: [] })).toThrow("[sessions.url]");
  });

  describe("ttlSeconds", () => {
    function open(options: RedisSessionStoreOptions) {
      const keyPrefix = newPrefix();
      const store = redisSessionStore({ url, keyPrefix, ...options });
      onTestFinished(async () => {
        await store.close();
        await removeKeys(url, keyPrefix);
      });
      return { store, keyPrefix };
    }
    const scope = { tenant: "t", userId: "u", resourceId: undefined };
    const request = (id: string, text: string) => ({
      tenant: "t",
      userId: "u",
      conversationId: id,
      requiredResourceId: undefined,
      createConversation: true,
      create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
      messages: [
        {
          id: randomUUID(),
          role: "user",
          name: null,
          text,
          partsJson: "[]",
          metadataJson: "{}",
          type: "text" as const,
          toolIds: ["call:1"],
          createdAt: new Date(),
          importance: null,
          embedding: null,
        },
      ],
    });

    test("covers every key of a conversation", async () => {
      const { store, keyPrefix } = open({ ttlSeconds: 100 });
      await store.outbox.adopt("space");
      await store.append([request("c", "hello")]);
      const client = await createClient({ url, RESP: 2 }).connect();
      onTestFinished(() => client.destroy());
      const own = (await keysOf(url, keyPrefix)).filter(
        (key) => /(conversation|messages|meta|order|ids|tools|due|work)$/.test(key) && key.includes("{"),
      );
      expect(own).toHaveLength(8);
      for (const key of own) expect(Number(await client.sendCommand(["PTTL", key])), key).toBeGreaterThan(90_000);
    });

    test("slides: what is read or written lives on, what is not goes, and its listings are repaired", async () => {
      const { store, keyPrefix } = open({ ttlSeconds: 0.6 });
      await store.append([request("read", "a"), request("left", "b")]);
      for (let step = 0; step < 4; step++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        expect(await store.getConversation(scope, "read")).toBeDefined();
      }
      expect(await store.getConversation(scope, "left")).toBeUndefined();
      const query = { orderBy: "updatedAt", direction: "desc", limit: 10, cursor: undefined, offset: 0 } as const;
      expect((await store.listConversations(scope, query)).items.map(({ id }) => id)).toEqual(["read"]);
      expect(await store.countConversations({ ...scope, userId: undefined })).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect((await store.listConversations(scope, { ...query, orderBy: "title" })).items).toEqual([]);
      expect(await store.countConversations({ ...scope, userId: undefined })).toBe(0);
      // Only the names of tenants are left, and nothing of a conversation.
      expect((await keysOf(url, keyPrefix)).filter((key) => !key.endsWith("tenants"))).toEqual([]);
    });

    test("must be above 0", () => {
      expect(() => redisSessionStore({ ttlSeconds: 0 })).toThrow("ttlSeconds");
    });
  });
});

describeServer("rediscluster", "on a cluster of three nodes", (url) => {
  sessionStoreSuite("redis cluster", async () => {
    const keyPrefix = newPrefix();
    return {
      store: redisSessionStore({ url, cluster: true, keyPrefix }),
      reopen: async () => redisSessionStore({ url, cluster: true, keyPrefix }),
      async cleanup() {
        const cluster = createCluster({ rootNodes: [{ url }] });
        await cluster.connect();
        for (const node of cluster.masters) await removeKeys(`redis://${node.host}:${node.port}`, keyPrefix);
        cluster.destroy();
      },
    };
  });

  test("a cluster is noticed when nothing says so", async () => {
    const store = redisSessionStore({ url, keyPrefix: newPrefix() });
    onTestFinished(() => store.close());
    expect(await store.getConversation({ tenant: "t", userId: "u", resourceId: undefined }, "c")).toBeUndefined();
    expect(await store.health()).toMatchObject({ ok: true, versions: { redis: expect.stringMatching(/^\d/) } });
  });
});
