import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceRow } from "../../domain/import-source.ts";
import { stableId } from "../../internal/stable-id.ts";
import { readJsonArray } from "../json-array.ts";
import { asObject, asObjects, type JsonObject } from "../json-value.ts";
import { readLines, readText } from "../text-file.ts";
import { otherFields, required, textOf, timeOf } from "./row-values.ts";

interface Element {
  readonly relation: boolean;
  readonly fields: JsonObject;
}

/** What mem0's `get_all` or export gave, saved as a file: a list, an object with `results` or `memories`, or JSON lines. */
export function mem0Source(source: ImportFromSource): ImportSource {
  const file = required(source.from);
  return {
    identity: JSON.stringify(["mem0", file]),
    async detect() {
      let memories = 0;
      let relations = 0;
      for await (const { relation } of elements(file)) {
        if (relation) relations++;
        else memories++;
      }
      const tables = [
        { name: "memories", holds: "records", rows: memories },
        { name: "relations", holds: "records", rows: relations },
      ];
      return { system: "mem0", version: "JSON export", place: file, tables: tables.filter(({ rows }) => rows > 0) };
    },
    async *read(_after, signal) {
      for await (const { relation, fields } of elements(file)) {
        signal?.throwIfAborted();
        yield relation ? relationRow(fields) : memoryRow(fields);
      }
    },
    close: async () => {},
  };
}

async function* elements(file: string): AsyncGenerator<Element> {
  const kind = await kindOf(file);
  if (kind === "array") for await (const value of readJsonArray(file)) yield* element(file, value);
  else if (kind === "lines") {
    for await (const line of readLines(file)) if (line.trim() !== "") yield* element(file, parsed(file, line));
  } else {
    let text = "";
    for await (const piece of readText(file)) text += piece;
    const whole = asObject(parsed(file, text)) ?? {};
    const list = [whole.results, whole.memories].find(Array.isArray);
    if (list === undefined) throw unreadable(file, 'has no list "results" or "memories"');
    for (const value of list) yield* element(file, value);
    for (const fields of asObjects(whole.relations)) yield { relation: true, fields };
  }
}

function* element(file: string, value: unknown): Generator<Element> {
  const fields = asObject(value);
  if (fields === undefined) throw unreadable(file, "holds something that is no memory");
  // Pages of an export, one to a line or element.
  const list = [fields.results, fields.memories].find(Array.isArray);
  if (list !== undefined && textOf(fields.memory) === undefined) for (const inner of list) yield* element(file, inner);
  else yield { relation: false, fields };
  if (list !== undefined) for (const relation of asObjects(fields.relations)) yield { relation: true, fields: relation };
}

/** A list begins with `[`; of objects, one that ends on its first line and is followed by more is one of many. */
async function kindOf(file: string): Promise<"array" | "object" | "lines"> {
  let first: string | undefined;
  for await (const line of readLines(file)) {
    if (line.trim() === "") continue;
    if (first !== undefined) return "lines";
    if (line.trimStart().startsWith("[")) return "array";
    first = line;
    try {
      JSON.parse(line);
    } catch {
      return "object";
    }
  }
  if (first === undefined) throw unreadable(file, "is empty");
  const only = asObject(parsed(file, first));
  return Array.isArray(only?.results) || Array.isArray(only?.memories) ? "object" : "lines";
}

function memoryRow(fields: JsonObject): SourceRow {
  const content = textOf(fields.memory) ?? textOf(fields.text) ?? textOf(fields.data);
  const userId = textOf(fields.user_id) ?? textOf(fields.agent_id);
  const id = textOf(fields.id) ?? stableId("mem0", userId ?? "", content ?? "");
  if (content === undefined) return { name: id, items: [], skipped: "a memory without a text" };
  const data = otherFields(fields, "id", "memory", "user_id", "created_at", "embedding", "score");
  return {
    name: id,
    items: [{ kind: "record", type: "long_term_memory", id, userId, content, data, createdAt: timeOf(fields.created_at) }],
  };
}

/** A relation of its graph memory; exports name its ends in several ways. */
function relationRow(fields: JsonObject): SourceRow {
  const from = textOf(fields.source);
  const to = textOf(fields.target) ?? textOf(fields.destination);
  const relation = textOf(fields.relationship) ?? textOf(fields.relation);
  const name = `relation ${from} ${relation} ${to}`;
  if (from === undefined || to === undefined || relation === undefined)
    return { name, items: [], skipped: "a relation without both of its ends" };
  const userId = textOf(fields.user_id);
  const id = stableId("mem0 relation", userId ?? "", from, relation, to);
  const data = {
    relations: [{ relationType: relation, to }],
    ...otherFields(fields, "user_id", "source", "target", "destination", "relationship", "relation"),
  };
  return { name, items: [{ kind: "record", type: "entity_memory", id, userId, name: from, content: `${from} ${relation} ${to}`, data }] };
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own error quotes the text, which is somebody's memory.
    throw unreadable(file, "is not valid JSON");
  }
}

const unreadable = (file: string, reason: string) =>
  new InvalidArgumentError("from", `${JSON.stringify(file)} ${reason}: save what mem0's get_all or export gives as it is`);
