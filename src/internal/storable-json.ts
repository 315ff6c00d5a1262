/**
 * A value as JSON will give it back. Workflows and tools hand in whatever they hold: what JSON cannot say (a cycle, a
 * BigInt) becomes a word in its place, as losing the whole state would be worse.
 */
export function storableJson(value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    return parsed(JSON.stringify(value));
  } catch {
    return parsed(JSON.stringify(withoutCycles(value, [])));
  }
}

function parsed(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

function withoutCycles(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (above.includes(value)) return "[Circular]";
  const path = [...above, value];
  if ("toJSON" in value && typeof value.toJSON === "function") return withoutCycles(value.toJSON(), path);
  if (Array.isArray(value)) return value.map((item) => withoutCycles(item, path));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withoutCycles(field, path)]));
}
