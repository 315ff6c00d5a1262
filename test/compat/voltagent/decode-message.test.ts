import { expect, test } from "vitest";
import { decodeMessage, type OldMessage } from "../../../src/compat/voltagent/migration/decode-message.ts";

const row: OldMessage = {
  id: "m1",
  role: "user",
  content: "Hello",
  type: "text",
  parts: null,
  metadata: null,
  createdAt: 1_700_000_000_000,
};
const parts = (changes: Partial<OldMessage>) => decodeMessage({ ...row, ...changes }).parts;

test("text is one part, to the letter", () => {
  for (const content of [
    "Hello",
    "",
    "[]",
    "[1, 2]",
    '["a"]',
    '"quoted"',
    '{"json": true}',
    "[not json",
    "null",
    "42",
    'a "quote" \\ and\nmore 🙂',
  ])
    expect(parts({ content })).toEqual([{ type: "text", text: content }]);
});

test("JSON of parts is parts", () => {
  const call = [{ type: "tool-call", toolCallId: "c1", toolName: "weather", args: { city: "Zürich" } }];
  expect(parts({ content: JSON.stringify(call), type: "tool-call" })).toEqual(call);
  const said = [
    { type: "text", text: "Look:" },
    { type: "image", image: "https://example.com/a.png" },
  ];
  expect(parts({ content: JSON.stringify(said) })).toEqual(said);
});

test("the parts column counts before the content", () => {
  expect(parts({ parts: '[{"type":"text","text":"new"}]', content: "old" })).toEqual([{ type: "text", text: "new" }]);
  expect(parts({ parts: "[]", content: "old" })).toEqual([]);
  expect(parts({ parts: "null", content: "old" })).toEqual([{ type: "text", text: "old" }]);
  expect(parts({ content: null })).toEqual([]);
});

test("a tool's call and result outside of parts get the ids that join them", () => {
  expect(parts({ content: '{"name":"weather","city":"Bern"}', type: "tool-call" })).toEqual([
    { type: "tool-call", toolCallId: "m1", toolName: "weather", args: { name: "weather", city: "Bern" } },
  ]);
  expect(parts({ content: '{"toolCallId":"c7","result":{"degrees":12}}', type: "tool-result" })).toEqual([
    { type: "tool-result", toolCallId: "c7", result: { degrees: 12 } },
  ]);
  expect(parts({ content: "12 degrees", type: "tool-result" })).toEqual([{ type: "tool-result", toolCallId: "m1", result: "12 degrees" }]);
  expect(parts({ content: "", type: "tool-call" })).toEqual([{ type: "tool-call", toolCallId: "m1", toolName: "", args: "" }]);
});

test("metadata is an object, whatever it was", () => {
  expect(decodeMessage({ ...row, metadata: '{"a":[1]}' }).metadata).toEqual({ a: [1] });
  expect(decodeMessage({ ...row, metadata: "[1]" }).metadata).toEqual({ value: [1] });
  expect(decodeMessage({ ...row, metadata: "null" }).metadata).toBeUndefined();
});

test("a time that is none here is left out", () => {
  expect(decodeMessage({ ...row, createdAt: Number.POSITIVE_INFINITY }).createdAt).toBeUndefined();
  expect(decodeMessage({ ...row, createdAt: 0 }).createdAt).toBe(0);
});

test("a message without a role gets one", () => {
  expect(decodeMessage({ ...row, role: "" }).role).toBe("unknown");
});
