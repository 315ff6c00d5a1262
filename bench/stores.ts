// Every store beside each other, in one run: npm run bench -- --stores [--quick] [--only redis,qdrant]
//
// Stores that need a server are measured where its URL is set (eval "$(npm run -s engines)" sets them); the others are named
// as not measured. Times are medians of calls of one client on this machine: they compare, and say little by themselves.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NewMessage, SessionStore, VectorEntry, VectorStore } from "../src/index.ts";
import { sessionStores, vectorStores } from "../src/stores/registry.ts";
import { makeTexts, randomNumbers } from "./data.ts";
import { median, time } from "./timing.ts";

export interface StoreSizes {
  /** Timed calls of each kind. */
  readonly calls: number;
  /** Messages that are there when lists and searches are timed; vectors that are there when queries are. */
  readonly rows: number;
}

/** One line of the table; milliseconds. */
type Row = readonly [name: string, ...figures: (number | string)[]];

const tenant = "bench";
const dimensions = 256;

/** What each store is opened with, beside a name of its own; undefined: its server is not there. */
interface Place {
  readonly options: object;
  readonly end?: (() => Promise<void>) | undefined;
}

export async function benchStores(sizes: StoreSizes, only: readonly string[] | undefined, say: (line: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "unforget-bench-"));
  const missing: string[] = [];
  const places = async (kind: string, names: readonly string[]) => {
    const found: { readonly name: string; readonly place: Place }[] = [];
    for (const name of names.filter((one) => only?.includes(one) !== false)) {
      const place = placeOf(name, join(directory, `${kind}-${name}`));
      if (place === undefined) missing.push(`${name} (${kind})`);
      else found.push({ name, place });
    }
    return found;
  };
  try {
    const sessions: Row[] = [];
    for (const { name, place } of await places("sessions", withServer(sessionStores, "postgres"))) {
      say(`sessions in ${name}`);
      sessions.push([name, ...(await measureSessions(makeSessions(name, place), sizes))]);
    }
    print(["sessions", "append 1", "append 100", "list last 50", "search words"], sessions);
    const vectors: Row[] = [];
    for (const { name, place } of await places("vectors", withServer(vectorStores, "pgvector"))) {
      say(`vectors in ${name}`);
      vectors.push([name, ...(await measureVectors(makeVectors(name, place), sizes))]);
    }
    console.log();
    print(["vectors", "upsert 1", "upsert 100", "query a tenth", "query all"], vectors);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(`\nMilliseconds; ${sizes.rows} messages or vectors of ${dimensions} dimensions are there, and ten users share them.`);
  if (missing.length > 0) console.log(`Not measured, as no server's URL is set: ${missing.join(", ")}`);
}

/** The names of a registry, and the one that is both embedded and a server once more. */
function withServer(stores: object, both: string): string[] {
  const names = Object.keys(stores);
  return names.flatMap((name) => (name === both ? [name, `${name} server`] : [name]));
}

const baseName = (name: string) => name.split(" ")[0] as string;

function makeSessions(name: string, place: Place): SessionStore {
  const factory = sessionStores[baseName(name) as keyof typeof sessionStores] as (options: object) => unknown;
  return factory(place.options) as SessionStore;
}

function makeVectors(name: string, place: Place): VectorStore {
  const factory = vectorStores[baseName(name) as keyof typeof vectorStores] as (options: object) => unknown;
  return factory(place.options) as VectorStore;
}

function placeOf(name: string, directory: string): Place | undefined {
  const url = (variable: string) => process.env[`UNFORGET_TEST_${variable}_URL`];
  const mark = `bench${randomUUID().slice(0, 8)}`;
  const at = (address: string | undefined, options: (address: string) => object) =>
    address === undefined || address === "" ? undefined : { options: options(address) };
  switch (name) {
    case "memory":
      return { options: {} };
    case "sqlite":
      return { options: { path: `${directory}.db` } };
    case "postgres":
    case "pgvector":
      return { options: { dataDir: directory } };
    case "postgres server":
    case "pgvector server":
      return at(url("POSTGRES"), (address) => ({ url: address, schema: mark }));
    case "redis":
      return at(url("REDIS"), (address) => ({ url: address, keyPrefix: `${mark}:` }));
    case "mongodb":
      return at(url("MONGODB"), (address) => ({ uri: address, database: mark }));
    case "elasticsearch":
      return at(url("ELASTICSEARCH"), (address) => ({ hosts: [address], indexPrefix: mark }));
    case "qdrant":
      return at(url("QDRANT"), (address) => ({ url: address, collection: mark }));
    case "chroma":
      return at(url("CHROMA"), (address) => ({ url: address, collection: mark }));
    default:
      return undefined;
  }
}

const texts = makeTexts(5_000, 3);

const message = (random: () => number): NewMessage => {
  const text = texts[Math.floor(random() * texts.length)] as string;
  return {
    id: randomUUID(),
    role: "user",
    name: null,
    text,
    partsJson: JSON.stringify([{ type: "text", text }]),
    metadataJson: "{}",
    type: "text",
    toolIds: null,
    createdAt: new Date(),
    importance: null,
    embedding: null,
  };
};

async function measureSessions(store: SessionStore, { calls, rows }: StoreSizes): Promise<(number | string)[]> {
  const random = randomNumbers(7);
  const append = (user: number, conversation: number, messages: readonly NewMessage[]) =>
    store.append([
      {
        tenant,
        userId: `user-${user}`,
        conversationId: `conversation-${user}-${conversation}`,
        requiredResourceId: undefined,
        createConversation: true,
        create: { resourceId: "default", title: "", metadataJson: "{}", language: undefined },
        messages,
      },
    ]);
  const many = (count: number) => Array.from({ length: count }, () => message(random));
  await store.open();
  try {
    for (let batch = 0; batch < rows / 100; batch++) await append(batch % 10, Math.floor(batch / 10), many(100));
    const one = await calling(calls, (call) => append(call % 10, 0, many(1)));
    const hundred = await calling(Math.ceil(calls / 5), (call) => append(call % 10, 1, many(100)));
    const whole = { limit: 50, beforeSeq: undefined, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
    const scope = (call: number) => ({ tenant, userId: `user-${call % 10}`, resourceId: undefined });
    const list = await calling(calls, (call) => store.listMessages(scope(call), `conversation-${call % 10}-0`, whole));
    const none = {
      conversationId: undefined,
      roles: undefined,
      since: undefined,
      until: undefined,
      filter: undefined,
      language: undefined,
    };
    const search = async (call: number) => store.searchText?.({ ...none, scope: scope(call), words: wordsOf(random), limit: 50 });
    return [one, hundred, list, store.searchText === undefined ? "none" : await calling(calls, search)];
  } finally {
    await store.erase({ tenant, userId: undefined, resourceId: undefined }, { compact: false });
    await store.close();
  }
}

async function measureVectors(store: VectorStore, { calls, rows }: StoreSizes): Promise<number[]> {
  const random = randomNumbers(11);
  const vector = () => Float32Array.from({ length: dimensions }, () => random() - 0.5);
  const entries = (count: number, user: number): VectorEntry[] =>
    Array.from({ length: count }, (_, index) => ({
      tenant,
      userId: `user-${user}`,
      conversationId: `conversation-${user}`,
      messageId: randomUUID(),
      resourceId: "default",
      seq: index + 1,
      role: "user",
      createdAt: new Date(),
      importance: null,
      revision: "1",
      metadata: {},
      vector: vector(),
    }));
  const query = (userId: string | undefined) =>
    store.query({
      scope: { tenant, userId, resourceId: undefined },
      conversationId: undefined,
      roles: undefined,
      since: undefined,
      until: undefined,
      filter: undefined,
      vector: vector(),
      limit: 10,
    });
  await store.open();
  try {
    await store.useSpace({ model: "bench", dimensions });
    for (let batch = 0; batch < rows / 100; batch++) await store.upsert(entries(100, batch % 10));
    return [
      await calling(calls, (call) => store.upsert(entries(1, call % 10))),
      await calling(Math.ceil(calls / 5), (call) => store.upsert(entries(100, call % 10))),
      await calling(calls, (call) => query(`user-${call % 10}`)),
      await calling(calls, () => query(undefined)),
    ];
  } finally {
    await store.delete({ tenant });
    await store.close();
  }
}

/** Six words that stand in one of the texts. */
const wordsOf = (random: () => number) => (texts[Math.floor(random() * texts.length)] as string).split(" ").slice(0, 6).join(" ");

/** The median time of a call, in milliseconds, after a few that do not count. */
async function calling(calls: number, work: (call: number) => Promise<unknown>): Promise<number> {
  for (let call = 0; call < 3; call++) await work(call);
  const times: number[] = [];
  for (let call = 0; call < calls; call++) times.push(await time(() => work(call)));
  return median(times);
}

function print(head: readonly string[], rows: readonly Row[]): void {
  const table = [head, ...rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toFixed(cell < 10 ? 2 : 1) : cell)))];
  const widths = head.map((_, column) => Math.max(...table.map((row) => (row[column] as string).length)));
  for (const row of table)
    console.log(
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join("  "),
    );
}
