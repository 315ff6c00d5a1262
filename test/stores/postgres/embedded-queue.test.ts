import { Buffer } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Request, requestStep, responseOutcome } from "../../../src/stores/postgres/embedded/frames.ts";
import { type QueueClient, statementQueue } from "../../../src/stores/postgres/embedded/statement-queue.ts";

/** A session that writes down what it runs, and is in a transaction between BEGIN and COMMIT or ROLLBACK. */
function recorder() {
  const ran: string[] = [];
  let status = "I";
  const run = (message: Uint8Array) => {
    const text = Buffer.from(message).toString("utf8", 5).replace("\0", "");
    ran.push(text);
    status = text === "BEGIN" ? "T" : text === "COMMIT" || text === "ROLLBACK" ? "I" : status;
    return new Uint8Array(text === "crash" ? [] : [90, 0, 0, 0, 5, status.charCodeAt(0)]);
  };
  return { ran, run };
}

function newClient(): QueueClient & { outcomes: number[] } {
  const outcomes: number[] = [];
  return { outcomes, respond: ({ outcome }) => void outcomes.push(outcome) };
}

let lastId = 0;
function request(text: string, lease = 0, step: Request["step"] = requestStep.run): Request {
  return { id: ++lastId, lease, step, message: new Uint8Array(Buffer.from(`Q\0\0\0\0${text}\0`)) };
}

test("clients take turns, however much one of them asks for", async () => {
  const { ran, run } = recorder();
  const queue = statementQueue({ run, onCrash: () => {}, leaseIdleMs: 1_000 });
  const [busy, modest] = [newClient(), newClient()];
  for (const text of ["a1", "a2", "a3"]) queue.add(busy, request(text));
  for (const text of ["b1", "b2"]) queue.add(modest, request(text));
  await sleep(20);
  expect(ran).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  expect(queue.isIdle()).toBe(true);
});

test("nothing runs within another's transaction, and one whose client is gone is rolled back", async () => {
  const { ran, run } = recorder();
  const queue = statementQueue({ run, onCrash: () => {}, leaseIdleMs: 1_000 });
  const [first, second] = [newClient(), newClient()];
  queue.add(first, request("BEGIN", 1, requestStep.open));
  queue.add(second, request("BEGIN", 1, requestStep.open));
  queue.add(first, request("outside"));
  await sleep(20);
  queue.add(first, request("inside", 1));
  await sleep(20);
  expect(ran).toEqual(["BEGIN", "inside"]);
  queue.drop(first);
  await sleep(20);
  queue.add(second, request("COMMIT", 1, requestStep.close));
  await sleep(20);
  expect(ran).toEqual(["BEGIN", "inside", "ROLLBACK", "BEGIN", "COMMIT"]);
});

test("a silent transaction is rolled back, and what comes for it later is refused", async () => {
  const { ran, run } = recorder();
  const queue = statementQueue({ run, onCrash: () => {}, leaseIdleMs: 20 });
  const client = newClient();
  queue.add(client, request("BEGIN", 7, requestStep.open));
  await sleep(60);
  queue.add(client, request("late", 7));
  await sleep(20);
  expect(ran).toEqual(["BEGIN", "ROLLBACK"]);
  expect(client.outcomes).toEqual([responseOutcome.replied, responseOutcome.expired]);
});

test("a statement that stops the engine is reported to its sender", async () => {
  const { run } = recorder();
  let crashes = 0;
  const queue = statementQueue({ run, onCrash: () => crashes++, leaseIdleMs: 20 });
  const client = newClient();
  queue.add(client, request("crash"));
  await sleep(20);
  expect([client.outcomes, crashes]).toEqual([[responseOutcome.crashed], 1]);
});
