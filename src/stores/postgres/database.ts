import { createHash } from "node:crypto";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { Installation } from "./migrate.ts";
import type { Names } from "./names.ts";
import type { SqlClient } from "./sql-client.ts";

/** What the statements of this store are written against: a connected, migrated database. */
export interface Database {
  readonly client: SqlClient;
  readonly names: Names;
  readonly installation: Installation;
  /** Text-search configuration of conversations that name none. */
  readonly language: string;
  /** Conversations this process has met and messages it wrote lately: which statement an append begins with. */
  readonly written: RecentKeys;
  /** When a write of records next takes out what has expired. */
  readonly purge: { dueAt: number };
  /** The current embedding space, once there is one. */
  space: CurrentSpace | undefined;
}

export interface CurrentSpace extends EmbeddingSpace {
  readonly id: number;
  /** Quoted table of its vectors. */
  readonly table: string;
  /** Whether the HNSW index is there: it is built when a scope has grown to need it. */
  hasIndex: boolean;
  /** Kept by a vector store beside this database: {@link table} stays empty. */
  readonly isExternal: boolean;
}

/** Prepared statements are named for their text, so that one name never stands for two. */
export function statementName(text: string): string {
  const known = statementNames.get(text);
  if (known !== undefined) return known;
  const name = `unforget_${createHash("sha256").update(text).digest("hex").slice(0, 24)}`;
  statementNames.set(text, name);
  return name;
}

const statementNames = new Map<string, string>();

/** A configuration the server has: the one asked for, else `simple`. */
export function knownLanguage(database: Database, language: string): string {
  return database.installation.languages.has(language) ? language : "simple";
}

/** SQL: a timestamp as epoch milliseconds. Independent of DateStyle and time zone settings. */
export function epochMs(column: string): string {
  // Not extract(): it computes in numeric, several times as slow.
  return `round(date_part('epoch', ${column}) * 1000)`;
}

/** SQL: the timestamp of a parameter that holds epoch milliseconds. */
export function fromEpochMs(parameter: string): string {
  return `to_timestamp(${parameter} / 1000.0)`;
}

/** Collects values and hands out their placeholders. */
export class Parameters<Value> {
  readonly values: Value[] = [];

  /** Placeholder of a new value, with a cast. */
  add(value: Value, type: string): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

/** A bounded set: the keys used last. */
export class RecentKeys {
  readonly #keys = new Set<string>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size > this.#most) this.#keys.delete(this.#keys.values().next().value as string);
  }
}
