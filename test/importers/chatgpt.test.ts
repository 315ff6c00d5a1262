import { expect, test } from "vitest";
import { readChatgpt } from "../../src/importers/chatgpt.ts";
import { all, fixture, jsonFile } from "./import-files.ts";

const kitchen = async () => (await all(readChatgpt(fixture("chatgpt.json")))).filter((message) => message.conversation === "0f6a-kitchen");

/** A conversation of one message. */
const one = (message: object) => [
  { id: "c", mapping: { n: { message: { id: "m", author: { role: "user" }, ...message }, parent: null } } },
];

test("the shown branch is read, not the last child, and nothing that is hidden", async () => {
  expect((await kitchen()).map((message) => message.id)).toEqual([
    "m-question",
    "m-thoughts",
    "m-recap",
    "m-code",
    "m-output",
    "m-answer-1",
  ]);
});

test("role, tool name, title and time are kept", async () => {
  const messages = await kitchen();
  expect(messages[4]).toEqual({
    conversation: "0f6a-kitchen",
    title: "Paint for the kitchen",
    id: "m-output",
    role: "tool",
    name: "python",
    parts: [{ type: "execution_output", text: "30.0" }],
    createdAt: "2024-05-01T08:00:26.000Z",
  });
  expect(messages[0]?.createdAt).toBe("2024-05-01T08:00:20.250Z");
});

test("a picture is a file part with the name of its attachment, other attachments follow", async () => {
  expect((await kitchen())[0]?.parts).toEqual([
    {
      content_type: "image_asset_pointer",
      asset_pointer: "file-service://file-Kx1",
      width: 800,
      height: 600,
      size_bytes: 1234,
      type: "file",
      filename: "kitchen.jpg",
      mediaType: "image/jpeg",
    },
    { type: "text", text: "Which colour for this kitchen?" },
    {
      id: "file-Pz2",
      name: "budget.pdf",
      mimeType: "application/pdf",
      size: 99,
      type: "file",
      filename: "budget.pdf",
      mediaType: "application/pdf",
    },
  ]);
});

test("thoughts are reasoning, code for a tool is no text of the answer", async () => {
  const [, thoughts, recap, code] = await kitchen();
  expect(thoughts?.parts).toEqual([{ type: "reasoning", text: "Looking\nThe room faces north." }]);
  expect(recap?.parts).toEqual([{ type: "reasoning", text: "Thought for 4 seconds" }]);
  expect(code?.parts).toEqual([{ type: "code", text: "print(12 * 2.5)", language: "python", recipient: "python" }]);
});

test("a message without a time comes a millisecond after the one before, the first at its conversation's time", async () => {
  expect((await kitchen())[2]?.createdAt).toBe("2024-05-01T08:00:21.001Z");
  const greeting = (await all(readChatgpt(fixture("chatgpt.json")))).filter((message) => message.conversation === "1b2c-greeting");
  expect(greeting.map((message) => message.createdAt)).toEqual(["2024-05-02T08:53:20.000Z", "2024-05-02T08:53:20.001Z"]);
});

test("code for the reader and spoken words are text", async () => {
  const code = one({ content: { content_type: "code", text: "1 + 1", language: "js" }, recipient: "all" });
  expect((await all(readChatgpt(jsonFile(code))))[0]?.parts).toEqual([{ type: "text", text: "1 + 1", language: "js", recipient: "all" }]);
  const speech = { content_type: "multimodal_text", parts: [{ content_type: "audio_transcription", text: "hello", direction: "in" }] };
  expect((await all(readChatgpt(jsonFile(one({ content: speech })))))[0]?.parts).toEqual([
    { content_type: "audio_transcription", text: "hello", direction: "in", type: "text" },
  ]);
});

test("a content type of tomorrow is kept whole", async () => {
  const content = { content_type: "hologram", layers: [1, 2] };
  expect((await all(readChatgpt(jsonFile(one({ content })))))[0]?.parts).toEqual([{ type: "hologram", ...content }]);
});

test("a tree whose parents run in a circle ends", async () => {
  const node = (id: string, parent: string) => ({
    parent,
    children: [],
    message: { id, author: { role: "user" }, content: { content_type: "text", parts: [id] } },
  });
  const messages = await all(readChatgpt(jsonFile([{ id: "c", current_node: "b", mapping: { a: node("a", "b"), b: node("b", "a") } }])));
  expect(messages.map((message) => message.id)).toEqual(["a", "b"]);
});

test("a conversation without a tree is named by its place", async () => {
  await expect(all(readChatgpt(jsonFile([...one({}), { id: "c" }])))).rejects.toThrow('element 2 has no "mapping"');
});
