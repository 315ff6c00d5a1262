// MongoDB's protocol as FerretDB 2 speaks it, on PostgreSQL 18 with the DocumentDB extension: no registry has mongod itself.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianRoot, inside } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { startPostgres, stopPostgres } from "./postgres.ts";
import { run, succeeds } from "./processes.ts";
import { makeFolder, runningPort, startServer, stopServer } from "./server.ts";

const version = "v2.7.0";
const rootOf = (directory: string) => join(directory, "sid");
const url = (port: number) => `mongodb://unforget:unforget@127.0.0.1:${port}/`;

/**
 * It has unique, partial, text and vector indexes, expiry (once a minute), $graphLookup and $merge. It has no transactions
 * (as a MongoDB that is not a replica set, but it lets them begin), change streams, collations and search index commands.
 */
export const mongodb: Engine = {
  name: "mongodb",
  variable: "UNFORGET_TEST_MONGODB_URL",
  async start(directory) {
    const root = await debianRoot(directory, "sid", ["postgresql-18-documentdb", "golang-go"]);
    const [postgresUrl] = await Promise.all([startStorage(root), build(root)]);
    return url(await startFerretdb(root, new URL(postgresUrl).port));
  },
  async stop(directory) {
    await stopServer(rootOf(directory), "ferretdb");
    await stopPostgres(rootOf(directory), 18);
  },
  running(directory) {
    const port = runningPort(rootOf(directory), "ferretdb");
    return port === undefined ? undefined : url(port);
  },
};

function startStorage(root: string): Promise<string> {
  // Its background jobs (indexes, expiry) live in the database `postgres`, and it connects to itself over loopback, without a password.
  const settings = [
    "shared_preload_libraries = 'pg_cron, pg_documentdb_core, pg_documentdb'",
    "shared_buffers = 128MB",
    "cron.log_statement = off",
  ];
  return startPostgres(root, 18, { settings, extension: ["documentdb", "postgres"], auth: "trust" });
}

async function build(root: string): Promise<void> {
  const home = await makeFolder(root, "ferretdb", "postgres");
  if (existsSync(join(home, `ferretdb-${version}`))) return;
  const steps = `
    export GOPATH=/srv/ferretdb/go GOCACHE=/srv/ferretdb/cache GOFLAGS=-modcacherw GOTOOLCHAIN=local CGO_ENABLED=0
    go install -trimpath -ldflags=-s github.com/FerretDB/FerretDB/v2/cmd/ferretdb@${version}
    mv "$GOPATH/bin/ferretdb" /srv/ferretdb/ferretdb-${version}`;
  await run(inside(root, "root", ["sh", "-euc", steps]));
  for (const folder of ["go", "cache"]) rmSync(join(home, folder), { recursive: true });
}

function startFerretdb(root: string, postgresPort: string): Promise<number> {
  const program = `/srv/ferretdb/ferretdb-${version}`;
  const options = [
    `--postgresql-url=postgres://unforget@127.0.0.1:${postgresPort}/postgres`,
    "--state-dir=/srv/ferretdb",
    "--debug-addr=-",
    "--telemetry=disable",
    "--log-level=WARN",
  ];
  return startServer({
    root,
    name: "ferretdb",
    user: "postgres",
    command: (port) => [program, `--listen-addr=127.0.0.1:${port}`, ...options],
    ready: (port) => succeeds(run(inside(root, "postgres", [program, "ping", `--listen-addr=127.0.0.1:${port}`]))),
  });
}
