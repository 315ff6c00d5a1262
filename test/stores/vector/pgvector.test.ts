import { randomBytes } from "node:crypto";
import pg from "pg";
import { type PgvectorVectorStoreOptions, pgvectorVectorStore } from "../../../src/stores/vector/pgvector.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

const newPrefix = () => `t_${randomBytes(6).toString("hex")}`;

describeServer("postgres", "pgvector on a server", (url) => {
  const schema = tempSchema(url);
  vectorStoreSuite("pgvector vector store (postgres)", () => onServer(url, schema));
});

describeServer("postgres15", "pgvector on the oldest server", (url) => {
  const schema = tempSchema(url);
  vectorStoreSuite("pgvector vector store (postgres15)", () => onServer(url, schema));
});

function onServer(url: string, schema: string, options: PgvectorVectorStoreOptions = {}) {
  const place = { url, schema, tablePrefix: newPrefix(), maxConnections: 3, ...options };
  return {
    store: pgvectorVectorStore(place),
    reopen: () => pgvectorVectorStore(place),
    lend: () => {
      const pool = new pg.Pool({ connectionString: url, max: 2 });
      return {
        store: pgvectorVectorStore({ client: pool, schema, tablePrefix: newPrefix() }),
        use: () => pool.query("SELECT 1"),
        end: () => pool.end(),
      };
    },
    unreachable: () => pgvectorVectorStore({ url: "postgres://unforget@127.0.0.1:1/unforget", connectTimeoutMs: 2000 }),
  };
}
