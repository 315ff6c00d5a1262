import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import { asObject, type JsonObject } from "../json-value.ts";

/** A row of a source, its columns by name; JSON and vectors may come as text. */
export type Row = Readonly<Record<string, unknown>>;

/** The value as text: numbers and ids of other kinds, too. Undefined when there is none, or it is empty. */
export function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined || value === "") return undefined;
  if (typeof value === "string") return value;
  if (typeof value === "object") return "toHexString" in value ? String(value) : JSON.stringify(value);
  return String(value);
}

/** The point in time; undefined when there is none that JavaScript has. A time without a zone is in UTC. */
export function timeOf(value: unknown): Date | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value;
  if (typeof value === "number") return timeOf(new Date(value));
  if (typeof value !== "string" || value === "") return undefined;
  const hasZone = /(?:Z|[+-]\d{2}(?::?\d{2}){0,2})$/i.test(value.trim());
  const hasTime = /\d[T ]\d/.test(value);
  return timeOf(new Date(hasTime && !hasZone ? `${value.trim().replace(" ", "T")}Z` : value));
}

/** JSON that a column may hold as text; text that is none stays text. */
export function jsonOf(value: unknown): unknown {
  if (value === null || value === "") return undefined;
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** The object that a column holds, also as JSON text; `{}` when there is none. */
export function objectOf(value: unknown): JsonObject {
  const parsed = jsonOf(value);
  if (parsed === undefined || parsed === null) return {};
  return asObject(parsed) ?? { value: parsed };
}

/** A vector as a list, pgvector's text, or the bytes of little-endian floats: a buffer or PostgreSQL's hex. */
export function vectorOf(value: unknown): Float32Array | undefined {
  if (Array.isArray(value)) return value.length > 0 && value.every(Number.isFinite) ? Float32Array.from(value) : undefined;
  if (ArrayBuffer.isView(value)) return floats(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  if (typeof value !== "string") return undefined;
  if (value.startsWith("\\x")) return floats(Buffer.from(value.slice(2), "hex"));
  return value.startsWith("[") ? vectorOf(jsonOf(value)) : undefined;
}

function floats(bytes: Buffer): Float32Array | undefined {
  if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined;
  const vector = Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
  return vector.every(Number.isFinite) ? vector : undefined;
}

/** The fields without those named, and without those that hold nothing. */
export function otherFields(row: Row, ...without: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([name, value]) => !without.includes(name) && value !== null && value !== undefined)
      .map(([name, value]) => [name, plain(value)]),
  );
}

/** Dates, ids and bytes of a driver as JSON has them. */
export function plain(value: unknown): unknown {
  if (value instanceof Date) return timeOf(value)?.toISOString();
  if (typeof value === "bigint") return String(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ("_bsontype" in value)
    return "toJSON" in value && value._bsontype !== "ObjectId" ? (value as { toJSON(): unknown }).toJSON() : String(value);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

/** A place without user, password and parameters. */
export function placeOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? url : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

/** Says of a server that it could not be reached, without its password. */
export function unreachable(url: string, cause: unknown): BackendError {
  return new BackendError("import", "connect", `${placeOf(url)} could not be reached: check that it runs, its address, user and password`, {
    code: "backend_unavailable",
    cause,
  });
}

/** The address or path of a source that can be nothing else. */
export function required(from: string | undefined): string {
  if (from === undefined || from === "")
    throw new InvalidArgumentError("from", "is required: give the URL or file of the system to import from");
  return from;
}
