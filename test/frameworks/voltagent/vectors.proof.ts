import { Agent, BaseRetriever, type EmbeddingAdapter, Memory, VectorError } from "@voltagent/core";
import { beforeAll, expect, test } from "vitest";
import { PostgreSQLMemoryAdapter, PostgreSQLVectorAdapter, recallRetriever } from "../../../src/adapters/voltagent.ts";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { describeConnections } from "../../support/connections.ts";
import { lastQuestion, scriptedModel, textOf } from "./scripted-model.ts";

const embedder = hashedEmbedder();

/** Deterministic: texts that share words are near each other. */
const embedding: EmbeddingAdapter = {
  async embed(text) {
    const [vector] = await this.embedBatch([text]);
    return vector!;
  },
  async embedBatch(texts) {
    const vectors = await embedder.embed(texts, { purpose: "document" });
    return vectors.map((vector) => [...(vector as Float32Array)]);
  },
  getDimensions: () => embedder.dimensions as number,
  getModelName: () => "hashed",
};

describeConnections("VoltAgent's memory with vectors", (place) => {
  let storage: PostgreSQLMemoryAdapter;
  let vector: PostgreSQLVectorAdapter;
  let memory: Memory;
  beforeAll(() => {
    const at = { connection: place.connection, schema: place.schema };
    storage = place.opened(new PostgreSQLMemoryAdapter(at));
    vector = place.opened(new PostgreSQLVectorAdapter(at));
    memory = new Memory({ storage, vector, embedding });
  });

  const create = (userId: string, id: string) => memory.createConversation({ id, userId, resourceId: "agent", title: id, metadata: {} });
  const said = (id: string, text: string) => ({ id, role: "user" as const, parts: [{ type: "text" as const, text }] });

  test("old messages that are near the question join the newest ones", async () => {
    await create("u1", "c1");
    const texts = ["the zephyrine launch is on Tuesday", ...Array.from({ length: 10 }, (_, index) => `small talk number ${index}`)];
    await memory.addMessages(
      texts.map((text, index) => said(`m${index}`, text)),
      "u1",
      "c1",
    );
    const found = await memory.getMessagesWithSemanticSearch("u1", "c1", "when is the zephyrine launch", {
      limit: 3,
      semanticLimit: 1,
    });
    expect(found.map(({ id }) => id)).toEqual(["m8", "m9", "m10", "m0"]);
    expect(await vector.count()).toBe(11);
  });

  test("deleting messages, clearing and deleting a conversation takes its vectors along, and no others", async () => {
    await create("u2", "c2");
    await create("u2", "c3");
    await create("u2", "c4");
    for (const id of ["c2", "c3", "c4"]) await memory.addMessages([said("a", "one thing"), said("b", "another thing")], "u2", id);
    const before = await vector.count();
    await memory.deleteMessages(["a"], "u2", "c2");
    expect(await vector.get("msg_c2_a")).toBeNull();
    expect(await vector.get("msg_c2_b")).toMatchObject({ metadata: { messageId: "b", conversationId: "c2", userId: "u2" } });
    await memory.deleteConversation("c3");
    expect(await storage.getConversation("c3")).toBeNull();
    await memory.clearMessages("u2", "c2");
    expect(await vector.count()).toBe(before - 4);
    await memory.clearMessages("u2");
    expect(await vector.count()).toBe(before - 6);
    expect(await memory.searchSimilar("one thing", { filter: { userId: "u2" } })).toEqual([]);
  });

  test("documents are found by what they say, with their contents", async () => {
    await memory.addDocument({ id: "doc", content: "Quokkas live on Rottnest Island", metadata: { source: "atlas" } });
    const [hit] = await memory.searchSimilar("where do quokkas live", { limit: 1, filter: { source: "atlas" } });
    expect(hit).toMatchObject({ id: "doc", metadata: { source: "atlas", content: "Quokkas live on Rottnest Island" } });
    expect(hit!.score).toBeGreaterThan(0.5);
    await memory.removeDocument("doc");
    expect(await vector.get("doc")).toBeNull();
  });

  test("a vector that cannot be stored is VoltAgent's error", async () => {
    await expect(vector.store("bad", [1, Number.NaN])).rejects.toThrow(VectorError);
    await expect(vector.store("bad", [1, 2, 3])).rejects.toThrow(VectorError);
    await expect(vector.search([1, 2, 3])).rejects.toThrow(VectorError);
  });

  test("an agent recalls what the user said in other conversations, and nothing of other users", async () => {
    const agentWith = (script: Parameters<typeof scriptedModel>[0]) => {
      const model = scriptedModel(script);
      const retriever = recallRetriever(BaseRetriever, storage.memory, { limit: 2 });
      return {
        model,
        retriever,
        agent: new Agent({ name: "Recaller", instructions: "Help.", model, memory: new Memory({ storage }), retriever }),
      };
    };
    const first = agentWith(() => "Noted.");
    await first.agent.generateText("My allergy is hazelnuts", { userId: "u5", conversationId: "monday" });
    await first.agent.generateText("My allergy is penicillin", { userId: "u6", conversationId: "stranger" });
    for (const [userId, id] of [
      ["u5", "monday"],
      ["u6", "stranger"],
    ] as const)
      await expect.poll(async () => (await storage.getMessages(userId, id)).length, { timeout: 30_000 }).toBe(2);
    const second = agentWith(() => "No hazelnuts for you.");
    await second.agent.generateText("Which allergy do I have?", { userId: "u5", conversationId: "friday" });
    const prompt = textOf(second.model.prompts[0]!);
    expect(prompt).toContain("My allergy is hazelnuts");
    expect(prompt).toContain(String.raw`conversation=\"monday\"`);
    expect(prompt).not.toContain("penicillin");

    const byTool = scriptedModel((asked) =>
      lastQuestion(asked).isAnswered ? "Hazelnuts." : [{ tool: "recall_earlier_conversations", input: { query: "allergy" } }],
    );
    const { retriever } = agentWith(() => "");
    const agent = new Agent({
      name: "Asker",
      instructions: "Help.",
      model: byTool,
      memory: new Memory({ storage }),
      tools: [retriever.tool],
    });
    await agent.generateText("What must I not eat?", { userId: "u5", conversationId: "saturday" });
    expect(textOf(byTool.prompts.at(-1)!)).toContain("My allergy is hazelnuts");
    expect(textOf(byTool.prompts.at(-1)!)).not.toContain("penicillin");
  });
});
