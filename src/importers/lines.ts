import { createReadStream } from "node:fs";

const newline = 0x0a;

/**
 * The lines of a UTF-8 file. Only a line feed ends a line: `node:readline` would also cut at U+2028 and U+2029, which
 * may stand inside JSON strings.
 */
export async function* readLines(file: string): AsyncIterable<string> {
  let pieces: Buffer[] = [];
  let isFirst = true;
  const finish = (last: Buffer): string => {
    const line = (pieces.length === 0 ? last : Buffer.concat([...pieces, last])).toString("utf8");
    pieces = [];
    const text = isFirst ? line.replace(/^\uFEFF/, "") : line;
    isFirst = false;
    return text.endsWith("\r") ? text.slice(0, -1) : text;
  };
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield finish(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield finish(Buffer.alloc(0));
}
