import type { Installation } from "../postgres/migrate.ts";
import type { Names } from "../postgres/names.ts";
import { quoteIdentifier } from "../postgres/names.ts";

export type PgvectorIndex = "hnsw" | "ivfflat" | "none";
export type PgvectorType = "vector" | "halfvec" | "bit";
export type PgvectorMetric = "cosine" | "l2" | "innerProduct";

/** How the vectors are stored, compared and indexed. */
export interface Layout {
  readonly index: PgvectorIndex;
  readonly type: PgvectorType;
  readonly metric: PgvectorMetric;
}

/** pgvector stores `vector` and `halfvec` up to this length … */
export const mostDimensions = 16_000;
/** … and indexes them up to these; a longer `vector` is indexed in half precision. */
const mostIndexed = { vector: 2000, halfvec: 4000, bit: 64_000 } as const;

const operators = { cosine: "<=>", l2: "<->", innerProduct: "<#>" } as const;
const operatorClasses = { cosine: "cosine_ops", l2: "l2_ops", innerProduct: "ip_ops" } as const;
const short = {
  ivfflat: "ivf",
  hnsw: "hnsw",
  vector: "vec",
  halfvec: "half",
  bit: "bit",
  cosine: "cos",
  l2: "l2",
  innerProduct: "ip",
} as const;

/** Type of the column: bits are an index over vectors, which are compared in the end. */
export const columnType = ({ type }: Layout) => (type === "halfvec" ? "halfvec" : "vector");

/** What vectors of this length are indexed as; undefined when they are too long for any index. */
export function indexedAs({ index, type }: Layout, dimensions: number): PgvectorType | undefined {
  if (index === "none") return undefined;
  const choices: readonly PgvectorType[] = type === "vector" ? ["vector", "halfvec"] : [type];
  return choices.find((choice) => dimensions <= mostIndexed[choice]);
}

/** The words of SQL that depend on the layout, for vectors of one length. */
export interface LayoutSql {
  /** The type of the column, qualified. */
  readonly column: string;
  /** Distance of a row from a query: exact, and used by no index. */
  distance(query: string): string;
  /** What the index orders by. */
  indexDistance(query: string): string;
  /** Method, expression and operator class. */
  readonly indexDefinition: string;
  /** Bare name of the index. */
  readonly indexName: string;
}

export function layoutSql(layout: Layout, dimensions: number, { vectorSchema }: Installation): LayoutSql {
  const { index, metric } = layout;
  const type = (name: string) => `${vectorSchema}.${name}(${dimensions})`;
  const operator = (name: string) => `OPERATOR(${vectorSchema}.${name})`;
  const column = type(columnType(layout));
  const indexed = indexedAs(layout, dimensions) ?? "vector";
  const key = indexKey(indexed, indexed === columnType(layout), vectorSchema, dimensions);
  const asKey = indexed === "bit" ? operator("<~>") : operator(operators[metric]);
  const operatorClass = `${vectorSchema}.${indexed}_${indexed === "bit" ? "hamming_ops" : operatorClasses[metric]}`;
  return {
    column,
    // Adding zero keeps the planner from an index, which would not be exact.
    distance: (query) => `((v.embedding ${operator(operators[metric])} ${query}::${column}) + 0)`,
    indexDistance: (query) => `${key("v.embedding")} ${asKey} ${key(`${query}::${column}`)}`,
    indexDefinition: `${index} ((${key("embedding")}) ${operatorClass})`,
    indexName: `embeddings_${index === "none" ? "none" : short[index]}_${short[indexed]}_${short[metric]}`,
  };
}

function indexKey(indexed: PgvectorType, isColumn: boolean, schema: string, dimensions: number): (vector: string) => string {
  if (indexed === "bit") return (vector) => `${schema}.binary_quantize(${vector})::pg_catalog.bit(${dimensions})`;
  return isColumn ? (vector) => vector : (vector) => `(${vector})::${schema}.halfvec(${dimensions})`;
}

/** Higher is nearer: the cosine, the inner product, or the distance below zero. */
export function toSimilarity({ metric }: Layout, distance: number): number {
  return metric === "cosine" ? Math.max(-1, Math.min(1, 1 - distance)) : -distance;
}

/** Quoted names of the two tables. */
export interface TableNames {
  readonly embeddings: string;
  readonly space: string;
}

export function tableNames(names: Names): TableNames {
  const qualified = (name: string) => `${names.quotedSchema}.${quoteIdentifier(names.bare(name))}`;
  return { embeddings: qualified("embeddings"), space: qualified("embedding_space") };
}
