import { InvalidArgumentError } from "../../domain/errors.ts";

const tables = [
  "conversations",
  "conversation_owners",
  "messages",
  "search",
  "outbox",
  "removals",
  "spaces",
  "records",
  "migrations",
] as const;
type Table = (typeof tables)[number];

/** Quoted, schema-qualified names of everything this library touches in a database. */
export interface Names {
  readonly schema: string;
  readonly prefix: string;
  /** Quoted schema. */
  readonly quotedSchema: string;
  /** Quoted `"schema"."prefix_table"`. */
  readonly table: Readonly<Record<Table, string>>;
  /** Quoted table of an embedding space's vectors. */
  vectors(space: number): string;
  /** Quoted, unqualified name of an index or constraint of ours. */
  index(name: string): string;
  /** Unquoted table name with the prefix. */
  bare(name: string): string;
}

/** PostgreSQL cuts identifiers at 63 bytes; ours append up to 30 to the prefix. */
const longestPrefix = 30;

/**
 * @throws InvalidArgumentError for a schema or prefix that is not a plain identifier
 */
export function makeNames(schema: string, prefix: string): Names {
  if (!/^[A-Za-z_][A-Za-z0-9_$-]{0,62}$/.test(schema)) {
    throw new InvalidArgumentError("schema", "must be 1 to 63 letters, digits, _ , $ or -, and begin with a letter or _");
  }
  if (!new RegExp(`^([A-Za-z_][A-Za-z0-9_$-]{0,${longestPrefix - 1}})?$`).test(prefix)) {
    throw new InvalidArgumentError(
      "tablePrefix",
      `must be at most ${longestPrefix} letters, digits, _ , $ or -, and begin with a letter or _`,
    );
  }
  const separator = prefix === "" || prefix.endsWith("_") ? "" : "_";
  const bare = (name: string) => `${prefix}${separator}${name}`;
  const qualified = (name: string) => `${quoteIdentifier(schema)}.${quoteIdentifier(bare(name))}`;
  return {
    schema,
    prefix,
    quotedSchema: quoteIdentifier(schema),
    table: Object.fromEntries(tables.map((table) => [table, qualified(table)])) as Record<Table, string>,
    vectors: (space) => qualified(`vectors_${space}`),
    index: (name) => quoteIdentifier(bare(name)),
    bare,
  };
}

export function quoteIdentifier(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
