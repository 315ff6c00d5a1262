import { stableId } from "./stable-id.ts";

/** Longer ones are indexed by their hash: a backend's keyword has a bound, and a text in metadata has none. */
const longestToken = 128;

/**
 * One text for a field and its scalar value, type and all: `["tier","gold"]`, `["tier",1]`. Equality of fields becomes
 * equality of texts, which every backend can index, whatever the field's name and the types of its values.
 */
export function scalarToken(field: string, value: string | number | boolean | null): string {
  const token = JSON.stringify([field, value]);
  return token.length <= longestToken ? token : `#${stableId(token)}`;
}

/** The tokens of an object's scalar fields; lists and objects equal no scalar and have none. */
export function scalarTokens(fields: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(fields).flatMap(([field, value]) => (isScalar(value) ? [scalarToken(field, value)] : []));
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}
