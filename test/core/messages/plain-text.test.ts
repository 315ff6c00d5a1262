import { describe, expect, test } from "vitest";
import { plainText, storableText } from "../../../src/core/messages/plain-text.ts";

describe("plainText", () => {
  test("text parts, one a line; empty ones leave no line", () => {
    expect(plainText([{ type: "text", text: "a" }, { type: "text", text: "" }, { type: "output_text", text: "b" }, "c"])).toBe("a\nb\nc");
  });

  test("names of files and sources", () => {
    expect(
      plainText([
        { type: "file", filename: "a.pdf", data: "AAAA" },
        { type: "source-url", url: "u", title: "T" },
      ]),
    ).toBe("a.pdf\nT");
    expect(
      plainText([
        { type: "file", data: "AAAA" },
        { type: "source-url", url: "u" },
      ]),
    ).toBe("");
  });

  test("not reasoning, tools, data or anything unknown", () => {
    const parts = [
      { type: "reasoning", text: "x" },
      { type: "tool-call", toolCallId: "c", input: { text: "x" } },
      { type: "tool-result", toolCallId: "c", output: { type: "text", value: "x" } },
      { type: "tool-weather", toolCallId: "c", state: "output-available", input: "x", output: "x" },
      { type: "data-note", data: { text: "x" }, text: "x" },
      { type: "text", text: { x: 1 } },
      { text: "x" },
      [{ type: "text", text: "x" }],
      null,
      undefined,
      7,
    ];
    expect(plainText(parts)).toBe("");
  });

  test("what a user says while the answer is under way", () => {
    const steering = {
      type: "steering-message",
      id: "s",
      parts: [
        { type: "text", text: "shorter" },
        { type: "file", filename: "a.png" },
      ],
    };
    expect(plainText([{ type: "text", text: "a" }, steering, { type: "steering-message" }])).toBe("a\nshorter\na.png");
  });
});

test("storableText takes a space for NUL and U+FFFD for half a surrogate pair", () => {
  expect(storableText("\0a\ud800\0")).toBe(" a\ufffd ");
  expect(storableText("\ud83d\ude00 日本")).toBe("\ud83d\ude00 日本");
});
