import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

export interface InputFile {
  readonly path: string;
  readonly isEmpty: boolean;
}

/**
 * A file that can be read more than once: itself, or for `-` (standard input) and pipes a copy that only this user may
 * read, and that is removed after `use`. A file that is not there is left to its reader to complain about.
 */
export async function withInputFile<Value>(file: string, use: (input: InputFile) => Promise<Value>): Promise<Value> {
  const found = file === "-" ? undefined : await stat(file).catch(() => undefined);
  if (found === undefined ? file !== "-" : found.isFile() || found.isDirectory()) {
    return use({ path: file, isEmpty: found?.isFile() === true && found.size === 0 });
  }
  const directory = await mkdtemp(join(tmpdir(), "unforget-import-"));
  try {
    const path = join(directory, "input");
    await pipeline(file === "-" ? process.stdin : createReadStream(file), createWriteStream(path));
    return await use({ path, isEmpty: (await stat(path)).size === 0 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
