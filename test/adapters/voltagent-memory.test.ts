import { readFile } from "node:fs/promises";
import type { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import {
  type ConversationStepRecord,
  PostgreSQLMemoryAdapter,
  type PostgreSQLMemoryAdapterOptions,
  type UiMessageLike,
  type WorkflowStateEntry,
} from "../../src/adapters/voltagent.ts";
import { describeConnections } from "../support/connections.ts";
import { newId } from "../support/engines.ts";

const notFound = { name: "ConversationNotFoundError", code: "CONVERSATION_NOT_FOUND" };
const alreadyExists = { name: "ConversationAlreadyExistsError", code: "CONVERSATION_ALREADY_EXISTS" };
const storageError = { name: "StorageError", code: "STORAGE_ERROR" };

test("a pool of pg is a connection", () => {
  expectTypeOf<pg.Pool>().toExtend<PostgreSQLMemoryAdapterOptions["connection"]>();
});

test("options that cannot be right are refused at once, without a word of the connection", () => {
  const connection = "postgres://me:secret@localhost/nowhere";
  expect(() => new PostgreSQLMemoryAdapter({ connection: "" })).toThrow("[connection]");
  expect(() => new PostgreSQLMemoryAdapter({ connection, tablePrefix: 'x"; DROP TABLE y' })).toThrow("[tablePrefix]");
  expect(() => new PostgreSQLMemoryAdapter({ connection, maxConnections: 0 })).toThrow("[maxConnections]");
});

test("a server that cannot be reached is a rejected promise, and not the end of the process", async () => {
  const adapter = new PostgreSQLMemoryAdapter({ connection: "postgres://me:secret@127.0.0.1:1/nowhere" });
  const failed = await adapter.getConversation("c").catch((error: unknown) => error);
  expect(failed).toMatchObject({ ...storageError, details: { code: "backend_unavailable" } });
  expect(String(failed)).not.toContain("secret");
  await adapter.close();
});

describeConnections("VoltAgent's storage", (place) => {
  const adapter = (options: Partial<PostgreSQLMemoryAdapterOptions> = {}) =>
    place.opened(new PostgreSQLMemoryAdapter({ connection: place.connection, schema: place.schema, ...options }));
  let storage: PostgreSQLMemoryAdapter;
  beforeAll(() => {
    storage = adapter();
  });

  async function conversation(fields: { userId?: string; resourceId?: string; title?: string; metadata?: Record<string, unknown> } = {}) {
    const { userId = newId("user"), resourceId = "agent", title = "Title", metadata = {} } = fields;
    return storage.createConversation({ id: newId("conversation"), userId, resourceId, title, metadata });
  }

  const said = (id: string, text: string, role = "user"): UiMessageLike => ({ id, role, parts: [{ type: "text", text }] });
  const ids = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);

  describe("conversations", () => {
    test("a conversation is created, read, changed and deleted", async () => {
      const input = { id: newId("conversation"), userId: "u", resourceId: "r", title: "T", metadata: { a: { b: 1 } } };
      const created = await storage.createConversation(input);
      expect(created).toMatchObject(input);
      expect(new Date(created.createdAt).toISOString()).toBe(created.createdAt);
      expect(await storage.getConversation(input.id)).toEqual(created);
      created.metadata.a = "changed by the caller";
      expect(await storage.getConversation(input.id)).toMatchObject(input);

      const updated = await storage.updateConversation(input.id, { title: "New", metadata: { c: 1 } });
      expect(updated).toMatchObject({ id: input.id, title: "New", metadata: { c: 1 }, createdAt: created.createdAt });
      expect(updated.updatedAt >= created.updatedAt).toBe(true);
      expect(await storage.updateConversation(input.id, { userId: "v", resourceId: "s" })).toMatchObject({
        userId: "v",
        resourceId: "s",
        title: "New",
      });
      expect(await storage.getConversationsByUserId("v")).toHaveLength(1);

      await storage.deleteConversation(input.id);
      expect(await storage.getConversation(input.id)).toBeNull();
      await storage.deleteConversation(input.id);
    });

    test("an id that is taken, and one that is not there, are told apart", async () => {
      const { createdAt: _created, updatedAt: _updated, ...input } = await conversation();
      await expect(storage.createConversation(input)).rejects.toMatchObject({ ...alreadyExists, details: { conversationId: input.id } });
      await expect(storage.createConversation({ ...input, userId: "somebody else" })).rejects.toMatchObject(alreadyExists);
      await expect(storage.updateConversation("nowhere", { title: "x" })).rejects.toMatchObject(notFound);
      const [won, lost] = await Promise.allSettled([1, 2].map(() => storage.createConversation({ ...input, id: `${input.id}-new` })));
      expect([won?.status, lost?.status].sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("lists filter by user and resource, page, order, and count without a limit", async () => {
      const userId = newId("user");
      const titles = ["b", "a", "d", "c"];
      for (const [index, title] of titles.entries()) await conversation({ userId, title, resourceId: index < 3 ? "one" : "two" });
      const list = async (options: Parameters<typeof storage.queryConversations>[0]) =>
        (await storage.queryConversations({ userId, ...options })).map(({ title }) => title).join("");
      expect(await list({ orderBy: "title", orderDirection: "ASC" })).toBe("abcd");
      expect(await list({ orderBy: "created_at", orderDirection: "ASC" })).toBe("badc");
      expect(await list({})).toBe("cdab");
      expect(await list({ resourceId: "one", orderBy: "title", orderDirection: "DESC" })).toBe("dba");
      expect(await list({ orderBy: "title", orderDirection: "ASC", limit: 2, offset: 1 })).toBe("bc");
      expect(await list({ limit: 0, offset: 3 })).toBe("b");
      expect(await storage.countConversations({ userId, limit: 1, offset: 2 })).toBe(4);
      expect(await storage.countConversations({ userId, resourceId: "two" })).toBe(1);
      expect(await storage.getConversationsByUserId(userId, { limit: 1 })).toHaveLength(1);
      expect((await storage.getConversations("two")).some((one) => one.userId === userId)).toBe(true);
    });

    test("an empty name of a user is nobody's, and never everybody's", async () => {
      await conversation();
      expect(await storage.getConversationsByUserId("")).toEqual([]);
    });

    test("an order that is none never reaches a statement", async () => {
      for (const orderBy of ["(select 1/0)", "id; DROP TABLE x", "constructor"])
        await expect(storage.queryConversations({ orderBy: orderBy as "title" })).rejects.toMatchObject(storageError);
      await expect(storage.queryConversations({ orderDirection: "ASC, 1" as "ASC" })).rejects.toMatchObject(storageError);
    });

    test("a list longer than a page of ours is whole", { timeout: 60_000 }, async () => {
      const userId = newId("user");
      await storage.memory.import(
        Array.from({ length: 1050 }, (_, index) => ({ userId, conversation: `${userId}-${index}`, role: "user", content: "x" })),
      );
      expect(new Set(ids(await storage.queryConversations({ userId }))).size).toBe(1050);
      expect(await storage.queryConversations({ userId, limit: 1020, offset: 10 })).toHaveLength(1020);
    });
  });

  describe("messages", () => {
    test("parts and metadata come back to the letter, the time as a Date that is not stored twice", async () => {
      const { id, userId } = await conversation();
      const parts = [
        { type: "step-start" },
        { type: "reasoning", text: "thinking", state: "done", providerMetadata: { x: { signature: "s" } } },
        { type: "tool-weather", toolCallId: "t1", state: "output-available", input: { city: "Paris" }, output: { celsius: 21 } },
        { type: "text", text: "nul \0, quote ', half \ud83d" },
        { type: "file", mediaType: "image/png", url: "data:image/png;base64,AA==" },
      ];
      const message = { id: "m1", role: "assistant", parts, metadata: { z: 1, a: [null, "\0"] } };
      await storage.addMessage(message, userId, id);
      await storage.addMessage(
        { id: "m2", role: "user", parts: [], metadata: { createdAt: new Date("2025-01-02T03:04:05.678Z") } },
        userId,
        id,
      );
      const [first, second] = await storage.getMessages(userId, id);
      expect(JSON.stringify(first?.parts)).toBe(JSON.stringify(parts));
      expect(first).toMatchObject({ id: "m1", role: "assistant", metadata: { z: 1, a: [null, "\0"] } });
      expect(first?.metadata.createdAt).toBeInstanceOf(Date);
      expect(second?.metadata).toEqual({ createdAt: new Date("2025-01-02T03:04:05.678Z") });
      expect((await storage.memory.messages.get(id, "m2")).metadata).toEqual({});
    });

    test("the same id again changes the message, which keeps its place and time", async () => {
      const { id, userId } = await conversation();
      await storage.addMessages([said("m1", "one"), said("m2", "two")], userId, id);
      const [before] = await storage.getMessages(userId, id);
      await storage.addMessage(said("m1", "changed", "assistant"), userId, id);
      const messages = await storage.getMessages(userId, id);
      expect(ids(messages)).toEqual(["m1", "m2"]);
      expect(messages[0]).toMatchObject({ role: "assistant", parts: [{ text: "changed" }] });
      expect(messages[0]?.metadata.createdAt).toEqual(before?.metadata.createdAt);
    });

    test("a limit gives the newest, oldest first, of a batch of one time", async () => {
      const { id, userId } = await conversation();
      await storage.addMessages(
        Array.from({ length: 12 }, (_, index) => said(`n${index}`, `text ${index}`)),
        userId,
        id,
      );
      expect(ids(await storage.getMessages(userId, id, { limit: 5 }))).toEqual(["n7", "n8", "n9", "n10", "n11"]);
      expect(await storage.getMessages(userId, id)).toHaveLength(12);
      expect(await storage.getMessages(userId, id, { limit: 0 })).toHaveLength(12);
      expect(await storage.getMessages(userId, id, { limit: 100 })).toHaveLength(12);
    });

    test("a question that was stored after its answer is read before it", async () => {
      const { id, userId } = await conversation();
      const of = (operationId: string, message: UiMessageLike) => ({ ...message, metadata: { operationId } });
      await storage.addMessage(of("one", said("a1", "first answer", "assistant")), userId, id);
      await storage.addMessage(of("two", said("q2", "second question")), userId, id);
      await storage.addMessage(of("one", said("q1", "first question")), userId, id);
      await storage.addMessage(of("two", said("a2", "second answer", "assistant")), userId, id);
      expect(ids(await storage.getMessages(userId, id))).toEqual(["q1", "a1", "q2", "a2"]);
    });

    test("roles and times filter together; the bounds themselves are out", async () => {
      const { id, userId } = await conversation();
      const at = (minute: number) => new Date(Date.UTC(2025, 0, 1, 0, minute));
      await storage.addMessages(
        Array.from({ length: 8 }, (_, index) => ({
          ...said(`m${index}`, "x", index % 2 === 0 ? "user" : "assistant"),
          metadata: { createdAt: at(index) },
        })),
        userId,
        id,
      );
      expect(ids(await storage.getMessages(userId, id, { after: at(1), before: at(6) }))).toEqual(["m2", "m3", "m4", "m5"]);
      expect(ids(await storage.getMessages(userId, id, { after: at(1), before: at(6), roles: ["user"] }))).toEqual(["m2", "m4"]);
      expect(ids(await storage.getMessages(userId, id, { roles: ["user", "assistant"], limit: 2 }))).toEqual(["m6", "m7"]);
      expect(await storage.getMessages(userId, id, { roles: [] })).toHaveLength(8);
    });

    test("nobody writes into, reads or clears another user's conversation", async () => {
      const { id, userId } = await conversation();
      await storage.addMessage(said("m1", "mine"), userId, id);
      await expect(storage.addMessage(said("m2", "theirs"), "intruder", id)).rejects.toMatchObject(notFound);
      await expect(storage.addMessage(said("m1", "theirs"), "intruder", id)).rejects.toMatchObject(notFound);
      expect(await storage.getMessages("intruder", id)).toEqual([]);
      await storage.clearMessages("intruder", id);
      await storage.clearMessages("intruder");
      await storage.deleteMessages(["m1"], "intruder", id);
      await expect(storage.saveConversationSteps([step("intruder", id, "s1", 0)])).rejects.toMatchObject(notFound);
      expect(await storage.getMessages(userId, id)).toMatchObject([{ id: "m1", parts: [{ text: "mine" }] }]);
    });

    test("an unknown conversation takes no messages and has none", async () => {
      await expect(storage.addMessages([said("m", "x")], "u", "nowhere")).rejects.toMatchObject({
        ...notFound,
        details: { conversationId: "nowhere" },
      });
      expect(await storage.getMessages("u", "nowhere")).toEqual([]);
      await storage.clearMessages("u", "nowhere");
      await storage.deleteMessages(["m"], "u", "nowhere");
    });

    test("messages are deleted by id; clearing takes all with the steps and leaves working memory", async () => {
      const userId = newId("user");
      const [one, two] = [await conversation({ userId }), await conversation({ userId })];
      for (const { id } of [one, two]) {
        await storage.addMessages([said("m1", "x"), said("m2", "y"), said("m3", "z")], userId, id);
        await storage.saveConversationSteps([step(userId, id, "s1", 0)]);
        await storage.setWorkingMemory({ conversationId: id, scope: "conversation", content: `notes of ${id}` });
      }
      await storage.deleteMessages(["m1", "unknown"], userId, one.id);
      await storage.deleteMessages([], userId, one.id);
      expect(ids(await storage.getMessages(userId, one.id))).toEqual(["m2", "m3"]);
      await storage.clearMessages(userId, one.id);
      expect(await storage.getMessages(userId, one.id)).toEqual([]);
      expect(await storage.getConversationSteps(userId, one.id)).toEqual([]);
      expect(await storage.getMessages(userId, two.id)).toHaveLength(3);
      expect(await storage.getConversationSteps(userId, two.id)).toHaveLength(1);
      await storage.clearMessages(userId);
      expect(await storage.getMessages(userId, two.id)).toEqual([]);
      expect(await storage.getConversationSteps(userId, two.id)).toEqual([]);
      expect(await storage.getConversation(two.id)).not.toBeNull();
      for (const { id } of [one, two])
        expect(await storage.getWorkingMemory({ conversationId: id, scope: "conversation" })).toBe(`notes of ${id}`);
    });

    test("a deleted conversation takes its messages, steps and notes along", async () => {
      const { id, userId } = await conversation();
      await storage.addMessage(said("m1", "x"), userId, id);
      await storage.saveConversationSteps([step(userId, id, "s1", 0)]);
      await storage.setWorkingMemory({ conversationId: id, scope: "conversation", content: "notes" });
      await storage.deleteConversation(id);
      expect(await storage.getMessages(userId, id)).toEqual([]);
      expect(await storage.getConversationSteps(userId, id)).toEqual([]);
      expect(await storage.getWorkingMemory({ conversationId: id, scope: "conversation" })).toBeNull();
    });
  });

  describe("steps", () => {
    test("steps come back as they were, the same id again replaces, and a limit gives the last", async () => {
      const { id, userId } = await conversation();
      const steps: ConversationStepRecord[] = [
        { ...step(userId, id, "s0", 0), type: "tool_call", arguments: { city: "Paris" }, agentName: "Weather" },
        { ...step(userId, id, "s1", 1), type: "tool_result", role: "tool", result: { celsius: 21 }, arguments: null },
        {
          ...step(userId, id, "s2", 2),
          content: "nul \0",
          usage: { promptTokens: 1, completionTokens: 2, totalTokens: 3 },
          subAgentId: "a2",
          subAgentName: "Two",
        },
      ];
      await storage.saveConversationSteps(steps);
      expect(await storage.getConversationSteps(userId, id)).toEqual(steps);
      await storage.saveConversationSteps([
        { ...steps[2]!, content: "changed" },
        { ...step(userId, id, "s3", 3), operationId: "second", createdAt: later },
      ]);
      const all = await storage.getConversationSteps(userId, id);
      expect(ids(all)).toEqual(["s0", "s1", "s2", "s3"]);
      expect(all[2]?.content).toBe("changed");
      expect(ids(await storage.getConversationSteps(userId, id, { operationId: "second" }))).toEqual(["s3"]);
      expect(ids(await storage.getConversationSteps(userId, id, { limit: 2 }))).toEqual(["s2", "s3"]);
      expect(await storage.getConversationSteps(userId, id, { operationId: "unknown" })).toEqual([]);
      expect(await storage.getConversationSteps("intruder", id)).toEqual([]);
      await storage.saveConversationSteps([]);
    });

    test("a tool's call and its result share an id in VoltAgent, and neither takes the place of the other", async () => {
      const { id, userId } = await conversation();
      const call: ConversationStepRecord = { ...step(userId, id, "call-1", 0), type: "tool_call", arguments: { a: 1 } };
      const result: ConversationStepRecord = { ...step(userId, id, "call-1", 0), type: "tool_result", result: { sum: 2 } };
      await storage.saveConversationSteps([call, result]);
      await storage.saveConversationSteps([call]);
      expect(await storage.getConversationSteps(userId, id)).toEqual([call, result]);
    });

    test("operations of the same name in two conversations stay apart", async () => {
      const userId = newId("user");
      const [one, two] = [await conversation({ userId }), await conversation({ userId })];
      await storage.saveConversationSteps([step(userId, one.id, "s", 0), { ...step(userId, two.id, "s", 0), content: "of two" }]);
      expect((await storage.getConversationSteps(userId, one.id))[0]?.content).toBe("said");
      await storage.clearMessages(userId, one.id);
      expect((await storage.getConversationSteps(userId, two.id))[0]?.content).toBe("of two");
    });
  });

  describe("working memory", () => {
    test("notes of a user and of a conversation do not mix", async () => {
      const { id, userId } = await conversation({ metadata: { theme: "dark" } });
      const [ofUser, ofConversation] = [{ userId, scope: "user" } as const, { conversationId: id, scope: "conversation" } as const];
      expect(await storage.getWorkingMemory(ofUser)).toBeNull();
      expect(await storage.getWorkingMemory(ofConversation)).toBeNull();
      await storage.setWorkingMemory({ ...ofUser, content: "user \0 notes" });
      await storage.setWorkingMemory({ ...ofConversation, content: "conversation notes" });
      expect(await storage.getWorkingMemory({ ...ofUser, conversationId: id })).toBe("user \0 notes");
      expect(await storage.getWorkingMemory({ ...ofConversation, userId })).toBe("conversation notes");

      await storage.updateConversation(id, { metadata: { theme: "light" } });
      expect(await storage.getWorkingMemory(ofConversation)).toBe("conversation notes");
      expect((await storage.getConversation(id))?.metadata).toEqual({ theme: "light" });

      await storage.deleteWorkingMemory(ofConversation);
      expect(await storage.getWorkingMemory(ofConversation)).toBeNull();
      expect(await storage.getWorkingMemory(ofUser)).toBe("user \0 notes");
      await storage.deleteWorkingMemory(ofConversation);
    });

    test("the first notes of a user may be written by many at once", async () => {
      const userId = newId("user");
      const contents = Array.from({ length: 8 }, (_, index) => `notes ${index}`);
      await Promise.all(contents.map((content) => storage.setWorkingMemory({ userId, scope: "user", content })));
      expect(contents).toContain(await storage.getWorkingMemory({ userId, scope: "user" }));
    });

    test("notes without a place are an error when written, and none when read", async () => {
      expect(await storage.getWorkingMemory({ scope: "user" })).toBeNull();
      expect(await storage.getWorkingMemory({ scope: "conversation", conversationId: "nowhere" })).toBeNull();
      await storage.deleteWorkingMemory({ scope: "conversation" });
      await storage.deleteWorkingMemory({ scope: "conversation", conversationId: "nowhere" });
      await expect(storage.setWorkingMemory({ scope: "user", content: "x" })).rejects.toMatchObject(storageError);
      await expect(storage.setWorkingMemory({ scope: "conversation", conversationId: "nowhere", content: "x" })).rejects.toMatchObject(
        notFound,
      );
    });
  });

  describe("workflow states", () => {
    const at = (minute: number) => new Date(Date.UTC(2025, 0, 1, 0, minute));
    const state = (id: string, fields: Partial<WorkflowStateEntry> = {}): WorkflowStateEntry => ({
      id,
      workflowId: "workflow",
      workflowName: "Workflow",
      status: "running",
      createdAt: at(0),
      updatedAt: at(1),
      ...fields,
    });

    test("a state that names a conversation and no user goes with the conversation", async () => {
      const { id: conversationId, userId } = await conversation();
      const [kept, moved, named] = [newId("execution"), newId("execution"), newId("execution")];
      await storage.setWorkflowState(kept, state(kept, { conversationId }));
      await storage.updateWorkflowState(kept, { status: "suspended" });
      expect(await storage.getWorkflowState(kept)).toEqual({
        ...state(kept, { conversationId }),
        status: "suspended",
        updatedAt: expect.any(Date),
      });
      await storage.setWorkflowState(moved, state(moved));
      await storage.updateWorkflowState(moved, { conversationId });
      await storage.setWorkflowState(named, state(named, { conversationId, userId }));
      await storage.deleteConversation(conversationId);
      for (const id of [kept, moved, named]) expect(await storage.getWorkflowState(id)).toBeNull();
    });

    test("64 changes at once of one state all land", async () => {
      const id = newId("execution");
      await storage.setWorkflowState(id, state(id));
      const fields = (["workflowState", "metadata", "output", "input"] as const).map((field) => ({ [field]: { set: true } }));
      await Promise.all(Array.from({ length: 64 }, (_, index) => storage.updateWorkflowState(id, fields[index % 4] as object)));
      expect(await storage.getWorkflowState(id)).toMatchObject(Object.assign({}, ...fields));
    });

    test("runs of workflows that are not VoltAgent's are told as far as they are known", async () => {
      const [id, workflowId] = [newId("execution"), newId("workflow")];
      await storage.memory.runs.start({ id, kind: "workflow", agentId: workflowId, name: "Own", userId: "ada", status: "running" });
      expect(await storage.queryWorkflowRuns({ workflowId })).toMatchObject([{ id, workflowId, workflowName: "Own", userId: "ada" }]);
      await storage.updateWorkflowState(id, { status: "completed" });
      expect(await storage.getWorkflowState(id)).toMatchObject({ status: "completed", userId: "ada", updatedAt: expect.any(Date) });
    });

    test("every field comes back, dates as dates", async () => {
      const { id: conversationId, userId } = await conversation();
      const entry = state(newId("execution"), {
        status: "suspended",
        input: { a: [1, null], text: "nul \0" },
        context: [["key", { deep: true }]],
        workflowState: { counter: 2 },
        suspension: {
          suspendedAt: at(2),
          reason: "wait",
          stepIndex: 1,
          lastEventSequence: 4,
          checkpoint: {
            stepExecutionState: { x: 1 },
            completedStepsData: [1, "two"],
            workflowState: { counter: 2 },
            stepData: { s: { input: 1, output: 2, status: "success" } },
            usage: { promptTokens: 1, completionTokens: 2, totalTokens: 3 },
          },
          suspendData: { ask: "ok?" },
        },
        events: [
          {
            id: "e",
            type: "step-start",
            name: "s",
            from: "s",
            startTime: at(0).toISOString(),
            status: "pending",
            input: 1,
            metadata: { m: 1 },
            context: { c: 1 },
          },
        ],
        output: ["done"],
        cancellation: { cancelledAt: at(3), reason: "stop" },
        userId,
        conversationId,
        replayedFromExecutionId: "before",
        replayFromStepId: "step-2",
        metadata: { tenant: "acme", nested: { level: 1 } },
      });
      await storage.setWorkflowState(entry.id, entry);
      expect(await storage.getWorkflowState(entry.id)).toEqual(entry);
      const bare = state(newId("execution"));
      await storage.setWorkflowState(bare.id, bare);
      expect(await storage.getWorkflowState(bare.id)).toEqual(bare);
      expect(await storage.getWorkflowState("unknown")).toBeNull();
    });

    test("a state that JSON cannot hold is kept as far as it can", async () => {
      const cyclic: Record<string, unknown> = { big: 12n };
      cyclic.self = cyclic;
      const entry = state(newId("execution"), {
        input: cyclic,
        context: [
          [Symbol("hidden"), 1],
          ["shown", 2],
        ],
      });
      await storage.setWorkflowState(entry.id, entry);
      expect(await storage.getWorkflowState(entry.id)).toMatchObject({ input: { big: "12", self: "[Circular]" }, context: [["shown", 2]] });
    });

    test("an update changes what is given, moves the time, and loses nothing to one beside it", async () => {
      const userId = newId("user");
      const entry = state(newId("execution"), { userId, input: 1, suspension: { suspendedAt: at(0), stepIndex: 0 }, output: "old" });
      await storage.setWorkflowState(entry.id, entry);
      await Promise.all([
        storage.updateWorkflowState(entry.id, { status: "completed", suspension: undefined as never }),
        storage.updateWorkflowState(entry.id, { output: { ok: true } }),
        storage.updateWorkflowState(entry.id, { metadata: { by: "third" } }),
      ]);
      const after = await storage.getWorkflowState(entry.id);
      expect(after).toMatchObject({ status: "completed", input: 1, output: { ok: true }, metadata: { by: "third" }, createdAt: at(0) });
      expect(after?.suspension).toBeUndefined();
      expect(after!.updatedAt.getTime()).toBeGreaterThan(at(1).getTime());
      await storage.updateWorkflowState(entry.id, { output: undefined, userId: "another", workflowId: "renamed" });
      expect(await storage.getWorkflowState(entry.id)).toMatchObject({ userId: "another", workflowId: "renamed", input: 1 });
      expect((await storage.getWorkflowState(entry.id))?.output).toBeUndefined();
      expect(await storage.queryWorkflowRuns({ userId })).toEqual([]);
      await expect(storage.updateWorkflowState("unknown", { status: "error" })).rejects.toThrow("Workflow state unknown not found");
    });

    test("runs are found by workflow, status, user, time and metadata, newest first, in pages", async () => {
      const workflowId = newId("workflow");
      const userId = newId("user");
      for (let index = 0; index < 6; index++)
        await storage.setWorkflowState(
          `${workflowId}-${index}`,
          state(`${workflowId}-${index}`, {
            workflowId,
            status: index % 2 === 0 ? "suspended" : "completed",
            createdAt: at(index),
            ...(index < 3 ? { userId } : {}),
            metadata: { even: index % 2 === 0, tags: ["all", `n${index}`], deep: { level: index, more: 1 } },
          }),
        );
      const found = async (query: Parameters<typeof storage.queryWorkflowRuns>[0]) =>
        (await storage.queryWorkflowRuns({ workflowId, ...query })).map(({ id }) => id.at(-1)).join("");
      expect(await found({})).toBe("543210");
      expect(await found({ limit: 2, offset: 1 })).toBe("43");
      expect(await found({ status: "completed" })).toBe("531");
      expect(await found({ userId })).toBe("210");
      expect(await found({ from: at(2), to: at(4) })).toBe("432");
      expect(await found({ metadata: { even: true } })).toBe("420");
      expect(await found({ metadata: { even: true, deep: { level: 2 } } })).toBe("2");
      expect(await found({ metadata: { tags: ["n3"] } })).toBe("3");
      expect(await found({ metadata: { deep: { more: 1 } }, limit: 2 })).toBe("54");
      expect(await found({ metadata: { missing: 1 } })).toBe("");
      expect((await storage.getSuspendedWorkflowStates(workflowId)).map(({ id }) => id.at(-1)).join("")).toBe("420");
    });
  });

  test("one connection serves 64 callers of every kind at once", { timeout: 60_000 }, async () => {
    const one = adapter({ maxConnections: 1 });
    const userId = newId("user");
    const { id } = await conversation({ userId });
    await Promise.all(
      Array.from({ length: 64 }, async (_, index) => {
        if (index % 4 === 0) await one.addMessage(said(`m${index}`, `text ${index}`), userId, id);
        else if (index % 4 === 1) await one.createConversation({ id: `${id}-${index}`, userId, resourceId: "r", title: "", metadata: {} });
        else if (index % 4 === 2) await one.updateConversation(id, { title: `title ${index}` });
        else await one.setWorkingMemory({ conversationId: id, scope: "conversation", content: `notes ${index}` });
      }),
    );
    expect(await one.getMessages(userId, id)).toHaveLength(16);
    expect(await one.countConversations({ userId })).toBe(17);
  });

  test("a pool or an instance that is lent stays open", async () => {
    const pool = typeof place.connection === "string" ? new pg.Pool({ connectionString: place.connection, max: 1 }) : undefined;
    const lent = pool ?? (place.connection as PGlite);
    const one = new PostgreSQLMemoryAdapter({ connection: lent, schema: place.schema });
    const { id, userId } = await conversation();
    await one.addMessage(said("m1", "x"), userId, id);
    await one.close();
    await expect(one.getConversation(id)).rejects.toMatchObject(storageError);
    const query: (sql: string) => Promise<{ rows: unknown[] }> = (sql) => pool?.query(sql) ?? (place.connection as PGlite).query(sql);
    expect((await query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await pool?.end();
  });

  test("closing finishes what was called before", async () => {
    const { id, userId } = await conversation();
    const one = adapter();
    await one.ready();
    const writes = Promise.all(["m1", "m2"].map((name) => one.addMessage(said(name, "x"), userId, id)));
    await one.close();
    await writes;
    expect(ids(await storage.getMessages(userId, id)).sort()).toEqual(["m1", "m2"]);
  });

  test("steps and workflow states may be kept for a time", async () => {
    const one = adapter({ runs: { keepDays: 1 } });
    const { id, userId } = await conversation();
    await one.saveConversationSteps([
      step(userId, id, "old", 0),
      { ...step(userId, id, "new", 0), operationId: "now", createdAt: new Date().toISOString() },
    ]);
    expect(ids(await one.getConversationSteps(userId, id))).toEqual(["new"]);
  });

  test("a storage limit keeps the newest messages", async () => {
    const one = adapter({ storageLimit: 3 });
    const { id, userId } = await conversation();
    for (let index = 0; index < 5; index++) await one.addMessage(said(`m${index}`, "x"), userId, id);
    expect(ids(await one.getMessages(userId, id))).toEqual(["m2", "m3", "m4"]);
    expect(() => adapter({ storageLimit: -1 })).toThrow("[storageLimit]");
  });

  test("tables of VoltAgent's own are taken over by the first call, and kept as backups", async () => {
    const tablePrefix = newId("old").replaceAll("-", "_");
    const ddl = await readFile(new URL("../fixtures/voltagent/2.x.sql", import.meta.url), "utf8");
    await place.sql(`CREATE SCHEMA IF NOT EXISTS "${place.schema}"`);
    const old = (name: string) => `"${place.schema}".${tablePrefix}_${name}`;
    const named = ddl.replaceAll("voltagent_memory", tablePrefix);
    const qualified = named.replaceAll(new RegExp(`(TABLE|REFERENCES|ON) (?=${tablePrefix}_)`, "g"), `$1 "${place.schema}".`);
    for (const statement of qualified.split(/;\s*$/m)) if (statement.trim() !== "") await place.sql(statement);
    const at = "2025-01-02T03:04:05Z";
    await place.sql(`INSERT INTO ${old("users")} VALUES ('u', '{"workingMemory": "of the user"}', $1, $1)`, [at]);
    await place.sql(
      `INSERT INTO ${old("conversations")} VALUES ('c', 'agent', 'u', 'Old', '{"theme": "dark", "workingMemory": "of the conversation"}', $1, $1)`,
      [at],
    );
    await place.sql(
      `INSERT INTO ${old("messages")} VALUES ('c', 'm', 'u', 'user', '[{"type": "text", "text": "hello"}]', '{"x": 1}', 2, $1)`,
      [at],
    );
    await place.sql(
      `INSERT INTO ${old("workflow_states")} (id, workflow_id, workflow_name, status, input, user_id, metadata, created_at, updated_at)
        VALUES ('e', 'w', 'W', 'suspended', '{"a": 1}', 'u', '{"tenant": "acme"}', $1, $1)`,
      [at],
    );
    await place.sql(
      `INSERT INTO ${old("steps")} (id, conversation_id, user_id, agent_id, operation_id, step_index, type, role, content, created_at)
        VALUES ('s', 'c', 'u', 'a', 'o', 0, 'text', 'assistant', 'said', $1)`,
      [at],
    );

    const adapters = [adapter({ tablePrefix }), adapter({ tablePrefix })] as const;
    const [one] = adapters;
    await Promise.all(adapters.map((each) => each.ready()));
    expect(await one.getConversationsByUserId("u")).toMatchObject([{ id: "c", title: "Old", resourceId: "agent" }]);
    expect(await one.getMessages("u", "c")).toEqual([
      { id: "m", role: "user", parts: [{ type: "text", text: "hello" }], metadata: { x: 1, createdAt: new Date(at) } },
    ]);
    expect(await one.getWorkingMemory({ userId: "u", scope: "user" })).toBe("of the user");
    expect(await one.getWorkingMemory({ conversationId: "c", scope: "conversation" })).toBe("of the conversation");
    expect(await one.getSuspendedWorkflowStates("w")).toMatchObject([
      { id: "e", workflowName: "W", input: { a: 1 }, userId: "u", metadata: { tenant: "acme" }, createdAt: new Date(at) },
    ]);
    expect(await one.getConversationSteps("u", "c", { operationId: "o" })).toMatchObject([{ id: "s", content: "said", agentId: "a" }]);
    expect(await place.sql(`SELECT message_id FROM ${old("messages_backup")}`)).toEqual([{ message_id: "m" }]);
  });

  test("the memory behind it recalls over all conversations of the user, and of nobody else", async () => {
    const userId = newId("user");
    const [one, two] = [await conversation({ userId }), await conversation({ userId })];
    const stranger = await conversation();
    await storage.addMessage(said("m1", "The zephyrine launch is on Tuesday"), userId, one.id);
    await storage.addMessage(said("m1", "Nothing of interest"), userId, two.id);
    await storage.addMessage(said("m1", "The zephyrine launch is a secret"), stranger.userId, stranger.id);
    const hits = await storage.memory.scope({ userId }).recall("zephyrine launch");
    expect(hits.map(({ conversationId }) => conversationId)).toEqual([one.id]);
  });
});

const later = new Date(Date.UTC(2025, 0, 2)).toISOString();

function step(userId: string, conversationId: string, id: string, stepIndex: number): ConversationStepRecord {
  return {
    id,
    conversationId,
    userId,
    agentId: "agent",
    operationId: "operation",
    stepIndex,
    type: "text",
    role: "assistant",
    content: "said",
    createdAt: new Date(Date.UTC(2025, 0, 1, 0, stepIndex)).toISOString(),
  };
}
