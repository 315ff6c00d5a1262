import { constants } from "node:buffer";
import { InvalidArgumentError } from "../domain/errors.ts";
import { readText } from "./text-file.ts";

/**
 * The elements of a file that holds one JSON array, one at a time: an export may be larger than the longest string of
 * JavaScript (about 512 MB), each of its conversations is not.
 *
 * @throws InvalidArgumentError for a file that cannot be read or is not a JSON array; names the element
 */
export async function* readJsonArray(file: string): AsyncGenerator<unknown> {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let ended = false;
  let count = 0;
  let element = "";

  const fail = (reason: string, cause?: unknown) => new InvalidArgumentError("file", `${JSON.stringify(file)} ${reason}`, { cause });
  const append = (piece: string) => {
    if (element.length + piece.length > constants.MAX_STRING_LENGTH)
      throw fail(`holds an element longer than 512 MB, number ${count + 1}: split it`);
    element += piece;
  };
  const take = (): unknown => {
    const json = element;
    element = "";
    count++;
    try {
      return JSON.parse(json);
    } catch {
      // The parser's own error quotes the text, which is somebody's conversation.
      throw fail(`is not valid JSON: look at element ${count} of its array`);
    }
  };

  for await (const chunk of readText(file)) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const char = chunk[at];
      if (inString) {
        if (escaped) escaped = false;
        else if (char === "\\") escaped = true;
        else if (char === '"') inString = false;
      } else if (depth === 0) {
        if (char === " " || char === "\n" || char === "\r" || char === "\t") continue;
        if (char !== "[" || ended)
          throw fail(ended ? "has text after the end of its JSON array" : "is not a JSON array: it must begin with [");
        depth = 1;
        from = at + 1;
      } else if (char === '"') inString = true;
      else if (char === "[" || char === "{") depth++;
      else if (depth === 1 && (char === "," || char === "]" || char === "}")) {
        append(chunk.slice(from, at));
        from = at + 1;
        if (char === ",") yield take();
        else {
          depth = 0;
          ended = true;
          if (char === "}") throw fail("is not valid JSON: its array ends with }");
          if (count > 0 || element.trim() !== "") yield take();
        }
      } else if (char === "]" || char === "}") depth--;
    }
    if (depth > 0) append(chunk.slice(from));
  }
  if (!ended) throw fail(depth === 0 ? "is empty" : "ends in the middle of its JSON array: it was cut off, get it again");
}
