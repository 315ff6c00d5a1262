import { InvalidArgumentError } from "../../domain/errors.ts";

/**
 * Notes that are a JSON object, or are not there yet, with a patch merged in as RFC 7396 has it.
 * @throws InvalidArgumentError when they are something else
 */
export function mergePatch(content: string | undefined, patch: unknown): string {
  const changes = isObject(patch) ? plain(patch) : undefined;
  if (!isObject(changes)) throw new InvalidArgumentError("patch", "must be a JSON object");
  return JSON.stringify(merged(content === undefined || content === "" ? {} : parseObject(content), changes));
}

function parseObject(content: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // Falls through to the same answer as JSON of another kind.
  }
  if (!isObject(value)) throw new InvalidArgumentError("patch", "needs notes that are a JSON object: use set or update for others");
  return value;
}

/** What JSON makes of it. */
function plain(patch: object): unknown {
  try {
    return JSON.parse(JSON.stringify(patch));
  } catch (error) {
    throw new InvalidArgumentError("patch", "cannot be written as JSON: it is cyclic or holds a BigInt", { cause: error });
  }
}

function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const fields = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) fields.delete(field);
    else fields.set(field, merged(fields.get(field), value));
  }
  return Object.fromEntries(fields);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
