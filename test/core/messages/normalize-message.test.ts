import { convertToModelMessages, type ModelMessage, type UIMessage } from "ai";
import { describe, expect, test } from "vitest";
import { normalizeMessages, validateId } from "../../../src/core/messages/normalize-message.ts";
import type { MessageInput } from "../../../src/index.ts";

const now = new Date("2024-05-08T12:00:00Z");

/** Callers without types pass anything. */
const normalize = (input: unknown) => normalizeMessages(input as MessageInput, now);
const one = (input: unknown) => normalize(input)[0]!;

const asked: UIMessage = { id: "u1", role: "user", parts: [{ type: "text", text: "What is the weather in Lisbon?" }] };
const answered: UIMessage = {
  id: "a1",
  role: "assistant",
  parts: [
    { type: "step-start" },
    { type: "reasoning", text: "secret thought" },
    { type: "tool-weather", toolCallId: "c1", state: "output-available", input: { city: "Lisbon" }, output: { degrees: 21 } },
    { type: "dynamic-tool", toolName: "clock", toolCallId: "c2", state: "output-error", input: {}, errorText: "broken clock" },
    { type: "step-start" },
    { type: "text", text: "21 degrees." },
    { type: "file", mediaType: "image/png", filename: "map.png", url: "data:image/png;base64,AAAA" },
    { type: "source-url", sourceId: "s1", url: "https://example.com", title: "Forecast" },
    { type: "source-document", sourceId: "s2", mediaType: "application/pdf", title: "Climate", filename: "climate.pdf" },
    { type: "data-chart", data: { hidden: "data" } },
  ],
};

describe("shapes", () => {
  test("a string is a user's message", () => {
    expect(one("hello")).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      role: "user",
      name: null,
      text: "hello",
      partsJson: '[{"type":"text","text":"hello"}]',
      metadataJson: "{}",
      type: "text",
      toolIds: null,
      createdAt: now,
      importance: null,
      embedding: null,
    });
  });

  test("content as a string becomes one text part; an empty one is a message too", () => {
    expect(one({ content: "hi", role: "assistant", name: "Ann" })).toMatchObject({ text: "hi", role: "assistant", name: "Ann" });
    expect(one({ content: "" })).toMatchObject({ text: "", partsJson: '[{"type":"text","text":""}]' });
    expect(one({ parts: [] })).toMatchObject({ text: "", partsJson: "[]" });
  });

  test("parts are the payload and content what is searched when both are given", () => {
    expect(one({ parts: [{ type: "text", text: "<b>hi</b>" }], content: "hi" })).toMatchObject({
      text: "hi",
      partsJson: '[{"type":"text","text":"<b>hi</b>"}]',
    });
  });

  test("one or many; nothing is nothing", () => {
    expect(normalize([])).toEqual([]);
    expect(normalize(["a", { content: "b" }]).map((message) => message.text)).toEqual(["a", "b"]);
  });

  test("the input is never changed", () => {
    const input = structuredClone([asked, answered]);
    normalize(input);
    expect(input).toEqual([asked, answered]);
  });

  test("a UIMessage keeps every part; reasoning, tools and data are not searched", () => {
    expect(one(answered)).toMatchObject({
      id: "a1",
      role: "assistant",
      text: "21 degrees.\nmap.png\nForecast\nClimate climate.pdf",
      partsJson: JSON.stringify(answered.parts),
      type: "tool-call",
      toolIds: null,
    });
  });

  test("the ModelMessages of the same conversation keep every part and name their calls and results", async () => {
    const { parts } = answered;
    const models: ModelMessage[] = await convertToModelMessages([
      asked,
      { ...answered, parts: parts.filter(({ type }) => type !== "file") },
    ]);
    const messages = normalize(models);
    expect(messages.map(({ role, type, toolIds }) => ({ role, type, toolIds }))).toEqual([
      { role: "user", type: "text", toolIds: null },
      { role: "assistant", type: "tool-call", toolIds: ["call:c1", "call:c2"] },
      { role: "tool", type: "tool-result", toolIds: ["result:c1", "result:c2"] },
      { role: "assistant", type: "text", toolIds: null },
    ]);
    expect(messages.map((message) => message.text)).toEqual(["What is the weather in Lisbon?", "", "", "21 degrees."]);
    expect(messages.map((message) => JSON.parse(message.partsJson))).toEqual(models.map((message) => message.content));
  });

  test("OpenAI's calls and answers beside the content become parts", () => {
    const calls = [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }, null];
    const [call, result] = normalize([
      { role: "assistant", content: "let me see", tool_calls: calls },
      { role: "tool", content: "42", tool_call_id: "c1" },
    ]);
    expect(call).toMatchObject({ text: "let me see", type: "tool-call", toolIds: ["call:c1"] });
    expect(JSON.parse(call?.partsJson ?? "")).toEqual([
      { type: "text", text: "let me see" },
      { type: "tool-call", toolCallId: "c1", call: calls[0] },
      { type: "tool-call", call: null },
    ]);
    expect(result).toMatchObject({ text: "", type: "tool-result", toolIds: ["result:c1"] });
    expect(JSON.parse(result?.partsJson ?? "")).toEqual([{ type: "tool-result", toolCallId: "c1", output: "42" }]);
    expect(one({ role: "assistant", content: null, tool_calls: calls })).toMatchObject({ text: "", toolIds: ["call:c1"] });
  });
});

describe("values", () => {
  test("the time is a Date, an ISO string or epoch milliseconds, of the message or else of its metadata", () => {
    const time = new Date("2023-05-08T10:00:00.123Z");
    for (const createdAt of [time, time.toISOString(), time.getTime()]) {
      expect(one({ content: "x", createdAt }).createdAt).toEqual(time);
      expect(one({ content: "x", metadata: { createdAt } }).createdAt).toEqual(time);
      expect(one({ content: "x", createdAt, metadata: { createdAt: 0 } }).createdAt).toEqual(time);
      expect(one({ content: "x", createdAt: null, metadata: { createdAt } }).createdAt).toEqual(time);
    }
    expect(one({ content: "x", createdAt: 0 }).createdAt).toEqual(new Date(0));
    expect(one({ content: "x", metadata: { createdAt: {} } }).createdAt).toEqual(now);
  });

  test("text takes a space for NUL and is well-formed; parts and metadata keep what was written", () => {
    const text = "a\0b \ud83d c \ud83d\ude00";
    const message = one({ content: text, metadata: { z: text, a: 1 } });
    expect(message.text).toBe("a b \ufffd c \ud83d\ude00");
    expect(message.partsJson).toBe(JSON.stringify([{ type: "text", text }]));
    expect(message.metadataJson).toBe(JSON.stringify({ z: text, a: 1 }));
    expect(one({ parts: [], content: text }).text).toBe("a b \ufffd c \ud83d\ude00");
  });

  test("no metadata is the empty object", () => {
    for (const metadata of [undefined, null, {}]) expect(one({ content: "x", metadata }).metadataJson).toBe("{}");
  });

  test("importance and embedding are taken as they are; null is none", () => {
    for (const importance of [0, 0.5, 1]) expect(one({ content: "x", importance }).importance).toBe(importance);
    const vector = Float32Array.of(1, -0.5);
    for (const embedding of [[1, -0.5], vector, Float64Array.of(1, -0.5)])
      expect(one({ content: "x", embedding }).embedding).toEqual(vector);
    expect(one({ content: "x", embedding: vector }).embedding).not.toBe(vector);
    expect(one({ content: "x", name: null, importance: null, embedding: null })).toMatchObject({
      name: null,
      importance: null,
      embedding: null,
    });
  });

  test("an id twice in one batch: the last version, in the first one's place", () => {
    const batch = normalize([{ id: "a", content: "1" }, { id: "b", content: "2" }, { id: "a", content: "3" }, "4"]);
    expect(batch.map((message) => message.text)).toEqual(["3", "2", "4"]);
  });
});

describe("refused", () => {
  const cyclic: unknown[] = [];
  cyclic.push({ type: "data-x", cyclic });
  let deep: unknown = 1;
  for (let depth = 0; depth < 50_000; depth++) deep = [deep];

  test.each<[string, unknown, string]>([
    ["neither content nor parts", { role: "user" }, ""],
    ["content null without tool calls", { role: "assistant", content: null, tool_calls: undefined }, ""],
    ["no message", undefined, ""],
    ["a number", 3, ""],
    ["an empty id", { id: "", content: "x" }, ".id"],
    ["an id that is a number", { id: 1, content: "x" }, ".id"],
    ["a long id", { id: "a".repeat(513), content: "x" }, ".id"],
    ["an id with NUL", { id: "a\0", content: "x" }, ".id"],
    ["half a surrogate pair in an id", { id: "a\ud800", content: "x" }, ".id"],
    ["an empty role", { role: "", content: "x" }, ".role"],
    ["a role that is an object", { role: {}, content: "x" }, ".role"],
    ["an empty name", { name: "", content: "x" }, ".name"],
    ["a name with NUL", { name: "\0", content: "x" }, ".name"],
    ["parts that are no array", { parts: "x" }, ".parts"],
    ["cyclic parts", { parts: cyclic }, ".parts"],
    ["parts nested 50,000 deep", { parts: [deep] }, ".parts"],
    ["a BigInt in parts", { parts: [{ type: "data-x", data: 1n }] }, ".parts"],
    ["metadata that is a string", { content: "x", metadata: "x" }, ".metadata"],
    ["metadata that is an array", { content: "x", metadata: [] }, ".metadata"],
    ["a BigInt in metadata", { content: "x", metadata: { a: 1n } }, ".metadata"],
    ["a time that is none", { content: "x", createdAt: "yesterday" }, ".createdAt"],
    ["an invalid Date", { content: "x", createdAt: new Date(Number.NaN) }, ".createdAt"],
    ["a time in the metadata that is none", { content: "x", metadata: { createdAt: "soon" } }, ".metadata.createdAt"],
    ["an importance above 1", { content: "x", importance: 1.1 }, ".importance"],
    ["a negative importance", { content: "x", importance: -0.1 }, ".importance"],
    ["an importance of NaN", { content: "x", importance: Number.NaN }, ".importance"],
    ["an importance that is a string", { content: "x", importance: "0.5" }, ".importance"],
    ["an importance that is an array", { content: "x", importance: [] }, ".importance"],
    ["an empty embedding", { content: "x", embedding: [] }, ".embedding"],
    ["NaN in an embedding", { content: "x", embedding: [1, Number.NaN] }, ".embedding"],
    ["more than a float holds in an embedding", { content: "x", embedding: [1e39] }, ".embedding"],
    ["strings in an embedding", { content: "x", embedding: ["1"] }, ".embedding"],
    ["BigInts in an embedding", { content: "x", embedding: BigInt64Array.of(1n) }, ".embedding"],
    ["a string for an embedding", { content: "x", embedding: "12" }, ".embedding"],
    ["a number for an embedding", { content: "x", embedding: 12 }, ".embedding"],
  ])("%s, with the message's place and the field", (_, input, field) => {
    const place = `messages[1]${field}`;
    expect(() => normalize(["fine", input])).toThrow(expect.objectContaining({ code: "invalid_argument", field: place }));
  });

  test("validateId takes what one index entry and PostgreSQL's text can hold", () => {
    for (const id of ["a", "a".repeat(512), "日".repeat(213), "\ud83d\ude00", " ", "a/b%_'\"\\"])
      expect(() => validateId("id", id)).not.toThrow();
    for (const id of ["", "a".repeat(513), "日".repeat(214), "a\0", "\ude00", 1, null, undefined, {}]) {
      expect(() => validateId("userId", id)).toThrow(expect.objectContaining({ code: "invalid_argument", field: "userId" }));
    }
  });
});
