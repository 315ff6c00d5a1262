import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { describeEngines } from "../../support/engines.ts";
import { oldTables } from "./old-tables.ts";

const script = fileURLToPath(new URL("../../fixtures/migrate-voltagent-process.ts", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const stripTypes = major === 22 && minor < 18 ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];

/** A process that migrates; `onLine` sees what it reports. Resolves with the last line when it has ended. */
function migrating(place: object, onLine: (line: string, kill: () => void) => void = () => {}): Promise<string | undefined> {
  const child = spawn(process.execPath, [...stripTypes, script, JSON.stringify(place)], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => void child.kill("SIGKILL");
  onTestFinished(kill);
  let last: string | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => {
    last = line;
    onLine(line, kill);
  });
  return new Promise((resolve) => child.once("close", () => resolve(last)));
}

const count = 6000;
const rows = `INSERT INTO voltagent_memory_conversations (id, resource_id, title) VALUES ('c0', 'agent', 'One'), ('c1', 'agent', 'Two');
  INSERT INTO voltagent_memory_messages SELECT 'ada', 'c' || i % 2, 'm' || i, 'user', 'message number ' || i, 'text', timestamptz '2025-01-01' FROM generate_series(0, ${count - 1}) i`;

describeEngines("processes that migrate VoltAgent's tables", (engine) => {
  const whole = async (old: Awaited<ReturnType<typeof oldTables>>) => {
    const found = await old.rows<{ id: string }>("SELECT message_id AS id FROM voltagent_memory_messages ORDER BY conversation_id, seq");
    const numbers = Array.from({ length: count / 2 }, (_, index) => 2 * index);
    expect(found.map(({ id }) => id)).toEqual([...numbers, ...numbers.map((number) => number + 1)].map((number) => `m${number}`));
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_search")).toEqual([{ count }]);
    expect(await old.rows("SELECT count(*) AS count FROM voltagent_memory_messages_backup")).toEqual([{ count }]);
  };

  test("one is killed half way, and the next start goes on where it was", { timeout: 30_000 }, async () => {
    const old = await oldTables(engine, "0.1.1", rows);
    const last = await migrating(old.place, (line, kill) => {
      if (/^messages [1-9]/.test(line)) kill();
    });
    expect(last).toMatch(/^messages/);
    const progress: number[] = [];
    expect(await old.migrate({ onProgress: ({ messages }) => progress.push(messages) })).toEqual({
      success: true,
      migratedCount: 2,
      backupCreated: true,
    });
    expect(progress[0]).toBeGreaterThan(0);
    await whole(old);
  });

  test("two start at once, and migrate once", { timeout: 30_000 }, async () => {
    const old = await oldTables(engine, "0.1.1", rows);
    const results = await Promise.all([migrating(old.place), migrating(old.place)]);
    for (const result of results) expect(JSON.parse(result ?? "{}")).toMatchObject({ success: true, backupCreated: true });
    await whole(old);
  });
});
