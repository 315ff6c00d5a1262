import { readFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Memory, type MemoryOptions } from "../../../src/index.ts";
import { broughtVectors } from "../../support/embedders.ts";
import { exported } from "./exported.ts";
import { describeSources } from "./source-database.ts";

const ddl = (version: string) => readFile(new URL(`../../fixtures/voltagent/${version}.sql`, import.meta.url), "utf8");

function target(options: MemoryOptions = {}): Memory {
  const memory = createMemory({ sessions: { store: "memory" }, embedding: false, worker: "manual", ...options });
  onTestFinished(() => memory.close());
  return memory;
}

const floats = (...values: number[]) => `'\\x${Buffer.from(Float32Array.from(values).buffer).toString("hex")}'`;

describeSources("bringing along tables of Postgres", (database) => {
  test("VoltAgent up to 0.1.1: a conversation is its first message's user's, ids of others keep apart, tools are calls", async () => {
    const source = await database.schema(`${await ddl("0.1.1")}
      INSERT INTO voltagent_memory_conversations (id, resource_id, title, metadata) VALUES ('c1', 'app', 'One', '{"a": 1}'), ('empty', 'app', NULL, NULL);
      INSERT INTO voltagent_memory_messages (user_id, conversation_id, message_id, role, content, type, created_at) VALUES
        ('ada', 'c1', 'm1', 'user', 'Hello %_''"', 'text', '2025-05-01T10:00:00Z'),
        ('bob', 'c1', 'm1', 'user', 'Also m1', 'text', '2025-05-01T10:00:01Z'),
        ('ada', 'c1', 'm2', 'assistant', '{"name": "search", "q": 1}', 'tool-call', '2025-05-01T10:00:02Z'),
        ('ada', 'c1', 'm3', 'tool', '[1, 2]', 'tool-result', '2025-05-01T10:00:02Z');
      INSERT INTO voltagent_memory_agent_history (id, agent_id, status, timestamp) VALUES ('h1', 'agent', 'completed', '2025-05-01T10:00:00Z');
      INSERT INTO voltagent_memory_agent_history_steps (key, value, history_id, agent_id) VALUES ('s1', '{"type": "text"}', 'h1', 'agent')`);
    const memory = target();
    const report = await memory.importFrom({ system: "voltagent", ...source.place });
    expect(report).toMatchObject({
      version: "0.1.1 or older",
      read: 8,
      written: { conversations: 2, messages: 4, records: 2, vectors: 0 },
      skipped: [],
    });
    const messages = await exported(memory);
    expect(messages.map(({ id, userId }) => [id, userId])).toEqual([
      ["m1", "ada"],
      ["m1~bob", "ada"],
      ["m2", "ada"],
      ["m3", "ada"],
    ]);
    expect(messages[0]).toMatchObject({ content: `Hello %_'"`, createdAt: "2025-05-01T10:00:00.000Z", resourceId: "app" });
    expect(messages[1]?.metadata).toEqual({ userId: "bob" });
    expect(messages[2]?.parts).toMatchObject([{ type: "tool-call", toolCallId: "m2", toolName: "search" }]);
    expect(messages[3]?.parts).toMatchObject([{ type: "tool-result", toolCallId: "m3", result: [1, 2] }]);
    expect(await memory.conversations.get("c1")).toMatchObject({ title: "One", metadata: { a: 1 }, userId: "ada" });
    expect(await memory.conversations.get("empty")).toMatchObject({ userId: "default" });
    expect((await memory.runs.tree("h1")).steps).toMatchObject([{ id: "s1" }]);
  });

  test("VoltAgent today: parts, notes of users and conversations, steps, workflow states, vectors of the same model", async () => {
    const source = await database.schema(`${await ddl("2.x")}
      CREATE TABLE voltagent_vector_vectors (id TEXT PRIMARY KEY, vector BYTEA NOT NULL, dimensions INT NOT NULL, metadata JSONB, content TEXT,
        created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now());
      INSERT INTO voltagent_memory_users (id, metadata) VALUES ('ada', '{"workingMemory": "# Ada", "plan": "pro"}');
      INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES ('c_1', 'app', 'ada', 'One', '{"workingMemory": "notes", "a": 1}');
      INSERT INTO voltagent_memory_messages (conversation_id, message_id, user_id, role, parts, metadata, created_at) VALUES
        ('c_1', 'm_1', 'default', 'user', '[{"type": "text", "text": "I like tea"}]', '{}', '2025-09-01T10:00:00Z'),
        ('c_1', 'm2', 'ada', 'assistant', '[{"type": "text", "text": "Noted"}]', NULL, '2025-09-01T10:00:01Z');
      INSERT INTO voltagent_memory_steps (id, conversation_id, user_id, agent_id, operation_id, step_index, type, role, content)
        VALUES ('s1', 'c_1', 'ada', 'agent', 'op', 0, 'text', 'assistant', 'x'), ('s2', 'c_1', 'ada', 'agent', 'op', 1, 'text', 'assistant', 'y');
      INSERT INTO voltagent_memory_workflow_states (id, workflow_id, workflow_name, status, input, created_at, updated_at)
        VALUES ('w1', 'flow', 'Flow', 'suspended', '{"n": 1}', '2025-09-01T10:00:00Z', '2025-09-01T10:00:00Z');
      INSERT INTO voltagent_vector_vectors (id, vector, dimensions, metadata, content) VALUES
        ('msg_c_1_m_1', ${floats(1, 0, 0.5)}, 3, '{"messageId": "m_1", "conversationId": "c_1"}', NULL),
        ('doc', ${floats(0, 1, 0)}, 3, '{"kind": "manual"}', 'How to brew'), ('lost', ${floats(0, 1, 0)}, 3, NULL, NULL)`);
    const memory = target({ embedding: broughtVectors("openai/small", 3) });
    const place = { system: "voltagent", ...source.place } as const;
    const report = await memory.importFrom({ ...place, embeddingModel: "small" });
    expect(report).toMatchObject({
      written: { conversations: 1, messages: 2, records: 8, vectors: 1 },
      skipped: [{ reason: "a vector with neither a message nor a text", count: 1, examples: ["voltagent_vector_vectors lost"] }],
    });
    expect(await memory.stats()).toMatchObject({ vectors: 1, owed: { pending: 1 } });
    expect((await exported(memory)).map(({ userId, content }) => [userId, content])).toEqual([
      ["ada", "I like tea"],
      ["ada", "Noted"],
    ]);
    expect((await memory.conversations.get("c_1")).metadata).toEqual({ a: 1 });
    expect((await memory.working.get({ conversationId: "c_1" }))?.content).toBe("notes");
    expect((await memory.working.get({ userId: "ada" }))?.content).toBe("# Ada");
    expect(await memory.runs.list({ userId: "ada" })).toMatchObject({ items: [{ agentId: "agent" }] });
    expect((await memory.runs.trees({ userId: "ada" })).items[0]?.steps).toHaveLength(2);
    expect(await memory.runs.get("w1")).toMatchObject({ status: "suspended", input: { n: 1 }, userId: "default" });
  });

  test("vectors of another model are made anew", async () => {
    const source = await database.schema(tutorialSql);
    const memory = target({ embedding: broughtVectors("openai/other", 3) });
    const report = await memory.importFrom({ system: "tutorial", ...source.place });
    expect(report.written).toMatchObject({ messages: 3, vectors: 0 });
    expect((await memory.stats()).owed.pending).toBe(3);
  });

  test("the tutorial: an exchange becomes two messages, anything else stays one", async () => {
    const source = await database.schema(tutorialSql);
    const memory = target({ embedding: broughtVectors("text-embedding-3-small", 3) });
    expect((await memory.importFrom({ system: "tutorial", ...source.place }, { userId: "ada" })).written).toEqual({
      conversations: 1,
      messages: 3,
      records: 0,
      vectors: 1,
    });
    expect((await exported(memory)).map(({ id, role, content, userId }) => [id, role, content, userId])).toEqual([
      ["1-user", "user", "Hi\nthere", "ada"],
      ["1-assistant", "assistant", "Hello\nAssistant: no, really", "ada"],
      ["2", "user", "A note", "ada"],
    ]);
  });

  test("LangSwarm: sessions with what its facade reads, tool calls, summaries, vectors, messages without a session", async () => {
    const source = await database.schema(`
      CREATE TABLE app_sessions (session_id TEXT PRIMARY KEY, user_id TEXT, agent_id TEXT, workflow_id TEXT, status TEXT, max_messages INT, max_tokens INT,
        auto_summarize BOOLEAN, summary_threshold INT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, expires_at TIMESTAMPTZ, tags JSONB, properties JSONB);
      CREATE TABLE app_messages (message_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, role TEXT, content TEXT, timestamp TIMESTAMPTZ, token_count INT,
        metadata JSONB, function_call JSONB, tool_calls JSONB, embedding vector(3));
      CREATE TABLE app_summaries (summary_id TEXT PRIMARY KEY, session_id TEXT, summary TEXT, message_count INT, start_time TIMESTAMPTZ, end_time TIMESTAMPTZ,
        key_topics JSONB, created_at TIMESTAMPTZ);
      INSERT INTO app_sessions VALUES ('s1', 'ada', 'bot', NULL, 'completed', 20, NULL, true, 50, now(), now(), NULL, '["x"]', '{"p": 1}'), ('s2', NULL, NULL, NULL, 'active', 100, NULL, true, 50, now(), now(), NULL, '[]', '{}');
      INSERT INTO app_messages VALUES
        ('a', 's1', 'user', 'Weather?', '2025-05-01T10:00:00Z', 2, '{}', NULL, NULL, '[1,0,0]'),
        ('b', 's1', 'assistant', '', '2025-05-01T10:00:01Z', NULL, '{}', NULL, '[{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]', NULL),
        ('c', 's1', 'tool', 'sunny', '2025-05-01T10:00:02Z', NULL, '{"tool_call_id": "t1"}', NULL, NULL, NULL),
        ('d', 'gone', 'critic', 'orphan', '2025-05-01T10:00:00Z', NULL, NULL, NULL, NULL, NULL);
      INSERT INTO app_summaries VALUES ('u1', 's1', 'Talked of weather', 3, now(), now(), '["weather"]', now())`);
    const memory = target({ embedding: broughtVectors("openai/text-embedding-3-small", 3) });
    const found: string[] = [];
    const report = await memory.importFrom(
      { system: "langswarm", ...source.place },
      { userId: "nobody", onLayout: ({ tables }) => void found.push(...tables.map(({ name, rows }) => `${name} ${rows}`)) },
    );
    expect(found).toEqual(["app_messages 4", "app_sessions 2", "app_summaries 1"]);
    expect(report).toMatchObject({ written: { conversations: 3, messages: 4, records: 1, vectors: 1 }, skipped: [] });
    const messages = await exported(memory);
    expect(messages.map(({ id, userId }) => [id, userId])).toEqual([
      ["a", "ada"],
      ["b", "ada"],
      ["c", "ada"],
      ["d", "nobody"],
    ]);
    expect(messages[1]?.parts).toMatchObject([{ type: "tool-call", toolCallId: "t1", toolName: "weather" }]);
    expect(messages[2]?.parts).toMatchObject([{ type: "tool-result", toolCallId: "t1" }]);
    expect(messages[3]).toMatchObject({ role: "critic", content: "orphan" });
    expect(await memory.conversations.get("s1")).toMatchObject({
      resourceId: "bot",
      metadata: { langswarm: { status: "completed", maxMessages: 20, tags: ["x"], properties: { p: 1 } } },
    });
  });

  test("Memorizz 0.0.21: messages with times in UTC, records of each type", async () => {
    const own =
      "id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP, metadata JSONB, embedding vector(3)";
    const source = await database.schema(`
      CREATE TABLE personas (${own}, role VARCHAR, goals TEXT, background TEXT, persona_id VARCHAR);
      CREATE TABLE toolbox (${own}, memory_id VARCHAR, description TEXT, parameters JSONB, tool_id VARCHAR);
      CREATE TABLE conversation_memory (${own}, memory_id VARCHAR, content TEXT, role VARCHAR, timestamp TIMESTAMP, conversation_id VARCHAR);
      INSERT INTO personas (id, name, role, goals, background, created_at) VALUES ('00000000-0000-0000-0000-000000000001', 'Guide', 'Helper', 'Help', 'Was there', '2025-05-28 12:00:00');
      INSERT INTO toolbox (name, description, parameters, memory_id) VALUES ('search', 'Finds', '{"q": "string"}', 'mem');
      INSERT INTO conversation_memory (id, memory_id, content, role, timestamp, conversation_id, embedding) VALUES
        ('00000000-0000-0000-0000-00000000000b', 'mem', 'Second', 'assistant', '2025-05-28 12:00:01.5', 'c1', '[0,1,0]'),
        ('00000000-0000-0000-0000-00000000000a', 'mem', 'First', 'user', '2025-05-28 12:00:00', 'c1', '[1,0,0]'),
        ('00000000-0000-0000-0000-00000000000c', 'mem', 'Without', 'user', NULL, NULL, NULL)`);
    const memory = target({ embedding: broughtVectors("text-embedding-3-small", 3) });
    const report = await memory.importFrom({ system: "memorizz", ...source.place });
    expect(report).toMatchObject({ version: "0.0.21 (PostgreSQL)", written: { conversations: 2, messages: 3, records: 2, vectors: 2 } });
    const messages = await exported(memory);
    expect(messages.map(({ conversation, content, createdAt }) => [conversation, content, createdAt])).toEqual([
      ["c1", "First", "2025-05-28T12:00:00.000Z"],
      ["c1", "Second", "2025-05-28T12:00:01.500Z"],
      ["mem", "Without", "1970-01-01T00:00:00.000Z"],
    ]);
    expect(messages[0]?.metadata).toEqual({ memory_id: "mem" });
  });

  test("twice doubles nothing, and what was edited is updated", async () => {
    const source = await database.schema(tutorialSql);
    const memory = target();
    const place = { system: "tutorial", ...source.place } as const;
    await memory.importFrom(place);
    const before = await exported(memory);
    await memory.importFrom(place);
    expect(await exported(memory)).toEqual(before);
    await database.execute(source.place.schema as string, "UPDATE agent_memories SET content = 'Another note' WHERE id = 2");
    await memory.importFrom(place);
    expect((await exported(memory)).map(({ content }) => content)).toEqual(["Hi\nthere", "Hello\nAssistant: no, really", "Another note"]);
  });

  test("a dry run says what would be written, and writes nothing, here or there", async () => {
    const source = await database.schema(`${await ddl("1.0-next")}
      INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES ('c1', 'app', 'ada', 'One', '{}');
      INSERT INTO voltagent_memory_messages (conversation_id, message_id, user_id, role, content, type) VALUES ('c1', '${"x".repeat(600)}', 'ada', 'user', 'a', 'text'), ('c1', 'm', 'ada', 'user', 'b', 'text')`);
    const before = await source.rows();
    const memory = target();
    const report = await memory.importFrom({ system: "voltagent", ...source.place }, { dryRun: true });
    expect(report).toMatchObject({
      dryRun: true,
      version: "1.0-next",
      written: { conversations: 1, messages: 1 },
      skipped: [{ reason: "its id must be at most 512 characters", count: 1 }],
    });
    expect(await memory.stats()).toMatchObject({ conversations: 0, messages: 0 });
    const real = await memory.importFrom({ system: "voltagent", ...source.place });
    expect({ ...real, dryRun: true }).toEqual(report);
    expect(await source.rows()).toEqual(before);
  });

  test("stopped half way, it goes on from there; afterwards it begins anew", async () => {
    const source = await database.schema(manySql(3_000));
    const memory = target();
    const place = { system: "tutorial", ...source.place } as const;
    const stop = new AbortController();
    const stopped = memory.importFrom(place, {
      signal: stop.signal,
      onProgress: ({ read }) => read >= 1_000 && stop.abort(new Error("stopped")),
    });
    await expect(stopped).rejects.toThrow("stopped");
    const { messages } = await memory.stats();
    expect(messages).toBe(2_000);
    // A client does not tell which database it is of.
    const isKnown = place.client === undefined;
    expect(await memory.importFrom(place)).toMatchObject({ read: isKnown ? 2_000 : 3_000, resumed: isKnown });
    expect((await memory.stats()).messages).toBe(6_000);
    expect((await memory.importFrom(place)).read).toBe(3_000);
    expect((await memory.stats()).messages).toBe(6_000);
  });

  test("what is not there, and what could be several, is told before anything is read", async () => {
    const source = await database.schema("CREATE TABLE sessions (id int, user_id text); CREATE TABLE messages (id int)");
    const memory = target();
    for (const system of ["voltagent", "langswarm", "memorizz", "tutorial"] as const)
      await expect(memory.importFrom({ system, ...source.place })).rejects.toMatchObject({ code: "invalid_argument", field: "from" });
    const two = await database.schema(
      tutorialSql.replaceAll("agent_memories", "a_agent_memories") + tutorialSql.replaceAll("agent_memories", "b_agent_memories"),
    );
    await expect(memory.importFrom({ system: "tutorial", ...two.place })).rejects.toThrow('"a_", "b_"');
    expect((await memory.importFrom({ system: "tutorial", ...two.place, tablePrefix: "b_" })).written.messages).toBe(3);
  });
});

const tutorialSql = `CREATE TABLE agent_memories (id BIGSERIAL PRIMARY KEY, session_id TEXT, content TEXT, embedding vector(3), created_at TIMESTAMPTZ DEFAULT now());
  INSERT INTO agent_memories (session_id, content, embedding) VALUES ('s', E'User: Hi\\nthere\\nAssistant: Hello\\nAssistant: no, really', '[1,0,0]'), ('s', 'A note', '[0,1,0]');`;

const manySql = (
  rows: number,
) => `CREATE TABLE agent_memories (id BIGSERIAL PRIMARY KEY, session_id TEXT, content TEXT, embedding vector(3), created_at TIMESTAMPTZ DEFAULT now());
  INSERT INTO agent_memories (session_id, content) SELECT 's' || n % 10, 'User: question ' || n || E'\\nAssistant: answer ' || n FROM generate_series(1, ${rows}) n`;
