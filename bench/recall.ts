// Quality of recall on LoCoMo-shaped data, through the public API.
//
//   npm run bench:recall -- --data FILE [--url URL | --config FILE] [--embedding builtin|none] [--legs vector,text] [--json]
//
// For each sample its conversations are imported for one user; each question is a recall over that user's memory, and
// its evidence turns are what must come back. recall@k is the share of a question's evidence among the first k hits,
// averaged over questions; hit@k asks for any of them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readLocomo } from "../src/importers/locomo.ts";
import { createMemory, loadConfig, type MemoryOptions, type RecallLeg } from "../src/index.ts";
import { readQuestions } from "./locomo-questions.ts";
import { quantile } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: process.env.UNFORGET_BENCH_DATA ?? "" },
    url: { type: "string" },
    config: { type: "string" },
    embedding: { type: "string", default: "builtin" },
    legs: { type: "string" },
    weights: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
if (values.data === "") {
  console.error("bench:recall needs data: --data FILE (LoCoMo JSON), or UNFORGET_BENCH_DATA");
  process.exit(2);
}

const cutoffs = [1, 5, 10, 20];
const categories: Record<number, string> = { 1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial" };

interface Outcome {
  readonly category: number;
  readonly ranks: readonly number[];
  readonly evidence: number;
}

const directory = (values.url ?? values.config) === undefined ? await mkdtemp(join(tmpdir(), "unforget-bench-")) : undefined;
const options: MemoryOptions = {
  // Any stores, empty ones: what is imported stays there.
  ...(values.config === undefined ? {} : await loadConfig(values.config)),
  ...(directory === undefined ? {} : { dataDir: directory }),
  ...(values.url === undefined ? {} : { url: values.url, schema: `bench_recall_${process.pid}` }),
  ...(values.embedding === "none" ? { embedding: false as const } : {}),
};
const memory = createMemory(options);
try {
  await memory.ready();
  const imported = performance.now();
  const report = await memory.import(readLocomo(values.data));
  const stored = performance.now();
  await memory.flush();
  const embedded = performance.now();
  const { questions, repaired, dropped } = await readQuestions(values.data);

  const modes: readonly { readonly name: string; readonly legs?: readonly RecallLeg[] }[] =
    values.legs !== undefined
      ? [{ name: values.legs, legs: values.legs.split(",") as RecallLeg[] }]
      : values.embedding === "none"
        ? [{ name: "words alone", legs: ["text"] }]
        : [{ name: "fusion" }, { name: "words alone", legs: ["text"] }, { name: "vectors alone", legs: ["vector"] }];
  const results: Record<string, unknown>[] = [];
  for (const { name, legs } of modes) {
    const outcomes: Outcome[] = [];
    const latencies: number[] = [];
    for (const question of questions) {
      const started = performance.now();
      const hits = await memory.recall(question.text, {
        userId: question.userId,
        limit: Math.max(...cutoffs),
        legs,
        ...(values.weights === undefined ? {} : { weights: JSON.parse(values.weights) }),
      });
      latencies.push(performance.now() - started);
      const found = hits.map((hit) => hit.id);
      outcomes.push({
        category: question.category,
        evidence: question.evidence.length,
        ranks: question.evidence.map((id) => found.indexOf(id) + 1).filter((rank) => rank > 0),
      });
    }
    results.push({ mode: name, ...measure(outcomes), p50Ms: round(quantile(latencies, 0.5)), p95Ms: round(quantile(latencies, 0.95)) });
    for (const category of Object.keys(categories).map(Number)) {
      const some = outcomes.filter((outcome) => outcome.category === category);
      if (some.length > 0) results.push({ mode: `  ${categories[category]}`, ...measure(some) });
    }
  }
  if (values.json) console.log(JSON.stringify({ results, messages: report.messages, repaired, dropped }, undefined, 2));
  else {
    console.log(
      `${report.messages} messages, ${questions.length} questions (${repaired} evidence ids repaired, ${dropped} dropped), ${values.url === undefined ? "PGlite" : "server"}`,
    );
    console.log(
      `stored ${rate(report.messages, stored - imported)} messages/s, embedded and indexed ${rate(report.messages, embedded - stored)} messages/s`,
    );
    console.table(results);
  }
} finally {
  await memory.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}

function measure(outcomes: readonly Outcome[]): Record<string, number> {
  const mean = (score: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + score(outcome), 0) / outcomes.length;
  const within = (outcome: Outcome, k: number) => outcome.ranks.filter((rank) => rank <= k).length;
  const ideal = (count: number) =>
    Array.from({ length: Math.min(count, 10) }, (_, index) => 1 / Math.log2(index + 2)).reduce((sum, gain) => sum + gain, 0);
  return {
    n: outcomes.length,
    ...Object.fromEntries(cutoffs.map((k) => [`R@${k}`, round(100 * mean((outcome) => within(outcome, k) / outcome.evidence))])),
    "hit@10": round(100 * mean((outcome) => (within(outcome, 10) > 0 ? 1 : 0))),
    "nDCG@10": round(
      100 *
        mean(
          (outcome) =>
            outcome.ranks.filter((rank) => rank <= 10).reduce((sum, rank) => sum + 1 / Math.log2(rank + 1), 0) / ideal(outcome.evidence),
        ),
    ),
    MRR: round(100 * mean((outcome) => (outcome.ranks.length === 0 ? 0 : 1 / Math.min(...outcome.ranks)))),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function rate(count: number, milliseconds: number): string {
  return Math.round((1000 * count) / milliseconds).toLocaleString("en");
}
