import type pg from "pg";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  PostgreSQLVectorAdapter,
  type PostgreSQLVectorAdapterOptions,
  PostgresVectorAdapter,
  type SearchResult,
} from "../../src/adapters/voltagent.ts";
import { type ConnectionPlace, describeConnections } from "../support/connections.ts";
import { newId } from "../support/engines.ts";

const vectorError = { name: "VectorError", code: "VECTOR_ERROR" };

test("the class has the name of the documents, too", () => {
  expect(PostgresVectorAdapter).toBe(PostgreSQLVectorAdapter);
  expectTypeOf<pg.Pool>().toExtend<PostgreSQLVectorAdapterOptions["connection"]>();
});

test("options that cannot be right are refused at once", () => {
  const connection = "postgres://localhost/nowhere";
  expect(() => new PostgreSQLVectorAdapter({ connection: "" })).toThrow("[connection]");
  expect(() => new PostgreSQLVectorAdapter({ connection, maxVectorDimensions: 20_000 })).toThrow("[maxVectorDimensions]");
  expect(() => new PostgreSQLVectorAdapter({ connection, batchSize: 0 })).toThrow("[batchSize]");
  expect(() => new PostgreSQLVectorAdapter({ connection, tablePrefix: 'x"; DROP TABLE y' })).toThrow("[tablePrefix]");
  expect(() => new PostgreSQLVectorAdapter({ connection, searchPath: '"no way", public' })).toThrow("[schema]");
});

test("a server that cannot be reached is a rejected promise", async () => {
  const adapter = new PostgreSQLVectorAdapter({ connection: "postgres://127.0.0.1:1/nowhere" });
  await expect(adapter.count()).rejects.toMatchObject({ ...vectorError, details: { code: "backend_unavailable" } });
  await adapter.close();
  await expect(adapter.count()).rejects.toMatchObject({ ...vectorError, details: { code: "closed" } });
});

describeConnections("VoltAgent's vectors", (place) => {
  const adapter = (options: Partial<PostgreSQLVectorAdapterOptions> = {}) =>
    place.opened(new PostgreSQLVectorAdapter({ connection: place.connection, schema: place.schema, tablePrefix: newPrefix(), ...options }));

  test("a vector is stored, replaced, found, read and deleted by its id", async () => {
    const vectors = adapter();
    expect(await vectors.search([1, 0])).toEqual([]);
    expect(await vectors.get("a")).toBeNull();
    expect(await vectors.count()).toBe(0);
    await vectors.delete("a");
    await vectors.clear();

    await vectors.store("a", [1, 0.1], { kind: "first", nested: { b: 1, a: [1, null] } });
    await vectors.store("a", [0.1, 1], { kind: "second" });
    expect(await vectors.get("a")).toEqual({ id: "a", vector: [0.1, 1], metadata: { kind: "second" } });
    await vectors.store("a", [0.25, 1]);
    expect(await vectors.get("a")).toEqual({ id: "a", vector: [0.25, 1] });
    expect(await vectors.count()).toBe(1);
    await vectors.delete("a");
    expect(await vectors.get("a")).toBeNull();
  });

  test("what comes out is what went in, NUL and the order of keys included, and is the caller's own", async () => {
    const vectors = adapter();
    const metadata = { z: 1, a: { y: "nul \0 and half \ud83d", x: [true, null, 1.5] } };
    await vectors.storeBatch([{ id: "é'\"$1", vector: [1, 2, 3], metadata, content: "text \0 with 'quotes'" }]);
    const found = await vectors.get("é'\"$1");
    expect(JSON.stringify(found)).toBe(JSON.stringify({ id: "é'\"$1", vector: [1, 2, 3], metadata, content: "text \0 with 'quotes'" }));
    found!.vector[0] = 9;
    found!.metadata!.z = 9;
    expect(await vectors.get("é'\"$1")).toMatchObject({ vector: [1, 2, 3], metadata: { z: 1 } });
  });

  test("score is (cosine + 1) / 2, distance is 1 - cosine, best first", async () => {
    const vectors = adapter();
    await vectors.storeBatch([
      { id: "same", vector: [2, 0] },
      { id: "square", vector: [0, 1] },
      { id: "near", vector: [1, 1] },
      { id: "opposite", vector: [-3, 0] },
      { id: "nowhere", vector: [0, 0] },
    ]);
    const found = await vectors.search([1, 0]);
    expect(found.map(({ id }) => id)).toEqual(["same", "near", "nowhere", "square", "opposite"]);
    const cosines = [1, Math.SQRT1_2, 0, 0, -1];
    found.forEach(({ score, distance }, index) => {
      expect(score).toBeCloseTo((cosines[index]! + 1) / 2, 6);
      expect(distance).toBeCloseTo(1 - cosines[index]!, 6);
    });
    expect(await vectors.search([1, 0], { limit: 2 })).toEqual(found.slice(0, 2));
    expect((await vectors.search([1, 0], { threshold: 0.7 })).map(({ id }) => id)).toEqual(["same", "near"]);
    expect(await vectors.search([1, 0], { limit: 0 })).toEqual([]);
    expect((await vectors.search([0, 0])).map(({ score }) => score)).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
  });

  test("a filter compares top-level fields strictly", async () => {
    const vectors = adapter();
    await vectors.storeBatch([
      { id: "text", vector: [1, 0], metadata: { userId: "1", tags: ["a", "b"], deep: { x: 1, y: 2 } } },
      { id: "number", vector: [1, 0], metadata: { userId: 1, flag: false, gone: null } },
      { id: "none", vector: [1, 0] },
    ]);
    const ids = async (filter: Record<string, unknown>) => (await vectors.search([1, 0], { filter })).map(({ id }) => id);
    expect(await ids({ userId: "1" })).toEqual(["text"]);
    expect(await ids({ userId: 1 })).toEqual(["number"]);
    expect(await ids({ userId: 1, flag: true })).toEqual([]);
    expect(await ids({ flag: false, gone: null })).toEqual(["number"]);
    expect(await ids({ tags: "a" })).toEqual([]);
    expect(await ids({ tags: ["a"] })).toEqual([]);
    expect(await ids({ tags: ["a", "b"] })).toEqual(["text"]);
    expect(await ids({ deep: { x: 1 } })).toEqual([]);
    expect(await ids({ deep: { y: 2, x: 1 } })).toEqual(["text"]);
    expect(await ids({ flag: undefined })).toEqual(["none", "text"]);
    expect(await ids({ "x') OR true --": 1 })).toEqual([]);
    expect(await ids({})).toEqual(["none", "number", "text"]);
  });

  test("a batch lands whole or not at all, also over several statements", async () => {
    const vectors = adapter({ batchSize: 2 });
    const items = Array.from({ length: 5 }, (_, index) => ({ id: `v${index}`, vector: [index, 1] }));
    await vectors.storeBatch(items);
    expect(await vectors.count()).toBe(5);
    await expect(vectors.storeBatch([...items, { id: "bad", vector: [1, Number.NaN] }])).rejects.toMatchObject(vectorError);
    await expect(
      vectors.storeBatch([
        { id: "new", vector: [1, 1] },
        { id: "bad", vector: [1] },
      ]),
    ).rejects.toMatchObject(vectorError);
    await expect(
      vectors.storeBatch([
        { id: "new", vector: [1, 1] },
        { id: "", vector: [1, 2] },
      ]),
    ).rejects.toMatchObject(vectorError);
    expect(await vectors.count()).toBe(5);
    await vectors.storeBatch([
      { id: "twice", vector: [1, 1] },
      { id: "twice", vector: [2, 1] },
    ]);
    expect((await vectors.get("twice"))?.vector).toEqual([2, 1]);
    await vectors.storeBatch([]);
    await vectors.deleteBatch(["v0", "v1", "unknown", "nul\0"]);
    await vectors.deleteBatch([]);
    expect(await vectors.count()).toBe(4);
  });

  test("NaN, infinities, other lengths and too long vectors are refused, also by an adapter that was just made", async () => {
    const tablePrefix = newPrefix();
    const first = adapter({ tablePrefix, maxVectorDimensions: 4 });
    await first.store("a", [1, 2, 3]);
    for (const bad of [[1, Number.NaN, 3], [1, Number.POSITIVE_INFINITY, 3], [1, 2], [1, 2, 3, 4], [1, 2, 3, 4, 5], [], [1, 2, 1e300]])
      for (const one of [first, adapter({ tablePrefix, maxVectorDimensions: 4 })]) {
        await expect(one.store("b", bad)).rejects.toMatchObject(vectorError);
        await expect(one.search(bad)).rejects.toMatchObject(vectorError);
      }
    await expect(first.store("b", [1, 2])).rejects.toThrow("a vector of 2 dimensions does not fit the table, which holds vectors of 3");
    expect(await first.count()).toBe(1);
  });

  test("an empty table takes vectors of another length, and other adapters follow", async () => {
    const tablePrefix = newPrefix();
    const [one, other] = [adapter({ tablePrefix }), adapter({ tablePrefix })];
    await one.store("a", [1, 2, 3]);
    expect(await other.count()).toBe(1);
    expect(await other.search([1, 2, 3])).toHaveLength(1);
    await one.clear();
    await one.store("a", [1, 2]);
    expect(await other.search([1, 2])).toHaveLength(1);
    await other.store("b", [2, 1]);
    await expect(other.store("c", [1, 2, 3])).rejects.toMatchObject(vectorError);
    expect(await one.count()).toBe(2);
  });

  test("adapters that begin at once make one table, and 64 callers are served over one connection", async () => {
    const tablePrefix = newPrefix();
    const adapters = Array.from({ length: 4 }, () => adapter({ tablePrefix, maxConnections: 1 }));
    await Promise.all(Array.from({ length: 64 }, (_, index) => adapters[index % 4]!.store(`v${index % 32}`, [index, 1])));
    expect(await adapters[0]!.count()).toBe(32);
  });

  test("a foreign table of the name is left alone", async () => {
    const tablePrefix = newPrefix();
    await place.sql(`CREATE TABLE ${place.schema}.${tablePrefix}_vectors (id int)`).catch(() => createIn(place, tablePrefix));
    await expect(adapter({ tablePrefix }).store("a", [1])).rejects.toMatchObject({ ...vectorError, message: /neither VoltAgent's nor/ });
  });

  test("a table of VoltAgent's own is taken over once, and kept as a backup", async () => {
    const tablePrefix = newPrefix();
    const legacy = `"${place.schema}".${tablePrefix}_vectors`;
    await place.sql(`CREATE SCHEMA IF NOT EXISTS "${place.schema}"`);
    await place.sql(`CREATE TABLE ${legacy} (id TEXT PRIMARY KEY, vector BYTEA NOT NULL, dimensions INTEGER NOT NULL, metadata JSONB, content TEXT,
      created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)`);
    const bytes = (vector: readonly number[]) => `\\x${Buffer.from(Float32Array.from(vector).buffer).toString("hex")}`;
    const insert = (id: string, vector: readonly number[], metadata: object | null, content: string | null) =>
      place.sql(
        `INSERT INTO ${legacy} (id, vector, dimensions, metadata, content, created_at) VALUES ($1, $2::text::bytea, $3, $4::text::jsonb, $5, '2025-01-02T03:04:05Z')`,
        [id, bytes(vector), vector.length, metadata === null ? null : JSON.stringify(metadata), content],
      );
    const metadata = { messageId: "m_1", conversationId: "c_1", userId: "u" };
    await insert("msg_c_1_m_1", [0.5, -0.25, 3], metadata, "said");
    await insert("other", [0, 1, 0], null, null);
    await insert("short", [1, 2], null, null);
    await insert("broken", [1, Number.NaN, 2], null, null);

    const adapters = [adapter({ tablePrefix }), adapter({ tablePrefix })];
    await Promise.all(adapters.map((one) => one.count()));
    expect(await adapters[0]!.get("msg_c_1_m_1")).toEqual({ id: "msg_c_1_m_1", vector: [0.5, -0.25, 3], metadata, content: "said" });
    expect((await adapters[1]!.search([0.5, -0.25, 3], { filter: { userId: "u" } })).map(({ id, score }) => [id, score])).toEqual([
      ["msg_c_1_m_1", 1],
    ]);
    expect(await adapters[0]!.count()).toBe(2);
    const rows = await place.sql<{ n: number }>(`SELECT count(*)::int AS n FROM "${place.schema}".${tablePrefix}_vectors_backup`);
    expect(rows[0]?.n).toBe(4);
    const times = await place.sql<{ at: string }>(`SELECT created_at::text AS at FROM ${legacy} WHERE created_at = '2025-01-02T03:04:05Z'`);
    expect(times).toHaveLength(2);
  });

  test("recall@10 is that of brute force through the index, at every selectivity", { timeout: 120_000 }, async () => {
    const [rows, dimensions, exactRows] = [6000, 32, 500];
    const vectors = adapter({ exactRows, batchSize: 2000 });
    const random = seeded(7);
    // Clusters, as texts have them.
    const centres = Array.from({ length: 60 }, () => Array.from({ length: dimensions }, () => random() - 0.5));
    const near = (centre: readonly number[]) => centre.map((value) => value + (random() - 0.5) * 0.6);
    const items = Array.from({ length: rows }, (_, index) => ({
      id: `v${index}`,
      vector: near(centres[index % 60]!),
      metadata: { all: true, tenth: index % 10, hundredth: index % 100 },
    }));
    await vectors.storeBatch(items);
    await vectors.buildIndex();
    await place.sql(`ANALYZE`);
    for (const filter of [{}, { all: true }, { tenth: 3 }, { hundredth: 42 }]) {
      let found = 0;
      const rounds = 15;
      for (let round = 0; round < rounds; round++) {
        const query = near(centres[Math.floor(random() * 60)]!);
        const wanted = bruteForce(items, query, filter);
        const results = await vectors.search(query, { filter });
        expect(results).toHaveLength(10);
        found += results.filter(({ id }) => wanted.includes(id)).length;
        expectInOrder(results);
      }
      expect(found / (10 * rounds)).toBeGreaterThanOrEqual(0.98);
    }
  });

  test("the index is made when a search has come to need it", async () => {
    const tablePrefix = newPrefix();
    const vectors = adapter({ tablePrefix, exactRows: 10, maxConnections: 1 });
    await vectors.storeBatch(Array.from({ length: 50 }, (_, index) => ({ id: `v${index}`, vector: [index + 1, 1] })));
    expect((await vectors.search([1, 1], { limit: 1 })).map(({ id }) => id)).toEqual(["v0"]);
    await vectors.close();
    const indexes = await place.sql<{ indexdef: string }>(
      `SELECT indexdef FROM pg_indexes WHERE schemaname = '${place.schema}' AND tablename = '${tablePrefix}_vectors'`,
    );
    expect(indexes.some(({ indexdef }) => /USING hnsw \(.*halfvec/.test(indexdef))).toBe(true);
  });
});

async function createIn(place: ConnectionPlace, tablePrefix: string): Promise<void> {
  await place.sql(`CREATE SCHEMA IF NOT EXISTS "${place.schema}"`);
  await place.sql(`CREATE TABLE "${place.schema}".${tablePrefix}_vectors (id int)`);
}

const newPrefix = () => newId("va").replaceAll("-", "_");

function expectInOrder(results: readonly SearchResult[]): void {
  const scores = results.map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((left, right) => right - left));
}

interface Item {
  readonly id: string;
  readonly vector: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

function bruteForce(items: readonly Item[], query: readonly number[], filter: Readonly<Record<string, unknown>>): string[] {
  const dot = (left: readonly number[], right: readonly number[]) => left.reduce((sum, value, index) => sum + value * right[index]!, 0);
  const cosine = (vector: readonly number[]) => dot(vector, query) / Math.sqrt(dot(vector, vector) * dot(query, query));
  return items
    .filter(({ metadata }) => Object.entries(filter).every(([field, value]) => metadata[field] === value))
    .map(({ id, vector }) => ({ id, similarity: cosine(vector) }))
    .toSorted((left, right) => right.similarity - left.similarity)
    .slice(0, 10)
    .map(({ id }) => id);
}

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe("without a database", () => {
  test("nothing is opened before the first call", () => {
    expect(() => new PostgreSQLVectorAdapter({ connection: { host: "nowhere.invalid", database: "x" } })).not.toThrow();
  });
});
