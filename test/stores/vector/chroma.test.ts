import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { chromaVectorStore } from "../../../src/stores/vector/chroma.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { type ScriptedAnswer, scriptedServer } from "../../support/scripted-server.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

describeServer("chroma", "chroma", (url) => {
  vectorStoreSuite(
    "chromaVectorStore",
    async () => {
      const database = `test_${randomUUID()}`;
      const databases = `${url}/api/v2/tenants/default_tenant/databases`;
      const made = await fetch(databases, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: database }),
      });
      if (!made.ok) throw new Error(`no database for the test: HTTP ${made.status}`);
      const proxy = await tcpProxy(url);
      return {
        store: chromaVectorStore({ url: proxy.url, database }),
        restart: () => proxy.restart(),
        reopen: () => chromaVectorStore({ url, database }),
        unreachable: () => chromaVectorStore({ url: "http://127.0.0.1:1" }),
        dispose: async () => {
          await proxy.close();
          await fetch(`${databases}/${database}`, { method: "DELETE" });
        },
      };
    },
    { indexed: true },
  );

  const collections = `${url}/api/v2/tenants/default_tenant/databases/default_database/collections`;

  function named(): string {
    const collection = `test-${randomUUID()}`;
    onTestFinished(async () => {
      const all = (await (await fetch(`${collections}?limit=1000`)).json()) as { name: string }[];
      for (const { name } of all) if (name.startsWith(collection)) await fetch(`${collections}/${name}`, { method: "DELETE" });
    });
    return collection;
  }

  test("a collection for each tenant, none for those who have nothing, and none after everything was deleted", async () => {
    const collection = named();
    const store = chromaVectorStore({ url, collection });
    await store.useSpace({ model: "test", dimensions: 2 });
    const scope = { tenant: "acme", userId: undefined, resourceId: undefined };
    expect(await store.query({ ...anything, scope, vector: Float32Array.of(1, 0), limit: 5 })).toEqual([]);
    const ours = async () => {
      const all = (await (await fetch(`${collections}?limit=1000`)).json()) as { name: string; metadata: Record<string, unknown> }[];
      return all.filter(({ name }) => name.startsWith(collection)).map(({ metadata }) => metadata.tenant);
    };
    expect(await ours()).toEqual([undefined]);
    await store.upsert([entry("acme", "m1", [1, 0]), entry("ac/me", "m1", [1, 0])]);
    expect(new Set(await ours())).toEqual(new Set([undefined, "acme", "ac/me"]));
    await store.delete({ tenant: "acme" });
    expect(new Set(await ours())).toEqual(new Set([undefined, "ac/me"]));
  });

  test("goes on when another process has dropped and made a tenant's collection", async () => {
    const collection = named();
    const [one, other] = [chromaVectorStore({ url, collection }), chromaVectorStore({ url, collection })];
    for (const store of [one, other]) await store.useSpace({ model: "test", dimensions: 2 });
    await one.upsert([entry("acme", "m1", [1, 0])]);
    await other.delete({ tenant: "acme" });
    expect(await one.count({ tenant: "acme", userId: "ada", resourceId: undefined })).toBe(0);
    await other.upsert([entry("acme", "m2", [1, 0])]);
    await one.upsert([entry("acme", "m3", [1, 0])]);
    expect(await one.count({ tenant: "acme", userId: undefined, resourceId: undefined })).toBe(2);
  });

  test("a database that is not there is an error that names it", async () => {
    await expect(chromaVectorStore({ url, database: "nowhere" }).open()).rejects.toThrow('the database "nowhere"');
  });

  test("a collection of another program is not used", async () => {
    const collection = named();
    const body = JSON.stringify({ name: collection, metadata: { theirs: 1 } });
    await fetch(collections, { method: "POST", headers: { "content-type": "application/json" }, body });
    await expect(chromaVectorStore({ url, collection }).useSpace({ model: "test", dimensions: 2 })).rejects.toThrow(
      "made by another program",
    );
  });
});

describe("chroma, by a scripted server", () => {
  const apiKey = "a-secret-api-key";

  async function scripted(...answers: ScriptedAnswer[]) {
    const server = await scriptedServer(...answers);
    onTestFinished(() => server.close());
    const { port } = new URL(server.url);
    return {
      server,
      store: chromaVectorStore({ host: "127.0.0.1", port: Number(port), apiKey, tenant: "a/b", maxRetries: 1, timeoutMs: 500 }),
    };
  }

  test("sends the key to host and port, and encodes names", async () => {
    const { server, store } = await scripted();
    await store.open();
    expect(server.requests).toMatchObject([
      { path: "/api/v2/tenants/a%2Fb/databases/default_database", headers: { "x-chroma-token": apiKey } },
    ]);
  });

  test.each([
    ["a wrong key", [{ status: 403, body: { error: "AuthError", message: `${apiKey} is wrong` } }], "backend_denied"],
    ["a server that is overloaded", [{ status: 429 }, { status: 429 }], "backend_unavailable"],
    ["a server that does not answer", [{ hang: true }], "backend_unavailable"],
    ["a server that fails", [{ status: 500, body: { error: "InternalError", message: apiKey } }], "backend_error"],
  ])("%s is a clear error without the key, and forgotten", async (_, answers, code) => {
    const { store } = await scripted(...(answers as ScriptedAnswer[]));
    const error: unknown = await store.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(inspect(error, { depth: 10 })).not.toContain(apiKey);
    await store.open();
  });

  test("what the graph does not reach is looked up, and ranked with the rest", async () => {
    const record = (message: string) => ({ user: "ada", conversation: "c", message, seq: 1, created_at: 0, revision: "r" });
    const { store } = await scripted(
      { body: { id: "id", name: "unforget", metadata: { "unforget:model": "test", "unforget:dimensions": 2 } } },
      { body: { id: "tenant-id", name: "unforget.x" } },
      { body: { ids: [["1"]], metadatas: [[record("reached")]], distances: [[0.5]] } },
      { body: { ids: ["2", "3"] } },
      {
        body: {
          ids: ["2", "3"],
          metadatas: [record("missed"), record("far")],
          embeddings: [
            [1, 0],
            [0, 1],
          ],
        },
      },
    );
    await store.useSpace({ model: "test", dimensions: 2 });
    const scope = { tenant: "acme", userId: "ada", resourceId: undefined };
    const matches = await store.query({ ...anything, scope, vector: Float32Array.of(2, 0), limit: 2 });
    expect(matches.map(({ messageId, similarity }) => [messageId, similarity])).toEqual([
      ["missed", 1],
      ["reached", 0.5],
    ]);
  });

  test("refuses names that Chroma does not take", () => {
    for (const collection of ["ab", "-abc", "a b c", ""]) expect(() => chromaVectorStore({ collection })).toThrow("[vectors.collection]");
  });
});

const anything = { conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined };

function entry(tenant: string, messageId: string, vector: number[]) {
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
    vector: Float32Array.from(vector),
  };
}
