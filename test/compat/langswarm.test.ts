import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { memoryManager } from "../../src/compat/langswarm/manager.ts";
import { createAgent, createMemoryManager, type MemoryManager, toAnthropicFormat, toOpenaiFormat } from "../../src/compat/langswarm.ts";
import { createMemory } from "../../src/index.ts";
import { memorySessionStore } from "../../src/stores/session/memory.ts";
import { type EmbeddingsServer, embeddingsServer } from "../embedders/embeddings-server.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";
import { pineconeServer } from "../support/pinecone-server.ts";
import { describeServer } from "../support/servers.ts";

/** A place of LangSwarm's own naming, at the place of an engine. */
type Place = Readonly<Record<string, unknown>>;

const opened: MemoryManager[] = [];
afterAll(async () => {
  for (const manager of opened) await manager.stop();
});

function open(config: Parameters<typeof createMemoryManager>[0]): MemoryManager {
  const manager = createMemoryManager(config);
  if (manager === null) throw new Error("no memory");
  opened.push(manager);
  return manager;
}

test("false is no memory", () => {
  expect(createMemoryManager(false)).toBeNull();
  expect(createMemoryManager({ backend: "sqlite", enabled: false })).toBeNull();
});

test("settings that cannot be right are refused at once", () => {
  expect(() => createMemoryManager("oracle")).toThrow("is not known");
  expect(() => createMemoryManager({ backend: "in_memory", session_ttl: -1 })).toThrow("session_ttl");
  expect(() => createAgent({ id: "a" })).toThrow("memoryManager");
});

test("messages go out in the formats of OpenAI and Anthropic", () => {
  const call = { id: "c1", type: "function", function: { name: "find", arguments: '{"q":"x"}' } };
  const shared = { messageId: "m", timestamp: new Date(0), tokenCount: undefined, functionCall: undefined };
  const asked = { ...shared, role: "assistant", content: "", metadata: {}, toolCalls: [call] } as const;
  const answered = { ...shared, role: "tool", content: "found", metadata: { tool_call_id: "c1" }, toolCalls: undefined } as const;
  expect(toOpenaiFormat(asked)).toEqual({ role: "assistant", content: "", tool_calls: [call] });
  expect(toOpenaiFormat(answered)).toEqual({ role: "tool", content: "found", tool_call_id: "c1" });
  expect(toAnthropicFormat(asked)).toEqual({
    role: "assistant",
    content: [{ type: "tool_use", id: "c1", name: "find", input: { q: "x" } }],
  });
  expect(toAnthropicFormat(answered)).toEqual({ role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "found" }] });
});

describeEngines("LangSwarm's sessions", (engine) => {
  const place: Place = { ...engine.place, schema: `${engine.schema}_ls` };
  afterAll(() => engine.sql(`DROP SCHEMA IF EXISTS "${engine.schema}_ls" CASCADE`));
  const manager = open({ backend: "postgres", ...place, enable_vector: true, views: true });

  async function conversation(count: number, fields = {}) {
    const session = await manager.createSession({ userId: newId("user"), ...fields });
    for (let index = 0; index < count; index++)
      await session.addMessage(index % 2 === 0 ? "user" : "assistant", `message ${index} about deployment`);
    return session;
  }

  test("a session keeps its messages in order, over managers", async () => {
    const session = await conversation(6);
    const again = await open({ backend: "postgres", ...place }).getSession(session.sessionId);
    expect((await again?.getMessages())?.map(({ role, content }) => [role, content])).toEqual(
      Array.from({ length: 6 }, (_, index) => [index % 2 === 0 ? "user" : "assistant", `message ${index} about deployment`]),
    );
    expect((await session.getMessages({ limit: 2 })).map(({ content }) => content)).toEqual([
      "message 4 about deployment",
      "message 5 about deployment",
    ]);
  });

  test("an unknown session is undefined, and one of another user is not handed out", async () => {
    const session = await conversation(1);
    expect(await manager.getSession(newId("nowhere"))).toBeUndefined();
    await expect(manager.getOrCreateSession(session.sessionId, { userId: "somebody else" })).rejects.toMatchObject({ code: "conflict" });
    await expect(manager.createSession({ sessionId: session.sessionId })).rejects.toMatchObject({ code: "conflict" });
  });

  test("a summary is made once when the session has grown, of both sides, and outlives the manager", async () => {
    const session = await conversation(4, { summaryThreshold: 6 });
    expect(await session.createSummary()).toBeUndefined();
    await session.addMessage("user", "more about deployment");
    await session.addMessage("assistant", "yes");
    const summary = await session.getSummary();
    const [counted, ...said] = summary?.summary.split("\n") ?? [];
    expect([counted, summary?.messageCount]).toEqual(["Conversation with 3 user messages and 3 assistant responses.", 6]);
    expect(said.join("\n")).toMatch(/user: message \d about deployment/u);
    expect(Object.keys(summary ?? {}).toSorted()).toEqual([
      ...["createdAt", "endTime", "keyTopics", "messageCount", "startTime", "summary", "summaryId"],
    ]);
    expect(summary?.keyTopics.slice(0, 2)).toEqual(["about", "deployment"]);
    await session.addMessage("user", "still more");
    expect(await session.createSummary()).toEqual(summary);
    expect(await session.createSummary(true)).toMatchObject({ messageCount: 7 });
    const again = await open({ backend: "postgres", ...place }).getSession(session.sessionId);
    expect(await again?.getSummary()).toMatchObject({ messageCount: 7 });
  });

  test("the summary grows with its session, and goes with its messages", async () => {
    const session = await conversation(6, { summaryThreshold: 6 });
    const first = await session.getSummary();
    for (let index = 0; index < 5; index++) await session.addMessage("user", `The launch is in Oslo on day ${index}`);
    expect(await session.getSummary()).toEqual(first);
    await session.addMessage("assistant", "Then let us pack");
    const second = await session.getSummary();
    expect(second).toMatchObject({ messageCount: 12, summary: expect.stringMatching(/^Conversation with 8 user .*\n[\s\S]*Oslo/u) });
    const rows = () => engine.sql(`SELECT summary FROM "${engine.schema}_ls".summaries WHERE session_id = $1`, [session.sessionId]);
    expect(await rows()).toEqual([{ summary: second?.summary }]);
    await session.clearMessages();
    expect([await session.getSummary(), await rows()]).toEqual([undefined, []]);
  });

  test("a model of one's own writes it, for which no message waits", async () => {
    const { model, asked, shut, open: unlock } = scriptedModel(() => JSON.stringify({ statements: [{ text: "They deploy", key: true }] }));
    shut();
    const modelled = open({ backend: "postgres", ...place, summaries: { model } });
    const session = await modelled.createSession({ summaryThreshold: 5 });
    for (let index = 0; index < 5; index++) await session.addMessage(index % 2 === 0 ? "user" : "assistant", `deployment ${index}`);
    expect((await session.getSummary())?.summary).toBe("Conversation with 3 user messages and 2 assistant responses.");
    unlock();
    await expect.poll(async () => (await session.getSummary())?.summary).toContain("\nThey deploy");
    expect(asked.join()).toContain("deployment 3");
  });

  test("a store that keeps no summaries counts alone, and makes no place for them", async () => {
    const { records: _records, ...sessions } = memorySessionStore();
    const alone = memoryManager(createMemory({ sessions, embedding: false }));
    opened.push(alone);
    const session = await alone.createSession({ summaryThreshold: 5 });
    for (let index = 0; index < 5; index++) await session.addMessage(index % 2 === 0 ? "user" : "assistant", `deployment ${index}`);
    expect((await session.getSummary())?.summary).toBe("Conversation with 3 user messages and 2 assistant responses.");
    await session.clearMessages();
    expect(await session.getSummary()).toBeUndefined();
  });

  test("a summary that was brought along from LangSwarm is the session's", async () => {
    const session = await conversation(2);
    const metadata = { message_count: 50, start_time: "2024-01-01T00:00:00Z", end_time: "2024-01-02T00:00:00Z", key_topics: ["oslo"] };
    const record = { type: "summaries", id: "old", content: "Conversation with 25 …", conversationId: session.sessionId, metadata };
    await manager.memory.records.put(record, { userId: session.userId });
    const expected = { summaryId: "old", summary: "Conversation with 25 …", messageCount: 50, keyTopics: ["oslo"] };
    expect(await session.createSummary()).toMatchObject({ ...expected, endTime: new Date("2024-01-02T00:00:00Z") });
    await session.clearMessages();
    expect(await session.getSummary()).toBeUndefined();
  });

  test("clearing is for good, and keeps system messages unless told otherwise", async () => {
    const session = await conversation(5);
    await session.addMessage("system", "be brief");
    expect(await session.clearMessages()).toBe(5);
    expect((await session.getMessages()).map(({ role }) => role)).toEqual(["system"]);
    const again = await open({ backend: "postgres", ...place }).getSession(session.sessionId);
    expect(await again?.getMessages()).toHaveLength(1);
    expect(await session.clearMessages(false)).toBe(1);
    expect(await session.searchMessages("deployment")).toEqual([]);
  });

  test("maxMessages bounds what is read and forgets nothing", async () => {
    const session = await conversation(6, { maxMessages: 4 });
    expect(await session.getMessages()).toHaveLength(4);
    expect((await session.searchMessages("message 0"))[0]?.content).toBe("message 0 about deployment");
  });

  test("recent context is what fits, whole tool exchanges only", async () => {
    const session = await manager.createSession();
    await session.addMessage("user", "one two three four");
    await session.addMessage({
      role: "assistant",
      content: "",
      tokenCount: 10,
      toolCalls: [{ id: "t1", type: "function", function: { name: "find", arguments: "{}" } }],
    });
    await session.addMessage({ role: "tool", content: "found it", metadata: { tool_call_id: "t1" } });
    await session.addMessage("assistant", "here it is");
    expect(await session.getRecentContext()).toHaveLength(4);
    expect((await session.getRecentContext(15)).map(({ role }) => role)).toEqual(["assistant", "tool", "assistant"]);
    // The call no longer fits, so its result is left out too.
    expect((await session.getRecentContext(6)).map(({ role }) => role)).toEqual(["assistant"]);
    expect((await session.getMessages({ limit: 2 })).map(({ role }) => role)).toEqual(["assistant", "tool", "assistant"]);
  });

  test("search finds messages of the session's user alone, in all their sessions", async () => {
    const user = newId("user");
    const other = await manager.createSession({ userId: newId("user") });
    await other.addMessage("user", "We deploy the zeppelin on Monday");
    const first = await manager.createSession({ userId: user });
    await first.addMessage("user", "We deploy the zeppelin on Friday");
    const second = await manager.createSession({ userId: user });
    const [found, ...rest] = await second.searchMessages("zeppelin");
    expect(found).toMatchObject({ sessionId: first.sessionId, content: "We deploy the zeppelin on Friday", role: "user" });
    expect(found?.timestamp).toBeInstanceOf(Date);
    expect(found?.score).toBeGreaterThan(0);
    expect(rest).toEqual([]);
    expect(await second.searchMessages("zeppelin", { sessionId: second.sessionId })).toEqual([]);
    const everybody = await manager.searchMessages("zeppelin", { allUsers: true });
    expect(everybody.filter(({ content }) => content.includes("zeppelin"))).toHaveLength(2);
    expect(await manager.searchMessages("zeppelin", { userId: user })).toHaveLength(1);
  });

  test("sessions are listed by user and status, newest first", async () => {
    const userId = newId("user");
    const sessions = [];
    // Those of one millisecond are ordered by their ids.
    for (let index = 0; index < 3; index++)
      sessions.push(await manager.createSession({ sessionId: `${userId}-${index}`, userId, tags: [`tag ${index}`], agentId: "bot" }));
    await sessions[1]?.close();
    const listed = await manager.listUserSessions(userId);
    expect(listed.map(({ tags }) => tags[0])).toEqual(["tag 2", "tag 1", "tag 0"]);
    expect(listed[0]).toMatchObject({ userId, agentId: "bot", status: "active" });
    expect((await manager.listUserSessions(userId, { status: "completed" })).map(({ sessionId }) => sessionId)).toEqual([
      sessions[1]?.sessionId,
    ]);
    expect(await manager.listUserSessions(userId, { limit: 1 })).toHaveLength(1);
  });

  test("expired sessions are removed whoever made them, with their messages", async () => {
    const session = await conversation(1, { expiresAt: new Date(Date.now() - 1000) });
    const kept = await conversation(1, { expiresAt: new Date(Date.now() + 60_000) });
    expect((await session.metadata()).status).toBe("expired");
    expect(await open({ backend: "postgres", ...place }).cleanupExpiredSessions()).toBe(1);
    expect(await manager.getSession(session.sessionId)).toBeUndefined();
    expect(await manager.getSession(kept.sessionId)).toBeDefined();
  });

  test("metadata is changed field by field", async () => {
    const session = await conversation(0, { properties: { a: 1 }, tags: ["x"] });
    expect(await session.updateMetadata({ properties: { b: 2 } })).toMatchObject({ properties: { b: 2 }, tags: ["x"] });
    expect(await session.metadata()).toMatchObject({ properties: { b: 2 } });
  });

  test("usage and health are told", async () => {
    expect(await manager.getSystemStats()).toMatchObject({ usage: { sessionCount: expect.any(Number) }, health: { ok: true } });
    expect(await manager.health()).toMatchObject({ ok: true });
  });

  test("its tables are there as views", async () => {
    const session = await conversation(6, { agentId: "bot", tags: ["x"] });
    await session.createSummary();
    const rows = (view: string) =>
      engine.sql(`SELECT * FROM "${engine.schema}_ls"."${view}" WHERE session_id = $1 ORDER BY 1`, [session.sessionId]);
    expect(await rows("sessions")).toMatchObject([{ user_id: session.userId, agent_id: "bot", status: "active", max_messages: 100 }]);
    expect((await rows("messages")).map(({ role }) => role).sort()).toEqual([
      "assistant",
      "assistant",
      "assistant",
      "user",
      "user",
      "user",
    ]);
    expect(await rows("summaries")).toMatchObject([{ message_count: 6 }]);
  });

  test("tables of the same name are not touched, and the error says what to do", async () => {
    const schema = `${engine.schema}_old`;
    await engine.sql(`CREATE SCHEMA "${schema}"`);
    await engine.sql(`CREATE TABLE "${schema}".sessions (session_id text)`);
    const clash = open({ backend: "postgres", ...place, schema, views: true });
    await expect(clash.start()).rejects.toMatchObject({ message: expect.stringContaining("give another schema or table_prefix") });
    await engine.sql(`DROP SCHEMA "${schema}" CASCADE`);
  });
});

describeEngines("the examples of LangSwarm's documents", (engine) => {
  const schema = `${engine.schema}_doc`;
  afterAll(() => engine.sql(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`));
  let server: EmbeddingsServer;
  afterAll(() => server?.close());

  test("PostgreSQL & PGVector: configure, attach to an agent, search", async () => {
    server = await embeddingsServer();
    const manager = open({
      backend: "postgres",
      // Connection details
      ...engine.place,
      schema,
      // Vector search configuration
      enable_vector: true,
      embedding_dimension: 4,
      embedding: { provider: "openai", model: "text-embedding-3-small", api_key: "sk-test", base_url: server.baseUrl },
    });
    const agent = createAgent({ id: "my-agent", memory_manager: manager });
    await agent.memory.addMessage("user", "Deployment happens on Railway, every Friday.");
    await manager.memory.flush();
    const results = await agent.memory.searchMessages("What did we discuss about deployment?");
    expect(results.map((message) => `[${message.timestamp.toISOString()}] ${message.content}`)).toEqual([
      expect.stringMatching(/^\[\d{4}-.*Z\] Deployment happens on Railway, every Friday\.$/),
    ]);
    expect(results[0]?.similarity).toBeGreaterThan(-1);
    expect(server.requests.length).toBeGreaterThan(0);
  });
});

describeServer("postgres", "the examples of LangSwarm's documents on servers", (url) => {
  test("Storage Backends: PostgreSQL by settings", async () => {
    const { hostname, port, pathname, username, password } = new URL(url);
    const schema = `ls_${Date.now()}`;
    const manager = open({
      backend: "postgres",
      settings: { host: hostname, port: Number(port), database: pathname.slice(1), user: username, password, schema },
    });
    const session = await manager.createSession();
    await session.addMessage("user", "kept on the server");
    expect((await session.searchMessages("server"))[0]?.content).toBe("kept on the server");
    const pool = new Pool({ connectionString: url, max: 1 });
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });
});

describeServer("redis", "the example of LangSwarm's documents", (url) => {
  test("Storage Backends: Redis by settings", async () => {
    const manager = open({ backend: "redis", settings: { url, key_prefix: `ls:v1:${Date.now()}:`, ttl: 60 } });
    const session = await manager.createSession({ userId: "ann" });
    await session.addMessage("user", "We deploy the zeppelin on Friday");
    await manager.memory.flush();
    const [found] = await session.searchMessages("When do we deploy the zeppelin?");
    expect(found?.content).toBe("We deploy the zeppelin on Friday");
    expect(await manager.listUserSessions("ann")).toHaveLength(1);
    await manager.deleteSession(session.sessionId);
  });
});

describe("the other examples of LangSwarm's documents", () => {
  test("Storage Backends: sessions in SQLite, which need no server", async () => {
    const directory = mkdtempSync(join(tmpdir(), "unforget-langswarm-"));
    const manager = open({ backend: "sqlite", settings: { db_path: join(directory, "langswarm_memory.db") } });
    const session = await manager.createSession({ userId: "u" });
    await session.addMessage("user", "kept in one file");
    await manager.memory.flush();
    expect((await session.searchMessages("one file"))[0]?.similarity).toBeGreaterThan(0);
    await manager.stop();
    rmSync(directory, { recursive: true });
  });

  test("Storage Backends: Pinecone beside sessions in memory", async () => {
    const [pinecone, embeddings] = [await pineconeServer({ apiKey: "pinecone-key" }), await embeddingsServer()];
    const manager = open({
      backend: "vector",
      settings: {
        enable_semantic_search: true,
        embedding_dimension: 4,
        embedding: { provider: "openai", api_key: "sk-...", base_url: embeddings.baseUrl },
        vector_store: {
          store_type: "pinecone",
          connection_params: {
            api_key: "pinecone-key",
            environment: "us-west1",
            index_name: "agent-memory",
            controller_url: pinecone.controllerUrl,
          },
        },
      },
    });
    const session = await manager.createSession({ userId: "u" });
    await session.addMessage("user", "Recalled by meaning, not just recent history");
    await manager.memory.flush();
    const [found] = await session.searchMessages("by meaning");
    expect(found?.content).toBe("Recalled by meaning, not just recent history");
    expect(found?.similarity).toBeDefined();
    expect((await manager.memory.stats()).vectors).toBe(1);
    await manager.stop();
    await pinecone.close();
    await embeddings.close();
  });

  test("In-memory sessions", async () => {
    const manager = open({ backend: "in_memory" });
    const session = await manager.createSession({ userId: "u" });
    await session.addMessage("user", "kept for this process");
    expect(await session.getMessages()).toHaveLength(1);
  });
});
