import { randomUUID } from "node:crypto";
import { createClient, createCluster } from "redis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { StoreScope } from "../../../src/domain/scope.ts";
import type { AppendRequest } from "../../../src/domain/session-store.ts";
import { listingKeys } from "../../../src/stores/redis/session-keys.ts";
import { redisSessionStore } from "../../../src/stores/session/redis.ts";
import { describeServer } from "../../support/servers.ts";

type Command = (key: string, ...words: string[]) => Promise<unknown>;

for (const name of ["redis", "rediscluster"] as const)
  describeServer(name, `listings of ${name}`, (url) => {
    const isCluster = name === "rediscluster";

    /** A store over a client whose commands are counted. */
    async function open(options: { readonly ttlSeconds?: number } = {}) {
      const keyPrefix = `test:${randomUUID()}:`;
      const single = isCluster ? undefined : createClient({ url, RESP: 2 });
      const cluster = isCluster ? createCluster({ rootNodes: [{ url }], RESP: 2 }) : undefined;
      const client = (single ?? cluster) as NonNullable<typeof single | typeof cluster>;
      await client.connect();
      const sent = vi.spyOn(client, "sendCommand");
      const store = redisSessionStore({ client, keyPrefix, ...options });
      const run: Command = (key, ...words) =>
        single !== undefined
          ? (single.sendCommand(words) as unknown as Promise<unknown>)
          : (cluster?.sendCommand(key, false, words) as unknown as Promise<unknown>);
      onTestFinished(async () => {
        await store.erase(everybody, { compact: false });
        client.destroy();
      });
      return { store, run, keyPrefix, sent };
    }

    test("an append leaves a conversation its one place by title", async () => {
      const { store } = await open();
      await store.createConversation({ ...owner, id: "c", resourceId: "r", title: "Plans", metadataJson: "{}", language: undefined });
      await store.append([request("c")]);
      expect((await store.listConversations(ada, byTitle)).items.map(({ title }) => title)).toEqual(["Plans"]);
      await store.updateConversation(ada, "c", { title: "Bills" });
      await store.append([request("c")]);
      expect((await store.listConversations(ada, byTitle)).items.map(({ title }) => title)).toEqual(["Bills"]);
      expect((await store.listConversations(everybody, byTitle)).items).toHaveLength(1);
    });

    test("a delete takes as many commands among thousands of conversations as among few", async () => {
      const { store, sent } = await open();
      const ids = Array.from({ length: 3_000 }, (_, index) => `c${index}`);
      for (let start = 0; start < ids.length; start += 500) await store.append(ids.slice(start, start + 500).map((id) => request(id)));
      sent.mockClear();
      await store.deleteConversation(ada, "c7");
      expect(sent.mock.calls.length).toBeLessThan(12);
      expect(await store.erase(ada, { compact: false })).toEqual({ conversations: 2_999, messages: 2_999 });
      expect((await store.listConversations(everybody, byTitle)).items).toEqual([]);
    }, 60_000);

    test("an export takes few trips for conversations of one message", async () => {
      const { store } = await open();
      const ids = Array.from({ length: 250 }, (_, index) => `c${String(index).padStart(3, "0")}`);
      await store.append(ids.map((id) => request(id)));
      const rows = await store.exportMessages(everybody, undefined, 120);
      expect(rows.map(({ message }) => message.conversationId)).toEqual(ids.slice(0, 120));
      const last = rows.at(-1)?.message;
      const after = { userId: "ada", conversationId: last?.conversationId ?? "", seq: last?.seq ?? 0 };
      const rest = await store.exportMessages(everybody, after, 500);
      expect(rest.map(({ message }) => message.conversationId)).toEqual(ids.slice(120));
    });

    test("what is there is listed once, whoever deletes, makes and lists it at the same time", async () => {
      const { store } = await open();
      for (let turn = 0; turn < 40; turn++) {
        await Promise.all([
          store.append([request("c")]),
          store.deleteConversation(ada, "c"),
          store.listConversations(ada, byTitle),
          store.append([request("c")]),
          store.listConversations(everybody, byTitle),
        ]);
        const isThere = (await store.getConversation(ada, "c")) !== undefined;
        for (const scope of [ada, everybody])
          for (const orderBy of ["title", "updatedAt", "createdAt"] as const)
            expect((await store.listConversations(scope, { ...byTitle, orderBy })).items).toHaveLength(isThere ? 1 : 0);
      }
    });

    test("an id that another user has now leaves the first one's listings", async () => {
      const { store, run, keyPrefix } = await open();
      await store.append([request("c")]);
      const listing = listingKeys(keyPrefix, "t", "ada");
      await store.deleteConversation(ada, "c");
      // As a crash between the conversation and its listings leaves it.
      await run(listing.updatedAt, "ZADD", listing.updatedAt, "1", "c");
      await run(listing.createdAt, "ZADD", listing.createdAt, "1", "c");
      await store.append([{ ...request("c"), userId: "ben" }]);
      expect(await store.append([request("c")])).toEqual([undefined]);
      expect((await store.listConversations(ada, { ...byTitle, orderBy: "updatedAt" })).items).toEqual([]);
      expect(await run(listing.updatedAt, "EXISTS", listing.updatedAt)).toBe(0);
      expect((await store.listConversations(everybody, byTitle)).items.map(({ userId }) => userId)).toEqual(["ben"]);
      expect(await store.exportMessages(everybody, undefined, 10)).toHaveLength(1);
    });

    test("upkeep takes what expired out of listings that nobody reads", async () => {
      const { store, run, keyPrefix } = await open({ ttlSeconds: 0.3 });
      await store.append([request("c1"), { ...request("c2"), userId: "ben" }]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const keys = ["ada", "ben", undefined].flatMap((user) => Object.values(listingKeys(keyPrefix, "t", user)));
      const left = async () => (await Promise.all(keys.map((key) => run(key, "EXISTS", key)))).filter((is) => is === 1).length;
      expect(await left()).toBe(12);
      await store.maintain?.();
      expect(await left()).toBe(0);
    });

    if (isCluster)
      describe("repair on read", () => {
        test("what a crash left in a listing is made good by the next read", async () => {
          const { store, run, keyPrefix } = await open();
          await store.append([request("c")]);
          const { updatedAt } = listingKeys(keyPrefix, "t", "ada");
          await run(updatedAt, "ZADD", updatedAt, "1", "c");
          const query = { ...byTitle, orderBy: "updatedAt" } as const;
          const [conversation] = (await store.listConversations(ada, query)).items;
          expect(Number(await run(updatedAt, "ZSCORE", updatedAt, "c"))).toBe(conversation?.updatedAt.getTime());
        });

        test("an entry without its conversation is taken out, one that became true is not", async () => {
          const { store, run, keyPrefix } = await open();
          const { createdAt, updatedAt } = listingKeys(keyPrefix, "t", "ada");
          for (const key of [createdAt, updatedAt]) await run(key, "ZADD", key, "1", "never written");
          expect(await store.countConversations(ada)).toBe(0);
          expect(await run(createdAt, "EXISTS", createdAt)).toBe(0);
          await store.append([request("c")]);
          expect(await store.countConversations(ada)).toBe(1);
        });
      });
  });

const owner = { tenant: "t", userId: "ada" };
const ada: StoreScope = { ...owner, resourceId: undefined };
const everybody: StoreScope = { tenant: "t", userId: undefined, resourceId: undefined };
const byTitle = { orderBy: "title", direction: "asc", limit: 50, cursor: undefined, offset: 0 } as const;

function request(conversationId: string): AppendRequest {
  return {
    ...owner,
    conversationId,
    requiredResourceId: undefined,
    createConversation: true,
    create: { resourceId: "r", title: "", metadataJson: "{}", language: undefined },
    messages: [
      {
        id: randomUUID(),
        role: "user",
        name: null,
        text: "hello",
        partsJson: "[]",
        metadataJson: "{}",
        type: "text",
        toolIds: null,
        createdAt: new Date(),
        importance: null,
        embedding: null,
      },
    ],
  };
}
