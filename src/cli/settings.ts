import { loadConfig } from "../config/load-config.ts";
import type { MemoryOptions } from "../index.ts";
import { parseEmbedding, withOpenaiKey } from "./embedding-choice.ts";
import type { Environment } from "./environment.ts";

/** Options that every command takes. */
export interface GlobalFlags {
  readonly config?: string;
  readonly url?: string;
  readonly dataDir?: string;
  readonly schema?: string;
  readonly tablePrefix?: string;
  readonly tenant?: string;
  readonly embedding?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Fields that say where memory lives: taken together, from the first place that has one of them. */
const placeFields = ["sessions", "client", "dataDir", "url", "host", "port", "database", "user", "password", "ssl"] as const;

/** The memory that is meant: what the options say, then the configuration file, then the environment. */
export async function memoryOptions(flags: GlobalFlags, environment: Environment): Promise<MemoryOptions> {
  const config = flags.config === undefined ? {} : await loadConfig(flags.config);
  const rest = Object.fromEntries(Object.entries(config).filter(([field]) => !(placeFields as readonly string[]).includes(field)));
  const embedding = flags.embedding ?? (config.embedding === undefined ? environment.embedding : undefined);
  const { sessions, ...place } = choosePlace(flags, config, environment);
  const names = defined({
    schema: flags.schema ?? (config.schema === undefined ? environment.schema : undefined),
    tablePrefix: flags.tablePrefix ?? (config.tablePrefix === undefined ? environment.tablePrefix : undefined),
  });
  return {
    ...rest,
    ...place,
    // With a store by name these belong to its own options.
    ...(sessions !== undefined && "store" in sessions ? { sessions: { ...sessions, ...names } } : defined({ sessions, ...names })),
    ...defined({ tenant: flags.tenant ?? config.tenant ?? environment.tenant }),
    ...defined({
      embedding: embedding === undefined ? withOpenaiKey(config.embedding, environment) : parseEmbedding(embedding, environment),
    }),
  };
}

function choosePlace(flags: GlobalFlags, config: MemoryOptions, environment: Environment): MemoryOptions {
  if (flags.url !== undefined || flags.dataDir !== undefined) return defined({ url: flags.url, dataDir: flags.dataDir });
  const configured = Object.fromEntries(Object.entries(config).filter(([field]) => (placeFields as readonly string[]).includes(field)));
  if (Object.keys(configured).length > 0) return configured;
  if (environment.url !== undefined || environment.dataDir !== undefined)
    return defined({ url: environment.url, dataDir: environment.dataDir });
  return environment.server === undefined ? {} : defined(environment.server);
}

/** Where memory lives, for people: without user, password or parameters. */
export function describePlace(options: MemoryOptions): string {
  const place = options.sessions !== undefined && "store" in options.sessions ? options.sessions : options;
  if (options.sessions !== undefined && place === options) return "the store of the configuration file";
  const { client, url, host, port = 5432, database } = place as MemoryOptions;
  if (client !== undefined) return "the client of the configuration file";
  if (url !== undefined) return describeUrl(url);
  if (host !== undefined || database !== undefined) return `postgres://${host ?? "localhost"}:${port}/${database ?? ""}`;
  return `the directory ${embeddedDirectory(options)}`;
}

/** The directory of the embedded Postgres; undefined when memory lives elsewhere. */
export function embeddedDirectory(options: MemoryOptions): string | undefined {
  const place = (options.sessions !== undefined && "store" in options.sessions ? options.sessions : options) as MemoryOptions;
  if (options.sessions !== undefined && place === options) return undefined;
  if (place.dataDir !== undefined) return place.dataDir;
  const isElsewhere = [place.client, place.url, place.host, place.database, place.user].some((field) => field !== undefined);
  return isElsewhere ? undefined : "./.unforget";
}

function describeUrl(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `postgres://${hostname}${port === "" ? "" : `:${port}`}${pathname}`;
  } catch {
    return "the server of the URL given";
  }
}

function defined<Fields extends object>(fields: Fields): { [Name in keyof Fields]: Exclude<Fields[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]: Exclude<Fields[Name], undefined>;
  };
}
