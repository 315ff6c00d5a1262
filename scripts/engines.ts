// Real servers for the tests and benchmarks: npm run engines [-- start|stop|env [NAME …]]
//
//   start   installs what is missing, starts the servers in the background, prints `export NAME=URL` lines; one that cannot be
//           had is reported, and fails the command if it is PostgreSQL or was named
//   stop    stops them; what was installed stays for the next start
//   env     prints the lines of the servers that run
//
// Needs root on Linux with apt; each server runs in a Debian directory under UNFORGET_ENGINES_DIR (.engines by default).
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { bigquery } from "./engines/bigquery.ts";
import { chroma } from "./engines/chroma.ts";
import { elasticsearch } from "./engines/elasticsearch.ts";
import type { Engine } from "./engines/engine.ts";
import { mongodb } from "./engines/mongodb.ts";
import { pgbouncer, postgres, postgres15 } from "./engines/postgres.ts";
import { run } from "./engines/processes.ts";
import { qdrant } from "./engines/qdrant.ts";
import { redis, redisCluster, redisearch } from "./engines/redis.ts";

const engines: readonly Engine[] = [
  postgres,
  postgres15,
  pgbouncer,
  redis,
  redisCluster,
  redisearch,
  mongodb,
  elasticsearch,
  bigquery,
  qdrant,
  chroma,
];
const directory = resolve(process.env.UNFORGET_ENGINES_DIR ?? join(import.meta.dirname, "../.engines"));
const [command = "start", ...names] = process.argv.slice(2);
const chosen = engines.filter((engine) => names.length === 0 || names.includes(engine.name));

if (command === "start" && chosen.length > 0) await start();
else if (command === "stop") for (const engine of chosen.toReversed()) await engine.stop(directory);
else if (command === "env") for (const engine of chosen) print(engine, engine.running(directory));
else {
  console.error(`Usage: npm run engines [-- start|stop|env [${engines.map((engine) => engine.name).join("|")}] …]`);
  process.exitCode = 2;
}

async function start(): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    console.error("Starting servers needs root on Linux with apt. Start them by other means and set:");
    for (const engine of chosen) console.error(`  ${engine.variable}`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(directory, { recursive: true });
  if (!existsSync("/usr/sbin/debootstrap")) {
    await run(["apt-get", "update", "-q"]);
    await run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap"]);
  }
  await Promise.all(chosen.map(startOne));
}

async function startOne(engine: Engine): Promise<void> {
  const before = performance.now();
  try {
    print(engine, await engine.start(directory));
    console.error(`${engine.name} is up after ${((performance.now() - before) / 1000).toFixed(1)} s`);
  } catch (error) {
    console.error(`${engine.name} did not start: ${error instanceof Error ? error.message : error}`);
    if (engine.isRequired || names.length > 0) process.exitCode = 1;
  }
}

function print(engine: Engine, url: string | undefined): void {
  if (url !== undefined) console.log(`export ${engine.variable}=${url}`);
}
