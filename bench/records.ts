// Typed records of users with 1,000, 10,000 and 100,000 of them, among those of others, through the public API.
//
//   npm run bench:records -- [--url URL] [--others 1000000] [--quick] [--json]
//
// Each user is searched by a vector of 256 dimensions, by words, by name, and listed, counted and filtered, on a PostgreSQL server
// (--url or UNFORGET_TEST_POSTGRES_URL). Figures are medians, in milliseconds.
import { parseArgs } from "node:util";
import type { Records } from "../src/index.ts";
import { makeTexts, randomNumbers } from "./data.ts";
import { benchServer } from "./server.ts";
import { median, time } from "./timing.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: process.env.UNFORGET_TEST_POSTGRES_URL ?? "" },
    others: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
if (values.url === "") {
  console.error("bench: needs a PostgreSQL server: give --url or set UNFORGET_TEST_POSTGRES_URL");
  process.exit(2);
}

const sizes = values.quick ? [100, 1_000] : [1_000, 10_000, 100_000];
const others = Number(values.others ?? (values.quick ? 10_000 : 1_000_000));
const calls = values.quick ? 3 : 7;
const dimensions = 256;
const type = "long_term_memory";
const batch = 1_000;

const say = (line: string) => console.error(`… ${line}`);
const random = randomNumbers(3);
const vector = () => Array.from({ length: dimensions }, () => random() - 0.5);
const server = benchServer(values.url);
try {
  const { memory, schema } = await server.memory({ embedding: { provider: "caller", model: "bench", dimensions } });
  const biggest = Math.max(...sizes);
  const texts = makeTexts(biggest, 9);
  for (const size of sizes) {
    say(`${size.toLocaleString("en")} records of one user`);
    const { records } = memory.scope({ userId: `user-${size}` });
    for (let start = 0; start < size; start += batch) await records.putMany(inputs(start, Math.min(start + batch, size)));
  }
  say(`${others.toLocaleString("en")} of others`);
  await copyToOthers();
  await server.pool.query(`VACUUM ANALYZE "${schema}".records`);

  const frequent = frequentWords(texts);
  say(`words that are frequent: ${frequent}`);
  const rows: Record<string, number | string>[] = [];
  for (const size of sizes) {
    const { records } = memory.scope({ userId: `user-${size}` });
    const row: Record<string, number | string> = { records: size };
    for (const [name, ask] of Object.entries(questions(records, size, frequent))) {
      const taken: number[] = [];
      await ask();
      for (let call = 0; call < calls; call++) taken.push(await time(ask));
      row[name] = Number(median(taken).toFixed(1));
    }
    rows.push(row);
  }
  if (values.json) console.log(JSON.stringify({ quick: values.quick, others, milliseconds: rows }, undefined, 2));
  else console.table(rows);

  function inputs(from: number, to: number) {
    return texts.slice(from, to).map((content, index) => ({
      type,
      name: `name-${from + index}`,
      content: `${content} mark${from + index}`,
      metadata: { shelf: (from + index) % 100 },
      embedding: vector(),
    }));
  }

  /** Users of 1,000 records each, copied from the biggest. */
  async function copyToOthers(): Promise<void> {
    const { rows: columns } = await server.pool.query<{ name: string }>(
      `SELECT quote_ident(column_name) AS name FROM information_schema.columns
WHERE table_schema = $1 AND table_name = 'records' AND is_generated = 'NEVER' ORDER BY ordinal_position`,
      [schema],
    );
    const names = columns.map(({ name }) => name);
    const copied = names.map((name) => (name === "user_id" ? "'other-' || $1 || '-' || n / 1000" : name));
    for (let round = 0; round * biggest < others; round++)
      await server.pool.query(
        `INSERT INTO "${schema}".records (${names.join(", ")})
SELECT ${copied.join(", ")} FROM (SELECT *, row_number() OVER () AS n FROM "${schema}".records WHERE user_id = $2 LIMIT $3) r`,
        [String(round), `user-${biggest}`, Math.min(biggest, others - round * biggest)],
      );
  }
} finally {
  await server.close();
}

/** Two words that stand in more texts than others; longer ones, as short ones are not searched by. */
function frequentWords(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts.slice(0, 1_000)) for (const word of new Set(text.split(" "))) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].filter(([word]) => word.length > 5).sort(([, left], [, right]) => right - left);
  return sorted
    .slice(0, 2)
    .map(([word]) => word)
    .join(" ");
}

/** What a user is asked. The rare word stands in one record. */
function questions(records: Records, size: number, frequent: string): Record<string, () => Promise<unknown>> {
  return {
    vector: () => records.query({ type, embedding: vector() }),
    "rare word": () => records.query({ type, text: `mark${Math.floor(random() * size)}` }),
    "frequent words": () => records.query({ type, text: frequent }),
    "by name": () => records.getByName(type, `name-${Math.floor(random() * size)}`),
    "list of 50": () => records.list({ type }),
    count: () => records.count({ type }),
    "count, 1 in 100": () => records.count({ type, filter: { shelf: 7 } }),
  };
}
