import { expect, test } from "vitest";
import { answerParts } from "../../src/agent/answer-parts.ts";
import { piecesOf } from "../../src/core/context/model-messages.ts";

test("what a provider says of calls, results and files is kept, for it wants to be told again", () => {
  const answer = answerParts();
  const search = { toolCallId: "c", toolName: "web_search", providerExecuted: true };
  answer.take({ type: "tool-call", ...search, input: { q: "juniper" }, providerMetadata: { p: { item: "call" } } });
  answer.take({ type: "tool-result", ...search, output: ["a hit"], providerMetadata: { p: { item: "result" } } });
  answer.take({ type: "file", file: { base64: "aGk=", mediaType: "image/png" }, providerMetadata: { p: { signature: "s" } } });
  const parts = answer.list();
  expect(parts).toEqual([
    {
      ...{ type: "tool-web_search", toolCallId: "c", state: "output-available", providerExecuted: true },
      ...{ input: { q: "juniper" }, callProviderMetadata: { p: { item: "call" } } },
      ...{ output: ["a hit"], resultProviderMetadata: { p: { item: "result" } } },
    },
    { type: "file", mediaType: "image/png", url: "data:image/png;base64,aGk=", providerMetadata: { p: { signature: "s" } } },
  ]);
  const told = piecesOf({ role: "assistant", parts, content: "" }).map((piece) => "part" in piece && piece.part.providerOptions);
  expect(told).toEqual([{ p: { item: "call" } }, { p: { item: "result" } }, { p: { signature: "s" } }]);
});

test("input that a tool does not take is kept as it came, and goes back to the model as an object", () => {
  const answer = answerParts();
  const call = { toolCallId: "c", toolName: "weather", input: "{not json", invalid: true, dynamic: true };
  answer.take({ type: "tool-call", ...call });
  answer.take({ type: "tool-error", toolCallId: "c", error: "Invalid input" });
  const parts = answer.list();
  const failed = { type: "dynamic-tool", toolName: "weather", toolCallId: "c", state: "output-error", errorText: "Invalid input" };
  expect(parts).toEqual([{ ...failed, rawInput: "{not json" }]);
  expect(piecesOf({ role: "assistant", parts, content: "" })).toMatchObject([
    { part: { type: "tool-call", input: {} } },
    { part: { type: "tool-result", output: { type: "error-text", value: "Invalid input" } } },
  ]);
});
