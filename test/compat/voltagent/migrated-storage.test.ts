import { readFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { PostgreSQLMemoryAdapter } from "../../../src/adapters/voltagent.ts";
import { PostgresStorage, type StorageConnection } from "../../../src/compat/voltagent.ts";
import { describeServer } from "../../support/servers.ts";
import { tempDatabase } from "../../support/temp-schema.ts";
import type { OldVersion } from "./old-tables.ts";

/** A database an old version left, and how a storage connects to it. */
interface OldDatabase {
  readonly connection: StorageConnection;
  execute(sql: string): Promise<unknown>;
}

type Open = () => Promise<OldDatabase>;

async function pglite(): Promise<OldDatabase> {
  const instance = new PGlite({ extensions: { vector } });
  onTestFinished(() => instance.close());
  return { connection: instance, execute: (sql) => instance.exec(sql) };
}

async function server(url: string): Promise<OldDatabase> {
  const connection = await tempDatabase(url);
  const client = new pg.Client({ connectionString: connection });
  await client.connect();
  // The database is dropped with what is still connected to it.
  client.on("error", () => {});
  onTestFinished(() => client.end());
  await client.query("CREATE EXTENSION IF NOT EXISTS vector");
  return { connection, execute: (sql) => client.query(sql) };
}

const call = '[{"type":"tool-call","toolCallId":"t1","toolName":"search","args":{"q":"x"}}]';
const result = '[ {"type": "tool-result", "toolCallId": "t1", "toolName": "search", "result": "found"} ]';

function storages(open: Open): void {
  async function opened(version: OldVersion, sql: string): Promise<OldDatabase> {
    const database = await open();
    await database.execute(await readFile(new URL(`../../fixtures/voltagent/${version}.sql`, import.meta.url), "utf8"));
    await database.execute(sql);
    return database;
  }

  function storage(database: OldDatabase): PostgresStorage {
    const made = new PostgresStorage({ connection: database.connection });
    onTestFinished(() => made.close());
    return made;
  }

  test("a storage of 0.1 gives back what was written before it, to the letter", async () => {
    const database = await opened(
      "0.1.2",
      `INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata, updated_at) VALUES ('c1', 'agent', 'ada', 'Title', '{"a": 1}', '2025-02-01');
      INSERT INTO voltagent_memory_messages VALUES
        ('c1', 'm1', 'user', 'Hello', 'text', '2025-01-01'), ('c1', 'm2', 'assistant', '${call}', 'tool-call', '2025-01-02'),
        ('c1', 'm3', 'tool', '${result}', 'tool-result', '2025-01-03'), ('c1', 'm4', 'assistant', '{"answer": 42}', 'text', '2025-01-04'), ('c1', 'm5', 'assistant', '', 'text', '2025-01-05');
      INSERT INTO voltagent_memory_agent_history (id, agent_id, timestamp, status, input, userid, conversationid) VALUES ('h1', 'writer', '2025-01-01', 'done', '"hi"', 'ada', 'c1'), ('h2', 'writer', '2025-01-02', 'done', NULL, NULL, NULL);
      INSERT INTO voltagent_memory_agent_history_steps VALUES ('s1', '{"type": "text", "content": "one"}', 'h1', 'writer');
      INSERT INTO voltagent_memory_agent_history_timeline_events (id, history_id, agent_id, event_type, event_name, start_time, tags) VALUES ('e1', 'h1', 'writer', 'tool', 'search', '2025-01-01', '["x"]')`,
    );
    const made = storage(database);
    const messages = await made.getMessages({ userId: "ada", conversationId: "c1" });
    expect(messages.map(({ id, content, type }) => ({ id, content, type }))).toEqual([
      { id: "m1", content: "Hello", type: "text" },
      { id: "m2", content: call, type: "tool-call" },
      { id: "m3", content: result, type: "tool-result" },
      { id: "m4", content: '{"answer": 42}', type: "text" },
      { id: "m5", content: "", type: "text" },
    ]);
    expect(await made.getConversationsByUserId("ada")).toMatchObject([
      { id: "c1", title: "Title", metadata: { a: 1 }, updatedAt: "2025-02-01T00:00:00.000Z" },
    ]);
    expect(await made.getHistoryEntry("h1")).toMatchObject({
      _agentId: "writer",
      input: "hi",
      userId: "ada",
      conversationId: "c1",
      steps: [{ type: "text", content: "one" }],
      events: [{ id: "e1", type: "tool", name: "search", tags: ["x"] }],
    });
    expect(await made.getHistoryEntry("h2")).toMatchObject({ userId: null, conversationId: null });
    expect(await made.getHistoryStep("s1")).toEqual({ type: "text", content: "one" });
    expect(await made.migrateConversationSchema()).toEqual({ success: true, migratedCount: 0, backupCreated: true });
  });

  test("a storage of 1.0-next reads workflows of before", async () => {
    const database = await opened(
      "1.0-next",
      `INSERT INTO voltagent_memory_workflow_history (id, name, workflow_id, status, start_time, end_time, input, user_id, created_at, updated_at) VALUES
        ('w1', 'Order', 'order', 'completed', '2025-07-01 10:00:00+00', '2025-07-01 10:00:10+00', '{"n": 1}', 'ada', '2025-07-01 09:00:00+00', '2025-07-01 11:00:00+00');
      INSERT INTO voltagent_memory_workflow_steps (id, workflow_history_id, step_index, step_type, step_name, status, start_time, error_message) VALUES ('s1', 'w1', 0, 'func', 'pay', 'error', '2025-07-01 10:00:00+00', '{"message": "no"}');
      INSERT INTO voltagent_memory_workflow_timeline_events (event_id, workflow_history_id, type, name, start_time, status, event_sequence, trace_id) VALUES ('e1', 'w1', 'workflow', 'start', '2025-07-01 10:00:00+00', 'running', 1, 'trace')`,
    );
    const made = storage(database);
    expect(await made.getWorkflowHistoryWithStepsAndEvents("w1")).toMatchObject({
      workflowId: "order",
      workflowName: "Order",
      status: "completed",
      userId: "ada",
      input: { n: 1 },
      startTime: new Date("2025-07-01T10:00:00Z"),
      endTime: new Date("2025-07-01T10:00:10Z"),
      createdAt: new Date("2025-07-01T09:00:00Z"),
      updatedAt: new Date("2025-07-01T11:00:00Z"),
      steps: [{ id: "s1", stepIndex: 0, stepType: "func", stepName: "pay", error: { message: "no" } }],
      events: [{ eventId: "e1", eventSequence: 1, traceId: "trace" }],
    });
    expect(await made.getWorkflowStats("order")).toMatchObject({
      totalExecutions: 1,
      successfulExecutions: 1,
      averageExecutionTime: 10_000,
    });
  });

  test("today's adapter reads what it left itself, and goes on with it", async () => {
    const database = await opened(
      "2.x",
      `INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES ('c1', 'agent', 'ada', 'Title', '{"workingMemory": "notes"}');
      INSERT INTO voltagent_memory_messages (conversation_id, message_id, user_id, role, parts, metadata, created_at) VALUES ('c1', 'm1', 'ada', 'user', '[{"type": "text", "text": "hi"}]', '{"k": 1}', '2025-08-01')`,
    );
    const adapter = new PostgreSQLMemoryAdapter({ connection: database.connection });
    onTestFinished(() => adapter.close());
    expect(await adapter.getMessages("ada", "c1")).toEqual([
      { id: "m1", role: "user", parts: [{ type: "text", text: "hi" }], metadata: { k: 1, createdAt: new Date("2025-08-01") } },
    ]);
    expect(await adapter.getWorkingMemory({ scope: "conversation", conversationId: "c1" })).toBe("notes");
    await adapter.addMessage({ id: "m2", role: "assistant", parts: [{ type: "text", text: "hello" }] }, "ada", "c1");
    expect((await adapter.getMessages("ada", "c1")).map(({ id }) => id)).toEqual(["m1", "m2"]);
  });

  test("a restore, after which the storage migrates again when it is used", async () => {
    const database = await opened(
      "0.1.1",
      `INSERT INTO voltagent_memory_conversations (id, resource_id, title) VALUES ('c1', 'agent', 'Title');
      INSERT INTO voltagent_memory_messages VALUES ('ada', 'c1', 'm1', 'user', 'Hello', 'text', '2025-01-01')`,
    );
    const made = storage(database);
    expect(await made.migrateConversationSchema({ createBackup: true })).toEqual({ success: true, migratedCount: 1, backupCreated: true });
    await made.createConversation({ id: "c2", resourceId: "agent", userId: "ada", title: "New", metadata: {} });
    expect(await made.migrateConversationSchema({ restoreFromBackup: true })).toEqual({ success: true, backupCreated: false });
    await database.execute(
      "INSERT INTO voltagent_memory_messages VALUES ('ada', 'c1', 'm2', 'user', 'by the old one', 'text', '2025-01-02')",
    );
    expect((await made.getConversationsByUserId("ada")).map(({ id }) => id).sort()).toEqual(["c1", "c2"]);
    expect((await made.getMessages({ userId: "ada", conversationId: "c1" })).map(({ id }) => id)).toEqual(["m1", "m2"]);
    expect(await made.migrateConversationSchema({ deleteBackupAfterSuccess: true })).toEqual({
      success: true,
      migratedCount: 0,
      backupCreated: false,
    });
  });
}

describe("VoltAgent's storage on old tables (embedded)", () => storages(pglite));
describeServer("postgres", "VoltAgent's storage on old tables (postgres)", (url) => storages(() => server(url)));
