import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createMemory, loadConfig } from "../../src/index.ts";

function file(name: string, content: string): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

const unforget = `
sessions: { store: redis, url: "\${REDIS_URL}", ttlSeconds: 86400 }
vectors: { store: qdrant, url: "http://localhost:6333", collection: "\${COLLECTION:-agent-memory}" }
embedding: { provider: openai, model: text-embedding-3-small, apiKey: "\${OPENAI_API_KEY}" }
agents:
  - id: my-agent
    memory: { tenant: acme, embedding: false }
  - id: other
`;
const env = { REDIS_URL: "redis://cache:6379", OPENAI_API_KEY: "sk-secret" };

test("a YAML file holds the options of createMemory; variables are filled in", async () => {
  expect(await loadConfig(file("unforget.yaml", unforget), { env })).toEqual({
    sessions: { store: "redis", url: "redis://cache:6379", ttlSeconds: 86_400 },
    vectors: { store: "qdrant", url: "http://localhost:6333", collection: "agent-memory" },
    embedding: { provider: "openai", model: "text-embedding-3-small", apiKey: "sk-secret" },
  });
});

test("an agent has what is common, and its own on top", async () => {
  const path = file("unforget.yml", unforget);
  expect(await loadConfig(path, { agent: "my-agent", env })).toMatchObject({
    tenant: "acme",
    embedding: false,
    sessions: { store: "redis" },
  });
  expect(await loadConfig(path, { agent: "other", env })).not.toHaveProperty("tenant");
  await expect(loadConfig(path, { agent: "nobody", env })).rejects.toThrow('"nobody" is not in');
});

test("JSON and modules are read too, and createMemory takes what comes back", async () => {
  expect(await loadConfig(file("unforget.json", '{ "dataDir": "memory://", "tenant": "acme" }'))).toEqual({
    dataDir: "memory://",
    tenant: "acme",
  });
  const module = file("memory.config.mjs", 'export default { dataDir: "memory://", embedding: false };');
  await using memory = createMemory(await loadConfig(module));
  const mine = memory.scope({ userId: "user-1" });
  await mine.addMessages("c1", "The bridge opens in May.");
  expect((await mine.recall("bridge"))[0]?.text).toBe("The bridge opens in May.");
});

test("a placeholder is filled once, and can be escaped", async () => {
  const placeholder = (name: string) => `\${${name}}`;
  const path = file("unforget.yaml", `tenant: "$${placeholder("NAME")} ${placeholder("NAME")}"\n`);
  const variables = { NAME: placeholder("OTHER"), OTHER: "x" };
  expect(await loadConfig(path, { env: variables })).toEqual({ tenant: `${placeholder("NAME")} ${placeholder("OTHER")}` });
});

test("a variable that is not set is named, with its place", async () => {
  await expect(loadConfig(file("unforget.yaml", unforget), { env: { REDIS_URL: "redis://cache" } })).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("embedding.apiKey needs the environment variable OPENAI_API_KEY"),
  });
});

test.each([
  ["unforget.yaml", "sesions: {}\n", 'unknown field "sesions"'],
  ["unforget.yaml", "agents: [{ id: a, memory: { tenants: x } }]\n", 'unknown field "tenants" in agents[0].memory'],
  ["unforget.yaml", "- 1\n", "holds no options"],
  ["unforget.yaml", "url: 'postgres://me:hush@db/app\n", "is not valid YAML"],
  ["unforget.toml", "", "neither a YAML or JSON file"],
  ["langswarm.yaml", "memory: { backend: oracle }\n", '"oracle" is not known'],
  ["langswarm.yaml", "memory: { enabled: false, backend: redis }\n", "is switched off"],
  ["langswarm.yaml", "agents: [{ id: a, memory: false }]\n", "is switched off"],
  ["langswarm.yaml", "agents: [{ id: a, memory: 3 }]\n", 'the memory of agent "a" must be'],
])("%s with %j is refused: %s", async (name, content, message) => {
  const agent = content.includes("agents") ? { agent: "a" } : {};
  await expect(loadConfig(file(name, content), agent)).rejects.toThrow(message);
});

test("no error quotes the file", async () => {
  const broken = file("unforget.json", '{ "password": "hush", }');
  await expect(loadConfig(broken)).rejects.toSatisfy((error: Error) => !error.message.includes("hush"));
  await expect(loadConfig(join(tmpdir(), "no-such-file.yaml"))).rejects.toThrow("does not exist");
});

/** The YAML of LangSwarm's PostgreSQL page, as it stands there. */
const document = `
agents:
  - id: "my-agent"
    memory:
      enabled: true
      backend: "postgres"
      config:
        url: "postgresql://user:pass@postgresql.railway.internal:5432/railway"
        enable_vector: true
        embedding:
          provider: "openai"
          model: "text-embedding-3-small"
`;

test("the langswarm.yaml of its documents is read as it is", async () => {
  expect(await loadConfig(file("langswarm.yaml", document), { agent: "my-agent", env: { OPENAI_API_KEY: "sk-1" } })).toEqual({
    sessions: {
      store: "postgres",
      url: "postgresql://user:pass@postgresql.railway.internal:5432/railway",
      schema: "public",
      tablePrefix: "unforget",
    },
    embedding: { provider: "openai", model: "text-embedding-3-small", apiKey: "sk-1" },
  });
});

test("a global memory is every agent's, unless it has its own; settings and config are both taken", async () => {
  const path = file(
    "langswarm.yaml",
    `
memory: { backend: redis, settings: { url: "\${CACHE}", key_prefix: "ls:v1:", ttl: 60 } }
agents:
  - id: a
  - id: b
    memory: { backend: sqlite, config: { db_path: ./b.db } }
  - id: c
    memory: testing
`,
  );
  const redis = { store: "redis", url: "redis://cache", keyPrefix: "ls:v1:", ttlSeconds: 60 };
  const variables = { CACHE: "redis://cache" };
  expect(await loadConfig(path, { env: variables })).toEqual({ sessions: redis });
  expect(await loadConfig(path, { agent: "a", env: variables })).toEqual({ sessions: redis });
  expect(await loadConfig(path, { agent: "b", env: variables })).toEqual({ sessions: { store: "sqlite", path: "./b.db" } });
  expect(await loadConfig(path, { agent: "c", env: variables })).toEqual({ sessions: { store: "memory" } });
});
