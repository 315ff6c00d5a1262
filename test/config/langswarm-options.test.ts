import { describe, expect, test } from "vitest";
import { langswarmMemoryOptions } from "../../src/config/langswarm-options.ts";

const options = (config: Parameters<typeof langswarmMemoryOptions>[0], variables = {}) => langswarmMemoryOptions(config, variables);

describe("what LangSwarm's settings mean", () => {
  test("false is no memory; true and auto choose by the environment", () => {
    expect(options(false)).toBeUndefined();
    expect(options({ backend: "redis", enabled: false })).toBeUndefined();
    expect(options(true)).toEqual({ sessions: { store: "sqlite", path: "langswarm_memory.db" } });
    expect(options("auto", { REDIS_HOST: "cache" })).toEqual({
      sessions: { store: "redis", url: "redis://cache:6379", keyPrefix: "langswarm:memory:" },
    });
  });

  test.each([
    ["development", {}, { store: "sqlite", path: "langswarm_dev_memory.db" }],
    ["testing", {}, { store: "memory" }],
    ["production", {}, { store: "sqlite", path: "langswarm_production_memory.db" }],
    ["production", { REDIS_URL: "redis://r" }, { store: "redis", url: "redis://r", keyPrefix: "langswarm:v2:memory:", ttlSeconds: 86_400 }],
    ["cloud", { REDISCLOUD_URL: "redis://c" }, { store: "redis", url: "redis://c", keyPrefix: "langswarm:cloud:memory:" }],
    ["in_memory", {}, { store: "memory" }],
  ])("%s with %j", (preset, variables, sessions) => {
    expect(options(preset, variables)).toEqual({ sessions });
    expect(options({ backend: preset }, variables)).toEqual({ sessions });
  });

  test("settings, config and bare keywords, in either case, are the same", () => {
    const wanted = {
      sessions: {
        store: "postgres",
        host: "localhost",
        port: 5432,
        database: "langswarm",
        user: "admin",
        password: "password",
        schema: "ls",
        tablePrefix: "a_unforget",
      },
    };
    const settings = { host: "localhost", port: 5432, database: "langswarm", user: "admin", password: "password", schema: "ls" };
    expect(options({ backend: "postgres", settings: { ...settings, table_prefix: "a_" } })).toEqual(wanted);
    expect(options({ backend: "postgres", config: { ...settings, tablePrefix: "a_" } })).toEqual(wanted);
    expect(options({ backend: "postgres", ...settings, table_prefix: "a_" })).toEqual(wanted);
  });

  test("vectors are made where they are asked for, with the key given or that of the environment", () => {
    const base = { backend: "postgres", url: "postgres://db/app" };
    expect(options({ ...base, enable_vector: false })).toMatchObject({ embedding: false });
    expect(options({ ...base, enableVector: true })).not.toHaveProperty("embedding");
    const embedding = { provider: "openai", model: "text-embedding-3-small", api_key: "sk-1" };
    expect(options({ ...base, enable_vector: true, embedding_dimension: 512, embedding })).toMatchObject({
      embedding: { provider: "openai", model: "text-embedding-3-small", apiKey: "sk-1", dimensions: 512 },
    });
    expect(options({ ...base, embedding: { provider: "openai" } }, { OPENAI_API_KEY: "sk-2" })).toMatchObject({
      embedding: { apiKey: "sk-2" },
    });
    expect(options({ ...base, embedding: { provider: "ollama", model: "nomic-embed-text" } })).toMatchObject({
      embedding: { provider: "ollama", model: "nomic-embed-text" },
    });
  });

  test.each([
    [
      { backend: "mongodb", settings: { uri: "mongodb://m", collection_prefix: "ls_" } },
      { store: "mongodb", uri: "mongodb://m", database: "langswarm_memory", collectionPrefix: "ls_" },
    ],
    [
      { backend: "elasticsearch", settings: { hosts: ["http://e"], api_key: "k" } },
      { store: "elasticsearch", hosts: ["http://e"], indexPrefix: "langswarm_memory", apiKey: "k" },
    ],
    [
      { backend: "bigquery", settings: { project_id: "p", dataset_id: "d", credentials_path: "key.json", retention_days: 180 } },
      { store: "bigquery", projectId: "p", dataset: "d", credentials: { keyFilename: "key.json" }, retentionDays: 180 },
    ],
    [
      { backend: "redis", settings: { url: "redis://r", db: 2 } },
      { store: "redis", url: "redis://r/2", keyPrefix: "langswarm:memory:" },
    ],
  ])("%j", (config, sessions) => expect(options(config)).toEqual({ sessions }));

  test.each([
    [
      "pinecone",
      { api_key: "k", environment: "us-west1", index_name: "agent-memory" },
      { store: "pinecone", apiKey: "k", environment: "us-west1", index: "agent-memory" },
    ],
    ["qdrant", { url: "http://q", api_key: "k" }, { store: "qdrant", url: "http://q", apiKey: "k", collection: "langswarm_default" }],
    ["chroma", { host: "c", port: 8000 }, { store: "chroma", host: "c", port: 8000, collection: "langswarm_default" }],
    ["redis", { url: "redis://r" }, { store: "redis", url: "redis://r", keyPrefix: "vectors:" }],
    ["sqlite", { db_path: "v.db" }, { store: "sqlite", path: "v.db" }],
    ["pgvector", { dsn: "postgres://db/app", index_method: "ivfflat" }, { store: "pgvector", url: "postgres://db/app", index: "ivfflat" }],
  ])("the vector backend keeps vectors in %s and sessions in memory", (store_type, connection_params, vectors) => {
    expect(options({ backend: "vector", settings: { vector_store: { store_type, connection_params } } })).toEqual({
      sessions: { store: "memory" },
      vectors,
    });
  });

  test("the vector backend keeps sessions in a store named beside it", () => {
    const settings = {
      enable_semantic_search: true,
      vector_store: { store_type: "qdrant" },
      session_store: { backend: "sqlite", settings: { db_path: "s.db" } },
    };
    expect(options({ backend: "vector", settings })).toEqual({
      sessions: { store: "sqlite", path: "s.db" },
      vectors: { store: "qdrant", collection: "langswarm_default" },
    });
  });

  test("what LangSwarm does not have is an error that names what it has", () => {
    expect(() => options("oracle")).toThrow('"oracle" is not known: use in_memory');
    expect(() => options({ backend: "vector", vector_store: { store_type: "faiss" } })).toThrow("use pinecone, qdrant");
  });
});
