import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "../../domain/working-memory.ts";

/**
 * What is wrong with a value in the eyes of a JSON Schema: `type`, `properties`, `patternProperties`, `required`,
 * `additionalProperties`, `items`, `enum`, `const`, lengths, bounds, `pattern`, `anyOf`, `oneOf`, `allOf`, and `$ref` into
 * `$defs`. Other keywords tell the model what to write, and are not checked. Undefined: nothing. Names places, never what
 * stands there.
 */
export function schemaProblem(value: unknown, schema: JsonSchema): string | undefined {
  return problemAt(value, schema, "", schema, 0);
}

const deepest = 100;

function problemAt(value: unknown, given: unknown, path: string, root: JsonSchema, depth: number): string | undefined {
  const at = path === "" ? "all of it" : path;
  if (depth > deepest) return `${at}: is nested too deep`;
  if (given === true || given === undefined) return undefined;
  if (given === false) return `${at}: must not be there`;
  const schema = given as JsonSchema;
  const deeper = (one: unknown, of: unknown = value, where = path) => problemAt(of, one, where, root, depth + 1);
  if (typeof schema.$ref === "string") {
    const problem = deeper(referred(schema.$ref, root));
    if (problem !== undefined) return problem;
  }
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) return `${at}: must be of type ${types.join(" or ")}`;
  if (Array.isArray(schema.enum) && !schema.enum.some((one) => isDeepStrictEqual(one, value))) return `${at}: must be one of those listed`;
  if ("const" in schema && !isDeepStrictEqual(schema.const, value)) return `${at}: must be as prescribed`;
  for (const one of listOf(schema.allOf)) {
    const problem = deeper(one);
    if (problem !== undefined) return problem;
  }
  const fits = (one: unknown) => deeper(one) === undefined;
  for (const choices of [schema.anyOf, schema.oneOf])
    if (choices !== undefined && !listOf(choices).some(fits)) return `${at}: fits none of the choices`;
  if (listOf(schema.oneOf).filter(fits).length > 1) return `${at}: fits more than one of the choices`;
  return boundProblem(value, schema, at) ?? partProblem(value, schema, path, deeper);
}

function boundProblem(value: unknown, schema: JsonSchema, at: string): string | undefined {
  const { minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minItems, maxItems } = schema;
  const exceeds = (size: number, least: unknown, most: unknown) =>
    (typeof least === "number" && size < least) || (typeof most === "number" && size > most);
  if (typeof value === "string" && exceeds([...value].length, minLength, maxLength)) return `${at}: is too short or too long`;
  if (typeof value === "string" && typeof pattern === "string" && !isMatch(pattern, value)) return `${at}: does not match the pattern`;
  const isOnBound = value === exclusiveMinimum || value === exclusiveMaximum;
  if (typeof value === "number" && (isOnBound || exceeds(value, minimum, maximum) || exceeds(value, exclusiveMinimum, exclusiveMaximum)))
    return `${at}: is too small or too large`;
  if (Array.isArray(value) && exceeds(value.length, minItems, maxItems)) return `${at}: has too few or too many items`;
  return undefined;
}

/** Some patterns in use are none in Unicode mode, such as `[\w-.]`. */
function isMatch(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return new RegExp(pattern).test(text);
  }
}

function partProblem(
  value: unknown,
  { properties, patternProperties, required, additionalProperties, items }: JsonSchema,
  path: string,
  deeper: (schema: unknown, value: unknown, path: string) => string | undefined,
): string | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = deeper(items, item, `${path}[${index}]`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const known = new Map(Object.entries((properties ?? {}) as JsonSchema));
  const patterns = Object.entries((patternProperties ?? {}) as JsonSchema);
  const inside = (field: string) => (path === "" ? field : `${path}.${field}`);
  for (const field of listOf(required)) if (!Object.hasOwn(value, String(field))) return `${inside(String(field))}: is missing`;
  for (const [field, one] of Object.entries(value)) {
    const own = [...(known.has(field) ? [known.get(field)] : []), ...patterns.flatMap(([p, given]) => (isMatch(p, field) ? [given] : []))];
    for (const schema of own.length > 0 ? own : [additionalProperties]) {
      const problem = deeper(schema, one, inside(field));
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function isOfType(value: unknown, type: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

/** `#`, or a path such as `#/$defs/address`. What is not there allows anything. */
function referred(reference: string, root: JsonSchema): unknown {
  const steps = reference.replace(/^#\/?/u, "").split("/");
  return steps.reduce<unknown>(
    (schema, step) => (step === "" ? schema : (schema as JsonSchema | undefined)?.[step.replaceAll("~1", "/").replaceAll("~0", "~")]),
    root,
  );
}
