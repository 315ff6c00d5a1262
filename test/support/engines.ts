import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { hashedEmbedder } from "../../src/embedders/hashed.ts";
import { createMemory, type Memory, type MemoryOptions } from "../../src/index.ts";
import { embeddedClient } from "../../src/stores/postgres/embedded/embedded-client.ts";
import { pgClient } from "../../src/stores/postgres/pg-client.ts";
import type { SqlClient, SqlValue } from "../../src/stores/postgres/sql-client.ts";
import { describeServer, type ServerName } from "./servers.ts";
import { tempSchema } from "./temp-schema.ts";

/** A place of its own for the tests of one `describe`: an embedded directory, or a schema on a server. */
export interface Engine {
  readonly name: "embedded" | ServerName;
  /** What opens a memory there. */
  readonly place: MemoryOptions;
  readonly schema: string;
  /** A memory there, with cheap vectors unless told otherwise; closed after the tests. */
  memory(options?: MemoryOptions): Memory;
  /** A client of the test's own, past the library. */
  readonly client: SqlClient;
  /** Rows of a statement on it. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}

/** Runs the same tests on the embedded Postgres and on a server; without a server's URL its half is skipped with the reason. */
export function describeEngines(title: string, body: (engine: Engine) => void): void {
  describe(`${title} (embedded)`, () => body(embeddedEngine()));
  describeServerEngine("postgres", title, body);
}

/** The same on one server. */
export function describeServerEngine(server: ServerName, title: string, body: (engine: Engine, url: string) => void): void {
  describeServer(server, `${title} (${server})`, (url) => {
    const schema = tempSchema(url);
    body(engineAt(server, { url, schema }, schema, pgClient({ url, maxConnections: 2 })), url);
  });
}

/** Ids no other test of the process uses. */
export function newId(kind: string): string {
  return `${kind}-${++ids}`;
}

let ids = 0;

function embeddedEngine(): Engine {
  const parent = mkdtempSync(join(tmpdir(), "unforget-test-"));
  const dataDir = join(parent, "data");
  afterAll(() => rmSync(parent, { recursive: true, force: true }));
  return engineAt("embedded", { dataDir }, "unforget", embeddedClient({ dataDir }));
}

function engineAt(name: Engine["name"], place: MemoryOptions, schema: string, client: SqlClient): Engine {
  const opened: { close(): Promise<void> }[] = [client];
  // Hooks run last to first: the place is closed before it is removed.
  afterAll(async () => {
    for (const one of opened.reverse()) await one.close();
  });
  return {
    name,
    place,
    schema,
    client,
    memory(options) {
      const memory = createMemory({ ...place, embedding: hashedEmbedder(), ...options });
      opened.push(memory);
      return memory;
    },
    async sql<Row>(text: string, values: readonly SqlValue[] = []) {
      return (await client.query<Row>({ text, values })).rows;
    },
  };
}
