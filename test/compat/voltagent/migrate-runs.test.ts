import { expect, test } from "vitest";
import { getSteps } from "../../../src/adapters/voltagent/steps.ts";
import { getWorkflowState, queryWorkflowRuns } from "../../../src/adapters/voltagent/workflow-states.ts";
import { describeEngines } from "../../support/engines.ts";
import { oldTables } from "./old-tables.ts";

const conversation = `INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES ('c1', 'agent', 'ada', 'Title', '{}')`;

const history = (
  userColumns: boolean,
) => `INSERT INTO voltagent_memory_agent_history (id, agent_id, timestamp, status, input, output, usage, metadata${userColumns ? ", userid, conversationid" : ""}) VALUES
  ('h1', 'writer', '2025-05-01 10:00:00+00', 'completed', '"hello"', '{"text": "hi"}', '{"totalTokens": 7}', '{"trace": "t"}'${userColumns ? ", NULL, 'c1'" : ""}),
  ('h2', 'writer', '2025-05-02 10:00:00+00', NULL, NULL, NULL, NULL, NULL${userColumns ? ", 'grace', NULL" : ""});
  INSERT INTO voltagent_memory_agent_history_steps VALUES
  ('z', '{"type": "text", "content": "first"}', 'h1', 'writer'), ('a', '{"type": "tool_call", "name": "search"}', 'h1', 'writer');
  INSERT INTO voltagent_memory_agent_history_timeline_events (id, history_id, agent_id, event_type, event_name, start_time, end_time, status, status_message, parent_event_id, tags, input, metadata) VALUES
  ('e2', 'h1', 'writer', 'tool', 'search', '2025-05-01 10:00:02+00', NULL, 'error', '{"message": "no"}', 'e1', '["x"]', '{"q": 1}', '{"a": 1}'),
  ('e1', 'h1', 'writer', 'agent', 'start', '2025-05-01 10:00:01+00', '2025-05-01 10:00:05+00', 'completed', NULL, NULL, NULL, NULL, NULL)`;

describeEngines("migration of VoltAgent's histories", (engine) => {
  test("an agent's history is runs with their steps and events", async () => {
    const old = await oldTables(engine, "0.1.2", [conversation, history(true)].join(";"));
    expect(await old.migrate()).toMatchObject({ success: true });
    const memory = old.memory();
    expect(await memory.runs.tree("h1")).toMatchObject({
      kind: "agent",
      agentId: "writer",
      userId: "ada",
      conversationId: "c1",
      status: "completed",
      input: "hello",
      output: { text: "hi" },
      usage: { totalTokens: 7 },
      metadata: { trace: "t" },
      startedAt: new Date("2025-05-01T10:00:00Z"),
      steps: [
        { id: "z", type: "text", output: { type: "text", content: "first" } },
        { id: "a", type: "tool_call", name: "search" },
      ],
      events: [
        {
          id: "e1",
          endedAt: new Date("2025-05-01T10:00:05Z"),
          level: "INFO",
          metadata: {},
          children: [
            {
              id: "e2",
              status: "error",
              input: { q: 1 },
              metadata: { a: 1, voltagent: { statusMessage: { message: "no" }, tags: ["x"] } },
            },
          ],
        },
      ],
    });
    expect(await memory.runs.get("h2")).toMatchObject({ userId: "grace", conversationId: undefined, status: "unknown" });
    await memory.conversations.delete("c1");
    await expect(memory.runs.get("h1"), "it goes with its conversation").rejects.toThrow(/not found/);
  });

  test("a history older than users of histories is everybody's", async () => {
    const old = await oldTables(engine, "0.1.1", history(false));
    const empty = await old.migrate();
    expect(empty).toMatchObject({ success: true, migratedCount: 0 });
    expect((await old.memory().runs.list({ userId: "default" })).items.map(({ id }) => id)).toEqual(["h2", "h1"]);
  });

  test("a workflow's history is a run that today's adapter reads as a state", async () => {
    const old = await oldTables(
      engine,
      "1.0-next",
      `${conversation};
      INSERT INTO voltagent_memory_workflow_history (id, name, workflow_id, status, start_time, end_time, input, output, metadata, user_id, conversation_id) VALUES
        ('w1', 'Order', 'order', 'completed', '2025-07-01 10:00:00+00', '2025-07-01 10:01:00+00', '{"n": 1}', '{"ok": true}', '{"env": "test"}', 'ada', 'c1');
      INSERT INTO voltagent_memory_workflow_steps (id, workflow_history_id, step_index, step_type, step_name, status, start_time, error_message, agent_execution_id) VALUES
        ('s2', 'w1', 1, 'func', 'pay', 'error', '2025-07-01 10:00:02+00', '"declined"', NULL), ('s1', 'w1', 0, 'agent', 'ask', 'completed', '2025-07-01 10:00:01+00', NULL, 'h1');
      INSERT INTO voltagent_memory_workflow_timeline_events (event_id, workflow_history_id, type, name, start_time, event_sequence) VALUES
        ('e2', 'w1', 'workflow-step', 'b', '2025-07-01 10:00:01+00', 2), ('e1', 'w1', 'workflow', 'a', '2025-07-01 10:00:01+00', 1)`,
    );
    expect(await old.migrate()).toMatchObject({ success: true });
    const memory = old.memory();
    expect(await memory.runs.tree("w1")).toMatchObject({
      kind: "workflow",
      agentId: "order",
      name: "Order",
      status: "completed",
      endedAt: new Date("2025-07-01T10:01:00Z"),
      steps: [
        { id: "s1", index: 0, type: "agent", name: "ask", metadata: { voltagent: { agentExecutionId: "h1" } } },
        { id: "s2", index: 1, status: "error", metadata: { voltagent: { error: "declined" } } },
      ],
      events: [{ id: "e1" }, { id: "e2" }],
    });
    expect(await getWorkflowState(memory, "w1")).toMatchObject({
      id: "w1",
      workflowId: "order",
      status: "completed",
      input: { n: 1 },
      output: { ok: true },
      metadata: { env: "test" },
    });
  });

  test("2.x: workflow states, steps and working memory as today's adapter has them", async () => {
    const old = await oldTables(
      engine,
      "2.x",
      `INSERT INTO voltagent_memory_conversations (id, resource_id, user_id, title, metadata) VALUES
        ('c1', 'agent', 'ada', 'Title', '{"topic": "x", "workingMemory": "notes of c1"}'), ('c2', 'agent', 'ada', 'Title', '{"workingMemory": null}');
      INSERT INTO voltagent_memory_users VALUES ('ada', '{"workingMemory": "{\\"name\\":\\"Ada\\"}"}'), ('grace', NULL);
      INSERT INTO voltagent_memory_messages (conversation_id, message_id, user_id, role, parts, metadata) VALUES ('c1', 'm1', 'ada', 'user', '[{"type": "text", "text": "hi"}]', '{"k": 1}');
      INSERT INTO voltagent_memory_workflow_states (id, workflow_id, workflow_name, status, input, context, suspension, events, user_id, conversation_id, metadata, created_at, updated_at) VALUES
        ('x1', 'order', 'Order', 'suspended', '{"n": 1}', '[["k", 1]]', '{"suspendedAt": "2025-08-01T10:00:00.000Z", "stepIndex": 2}', '[{"id": "e"}]', 'ada', 'c1', '{"env": "test"}', '2025-08-01 09:00:00+00', '2025-08-01 10:00:00+00'),
        ('x2', 'order', 'Order', 'running', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2025-08-02', '2025-08-02');
      INSERT INTO voltagent_memory_steps (id, conversation_id, user_id, agent_id, agent_name, operation_id, step_index, type, role, content, arguments, result, created_at) VALUES
        ('p2', 'c1', 'ada', 'writer', 'Writer', 'op1', 1, 'tool_result', 'tool', NULL, NULL, '{"r": 1}', '2025-08-01 10:00:01+00'),
        ('p1', 'c1', 'ada', 'writer', 'Writer', 'op1', 0, 'tool_call', 'assistant', NULL, '{"q": 1}', NULL, '2025-08-01 10:00:00+00'),
        ('p3', 'c1', 'ada', 'writer', NULL, 'op2', 0, 'text', 'assistant', 'done', NULL, NULL, '2025-08-01 11:00:00+00')`,
    );
    expect(await old.migrate()).toEqual({ success: true, migratedCount: 2, backupCreated: true });
    const memory = old.memory();
    expect(await memory.conversations.get("c1")).toMatchObject({ metadata: { topic: "x" } });
    expect(await memory.working.get({ conversationId: "c1" })).toMatchObject({ content: "notes of c1" });
    expect(await memory.working.get({ conversationId: "c2" })).toBeUndefined();
    expect(await memory.working.get({ userId: "ada" })).toMatchObject({ content: '{"name":"Ada"}' });
    expect(await memory.working.get({ userId: "grace" })).toBeUndefined();

    expect(await getWorkflowState(memory, "x1")).toEqual({
      id: "x1",
      workflowId: "order",
      workflowName: "Order",
      status: "suspended",
      input: { n: 1 },
      context: [["k", 1]],
      suspension: { suspendedAt: new Date("2025-08-01T10:00:00Z"), stepIndex: 2 },
      events: [{ id: "e" }],
      userId: "ada",
      conversationId: "c1",
      metadata: { env: "test" },
      createdAt: new Date("2025-08-01T09:00:00Z"),
      updatedAt: new Date("2025-08-01T10:00:00Z"),
    });
    expect((await queryWorkflowRuns(memory, { workflowId: "order" })).map(({ id, userId }) => ({ id, userId }))).toEqual([
      { id: "x2", userId: undefined },
      { id: "x1", userId: "ada" },
    ]);
    expect((await getSteps(memory, "ada", "c1", {})).map(({ id }) => id)).toEqual(["p1", "p2", "p3"]);
    expect(await getSteps(memory, "ada", "c1", { operationId: "op1" })).toEqual([
      {
        id: "p1",
        conversationId: "c1",
        userId: "ada",
        agentId: "writer",
        agentName: "Writer",
        operationId: "op1",
        stepIndex: 0,
        type: "tool_call",
        role: "assistant",
        arguments: { q: 1 },
        createdAt: "2025-08-01T10:00:00.000Z",
      },
      {
        id: "p2",
        conversationId: "c1",
        userId: "ada",
        agentId: "writer",
        agentName: "Writer",
        operationId: "op1",
        stepIndex: 1,
        type: "tool_result",
        role: "tool",
        result: { r: 1 },
        createdAt: "2025-08-01T10:00:01.000Z",
      },
    ]);
  });

  test("many runs, in batches that can be gone on from; a run written since is kept as it is", async () => {
    const old = await oldTables(
      engine,
      "0.1.2",
      `${conversation};
      INSERT INTO voltagent_memory_agent_history (id, agent_id, timestamp, userid) SELECT 'h' || i, 'writer', timestamptz '2025-01-01' + i * interval '1 s', 'user' || i % 3 FROM generate_series(1, 1200) i;
      INSERT INTO voltagent_memory_agent_history_steps SELECT 'k' || i, jsonb_build_object('number', i), 'h' || 1 + i % 600, 'writer' FROM generate_series(1, 1800) i`,
    );
    const half = await old.migrate({
      onProgress({ phase, done }) {
        if (phase === "runs" && done > 1500) throw new Error("stopped");
      },
    });
    expect(half).toMatchObject({ success: false });
    const seen: string[] = [];
    expect(
      await old.migrate({ onProgress: ({ phase, done, total, runs }) => seen.push(`${phase} ${done}/${total} ${runs}`) }),
    ).toMatchObject({ success: true });
    expect(seen).toContain("runs 3000/3000 1200");
    const memory = old.memory();
    expect(await memory.runs.count()).toBe(1200);
    expect((await memory.runs.tree("h7")).steps.map(({ output }) => output)).toEqual([{ number: 6 }, { number: 606 }, { number: 1206 }]);
    await memory.runs.update("h7", { status: "changed since" });
    await memory.close();
    await old.migrate({ restoreFromBackup: true });
    await old.migrate();
    const again = old.memory();
    expect(await again.runs.tree("h7")).toMatchObject({ status: "changed since", steps: { length: 3 } });
    expect(await again.runs.count()).toBe(1200);
  });
});
