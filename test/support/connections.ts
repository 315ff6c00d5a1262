import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { afterAll, beforeAll, describe } from "vitest";
import type { Connection } from "../../src/adapters/voltagent.ts";
import { describeServer } from "./servers.ts";
import { tempSchema } from "./temp-schema.ts";

/** A place for what takes a `connection`: a PGlite instance, or a server. */
export interface ConnectionPlace {
  readonly name: "pglite" | "postgres";
  /** Of each adapter that is opened. Not before the tests begin. */
  readonly connection: Connection;
  readonly schema: string;
  /** Closed after the tests. */
  opened<Closable extends { close(): Promise<void> }>(adapter: Closable): Closable;
  /** Rows of a statement, past the library. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** Runs the same tests on a PGlite instance and on a server; without a server's URL its half is skipped with the reason. */
export function describeConnections(title: string, body: (place: ConnectionPlace) => void): void {
  describe(`${title} (pglite)`, () => {
    let instance: PGlite;
    const close = closing(() => instance.close());
    beforeAll(async () => {
      instance = await PGlite.create({ extensions: { vector } });
    });
    body({
      name: "pglite",
      get connection() {
        return instance;
      },
      schema: "public",
      ...close,
      async sql<Row>(text: string, values: unknown[] = []) {
        return (await instance.query<Row>(text, values)).rows;
      },
    });
  });
  describeServer("postgres", `${title} (postgres)`, (url) => {
    const schema = tempSchema(url);
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    const close = closing(() => pool.end());
    body({
      name: "postgres",
      connection: url,
      schema,
      ...close,
      async sql<Row>(text: string, values: unknown[] = []) {
        return (await pool.query(text, values)).rows as Row[];
      },
    });
  });
}

function closing(last: () => Promise<void>): Pick<ConnectionPlace, "opened"> {
  const adapters: { close(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const adapter of adapters.reverse()) await adapter.close();
    await last();
  });
  return {
    opened(adapter) {
      adapters.push(adapter);
      return adapter;
    },
  };
}
