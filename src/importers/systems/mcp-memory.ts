import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource } from "../../domain/import-source.ts";
import { stableId } from "../../internal/stable-id.ts";
import { asArray, asObject, type JsonObject } from "../json-value.ts";
import { readLines } from "../text-file.ts";
import { otherFields, required, textOf, timeOf } from "./row-values.ts";

interface Graph {
  readonly entities: ReadonlyMap<string, JsonObject>;
  readonly relations: ReadonlyMap<string, readonly JsonObject[]>;
  readonly relationCount: number;
  readonly unknown: readonly string[];
}

const longestId = 200;

/** The knowledge graph of the MCP memory server: JSON lines of entities and relations, which the server too keeps in RAM. */
export function mcpMemorySource(source: ImportFromSource): ImportSource {
  const file = required(source.from);
  return {
    identity: JSON.stringify(["mcp-memory", file]),
    async detect() {
      const { entities, relationCount } = await readGraph(file);
      const tables = [
        { name: "entities", holds: "records", rows: entities.size },
        { name: "relations", holds: "relations of entities", rows: relationCount },
      ];
      return { system: "mcp-memory", version: "knowledge graph in JSON lines", place: file, tables };
    },
    async *read(_after, signal) {
      const { entities, relations, unknown } = await readGraph(file);
      for (const name of unknown) yield { name, items: [], skipped: "a line that is neither an entity nor a relation" };
      // A relation may begin at an entity that was never made.
      for (const name of new Set([...entities.keys(), ...relations.keys()])) {
        signal?.throwIfAborted();
        const entity = entities.get(name) ?? {};
        const observations = asArray(entity.observations).map((observation) => textOf(observation) ?? "");
        const data = {
          ...otherFields(entity, "type", "name", "observations"),
          observations,
          relations: (relations.get(name) ?? []).map((relation) => otherFields(relation, "type", "from")),
        };
        const id = name.length <= longestId && !name.includes("\0") ? name : stableId("entity", name);
        const createdAt = timeOf(entity.createdAt);
        const content = [name, ...observations].join("\n");
        yield {
          name: `entity ${name}`,
          items: [{ kind: "record", type: "entity_memory", id, userId: undefined, name, content, data, createdAt }],
        };
      }
    },
    close: async () => {},
  };
}

async function readGraph(file: string): Promise<Graph> {
  const entities = new Map<string, JsonObject>();
  const relations = new Map<string, JsonObject[]>();
  const unknown: string[] = [];
  let relationCount = 0;
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === "") continue;
    const value = parsed(file, line, number);
    const name = textOf(value.name);
    const from = textOf(value.from);
    if (value.type === "entity" && name !== undefined) {
      const known = entities.get(name);
      const observations = [...new Set([...asArray(known?.observations), ...asArray(value.observations)])];
      entities.set(name, { ...known, ...value, observations });
    } else if (value.type === "relation" && from !== undefined && textOf(value.to) !== undefined) {
      relationCount++;
      relations.set(from, [...(relations.get(from) ?? []), value]);
    } else unknown.push(`line ${number}`);
  }
  if (entities.size === 0 && relationCount === 0)
    throw new InvalidArgumentError("from", `${JSON.stringify(file)} holds no entities: give the memory.json of the MCP memory server`);
  return { entities, relations, relationCount, unknown };
}

function parsed(file: string, line: string, number: number): JsonObject {
  let value: JsonObject | undefined;
  try {
    value = asObject(JSON.parse(line));
  } catch {
    // The parser's own error quotes the text, which is somebody's memory.
  }
  if (value === undefined)
    throw new InvalidArgumentError("from", `line ${number} of ${JSON.stringify(file)} is not a JSON object: each line must hold one`);
  return value;
}
