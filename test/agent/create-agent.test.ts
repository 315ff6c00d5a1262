import { createOpenAI } from "@ai-sdk/openai";
import { type Tool, tool } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV3 } from "ai/test";
import { expect, expectTypeOf, test, vi } from "vitest";
import { z } from "zod";
import { type AgentTools, createAgent, createMemory, InvalidArgumentError, NotFoundError } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";
import { scriptedModel } from "../support/language-models.ts";
import { modelServer, type Reply } from "../support/model-server.ts";

/** A model behind a server of this machine, and what it was asked. */
async function scripted(reply: Reply) {
  const server = await modelServer(reply);
  return { model: createOpenAI({ baseURL: server.url, apiKey: "none" }).chat("m"), calls: server.calls };
}

const says = (...pieces: string[]) =>
  async function* () {
    yield* pieces;
  };

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, sky: "rain" }),
});

const callsWeather: Reply = async function* (messages) {
  if (messages.at(-1)?.role === "tool") yield "It rains.";
  else {
    yield "Let me look.";
    yield { call: "call-1", tool: "weather", input: { city: "Oslo" } };
  }
};

test("tools of the AI SDK are taken as they are", () => {
  expectTypeOf<Record<string, Tool>>().toExtend<AgentTools>();
});

describeEngines("agent", (engine) => {
  const memory = engine.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });

  test("a second session is answered with what the first one said; nothing that was recalled is stored", async () => {
    const mine = someone();
    const { model, calls } = await scripted(says("Fascinating, ", "Priya."));
    const agent = createAgent({ model, memory: mine });
    const first = await agent.generate("My name is Priya and I'm building a Rust compiler.", { conversationId: "first" });
    expect(first).toMatchObject({ conversationId: "first", text: "Fascinating, Priya.", finishReason: "stop" });
    const { conversationId, text, context } = await agent.generate("Which compiler am I building?");
    expect(context.memories.map((hit) => hit.text)).toContain("My name is Priya and I'm building a Rust compiler.");
    const [system, recalled, question] = calls[1] ?? [];
    expect(system?.content).toMatch(/^You are a helpful assistant\.\n\n/);
    expect(system?.content).not.toContain("Priya");
    expect(recalled).toMatchObject({ role: "user", content: expect.stringContaining("Rust compiler") });
    expect(question).toEqual({ role: "user", content: "Which compiler am I building?" });
    const { items } = await mine.messages.list(conversationId);
    expect(items.map(({ role, content, metadata }) => ({ role, content, metadata }))).toEqual([
      { role: "user", content: "Which compiler am I building?", metadata: {} },
      { role: "assistant", content: text, metadata: {} },
    ]);
  });

  test("records of the types it is told matter to an answer, too", async () => {
    const mine = someone();
    await mine.records.put({ type: "long_term_memory", name: "Project", content: "Priya builds a Rust compiler" });
    await mine.records.put({ type: "persona", content: "You love the Rust compiler" });
    const { model, calls } = await scripted(says("A compiler."));
    const agent = createAgent({ model, memory: mine, context: { records: { types: ["long_term_memory"] } } });
    const { context } = await agent.generate("What does Priya build, a compiler?");
    expect(context.sources.map(({ kind, type }) => [kind, type])).toEqual([
      ["records", "long_term_memory"],
      ["recent", undefined],
    ]);
    expect(calls[0]?.[1]?.content).toContain("Priya builds a Rust compiler");
    await agent.generate("What does Priya build?", { context: { records: undefined } });
    expect(JSON.stringify(calls[1])).not.toContain("Priya builds a Rust compiler");
  });

  test("the question is stored before the model is asked, and each piece before it is handed out", async () => {
    const mine = someone();
    const stored = async () => (await mine.messages.list("c")).items.flatMap(({ parts }) => parts.map(({ text }) => text ?? "")).join("|");
    let before = "";
    const { model } = await scripted(async function* () {
      before = await stored();
      for (const piece of ["one ", "two ", "three"]) {
        yield piece;
        await new Promise(setImmediate);
      }
    });
    const turn = createAgent({ model, memory: mine, saveEveryMs: 0 }).stream("Count.", { conversationId: "c" });
    let shown = "";
    for await (const piece of turn.textStream) {
      shown += piece;
      expect(await stored()).toContain(shown);
    }
    expect({ before, shown }).toEqual({ before: "Count.", shown: "one two three" });
    expect((await turn.answer).message).toMatchObject({ id: turn.messageId, content: "one two three", metadata: {} });
  });

  test("tool calls and results are stored in order, and asked with again", async () => {
    const mine = someone();
    const { model, calls } = await scripted(callsWeather);
    const agent = createAgent({ model, memory: mine, tools: { weather } });
    const turn = agent.stream("Does it rain in Oslo?", { conversationId: "c" });
    const types: string[] = [];
    for await (const { type } of turn.fullStream) if (/^(tool-call|tool-result|finish)$/.test(type)) types.push(type);
    expect(types).toEqual(["tool-call", "tool-result", "finish"]);
    const { message } = await turn.answer;
    expect(message?.parts).toEqual([
      { type: "step-start" },
      { type: "text", text: "Let me look." },
      {
        ...{ type: "tool-weather", toolCallId: "call-1", state: "output-available" },
        ...{ input: { city: "Oslo" }, output: { city: "Oslo", sky: "rain" } },
      },
      { type: "step-start" },
      { type: "text", text: "It rains." },
    ]);
    await agent.generate("Thank you.", { conversationId: "c" });
    expect(calls[2]?.slice(-5).map(({ role, content, tool_calls }) => [role, content, tool_calls?.[0]?.id])).toEqual([
      ["user", "Does it rain in Oslo?", undefined],
      ["assistant", "Let me look.", "call-1"],
      ["tool", '{"city":"Oslo","sky":"rain"}', undefined],
      ["assistant", "It rains.", undefined],
      ["user", "Thank you.", undefined],
    ]);
  });

  test("a tool that fails is an answer as well, and maxSteps ends what would not end", async () => {
    const mine = someone();
    const fails = tool({
      inputSchema: z.object({}),
      execute: async (): Promise<string> => {
        throw new Error("no such city");
      },
    });
    const { model, calls } = await scripted(async function* () {
      yield { call: `call-${calls.length}`, tool: "fails", input: {} };
    });
    const { message, finishReason } = await createAgent({ model, memory: mine, tools: () => ({ fails }), maxSteps: 2 }).generate("Try.");
    expect(calls).toHaveLength(2);
    expect(finishReason).toBe("tool-calls");
    const failed = { type: "tool-fails", state: "output-error", errorText: "no such city" };
    expect(message?.parts.filter(({ type }) => type === "tool-fails")).toMatchObject([failed, failed]);
  });

  test("an answer that is stopped is kept as far as it was handed out, and says so", async () => {
    const mine = someone();
    const { model } = await scripted(async function* () {
      yield "The beginning";
      await new Promise(() => {});
    });
    const stop = new AbortController();
    const turn = createAgent({ model, memory: mine }).stream("Go on.", { conversationId: "c", signal: stop.signal });
    const reading = (async () => {
      for await (const piece of turn.textStream) stop.abort(new Error(`after ${piece}`));
    })();
    await expect(reading).rejects.toThrow("after The beginning");
    await expect(turn.answer).rejects.toThrow("after The beginning");
    expect((await mine.messages.list("c")).items).toMatchObject([
      { role: "user", content: "Go on." },
      { id: turn.messageId, role: "assistant", content: "The beginning", metadata: { interrupted: true } },
    ]);
  });

  test("a model that refuses leaves the question, which is asked again without being said twice", async () => {
    const mine = someone();
    let status = 400;
    const { model, calls } = await scripted(() => (status === 400 ? status : says("Yes.")()));
    const agent = createAgent({ model, memory: mine });
    const question = { id: "q", content: "Are you there?" };
    await expect(agent.generate(question, { conversationId: "c" })).rejects.toMatchObject({ statusCode: 400 });
    status = 200;
    await agent.generate(question, { conversationId: "c" });
    expect(calls[1]?.slice(1)).toEqual([{ role: "user", content: "Are you there?" }]);
    expect((await mine.messages.list("c")).items.map(({ content }) => content)).toEqual(["Are you there?", "Yes."]);
  });

  test("a conversation that is deleted during an answer stays deleted", async () => {
    const mine = someone();
    const { model } = await scripted(async function* () {
      yield "The beginning";
      await mine.conversations.delete("c");
      yield "and no end";
    });
    const answer = createAgent({ model, memory: mine, saveEveryMs: 0 }).generate("Go on.", { conversationId: "c" });
    await expect(answer).rejects.toThrow(NotFoundError);
    await expect(mine.conversations.get("c")).rejects.toThrow(NotFoundError);
  });

  test("an answer that broke off with its process is found again after the next turn", async () => {
    const mine = someone();
    const until = (ms: number) => ({ interrupted: true, answeringUntil: new Date(Date.now() + ms).toISOString() });
    const half = (id: string, text: string, ms: number) => ({
      ...{ id, role: "assistant", content: "", parts: [{ type: "text", text }], metadata: until(ms) },
    });
    await mine.addMessages("c", ["Where is it?", half("gone", "Under the juniper", -1), half("going on", "Behind the larch", 60_000)]);
    // What was said while nobody could know that it had broken off.
    await mine.addMessages("c", ["Hello?", "Are you there?", "Hello?", "Anybody?", "Hello?", "Well."]);
    const { model } = await scripted(says("Noted."));
    await createAgent({ model, memory: mine }).generate("Hm.", { conversationId: "c" });
    const { items } = await mine.messages.list("c");
    expect(items.slice(1, 3)).toMatchObject([
      { id: "gone", content: "Under the juniper", metadata: { interrupted: true } },
      { id: "going on", content: "" },
    ]);
    expect(items[1]?.metadata).not.toHaveProperty("answeringUntil");
    // Its neighbours may have lent its words by now.
    const [found] = await mine.recall("juniper", { legs: ["text"] });
    expect(found?.id).toBe("gone");
  });

  test("what was recalled for an answer is reinforced where that is asked for", async () => {
    const mine = someone();
    await mine.addMessages("c", "The juniper is behind the shed");
    const { model } = await scripted(says("Behind the shed."));
    await createAgent({ model, memory: mine, reinforce: true }).generate("Where is the juniper?");
    const [hit] = await mine.recall("juniper behind the shed", { conversationId: "c", weights: { use: 0.1 } });
    expect(hit?.scores.use).toBeCloseTo(0.5, 2);
  });

  test("searchMessages finds messages with their time", async () => {
    const tenant = memory.scope({ tenant: newId("tenant") });
    const said = { content: "We deploy on Fridays.", createdAt: "2026-03-04T05:06:07Z" };
    await tenant.addMessages("c", said, { userId: "ann" });
    await tenant.addMessages("d", said, { userId: "bob" });
    const { model } = await scripted(says("Noted."));
    const agent = createAgent({ model, memory: tenant });
    const found = await agent.memory.searchMessages("When do we deploy?", { userId: "ann" });
    expect(found).toMatchObject([{ content: said.content, conversationId: "c", timestamp: new Date(said.createdAt) }]);
    await expect(agent.memory.searchMessages("When do we deploy?")).rejects.toThrow(InvalidArgumentError);
    await expect(agent.generate("And now?")).rejects.toThrow(InvalidArgumentError);
  });
});

test("the text of an answer is what was said, without the names of its sources", async () => {
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: 1, text: 1, reasoning: undefined },
  };
  const text = "Memory stands between <unforget-memory> and its end.";
  const model = new MockLanguageModelV3({
    doStream: {
      stream: convertArrayToReadableStream([
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: text },
        { type: "text-end", id: "1" },
        { type: "source", sourceType: "url", id: "s", url: "https://example.com", title: "All about fences" },
        { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage },
      ]),
    },
  });
  const memory = createMemory({ sessions: { store: "memory" }, embedding: false });
  const answer = await createAgent({ model, memory }).generate("How is memory fenced?", { userId: "u" });
  expect(answer.text).toBe(text);
  expect(answer.message?.parts.at(-1)).toMatchObject({ type: "source-url", title: "All about fences" });
  await memory.close();
});

test("nothing is summarised of an answer that still streams, and no fact is read out of it", async () => {
  const summarizing = scriptedModel(() => '{"statements":[{"text":"They talked.","key":false}]}');
  const reading = scriptedModel(() => '{"facts":[]}');
  const memory = createMemory({
    ...{ sessions: { store: "memory" }, embedding: false, worker: "manual" },
    summaries: { afterTokens: 10, keepTokens: 0, model: summarizing.model },
    facts: { extract: { model: reading.model } },
  });
  const mine = memory.scope({ userId: "u" });
  const { model } = await scripted(async function* () {
    for (let sentence = 0; sentence < 4; sentence++) {
      yield `This is sentence ${sentence} of what I have to tell. `;
      await vi.waitFor(async () => {
        const { items } = await mine.messages.list("c");
        expect(items[1]?.parts.at(-1)?.text).toContain(`sentence ${sentence}`);
      });
      await memory.flush();
    }
  });
  await createAgent({ model, memory: mine, saveEveryMs: 0 }).generate("Tell me all there is to be told.", { conversationId: "c" });
  expect([...summarizing.asked, ...reading.asked].filter((prompt) => prompt.includes("This is sentence"))).toEqual([]);
  await memory.flush();
  const asked = [...summarizing.asked, ...reading.asked].filter((prompt) => prompt.includes("This is sentence 3"));
  expect(asked).toHaveLength(2);
  await memory.close();
});

test("a question that says nothing is refused, and not stored", async () => {
  const memory = createMemory({ sessions: { store: "memory" }, embedding: false });
  const { model, calls } = await scripted(says("Noted."));
  const agent = createAgent({ model, memory: memory.scope({ userId: "u" }) });
  const recalled = { type: "text", text: "From memory", providerOptions: { unforget: { recalled: true } } };
  for (const silent of [
    "",
    " \n",
    { content: "" },
    { parts: [] },
    { parts: [recalled] },
    "<unforget-memory>\n[1] user: Hi\n</unforget-memory>",
  ])
    await expect(agent.generate(silent as string)).rejects.toThrow(InvalidArgumentError);
  expect(calls).toEqual([]);
  expect((await memory.stats()).messages).toBe(0);
  await memory.close();
});

test("options that cannot be right are refused", async () => {
  const memory = createMemory({ sessions: { store: "memory" } });
  const { model, calls } = await scripted(says("Noted."));
  for (const wrong of [{ model: {} }, { memory: {} }, { maxSteps: 0 }, { saveEveryMs: -1 }, { tools: 1 }])
    expect(() => createAgent({ model, memory, ...wrong } as never)).toThrow(InvalidArgumentError);
  const agent = createAgent({ model, memory });
  await expect(agent.generate({ role: "assistant", content: "x" } as never, { userId: "u" })).rejects.toThrow(InvalidArgumentError);
  expect(calls).toEqual([]);
  await memory.close();
});

test.each([
  ["5", "ai5", "openai-v2"],
  ["7", "ai7", "openai-v4"],
] as const)("answers with version %s of the AI SDK", async (_version, ai, provider) => {
  vi.resetModules();
  vi.doMock("ai", () => import(ai));
  try {
    const server = await modelServer(callsWeather);
    const { createOpenAI: create } = (await import(provider)) as { createOpenAI: typeof createOpenAI };
    const { createAgent, createMemory } = await import("../../src/index.ts");
    const model = create({ baseURL: server.url, apiKey: "none" }).chat("m");
    const memory = createMemory({ sessions: { store: "memory" }, embedding: false });
    const agent = createAgent({ model, memory, tools: { weather } });
    const { message, text, usage } = await agent.generate("Does it rain in Oslo?", { userId: "u" });
    expect(text).toBe("Let me look.\nIt rains.");
    expect(usage).toBeDefined();
    expect(message?.parts.map(({ type }) => type)).toEqual(["step-start", "text", "tool-weather", "step-start", "text"]);
    expect(message?.parts[2]).toMatchObject({ state: "output-available", output: { city: "Oslo", sky: "rain" } });
    await memory.close();
  } finally {
    vi.doUnmock("ai");
  }
});
