import { constants } from "node:buffer";
import { createReadStream } from "node:fs";
import { InvalidArgumentError } from "../domain/errors.ts";

const chunkBytes = 256 * 1024;

/**
 * The text of a UTF-8 file in pieces, without its byte order mark.
 *
 * @throws InvalidArgumentError for a file that is missing, not readable, a directory or not UTF-8
 */
export async function* readText(file: string): AsyncGenerator<string> {
  // Broken bytes are refused: read as replacement characters they would be stored, and lost for good.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
      yield decoder.decode(chunk as Buffer, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    throw new InvalidArgumentError("file", `${JSON.stringify(file)} ${problem(error)}`, { cause: error });
  }
}

/**
 * The lines of a UTF-8 file. A line ends with a line feed, before which a carriage return is dropped, and with nothing
 * else: `node:readline` also ends it at U+2028, U+2029 and lone carriage returns, and the first two may stand in JSON.
 *
 * @throws InvalidArgumentError as {@link readText}, and for a line longer than a string can be
 */
export async function* readLines(file: string): AsyncGenerator<string> {
  let line = "";
  for await (const chunk of readText(file)) {
    let from = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", from)) {
      yield withoutReturn(line + chunk.slice(from, end));
      line = "";
      from = end + 1;
    }
    if (line.length + chunk.length > constants.MAX_STRING_LENGTH) {
      throw new InvalidArgumentError("file", `${JSON.stringify(file)} has a line longer than 512 MB: split it`);
    }
    line += chunk.slice(from);
  }
  if (line !== "") yield withoutReturn(line);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function problem(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist: check the path";
  if (code === "EISDIR") return "is a directory: name the file in it that holds the conversations, such as conversations.json";
  if (code === "EACCES" || code === "EPERM") return "may not be read: check its permissions";
  if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") return "is not UTF-8 text: unpack it if it is an archive, or convert it to UTF-8";
  return "cannot be read";
}
