import type { Memory, RecallLeg } from "../src/index.ts";
import { type Corpus, type Layout, makeCorpus, type Query, sharedLayout, singleLayout } from "./data.ts";
import type { Result } from "./report.ts";
import type { BenchServer } from "./server.ts";
import { quantile } from "./statistics.ts";
import { compareCalls, median, time } from "./timing.ts";

export interface ReadSizes {
  readonly rounds: number;
  readonly rows: number;
  readonly calls: number;
  readonly queries: number;
}

const dimensions = 256;

/** Reading one conversation, and recalls of users who own little, a fifth and everything. Both sides read the same tables. */
export async function reads(
  server: BenchServer,
  sizes: ReadSizes,
  wants: (name: string) => boolean,
  say: (line: string) => void,
): Promise<Result[]> {
  say(`preparing ${sizes.rows.toLocaleString("en")} messages`);
  const corpus = makeCorpus(sizes.rows, dimensions);
  const layout = sharedLayout(sizes.rows);
  const results: Result[] = [];
  say("loading them for many users");
  const { memory, schema } = await server.memory({ embedding: corpus.embedder });
  results.push(...(await load(server, memory, schema, corpus, layout)));
  const reference = server.referenceOn(schema);

  if (wants("last50")) {
    const mine = memory.scope({ userId: "big" });
    const conversation = (call: number) => `big-${call % (layout.bigRows / 1000)}`;
    const compared = await compareCalls(
      sizes.rounds,
      sizes.calls,
      (call) => reference.lastMessages("big", conversation(call), 50),
      (call) => mine.messages.list(conversation(call), { limit: 50 }),
    );
    results.push({
      case: `last 50 of 1,000 among ${sizes.rows.toLocaleString("en")}`,
      unit: "ms",
      ...compared,
      bar: { most: 1.2 },
      note: `p95 ${compared.p95.toFixed(2)} ms`,
    });
  }

  if (wants("recall")) {
    say("recall of a user with 100 messages");
    const small = corpus.queries(layout, range(layout.bigRows, sizes.rows), sizes.queries);
    const compared = await compareCalls(
      sizes.rounds,
      sizes.calls,
      (call) => reference.recall(small[call % small.length] as Query, 10),
      (call) => recall(memory, small[call % small.length] as Query),
    );
    let same = 0;
    for (const query of small) same += share(ids(await reference.recall(query, 10)), ids(await recall(memory, query)));
    results.push({
      case: `recall, a user of 100 among ${sizes.rows.toLocaleString("en")}`,
      unit: "ms",
      ...compared,
      bar: { most: 1.3 },
      note: `p95 ${compared.p95.toFixed(2)} ms; ${((100 * same) / small.length).toFixed(1)} % of the reference's hits`,
    });
    const rowsOf = new Map<string, number[]>();
    for (let index = layout.bigRows; index < sizes.rows; index++) {
      const owner = layout.owner(index);
      rowsOf.set(owner, [...(rowsOf.get(owner) ?? []), index]);
    }
    results.push(...(await vectorRecall("a user of 100", memory, corpus, small, (query) => rowsOf.get(query.userId) ?? [], 1)));

    say("recall of a user with a fifth of them");
    const bigRows = range(0, layout.bigRows);
    results.push(
      ...(await largeScope("a user of 20 %", memory, corpus, corpus.queries(layout, bigRows, sizes.queries), bigRows, sizes, undefined)),
    );
    await server.clear();

    say("loading them for one user");
    const alone = await server.memory({ embedding: corpus.embedder });
    await load(server, alone.memory, alone.schema, corpus, singleLayout);
    const allRows = range(0, sizes.rows);
    results.push(
      ...(await largeScope(
        "a user of all",
        alone.memory,
        corpus,
        corpus.queries(singleLayout, allRows, sizes.queries),
        allRows,
        sizes,
        25,
      )),
    );
  }
  await server.clear();
  return results;
}

async function load(server: BenchServer, memory: Memory, schema: string, corpus: Corpus, layout: Layout): Promise<Result[]> {
  const imported = await time(() => memory.import(corpus.lines(layout)));
  const embedded = await time(() => memory.flush());
  // What autovacuum does a minute later.
  const { rows } = await server.pool.query<{ tablename: string }>("SELECT tablename FROM pg_tables WHERE schemaname = $1", [schema]);
  for (const { tablename } of rows) await server.pool.query(`VACUUM (ANALYZE) "${schema}"."${tablename}"`);
  const title = `load of ${corpus.count.toLocaleString("en")} messages`;
  return [
    { case: `${title}, import`, unit: "/s", ours: (1000 * corpus.count) / imported },
    { case: `${title}, flush (vectors of ${corpus.dimensions}, looked up)`, unit: "/s", ours: (1000 * corpus.count) / embedded },
  ];
}

async function largeScope(
  who: string,
  memory: Memory,
  corpus: Corpus,
  queries: readonly Query[],
  rows: readonly number[],
  sizes: ReadSizes,
  mostMs: number | undefined,
): Promise<Result[]> {
  await recall(memory, queries[0] as Query);
  const built = await time(() => memory.flush());
  for (const query of queries.slice(0, 20)) await recall(memory, query);
  const times: number[] = [];
  for (let round = 0; round < Math.min(2, sizes.rounds); round++) {
    for (const query of queries) times.push(await time(() => recall(memory, query)));
  }
  const { explain } = await memory.recall((queries[0] as Query).text, { userId: (queries[0] as Query).userId, explain: true });
  return [
    { case: `flush after the first recall, ${who} (index)`, unit: "s", ours: built / 1000 },
    {
      case: `recall, ${who}`,
      unit: "ms",
      ours: median(times),
      ...(mostMs === undefined ? {} : { bar: { most: mostMs } }),
      note: `p95 ${quantile(times, 0.95).toFixed(1)} ms; plan: ${explain?.plan}`,
    },
    ...(await vectorRecall(who, memory, corpus, queries, () => rows, 0.98)),
  ];
}

/** Share of the ten nearest by brute force among the ten that vectors alone find. */
async function vectorRecall(
  who: string,
  memory: Memory,
  corpus: Corpus,
  queries: readonly Query[],
  rows: (query: Query) => readonly number[],
  least: number,
): Promise<Result[]> {
  let sum = 0;
  const times: number[] = [];
  for (const query of queries) {
    let found: string[] = [];
    times.push(await time(async () => (found = ids(await recall(memory, query, ["vector"])))));
    sum += share(corpus.nearest(query, rows(query)), found);
  }
  return [
    {
      case: `recall@10 of vectors, ${who}`,
      unit: "recall",
      ours: sum / queries.length,
      bar: { least },
      note: `p50 ${median(times).toFixed(2)} ms, p95 ${quantile(times, 0.95).toFixed(2)} ms`,
    },
  ];
}

function recall(memory: Memory, query: Query, legs?: readonly RecallLeg[]) {
  return memory.recall(query.text, { userId: query.userId, limit: 10, legs });
}

function ids(hits: readonly { readonly id: string }[]): string[] {
  return hits.map(({ id }) => id);
}

function share(wanted: readonly string[], found: readonly string[]): number {
  return wanted.filter((id) => found.includes(id)).length / wanted.length;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
