import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Environment } from "../../src/cli/environment.ts";
import { describePlace, embeddedDirectory, memoryOptions } from "../../src/cli/settings.ts";
import { newDirectory } from "./run-cli.ts";

const empty: Environment = {
  url: undefined,
  dataDir: undefined,
  schema: undefined,
  tablePrefix: undefined,
  tenant: undefined,
  embedding: undefined,
  server: undefined,
  openaiApiKey: undefined,
  openaiBaseUrl: undefined,
  ollamaBaseUrl: undefined,
  secrets: [],
};
const server = { host: "db", port: undefined, database: "agentdb", user: "agent", password: "changeme" };

function configFile(content: string, name = "unforget.json"): string {
  const file = join(newDirectory(), name);
  writeFileSync(file, content);
  return file;
}

test("nothing said: the defaults of createMemory", async () => {
  expect(await memoryOptions({}, empty)).toEqual({});
});

test("options win over the file, the file over the environment", async () => {
  const config = configFile('{ "url": "postgres://file/db", "schema": "file", "embedding": false }');
  const environment = {
    ...empty,
    url: "postgres://environment/db",
    schema: "environment",
    tenant: "environment",
    embedding: "builtin",
    server,
  };
  expect(await memoryOptions({ config, schema: "flag" }, environment)).toEqual({
    url: "postgres://file/db",
    schema: "flag",
    tenant: "environment",
    embedding: false,
  });
  expect(await memoryOptions({ config, dataDir: "./here" }, environment)).toMatchObject({ dataDir: "./here" });
  expect(await memoryOptions({ config, dataDir: "./here" }, environment)).not.toHaveProperty("url");
});

test("PG_HOST and its like are used when no database is named otherwise", async () => {
  expect(await memoryOptions({}, { ...empty, server })).toEqual({ host: "db", database: "agentdb", user: "agent", password: "changeme" });
  expect(await memoryOptions({}, { ...empty, server, url: "postgres://u/db" })).toEqual({ url: "postgres://u/db" });
  expect(await memoryOptions({ url: "postgres://u/db" }, { ...empty, server })).toEqual({ url: "postgres://u/db" });
});

test("names go into the options of a store by name", async () => {
  const config = configFile('{ "sessions": { "store": "postgres", "url": "postgres://a/b" } }');
  expect(await memoryOptions({ config, schema: "s" }, empty)).toEqual({
    sessions: { store: "postgres", url: "postgres://a/b", schema: "s" },
  });
});

test("a module may give the options too", async () => {
  const config = configFile('export default { tenant: "acme" };', "unforget.mjs");
  expect(await memoryOptions({ config }, empty)).toEqual({ tenant: "acme" });
});

test.each([
  ['{ "ulr": "postgres://a/b" }', 'unknown field "ulr"'],
  ["[]", "holds no options"],
  ["{ password: 'hunter2' }", "is not valid JSON"],
])("a configuration file with %s is refused", async (content, reason) => {
  const refusal = memoryOptions({ config: configFile(content) }, empty);
  await expect(refusal).rejects.toThrow(reason);
  await expect(refusal).rejects.not.toThrow("hunter2");
});

test.each([
  ["builtin", "builtin"],
  ["none", false],
  ["openai/text-embedding-3-small", { provider: "openai", model: "text-embedding-3-small", apiKey: "sk-1", baseUrl: undefined }],
  ["ollama/nomic-embed-text", { provider: "ollama", model: "nomic-embed-text", baseUrl: undefined }],
  ["transformers/Xenova/all-MiniLM-L6-v2", { provider: "transformers", model: "Xenova/all-MiniLM-L6-v2" }],
])("--embedding %s", async (embedding, choice) => {
  expect((await memoryOptions({ embedding }, { ...empty, openaiApiKey: "sk-1" })).embedding).toEqual(choice);
});

test("an embedding model that is unknown, or has no key, is refused with what to do", async () => {
  await expect(memoryOptions({ embedding: "word2vec" }, empty)).rejects.toThrow("say builtin, none, openai/MODEL");
  await expect(memoryOptions({ embedding: "openai/m" }, empty)).rejects.toThrow("[OPENAI_API_KEY] is not set");
});

test("a place is described without user and password", () => {
  expect(describePlace({ url: "postgres://me:secret@db:5433/app?sslmode=require" })).toBe("postgres://db:5433/app");
  expect(describePlace(server)).toBe("postgres://db:5432/agentdb");
  expect(describePlace({})).toBe("the directory ./.unforget");
  expect(embeddedDirectory({ url: "postgres://db/app" })).toBeUndefined();
});
