import { describe, expect, test } from "vitest";
import {
  PostgresStorage,
  type WorkflowHistoryEntry,
  type WorkflowStepEntry,
  type WorkflowTimelineEvent,
} from "../../../src/compat/voltagent.ts";
import { describeConnections } from "../../support/connections.ts";
import { newId } from "../../support/engines.ts";

const at = (second: number) => new Date(Date.UTC(2025, 0, 1, 0, 0, second));

describeConnections("VoltAgent's history", (place) => {
  const make = () => place.opened(new PostgresStorage({ connection: place.connection, schema: place.schema, embedding: false }));
  let shared: PostgresStorage | undefined;
  const storage = () => {
    shared ??= make();
    return shared;
  };

  describe("of agents", () => {
    test("an entry comes back with its steps and events", async () => {
      const [key, agent] = [newId("entry"), newId("agent")];
      const entry = {
        timestamp: at(1),
        status: "working",
        input: [{ role: "user", content: "hi" }],
        output: "hello",
        usage: { totalTokens: 3 },
        metadata: { model: "x" },
        userId: "ada",
        conversationId: "c",
      };
      const steps = [
        { type: "tool_call", name: "search", content: "", arguments: { q: 1 } },
        { type: "text", name: "say", content: "found" },
      ];
      const event = {
        type: "tool",
        name: "tool:start",
        startTime: at(2).toISOString(),
        endTime: at(3).toISOString(),
        status: "running",
        statusMessage: { message: "m" },
        level: "WARNING",
        version: "1",
        tags: ["a"],
        input: { q: 1 },
        output: { found: 1 },
        metadata: { id: "tool" },
      };
      await storage().addHistoryEntry(key, entry, agent);
      for (const [index, step] of steps.entries()) await storage().addHistoryStep(`${key}-${index}`, step, key, agent);
      await storage().addTimelineEvent(`${key}-child`, { ...event, parentEventId: `${key}-event` }, key, agent);
      await storage().addTimelineEvent(`${key}-event`, { type: "agent", name: "agent:start", startTime: at(1).toISOString() }, key, agent);
      expect(await storage().getHistoryEntry(key)).toEqual({
        ...entry,
        id: key,
        _agentId: agent,
        steps,
        events: [
          { id: `${key}-event`, type: "agent", name: "agent:start", startTime: at(1).toISOString(), level: "INFO" },
          { ...event, id: `${key}-child`, parentEventId: `${key}-event` },
        ],
      });
      expect(await storage().getHistoryStep(`${key}-0`)).toEqual(steps[0]);
      expect(await make().getHistoryStep(`${key}-1`)).toEqual(steps[1]);
      expect(await storage().getHistoryStep("none")).toBeUndefined();
      expect(await storage().getHistoryEntry("none")).toBeUndefined();
    });

    test("the same keys again change what is there", async () => {
      const [key, agent] = [newId("entry"), newId("agent")];
      await storage().addHistoryEntry(key, { timestamp: at(1), status: "working", input: "q" }, agent);
      await storage().addHistoryStep("s", { type: "text", content: 1 }, key, agent);
      await storage().updateHistoryStep("s", { type: "text", content: 2 }, key, agent);
      await storage().updateHistoryEntry(key, { status: "completed", output: "a" }, agent);
      expect(await storage().getHistoryEntry(key)).toMatchObject({
        timestamp: at(1),
        status: "completed",
        input: "q",
        output: "a",
        usage: null,
        metadata: null,
        userId: null,
        conversationId: null,
        steps: [{ content: 2 }],
      });
      await storage().addHistoryEntry(key, { timestamp: at(2), status: "working" }, agent);
      expect(await storage().getHistoryEntry(key)).toMatchObject({ status: "working", input: null, steps: [{ content: 2 }] });
    });

    test("steps and events may come before their entry, and all at once", async () => {
      const [key, agent] = [newId("entry"), newId("agent")];
      await Promise.all([
        storage().addTimelineEvent(newId("e"), { type: "agent", name: "n", startTime: at(1).toISOString() }, key, agent),
        ...[1, 2, 3].map((number) => storage().addHistoryStep(newId("s"), { number }, key, agent)),
        storage().addHistoryEntry(key, { timestamp: at(1), status: "working", userId: "ada" }, agent),
      ]);
      const entries = await storage().getAllHistoryEntriesByAgent(agent);
      expect(entries).toMatchObject([
        { id: key, userId: "ada", status: "working", steps: [{ number: 1 }, { number: 2 }, { number: 3 }], events: [{}] },
      ]);
    });

    test("entries of an agent, newest first and page by page, in as many queries for 3 as for 60", async () => {
      const agent = newId("agent");
      const keys = Array.from({ length: 60 }, () => newId("entry"));
      await Promise.all(
        keys.map(async (key, index) => {
          await storage().addHistoryEntry(key, { timestamp: at(index), status: "completed" }, agent);
          await storage().addHistoryStep(`${key}-s`, { type: "text", content: key }, key, agent);
        }),
      );
      const all = await storage().getAllHistoryEntriesByAgent(agent);
      expect(all.map(({ id, steps }) => [id, (steps[0] as { content: string }).content])).toEqual(
        keys.toReversed().map((key) => [key, key]),
      );
      const page = await storage().getAllHistoryEntriesByAgent(agent, 1, 25);
      expect(page).toEqual({ entries: all.slice(25, 50), total: 60 });
    });

    test("goes with the conversation it names, also where it names no user", async () => {
      const [first, second, agent] = [newId("entry"), newId("entry"), newId("agent")];
      const { id } = await storage().createConversation({ id: newId("c"), userId: "ada", resourceId: "r", title: "", metadata: {} });
      await storage().addHistoryEntry(first, { status: "completed", conversationId: id }, agent);
      await storage().addHistoryStep(newId("s"), { secret: 1 }, second, agent);
      await storage().addHistoryEntry(second, { status: "completed", conversationId: id }, agent);
      await storage().updateHistoryEntry(second, { status: "error" }, agent);
      expect(await storage().getHistoryEntry(second)).toMatchObject({
        userId: null,
        conversationId: id,
        status: "error",
        steps: [{ secret: 1 }],
      });
      const workflow = { id: newId("w"), workflowName: "W", workflowId: agent, status: "running", startTime: at(1), conversationId: id };
      await storage().storeWorkflowHistory(workflow);
      await storage().storeWorkflowStep({
        id: newId("s"),
        workflowHistoryId: workflow.id,
        stepIndex: 0,
        stepType: "agent",
        stepName: "s",
        status: "running",
        startTime: at(1),
      });
      await storage().updateWorkflowHistory(workflow.id, { status: "completed" });
      const whole = await storage().getWorkflowHistoryWithStepsAndEvents(workflow.id);
      expect([whole?.userId, whole?.status, whole?.steps?.length]).toEqual([undefined, "completed", 1]);
      await storage().deleteConversation(id);
      expect(await storage().getAllHistoryEntriesByAgent(agent)).toEqual([]);
      expect(await storage().getWorkflowHistory(workflow.id)).toBeNull();
    });

    test("goes with its conversation, and with its user", async () => {
      const [first, second, agent] = [newId("entry"), newId("entry"), newId("agent")];
      const { id } = await storage().createConversation({ id: newId("c"), userId: "leaving", resourceId: "r", title: "", metadata: {} });
      await storage().addHistoryEntry(first, { status: "completed", userId: "leaving", conversationId: id }, agent);
      await storage().addHistoryEntry(second, { status: "completed", userId: "leaving" }, agent);
      await storage().addHistoryStep(newId("s"), { secret: 1 }, first, agent);
      await storage().deleteConversation(id);
      expect((await storage().getAllHistoryEntriesByAgent(agent)).map((entry) => entry.id)).toEqual([second]);
      await storage().memory.erase({ userId: "leaving" });
      expect(await storage().getAllHistoryEntriesByAgent(agent)).toEqual([]);
    });
  });

  describe("of workflows", () => {
    const history = (fields: Partial<WorkflowHistoryEntry> = {}): WorkflowHistoryEntry => ({
      id: newId("history"),
      workflowName: "Order",
      workflowId: "order",
      status: "running",
      startTime: at(1),
      input: { order: 1 },
      metadata: { source: "test" },
      userId: "ada",
      conversationId: "c",
      steps: [],
      events: [],
      createdAt: at(1),
      updatedAt: at(1),
      ...fields,
    });
    const step = (workflowHistoryId: string, stepIndex: number, fields: Partial<WorkflowStepEntry> = {}): WorkflowStepEntry => ({
      id: newId("step"),
      workflowHistoryId,
      stepIndex,
      stepType: "func",
      stepName: `step ${stepIndex}`,
      stepId: `def-${stepIndex}`,
      status: "running",
      startTime: at(stepIndex + 1),
      input: stepIndex,
      parallelIndex: 0,
      metadata: { a: 1 },
      createdAt: at(1),
      updatedAt: at(1),
      ...fields,
    });
    const event = (workflowHistoryId: string, fields: Partial<WorkflowTimelineEvent> = {}): WorkflowTimelineEvent => ({
      id: newId("id"),
      workflowHistoryId,
      eventId: newId("event"),
      name: "workflow:start",
      type: "workflow",
      startTime: at(1).toISOString(),
      status: "running",
      level: "INFO",
      metadata: { displayName: "x" },
      traceId: "trace",
      eventSequence: 1,
      createdAt: at(1),
      ...fields,
    });

    test("come back as they went in, with steps and events in one call", async () => {
      const entry = history();
      await storage().storeWorkflowHistory(entry);
      expect(await storage().getWorkflowHistory(entry.id)).toEqual(entry);
      const steps = [step(entry.id, 0), step(entry.id, 1, { parallelParentStepId: "p" })];
      for (const one of steps.toReversed()) await storage().storeWorkflowStep(one);
      const first = event(entry.id);
      const events = [
        first,
        event(entry.id, { eventSequence: 2, parentEventId: first.eventId, endTime: at(3).toISOString(), output: { ok: true } }),
      ];
      for (const one of events.toReversed()) await storage().storeWorkflowTimelineEvent(one);
      const dated = event(entry.id, { startTime: at(5), endTime: at(6) });
      await storage().storeWorkflowTimelineEvent(dated);
      expect(await storage().getWorkflowHistoryWithStepsAndEvents(entry.id)).toEqual({ ...entry, steps, events: [...events, dated] });
      expect(await storage().getWorkflowSteps(entry.id)).toEqual(steps);
      expect(await storage().getWorkflowTimelineEvents(entry.id)).toEqual([...events, dated]);
      expect(await make().getWorkflowStep(steps[1]?.id ?? "")).toEqual(steps[1]);
      expect(await make().getWorkflowTimelineEvent(first.eventId)).toEqual(first);
    });

    test("are changed field by field", async () => {
      const entry = history();
      await storage().storeWorkflowHistory(entry);
      await storage().updateWorkflowHistory(entry.id, { status: "completed", endTime: at(9), output: { done: true } });
      expect(await storage().getWorkflowHistory(entry.id)).toEqual({
        ...entry,
        status: "completed",
        endTime: at(9),
        output: { done: true },
        updatedAt: expect.any(Date),
      });
      const one = step(entry.id, 0);
      await storage().storeWorkflowStep(one);
      await storage().updateWorkflowStep(one.id, { status: "error", error: { message: "no" }, endTime: at(3), agentExecutionId: "run" });
      expect(await storage().getWorkflowStep(one.id)).toEqual({
        ...one,
        status: "error",
        error: { message: "no" },
        endTime: at(3),
        agentExecutionId: "run",
      });
      await expect(storage().updateWorkflowHistory("none", { status: "error" })).rejects.toMatchObject({ code: "not_found" });
      await expect(storage().updateWorkflowStep("none", { status: "error" })).rejects.toMatchObject({ code: "not_found" });
      await expect(storage().storeWorkflowStep(step("none", 0))).rejects.toMatchObject({ code: "not_found" });
    });

    test("what was not given is not there afterwards", async () => {
      const { metadata: _metadata, userId: _userId, conversationId: _conversationId, ...entry } = history();
      await storage().storeWorkflowHistory(entry);
      expect(await storage().getWorkflowHistory(entry.id)).toEqual(entry);
    });

    test("steps, events and whole histories are deleted", async () => {
      const entry = history();
      await storage().storeWorkflowHistory(entry);
      const [one, two] = [step(entry.id, 0), step(entry.id, 1)];
      const [start, end] = [event(entry.id), event(entry.id)];
      for (const some of [one, two]) await storage().storeWorkflowStep(some);
      for (const some of [start, end]) await storage().storeWorkflowTimelineEvent(some);
      await storage().deleteWorkflowStep(one.id);
      await storage().deleteWorkflowTimelineEvent(start.eventId);
      expect(await storage().getWorkflowStep(one.id)).toBeNull();
      expect(await storage().getWorkflowTimelineEvent(start.eventId)).toBeNull();
      expect(await storage().getWorkflowHistoryWithStepsAndEvents(entry.id)).toMatchObject({
        steps: [{ id: two.id }],
        events: [{ id: end.id }],
      });
      await storage().deleteWorkflowHistoryWithRelated(entry.id);
      expect(await storage().getWorkflowHistory(entry.id)).toBeNull();
      expect(await storage().getWorkflowStep(two.id)).toBeNull();
      expect(await storage().getWorkflowSteps(entry.id)).toEqual([]);
    });

    test("are listed, counted and cleaned up by workflow", async () => {
      const workflowId = newId("workflow");
      const statuses = ["completed", "error", "running", "completed"];
      const entries = statuses.map((status, index) =>
        history({
          workflowId,
          status,
          startTime: at(index),
          ...(status === "running" ? {} : { endTime: at(index + 2 * (index + 1)) }),
        }),
      );
      for (const entry of entries) await storage().storeWorkflowHistory(entry);
      const newestFirst = entries.toReversed();
      expect(await storage().getWorkflowHistoryByWorkflowId(workflowId)).toEqual(newestFirst);
      expect(await storage().getAllWorkflowIds()).toEqual(expect.arrayContaining([workflowId]));
      expect(await storage().getWorkflowStats(workflowId)).toEqual({
        totalExecutions: 4,
        successfulExecutions: 2,
        failedExecutions: 1,
        averageExecutionTime: (2000 + 4000 + 8000) / 3,
        lastExecutionTime: at(3),
      });
      expect(await storage().getWorkflowStats("none")).toEqual({
        totalExecutions: 0,
        successfulExecutions: 0,
        failedExecutions: 0,
        averageExecutionTime: 0,
      });
      expect(await storage().cleanupOldWorkflowHistories(workflowId, 3)).toBe(1);
      expect(await storage().getWorkflowHistoryByWorkflowId(workflowId)).toEqual(newestFirst.slice(0, 3));
    });
  });
});
