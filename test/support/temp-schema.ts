import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import pg from "pg";
import { afterAll, expect, onTestFinished } from "vitest";

/**
 * A schema name for the calling test file alone, on the server at `url`. Nothing is created; what the tests put into it
 * is dropped after them. Call it where `afterAll` may be called: at the top of a file or in a `describe`.
 */
export function tempSchema(url: string): string {
  const file = basename(expect.getState().testPath ?? "test").replace(/\.test\.ts$/, "");
  const schema = `test_${file.replaceAll(/[^a-z0-9]+/g, "_").slice(0, 30)}_${randomBytes(4).toString("hex")}`;
  afterAll(() => query(url, `drop schema if exists "${schema}" cascade`));
  return schema;
}

/** A database for the calling test alone, without the vector extension. Returns its URL; it is dropped after the test. */
export async function tempDatabase(url: string): Promise<string> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  await query(url, `create database ${name}`);
  onTestFinished(() => query(url, `drop database if exists ${name} with (force)`));
  const made = new URL(url);
  made.pathname = `/${name}`;
  return made.href;
}

async function query(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
