import { describe, test } from "vitest";

/** The servers that tests can be run against, and the environment variable that holds the URL of each. */
const variables = {
  postgres: "UNFORGET_TEST_POSTGRES_URL",
  postgres15: "UNFORGET_TEST_POSTGRES15_URL",
  pgbouncer: "UNFORGET_TEST_PGBOUNCER_URL",
  redis: "UNFORGET_TEST_REDIS_URL",
  rediscluster: "UNFORGET_TEST_REDISCLUSTER_URL",
  redisearch: "UNFORGET_TEST_REDISEARCH_URL",
  mongodb: "UNFORGET_TEST_MONGODB_URL",
  elasticsearch: "UNFORGET_TEST_ELASTICSEARCH_URL",
  bigquery: "UNFORGET_TEST_BIGQUERY_URL",
  qdrant: "UNFORGET_TEST_QDRANT_URL",
  chroma: "UNFORGET_TEST_CHROMA_URL",
} as const;

export type ServerName = keyof typeof variables;

export const serverNames = Object.keys(variables) as readonly ServerName[];

/**
 * The URL of a test server, or undefined when there is none here; then `describeServer` skips and says why. A server
 * named in REQUIRE_BACKENDS (`postgres,pgbouncer`) must be there: its absence is an error and not a skip.
 */
export function serverUrl(name: ServerName): string | undefined {
  const url = process.env[variables[name]];
  if (url) return url;
  if (requiredServers().includes(name)) throw new Error(`REQUIRE_BACKENDS names ${name}: ${howToHave(name)}`);
  return undefined;
}

/** A `describe` whose tests need a server. Without one, a single skipped test says what is missing. */
export function describeServer(name: ServerName, title: string, body: (url: string) => void): void {
  const url = serverUrl(name);
  if (url === undefined) describe(title, () => test.skip(howToHave(name)));
  else describe(title, () => body(url));
}

/** The servers of REQUIRE_BACKENDS. */
export function requiredServers(): readonly ServerName[] {
  const names = (process.env.REQUIRE_BACKENDS ?? "").split(",").filter((name) => name !== "");
  const unknown = names.find((name) => !(name in variables));
  if (unknown !== undefined) throw new Error(`REQUIRE_BACKENDS names ${unknown}: use ${serverNames.join(", ")}`);
  return names as ServerName[];
}

function howToHave(name: ServerName): string {
  return `set ${variables[name]} (npm run engines starts one)`;
}
