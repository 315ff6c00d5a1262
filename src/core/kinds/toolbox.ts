import type { Page } from "../../domain/conversation.ts";
import { InvalidArgumentError, NotFoundError } from "../../domain/errors.ts";
import type { MemoryRecord, RecordCallOptions } from "../../domain/records.ts";
import { validateId } from "../messages/normalize-message.ts";
import type { RecordsHandle } from "./put-or-update.ts";

/** A schema of any library that speaks Standard Schema, e.g. Zod. */
export interface StandardSchemaLike {
  readonly "~standard": {
    readonly validate: (value: unknown) => unknown;
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => unknown } | undefined;
  };
}

/** A JSON Schema, as an object. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A tool to be registered: what a model is told of it, and the function it calls. */
export interface ToolInput {
  /** What a model calls it by; the same name again replaces it. */
  readonly name: string;
  /** What it does, in words: it is found by them. */
  readonly description: string;
  /** What it takes: JSON Schema, or a schema of Zod 4.2 or another library that can tell its JSON Schema. @default nothing */
  readonly parameters?: JsonSchema | StandardSchemaLike | undefined;
  /** Stays in this process; what it takes is checked before by a schema that can check. */
  readonly execute: (input: never) => unknown;
  /** More words it is found by, e.g. questions it answers. @default none */
  readonly queries?: readonly string[] | undefined;
}

/** A tool as it is stored, without its function. */
export interface StoredTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
  readonly queries: readonly string[];
  /** Whether it was registered in this process, and can be called. */
  readonly isCallable: boolean;
}

/** A tool that a search found. Scores order one result; `similarity` is the cosine, undefined when words alone found it. */
export interface FoundTool extends StoredTool {
  readonly score: number;
  readonly similarity: number | undefined;
}

/** Whose tools, how many, and how near to the task. */
export interface FindToolsOptions extends RecordCallOptions {
  /** 1 to 1000. @default 5 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1. @default none */
  readonly minSimilarity?: number | undefined;
  /** Only tools that can be called here. @default false */
  readonly callable?: boolean | undefined;
}

/** What {@link toolbox} gives: tools that stay stored, and their functions as long as this process lives. */
export interface Toolbox {
  /** Stores what a tool is, and keeps its function in this process. */
  register(tool: ToolInput, options?: RecordCallOptions): Promise<StoredTool>;
  /** All of them or none. */
  registerMany(tools: readonly ToolInput[], options?: RecordCallOptions): Promise<readonly StoredTool[]>;
  /** The tools for a task, best first: by words at once, by meaning when the worker has embedded them. */
  find(query: string, options?: FindToolsOptions): Promise<readonly FoundTool[]>;
  /**
   * Calls a tool of this process.
   *
   * @throws NotFoundError when it was not registered here
   * @throws InvalidArgumentError when its schema refuses the input
   */
  call(name: string, input?: unknown): Promise<unknown>;
  /** Undefined: it is not there. */
  get(name: string, options?: RecordCallOptions): Promise<StoredTool | undefined>;
  /** Newest first, 50 a page unless told otherwise. */
  list(options?: RecordCallOptions & { readonly limit?: number; readonly cursor?: string }): Promise<Page<StoredTool>>;
  /** Deletes a tool, here and where it is stored; whether it was stored. */
  delete(name: string, options?: RecordCallOptions): Promise<boolean>;
}

const type = "toolbox";

/**
 * Tools of agents, kept as records of the type `"toolbox"`: thousands are stored, and a model is given those that a task needs.
 *
 * @example
 * const tools = toolbox(memory.scope({ userId: "user-123" }));
 * await tools.register({ name: "get_weather", description: "Tells the weather of a city", execute: ({ city }: { city: string }) => city });
 * const [best] = await tools.find("Will it rain?", { callable: true });
 */
export function toolbox(memory: RecordsHandle): Toolbox {
  const { records } = memory;
  const held = new Map<string, ToolInput>();
  const toTool = ({ id, name = id, content, metadata }: MemoryRecord): StoredTool => ({
    name,
    description: typeof metadata.description === "string" ? metadata.description : content,
    parameters: (metadata.parameters ?? noParameters) as JsonSchema,
    queries: (metadata.queries ?? []) as readonly string[],
    isCallable: held.has(name),
  });

  async function registerMany(tools: readonly ToolInput[], options?: RecordCallOptions): Promise<StoredTool[]> {
    const checked = tools.map((tool) => ({ tool, record: toRecord(tool) }));
    const stored = await records.putMany(
      checked.map(({ record }) => record),
      options,
    );
    for (const { tool } of checked) held.set(tool.name, tool);
    return stored.map(toTool);
  }

  return {
    register: async (tool, options) => (await registerMany([tool], options))[0] as StoredTool,
    registerMany,
    async find(query, { limit = 5, callable = false, ...options } = {}) {
      const ids = callable ? { ids: [...held.keys()] } : {};
      const hits = await records.query({ ...options, ...ids, type, text: query, limit });
      return hits.map(({ record, score, scores }) => ({ ...toTool(record), score, similarity: scores.vector }));
    },
    async call(name, input = {}) {
      const tool = held.get(name);
      if (tool === undefined) throw new NotFoundError("tool", name, "register it in this process before it is called");
      return tool.execute((await checkInput(tool, input)) as never);
    },
    async get(name, options) {
      const found = await records.get(type, name, options);
      return found && toTool(found);
    },
    async list(options = {}) {
      const page = await records.list({ ...options, type });
      return { ...page, items: page.items.map(toTool) };
    },
    async delete(name, options) {
      held.delete(name);
      return (await records.delete(type, name, options)) > 0;
    },
  };
}

const noParameters: JsonSchema = { type: "object", properties: {} };

function toRecord({ name, description, parameters = noParameters, queries = [], execute }: ToolInput) {
  validateId("name", name);
  if (typeof description !== "string" || description === "")
    throw new InvalidArgumentError("description", "says in words what the tool does");
  if (typeof execute !== "function") throw new InvalidArgumentError("execute", "must be a function");
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))
    throw new InvalidArgumentError("parameters", "must be a JSON Schema, or a schema that can tell one");
  if (!Array.isArray(queries) || queries.some((query) => typeof query !== "string"))
    throw new InvalidArgumentError("queries", "must be a list of texts");
  const schema = isStandard(parameters) ? jsonSchemaOf(parameters) : parameters;
  return {
    id: name,
    type,
    name,
    content: [description, ...queries].join("\n"),
    metadata: { description, parameters: schema, queries },
  };
}

const isStandard = (schema: JsonSchema | StandardSchemaLike): schema is StandardSchemaLike => "~standard" in schema;

function jsonSchemaOf(schema: StandardSchemaLike): JsonSchema {
  const { jsonSchema } = schema["~standard"];
  if (jsonSchema === undefined)
    throw new InvalidArgumentError("parameters", "cannot tell their JSON Schema: pass that, e.g. z.toJSONSchema(schema)");
  return jsonSchema.input({ target: "draft-07" }) as JsonSchema;
}

async function checkInput({ name, parameters }: ToolInput, input: unknown): Promise<unknown> {
  if (parameters === undefined || !isStandard(parameters)) return input;
  const result = (await parameters["~standard"].validate(input)) as { readonly value?: unknown; readonly issues?: readonly IssueLike[] };
  if (result.issues === undefined) return result.value;
  const places = result.issues.map(
    ({ path = [] }) => path.map((part) => String(typeof part === "object" ? part.key : part)).join(".") || "input",
  );
  throw new InvalidArgumentError("input", `is refused by the schema of "${name}" at ${[...new Set(places)].join(", ")}`);
}

interface IssueLike {
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
