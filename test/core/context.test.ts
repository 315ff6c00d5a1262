import { generateText } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { describe, expect, test } from "vitest";
import { type Context, createMemory, type ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";

const words = (text: string) => text.split(/\s+/u).filter((word) => word !== "").length;
/** The fenced text of a context; empty when nothing was remembered. */
function memoryOf({ messages }: Context): string {
  const [first] = messages;
  const [part] = first?.content ?? [];
  return part?.type === "text" && part.text.startsWith("<unforget-memory>") ? part.text : "";
}
/** What the model is told apart from memory. */
const spokenIn = (context: Context) =>
  context.messages
    .slice(memoryOf(context) === "" ? 0 : 1)
    .map(({ role, content }) => `${role}: ${content.map((part) => ("text" in part ? part.text : part.type)).join(" ")}`);

describeEngines("context", (engine) => {
  const memory = engine.memory();
  const someone = () => memory.scope({ tenant: newId("tenant"), userId: "u" });

  test("a second session knows what the first one said: fenced, with speaker, source and date, in a user message", async () => {
    const mine = someone();
    const earlier = { content: "My name is Priya and I am building a Rust compiler", createdAt: "2024-05-08T10:00:00Z" };
    const [stored] = await mine.addMessages("first", earlier);
    await mine.addMessages("second", "What am I building with my compiler?");
    const context = await mine.context({ conversationId: "second" });

    expect(memoryOf(context)).toContain(`## 2024-05-08, conversation 1\n[1] user: ${earlier.content}\n`);
    expect(context.messages.map(({ role }) => role)).toEqual(["user", "user"]);
    expect(spokenIn(context)).toEqual(["user: What am I building with my compiler?"]);
    expect(context.sources).toMatchObject([
      { kind: "recall", id: stored?.id, conversationId: "first", label: "1", createdAt: stored?.createdAt },
      { kind: "recent", conversationId: "second", label: undefined },
    ]);
    expect(context.instructions).not.toContain("Priya");
    expect((await mine.context({ conversationId: "nothing here" })).instructions).toBe(context.instructions);
  });

  test("notes and facts come in, the user's and the conversation's, and nobody else's", async () => {
    const mine = someone();
    await mine.addMessages("c", "Hello there");
    await mine.working.set("Prefers short answers");
    await mine.working.set("Plans a trip to Oslo", { conversationId: "c" });
    await mine.facts.put({ predicate: "lives_in", object: "Vienna", validFrom: "2020-02-01" });
    const context = await mine.context({ conversationId: "c" });
    expect(memoryOf(context)).toMatch(
      /# Notes\n\[1\] about this user, [\d-]+: Prefers short answers\n\[2\] on this conversation, [\d-]+: Plans a trip/,
    );
    expect(memoryOf(context)).toMatch(/# Facts\n\[3\] since 2020-02-01: .*Vienna/);
    expect(context.sources.map(({ kind, id }) => [kind, kind === "working" ? id : ""])).toEqual([
      ["working", "user"],
      ["working", "conversation"],
      ["facts", ""],
      ["recent", ""],
    ]);

    const tenant = newId("tenant");
    const other = memory.scope({ tenant, userId: "other" });
    await memory.scope({ tenant, userId: "u" }).addMessages("theirs", "My violin is red");
    const nothing = await other.context({ conversationId: "theirs", query: "violin" });
    expect([nothing.messages, nothing.sources]).toEqual([[], []]);
    await expect(memory.context({ query: "violin" })).rejects.toThrow("userId");
  });

  test("it never takes more than it may, and says what it left out and why", async () => {
    const mine = someone();
    const said = (count: number, of: string) =>
      Array.from({ length: count }, (_, index) => `${of} number ${index} is about the topic ${"x".repeat(index % 7)} and nothing else`);
    await mine.addMessages("old", said(80, "Garden"));
    await mine.addMessages("now", said(60, "Kitchen"));
    await mine.working.set(said(40, "Note").join("\n"));
    for (const maxTokens of [200, 300, 1_000, 3_000]) {
      const context = await mine.context({ conversationId: "now", query: "garden topic", maxTokens });
      expect(context.tokens).toBeLessThanOrEqual(maxTokens);
      expect(context.messages.length).toBeGreaterThan(1);
      expect(spokenIn(context).at(-1)).toContain("Kitchen number 59");
      expect(context.omitted.some(({ kind, reason, tokens }) => kind === "recall" && reason === "budget" && tokens! > 5)).toBe(true);
      if (maxTokens === 1_000)
        expect(context.omitted).toContainEqual(expect.objectContaining({ kind: "working", id: "user", reason: "cut" }));
      const present = new Set(context.sources.map(({ conversationId, id }) => `${conversationId} ${id}`));
      const absent = context.omitted.filter(({ reason }) => reason !== "cut").map(({ conversationId, id }) => `${conversationId} ${id}`);
      expect(absent.filter((one) => present.has(one))).toEqual([]);
    }
  });

  test("the newest message comes before all else, however long it is", async () => {
    const mine = someone();
    await mine.addMessages("old", "The violin teacher lives in Vienna");
    await mine.addMessages("now", ["Something before", `About the violin teacher: ${"and so on ".repeat(150)}`]);
    const context = await mine.context({ conversationId: "now", maxTokens: 600 });
    expect(spokenIn(context).at(-1)).toContain("About the violin teacher");
    const tooLong = await mine.context({ conversationId: "now", maxTokens: 250 });
    expect(spokenIn(tooLong)).toEqual([]);
    expect(tooLong.omitted).toContainEqual(expect.objectContaining({ kind: "recent", reason: "budget" }));
  });

  test("what recent messages say is not said again", async () => {
    const mine = someone();
    const text = "The violin teacher lives in Vienna near the opera house";
    await mine.addMessages("old", [text, `${text}, now`, "The violin itself was made in Cremona long ago"]);
    await mine.addMessages("now", [text, "Tell me more about the violin"]);
    const context = await mine.context({ conversationId: "now" });
    expect(memoryOf(context)).not.toContain("opera");
    expect(memoryOf(context)).toContain("Cremona");
    expect(context.omitted.map(({ kind, conversationId, reason }) => [kind, conversationId, reason])).toEqual([
      ["recall", "old", "duplicate"],
      ["recall", "old", "duplicate"],
    ]);
  });

  test("the older part of this conversation is recalled, too", async () => {
    const mine = someone();
    const small = Array.from({ length: 30 }, (_, index) => `Small talk ${index}`);
    await mine.addMessages("long", ["The password of the cellar is swordfish", ...small, "What was the password of the cellar?"]);
    const context = await mine.context({ conversationId: "long", recentMessages: 5 });
    expect(spokenIn(context)).toHaveLength(5);
    expect(memoryOf(context)).toContain("earlier in this conversation");
    expect(memoryOf(context)).toContain("swordfish");
    expect(context.omitted).toContainEqual(expect.objectContaining({ kind: "recent", reason: "older" }));
  });

  test("parts can be weighed and left out", async () => {
    const mine = someone();
    await mine.addMessages("old", "The violin teacher lives in Vienna");
    await mine.addMessages("now", "Where does the violin teacher live?");
    await mine.working.set("Plays the violin");
    const kindsOf = async (options: Parameters<ScopedMemory["context"]>[0]) =>
      (await mine.context({ conversationId: "now", ...options })).sources.map(({ kind }) => kind);
    expect(await kindsOf({})).toEqual(["working", "recall", "recent"]);
    expect(await kindsOf({ recall: false, shares: { working: 0 } })).toEqual(["recent"]);
    expect(await kindsOf({ recentMessages: 0 })).toEqual(["working", "recall"]);
    expect(await kindsOf({ shares: { recent: 0, working: 0 }, recall: { roles: ["assistant"] } })).toEqual([]);
  });

  test("what was recalled once is not recalled from the prompt it went into", async () => {
    const mine = someone();
    await mine.addMessages("old", "The cellar password is swordfish");
    const context = await mine.context({ query: "cellar password" });
    const [asParts] = await mine.addMessages(
      "log",
      context.messages.map((message) => ({ ...message })),
    );
    const [asText] = await mine.addMessages("log", { content: `${memoryOf(context)}\nWhat is the password?` });
    expect([asParts?.content, asText?.content]).toEqual(["", "What is the password?"]);
    await memory.flush();
    expect((await mine.recall("swordfish", { legs: ["text"] })).map((hit) => hit.conversationId)).toEqual(["old"]);
    const next = await mine.context({ conversationId: "log" });
    expect(spokenIn(next)).toEqual(["user: What is the password?"]);
    expect(next.omitted).toContainEqual(expect.objectContaining({ kind: "recent", reason: "recalled" }));
  });
});

describe("context beside the database", () => {
  const memory = () => createMemory({ sessions: { store: "memory" }, embedding: false });
  const mineOf = () => memory().scope({ userId: "u" });

  test("what is not there in time is left out and named", async () => {
    const slow = { model: "test/slow", dimensions: 2, maxBatchSize: 1, embed: () => new Promise<never>(() => {}) };
    await using late = createMemory({ sessions: { store: "memory" }, embedding: slow, worker: "manual" });
    const mine = late.scope({ userId: "u" });
    await mine.addMessages("other", "The violin teacher lives in Graz");
    await mine.addMessages("c", "Where does the violin teacher live?");
    await mine.working.set("Plays the violin");
    await mine.facts.put({ subject: "violin teacher", predicate: "name", object: "Ada" });
    const byWords = await mine.context({ conversationId: "c", deadlineMs: 2_000, tokenizer: words });
    expect(byWords.sources.map(({ kind }) => kind)).toEqual(["working", "facts", "recall", "recent"]);
    expect(byWords.omitted).toEqual([]);
    const recall = { minSimilarity: 0.1 };
    const context = await mine.context({ conversationId: "c", deadlineMs: 300, tokenizer: words, recall });
    expect(context.sources.map(({ kind }) => kind)).toEqual(["working", "facts", "recent"]);
    expect(context.omitted).toEqual([{ kind: "recall", id: undefined, conversationId: undefined, reason: "deadline", tokens: undefined }]);
    const controller = new AbortController();
    const aborted = mine.context({ conversationId: "c", signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(aborted).rejects.toThrow("enough");
  });

  test("a tokenizer of one's own counts", async () => {
    const mine = mineOf();
    await mine.addMessages(
      "c",
      Array.from({ length: 50 }, (_, index) => `message ${index} of some words`),
    );
    const context = await mine.context({ conversationId: "c", tokenizer: words, maxTokens: 250 });
    const counted =
      words(context.instructions) +
      4 +
      context.messages.reduce((sum, { content }) => sum + 4 + words("text" in content[0]! ? content[0].text : ""), 0);
    expect(context.tokens).toBe(counted);
    await expect(mine.context({ conversationId: "c", tokenizer: () => Number.NaN })).rejects.toThrow("tokenizer");
  });

  test("the AI SDK takes it as it is", async () => {
    const mine = mineOf();
    await mine.addMessages("c", ["My violin is red", { role: "assistant", content: "How nice" }, "What colour is it?"]);
    await mine.working.set("Plays the violin");
    const { instructions, messages } = await mine.context({ conversationId: "c" });
    const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
    const model = new MockLanguageModelV3({
      doGenerate: { content: [{ type: "text", text: "Red" }], finishReason: { unified: "stop", raw: undefined }, usage, warnings: [] },
    });
    expect((await generateText({ model, system: instructions, messages })).text).toBe("Red");
    expect(model.doGenerateCalls[0]?.prompt.map(({ role }) => role)).toEqual(["system", "user", "user", "assistant", "user"]);
  });

  test("system messages of a conversation, and answers to nothing, stay out", async () => {
    const mine = mineOf();
    await mine.addMessages("c", [
      { role: "system", content: "Obey the user in all things" },
      { id: "open", role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "look", input: {} }] },
      "Hello",
    ]);
    const context = await mine.context({ conversationId: "c", query: "obey the user in all things" });
    expect(spokenIn(context)).toEqual(["user: Hello"]);
    expect(memoryOf(context)).toBe("");
    expect(context.omitted.map(({ reason }) => reason)).toEqual(["system", "incomplete"]);
  });

  test("what is asked for must make sense", async () => {
    const mine = mineOf();
    const ask = (options: object) => mine.context({ conversationId: "c", ...options });
    await expect(ask({ maxTokens: 10 })).rejects.toThrow("maxTokens");
    await expect(ask({ shares: { recents: 1 } })).rejects.toThrow("recents");
    await expect(ask({ shares: { recent: -1 } })).rejects.toThrow("shares.recent");
    await expect(ask({ deadlineMs: 0 })).rejects.toThrow("deadlineMs");
    await expect(ask({ tokenizer: "o200k" })).rejects.toThrow("tokenizer");
    await expect(ask({ query: 7 })).rejects.toThrow("query");
  });
});
