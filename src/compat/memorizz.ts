import { createMemory } from "../core/create-memory.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { EmbeddingChoice } from "../embedders/resolve.ts";
import type { MongoClientLike } from "../stores/mongodb/mongo-client.ts";
import type { PgliteLike } from "../stores/postgres/embedded/pglite-client.ts";
import type { PgPoolLike } from "../stores/postgres/pg-client.ts";
import { MemorizzProvider } from "./memorizz/provider.ts";

export { MemoryType, type MemoryTypeLike } from "./memorizz/memory-type.ts";
export {
  type ComponentsOptions,
  type HistoryOptions,
  type ListAllOptions,
  MemorizzProvider,
  type RetrieveOptions,
  type RetrieveQuery,
  type WhoseOptions,
} from "./memorizz/provider.ts";
export type { MemorizzData, MemorizzRow } from "./memorizz/rows.ts";

/** What the configuration of either provider may say beside its connection. */
export interface ProviderOptions {
  /**
   * The model that embeds texts, and that vectors of your own come from. @default the built-in model for texts; vectors of
   * your own may be of any one model, and are compared with each other alone
   */
  readonly embedding?: EmbeddingChoice;
  /** Whether a row without an id changes the one of the same name and user, as Memorizz's first versions did. @default false */
  readonly upsertByName?: boolean | undefined;
  /** Logs what is called and how long it takes, never what is in it. @default false */
  readonly debug?: boolean | undefined;
  /** Where `debug` logs, and what goes wrong in the background. @default console with `debug`, else nowhere */
  readonly logger?: Logger | undefined;
  /** The hard isolation boundary. @default "default" */
  readonly tenant?: string | undefined;
}

/** Which PostgreSQL holds the rows: a server, named here or by the environment, or a client of yours. */
export interface PostgreSQLConfigOptions extends ProviderOptions {
  /** @default POSTGRES_HOST, else "localhost" */
  readonly host?: string | undefined;
  /** @default POSTGRES_PORT, else 5432 */
  readonly port?: number | undefined;
  /** @default POSTGRES_DB, else "memorizz" */
  readonly database?: string | undefined;
  /** @default POSTGRES_USER, else "postgres" */
  readonly user?: string | undefined;
  /** @default POSTGRES_PASSWORD, else "password" */
  readonly password?: string | undefined;
  /** `true`, or options of Node's TLS, e.g. `{ ca }`. @default false */
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** In place of a connection: a `pg.Pool`, or a PGlite instance made with the `vector` extension. It is lent: `close` leaves it open. */
  readonly client?: PgPoolLike | PgliteLike | undefined;
  /** The most connections of the pool; one is enough for any number of callers. @default 20 */
  readonly maxConnections?: number | undefined;
  /** How long to wait for a connection. @default 10,000 */
  readonly connectTimeoutMs?: number | undefined;
  /** Nothing outside of this schema is read or written. @default "unforget" */
  readonly schema?: string | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
}

/**
 * Memorizz's `PostgreSQLConfig`: what is not given is read from the environment variables of its documents. Makes no
 * connection.
 *
 * @example
 * const config = new PostgreSQLConfig({ host: "localhost", database: "memorizz" });
 */
export class PostgreSQLConfig {
  readonly options: PostgreSQLConfigOptions;

  /** @throws InvalidArgumentError for options that cannot be right */
  constructor(options: PostgreSQLConfigOptions = {}) {
    const { client, host, port, database, user, password, maxConnections = 20 } = options;
    const server = { host, port, database, user, password };
    if (client !== undefined) {
      const [extra] = Object.entries(server).find(([, value]) => value !== undefined) ?? [];
      if (extra !== undefined) throw new InvalidArgumentError(extra, "names a second database: give it or a client");
      this.options = options;
      return;
    }
    const { env } = process;
    this.options = {
      ...options,
      host: host ?? env.POSTGRES_HOST ?? "localhost",
      port: port ?? portOf(env.POSTGRES_PORT),
      database: database ?? env.POSTGRES_DB ?? "memorizz",
      user: user ?? env.POSTGRES_USER ?? "postgres",
      password: password ?? env.POSTGRES_PASSWORD ?? "password",
      maxConnections,
    };
  }
}

function portOf(value: string | undefined): number {
  const port = Number(value ?? 5432);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidArgumentError("POSTGRES_PORT", "must be a port number");
  return port;
}

/**
 * Memorizz's `PostgreSQLProvider`: typed memories in PostgreSQL with pgvector, or in a PGlite instance. Connects and makes
 * its tables on first use, or in `memory.ready()`.
 *
 * @example
 * const provider = new PostgreSQLProvider(new PostgreSQLConfig({ host: "localhost" }));
 * const id = await provider.store({ name: "My Memory", content: "This is important information" }, MemoryType.LONG_TERM_MEMORY);
 */
export class PostgreSQLProvider extends MemorizzProvider {
  constructor(config: PostgreSQLConfig | PostgreSQLConfigOptions = {}) {
    const { options } = config instanceof PostgreSQLConfig ? config : new PostgreSQLConfig(config);
    const { embedding, upsertByName, debug, logger, tenant, ...place } = options;
    super(settingsOf({ embedding, upsertByName, debug, logger, tenant }, (shared) => createMemory({ ...shared, ...place })));
  }
}

/** Which MongoDB holds the rows: a server by its URI, or a client of yours. */
export interface MongoDBConfigOptions extends ProviderOptions {
  /** @default "mongodb://localhost:27017" */
  readonly uri?: string | undefined;
  /** @default "memorizz" */
  readonly dbName?: string | undefined;
  /** The same, as Memorizz's documents write it. */
  readonly db_name?: string | undefined;
  /** In place of `uri`: a `MongoClient` of yours. It is lent: `close` leaves it open. */
  readonly client?: MongoClientLike | undefined;
}

/** Memorizz's `MongoDBConfig`. Makes no connection. */
export class MongoDBConfig {
  readonly options: MongoDBConfigOptions;

  constructor(options: MongoDBConfigOptions = {}) {
    this.options = options;
  }
}

/** Memorizz's `MongoDBProvider`: the same calls and results on MongoDB, with or without Atlas. */
export class MongoDBProvider extends MemorizzProvider {
  constructor(config: MongoDBConfig | MongoDBConfigOptions = {}) {
    const { options } = config instanceof MongoDBConfig ? config : new MongoDBConfig(config);
    const { embedding, upsertByName, debug, logger, tenant, client, uri = "mongodb://localhost:27017", dbName, db_name } = options;
    const database = dbName ?? db_name ?? "memorizz";
    const place = client === undefined ? { uri, database } : { client, database };
    super(
      settingsOf({ embedding, upsertByName, debug, logger, tenant }, (shared) =>
        createMemory({ ...shared, sessions: { store: "mongodb", ...place }, vectors: false }),
      ),
    );
  }
}

type Shared = Pick<ProviderOptions, "embedding" | "logger" | "tenant">;

function settingsOf(options: ProviderOptions, open: (shared: Shared) => ReturnType<typeof createMemory>) {
  const { embedding, upsertByName = false, debug = false, tenant } = options;
  const { logger = debug ? console : undefined } = options;
  return {
    memory: open({ embedding, logger, tenant }),
    sharesModel: embedding !== undefined && embedding !== false,
    upsertByName,
    logger: debug ? logger : undefined,
  };
}
