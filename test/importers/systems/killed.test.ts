import { expect, test } from "vitest";
import { createMemory } from "../../../src/index.ts";
import { newDirectory, startCli } from "../../cli/run-cli.ts";
import { describeServerEngine } from "../../support/engines.ts";

const rows = 6_000;

describeServerEngine("postgres", "an import whose process is killed", (engine, url) => {
  test("goes on from there, and loses and doubles nothing", async () => {
    await engine.client.execute(`CREATE SCHEMA "${engine.schema}";
      CREATE TABLE "${engine.schema}".agent_memories (id BIGSERIAL PRIMARY KEY, session_id TEXT, content TEXT, embedding TEXT, created_at TIMESTAMPTZ DEFAULT now());
      INSERT INTO "${engine.schema}".agent_memories (session_id, content) SELECT 's' || n % 10, 'User: question ' || n || E'\\nAssistant: answer ' || n FROM generate_series(1, ${rows}) n`);
    const place = { url, schema: engine.schema, tablePrefix: "mine_" };
    const source = { system: "tutorial", from: url, schema: engine.schema } as const;
    await using memory = createMemory({ ...place, embedding: false, worker: "manual" });
    await memory.ready();
    const named = ["--from", url, "--from-schema", engine.schema, "--url", url, "--schema", engine.schema, "--table-prefix", "mine_"];
    const child = startCli(["migrate-from", "tutorial", ...named, "--embedding", "none"], { cwd: newDirectory() });
    const ended = new Promise((resolve) => child.once("close", resolve));
    while ((await memory.stats()).messages < 2_000 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    await ended;
    const report = await memory.importFrom(source);
    if (child.signalCode === "SIGKILL") expect(report).toMatchObject({ resumed: true });
    expect(await memory.stats()).toMatchObject({ messages: 2 * rows, conversations: 10 });
  });
});
