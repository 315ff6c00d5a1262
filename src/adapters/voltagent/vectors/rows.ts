import { InvalidArgumentError } from "../../../domain/errors.ts";
import { filterableMetadata } from "../../../domain/search-text.ts";
import { storableJson } from "../../../internal/storable-json.ts";
import { encodeVectorArray } from "../../../stores/postgres/vectors.ts";
import type { VectorItem } from "../shapes.ts";
import type { Queryable, VectorDatabase } from "./table.ts";

/** B-tree entries end at 2,704 bytes. */
const mostIdBytes = 2600;

/** A vector checked and ready to store. */
export interface VectorRow {
  readonly id: string;
  readonly vector: Float32Array;
  readonly metadataJson: string | null;
  readonly content: string | undefined;
  /** @default now */
  readonly createdAt?: Date | undefined;
  /** @default now */
  readonly updatedAt?: Date | undefined;
}

/** @throws InvalidArgumentError for an item that cannot be stored */
export function toRow(item: VectorItem, field: string, maxDimensions: number): VectorRow {
  const { id, vector, metadata, content } = item;
  checkId(`${field}.id`, id);
  const json = metadata === undefined || metadata === null ? null : JSON.stringify(storableJson(metadata));
  return { id, vector: checkVector(`${field}.vector`, vector, maxDimensions), metadataJson: json ?? null, content: content ?? undefined };
}

function checkId(field: string, id: unknown): asserts id is string {
  if (typeof id !== "string" || id === "") throw new InvalidArgumentError(field, "must be a string that is not empty");
  if (Buffer.byteLength(id) > mostIdBytes) throw new InvalidArgumentError(field, `must be at most ${mostIdBytes} bytes of UTF-8`);
  if (id.includes("\0") || !id.isWellFormed())
    throw new InvalidArgumentError(field, "must not hold a NUL character or half of a surrogate pair");
}

/** @throws InvalidArgumentError for a vector that is empty, too long, or holds NaN or an infinity */
export function checkVector(field: string, vector: readonly number[], maxDimensions: number): Float32Array {
  if (!Array.isArray(vector) && !ArrayBuffer.isView(vector)) throw new InvalidArgumentError(field, "must be an array of numbers");
  if (vector.length === 0) throw new InvalidArgumentError(field, "must have at least one dimension");
  if (vector.length > maxDimensions)
    throw new InvalidArgumentError(field, `has ${vector.length} dimensions, more than the ${maxDimensions} of maxVectorDimensions`);
  const floats = Float32Array.from(vector);
  if (!floats.every(Number.isFinite)) throw new InvalidArgumentError(field, "must hold finite numbers: this one has NaN or an infinity");
  return floats;
}

/** Writes rows of distinct ids and one length. */
export async function writeRows(database: VectorDatabase, within: Pick<Queryable, "query">, rows: readonly VectorRow[]): Promise<void> {
  const { table, installation } = database;
  const now = new Date();
  const text = `INSERT INTO ${table} (id, vector, dimensions, metadata, filterable, content, content_json, created_at, updated_at)
SELECT id, vector, $1::int, metadata::json, filterable::jsonb, content, content_json::json, created_at, updated_at
FROM unnest($2::text[], $3::${installation.vectorSchema}.vector[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
  AS given (id, vector, metadata, filterable, content, content_json, created_at, updated_at)
ON CONFLICT (id) DO UPDATE SET vector = EXCLUDED.vector, dimensions = EXCLUDED.dimensions, metadata = EXCLUDED.metadata,
  filterable = EXCLUDED.filterable, content = EXCLUDED.content, content_json = EXCLUDED.content_json, updated_at = EXCLUDED.updated_at`;
  const vectors = rows.map(({ vector }) => vector);
  const contents = rows.map(({ content }) => content ?? null);
  const values = [
    vectors[0]?.length ?? 0,
    rows.map(({ id }) => id),
    encodeVectorArray(vectors, installation.vectorTypeId),
    rows.map(({ metadataJson }) => metadataJson),
    rows.map(({ metadataJson }) => (metadataJson === null ? null : filterableMetadata(metadataJson))),
    contents.map((content) => content?.replaceAll("\0", "").toWellFormed() ?? null),
    // Text cannot hold what JSON can: then it stands here, to the letter.
    contents.map((content) => (content === null || isText(content) ? null : JSON.stringify(content))),
    rows.map(({ createdAt = now }) => createdAt.toISOString()),
    rows.map(({ updatedAt = now }) => updatedAt.toISOString()),
  ];
  await within.query({ text, values });
}

const isText = (content: string) => content.isWellFormed() && !content.includes("\0");

/** What a statement selects of a row `v`. */
export const itemColumns = `v.id, v.vector::text AS vector, v.metadata, v.content, v.content_json AS "contentJson"`;

export interface ItemRow {
  readonly id: string;
  readonly vector: string;
  readonly metadata: string | null;
  readonly content: string | null;
  readonly contentJson: string | null;
}

export function toItem({ id, vector, metadata, content, contentJson }: ItemRow): VectorItem {
  const text = contentJson === null ? content : (JSON.parse(contentJson) as string);
  return {
    id,
    vector: JSON.parse(vector) as number[],
    ...(metadata === null ? {} : { metadata: JSON.parse(metadata) as Record<string, unknown> }),
    ...(text === null ? {} : { content: text }),
  };
}
