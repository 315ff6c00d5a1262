import { expect, onTestFinished, test } from "vitest";
import { readImport } from "../../src/importers/detect.ts";
import { createMemory, type ExportedMessage, type Memory } from "../../src/index.ts";
import { all, fixture, linesFile } from "./import-files.ts";

function newMemory(): Memory {
  const memory = createMemory({ dataDir: "memory://", embedding: false });
  onTestFinished(() => memory.close());
  return memory;
}

const exported = async (memory: Memory): Promise<ExportedMessage[]> => await all(memory.export());
/** Places may have gaps: only their order is a promise. */
const withoutSeq = (messages: readonly ExportedMessage[]) => messages.map(({ seq, ...message }) => message);

test("importing twice doubles nothing", async () => {
  const memory = newMemory();
  const files = [fixture("chatgpt.json"), fixture("claude.json"), fixture("locomo.json")];
  files.push(
    linesFile([
      { conversation: "c", role: "user", content: "yes" },
      { conversation: "c", role: "user", content: "yes" },
    ]),
  );
  for (const file of files) await memory.import(readImport(file, "auto"), { userId: "u" });
  const once = await exported(memory);
  expect(once).toHaveLength(8 + 4 + 5 + 2);
  for (const file of files) await memory.import(readImport(file, "auto"), { userId: "u" });
  expect(await exported(memory)).toEqual(once);
});

test("an export read again is the same: parts, metadata, times, order, owners", async () => {
  const memory = newMemory();
  const mine = memory.scope({ userId: "ann", resourceId: "app" });
  const time = new Date("2024-05-06T07:08:09.123Z");
  await mine.addMessages("b", [
    { id: "2", role: "user", name: "Ann", content: "first\u2028 \0 \u{1f600}", createdAt: time, metadata: { b: 1, a: [null, "x"] } },
    { id: "1", role: "assistant", parts: [{ type: "tool-call", toolCallId: "t", toolName: "f", input: { z: 1, a: 2 } }], createdAt: time },
    { id: "0", role: "tool", parts: [{ type: "tool-result", toolCallId: "t", output: "\uD800 half" }], createdAt: time },
  ]);
  await mine.addMessages("b", {
    id: "x",
    role: "user",
    content: [
      { type: "file", data: Uint8Array.of(1, 2, 255), url: new URL("https://example.com/a"), at: time },
      { type: "data", $unforget: "mine" },
    ],
  });
  await memory.scope({ userId: "bo" }).addMessages("a", ["one", "two"]);
  const before = await exported(memory);

  const other = newMemory();
  await other.import(readImport(linesFile(before), "auto"));
  expect(withoutSeq(await exported(other))).toEqual(withoutSeq(before));
  const [stored, again] = await Promise.all([memory, other].map((memory) => memory.scope({ userId: "ann" }).messages.get("b", "x")));
  expect(again?.parts).toEqual(stored?.parts);
  expect(again?.parts[0]?.data).toEqual(Uint8Array.of(1, 2, 255));
});

test("imported conversations are recalled by their words and have their titles", async () => {
  const mine = newMemory().scope({ userId: "ines" });
  await mine.import(readImport(fixture("chatgpt.json"), "auto"));
  expect((await mine.conversations.get("0f6a-kitchen")).title).toBe("Paint for the kitchen");
  const hits = await mine.recall("warm yellow paint");
  expect(hits[0]?.text).toContain("A warm yellow");
});
