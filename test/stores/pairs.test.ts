import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { Pool } from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { createMemory, type Memory, type SessionsOption, type VectorsOption } from "../../src/index.ts";
import { cosineSimilarity, randomVectors } from "../../src/testing/vector-data.ts";
import { type ServerName, serverUrl } from "../support/servers.ts";

// Any session store goes with any vector store, chosen by name: each pair is one memory, and its vectors' candidates are
// those of brute force. Servers that are not there are left out here; the tests of their own stores say so.

const mark = `pairs${randomUUID().slice(0, 8)}`;
const directory = mkdtempSync(join(tmpdir(), "unforget-pairs-"));
const dimensions = 16;
const rows = 60;

interface Choice<Option> {
  readonly name: string;
  readonly option: (pair: string) => Option;
}

const at = <Option>(server: ServerName, name: string, option: (url: string) => Option): Choice<Option>[] => {
  const url = serverUrl(server);
  return url === undefined ? [] : [{ name, option: () => option(url) }];
};

const sessions: readonly Choice<SessionsOption>[] = [
  { name: "memory", option: () => ({ store: "memory" }) },
  { name: "sqlite", option: (pair) => ({ store: "sqlite", path: join(directory, `${pair}.db`) }) },
  { name: "embedded postgres", option: () => ({ store: "postgres", dataDir: join(directory, "pg") }) },
  ...at("redis", "redis", (url) => ({ store: "redis" as const, url, keyPrefix: `${mark}:` })),
  ...at("mongodb", "mongodb", (url) => ({ store: "mongodb" as const, uri: url, database: mark })),
  ...at("elasticsearch", "elasticsearch", (url) => ({
    store: "elasticsearch" as const,
    hosts: [url],
    indexPrefix: mark,
  })),
  ...at("postgres", "postgres", (url) => ({ store: "postgres" as const, url, schema: mark })),
];

const vectors: readonly Choice<VectorsOption>[] = [
  { name: "memory", option: () => ({ store: "memory" }) },
  { name: "sqlite", option: (pair) => ({ store: "sqlite", path: join(directory, `${pair}-vectors.db`) }) },
  ...at("postgres", "pgvector", (url) => ({ store: "pgvector" as const, url, schema: `${mark}_vectors` })),
  ...at("redis", "redis", (url) => ({ store: "redis" as const, url, keyPrefix: `${mark}v:` })),
  ...at("qdrant", "qdrant", (url) => ({ store: "qdrant" as const, url, collection: mark })),
  ...at("chroma", "chroma", (url) => ({ store: "chroma" as const, url, collection: mark })),
];

afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  const [postgres, mongodb, qdrant] = [serverUrl("postgres"), serverUrl("mongodb"), serverUrl("qdrant")];
  if (postgres !== undefined) {
    const pool = new Pool({ connectionString: postgres, max: 1 });
    await pool.query(`DROP SCHEMA IF EXISTS ${mark}, ${mark}_vectors CASCADE`);
    await pool.end();
  }
  if (mongodb !== undefined) {
    const client = new MongoClient(mongodb);
    await client.db(mark).dropDatabase();
    await client.close();
  }
  if (qdrant !== undefined) await fetch(`${qdrant}/collections/${mark}`, { method: "DELETE" });
});

const made = randomVectors(rows, dimensions, 5);
const query = randomVectors(1, dimensions, 6)[0] as Float32Array;
/** Every third message is the other user's. */
const userOf = (index: number) => (index % 3 === 0 ? "other" : "me");

describe.each(sessions.map((choice) => [choice.name, choice] as const))("sessions in %s", (sessionName, session) => {
  test.each(vectors.map((choice) => [choice.name, choice] as const))(
    "and vectors in %s",
    { timeout: 60_000 },
    async (vectorName, vector) => {
      const pair = `${sessionName}-${vectorName}`.replaceAll(" ", "-");
      const tenant = `tenant-${pair}`;
      const memory: Memory = createMemory({
        sessions: session.option(pair),
        vectors: vector.option(pair),
        embedding: { provider: "caller", model: "mine", dimensions },
        tenant,
        worker: "manual",
      });
      try {
        const users = ["me", "other"].map((userId) => memory.scope({ userId }));
        for (const [position, user] of users.entries()) {
          const messages = made.flatMap((embedding, index) =>
            userOf(index) === ["me", "other"][position]
              ? [{ id: `m${index}`, content: `message ${index}`, metadata: { even: index % 2 === 0 }, embedding }]
              : [],
          );
          await user.addMessages(`conversation-${position}`, messages);
        }
        const nearest = (isWanted: (index: number) => boolean) =>
          made
            .map((one, index) => ({ id: `m${index}`, index, similarity: cosineSimilarity(one, query) }))
            .filter(({ index }) => userOf(index) === "me" && isWanted(index))
            .sort((left, right) => right.similarity - left.similarity)
            .slice(0, 10)
            .map(({ id }) => id);
        const mine = memory.scope({ userId: "me" });
        const hits = await mine.recall("", { embedding: query, legs: ["vector"], limit: 10 });
        expect(hits.map(({ id }) => id)).toEqual(nearest(() => true));
        const filtered = await mine.recall("", { embedding: query, legs: ["vector"], limit: 10, filter: { even: true } });
        expect(filtered.map(({ id }) => id)).toEqual(nearest((index) => index % 2 === 0));

        await mine.messages.delete("conversation-0", hits[0]?.id ?? "");
        expect((await mine.recall("", { embedding: query, legs: ["vector"], limit: 3 })).map(({ id }) => id)).toEqual(
          nearest(() => true).slice(1, 4),
        );
        await mine.erase();
        await memory.erase({ userId: "other" });
        expect(await memory.stats()).toMatchObject({ conversations: 0, messages: 0, vectors: 0 });
      } finally {
        await memory.close();
      }
    },
  );
});
