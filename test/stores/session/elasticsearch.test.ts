import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Client } from "@elastic/elasticsearch";
import { Client as OpenSearchClient } from "@opensearch-project/opensearch";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { SessionStore } from "../../../src/domain/session-store.ts";
import { type ElasticClientLike, elasticsearchSessionStore } from "../../../src/stores/session/elasticsearch.ts";
import { everything, makeFixture, message } from "../../../src/testing/session-store/fixture.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";

interface LentClient extends ElasticClientLike {
  ping(): PromiseLike<unknown>;
  close(): PromiseLike<unknown>;
}

/** Nobody listens on it. */
async function deadHost(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

test("official clients are lent clients", () => {
  expectTypeOf<Client>().toExtend<ElasticClientLike>();
  expectTypeOf<OpenSearchClient>().toExtend<ElasticClientLike>();
});

test.each([
  [{ indexPrefix: "Upper" }, "indexPrefix"],
  [{ indexPrefix: "a,b" }, "indexPrefix"],
  [{ hosts: [] }, "hosts"],
  [{ hosts: ["localhost:9200"] }, "hosts"],
  [{ hosts: ["http://a"], client: { transport: { request: async () => ({}) } } }, "client"],
])("%j is refused by name", (options, field) => {
  expect(() => elasticsearchSessionStore(options)).toThrow(expect.objectContaining({ code: "invalid_argument", field }));
});

describeServer("elasticsearch", "elasticsearch", (url) => {
  const place = () => {
    const indexPrefix = `test-${randomUUID()}`;
    const make = () => elasticsearchSessionStore({ hosts: [url], indexPrefix });
    return {
      indexPrefix,
      store: make(),
      reopen: async () => make(),
      async cleanup() {
        const names = ["conversations", "messages", "outbox"].map((name) => `${indexPrefix}-${name}`);
        const answer = await fetch(`${url}/${names.join(",")}?ignore_unavailable=true`, { method: "DELETE" });
        expect(answer.status).toBe(200);
      },
    };
  };

  sessionStoreSuite("elasticsearch", async () => place(), {
    unreachable: () => elasticsearchSessionStore({ hosts: ["http://127.0.0.1:59321"], timeoutMs: 2_000 }),
  });

  describe("what is its own", () => {
    const fixtureOf = (store: SessionStore) => makeFixture({ store }, 0, async () => ({ store })).fixture;

    /** A client that stops answering some requests, as if the process died before it sent them. */
    function dyingClient(dies: (lines: string) => boolean) {
      const sent: string[] = [];
      const client: ElasticClientLike = {
        transport: {
          async request({ method, path, querystring = {}, body, bulkBody }) {
            const query = new URLSearchParams(
              Object.fromEntries(Object.entries(querystring).map(([name, value]) => [name, String(value)])),
            );
            sent.push(`${method} ${path}`);
            if (bulkBody !== undefined && dies(bulkBody)) throw new Error("died");
            const content = bulkBody ?? (body === undefined ? null : JSON.stringify(body));
            const type = bulkBody === undefined ? "application/json" : "application/x-ndjson";
            const answer = await fetch(`${url}${path}?${query}`, {
              method,
              body: content,
              headers: content === null ? {} : { "content-type": type },
            });
            const text = await answer.text();
            return { statusCode: answer.status, body: text === "" ? undefined : JSON.parse(text) };
          },
        },
      };
      return { client, sent };
    }

    test.each([
      ["@elastic/elasticsearch", (): LentClient => new Client({ node: url })],
      ["@opensearch-project/opensearch", (): LentClient => new OpenSearchClient({ node: url })],
    ])("a lent client of %s serves, and stays open", async (_, make) => {
      const { indexPrefix, cleanup } = place();
      const client = make();
      const store = elasticsearchSessionStore({ client, indexPrefix });
      const fixture = fixtureOf(store);
      await fixture.add("c", [message("a", "zebra"), message("b", "giraffe")]);
      expect(await fixture.seqs("c")).toHaveLength(2);
      expect((await fixture.search("zebra")).map(({ messageId }) => messageId)).toEqual(["a"]);
      expect(await store.getConversation(fixture.scope(), "unknown")).toBeUndefined();
      expect(await store.health()).toMatchObject({ ok: true });
      await store.close();
      expect(await client.ping()).toBeTruthy();
      await client.close();
      await cleanup();
    });

    test("lists take one round trip and no refresh, also right after a write", async () => {
      const { indexPrefix, cleanup } = place();
      const { client, sent } = dyingClient(() => false);
      const store = elasticsearchSessionStore({ client, indexPrefix });
      const fixture = fixtureOf(store);
      for (let index = 0; index < 40; index++) await fixture.add("c", [message(`${index}`, `${index}`), message(`${index}b`, `${index}`)]);
      expect(sent.filter((path) => path.includes("_refresh")).length).toBeLessThanOrEqual(2);
      await fixture.list("c", { limit: 20 });
      sent.length = 0;
      await fixture.add("c", [message("new", "new")]);
      expect(sent).toEqual(["POST /_mget", "POST /_bulk", "POST /_bulk"]);
      sent.length = 0;
      expect((await fixture.list("c", { limit: 20 })).items.at(-1)?.id).toBe("new");
      // Both at once: the newest by id, the others by search.
      expect(sent.sort()).toEqual(["POST /_mget", `POST /${indexPrefix}-messages/_search`]);
      await store.close();
      await cleanup();
    });

    test("a process that dies after its commit loses nothing: it is read at once, and found when the next one has opened", async () => {
      const { indexPrefix, store: other, cleanup } = place();
      const { client } = dyingClient((lines) => lines.includes(`"_index":"${indexPrefix}-messages"`));
      const dying = elasticsearchSessionStore({ client, indexPrefix });
      const { tenant, ...fixture } = fixtureOf(dying);
      const scope = fixture.scope();
      await dying.outbox?.adopt("space");
      const [stored] = await fixture.add("c", [message("a", "zebra")]);
      await dying.close();
      expect((await other.listMessages(scope, "c", everything))?.items).toEqual([stored]);
      expect(await other.getMessage(scope, "c", "a")).toEqual(stored);
      await other.close();
      await fetch(`${url}/${indexPrefix}-conversations/_refresh`, { method: "POST" });
      // As if it had died a minute ago.
      const found = await (await fetch(`${url}/${indexPrefix}-conversations/_search`)).json();
      const { _id, _source } = (found as { hits: { hits: { _id: string; _source: { written_at: number } }[] } }).hits.hits[0]!;
      const document = { ..._source, written_at: _source.written_at - 60_000 };
      const headers = { "content-type": "application/json" };
      await fetch(`${url}/${indexPrefix}-conversations/_doc/${_id}?refresh=true`, {
        method: "PUT",
        headers,
        body: JSON.stringify(document),
      });
      const next = elasticsearchSessionStore({ hosts: [url], indexPrefix });
      await next.open();
      const any = {
        conversationId: undefined,
        roles: undefined,
        since: undefined,
        until: undefined,
        filter: undefined,
        language: undefined,
      };
      await expect
        .poll(
          async () => (await next.searchText?.({ ...any, scope, words: "zebra", limit: 10 }))?.matches.map(({ messageId }) => messageId),
          { timeout: 20_000 },
        )
        .toEqual(["a"]);
      const [item] = (await next.outbox?.lease(10, 1_000, { kinds: ["embed"], failed: false })) ?? [];
      expect(item).toMatchObject({ kind: "embed", tenant, conversationId: "c", message: { message: stored } });
      expect((await next.listMessages(scope, "c", everything))?.items).toEqual([stored]);
      await next.close();
      await cleanup();
    });

    test("two processes that write to one conversation at once lose and reorder nothing", async () => {
      const { store, reopen, cleanup } = place();
      const other = await reopen();
      const fixture = fixtureOf(store);
      const write = (one: SessionStore, name: string) =>
        Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            one.append([fixture.request("c", [message(`${name}${index}`, "x"), message(`${name}${index}b`, "x")])]),
          ),
        );
      const answers = [...(await Promise.all([write(store, "a"), write(other, "b")]))]
        .flat()
        .map(([answer]) => answer?.map(({ seq }) => seq) ?? []);
      expect(new Set(answers.flat()).size).toBe(80);
      expect(answers.every(([first, second]) => first! + 1 === second)).toBe(true);
      expect(await fixture.seqs("c")).toEqual(answers.flat().sort((left, right) => left - right));
      await Promise.all([store.close(), other.close()]);
      await cleanup();
    });

    test("a host that is away hands its turn to the next", async () => {
      const { indexPrefix, cleanup } = place();
      const store = elasticsearchSessionStore({ hosts: [await deadHost(), url], indexPrefix });
      const fixture = fixtureOf(store);
      await fixture.add("c", [message("a", "one")]);
      for (let round = 0; round < 4; round++) expect(await fixture.seqs("c")).toHaveLength(1);
      await store.close();
      await cleanup();
    });
  });

  test("nothing but its own indexes is written", async () => {
    const { store, indexPrefix, cleanup } = place();
    await store.open();
    const names = Object.keys((await (await fetch(`${url}/${indexPrefix}*`)).json()) as object);
    expect(names.sort()).toEqual(["conversations", "messages", "outbox"].map((name) => `${indexPrefix}-${name}`));
    await store.close();
    await cleanup();
  });
});
