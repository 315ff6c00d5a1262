import type { ModelMessage, UIMessage } from "ai";
import { expect, test } from "vitest";
import { describeEngines, newId } from "../support/engines.ts";

describeEngines("addMessages", (engine) => {
  const memory = engine.memory();
  const someone = () => ({ mine: memory.scope({ userId: newId("user") }), id: newId("conversation") });

  test("a string is a user's message, and the conversation is created for its owner", async () => {
    const { mine, id } = someone();
    const [stored] = await mine.addMessages(id, "My name is Priya");
    expect(stored).toMatchObject({ role: "user", content: "My name is Priya", seq: 1, conversationId: id });
    expect((await mine.messages.list(id)).items).toEqual([stored]);
    expect(await mine.conversations.get(id)).toMatchObject({
      id,
      resourceId: "default",
      title: "",
      metadata: {},
      createdAt: stored?.createdAt,
    });
  });

  test("many at once keep their order", async () => {
    const { mine, id } = someone();
    const stored = await mine.addMessages(id, ["a", { role: "assistant", content: "b", name: "Bot" }, "c"]);
    expect(stored.map((message) => [message.seq, message.content, message.name])).toEqual([
      [1, "a", undefined],
      [2, "b", "Bot"],
      [3, "c", undefined],
    ]);
    expect((await mine.messages.list(id)).items).toEqual(stored);
  });

  test("nothing is a batch of nothing", async () => {
    const { mine, id } = someone();
    expect(await mine.addMessages(id, [])).toEqual([]);
  });

  test("a UIMessage comes back with every part", async () => {
    const { mine, id } = someone();
    const message: UIMessage = {
      id: "ui-1",
      role: "assistant",
      metadata: { model: "m" },
      parts: [
        { type: "step-start" },
        { type: "reasoning", text: "hidden thought", state: "done" },
        { type: "text", text: "It is sunny.", state: "done" },
        { type: "tool-weather", toolCallId: "t1", state: "output-available", input: { city: "Rome" }, output: { degrees: 30 } },
        { type: "file", mediaType: "image/png", filename: "map.png", url: "data:image/png;base64,AA==" },
      ],
    };
    await mine.addMessages(id, message);
    const read = await mine.messages.get(id, "ui-1");
    expect(JSON.stringify(read.parts)).toBe(JSON.stringify(message.parts));
    expect(read).toMatchObject({ role: "assistant", metadata: { model: "m" }, content: "It is sunny.\nmap.png" });
  });

  test("ModelMessages come back with every part, their text searchable, tool input and output not", async () => {
    const { mine, id } = someone();
    const messages: ModelMessage[] = [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Weather in Rome?" }] },
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Rome" } }] },
      {
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "c1", toolName: "weather", output: { type: "text", value: "secretvalue" } }],
      },
    ];
    await mine.addMessages(id, messages);
    const { items } = await mine.messages.list(id);
    expect(items.map((item) => item.role)).toEqual(["system", "user", "assistant", "tool"]);
    expect(items.slice(1).map((item) => item.parts)).toEqual(messages.slice(1).map((message) => message.content));
    expect(items[0]?.parts).toEqual([{ type: "text", text: "Be brief." }]);
    expect(items.map((item) => item.content)).toEqual(["Be brief.", "Weather in Rome?", "", ""]);
    expect(await mine.recall("secretvalue", { legs: ["text"] })).toEqual([]);
  });

  test("the same id again updates: place and time stay, nothing doubles", async () => {
    const { mine, id } = someone();
    const [first] = await mine.addMessages(id, [{ id: "m", content: "old", createdAt: "2024-01-01" }, "between"]);
    const [second] = await mine.addMessages(id, { id: "m", content: "new", createdAt: "2025-01-01", metadata: { edited: true } });
    expect(second).toEqual({ ...first, content: "new", parts: [{ type: "text", text: "new" }], metadata: { edited: true } });
    expect((await mine.messages.list(id)).items.map((item) => item.content)).toEqual(["new", "between"]);
  });

  test("the same id twice in one batch is one message, in the first one's place", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, [{ id: "m", content: "old" }, "between", { id: "m", content: "new" }]);
    expect((await mine.messages.list(id)).items.map((item) => item.content)).toEqual(["new", "between"]);
  });

  test("the same id in another conversation is another message", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, { id: "m", content: "here" });
    await mine.addMessages(`${id}-other`, { id: "m", content: "there" });
    expect((await mine.messages.get(id, "m")).content).toBe("here");
  });

  test("the same write ten times at once stores one message", async () => {
    const { mine, id } = someone();
    const answers = await Promise.all(Array.from({ length: 10 }, () => mine.addMessages(id, { id: "m", content: "once" })));
    expect((await mine.messages.list(id)).items).toHaveLength(1);
    expect(new Set(answers.map(([message]) => message?.seq)).size).toBe(1);
  });

  test("a batch with one bad message is refused whole", async () => {
    const { mine, id } = someone();
    await expect(mine.addMessages(id, ["good", { role: "user" }])).rejects.toMatchObject({
      code: "invalid_argument",
      field: "messages[1]",
    });
    await expect(mine.messages.list(id)).rejects.toMatchObject({ code: "not_found" });
  });

  test("64 concurrent writers to one conversation keep each one's order, and seq never repeats", async () => {
    const { mine, id } = someone();
    const answers = await Promise.all(
      Array.from({ length: 64 }, async (_, writer) => {
        const own = [];
        for (let turn = 0; turn < 3; turn++) own.push(...(await mine.addMessages(id, [`${writer}:${turn}a`, `${writer}:${turn}b`])));
        return own;
      }),
    );
    const { items } = await mine.messages.list(id, { limit: 1000 });
    expect(items).toHaveLength(384);
    expect(items.every((item, index) => index === 0 || item.seq > (items[index - 1]?.seq ?? 0))).toBe(true);
    for (const [writer, own] of answers.entries()) {
      expect(items.filter((item) => item.content.startsWith(`${writer}:`)).map((item) => item.id)).toEqual(
        own.map((message) => message.id),
      );
    }
  });

  test("calls that are not awaited land in the order they were made, in one and in many conversations", async () => {
    const { mine, id } = someone();
    await Promise.all(Array.from({ length: 256 }, (_, call) => mine.addMessages(`${id}-${call % 8}`, `${call}`)));
    for (let conversation = 0; conversation < 8; conversation++) {
      const { items } = await mine.messages.list(`${id}-${conversation}`);
      expect(items.map((item) => Number(item.content))).toEqual(Array.from({ length: 32 }, (_, index) => index * 8 + conversation));
    }
  });

  test("two memories that write to one conversation at once lose and double nothing", async () => {
    const other = engine.memory();
    const userId = newId("user");
    const id = newId("conversation");
    const writers = [memory.scope({ userId }), other.scope({ userId })];
    await Promise.all(Array.from({ length: 100 }, (_, call) => writers[call % 2]?.addMessages(id, { id: `m${call}`, content: "x" })));
    const { items } = await memory.messages.list(id, { limit: 1000 });
    expect(new Set(items.map((item) => item.seq)).size).toBe(100);
    expect(new Set(items.map((item) => item.id)).size).toBe(100);
  });

  test("of writes that leave together only the bad one fails", async () => {
    const { mine, id } = someone();
    const theirs = memory.scope({ userId: newId("user") });
    await theirs.addMessages(`${id}-theirs`, "mine alone");
    const outcomes = await Promise.allSettled([
      mine.addMessages(`${id}-1`, "one"),
      mine.addMessages(`${id}-theirs`, "intruder"),
      mine.addMessages(`${id}-3`, "three", { createConversation: false }),
      // Passes every check of ours, and only the server refuses it.
      mine.addMessages(`${id}-4`, { content: "four", createdAt: new Date(-8.64e15) }),
      mine.addMessages(`${id}-1`, "five"),
    ]);
    expect(outcomes.map((outcome) => (outcome.status === "fulfilled" ? "stored" : outcome.reason.code))).toEqual([
      "stored",
      "not_found",
      "not_found",
      "backend_error",
      "stored",
    ]);
    expect((await theirs.messages.list(`${id}-theirs`)).items).toHaveLength(1);
  });

  test("createConversation: false makes a new conversation an error that says what to do", async () => {
    const { mine, id } = someone();
    await expect(mine.addMessages(id, "x", { createConversation: false })).rejects.toThrow(/create it first/);
    await mine.conversations.create({ id });
    expect(await mine.addMessages(id, "x", { createConversation: false })).toHaveLength(1);
  });

  test("what the first message says of the conversation is kept", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, "x", { resourceId: "bot", conversation: { title: "T", metadata: { a: [1] }, language: "german" } });
    expect(await mine.conversations.get(id)).toMatchObject({ title: "T", metadata: { a: [1] }, language: "german", resourceId: "bot" });
  });

  test("NUL, lone surrogates, key order and odd keys come back to the letter", async () => {
    const { mine, id } = someone();
    const parts = [
      { type: "text", text: 'a\0b \ud800 c \udc00 "\\u0000" \\ {}' },
      { z: 1, "2": 2, a: null, "\0": "\0", type: "data-x", deep: [[[]], {}, 1e-7, -0, 1.5e300], "": "\u2028" },
    ];
    await mine.addMessages(id, { id: "m", parts, metadata: { note: "a\0b \ud800", "\0k": 1 } });
    const read = await mine.messages.get(id, "m");
    expect(JSON.stringify(read.parts)).toBe(JSON.stringify(parts));
    expect(JSON.stringify(read.metadata)).toBe(JSON.stringify({ note: "a\0b \ud800", "\0k": 1 }));
    expect((await mine.recall("a b c", { legs: ["text"] })).map((hit) => hit.id)).toEqual(["m"]);
  });

  test("bytes, URLs and dates in parts come back as what they were", async () => {
    const { mine, id } = someone();
    const parts = [
      { type: "file", mediaType: "image/png", data: new Uint8Array([0, 1, 255]) },
      { type: "image", image: new URL("https://example.com/a?b=c#d") },
      { type: "data-time", at: new Date("2024-02-29T12:00:00.123Z"), $unforget: "URL", href: "mine" },
      { type: "data-buffer", data: Buffer.from("abc"), gone: undefined },
    ];
    const [written] = await mine.addMessages(id, { id: "m", role: "user", content: parts });
    const read = await mine.messages.get(id, "m");
    expect(read.parts).toEqual(written?.parts);
    expect(read.parts[0]?.data).toEqual(new Uint8Array([0, 1, 255]));
    expect(read.parts[1]?.image).toEqual(new URL("https://example.com/a?b=c#d"));
    expect(read.parts[2]).toEqual(parts[2]);
    expect(JSON.stringify(read.parts.slice(0, 3))).toBe(JSON.stringify(parts.slice(0, 3)));
  });

  test("a message of 1 MB comes back and is found", async () => {
    const { mine, id } = someone();
    const text = `needle ${"several ordinary words repeated and numbered ".repeat(23_000)}`;
    expect(text.length).toBeGreaterThan(1_000_000);
    await mine.addMessages(id, { id: "m", content: text });
    expect((await mine.messages.get(id, "m")).content).toBe(text);
    expect((await mine.recall("needle"))[0]?.id).toBe("m");
  });

  test("a message of 1 MB of distinct words is stored all the same", async () => {
    const { mine, id } = someone();
    const text = Array.from({ length: 100_000 }, (_, index) => `w${(index * 7919).toString(36)}日${index}`).join(" ");
    await mine.addMessages(id, { id: "m", content: text });
    expect((await mine.messages.get(id, "m")).content).toBe(text);
  });

  test("OpenAI's tool messages keep the id they answer", async () => {
    const { mine, id } = someone();
    const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
    await mine.addMessages(id, [
      { role: "assistant", content: null, tool_calls: [call] } as never,
      { role: "tool", content: "42", tool_call_id: "c1" } as never,
    ]);
    expect((await mine.messages.list(id, { limit: 1 })).items).toHaveLength(2);
  });

  const bad: [string, unknown, string][] = [
    ["no content", { role: "user" }, "messages[0]"],
    ["a number", 7, "messages[0]"],
    ["null", null, "messages[0]"],
    ["an empty id", { id: "", content: "x" }, "messages[0].id"],
    ["an id of 513 characters", { id: "x".repeat(513), content: "x" }, "messages[0].id"],
    ["an id of 512 characters that are too many bytes", { id: "日".repeat(512), content: "x" }, "messages[0].id"],
    ["an id with NUL", { id: "a\0", content: "x" }, "messages[0].id"],
    ["an id with half a character", { id: "a\ud800", content: "x" }, "messages[0].id"],
    ["parts that are no array", { parts: "x" }, "messages[0].parts"],
    ["a BigInt", { parts: [{ type: "x", value: 1n }] }, "messages[0].parts"],
    ["a wrong date", { content: "x", createdAt: "yesterday" }, "messages[0].createdAt"],
    ["an importance of 2", { content: "x", importance: 2 }, "messages[0].importance"],
    ["an empty vector", { content: "x", embedding: [] }, "messages[0].embedding"],
    ["a vector of NaN", { content: "x", embedding: [Number.NaN] }, "messages[0].embedding"],
    ["metadata that is no object", { content: "x", metadata: [1] }, "messages[0].metadata"],
  ];
  test.each(bad)("%s is refused with the name of the field", async (_, message, field) => {
    await expect(someone().mine.addMessages("c", message as string)).rejects.toMatchObject({ code: "invalid_argument", field });
  });
});
