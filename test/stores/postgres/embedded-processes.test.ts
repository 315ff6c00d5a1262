import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { readOwner } from "../../../src/stores/postgres/embedded/directory-lock.ts";
import { embeddedClient } from "../../../src/stores/postgres/embedded/embedded-client.ts";
import { closedAfterTest, newDataDir, otherProcess } from "../../support/embedded.ts";

const createTables = `
  CREATE TABLE rows (id text PRIMARY KEY, writer text NOT NULL, body text NOT NULL, writes int NOT NULL DEFAULT 1);
  CREATE TABLE counter (value int NOT NULL);
  INSERT INTO counter VALUES (0)`;

async function prepared() {
  const dataDir = newDataDir();
  const client = closedAfterTest(embeddedClient({ dataDir }));
  await client.execute(createTables);
  return { dataDir, client };
}

describe("several processes in one directory", { timeout: 60_000 }, () => {
  test("write and read at the same time, and nothing is lost or doubled", async () => {
    const { dataDir, client } = await prepared();
    const writers = ["a", "b"].map((name) => otherProcess("write", dataDir, name, 1_000));
    for (let number = 0; number < 1_000; number += 10) {
      await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          client.query({
            name: "insert_row",
            text: "INSERT INTO rows (id, writer, body) VALUES ($1, 'here', '')",
            values: [`here-${number + index}`],
          }),
        ),
      );
    }
    expect(await Promise.all(writers.map((writer) => writer.ended))).toEqual([0, 0]);
    const { rows } = await client.query({
      text: "SELECT writer, count(*), max(writes) AS writes FROM rows GROUP BY writer ORDER BY writer",
    });
    expect(rows).toEqual(["a", "b", "here"].map((writer) => ({ writer, count: 1_000, writes: 1 })));
  });

  test("a transaction has the database to itself", async () => {
    const { dataDir, client } = await prepared();
    const others = ["a", "b", "c"].map((name) => otherProcess("increment", dataDir, name, 50));
    expect(await Promise.all(others.map((other) => other.ended))).toEqual([0, 0, 0]);
    expect((await client.query({ text: "SELECT value FROM counter" })).rows).toEqual([{ value: 150 }]);
  });

  test("when a process goes in the middle of a transaction, it is rolled back and the others go on", async () => {
    const { dataDir, client } = await prepared();
    const other = otherProcess("hang", dataDir, "a");
    await other.printed(1);
    const waiting = client.query({ text: "SELECT count(*) FROM rows" });
    other.process.kill("SIGKILL");
    expect((await waiting).rows).toEqual([{ count: 0 }]);
  });

  test("many may open a new directory at the same moment", async () => {
    const dataDir = newDataDir();
    const others = Array.from({ length: 5 }, () => otherProcess("open", dataDir));
    await Promise.all(others.map((other) => other.printed(1)));
    for (const other of others) other.process.stdin?.write("close\n");
    expect(await Promise.all(others.map((other) => other.ended))).toEqual([0, 0, 0, 0, 0]);
    expect(readdirSync(dataDir).sort()).toEqual(["lock.sqlite", "pg"]);
  });

  test("when the first one closes, another takes over", async () => {
    const dataDir = newDataDir();
    const first = otherProcess("open", dataDir);
    await first.printed(1);
    const client = closedAfterTest(embeddedClient({ dataDir }));
    await client.execute(createTables);
    first.process.stdin?.write("close\n");
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    for (const number of numbers)
      await client.query({ text: "INSERT INTO rows (id, writer, body) VALUES ($1, 'me', '')", values: [`me-${number}`] });
    expect(await first.ended).toBe(0);
    expect((await client.query({ text: "SELECT count(*) FROM rows" })).rows).toEqual([{ count: 50 }]);
  });

  test("an owner with nothing left to do stays until another's transaction is done", async () => {
    const dataDir = newDataDir();
    const owner = otherProcess("leave", dataDir);
    await owner.printed(1);
    const client = closedAfterTest(embeddedClient({ dataDir }));
    await client.execute(createTables);
    let runs = 0;
    await client.transaction(async (transaction) => {
      runs++;
      await transaction.query({ text: "UPDATE counter SET value = 7" });
      owner.process.stdin?.write("leave\n");
      await owner.printed(2);
      await setTimeout(300);
      await transaction.query({ text: "UPDATE counter SET value = value + 1" });
    });
    expect(await owner.ended).toBe(0);
    expect((await client.query({ text: "SELECT value FROM counter" })).rows).toEqual([{ value: 8 }]);
    expect(runs).toBe(1);
  });

  test("a transaction that loses its owner before the commit starts again, once", async () => {
    const dataDir = newDataDir();
    const owner = otherProcess("open", dataDir);
    await owner.printed(1);
    const client = closedAfterTest(embeddedClient({ dataDir }));
    await client.execute(createTables);
    let runs = 0;
    await client.transaction(async (transaction) => {
      await transaction.query({ text: "UPDATE counter SET value = value + 1" });
      if (runs++ > 0) return;
      owner.process.kill("SIGKILL");
      await owner.ended;
      await expect(transaction.query({ text: "SELECT 1" })).rejects.toMatchObject({ sqlState: "08006" });
    });
    expect(runs).toBe(2);
    expect((await client.query({ text: "SELECT value FROM counter" })).rows).toEqual([{ value: 1 }]);
  });

  test("an owner that does not answer is reported, with what to check", async () => {
    const dataDir = newDataDir();
    const owner = otherProcess("open", dataDir);
    await owner.printed(1);
    owner.process.kill("SIGSTOP");
    // The signal returns before the process stops; one that still greets us would then never answer.
    await setTimeout(200);
    const client = closedAfterTest(embeddedClient({ dataDir, waitMs: 500 }));
    await expect(client.query({ text: "SELECT 1" })).rejects.toMatchObject({
      code: "backend_unavailable",
      message: expect.stringContaining("check that"),
    });
    owner.process.kill("SIGCONT");
    expect((await client.query({ text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
  });

  test("a process ends by itself when it has nothing to do, and what it wrote is there", async () => {
    const { dataDir, client } = await prepared();
    expect(await otherProcess("once", dataDir, "guest").ended).toBe(0);
    await client.close();
    expect(await otherProcess("once", dataDir, "owner").ended).toBe(0);
    const again = closedAfterTest(embeddedClient({ dataDir }));
    expect((await again.query({ text: "SELECT id FROM rows ORDER BY id" })).rows).toEqual([{ id: "guest-0" }, { id: "owner-0" }]);
  });

  test("garbage on the socket harms nobody", async () => {
    const { dataDir, client } = await prepared();
    const address = readOwner(dataDir);
    for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\u0002{}", "\xff".repeat(2_000)]) {
      const socket = connect(address?.socket ?? "");
      socket.write(garbage);
      await new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
    }
    expect(await otherProcess("once", dataDir, "a").ended).toBe(0);
    expect((await client.query({ text: "SELECT id FROM rows" })).rows).toEqual([{ id: "a-0" }]);
  });
});

test("the owner is killed ten times while others write: what was acknowledged is there, and they go on", { timeout: 120_000 }, async () => {
  const { dataDir, client } = await prepared();
  await client.close();
  let count = 0;
  const newWriter = () => otherProcess("writeForever", dataDir, `w${count++}`);
  const acknowledged: string[] = [];
  let writers = [newWriter(), newWriter()];
  for (let round = 0; round < 10; round++) {
    await Promise.all(writers.map((writer) => writer.printed(20)));
    const owner = writers.find((writer) => writer.process.pid === readOwner(dataDir)?.processId);
    if (owner === undefined) throw new Error("none of the writers is the owner");
    const newcomer = newWriter();
    owner.process.kill("SIGKILL");
    await owner.ended;
    acknowledged.push(...owner.lines);
    writers = writers.filter((writer) => writer !== owner);
    await Promise.all(writers.map((writer) => writer.printed(writer.lines.length + 20)));
    writers.push(newcomer);
  }
  for (const writer of writers) {
    writer.process.kill("SIGKILL");
    await writer.ended;
    acknowledged.push(...writer.lines);
  }
  const after = closedAfterTest(embeddedClient({ dataDir }));
  const { rows } = await after.query<{ id: string }>({ text: "SELECT id FROM rows" });
  const present = new Set(rows.map((row) => row.id));
  expect(acknowledged.length).toBeGreaterThan(400);
  expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
});
