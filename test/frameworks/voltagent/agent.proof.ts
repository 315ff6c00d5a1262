import { Agent, ConversationAlreadyExistsError, ConversationNotFoundError, createTool, Memory, StorageError } from "@voltagent/core";
import type { UIMessage } from "ai";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { PostgreSQLMemoryAdapter } from "../../../src/adapters/voltagent.ts";
import { describeConnections } from "../../support/connections.ts";
import { lastQuestion, type Prompt, scriptedModel, textOf } from "./scripted-model.ts";

const add = createTool({
  name: "add",
  description: "Adds two numbers",
  parameters: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => ({ sum: a + b }),
});

describeConnections("an agent of VoltAgent", (place) => {
  const open = () => place.opened(new PostgreSQLMemoryAdapter({ connection: place.connection, schema: place.schema, maxConnections: 2 }));
  let storage: PostgreSQLMemoryAdapter;
  beforeAll(() => {
    storage = open();
  });

  /** Until VoltAgent, which stores in the background, has stored so many messages, and the answer whole. */
  async function stored(userId: string, conversationId: string, count: number, answer: string) {
    const state = async () => {
      const messages = await storage.getMessages(userId, conversationId);
      return { count: messages.length, isAnswered: JSON.stringify(messages).includes(`"text":"${answer}"`) };
    };
    await expect.poll(state, { timeout: 30_000 }).toEqual({ count, isAnswered: true });
  }

  /** Adds on odd turns, answers on even ones. */
  function turn(prompt: Prompt) {
    const { text, isAnswered } = lastQuestion(prompt);
    const number = Number(/turn (\d+)/.exec(text)?.[1]);
    if (number % 2 === 1 && !isAnswered) return [{ tool: "add", input: { a: number, b: 1 } }];
    return `answer ${number}`;
  }

  test("twenty turns with tools, restarted half way, are all there in order", { timeout: 180_000 }, async () => {
    const [userId, conversationId] = ["user-twenty", "conversation-twenty"];
    let model = scriptedModel(turn);
    const start = (adapter: PostgreSQLMemoryAdapter) => {
      model = scriptedModel(turn);
      return new Agent({ name: "Adder", instructions: "Add.", model, tools: [add], memory: new Memory({ storage: adapter }) });
    };
    const first = open();
    let agent = start(first);
    for (let number = 1; number <= 20; number++) {
      if (number === 11) {
        await first.close();
        agent = start(open());
      }
      const options = { userId, conversationId, contextLimit: 100 };
      if (number % 5 === 0) {
        const { textStream } = await agent.streamText(`turn ${number}`, options);
        let text = "";
        for await (const piece of textStream) text += piece;
        expect(text).toBe(`answer ${number}`);
      } else expect((await agent.generateText(`turn ${number}`, options)).text).toBe(`answer ${number}`);
      await stored(userId, conversationId, 2 * number, `answer ${number}`);
      // The model has every turn before in view, also those of the process before.
      const prompt = textOf(model.prompts.at(-1)!);
      for (let before = 1; before < number; before++) expect(prompt).toContain(`answer ${before}"`);
    }

    const messages = await open().getMessages<UIMessage<{ createdAt: Date }>>(userId, conversationId);
    expect(messages.map(({ role }) => role)).toEqual(Array.from({ length: 20 }, () => ["user", "assistant"]).flat());
    const texts = messages.map(({ parts }) => parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(""));
    expect(texts).toEqual(Array.from({ length: 20 }, (_, index) => [`turn ${index + 1}`, `answer ${index + 1}`]).flat());
    const results = messages.flatMap(({ parts }) => parts.filter(({ type }) => type === "tool-add"));
    expect(results).toEqual(
      Array.from({ length: 10 }, (_, index) =>
        expect.objectContaining({
          state: "output-available",
          input: { a: 2 * index + 1, b: 1 },
          output: { type: "json", value: { sum: 2 * index + 2 } },
        }),
      ),
    );
    for (const { metadata } of messages) expect(metadata?.createdAt).toBeInstanceOf(Date);

    const steps = await storage.getConversationSteps(userId, conversationId);
    expect(steps.filter(({ type }) => type === "tool_call").map(({ arguments: input }) => input?.a)).toEqual([
      1, 3, 5, 7, 9, 11, 13, 15, 17, 19,
    ]);
    expect(steps.filter(({ type }) => type === "tool_result").map(({ result }) => result?.sum)).toEqual([
      2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
    ]);
    expect(await storage.getConversation(conversationId)).toMatchObject({ userId, resourceId: expect.any(String) });
  });

  test("working memory is written by the agent's own tools, and seen by the next agent", async () => {
    const script = (prompt: Prompt) => {
      const { text, isAnswered } = lastQuestion(prompt);
      if (text.includes("remember") && !isAnswered)
        return [{ tool: "update_working_memory", input: { content: "The user is called Priya.", mode: "replace" } }];
      if (text.includes("forget") && !isAnswered) return [{ tool: "clear_working_memory", input: {} }];
      return "done";
    };
    for (const scope of ["user", "conversation"] as const) {
      const options = { userId: `user-notes-${scope}`, conversationId: `conversation-notes-${scope}` };
      const isStored = (count: number) => stored(options.userId, options.conversationId, count, "done");
      const notes = () => storage.getWorkingMemory({ ...options, scope });
      const agent = () => {
        const model = scriptedModel(script);
        const memory = new Memory({ storage, workingMemory: { enabled: true, scope } });
        return { model, agent: new Agent({ name: "Notes", instructions: "Keep notes.", model, memory }) };
      };
      await agent().agent.generateText("hello", options);
      await isStored(2);
      await agent().agent.generateText("remember my name", options);
      await isStored(4);
      expect(await notes()).toBe("The user is called Priya.");
      const second = agent();
      await second.agent.generateText("who am I?", options);
      expect(textOf(second.model.prompts[0]!)).toContain("The user is called Priya.");
      await storage.updateConversation(options.conversationId, { metadata: { replaced: true } });
      expect(await notes()).toContain("Priya");
      await isStored(6);
      await second.agent.generateText("forget me", options);
      await isStored(8);
      expect((await notes()) ?? "").not.toContain("Priya");
    }
  });

  // The agent half of the first example of VoltAgent's page on PostgreSQL, on today's core.
  test("an agent is given the storage as its memory", async () => {
    const agent = new Agent({
      name: "PostgreSQL Memory Agent",
      instructions: "An agent using PostgreSQL for memory.",
      model: scriptedModel(() => "Hello!"),
      memory: new Memory({ storage }),
    });
    const { text } = await agent.generateText("Hi", { userId: "user-123", conversationId: "chat-1" });
    expect(text).toBe("Hello!");
    await stored("user-123", "chat-1", 2, "Hello!");
    expect(await storage.getConversationsByUserId("user-123")).toMatchObject([{ id: "chat-1" }]);
  });

  test("errors are those of VoltAgent", async () => {
    const input = { id: "taken", userId: "u", resourceId: "r", title: "", metadata: {} };
    await storage.createConversation(input);
    await expect(storage.createConversation(input)).rejects.toThrow(ConversationAlreadyExistsError);
    await expect(storage.updateConversation("nowhere", { title: "x" })).rejects.toThrow(ConversationNotFoundError);
    const message = { id: "m", role: "user" as const, parts: [] };
    await expect(storage.addMessage(message, "intruder", "taken")).rejects.toThrow(ConversationNotFoundError);
    await expect(storage.queryConversations({ orderBy: "(select 1/0)" as "title" })).rejects.toThrow(StorageError);
  });
});
