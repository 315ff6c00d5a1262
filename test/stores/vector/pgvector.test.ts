import { randomBytes } from "node:crypto";
import { PGlite } from "@electric-sql/pglite";
import { vector as pgvectorExtension } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { VectorStore } from "../../../src/domain/vector-store.ts";
import { type PgvectorVectorStoreOptions, pgvectorVectorStore } from "../../../src/stores/vector/pgvector.ts";
import { cosineSimilarity, randomVectors, seededRandom } from "../../../src/testing/vector-data.ts";
import { type VectorStoreHarness, vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { newDataDir } from "../../support/embedded.ts";
import { describeServer } from "../../support/servers.ts";
import { tempSchema } from "../../support/temp-schema.ts";

type Similarity = (left: Float32Array, right: Float32Array) => number;

const newPrefix = () => `t_${randomBytes(6).toString("hex")}`;
const dot: Similarity = (left, right) => left.reduce((sum, value, index) => sum + value * right[index]!, 0);
const similarities = {
  cosine: cosineSimilarity,
  l2: (left, right) => -Math.hypot(...left.map((value, index) => value - right[index]!)),
  innerProduct: dot,
} satisfies Record<string, Similarity>;
const everybody = { tenant: "acme", userId: undefined, resourceId: undefined };
const anything = {
  scope: everybody,
  conversationId: undefined,
  roles: undefined,
  since: undefined,
  until: undefined,
  filter: undefined,
};

/** Schemas are dropped after the tests; a store of each test has tables of its own there. */
function onServer(url: string, schema: string, options: PgvectorVectorStoreOptions = {}): VectorStoreHarness {
  const tablePrefix = newPrefix();
  const place = { url: `${url}?application_name=${tablePrefix}`, schema, tablePrefix, maxConnections: 3, ...options };
  return {
    restart: () => endConnections(url, tablePrefix),
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

/** What a store sees of a server that starts again: its connections end. */
async function endConnections(url: string, application: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rowCount } = await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [
    application,
  ]);
  await client.end();
  expect(rowCount).toBeGreaterThan(0);
}

/** One PGlite for the tests of a `describe`, lent to each store. */
function lentPglite(): PGlite {
  const instance = new PGlite({ extensions: { vector: pgvectorExtension } });
  afterAll(() => instance.close());
  return instance;
}

for (const server of ["postgres", "postgres15", "pgbouncer"] as const) {
  describeServer(server, `pgvector on ${server}`, (url) => {
    const schema = tempSchema(url);
    vectorStoreSuite("pgvector vector store", () => {
      const made = onServer(url, schema);
      // The connections of a pooler are not the store's to lose.
      return server === "pgbouncer" ? { ...made, restart: undefined } : made;
    });
  });
}

describe("pgvector on a lent PGlite", () => {
  const client = lentPglite();
  vectorStoreSuite("pgvector vector store", () => {
    const tablePrefix = newPrefix();
    return {
      store: pgvectorVectorStore({ client, tablePrefix }),
      reopen: () => pgvectorVectorStore({ client, tablePrefix }),
      lend: () => ({
        store: pgvectorVectorStore({ client, tablePrefix: newPrefix() }),
        use: () => client.query("SELECT 1"),
        end: async () => {},
      }),
    };
  });
});

describeServer("postgres", "pgvector by its options", (url) => {
  const schema = tempSchema(url);
  // Every combination is looked at below; the whole suite runs where statements differ.
  const small = { rows: 1500, dimensions: 24 };
  for (const metric of ["l2", "innerProduct"] as const)
    vectorStoreSuite(`metric ${metric}`, () => onServer(url, schema, { metric }), { ...small, similarity: similarities[metric] });
  vectorStoreSuite("type halfvec", () => onServer(url, schema, { type: "halfvec" }), { ...small, indexed: true });
  vectorStoreSuite("index hnsw for every scope", () => onServer(url, schema, { exactRows: 0 }), { ...small, indexed: true });
});

// Every index x type x metric, through the index -----------------------------------------------------------------------

const dimensions = 64;

/** Vectors as texts have them: near each other by subject, their lengths alike. */
function clusteredVectors(count: number, seed: number): Float32Array[] {
  const random = seededRandom(seed);
  const centres = randomVectors(60, dimensions, 1).map(normal);
  return randomVectors(count, dimensions, seed).map((noise) => {
    const centre = centres[Math.floor(random() * centres.length)]!;
    const length = 0.9 + 0.2 * random();
    return normal(noise).map((value, index) => length * (value + centre[index]!));
  });
}

function normal(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / length);
}

const entriesOf = (vectors: readonly Float32Array[]) =>
  vectors.map((vector, index) => ({
    tenant: "acme",
    userId: index % 3 === 0 ? "ada" : "ben",
    conversationId: "plans",
    messageId: `m${index}`,
    resourceId: "agent",
    role: "user",
    seq: index,
    createdAt: new Date(1_768_000_000_000 + index),
    importance: null,
    revision: "r",
    metadata: { tenth: index % 10 },
    vector,
  }));

/** How many of the ten nearest are found, of those brute force finds. */
async function recallAtTen(store: VectorStore, vectors: readonly Float32Array[], similarity: Similarity, userId: string | undefined) {
  const queries = clusteredVectors(20, 77);
  let found = 0;
  for (const vector of queries) {
    const mine = vectors.filter((_, index) => userId === undefined || (index % 3 === 0) === (userId === "ada"));
    const least = mine.map((one) => similarity(one, vector)).sort((left, right) => right - left)[9]! - 1e-6;
    const matches = await store.query({ ...anything, scope: { ...everybody, userId }, vector, limit: 10 });
    expect(matches).toHaveLength(10);
    found += matches.filter(({ seq }) => similarity(vectors[seq]!, vector) >= least).length;
  }
  return found / (10 * queries.length);
}

function everyCombination(rows: number, client: () => PgvectorVectorStoreOptions, indexesOf: (prefix: string) => Promise<string[]>): void {
  const vectors = clusteredVectors(rows, 5);
  for (const type of ["vector", "halfvec", "bit"] as const) {
    const tablePrefix = newPrefix();
    for (const metric of ["cosine", "l2", "innerProduct"] as const) {
      for (const index of ["hnsw", "ivfflat", "none"] as const) {
        test(`${index}, ${type}, ${metric}: finds 98 of 100 and more, and builds its index when it is needed`, {
          timeout: 120_000,
        }, async () => {
          const open = async () => {
            const store = pgvectorVectorStore({ ...client(), tablePrefix, index, type, metric, exactRows: 500 });
            onTestFinished(() => store.close());
            await store.useSpace({ model: "test/clusters", dimensions });
            return store;
          };
          const store = await open();
          if ((await store.count(everybody)) === 0) await store.upsert(entriesOf(vectors));
          await store.query({ ...anything, vector: vectors[0]!, limit: 10 });
          await store.maintain?.();
          const found = await recallAtTen(await open(), vectors, similarities[metric], undefined);
          const foundOfOne = await recallAtTen(await open(), vectors, similarities[metric], "ada");
          expect([found, foundOfOne].map((recall) => recall >= 0.98)).toEqual([true, true]);
          const words = { hnsw: "_hnsw_", ivfflat: "_ivf_", none: undefined }[index];
          if (words !== undefined) expect((await indexesOf(tablePrefix)).filter((name) => name.includes(words))).toHaveLength(1);
        });
      }
    }
  }
}

const indexesSql = (prefix: string) =>
  `SELECT indexname AS name FROM pg_indexes WHERE tablename = '${prefix}_embeddings' AND indexname NOT LIKE '%pkey'`;

describe("each pgvector index (PGlite)", () => {
  const client = lentPglite();
  everyCombination(
    1200,
    () => ({ client }),
    async (prefix) => (await client.query<{ name: string }>(indexesSql(prefix))).rows.map(({ name }) => name),
  );
});

describeServer("postgres", "each pgvector index (postgres)", (url) => {
  const schema = tempSchema(url);
  const client = new pg.Pool({ connectionString: url, max: 3 });
  afterAll(() => client.end());
  everyCombination(
    4000,
    () => ({ client, schema }),
    async (prefix) => (await client.query<{ name: string }>(indexesSql(prefix))).rows.map(({ name }) => name),
  );
});

describe("the pgvector store", () => {
  test("keeps its vectors in a directory, for the next process", async () => {
    const dataDir = newDataDir();
    for (const turn of [1, 2]) {
      const store = pgvectorVectorStore({ dataDir });
      await store.useSpace({ model: "a", dimensions });
      expect(await store.count(everybody)).toBe(turn - 1);
      await store.upsert(entriesOf(clusteredVectors(1, 5)));
      await store.close();
    }
  });

  test("refuses what it does not know, and two databases at once", () => {
    expect(() => pgvectorVectorStore({ index: "tree" as "none" })).toThrow('[index] "tree" is not known');
    expect(() => pgvectorVectorStore({ metric: "manhattan" as "l2" })).toThrow("[metric]");
    expect(() => pgvectorVectorStore({ url: "postgres://a", dataDir: "b" })).toThrow("more than one database");
    expect(() => pgvectorVectorStore({ exactRows: -1 })).toThrow("[exactRows]");
  });

  test("writes no vectors of the older model when another process chose another one meanwhile", async () => {
    const client = new PGlite({ extensions: { vector: pgvectorExtension } });
    onTestFinished(() => client.close());
    const first = pgvectorVectorStore({ client });
    await first.useSpace({ model: "a", dimensions });
    await pgvectorVectorStore({ client }).useSpace({ model: "b", dimensions });
    const writing = first.upsert(entriesOf(clusteredVectors(1, 5)));
    await expect(writing).rejects.toMatchObject({ code: "dimension_mismatch", model: "b" });
  });

  test("refuses another type for the vectors it has", async () => {
    const client = new PGlite({ extensions: { vector: pgvectorExtension } });
    onTestFinished(() => client.close());
    const first = pgvectorVectorStore({ client });
    await first.useSpace({ model: "a", dimensions });
    await first.upsert(entriesOf(clusteredVectors(1, 5)));
    await expect(pgvectorVectorStore({ client, type: "halfvec" }).useSpace({ model: "a", dimensions })).rejects.toThrow(
      "holds vectors as vector, and the option type asks for halfvec",
    );
    await pgvectorVectorStore({ client, type: "bit" }).useSpace({ model: "a", dimensions });
  });
});
