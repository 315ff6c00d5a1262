// Speed, beside the best hand-written `pg` code on the same tables, columns and indexes (bench/reference.ts).
//
//   npm run bench -- --stores [--quick] [--only redis,qdrant]   every store beside each other (bench/stores.ts)
//   npm run bench -- [--url URL] [--quick] [--only append,writers,bulk,last50,recall,open] [--json] [--strict]
//
// Both sides run in turn, in one run, on one server; figures are medians of several rounds. Ratios travel between
// machines, milliseconds do not. Without a server (--url or UNFORGET_TEST_POSTGRES_URL) only the embedded figures are
// printed. --strict ends with exit code 1 when a bar is missed.
import { parseArgs } from "node:util";
import { embeddedAppends, firstRecalls } from "./embedded.ts";
import { reads } from "./reads.ts";
import { isMissed, printTable, type Result } from "./report.ts";
import { benchServer } from "./server.ts";
import { benchStores } from "./stores.ts";
import { appendInBackground, appendOne, bulkImport, concurrentWriters } from "./writes.ts";

const names = ["append", "writers", "bulk", "last50", "recall", "open"];
const { values } = parseArgs({
  options: {
    url: { type: "string", default: process.env.UNFORGET_TEST_POSTGRES_URL ?? "" },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
    stores: { type: "boolean", default: false },
  },
});
if (values.stores) {
  const sizes = values.quick ? { calls: 20, rows: 500 } : { calls: 100, rows: 5_000 };
  await benchStores(sizes, values.only?.split(","), (line) => console.error(`… ${line}`));
  process.exit();
}
const wanted = values.only?.split(",") ?? names;
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) {
  console.error(`bench: no case is called "${unknown}"; there are ${names.join(", ")}`);
  process.exit(2);
}
const wants = (name: string) => wanted.includes(name);
const say = (line: string) => console.error(`… ${line}`);

const sizes = values.quick
  ? { processes: 1, rounds: 2, appends: 50, appendsPerWriter: 10, bulkConversations: 2, rows: 5_000, calls: 50, queries: 30 }
  : { processes: 3, rounds: 7, appends: 200, appendsPerWriter: 100, bulkConversations: 10, rows: 100_000, calls: 100, queries: 200 };

const results: Result[] = [];
if (wants("open")) {
  say("embedded");
  results.push(...(await firstRecalls(sizes.processes)), ...(await embeddedAppends(sizes)));
}
if (values.url === "") say("no server: give --url or set UNFORGET_TEST_POSTGRES_URL; only embedded figures follow");
else {
  const server = benchServer(values.url);
  try {
    if (wants("append")) results.push(...(await appendOne(server, sizes)), ...(await appendInBackground(server, sizes)));
    if (wants("writers")) results.push(...(await concurrentWriters(server, sizes)));
    if (wants("bulk")) results.push(...(await bulkImport(server, sizes)));
    if (wants("last50") || wants("recall")) results.push(...(await reads(server, sizes, wants, say)));
  } finally {
    await server.close();
  }
}

const missed = results.filter(isMissed).length;
if (values.json) console.log(JSON.stringify({ quick: values.quick, missed, results }, undefined, 2));
else {
  printTable(results);
  if (values.url === "") console.log("\nWithout a server: embedded figures only.");
  console.log(
    `\n${missed === 0 ? "Every bar is met." : `${missed} missed.`}${values.quick ? " --quick: small sizes and few rounds; the bars are meant for a full run." : ""}`,
  );
}
if (values.strict && missed > 0) process.exitCode = 1;
