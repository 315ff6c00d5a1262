// What a context holds of what it should, and how long it takes, through the public API.
//
//   npm run bench:context -- --data FILE [--url URL] [--embedding builtin|none] [--questions N] [--no-latency]
//
// Quality, on LoCoMo-shaped data: for each question, whether the turns that answer it are in what a model would be given
// within 1,000, 2,000 and 4,000 tokens. "context, new conversation": asked out of nothing. "context, last conversation":
// asked in the user's newest conversation, whose messages take their share. "plain top-k": recall's hits in their order, and
// "recent messages": the newest ones of all conversations, each a line with date and speaker, as many as fit.
// Latency: contexts of a conversation of 10,000 messages beside its searches alone, sent at once; the difference is ours.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import pg from "pg";
import { readLocomo } from "../src/importers/locomo.ts";
import { type Context, type ContextOptions, createMemory, type ImportedMessage, type Memory, type MemoryOptions } from "../src/index.ts";
import { makeTexts } from "./data.ts";
import { type Question, readQuestions } from "./locomo-questions.ts";
import { quantile } from "./statistics.ts";
import { median, time } from "./timing.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: process.env.UNFORGET_BENCH_DATA ?? "" },
    url: { type: "string" },
    embedding: { type: "string", default: "builtin" },
    questions: { type: "string" },
    "no-latency": { type: "boolean", default: false },
  },
});
if (values.data === "") {
  console.error("bench:context needs data: --data FILE (LoCoMo JSON), or UNFORGET_BENCH_DATA");
  process.exit(2);
}

const budgets = [1_000, 2_000, 4_000];

/** Ids of the turns a model would see, for each budget. */
type Method = (question: Question) => Promise<readonly ReadonlySet<string>[]>;

const directory = values.url === undefined ? await mkdtemp(join(tmpdir(), "unforget-bench-")) : undefined;
const schema = `bench_context_${process.pid}`;
const options: MemoryOptions = {
  ...(directory === undefined ? { url: values.url, schema } : { dataDir: directory }),
  ...(values.embedding === "none" ? { embedding: false as const } : {}),
};
const memory = createMemory(options);
try {
  await memory.ready();
  const lines: ImportedMessage[] = [];
  for await (const line of readLocomo(values.data)) lines.push(line);
  await memory.import(lines);
  await memory.flush();
  const { questions } = await readQuestions(values.data);
  const asked = questions.slice(0, values.questions === undefined ? undefined : Number(values.questions));
  console.log(`${lines.length} messages, ${asked.length} questions, ${directory === undefined ? "server" : "PGlite"}`);
  console.table(await measureQuality(asked, methods(memory, lines)));
  if (!values["no-latency"]) console.table([await measureLatency(memory)]);
} finally {
  await memory.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  else await dropSchema(values.url as string);
}

function methods(memory: Memory, lines: readonly ImportedMessage[]): Record<string, Method> {
  const ofUser = Map.groupBy(lines, ({ userId }) => userId ?? "");
  const newest = (userId: string) => ofUser.get(userId)?.at(-1)?.conversation ?? "";
  const contexts = (options: ContextOptions) =>
    Promise.all(budgets.map(async (maxTokens) => idsOf(await memory.context({ ...options, maxTokens }))));
  return {
    "context, new conversation": ({ userId, text }) => contexts({ userId, query: text }),
    "context, last conversation": ({ userId, text }) => contexts({ userId, query: text, conversationId: newest(userId) }),
    "plain top-k": async ({ userId, text }) => {
      const hits = await memory.recall(text, { userId, limit: 200 });
      return fitting(hits.map((hit) => ({ id: hit.id, line: lineOf(hit.createdAt.toISOString(), hit.name ?? hit.role, hit.text) })));
    },
    "recent messages": async ({ userId }) => {
      const newestFirst = (ofUser.get(userId) ?? []).toReversed().slice(0, 400);
      return fitting(
        newestFirst.map(({ id = "", createdAt, name, role, content = "" }) => ({
          id,
          line: lineOf(String(createdAt), name ?? role, content),
        })),
      );
    },
  };
}

function idsOf({ sources }: Context): Set<string> {
  return new Set(sources.map(({ id }) => id));
}

function lineOf(date: string, speaker: string, text: string): string {
  return `[${date.slice(0, 10)}] ${speaker}: ${text}\n`;
}

/** In their order, up to the first that does not fit. */
function fitting(lines: readonly { readonly id: string; readonly line: string }[]): Set<string>[] {
  let sum = 0;
  const ends = lines.map(({ id, line }) => {
    sum += countTokens(line);
    return { id, end: sum };
  });
  return budgets.map((most) => new Set(ends.filter(({ end }) => end <= most).map(({ id }) => id)));
}

async function measureQuality(questions: readonly Question[], ways: Record<string, Method>): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const [way, method] of Object.entries(ways)) {
    const shares = budgets.map((): number[] => []);
    for (const question of questions) {
      for (const [place, given] of (await method(question)).entries())
        shares[place]?.push(question.evidence.filter((id) => given.has(id)).length / question.evidence.length);
    }
    const row: Record<string, unknown> = { "what a model is given": way };
    for (const [place, tokens] of budgets.entries()) {
      const own = shares[place] ?? [];
      row[`all evidence, ${tokens}`] = percent(own.filter((share) => share === 1).length / own.length);
      row[`evidence, ${tokens}`] = percent(own.reduce((total, share) => total + share, 0) / own.length);
    }
    rows.push(row);
  }
  return rows;
}

async function measureLatency(memory: Memory): Promise<Record<string, unknown>> {
  const userId = "latency";
  const conversation = "long";
  const texts = makeTexts(10_000, 7);
  await memory.import(
    texts.map((content, index) => ({
      ...{ userId, conversation, id: `m${index}`, role: index % 2 === 0 ? "user" : "assistant", content },
      createdAt: Date.UTC(2025, 0, 1) + index * 60_000,
    })),
  );
  await memory.flush();
  const mine = memory.scope({ userId });
  await mine.working.set("Prefers short answers.");
  await mine.facts.put({ predicate: "lives_in", object: "Vienna" });
  const contexts: number[] = [];
  const searches: number[] = [];
  const differences: number[] = [];
  for (let call = 0; call < 60; call++) {
    const query = (texts[(call * 167) % texts.length] as string).split(" ").slice(0, 6).join(" ");
    const searched = () =>
      Promise.all([
        mine.messages.list(conversation, { limit: 200 }),
        mine.recall(query, { limit: 200 }),
        mine.working.get(),
        mine.facts.search(query, { limit: 40 }),
        mine.facts.current("user"),
      ]);
    const packed = () => mine.context({ conversationId: conversation, query });
    const isFirst = call % 2 === 0;
    const before = isFirst ? await time(packed) : await time(searched);
    const after = isFirst ? await time(searched) : await time(packed);
    // The first calls load the encoding and warm up.
    if (call < 10) continue;
    contexts.push(isFirst ? before : after);
    searches.push(isFirst ? after : before);
    differences.push(isFirst ? before - after : after - before);
  }
  const shown = (milliseconds: number) => `${milliseconds.toFixed(1)} ms`;
  return {
    case: "context, 10,000 messages",
    p50: shown(median(contexts)),
    p95: shown(quantile(contexts, 0.95)),
    "searches alone, p50": shown(median(searches)),
    "beyond them, median": shown(median(differences)),
    bar: median(differences) < 20 ? "< 20 ms: ok" : "< 20 ms: MISSED",
  };
}

async function dropSchema(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
  await client.end();
}

function percent(share: number): number {
  return Math.round(1_000 * share) / 10;
}
