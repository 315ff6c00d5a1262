import type { ImportedMessage } from "../domain/memory.ts";

/** Reads the messages of a file, in order, as a stream. */
export type Importer = (file: string) => AsyncIterable<ImportedMessage>;

/** The fields of a JSON object that came from outside: nothing is known of their types. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value when it is a string that is not empty. */
export function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
