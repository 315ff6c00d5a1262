import { randomBytes } from "node:crypto";
import { MongoClient } from "mongodb";
import { createClient } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { createMemory } from "../../../src/index.ts";
import { memoryRecordStore } from "../../../src/stores/record/memory.ts";
import { describeServer } from "../../support/servers.ts";
import { exported } from "./exported.ts";

const newName = () => `test_${randomBytes(4).toString("hex")}`;

function target() {
  const records = memoryRecordStore();
  const memory = createMemory({ sessions: { store: "memory" }, records, embedding: false, worker: "manual" });
  onTestFinished(() => memory.close());
  return { memory, records };
}

const everyone = { tenant: "default", userId: undefined, resourceId: undefined };
const all = { orderBy: "createdAt", direction: "asc", limit: 100, cursor: undefined, offset: 0 } as const;

describeServer("redis", "bringing along LangSwarm's Redis", (url) => {
  test("sessions, messages in their order, summaries; what has expired is told of", async () => {
    const prefix = `${newName()}[a]*:`;
    const client = createClient({ url });
    await client.connect();
    onTestFinished(async () => {
      await client.del([
        `${prefix}session:s1`,
        `${prefix}messages:s1`,
        `${prefix}messages:s2`,
        `${prefix}message:b`,
        `${prefix}message:a`,
        `${prefix}message:d`,
        `${prefix}summary:s1`,
      ]);
      client.destroy();
    });
    const message = (id: string, session: string, content: string, extra = {}) =>
      client.hSet(`${prefix}message:${id}`, {
        message_id: id,
        session_id: session,
        role: "user",
        content,
        timestamp: "2025-05-01T10:00:00+00:00",
        token_count: "",
        metadata: '{"k": 1}',
        function_call: "",
        tool_calls: "",
        ...extra,
      });
    await client.hSet(`${prefix}session:s1`, {
      session_id: "s1",
      user_id: "ada",
      agent_id: "",
      status: "active",
      max_messages: "20",
      max_tokens: "",
      auto_summarize: "True",
      tags: "[]",
      properties: '{"p": 1}',
    });
    await message("b", "s1", "First");
    await message("a", "s1", "", { role: "assistant", tool_calls: '[{"id": "t1", "function": {"name": "f", "arguments": "{}"}}]' });
    await message("d", "s2", "Its session is gone");
    await client.rPush(`${prefix}messages:s1`, ["b", "gone", "a"]);
    await client.rPush(`${prefix}messages:s2`, "d");
    await client.hSet(`${prefix}summary:s1`, {
      summary_id: "u1",
      session_id: "s1",
      summary: "Talked",
      message_count: "2",
      key_topics: "[]",
      created_at: "2025-05-01T10:00:00",
    });

    const { memory, records } = target();
    const report = await memory.importFrom({ system: "langswarm", from: url, tablePrefix: prefix });
    expect(report).toMatchObject({
      written: { conversations: 2, messages: 3, records: 1 },
      skipped: [{ reason: "it has expired in Redis", count: 1, examples: ["message gone"] }],
    });
    const lines = await exported(memory);
    expect(lines.map(({ id, userId, content }) => [id, userId, content])).toEqual([
      ["b", "ada", "First"],
      ["a", "ada", ""],
      ["d", "default", "Its session is gone"],
    ]);
    expect(lines[1]?.parts).toMatchObject([{ type: "tool-call", toolCallId: "t1" }]);
    expect((await memory.conversations.get("s1")).metadata).toMatchObject({
      langswarm: { maxMessages: 20, autoSummarize: true, properties: { p: 1 } },
    });
    expect((await records.list(everyone, { ...all, types: ["summaries"] })).items).toMatchObject([
      { id: "u1", content: "Talked", userId: "ada" },
    ]);
    await expect(memory.importFrom({ system: "langswarm", from: url, tablePrefix: "nothing:" })).rejects.toMatchObject({ field: "from" });
  });
});

describeServer("mongodb", "bringing along what is in MongoDB", (url) => {
  async function database() {
    const client = new MongoClient(url);
    const name = newName();
    onTestFinished(async () => {
      await client.db(name).dropDatabase();
      await client.close();
    });
    return { name, database: client.db(name) };
  }

  test("LangSwarm's sessions", async () => {
    const { name, database: source } = await database();
    await source
      .collection("sessions")
      .insertOne({ session_id: "s1", user_id: "ada", status: "active", max_messages: 100, tags: [], properties: {} });
    await source.collection("messages").insertMany([
      {
        message_id: "b",
        session_id: "s1",
        role: "assistant",
        content: "Second",
        timestamp: new Date("2025-05-01T10:00:01Z"),
        metadata: {},
        tool_calls: null,
      },
      {
        message_id: "a",
        session_id: "s1",
        role: "user",
        content: "First",
        timestamp: new Date("2025-05-01T10:00:00Z"),
        metadata: {},
        tool_calls: null,
      },
    ]);
    await source
      .collection("summaries")
      .insertOne({ summary_id: "u1", session_id: "s1", summary: "Talked", key_topics: ["x"], created_at: new Date() });
    const { memory } = target();
    for (const _ of [1, 2])
      expect(await memory.importFrom({ system: "langswarm", from: url, database: name })).toMatchObject({
        written: { conversations: 1, messages: 2, records: 1 },
        skipped: [],
      });
    expect((await exported(memory)).map(({ content, userId }) => [content, userId])).toEqual([
      ["First", "ada"],
      ["Second", "ada"],
    ]);
  });

  test("Memorizz' collections", async () => {
    const { name, database: source } = await database();
    await source.collection("conversation_memory").insertMany([
      { role: "user", content: "First", timestamp: "2025-05-28T12:00:00", memory_id: "mem", embedding: [1, 2] },
      { role: "assistant", content: "Second", timestamp: "2025-05-28T12:00:01", memory_id: "mem" },
    ]);
    await source
      .collection("toolbox")
      .insertOne({ name: "search", description: "Finds", parameters: [{ name: "q" }], created_at: new Date(), embedding: [1, 2] });
    const { memory, records } = target();
    for (const _ of [1, 2])
      expect(await memory.importFrom({ system: "memorizz", from: url, database: name }, { userId: "ada" })).toMatchObject({
        written: { conversations: 1, messages: 2, records: 1 },
      });
    expect((await memory.stats()).messages).toBe(2);
    const [tool] = (await records.list(everyone, { ...all, types: ["toolbox"] })).items;
    expect(tool).toMatchObject({ name: "search", content: "Finds", userId: "ada", version: 1, data: { parameters: [{ name: "q" }] } });
    expect(tool?.data).not.toHaveProperty("embedding");
    const empty = memory.importFrom({ system: "memorizz", from: url, database: newName() });
    await expect(empty).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
