// BigQuery's REST interface by local-bigquery, an emulator that runs GoogleSQL on DuckDB.
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { debianRoot } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { freePort } from "./processes.ts";
import { installPython, pythonPackages } from "./python.ts";
import { answersOk, runningPort, startServer, stopServer } from "./server.ts";

const name = "bigquery";
const url = (port: number) => `http://127.0.0.1:${port}`;
const rootOf = (directory: string) => join(directory, "trixie");

/** The emulator asks for DuckDB 2 and works with 1.5, for which the extensions that it loads can be had as packages. */
const duckdb = "1.5.5";
const extensions = ["ducklake", "icu", "spatial"];
const requirements = [
  "local-bigquery==0.4.0",
  `duckdb==${duckdb}`,
  ...extensions.map((extension) => `duckdb-extension-${extension}==${duckdb}`),
  ...["annotated-doc==0.0.7", "annotated-types==0.8.0", "anyio==4.16.0", "certifi==2026.10.18", "cffi==2.1.1", "charset-normalizer==3.5.2"],
  ...["click==8.5.1", "cryptography==50.0.2", "fastapi==0.165.0", "fastavro==1.13.1", "google-api-core==2.44.0", "google-auth==2.62.2"],
  ...["google-cloud-bigquery-storage==2.43.0", "googleapis-common-protos==1.76.0", "grpcio==1.85.1", "grpcio-status==1.85.1"],
  ...["h11==0.16.0", "idna==3.20", "mini-racer==0.14.1", "numpy==2.5.5", "opentelemetry-api==1.45.2", "proto-plus==1.29.0"],
  ...["protobuf==7.36.2", "pyarrow==26.0.1", "pyasn1==0.6.5", "pyasn1-modules==0.4.2", "pycparser==3.12", "pydantic==2.14.3"],
  ...["pydantic-core==2.50.4", "pydantic-settings==2.16.3", "python-dotenv==1.2.4", "requests==2.34.2", "sqlglot==30.30.0"],
  ...["starlette==1.10.0", "typing-extensions==4.16.0", "typing-inspection==0.4.5", "urllib3==2.8.0", "uvicorn==0.54.0"],
];

/**
 * For each statement the emulator lists the tables of all projects many times over, and each answer stays as one more
 * table: a thousand statements take a second each. Here it looks only at the table in question, which is never a view,
 * and keeps the newest answers.
 */
const program = `
from collections import deque
import duckdb
from local_bigquery.catalog import tabledata, tables
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import query

objects, fetch, list_rows, answers = database.objects, database.fetch, tabledata.list_rows, deque()

def one_object(project, dataset, table=None):
    if table is None:
        return objects(project, dataset)
    try:
        return [(table, "TABLE", fetch(f"SELECT count(*) FROM {database.quote(project, dataset, table)}")[0][0])]
    except (duckdb.CatalogException, duckdb.BinderException):
        return []

def fetch_quickly(sql, parameters=None):
    if "FROM duckdb_columns()" not in sql:
        return fetch(sql, parameters)
    try:
        columns = fetch(f"DESCRIBE {database.quote(*parameters[:3])}")
    except (duckdb.CatalogException, duckdb.BinderException):
        return []
    if len(parameters) == 4:
        return [(1,) for column in columns if column[0] == parameters[3]]
    return [(column[0],) for column in columns if column[2] == "NO"]

def list_rows_and_forget(project, dataset, table, *rest):
    rows = list_rows(project, dataset, table, *rest)
    if dataset == tables.RESULTS:
        answers.append((project, table))
        if len(answers) > 32:
            database.execute(f"DROP TABLE IF EXISTS {tables.name(answers[0][0], dataset, answers.popleft()[1])}")
    return rows

# Of temporary tables there are none.
listing = "SELECT table_name FROM duckdb_tables() WHERE temporary"
constants = [f"{listing} AND false" if constant == listing else constant for constant in query.execute.__code__.co_consts]
query.execute.__code__ = query.execute.__code__.replace(co_consts=tuple(constants))
database.objects, database.fetch, tabledata.list_rows = one_object, fetch_quickly, list_rows_and_forget
main()
`;

/** It has no credentials to check: clients take it as `apiEndpoint`, with any project. */
export const bigquery: Engine = {
  name,
  variable: "UNFORGET_TEST_BIGQUERY_URL",
  async start(directory) {
    const root = await debianRoot(directory, "trixie", pythonPackages);
    const library = await installPython(root, name, requirements);
    linkExtensions(join(root, "srv", name), library);
    const settings = [`HOME=/srv/${name}`, `PYTHONPATH=${library}`, "BIGQUERY_HOST=127.0.0.1"];
    const options = ["--data-dir", `/srv/${name}/data`, "--grpc-port", `${await freePort()}`];
    const port = await startServer({
      root,
      name,
      user: "nobody",
      command: (port) => ["env", ...settings, "python3", "-c", program, "--port", `${port}`, ...options],
      ready: (port) => answersOk(`${url(port)}/bigquery/v2/projects/local/datasets`),
    });
    return url(port);
  },
  stop: (directory) => stopServer(rootOf(directory), name),
  running(directory) {
    const port = runningPort(rootOf(directory), name);
    return port === undefined ? undefined : url(port);
  },
};

/** Puts the extensions where DuckDB looks for them before it tries to download them. */
function linkExtensions(home: string, library: string): void {
  const folder = join(home, `.duckdb/extensions/v${duckdb}/linux_amd64`);
  rmSync(join(home, ".duckdb"), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const extension of extensions) {
    const file = `${extension}.duckdb_extension`;
    symlinkSync(`${library}/duckdb_extension_${extension}/extensions/v${duckdb}/${file}`, join(folder, file));
  }
}
