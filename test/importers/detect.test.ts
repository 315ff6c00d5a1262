import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../src/domain/errors.ts";
import { detectFormat, type ImportFormat, importFormats, readImport } from "../../src/importers/detect.ts";
import { all, fileOf, fixture, jsonFile, linesFile } from "./import-files.ts";

test.each(["chatgpt", "claude", "locomo"] as const)("%s is told by its content", async (format) => {
  expect(await detectFormat(fixture(`${format}.json`))).toBe(format);
  expect(await all(readImport(fixture(`${format}.json`), "auto"))).toEqual(await all(readImport(fixture(`${format}.json`), format)));
});

test("JSON lines are told by their first line, whatever the file is called", async () => {
  const line = { conversation: "c", role: "user", content: "x".repeat(400_000) };
  expect(await detectFormat(linesFile([line]))).toBe("jsonl");
  expect(await detectFormat(fileOf(`\uFEFF\r\n\n${JSON.stringify(line)}`, "conversations.json"))).toBe("jsonl");
});

test("a first line that is broken is the reader's to name", async () => {
  await expect(all(readImport(fileOf('{"conversation":"c","role":\n'), "auto"))).rejects.toThrow("line 1 of");
});

test.each([
  ["an empty file", () => fileOf(""), "is empty: expected JSON lines"],
  ["blank lines", () => fileOf(" \r\n\n"), "is empty: expected JSON lines"],
  ["plain text", () => fileOf("Dear diary"), "is in no known format: expected JSON lines"],
  ["another object", () => fileOf('{\n  "name": "x"\n}'), "is in no known format"],
  ["another array", () => jsonFile([{ a: 1 }]), "is in no known format"],
  ["an array of text", () => jsonFile(["a"]), "is in no known format"],
  ["an archive", () => fileOf(Uint8Array.of(0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x9c, 0xff)), "unpack it if it is an archive"],
  ["a directory", () => tmpdir(), "is a directory: name the file in it"],
  ["a missing file", () => join(tmpdir(), "unforget-not-there.json"), "does not exist: check the path"],
])("%s is refused with what to do", async (_, file, reason) => {
  const error: unknown = await all(readImport(file(), "auto")).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(String(error)).toContain(reason);
});

test.each(importFormats)("a missing file of the format %s is refused too", async (format) => {
  await expect(all(readImport(join(tmpdir(), "unforget-not-there.json"), format))).rejects.toThrow("does not exist: check the path");
});

test("a format that is none is refused by name", async () => {
  await expect(all(readImport(fixture("claude.json"), "csv" as ImportFormat))).rejects.toThrow("one of jsonl, chatgpt, claude, locomo");
});
