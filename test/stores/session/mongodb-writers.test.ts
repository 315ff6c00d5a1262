import { randomUUID } from "node:crypto";
import { type CommandStartedEvent, MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import type { AppendRequest, MessageQuery, NewMessage } from "../../../src/domain/session-store.ts";
import type { MongoClientLike, MongoDatabaseLike, MongoSessionLike } from "../../../src/stores/mongodb/mongo-client.ts";
import { mongodbRecordStore } from "../../../src/stores/record/mongodb.ts";
import { mongodbSessionStore } from "../../../src/stores/session/mongodb.ts";
import { describeServer } from "../../support/servers.ts";

// What the suite cannot see: writers that die in the middle, times to live, languages, and the use of transactions.

const message = (id: string, text: string, changes: Partial<NewMessage> = {}): NewMessage => ({
  id,
  role: "user",
  name: null,
  text,
  partsJson: JSON.stringify([{ type: "text", text }]),
  metadataJson: "{}",
  type: "text",
  toolIds: null,
  createdAt: new Date(Date.UTC(2024, 0, 1)),
  importance: null,
  embedding: null,
  ...changes,
});

const request = (conversationId: string, messages: readonly NewMessage[], language?: string): AppendRequest => ({
  tenant: "acme",
  userId: "ann",
  conversationId,
  requiredResourceId: undefined,
  createConversation: true,
  create: { resourceId: "default", title: "", metadataJson: "{}", language },
  messages,
});

const scope = { tenant: "acme", userId: "ann", resourceId: undefined };
const newest: MessageQuery = {
  limit: 100,
  beforeSeq: undefined,
  afterSeq: undefined,
  before: undefined,
  after: undefined,
  roles: undefined,
};
const key = (...path: string[]) => JSON.stringify(path);

describeServer("mongodb", "mongodb, writers", (url) => {
  const client = new MongoClient(url, { monitorCommands: true });
  const names: string[] = [];
  const newName = () => {
    const name = `test_${randomUUID().replaceAll("-", "")}`;
    names.push(name);
    return name;
  };
  beforeAll(() => client.connect());
  afterAll(async () => {
    for (const name of names) await client.db(name).dropDatabase();
    await client.close();
  });

  const place = (options: { ttlSeconds?: number; collectionPrefix?: string } = {}) => {
    const database = newName();
    const store = mongodbSessionStore({ client, database, ...options });
    const texts = async (id: string) => (await store.listMessages(scope, id, newest))?.items.map((one) => one.content);
    const db = client.db(database);
    return { database, store, texts, conversations: db.collection<{ _id: string }>("conversations"), messages: db.collection("messages") };
  };

  test("a MongoClient is a MongoClientLike", () => {
    expectTypeOf<MongoClient>().toExtend<MongoClientLike>();
  });

  describe("a writer that died", () => {
    const dead = { token: "dead", until: new Date(Date.now() - 1) };

    test("before its batch landed leaves nothing, and the next one goes on", async () => {
      const { store, texts, conversations, messages } = place();
      await store.append([request("c", [message("a", "one")])]);
      const [stored] = await messages.find().toArray();
      await messages.insertOne({ ...stored, _id: key("acme", "c", "b") as never, id: "b", seq: 2, text: "half" });
      await conversations.updateOne({ _id: key("acme", "c") }, { $set: { writing: dead } });
      expect(await texts("c")).toEqual(["one"]);
      expect(await store.getMessage(scope, "c", "b")).toBeUndefined();
      expect(await store.exportMessages(scope, undefined, 10)).toHaveLength(1);
      expect((await store.searchText?.({ ...anyText, words: "one half" }))?.matches.map((match) => match.messageId)).toEqual(["a"]);
      const [[next] = []] = await store.append([request("c", [message("b", "two")])]);
      expect(next?.seq).toBe(2);
      expect(await texts("c")).toEqual(["one", "two"]);
    });

    test("after its changes were decided has them read at once, and carried out by the next one", async () => {
      const { store, texts, conversations, messages } = place();
      await store.append([request("c", [message("a", "one"), message("b", "two")])]);
      const changes = ["a", "b"].map((id) => ({ _id: key("acme", "c", id), set: { text: `${id} changed` }, unset: [] }));
      await conversations.updateOne({ _id: key("acme", "c") }, { $set: { writing: dead, changes } });
      expect(await texts("c")).toEqual(["a changed", "b changed"]);
      expect((await store.getMessage(scope, "c", "a"))?.content).toBe("a changed");
      await store.append([request("c", [message("c", "three")])]);
      expect(await messages.countDocuments({ text: { $in: ["a changed", "b changed"] } })).toBe(2);
      expect(await conversations.countDocuments({ changes: { $exists: true } })).toBe(0);
    });

    test("while it made or deleted a conversation leaves none; opening the store is enough", async () => {
      const { database, store, conversations, messages } = place();
      await store.append([request("c", [message("a", "one")])]);
      await conversations.updateOne({ _id: key("acme", "c") }, { $set: { writing: dead, isVisible: false } });
      expect(await store.getConversation(scope, "c")).toBeUndefined();
      expect(await store.listMessages(scope, "c", newest)).toBeUndefined();
      await mongodbSessionStore({ client, database }).open();
      expect(await conversations.countDocuments()).toBe(0);
      expect(await messages.countDocuments()).toBe(0);
    });

    test("is waited for as long as it may live", async () => {
      const { store, texts, conversations } = place();
      await store.append([request("c", [message("a", "one")])]);
      await conversations.updateOne(
        { _id: key("acme", "c") },
        { $set: { writing: { token: "alive", until: new Date(Date.now() + 700) } } },
      );
      const started = Date.now();
      await store.append([request("c", [message("b", "two")])]);
      expect(Date.now() - started).toBeGreaterThanOrEqual(600);
      expect(await texts("c")).toEqual(["one", "two"]);
    });

    test("leaves a decided write of records to the next one", async () => {
      const database = newName();
      const store = mongodbRecordStore({ client, database });
      const record = {
        ...{ tenant: "acme", userId: "ann", type: "note", resourceId: "default", conversationId: undefined, name: undefined },
        ...{ key: undefined, content: "", data: {}, position: 0, createdAt: new Date(), expiresAt: undefined },
      };
      await store.write([{ put: { ...record, id: "a" } }, { put: { ...record, id: "b" } }]);
      const changes = { deleted: [key("acme", "ann", "note", "a")], freed: [], stored: [] };
      await client
        .db(database)
        .collection("record_writers")
        .insertOne({ _id: key("acme") as never, ...dead, changes });
      const [written] = await store.write([{ put: { ...record, id: "a" }, ifVersion: 0 }]);
      expect(written?.version).toBe(1);
      expect(await client.db(database).collection("record_writers").countDocuments()).toBe(0);
    });
  });

  describe("time to live", () => {
    test("slides with each write, covers the messages, and ends for readers at once", async () => {
      const { store, texts, conversations, messages } = place({ ttlSeconds: 1.5 });
      await store.append([request("c", [message("a", "one")])]);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await store.append([request("c", [message("b", "two")])]);
      const [conversation] = await conversations.find<{ _id: string; expiresAt: Date }>({}).toArray();
      for (const { expiresAt } of await messages.find().toArray())
        expect(expiresAt.getTime()).toBeGreaterThanOrEqual(conversation?.expiresAt.getTime() ?? Number.NaN);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(await texts("c")).toEqual(["one", "two"]);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(await store.getConversation(scope, "c")).toBeUndefined();
      expect(await store.getMessage(scope, "c", "a")).toBeUndefined();
      expect((await store.searchText?.({ ...anyText, words: "one" }))?.matches).toEqual([]);
      expect(await store.countConversations(scope)).toBe(0);
      await store.append([request("c", [message("n", "new")])]);
      expect(await texts("c")).toEqual(["new"]);
    });

    test("is an index of the server, on conversations and on messages", async () => {
      const { store, conversations, messages } = place({ ttlSeconds: 60 });
      await store.open();
      for (const collection of [conversations, messages])
        expect((await collection.indexes()).filter((index) => index.expireAfterSeconds === 0)).toHaveLength(1);
    });
  });

  test("words are stemmed in the language of the conversation; one the server does not know is searched as it stands", async () => {
    const { store } = place();
    await store.append([
      request("english", [message("a", "she was running")]),
      request("german", [message("b", "die Häuser am See")], "german"),
      request("other", [message("c", "vocabulum quoddam")], "latin"),
    ]);
    const found = async (words: string, language?: string) =>
      (await store.searchText?.({ ...anyText, words, language }))?.matches.map((match) => match.messageId);
    expect(await found("run")).toEqual(["a"]);
    expect(await found("Haus", "german")).toEqual(["b"]);
    expect(await found("vocabulum", "latin")).toEqual(["c"]);
  });

  test("a prefix keeps two memories of one database apart", async () => {
    const database = newName();
    const [one, two] = ["one_", "two_"].map((collectionPrefix) => mongodbSessionStore({ client, database, collectionPrefix }));
    await one?.append([request("c", [message("a", "one")])]);
    expect(await two?.getConversation(scope, "c")).toBeUndefined();
    expect((await client.db(database).listCollections().toArray()).every(({ name }) => /^(one|two)_/.test(name))).toBe(true);
  });

  // The server here has no transactions: what is sent to one that has is looked at, and not what comes of it.
  test("on a server with transactions every command of a write is part of one, and none says how it is written", async () => {
    const database = newName();
    const sent: CommandStartedEvent[] = [];
    const listen = (event: CommandStartedEvent) => void sent.push(event);
    const writes = () => sent.splice(0).filter(({ commandName }) => /^(insert|update|delete|find)$/.test(commandName));
    const lent = withTransactions(client);
    const sessions = mongodbSessionStore({ client: lent, database });
    const records = mongodbRecordStore({ client: lent, database });
    await sessions.outbox?.adopt("space");
    await records.open();
    client.on("commandStarted", listen);
    try {
      // Records go before the conversation they hang on, and what was written meanwhile goes after it.
      for (const [transactions, write] of [
        [1, () => sessions.append([request("c", [message("a", "one")]), request("d", [message("a", "one")])])],
        [1, () => sessions.append([request("c", [message("a", "changed"), message("b", "two")])])],
        [1, () => sessions.deleteMessages(scope, "c", ["a"])],
        [3, () => sessions.deleteConversation(scope, "d")],
        [3, () => sessions.erase(scope, { compact: false })],
        [1, () => records.write([{ delete: { tenant: "acme", userId: "ann", type: "note", id: "a" } }, { put: note }])],
      ] as const) {
        sent.length = 0;
        await write();
        const commands = writes().filter(({ command }) => command.txnNumber !== undefined);
        expect(commands.length).toBeGreaterThan(1);
        expect(new Set(commands.map(({ command }) => JSON.stringify([command.lsid, command.txnNumber]))).size).toBe(transactions);
        expect(commands.map(({ command }) => command.autocommit)).toEqual(commands.map(() => false));
        expect(commands.filter(({ command }) => command.writeConcern !== undefined)).toEqual([]);
      }
      sent.length = 0;
      await sessions.append([request("e", [message("a", "one")])]);
      expect(writes().filter(({ command }) => command.txnNumber === undefined)).toEqual([]);
    } finally {
      client.off("commandStarted", listen);
    }
    expect(await sessions.listMessages(scope, "e", newest)).toMatchObject({ items: [{ content: "one" }] });
  });
});

const note = {
  ...{ tenant: "acme", userId: "ann", type: "note", id: "b", resourceId: "default", conversationId: undefined, name: undefined },
  ...{ key: undefined, content: "", data: {}, position: 0, createdAt: new Date(), expiresAt: undefined },
};

const anyText = {
  ...{ scope, conversationId: undefined, roles: undefined, since: undefined, until: undefined, filter: undefined },
  ...{ language: undefined as string | undefined, limit: 10 },
};

/** A client whose server says that it is a member of a set; commits are left out, as it knows none. */
function withTransactions(client: MongoClient): MongoClientLike {
  return {
    connect: () => client.connect(),
    close: () => client.close(),
    db(name, options): MongoDatabaseLike {
      const database = client.db(name, options);
      return {
        collection: (collection, of) => database.collection(collection, of),
        command: async (command) => ({ ...(await database.command(command)), ...("hello" in command ? { setName: "rs0" } : {}) }),
      };
    },
    startSession(): MongoSessionLike {
      const session = client.startSession();
      const withTransaction = async (work: () => Promise<unknown>, options?: object) => {
        session.startTransaction(options);
        await work();
      };
      return Object.assign(session, { withTransaction }) as MongoSessionLike;
    },
  };
}
