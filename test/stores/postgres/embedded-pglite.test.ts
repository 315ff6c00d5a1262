import { PGlite, type PGliteInterface } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import { type PgliteLike, pgliteClient } from "../../../src/stores/postgres/embedded/pglite-client.ts";

let instance: PGlite;
beforeAll(async () => {
  instance = await PGlite.create({ extensions: { vector } });
  await instance.exec("CREATE EXTENSION vector; CREATE TABLE things (id int PRIMARY KEY)");
}, 30_000);
afterAll(() => instance.close());

test("PGlite and its interface are what the client asks for", () => {
  expectTypeOf<PGlite>().toExtend<PgliteLike>();
  expectTypeOf<PGliteInterface>().toExtend<PgliteLike>();
});

test("a lent instance stays open and usable", async () => {
  const client = pgliteClient(instance);
  expect((await client.query({ text: "SELECT $1::int AS one", values: [1] })).rows).toEqual([{ one: 1 }]);
  await client.close();
  await client.close();
  await expect(client.query({ text: "SELECT 1" })).rejects.toMatchObject({ code: "closed" });
  expect((await instance.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("statements of the client and transactions of the lender do not mix", async () => {
  const client = pgliteClient(instance);
  const insert = (id: number) => client.query({ name: "insert_thing", text: "INSERT INTO things VALUES ($1)", values: [id] });
  const lenders = instance.transaction(async (transaction) => {
    await transaction.query("INSERT INTO things VALUES (1)");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await transaction.rollback();
  });
  await Promise.all([
    lenders,
    insert(2),
    client.transaction((transaction) => transaction.query({ text: "INSERT INTO things VALUES (3)" })),
  ]);
  const failed = client.transaction(async (transaction) => {
    await transaction.query({ text: "INSERT INTO things VALUES (4)" });
    void instance.query("INSERT INTO things VALUES (5)");
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  expect((await instance.query("SELECT id FROM things ORDER BY id")).rows).toEqual([{ id: 2 }, { id: 3 }, { id: 5 }]);
});

test("errors carry the SQLSTATE, and the instance works on", async () => {
  const client = pgliteClient(instance);
  await expect(client.query({ text: "SELECT * FROM nowhere" })).rejects.toMatchObject({ name: "SqlError", sqlState: "42P01" });
  await expect(client.execute("SELECT 1 / 0")).rejects.toMatchObject({ sqlState: "22012" });
  const named = { name: "one", text: "SELECT 1 AS one" };
  expect((await client.query(named)).rows).toEqual([{ one: 1 }]);
  await instance.exec("DEALLOCATE ALL");
  expect((await client.query(named)).rows).toEqual([{ one: 1 }]);
  expect((await instance.query("SELECT 2 AS two")).rows).toEqual([{ two: 2 }]);
});
