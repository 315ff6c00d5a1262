import { MemoryError } from "../domain/errors.ts";
import type { ScopedMemory } from "../domain/memory.ts";
import type { JsonSchema, StandardSchema, WorkingMemoryFormat, WorkingMemoryOptions } from "../domain/working-memory.ts";
import { loadDependency } from "../internal/load-dependency.ts";
import { patchSchema } from "./ai-sdk/patch-schema.ts";

/** What we use of the package `ai`, 5 and later. */
interface AiPackage {
  jsonSchema(schema: unknown): never;
  asSchema(schema: unknown): { readonly jsonSchema: unknown };
}

/** Which notes the tools are about. */
export type WorkingMemoryToolsOptions = Pick<WorkingMemoryOptions, "userId" | "conversationId">;

/** Tools of the AI SDK by which a model reads and writes its notes. */
export type WorkingMemoryTools = {
  readonly get_working_memory: WorkingMemoryTool<Record<string, never>>;
  readonly update_working_memory: WorkingMemoryTool<NotesUpdate>;
};

/** Fits the type `Tool` of the AI SDK. */
export interface WorkingMemoryTool<Input> {
  readonly description: string;
  /** A schema of the AI SDK. Its type has a mark that only the package `ai` can give, so it is told by none here. */
  readonly inputSchema: never;
  readonly execute: (input: Input, call?: { readonly abortSignal?: AbortSignal | undefined }) => Promise<NotesAnswer>;
}

/** What the model is told: the notes as they are now, or what was wrong. */
export interface NotesAnswer {
  /** Empty: there are none yet. */
  readonly content: string;
  /** 0: there are none yet. */
  readonly version: number;
  /** Of notes with a template, before the first ones are written. */
  readonly template?: string;
  /** Nothing was written: why, and what to do. */
  readonly problem?: string;
}

/** What the model gives: all of the notes, or of notes with a schema what changes. */
export interface NotesUpdate {
  readonly content?: string;
  readonly patch?: Readonly<Record<string, unknown>>;
  /** The version that was read, so that nobody else's change is lost. */
  readonly version?: number | null;
}

/**
 * Tools that let a model keep notes: `tools: await workingMemoryTools(mine, { conversationId })`. Without `conversationId`
 * they are about the user's notes. Of notes with a schema (`createMemory({ working })`) the model writes what changes, as a
 * JSON merge patch; else all of the text. What does not fit, or was changed by somebody else meanwhile, is told to the model
 * and not written.
 *
 * @throws DependencyMissingError without the package `ai`
 */
export async function workingMemoryTools(
  memory: Pick<ScopedMemory, "working">,
  options: WorkingMemoryToolsOptions = {},
): Promise<WorkingMemoryTools> {
  const ai = await loadDependency("working memory tools", "ai", () => import("ai") as Promise<unknown> as Promise<AiPackage>);
  const { working } = memory;
  const format = working.format(options);
  const whose = options.conversationId === undefined ? "this user" : "this conversation";
  const schema = await schemaOf(ai, format);

  async function read(signal: AbortSignal | undefined): Promise<NotesAnswer> {
    const notes = await working.get({ ...options, signal });
    if (notes !== undefined) return { content: notes.content, version: notes.version };
    return { content: "", version: 0, ...(format?.template === undefined ? {} : { template: format.template }) };
  }

  async function write({ content, patch, version }: NotesUpdate, signal: AbortSignal | undefined): Promise<NotesAnswer> {
    const how = { ...options, signal, ...(typeof version === "number" ? { ifVersion: version } : {}) };
    try {
      const notes = schema === undefined ? await working.set(content as string, how) : await working.merge(patch ?? {}, how);
      return { content: notes.content, version: notes.version };
    } catch (error) {
      if (!MemoryError.isInstance(error) || (error.code !== "conflict" && error.code !== "invalid_argument")) throw error;
      const problem =
        error.code === "conflict" ? "somebody else changed the notes meanwhile: write again, from what they are now" : error.message;
      return { ...(await read(signal)), problem };
    }
  }

  return {
    get_working_memory: {
      description: `Reads your notes about ${whose}.`,
      inputSchema: ai.jsonSchema({ type: "object", properties: {}, additionalProperties: false }),
      execute: (_input, call) => read(call?.abortSignal),
    },
    update_working_memory: {
      description: descriptionOf(whose, format),
      inputSchema: ai.jsonSchema(schema === undefined ? textInput : patchInput(schema)),
      execute: (input, call) => write(input, call?.abortSignal),
    },
  };
}

function descriptionOf(whose: string, format: WorkingMemoryFormat | undefined): string {
  const lasting = `Keeps what you will need again about ${whose}, such as names, preferences, plans and decisions.`;
  if (format?.schema !== undefined)
    return `${lasting} Give only what changes: a field that is null is deleted, a list is replaced as a whole.`;
  const whole = `${lasting} Replaces all of your notes: give them whole, with what is still true.`;
  return format?.template === undefined ? whole : `${whole} Keep to this template:\n${format.template}`;
}

const version = { type: ["integer", "null"], description: "the version you read, so that no other change is lost; null: whatever it is" };
const inputOf = (properties: JsonSchema) => ({
  type: "object",
  properties: { ...properties, version },
  required: Object.keys(properties),
  additionalProperties: false,
});
const textInput = inputOf({ content: { type: "string", description: "all of the notes" } });
const patchInput = (schema: JsonSchema) => {
  const { $defs, definitions, ...patch } = patchSchema(schema);
  return { ...inputOf({ patch }), ...($defs === undefined ? {} : { $defs }), ...(definitions === undefined ? {} : { definitions }) };
};

async function schemaOf(ai: AiPackage, format: WorkingMemoryFormat | undefined): Promise<JsonSchema | undefined> {
  const schema: StandardSchema | JsonSchema | undefined = format?.schema;
  if (schema === undefined) return undefined;
  return ("~standard" in schema ? await ai.asSchema(schema).jsonSchema : schema) as JsonSchema;
}
