import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** Path of a file under test/fixtures/importers. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/importers/${name}`, import.meta.url));
}

/** A file with this content, removed after the test. */
export function fileOf(content: string | Uint8Array, name = "import.txt"): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
}

export function jsonFile(value: unknown): string {
  return fileOf(JSON.stringify(value));
}

export function linesFile(lines: readonly unknown[]): string {
  return fileOf(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** Everything a stream yields; what is undefined is left out. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return JSON.parse(JSON.stringify(items)) as T[];
}
