import { convertToModelMessages, modelMessageSchema, type UIMessage } from "ai";
import fc from "fast-check";
import { expect, test } from "vitest";
import { closedExchanges, modelMessages, piecesOf } from "../../../src/core/context/model-messages.ts";
import { recentWindow, tokensOf } from "../../../src/core/context/recent-window.ts";
import type { ContextMessage, Message, MessageInputObject, Part } from "../../../src/index.ts";

let seq = 0;
function stored({ role = "user", content = "", parts }: MessageInputObject): Message {
  const list = parts ?? (typeof content === "string" ? [{ type: "text", text: content }] : content);
  const text = typeof content === "string" ? content : "";
  seq++;
  return {
    ...{ id: `m${seq}`, conversationId: "c", userId: "u", seq, role, name: undefined, content: text, metadata: {} },
    parts: list as Part[],
    createdAt: new Date(seq),
  };
}

const converted = (messages: readonly MessageInputObject[]) => modelMessages(closedExchanges(messages.map(stored).map(piecesOf)));
/** Roles, and the types of what they hold. */
const shape = (messages: readonly ContextMessage[]) =>
  messages.map(({ role, content }) => `${role}: ${content.map(({ type }) => type).join(" ")}`);

test("a UIMessage with steps becomes what the AI SDK makes of it", async () => {
  const messages: UIMessage[] = [
    {
      id: "1",
      role: "user",
      parts: [
        { type: "text", text: "What is in it?", providerMetadata: { x: { cache: true } } },
        { type: "file", mediaType: "image/png", filename: "a.png", url: "https://example.com/a.png" },
      ],
    },
    {
      id: "2",
      role: "assistant",
      parts: [
        { type: "step-start" },
        { type: "reasoning", text: "hm", providerMetadata: { x: { id: "r" } } },
        { type: "text", text: "I look" },
        { type: "tool-look", toolCallId: "a", state: "output-available", input: { at: "it" }, output: { seen: ["cat"] } },
        { type: "dynamic-tool", toolName: "feel", toolCallId: "b", state: "output-error", input: {}, errorText: "too soft" },
        { type: "step-start" },
        { type: "text", text: "A cat" },
      ],
    },
  ];
  expect(converted(messages)).toEqual(await convertToModelMessages(messages));
});

test("ModelMessages come back as they were written", () => {
  const messages = [
    { role: "user", content: [{ type: "text", text: "Look" }] },
    {
      role: "assistant",
      content: [
        { type: "text", text: "ok" },
        { type: "tool-call", toolCallId: "a", toolName: "look", input: { at: 1 } },
      ],
    },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "a", toolName: "look", output: { type: "json", value: [1] } }] },
    { role: "assistant", content: [{ type: "text", text: "A cat" }] },
  ];
  expect(converted(messages)).toEqual(messages);
});

test("OpenAI's and Anthropic's tool exchanges become the AI SDK's", () => {
  const openAi = converted([
    {
      role: "assistant",
      content: [{ type: "tool-call", toolCallId: "a", call: { id: "a", function: { name: "look", arguments: '{"at":1}' } } }],
    },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "a", output: "a cat" }] },
  ]);
  const anthropic = converted([
    { role: "assistant", content: [{ type: "tool_use", id: "a", name: "look", input: { at: 1 } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: [{ type: "text", text: "a cat" }] }] },
  ]);
  const expected = [
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "a", toolName: "look", input: { at: 1 } }] },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "a", toolName: "look", output: { type: "text", value: "a cat" } }] },
  ];
  expect(openAi).toEqual(expected);
  expect(anthropic).toEqual(expected);
});

test("a result follows its call at once, whatever was said in between", () => {
  const messages = converted([
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "a", toolName: "look", input: {} }] },
    { role: "user", content: "Hurry" },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "a", toolName: "look", output: { type: "text", value: "x" } }] },
  ]);
  expect(shape(messages)).toEqual(["assistant: tool-call", "tool: tool-result", "user: text"]);
});

test("what no model takes is left out: empty texts, thoughts alone, open calls, results without a call, data", () => {
  const messages = converted([
    { role: "user", content: "  " },
    { role: "assistant", parts: [{ type: "reasoning", text: "hm" }] },
    {
      role: "assistant",
      parts: [
        { type: "reasoning", text: "hm" },
        { type: "tool-look", toolCallId: "a", state: "input-available", input: {} },
      ],
    },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "zzz", toolName: "look", output: { type: "text", value: "x" } }] },
    {
      role: "assistant",
      parts: [
        { type: "data-weather", data: 1 },
        { type: "source-url", url: "x" },
      ],
    },
    { role: "tool", content: "a text of a tool" },
    { role: "user", content: "Hello" },
  ]);
  expect(shape(messages)).toEqual(["user: text"]);
});

const id = fc.constantFrom("a", "b", "c");
const anyMessage: fc.Arbitrary<MessageInputObject> = fc.oneof(
  fc.record({
    role: fc.constantFrom("user", "assistant", "system", "critic"),
    content: fc.constantFrom("", "Hello", "Something longer to say"),
  }),
  fc.record({
    role: fc.constant("assistant"),
    content: fc.array(
      id.map((toolCallId) => ({ type: "tool-call", toolCallId, toolName: "t", input: { toolCallId } })),
      { maxLength: 3 },
    ),
  }),
  fc.record({
    role: fc.constant("tool"),
    content: fc.array(
      id.map((toolCallId) => ({ type: "tool-result", toolCallId, toolName: "t", output: { type: "text", value: "x" } })),
      { maxLength: 3 },
    ),
  }),
  fc.record({
    role: fc.constant("assistant"),
    parts: fc.array(
      fc.oneof(
        fc.constant({ type: "step-start" }),
        fc.constant({ type: "text", text: "said" }),
        fc.constant({ type: "reasoning", text: "thought" }),
        fc
          .tuple(id, fc.constantFrom("input-available", "output-available"))
          .map(([toolCallId, state]) => ({ type: "tool-t", toolCallId, state, input: {}, output: 1 })),
      ),
      { maxLength: 5 },
    ),
  }),
);

test("every window is one a model takes: calls with their results in order, nothing empty, within its tokens", () => {
  const count = (text: string) => text.length;
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 12 }), fc.integer({ min: 0, max: 400 }), (inputs, most) => {
      const window = recentWindow(inputs.map(stored), 100, count);
      const taken = window.take(most, most);
      const messages = modelMessages(taken.pieces);
      expect(tokensOf(messages, count)).toBeLessThanOrEqual(most);
      expect(taken.messages.length + window.left(taken).length + window.unusable.length).toBe(inputs.length);
      for (const [place, message] of messages.entries()) {
        modelMessageSchema.parse(message);
        expect(message.content.length).toBeGreaterThan(0);
        const calls =
          message.role === "assistant" ? message.content.flatMap((part) => (part.type === "tool-call" ? [part.toolCallId] : [])) : [];
        const next = messages[place + 1];
        if (calls.length > 0) expect(next?.role === "tool" && next.content.map(({ toolCallId }) => toolCallId)).toEqual(calls);
        if (message.role === "tool") expect(messages[place - 1]?.role).toBe("assistant");
      }
    }),
    { numRuns: 300 },
  );
});
