import { convertToModelMessages, type UIMessage } from "ai";
import { describe, expect, test } from "vitest";
import { toolExchange } from "../../../src/core/messages/tool-ids.ts";

const call = (id: string) => ({ type: "tool-call", toolCallId: id, toolName: "t", input: {} });
const result = (id: string) => ({ type: "tool-result", toolCallId: id, toolName: "t", output: { type: "text", value: "r" } });

describe("toolExchange", () => {
  test("text has no part in an exchange", () => {
    expect(toolExchange("user", [{ type: "text", text: "hi" }, "hi", null, 7, {}])).toEqual({ type: "text", ids: null });
  });

  test("calls and results of ModelMessages, done by us or by the provider", () => {
    expect(toolExchange("assistant", [call("a"), { ...call("b"), providerExecuted: true }])).toEqual({
      type: "tool-call",
      ids: ["call:a", "call:b"],
    });
    expect(toolExchange("tool", [result("a"), result("b")])).toEqual({ type: "tool-result", ids: ["result:a", "result:b"] });
  });

  test("a call with its result in the same message is complete", () => {
    expect(toolExchange("assistant", [call("a"), result("a")])).toEqual({ type: "tool-call", ids: null });
    expect(toolExchange("assistant", [call("a"), call("b"), result("a")])).toEqual({ type: "tool-call", ids: ["call:b"] });
  });

  test("a message may answer one call and make another", () => {
    expect(toolExchange("assistant", [result("a"), call("b")])).toEqual({ type: "tool-call", ids: ["call:b", "result:a"] });
  });

  test.each(["input-streaming", "input-available", "approval-requested", "approval-responded"])(
    "a UIMessage's call is open while %s",
    (state) => {
      for (const type of ["tool-weather", "dynamic-tool", "tool-call", "tool-result"]) {
        expect(toolExchange("assistant", [{ type, toolCallId: "a", state }])).toEqual({ type: "tool-call", ids: ["call:a"] });
      }
    },
  );

  test.each(["output-available", "output-error", "output-denied"])("a UIMessage's call is complete when %s", (state) => {
    for (const type of ["tool-weather", "dynamic-tool", "tool-call", "tool-result"]) {
      expect(toolExchange("assistant", [{ type, toolCallId: "a", state }])).toEqual({ type: "tool-call", ids: null });
    }
  });

  test("Anthropic's blocks", () => {
    expect(toolExchange("assistant", [{ type: "tool_use", id: "a", name: "t", input: {} }])).toEqual({
      type: "tool-call",
      ids: ["call:a"],
    });
    expect(toolExchange("user", [{ type: "tool_result", tool_use_id: "a", content: "r" }])).toEqual({
      type: "tool-result",
      ids: ["result:a"],
    });
  });

  test("a tool that waits for approval is an open call, and its request and response are none", async () => {
    const waiting: UIMessage = {
      id: "m",
      role: "assistant",
      parts: [
        {
          type: "dynamic-tool",
          toolName: "delete",
          toolCallId: "a",
          state: "approval-responded",
          input: {},
          approval: { id: "p", approved: true },
        },
      ],
    };
    expect(toolExchange("assistant", waiting.parts).ids).toEqual(["call:a"]);
    const [asking, answering] = await convertToModelMessages([waiting]);
    expect(toolExchange("assistant", asking?.content as readonly unknown[])).toEqual({ type: "tool-call", ids: ["call:a"] });
    expect(toolExchange("tool", answering?.content as readonly unknown[])).toEqual({ type: "tool-result", ids: null });
  });

  test("ids are such that PostgreSQL takes them, and a call still meets its result", () => {
    expect(toolExchange("assistant", [call("a\0b\ud800")]).ids).toEqual(["call:a b\ufffd"]);
    expect(toolExchange("tool", [result("a\0b\ud800")]).ids).toEqual(["result:a b\ufffd"]);
    expect(toolExchange("assistant", [call("a\0"), result("a\0")]).ids).toBeNull();
  });

  test("parts without an id, or with one that is no string, are left alone", () => {
    const parts = [{ type: "tool-call" }, { type: "tool-call", toolCallId: 1 }, { type: "tool_use" }, { type: "tool_result" }];
    expect(toolExchange("assistant", parts)).toEqual({ type: "text", ids: null });
    expect(toolExchange("tool", [])).toEqual({ type: "tool-result", ids: null });
  });
});
