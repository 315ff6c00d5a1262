import type { Embedder, ImportedMessage, Memory, MemoryOptions } from "../src/index.ts";
import { makeTexts, writtenAt } from "./data.ts";
import type { Reference, ReferenceMessage } from "./reference.ts";
import type { Result } from "./report.ts";
import type { BenchServer } from "./server.ts";
import { compareCalls, compareRounds, median, time } from "./timing.ts";

export interface WriteSizes {
  readonly rounds: number;
  readonly appends: number;
  readonly appendsPerWriter: number;
  readonly bulkConversations: number;
}

const writers = 64;
const userId = "writer";
/** Nothing is embedded while appends are timed; that vectors are owed is written down by both sides. */
const unused: Embedder = {
  model: "bench/unused-256",
  dimensions: 256,
  maxBatchSize: 512,
  embed: () => Promise.reject(new Error("nothing should be embedded here")),
};

let texts: string[] | undefined;

function messages(count: number): ReferenceMessage[] {
  texts ??= makeTexts(20_000, 4);
  const all = texts;
  return Array.from({ length: count }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: all[index % all.length] as string,
    createdAt: writtenAt(index),
  }));
}

export async function appendOne(server: BenchServer, sizes: WriteSizes): Promise<Result[]> {
  const { memory } = await server.memory({ embedding: unused });
  const reference = await server.reference({ embedding: unused });
  const mine = memory.scope({ userId });
  const conversations = Array.from({ length: 10 }, (_, index) => `conversation-${index}`);
  for (const id of conversations) {
    await reference.createConversation(userId, id);
    await mine.conversations.create({ id });
  }
  const some = messages(1000);
  const compared = await compareCalls(
    sizes.rounds,
    sizes.appends,
    (call) => reference.append(userId, conversations[call % 10] as string, some[call % 1000] as ReferenceMessage),
    (call) => mine.addMessages(conversations[call % 10] as string, some[call % 1000] as ReferenceMessage),
  );
  await server.clear();
  return [{ case: "append one message", unit: "ms", ...compared, bar: { most: 1.3 }, note: `p95 ${compared.p95.toFixed(2)} ms` }];
}

export async function concurrentWriters(server: BenchServer, sizes: WriteSizes): Promise<Result[]> {
  const { memory } = await server.memory({ embedding: unused });
  const reference = await server.reference({ embedding: unused });
  const mine = memory.scope({ userId });
  for (let writer = 0; writer < writers; writer++) {
    await reference.createConversation(userId, `conversation-${writer}`);
    await mine.conversations.create({ id: `conversation-${writer}` });
  }
  const theirs = () => writerRate(sizes.appendsPerWriter, (conversation, message) => reference.append(userId, conversation, message));
  const ours = () => writerRate(sizes.appendsPerWriter, (conversation, message) => mine.addMessages(conversation, message));
  await compareRounds(1, theirs, ours);
  const compared = await compareRounds(sizes.rounds, theirs, ours);
  await server.clear();
  return [{ case: `append, ${writers} concurrent writers`, unit: "/s", ...compared, bar: { least: 2 }, note: "reference: a pool of 10" }];
}

/** Messages a second of 64 writers, each in a conversation of its own and waiting for one append before the next. */
async function writerRate(appends: number, append: (conversation: string, message: ReferenceMessage) => Promise<unknown>): Promise<number> {
  const some = messages(1000);
  const elapsed = await time(() =>
    Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let index = 0; index < appends; index++) {
          await append(`conversation-${writer}`, some[(writer * 15 + index) % 1000] as ReferenceMessage);
        }
      }),
    ),
  );
  return (1000 * writers * appends) / elapsed;
}

/** With the built-in model at work in the same process. No bar: what an application sees. */
export async function appendWhileEmbedding(name: string, memory: Memory, sizes: WriteSizes): Promise<Result[]> {
  const mine = memory.scope({ userId });
  const some = messages(1000);
  const times: number[] = [];
  await mine.addMessages("one", "warm-up");
  for (let call = 0; call < sizes.appends; call++)
    times.push(await time(() => mine.addMessages("one", some[call % 1000] as ReferenceMessage)));
  const append = (conversation: string, message: ReferenceMessage) => mine.addMessages(conversation, message);
  const rates: number[] = [];
  for (let round = 0; round < Math.min(3, sizes.rounds); round++) rates.push(await writerRate(sizes.appendsPerWriter, append));
  return [
    { case: `append one message, ${name}`, unit: "ms", ours: median(times) },
    { case: `append, ${writers} concurrent writers, ${name}`, unit: "/s", ours: median(rates) },
  ];
}

export async function appendInBackground(server: BenchServer, sizes: WriteSizes): Promise<Result[]> {
  const { memory } = await server.memory({ worker: "background" });
  const results = await appendWhileEmbedding("background worker on", memory, sizes);
  await server.clear();
  return results;
}

const perConversation = 1000;
/** Rows of one statement of the reference. */
const referenceBatch = 2;

export async function bulkImport(server: BenchServer, sizes: WriteSizes): Promise<Result[]> {
  const options: MemoryOptions = { embedding: unused };
  const count = sizes.bulkConversations * perConversation;
  // A reference for each of ours: all four tables grow alike.
  const references = [await server.reference(options), await server.reference(options)] as const;
  const { memory: importing } = await server.memory(options);
  const { memory: adding } = await server.memory(options);
  let run = 0;
  const rate = async (work: (conversations: { id: string; messages: ReferenceMessage[] }[]) => Promise<unknown>) => {
    const all = messages(count);
    const prefix = `bulk-${run++}`;
    const conversations = Array.from({ length: sizes.bulkConversations }, (_, index) => ({
      id: `${prefix}-${index}`,
      messages: all.slice(index * perConversation, (index + 1) * perConversation),
    }));
    return (1000 * count) / (await time(() => work(conversations)));
  };
  const theirs = (reference: Reference) => () =>
    rate(async (conversations) => {
      for (let start = 0; start < conversations.length; start += referenceBatch) {
        await reference.bulk(userId, conversations.slice(start, start + referenceBatch));
      }
    });
  const byImport = () => rate((conversations) => importing.scope({ userId }).import(conversations.flatMap(toLines)));
  const byAdding = () =>
    rate(async (conversations) => {
      for (const { id, messages } of conversations) await adding.scope({ userId }).addMessages(id, messages);
    });
  const rounds = Math.min(5, sizes.rounds);
  await compareRounds(1, theirs(references[0]), byImport);
  const imported = await compareRounds(rounds, theirs(references[0]), byImport);
  await compareRounds(1, theirs(references[1]), byAdding);
  const added = await compareRounds(rounds, theirs(references[1]), byAdding);
  await server.clear();
  const title = `bulk of ${count.toLocaleString("en")} messages`;
  return [
    { case: `${title}, import`, unit: "/s", ...imported, bar: { least: 0.7 } },
    { case: `${title}, addMessages of 1,000`, unit: "/s", ...added, bar: { least: 0.7 } },
  ];
}

function toLines({ id, messages }: { readonly id: string; readonly messages: readonly ReferenceMessage[] }): ImportedMessage[] {
  return messages.map((message) => ({ conversation: id, ...message }));
}

/** The embedded engine has no server to compare with. */
export async function embeddedWrites(memory: Memory, sizes: WriteSizes): Promise<Result[]> {
  const mine = memory.scope({ userId });
  const results = await appendWhileEmbedding("embedded", memory, sizes);
  const count = sizes.bulkConversations * perConversation;
  const lines = toLines({ id: "bulk", messages: messages(count) });
  const elapsed = await time(() => mine.import(lines));
  return [
    ...results,
    { case: `bulk of ${count.toLocaleString("en")} messages, import, embedded`, unit: "/s", ours: (1000 * count) / elapsed },
  ];
}
