import { asSchema, generateText, stepCountIs } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { expect, test } from "vitest";
import { z } from "zod";
import { type NotesAnswer, workingMemoryTools } from "../../src/adapters/ai-sdk.ts";
import { createMemory, type WorkingMemoryOption } from "../../src/index.ts";

const memoryWith = (working?: WorkingMemoryOption) => createMemory({ sessions: { store: "memory" }, embedding: false, working });
const profile = z.object({ name: z.string().optional(), address: z.object({ city: z.string(), zip: z.string().optional() }).optional() });

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

/** Asks for these tools one after another, then says that it is done. */
function callingModel(calls: readonly (readonly [tool: string, input: object])[]) {
  const left = [...calls];
  return new MockLanguageModelV3({
    doGenerate: async () => {
      const [toolName, input] = left.shift() ?? [];
      const content =
        toolName === undefined
          ? [{ type: "text" as const, text: "done" }]
          : [{ type: "tool-call" as const, toolCallId: `call-${left.length}`, toolName, input: JSON.stringify(input) }];
      const unified = toolName === undefined ? ("stop" as const) : ("tool-calls" as const);
      return { content, finishReason: { unified, raw: undefined }, usage, warnings: [] };
    },
  });
}

test("a model reads and rewrites its notes", async () => {
  await using memory = memoryWith({ user: { template: "# Profile\n- Name:" } });
  const mine = memory.scope({ userId: "u" });
  const tools = await workingMemoryTools(mine);
  expect(tools.update_working_memory.description).toContain("# Profile");
  const model = callingModel([
    ["get_working_memory", {}],
    ["update_working_memory", { content: "# Profile\n- Name: Priya", version: 0 }],
    ["update_working_memory", { content: "# Profile\n- Name: Nobody", version: 0 }],
  ]);
  const { steps, text } = await generateText({ model, tools, prompt: "I am Priya", stopWhen: stepCountIs(9) });
  expect(text).toBe("done");
  const answers = steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output as NotesAnswer));
  expect(answers).toEqual([
    { content: "", version: 0, template: "# Profile\n- Name:" },
    { content: "# Profile\n- Name: Priya", version: 1 },
    { content: "# Profile\n- Name: Priya", version: 1, problem: expect.stringContaining("somebody else") },
  ]);
  expect((await mine.working.get())?.content).toBe("# Profile\n- Name: Priya");
});

test("of notes with a schema it writes what changes, and is told what does not fit", async () => {
  await using memory = memoryWith({ conversation: { schema: profile } });
  const mine = memory.scope({ userId: "u" });
  await mine.conversations.create({ id: "c" });
  const tools = await workingMemoryTools(mine, { conversationId: "c" });
  const shape = await asSchema(tools.update_working_memory.inputSchema).jsonSchema;
  expect(shape).toMatchObject({
    properties: {
      patch: {
        properties: { address: { anyOf: [{ properties: { city: { anyOf: [{ type: "string" }, { type: "null" }] } } }, { type: "null" }] } },
      },
    },
    required: ["patch"],
  });
  expect(JSON.stringify(shape)).not.toContain('"required":["city"]');
  const model = callingModel([
    ["update_working_memory", { patch: { name: "Priya", address: { city: "Oslo", zip: "0150" } } }],
    ["update_working_memory", { patch: { address: { zip: null } }, version: null }],
    ["update_working_memory", { patch: { address: { city: null } } }],
  ]);
  const { steps } = await generateText({ model, tools, prompt: "Hello", stopWhen: stepCountIs(9) });
  const answers = steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output as NotesAnswer));
  expect(answers.map(({ version }) => version)).toEqual([1, 2, 2]);
  expect(answers[2]?.problem).toContain("address.city");
  expect(JSON.parse((await mine.working.get({ conversationId: "c" }))?.content ?? "")).toEqual({
    name: "Priya",
    address: { city: "Oslo" },
  });
  expect(await mine.working.get()).toBeUndefined();
});

test("what is not the model's fault is thrown", async () => {
  await using memory = memoryWith();
  const tools = await workingMemoryTools(memory.scope({ userId: "u" }), { conversationId: "not there" });
  await expect(tools.update_working_memory.execute({ content: "x" })).rejects.toThrow("was not found");
});
