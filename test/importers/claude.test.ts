import { expect, test } from "vitest";
import { readClaude } from "../../src/importers/claude.ts";
import { all, fixture, jsonFile } from "./import-files.ts";

const messages = () => all(readClaude(fixture("claude.json")));

test("old exports: the text, its attachments with what was read from them, and its files", async () => {
  expect((await messages())[0]).toEqual({
    conversation: "7d1e-old",
    title: "A trip to Porto",
    id: "c-1",
    role: "user",
    parts: [
      { type: "text", text: "Plan two days in Porto" },
      { file_name: "notes.txt", file_size: 20, file_type: "txt", extracted_content: "We like trams.", type: "file", filename: "notes.txt" },
      { file_name: "map.png", type: "file", filename: "map.png" },
    ],
    createdAt: "2023-09-04T08:00:01.500Z",
  });
});

test("new exports: the blocks as they are, without the accounting", async () => {
  const answer = (await messages()).find((message) => message.id === "c-5");
  expect(answer?.role).toBe("assistant");
  expect(answer?.parts).toEqual([
    { type: "thinking", thinking: "I need the weather." },
    { type: "text", text: "Let me look." },
    { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Porto" } },
    { type: "tool_result", tool_use_id: "toolu_1", name: "weather", content: [{ type: "text", text: "rain" }], is_error: false },
    { type: "text", text: "It rains." },
  ]);
});

test("empty messages are skipped, the order stays", async () => {
  expect((await messages()).map((message) => message.id)).toEqual(["c-1", "c-2", "c-4", "c-5"]);
});

test("a conversation without messages is named by its place", async () => {
  await expect(all(readClaude(jsonFile([{ uuid: "a", chat_messages: [] }, { uuid: "b" }])))).rejects.toThrow(
    'element 2 has no "chat_messages"',
  );
});
