import { createReadStream } from "node:fs";
import { InvalidArgumentError } from "../domain/errors.ts";

/** V8 cannot hold a longer string; a conversation of this size is not one. */
const mostValueBytes = 256 * 1024 * 1024;

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * The elements of a file that holds one JSON array, or its values when it holds them one after the other, one at a
 * time: exports of hundreds of megabytes never stand in memory as a whole. Only objects (and arrays) count; anything
 * else between them is an error.
 *
 * It finds where each value ends by counting brackets outside of strings, and leaves the rest to `JSON.parse`.
 *
 * @throws InvalidArgumentError when it is not JSON, or ends in the middle
 */
export async function* readJsonValues(file: string): AsyncIterable<unknown> {
  let isArray: boolean | undefined;
  let hasEnded = false;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let pieces: Buffer[] = [];
  let held = 0;
  let count = 0;

  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    /** Where the value under way begins in this chunk; -1 between values. */
    let start = depth > 0 ? 0 : -1;
    for (let index = 0; index < chunk.length; index++) {
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else {
          index = nextQuoteOrBackslash(chunk, index);
          isEscaped = chunk[index] === backslash;
          isInString = chunk[index] !== quote;
        }
        continue;
      }
      const byte = chunk[index] as number;
      if (depth > 0) {
        if (byte === quote) isInString = true;
        else if (byte === openBrace || byte === openBracket) depth++;
        else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) {
          yield parse(Buffer.concat([...pieces, chunk.subarray(start, index + 1)]), ++count);
          pieces = [];
          held = 0;
          start = -1;
        }
        continue;
      }
      if (isBetweenValues(byte)) continue;
      if (hasEnded) throw notJson(`something follows the end of the array, after value ${count}`);
      if (isArray === undefined) {
        isArray = byte === openBracket;
        if (isArray) continue;
      }
      if (isArray && byte === closeBracket) hasEnded = true;
      else if (byte === openBrace || byte === openBracket) {
        depth = 1;
        start = index;
      } else
        throw notJson(count === 0 ? "it begins with something else than an object or an array" : `value ${count + 1} is not an object`);
    }
    if (start >= 0) {
      pieces.push(start === 0 ? chunk : chunk.subarray(start));
      held += chunk.length - start;
      if (held > mostValueBytes)
        throw new InvalidArgumentError("file", `value ${count + 1} is larger than ${mostValueBytes / 2 ** 20} MB: split it`);
    }
  }
  if (depth > 0 || (isArray === true && !hasEnded)) throw notJson(`it ends in the middle, after value ${count}: is it complete?`);
}

/** Most bytes stand in strings: a loop of its own, which the engine compiles well. */
function nextQuoteOrBackslash(chunk: Buffer, from: number): number {
  let index = from;
  while (index < chunk.length && chunk[index] !== quote && chunk[index] !== backslash) index++;
  return index;
}

/** White space, commas, and the bytes of a byte order mark. */
function isBetweenValues(byte: number): boolean {
  return (
    byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x2c || byte === 0xef || byte === 0xbb || byte === 0xbf
  );
}

function parse(bytes: Buffer, count: number): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    // The parser's own message quotes the text, and texts are private.
    throw new InvalidArgumentError("file", `is not JSON: value ${count} cannot be parsed`, { cause: withoutText(error) });
  }
}

function notJson(reason: string): InvalidArgumentError {
  return new InvalidArgumentError("file", `is not JSON: ${reason}`);
}

function withoutText(error: unknown): Error {
  return new Error(error instanceof Error ? error.name : "SyntaxError");
}
