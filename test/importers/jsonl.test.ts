import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../src/domain/errors.ts";
import { readJsonLines } from "../../src/importers/jsonl.ts";
import { all, fileOf, linesFile } from "./import-files.ts";

const read = (text: string | Uint8Array) => all(readJsonLines(fileOf(text)));
const hello = { conversation: "c", role: "user", content: "hello" };

test("a line needs a conversation, a role and content or parts", async () => {
  const messages = await all(readJsonLines(linesFile([hello, { conversation: "c", role: "tool", parts: [{ type: "x" }] }])));
  expect(messages).toMatchObject([hello, { conversation: "c", role: "tool", parts: [{ type: "x" }] }]);
});

test("tenant and seq are read over, the rest is kept", async () => {
  const line = {
    ...hello,
    userId: "u",
    resourceId: "r",
    title: "t",
    id: "i",
    name: "n",
    createdAt: "2024-01-02T03:04:05.678Z",
    metadata: { a: 1 },
  };
  expect(await all(readJsonLines(linesFile([{ ...line, tenant: "other", seq: 7 }])))).toEqual([line]);
});

test("a byte order mark, CRLF, blank lines and a missing last line end are fine", async () => {
  const line = JSON.stringify({ ...hello, id: "1" });
  expect(await read(`\uFEFF\r\n${line}\r\n\r\n  \n${line}`)).toHaveLength(2);
});

test("line separators of Unicode and characters across chunks stay in the text", async () => {
  const content = `a\u2028b\u2029c\u0085${"€".repeat(300_000)}`;
  expect((await all(readJsonLines(linesFile([{ ...hello, content }]))))[0]?.content).toBe(content);
});

test.each([
  ["no JSON", "{", "is not valid JSON"],
  ["another value", "[1]", "is not a JSON object"],
  ["no conversation", '{"role":"user","content":"x"}', 'has no "conversation"'],
  ["no role", '{"conversation":"c","content":"x"}', 'has no "role"'],
  ["no content", '{"conversation":"c","role":"user"}', 'neither "content" nor "parts"'],
  ["content that is no text", '{"conversation":"c","role":"user","content":["x"]}', '"content"'],
  ["parts that are no array", '{"conversation":"c","role":"user","parts":"x"}', '"parts"'],
  ["an id that is no text", '{"conversation":"c","role":"user","content":"x","id":5}', '"id"'],
  ["metadata that are no object", '{"conversation":"c","role":"user","content":"x","metadata":[]}', '"metadata"'],
  ["a wrong time", '{"conversation":"c","role":"user","content":"x","createdAt":"soon"}', '"createdAt"'],
])("%s is an error that names the line and not its text", async (_, line, reason) => {
  const error: unknown = await read(`${JSON.stringify(hello)}\n\n${line}\n`).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(String(error)).toContain("line 3 of");
  expect(String(error)).toContain(reason);
  expect(String(error)).not.toContain("soon");
});

test("a line without an id gets the same one each time, equal lines get different ones", async () => {
  const file = linesFile([hello, hello, { ...hello, id: "mine" }, { ...hello, conversation: "d" }]);
  const ids = (await all(readJsonLines(file))).map((message) => message.id);
  expect(new Set(ids).size).toBe(4);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
  expect((await all(readJsonLines(file))).map((message) => message.id)).toEqual(ids);
});

test("bytes that are not UTF-8 are refused, not replaced", async () => {
  await expect(read(Uint8Array.of(0xff, 0xfe, 0x7b, 0x00))).rejects.toThrow("is not UTF-8");
});
