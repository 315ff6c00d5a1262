import { InvalidArgumentError } from "../../domain/errors.ts";
import type { JsonSchema, StandardSchema, WorkingMemoryFormat, WorkingMemoryOption } from "../../domain/working-memory.ts";
import { schemaProblem } from "./json-schema.ts";

/** `createMemory({ working })`, checked. */
export type WorkingMemoryFormats = Readonly<Record<"user" | "conversation", WorkingMemoryFormat | undefined>>;

/** @throws InvalidArgumentError */
export function workingMemoryFormats(option: WorkingMemoryOption = {}): WorkingMemoryFormats {
  return { user: checkFormat("working.user", option.user), conversation: checkFormat("working.conversation", option.conversation) };
}

function checkFormat(field: string, format: WorkingMemoryFormat | undefined): WorkingMemoryFormat | undefined {
  if (format === undefined) return undefined;
  const { template, schema } = format as { readonly template?: unknown; readonly schema?: unknown };
  if ((template === undefined) === (schema === undefined)) throw new InvalidArgumentError(field, "must have either a template or a schema");
  if (template !== undefined && typeof template !== "string") throw new InvalidArgumentError(`${field}.template`, "must be a string");
  if (schema !== undefined && ((typeof schema !== "object" && typeof schema !== "function") || schema === null))
    throw new InvalidArgumentError(`${field}.schema`, "must be a JSON Schema, or a schema of Zod or another library of Standard Schema");
  return format;
}

/**
 * Notes as their format wants them: of a template anything, of a schema JSON that it takes.
 * @throws InvalidArgumentError
 */
export function checkNotes(content: string, format: WorkingMemoryFormat | undefined): string {
  if (format?.schema === undefined) return content;
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new InvalidArgumentError("content", "must be JSON: these notes have a schema", { cause: error });
  }
  const problem = problemOf(value, format.schema);
  if (problem !== undefined) throw new InvalidArgumentError("content", `does not fit the schema of these notes: ${problem}`);
  return content;
}

function problemOf(value: unknown, schema: StandardSchema | JsonSchema): string | undefined {
  if (!("~standard" in schema)) return schemaProblem(value, schema as JsonSchema);
  const result = (schema as StandardSchema)["~standard"].validate(value);
  if (result instanceof Promise) throw new InvalidArgumentError("working.schema", "must check at once: it has asynchronous refinements");
  const { issues } = result as {
    readonly issues?: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[];
  };
  return issues
    ?.slice(0, 5)
    .map(({ message, path = [] }) => `${path.map(keyOf).join(".") || "all of it"}: ${message}`)
    .join("; ");
}

const keyOf = (part: unknown) => String(typeof part === "object" && part !== null && "key" in part ? part.key : part);
