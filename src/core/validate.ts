import { InvalidArgumentError } from "../domain/errors.ts";
import type { MetadataFilter } from "../domain/filter.ts";

/** A point in time as callers write it. */
export function parseTime(field: string, time: Date | string | number | undefined): Date | undefined {
  if (time === undefined) return undefined;
  const isTime = time instanceof Date || typeof time === "string" || typeof time === "number";
  const date = isTime ? new Date(time) : new Date(Number.NaN);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError(field, "is not a date: pass a Date, an ISO 8601 string or epoch milliseconds");
  return date;
}

/** Yes, no, or nothing said. */
export function parseFlag(field: string, value: boolean | undefined): boolean | undefined {
  if (value !== undefined && typeof value !== "boolean") throw new InvalidArgumentError(field, "must be true or false");
  return value;
}

/** A whole number within bounds. */
export function parseCount(field: string, value: number | undefined, standard: number, least: number, most: number): number {
  const count = value ?? standard;
  if (!Number.isInteger(count) || count < least || count > most) {
    throw new InvalidArgumentError(field, `must be a whole number from ${least} to ${most}`);
  }
  return count;
}

/** A cosine similarity that hits must have. */
export function parseSimilarity(field: string, value: number | undefined): number | undefined {
  if (value !== undefined && !(value >= -1 && value <= 1))
    throw new InvalidArgumentError(field, "is a cosine similarity: a number from -1 to 1");
  return value;
}

/** Equality on fields of metadata. */
export function parseFilter(field: string, filter: MetadataFilter | undefined): MetadataFilter | undefined {
  if (filter === undefined) return filter;
  if (typeof filter !== "object" || filter === null || Array.isArray(filter))
    throw new InvalidArgumentError(field, "must be an object of fields to compare");
  for (const [name, value] of Object.entries(filter)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && !["string", "number", "boolean"].includes(typeof one))
        throw new InvalidArgumentError(`${field}.${name}`, "must be a string, number, boolean, null, or an array of these");
    }
  }
  return filter;
}

/** Metadata as JSON; undefined is the empty object. */
export function encodeMetadata(field: string, metadata: unknown): string {
  if (metadata === undefined || metadata === null) return "{}";
  if (typeof metadata !== "object" || !isPlainObject(metadata)) throw new InvalidArgumentError(field, "must be a plain JSON object");
  try {
    return JSON.stringify(metadata);
  } catch (error) {
    throw new InvalidArgumentError(field, "cannot be written as JSON: it is cyclic or holds a BigInt", { cause: error });
  }
}

/** Not an array, Date, Map or other class: JSON would make something else of it. Objects of another realm are plain too. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Text for a column that cannot hold NUL. */
export function parseText(field: string, text: string | undefined, longest: number): string | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== "string") throw new InvalidArgumentError(field, "must be a string");
  if (text.includes("\0")) throw new InvalidArgumentError(field, "must not hold a NUL character");
  if (text.length > longest) throw new InvalidArgumentError(field, `must be at most ${longest} characters`);
  return text.toWellFormed();
}
