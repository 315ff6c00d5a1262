import type { JsonSchema } from "../../domain/working-memory.ts";

const lists = ["anyOf", "oneOf", "allOf"] as const;
const fields = ["properties", "patternProperties"] as const;
const named = ["$defs", "definitions"] as const;

/**
 * The schema of a merge patch for what a schema describes: any field may be left out, and null deletes it. A list is replaced
 * as a whole, so its items stay as they are.
 */
export function patchSchema({ $schema: _dialect, ...schema }: JsonSchema): JsonSchema {
  const { required: _required, ...rest } = schema;
  const patched: Record<string, unknown> = { ...rest };
  for (const keyword of fields)
    if (isObject(schema[keyword]))
      patched[keyword] = Object.fromEntries(Object.entries(schema[keyword]).map(([field, one]) => [field, orNull(one)]));
  if (isObject(schema.additionalProperties)) patched.additionalProperties = orNull(schema.additionalProperties);
  for (const keyword of lists) if (Array.isArray(schema[keyword])) patched[keyword] = (schema[keyword] as unknown[]).map(patchedOf);
  for (const keyword of named)
    if (isObject(schema[keyword]))
      patched[keyword] = Object.fromEntries(Object.entries(schema[keyword]).map(([name, one]) => [name, patchedOf(one)]));
  return patched;
}

const patchedOf = (schema: unknown) => (isObject(schema) ? patchSchema(schema) : schema);

function orNull(schema: unknown): unknown {
  return isObject(schema) ? { anyOf: [patchSchema(schema), { type: "null" }] } : schema;
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
