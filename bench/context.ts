// What a context holds of what it should, and how long it takes, through the public API.
//
//   npm run bench:context -- --data FILE [--url URL] [--embedding builtin|none] [--questions N] [--no-latency]
//
// Quality, on LoCoMo-shaped data: for each question, whether the turns that answer it are in what a model would be given
// within 1,000, 2,000 and 4,000 tokens. "context, new conversation": asked out of nothing. "context, last conversation":
// asked in the user's newest conversation, whose messages take their share. "plain top-k": recall's hits in their order, and
// "recent messages": the newest ones of all conversations, each a line with date and speaker, as many as fit. "long": all a user
// ever said as one conversation that goes on, with what summaries (without a model) bring beside recall and in its place.
// "answer words" is the share of the words of the answers that are anywhere in the text given.
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

/** What a model would see: ids of turns, and all of the text. */
interface Given {
  readonly ids: ReadonlySet<string>;
  readonly text: string;
}

/** For each budget. */
type Method = (question: Question) => Promise<readonly Given[]>;

const long = "long";
const ofLong = (userId: string | undefined) => `${long} ${userId}`;

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
  await memory.import(lines.map((line) => ({ ...line, userId: ofLong(line.userId), conversation: ofLong(line.userId) })));
  await memory.flush();
  console.table([await summarize(memory, lines)]);
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
    Promise.all(budgets.map(async (maxTokens) => given(await memory.context({ ...options, maxTokens }))));
  const inLong = (options: ContextOptions): Method => {
    return ({ userId, text }) => contexts({ userId: ofLong(userId), conversationId: ofLong(userId), query: text, ...options });
  };
  return {
    "context, new conversation": ({ userId, text }) => contexts({ userId, query: text }),
    "context, last conversation": ({ userId, text }) => contexts({ userId, query: text, conversationId: newest(userId) }),
    "long, no summaries": inLong({ shares: { summaries: 0 } }),
    "long, summaries": inLong({}),
    "long, no recall, no summaries": inLong({ recall: false, shares: { summaries: 0 } }),
    "long, no recall, summaries": inLong({ recall: false, shares: { summaries: 0.5 } }),
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

function given({ sources, messages }: Context): Given {
  return { ids: new Set(sources.map(({ id }) => id)), text: JSON.stringify(messages) };
}

async function summarize(memory: Memory, lines: readonly ImportedMessage[]): Promise<Record<string, unknown>> {
  const users = [...new Set(lines.map(({ userId }) => ofLong(userId)))];
  let tokens = 0;
  const milliseconds = await time(async () => {
    for (const userId of users) tokens += countTokens((await memory.summaries.create(userId, { userId }))?.text ?? "");
  });
  const before = lines.reduce((sum, { content = "" }) => sum + countTokens(content), 0);
  return {
    case: "summaries without a model",
    tokens: before,
    summarised: tokens,
    "per message": `${(milliseconds / lines.length).toFixed(2)} ms`,
  };
}

function lineOf(date: string, speaker: string, text: string): string {
  return `[${date.slice(0, 10)}] ${speaker}: ${text}\n`;
}

/** In their order, up to the first that does not fit. */
function fitting(lines: readonly { readonly id: string; readonly line: string }[]): Given[] {
  let sum = 0;
  const ends = lines.map(({ id, line }) => {
    sum += countTokens(line);
    return { id, line, end: sum };
  });
  return budgets.map((most) => {
    const own = ends.filter(({ end }) => end <= most);
    return { ids: new Set(own.map(({ id }) => id)), text: own.map(({ line }) => line).join("") };
  });
}

/** Undefined: the answer has no words to look for. */
function answerShare({ answer = "" }: Question, text: string): number | undefined {
  const words = new Set(answer.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu));
  const there = new Set(text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu));
  return words.size === 0 ? undefined : [...words].filter((word) => there.has(word)).length / words.size;
}

async function measureQuality(questions: readonly Question[], ways: Record<string, Method>): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const [way, method] of Object.entries(ways)) {
    const shares = budgets.map((): number[] => []);
    const answers = budgets.map((): number[] => []);
    for (const question of questions) {
      for (const [place, { ids, text }] of (await method(question)).entries()) {
        shares[place]?.push(question.evidence.filter((id) => ids.has(id)).length / question.evidence.length);
        const answered = answerShare(question, text);
        if (answered !== undefined) answers[place]?.push(answered);
      }
    }
    const row: Record<string, unknown> = { "what a model is given": way };
    for (const [place, tokens] of budgets.entries()) {
      const own = shares[place] ?? [];
      row[`all evidence, ${tokens}`] = percent(own.filter((share) => share === 1).length / own.length);
      row[`evidence, ${tokens}`] = percent(own.reduce((total, share) => total + share, 0) / own.length);
      const words = answers[place] ?? [];
      row[`answer words, ${tokens}`] = percent(words.reduce((total, share) => total + share, 0) / words.length);
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
