// PostgreSQL servers: 17 as most people run it, 15 as the oldest supported one, and PgBouncer in front of 17.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianRoot, inside, inTurn } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { alive, choosePort, end, once, readPort, run, startDetached, succeeds, until } from "./processes.ts";

type Version = 15 | 17 | 18;

/** One role for all tests. It is a superuser, so that a test can make databases and weaker roles; its password is checked. */
const role = "unforget";
const password = "unforget";
const database = "unforget";

const url = (port: number) => `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;

export const postgres: Engine = {
  name: "postgres",
  variable: "UNFORGET_TEST_POSTGRES_URL",
  isRequired: true,
  async start(directory) {
    return startPostgres(await trixie(directory), 17, { settings: ["shared_buffers = 1GB", "maintenance_work_mem = 512MB"] });
  },
  stop: (directory) => stopPostgres(join(directory, "trixie"), 17),
  running: (directory) => runningServer(join(directory, "trixie"), 17),
};

export const postgres15: Engine = {
  name: "postgres15",
  variable: "UNFORGET_TEST_POSTGRES15_URL",
  isRequired: true,
  async start(directory) {
    const [root, archive] = await Promise.all([bookworm(directory), pgvectorSource(directory)]);
    await buildPgvector(root, archive);
    return startPostgres(root, 15, { settings: ["shared_buffers = 256MB", "maintenance_work_mem = 128MB"] });
  },
  stop: (directory) => stopPostgres(join(directory, "bookworm"), 15),
  running: (directory) => runningServer(join(directory, "bookworm"), 15),
};

export const pgbouncer: Engine = {
  name: "pgbouncer",
  variable: "UNFORGET_TEST_PGBOUNCER_URL",
  isRequired: true,
  async start(directory) {
    const server = new URL(await postgres.start(directory));
    return startPgbouncer(await trixie(directory), server.port);
  },
  stop: (directory) => end(join(directory, "trixie/srv/pgbouncer/pgbouncer.pid"), "SIGTERM"),
  running(directory) {
    const home = join(directory, "trixie/srv/pgbouncer");
    return alive(join(home, "pgbouncer.pid")) === undefined ? undefined : urlOf(home);
  },
};

/** PgBouncer comes with the newer release: one root serves both, whichever engine is asked for first. */
const trixie = (directory: string) => debianRoot(directory, "trixie", ["postgresql-17-pgvector", "pgbouncer"]);

const bookworm = (directory: string) => debianRoot(directory, "bookworm", ["postgresql-15", "gcc", "libc6-dev", "make"]);

export interface PostgresOptions {
  readonly settings: readonly string[];
  /**
   * An extension and the database it is made in. pgvector goes into a schema that no test drops; other databases are
   * without it, for the test of a missing one.
   */
  readonly extension?: readonly [name: string, database: string];
  /** How those who come over the network are recognised. */
  readonly auth?: "scram-sha-256" | "trust";
}

/** Starts PostgreSQL of that version in `root` unless it runs, and returns its URL. */
export function startPostgres(
  root: string,
  version: Version,
  { settings, extension: [extension, extended] = ["vector", database], auth = "scram-sha-256" }: PostgresOptions,
): Promise<string> {
  return once(`postgres ${version}`, async () => {
    const home = join(root, `srv/postgres${version}`);
    const bin = `/usr/lib/postgresql/${version}/bin`;
    const data = `/srv/postgres${version}/data`;
    const isNew = !existsSync(join(home, "complete"));
    if (isNew) {
      await run(inside(root, "root", ["install", "-d", "-o", "postgres", "-g", "postgres", `/srv/postgres${version}`]));
      await run(inside(root, "root", ["rm", "-rf", data]));
      const options = ["--locale=C.UTF-8", "--encoding=UTF8", "--auth-local=trust", `--auth-host=${auth}`, "--username=postgres"];
      await run(inside(root, "postgres", [`${bin}/initdb`, "-D", data, ...options]));
      const common = ["listen_addresses = '127.0.0.1'", "unix_socket_directories = '/tmp'", "max_connections = 200", "max_wal_size = 4GB"];
      writeFileSync(join(home, "data/postgresql.auto.conf"), [...common, ...settings, ""].join("\n"));
    }
    if (alive(join(home, "data/postmaster.pid")) === undefined) {
      const port = await choosePort(home);
      startDetached(inside(root, "postgres", [`${bin}/postgres`, "-D", data, "-p", `${port}`]), join(home, "server.log"));
    }
    await untilReady(root, home);
    if (isNew) {
      await psql(root, home, "postgres", `create role ${role} superuser login password '${password}'`);
      await psql(root, home, "postgres", `create database ${database} owner ${role}`);
      await psql(root, home, extended, `create extension ${extension} cascade`);
      writeFileSync(join(home, "complete"), "");
    }
    return urlOf(home);
  });
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is safe. */
export const stopPostgres = (root: string, version: Version) => end(join(root, `srv/postgres${version}/data/postmaster.pid`), "SIGINT");

function runningServer(root: string, version: Version): string | undefined {
  const home = join(root, `srv/postgres${version}`);
  return alive(join(home, "data/postmaster.pid")) === undefined ? undefined : urlOf(home);
}

async function startPgbouncer(root: string, serverPort: string): Promise<string> {
  const home = join(root, "srv/pgbouncer");
  if (alive(join(home, "pgbouncer.pid")) === undefined) {
    await run(inside(root, "root", ["install", "-d", "-o", "postgres", "-g", "postgres", "/srv/pgbouncer"]));
    const settings = [
      "[databases]",
      `* = host=127.0.0.1 port=${serverPort}`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${await choosePort(home)}`,
      "unix_socket_dir =",
      "auth_type = scram-sha-256",
      "auth_file = /srv/pgbouncer/users.txt",
      "pool_mode = transaction",
      "default_pool_size = 10",
      "max_client_conn = 500",
      "; Prepared statements are not carried over: the strictest proxy that people still run.",
      "max_prepared_statements = 0",
      "pidfile = /srv/pgbouncer/pgbouncer.pid",
    ];
    writeFileSync(join(home, "pgbouncer.ini"), `${settings.join("\n")}\n`);
    writeFileSync(join(home, "users.txt"), `"${role}" "${password}"\n`);
    startDetached(inside(root, "postgres", ["pgbouncer", "/srv/pgbouncer/pgbouncer.ini"]), join(home, "server.log"));
  }
  await untilReady(root, home);
  return urlOf(home);
}

/** pgvector's source as the newer release packages it: the older release has no version with iterative scans. */
async function pgvectorSource(directory: string): Promise<string> {
  const root = await trixie(directory);
  const folder = join(root, "srv/pgvector");
  if (archiveIn(folder) === undefined) {
    mkdirSync(folder, { recursive: true });
    const list = readFileSync(join(root, "etc/apt/sources.list"), "utf8").replaceAll(/^deb /gm, "deb-src ");
    writeFileSync(join(root, "etc/apt/sources.list.d/source.list"), list);
    const steps = "cd /srv/pgvector; apt-get update -q; apt-get source -q --download-only pgvector";
    await inTurn(root, () => run(inside(root, "root", ["sh", "-euc", steps])));
  }
  const archive = archiveIn(folder);
  if (archive === undefined) throw new Error("The source package of pgvector has no upstream archive");
  return join(folder, archive);
}

const archiveIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).find((name) => name.includes(".orig.tar.")) : undefined);

/** Builds against unpacked server headers: the package that holds them would pull in a compiler suite that pgvector does not need. */
async function buildPgvector(root: string, archive: string): Promise<void> {
  if (existsSync(join(root, "usr/share/postgresql/15/extension/vector.control"))) return;
  const folder = join(root, "srv/pgvector");
  mkdirSync(folder, { recursive: true });
  copyFileSync(archive, join(folder, "pgvector.tar"));
  await run(["tar", "-x", "-f", join(folder, "pgvector.tar"), "-C", folder, "--strip-components=1"]);
  const steps = `
    cd /srv/pgvector
    apt-get update -q
    apt-get download -q postgresql-server-dev-15
    dpkg-deb -x postgresql-server-dev-15_*.deb /
    make -j2 OPTFLAGS= with_llvm=no PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
    make install with_llvm=no PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config`;
  await run(inside(root, "root", ["sh", "-euc", steps]));
}

function psql(root: string, home: string, name: string, statement: string): Promise<void> {
  const options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "/tmp", "-p", readPort(home), "-U", "postgres", "-d", name];
  return run(inside(root, "postgres", ["psql", ...options, "-c", statement]));
}

async function untilReady(root: string, home: string): Promise<void> {
  const ask = inside(root, "postgres", ["pg_isready", "-q", "-h", "127.0.0.1", "-p", readPort(home)]);
  await until(() => succeeds(run(ask)), `an answer (the log is ${join(home, "server.log")})`);
}

const urlOf = (home: string) => url(Number(readPort(home)));
