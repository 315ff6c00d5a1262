import { InvalidArgumentError } from "../../domain/errors.ts";
import type { FilterValue, MetadataFilter } from "../../domain/filter.ts";
import type { MemoryRecord, RecordInput } from "../../domain/records.ts";
import { derivedField, isScalar, mark, metadataField, rowFields } from "../../importers/systems/memorizz-row-fields.ts";
import type { MemoryType } from "./memory-type.ts";

/** What is stored: any fields; these have a meaning. */
export interface MemorizzData {
  /** The same id again updates the row: fields that are not given stay. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly content?: unknown;
  /** A vector of your own. */
  readonly embedding?: readonly number[] | Float32Array | null | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly memory_id?: string | undefined;
  /** Whose row it is. @default nobody's */
  readonly user_id?: string | null | undefined;
  readonly [field: string]: unknown;
}

/** What comes back: what was stored, with its id and times. */
export interface MemorizzRow {
  readonly id: string;
  readonly name?: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  /** Of `retrieveById` alone. */
  readonly embedding?: readonly number[];
  /** Cosine distance (`1 - similarity`), of a search by meaning. */
  readonly distance?: number;
  readonly [field: string]: unknown;
}

/** Owner of rows that name none. */
export const nobody = "default";

/** The record of a row, without its owner, time and vector. */
export function toInput(type: MemoryType, id: string, data: MemorizzData): RecordInput {
  if (Object.entries(data).some(([field, value]) => field.startsWith(mark) && value !== undefined))
    throw new InvalidArgumentError("data", `has a field that begins with "${mark}"`);
  return {
    id,
    type,
    name: nameOf(type, data),
    ...rowFields(type, data),
  };
}

function nameOf(type: MemoryType, { name }: MemorizzData): string | undefined {
  if (name === undefined || name === null) return undefined;
  if (typeof name !== "string") throw new InvalidArgumentError("name", `must be a string: what is called so in ${type}?`);
  return name;
}

/** When it was created, or said. */
export function timeOf({ created_at, timestamp }: MemorizzData): Date | undefined {
  for (const time of [created_at, timestamp]) {
    if (!(time instanceof Date || typeof time === "string")) continue;
    const date = new Date(time);
    if (!Number.isNaN(date.getTime())) return date;
  }
  return undefined;
}

/** A row as it was stored. */
export function toRow(
  record: MemoryRecord,
  more: { readonly embedding?: Float32Array | undefined; readonly distance?: number } = {},
): MemorizzRow {
  const { id, name, content, metadata, createdAt, updatedAt } = record;
  const isDerived = metadata[derivedField] === true;
  return {
    id,
    ...(name !== undefined && { name }),
    ...(!isDerived && { content }),
    ...Object.fromEntries(Object.entries(metadata).filter(([field]) => !field.startsWith(mark))),
    created_at: createdAt,
    updated_at: updatedAt,
    ...(more.embedding !== undefined && { embedding: Array.from(more.embedding) }),
    ...(more.distance !== undefined && { distance: more.distance }),
  };
}

/** Conditions of a query: equality on any field, and on those of `metadata`. */
export interface RowConditions {
  readonly ids?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly filter: MetadataFilter;
}

export function toConditions(fields: Readonly<Record<string, unknown>>): RowConditions {
  const filter: Record<string, FilterValue | readonly FilterValue[]> = {};
  const { id, name, metadata = {}, ...others } = fields;
  if (typeof metadata !== "object" || metadata === null)
    throw new InvalidArgumentError("metadata", "must be an object of fields to compare");
  const named = Object.entries(metadata).map(([field, value]) => [metadataField(field), value] as const);
  for (const [field, value] of [...Object.entries(others), ...named]) {
    if (value === undefined) continue;
    if (field === "content") throw new InvalidArgumentError("content", "is searched and not compared: pass it as `query`");
    if (!isScalar(value) && !(Array.isArray(value) && value.every(isScalar)))
      throw new InvalidArgumentError(field, "can be compared with a string, number, boolean, null, or any of a list of these");
    filter[field] = value;
  }
  return {
    ...(id !== undefined && { ids: [String(id)] }),
    ...(name !== undefined && { name: String(name) }),
    filter,
  };
}
