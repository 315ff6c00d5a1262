import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type MigrateSchemaResult, migrateVoltagentSchema } from "../src/compat/voltagent/migrate-schema.ts";
import { embeddedClient } from "../src/stores/postgres/embedded/embedded-client.ts";
import { pgClient } from "../src/stores/postgres/pg-client.ts";
import type { SqlClient } from "../src/stores/postgres/sql-client.ts";

/*
 * Fills a database with an old VoltAgent schema (user on messages, none on conversations) and migrates it in a process of
 * its own, whose peak memory is measured.
 *
 *   npm run bench:migrate -- [--url URL] [--messages 1000000] [--conversations 10000]
 *
 * The server is --url, else UNFORGET_TEST_POSTGRES_URL, else an embedded database in this and the other process. Its peak
 * memory then includes the engine's.
 */
const mostMegabytes = 300;

interface Job {
  readonly place: { readonly url?: string; readonly dataDir?: string; readonly schema: string };
}

interface Done {
  readonly result: MigrateSchemaResult;
  readonly seconds: number;
  readonly megabytes: number;
}

if (process.send === undefined) await measure();
else process.once("message", (job: Job) => void migrateHere(job));

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      messages: { type: "string", default: "1000000" },
      conversations: { type: "string", default: "10000" },
    },
  });
  const url = values.url ?? process.env.UNFORGET_TEST_POSTGRES_URL;
  const messages = Number(values.messages);
  const schema = `bench_migrate_${process.pid}`;
  const place = url === undefined ? { dataDir: await temporaryDirectory(), schema } : { url, schema };
  const client = url === undefined ? embeddedClient({ dataDir: place.dataDir as string }) : pgClient({ url });
  try {
    console.log(`filling ${url === undefined ? "an embedded database" : "the server"} with ${messages.toLocaleString("en")} old messages`);
    await fill(client, schema, messages, Number(values.conversations));
    if (url === undefined) await client.close();
    const { result, seconds, megabytes } = await inAnotherProcess({ place });
    if (!result.success) throw new Error(`the migration failed: ${JSON.stringify(result.error)}`);
    console.log(`migrated ${messages.toLocaleString("en")} messages of ${result.migratedCount?.toLocaleString("en")} conversations`);
    console.log(`time      ${seconds.toFixed(1)} s, ${Math.round(messages / seconds).toLocaleString("en")} messages/s`);
    // An embedded engine runs in the measured process.
    const isMissed = url !== undefined && megabytes > mostMegabytes;
    const bar = url === undefined ? "the engine included" : `<= ${mostMegabytes} MB ${isMissed ? "MISSED" : "ok"}`;
    console.log(`memory    ${megabytes.toFixed(0)} MB at most, ${bar}`);
    if (isMissed) process.exitCode = 1;
  } finally {
    if (url !== undefined) await client.execute(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    await client.close();
  }
}

async function temporaryDirectory(): Promise<string> {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const parent = await mkdtemp(join(tmpdir(), "unforget-bench-"));
  process.once("beforeExit", () => void rm(parent, { recursive: true, force: true }));
  return join(parent, "data");
}

/** Messages of a few sentences, some of them JSON of tool calls; the conversations grow side by side. */
async function fill(client: SqlClient, schema: string, messages: number, conversations: number): Promise<void> {
  await client.transaction(async (transaction) => {
    await transaction.execute(`CREATE SCHEMA "${schema}"; SET LOCAL search_path TO "${schema}";
      CREATE TABLE voltagent_memory_conversations (id TEXT PRIMARY KEY, resource_id TEXT NOT NULL, title TEXT, metadata JSONB,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
      CREATE TABLE voltagent_memory_messages (user_id TEXT NOT NULL, conversation_id TEXT NOT NULL REFERENCES voltagent_memory_conversations(id) ON DELETE CASCADE,
        message_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, type TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, conversation_id, message_id));
      CREATE INDEX ON voltagent_memory_messages(user_id, conversation_id, created_at)`);
    await transaction.query({
      text: `INSERT INTO voltagent_memory_conversations (id, resource_id, title, metadata)
        SELECT 'conversation-' || i, 'agent-' || i % 5, 'Conversation ' || i, jsonb_build_object('number', i) FROM generate_series(0, $1::int - 1) i`,
      values: [conversations],
    });
    const words =
      "the agent of our team reads every document in database storage and answers about invoices travel music weather code".split(" ");
    await transaction.query({
      text: `INSERT INTO voltagent_memory_messages (user_id, conversation_id, message_id, role, content, type, created_at)
        SELECT 'user-' || (i % $2::int) % 1000, 'conversation-' || i % $2::int, 'message-' || i, CASE WHEN (i / $2::int) % 2 = 0 THEN 'user' ELSE 'assistant' END,
          CASE WHEN i % 20 = 7 THEN json_build_array(json_build_object('type', 'tool-call', 'toolCallId', 'call-' || i, 'toolName', 'search', 'args', json_build_object('q', i)))::text
            ELSE (SELECT string_agg(($3::text[])[1 + (hashint8(i * 31 + w)::bigint & 1023) % 20], ' ') FROM generate_series(1, 30 + i % 20) w) || ' ' || i END,
          CASE WHEN i % 20 = 7 THEN 'tool-call' ELSE 'text' END, timestamptz '2025-01-01' + i * interval '1 second'
        FROM generate_series(0::bigint, $1::bigint - 1) i`,
      values: [messages, conversations, words],
    });
  });
  await client.execute(`ANALYZE "${schema}".voltagent_memory_messages`);
}

async function inAnotherProcess(job: Job): Promise<Done> {
  const child = fork(fileURLToPath(import.meta.url));
  child.send(job);
  const [done] = (await once(child, "message")) as [Done];
  return done;
}

async function migrateHere({ place }: Job): Promise<void> {
  const started = performance.now();
  let reported = 0;
  const result = await migrateVoltagentSchema({
    ...place,
    onProgress({ phase, done, total }) {
      if (phase !== "messages" || done < reported + total / 10) return;
      reported = done;
      console.log(`  ${done.toLocaleString("en")} messages after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    },
  });
  const done: Done = { result, seconds: (performance.now() - started) / 1000, megabytes: process.resourceUsage().maxRSS / 1024 };
  process.send?.(done, () => process.disconnect());
}
