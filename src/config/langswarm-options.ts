import type { MemoryOptions } from "../core/create-memory.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import type { EmbeddingChoice } from "../embedders/resolve.ts";
import type { SessionsOption, VectorsOption } from "../stores/registry.ts";
import type { Variables } from "./placeholders.ts";

// What LangSwarm's memory settings mean here. Its documents use `settings`, `config` and bare keywords, in snake case;
// all three are taken, in either case.

/** A memory as LangSwarm configures it: a preset's name, a backend's name, or a backend with its settings. */
export type LangswarmMemoryConfig = boolean | string | LangswarmBackendConfig;

/** A backend with its settings, under `settings`, under `config`, or bare; keys in snake or camel case. */
export interface LangswarmBackendConfig {
  /** `false` is no memory. @default true */
  readonly enabled?: boolean | undefined;
  /** @default "auto": Redis when REDIS_URL is set, else SQLite */
  readonly backend?: string | undefined;
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly [setting: string]: unknown;
}

type Settings = Readonly<Record<string, unknown>>;
type Where = Pick<MemoryOptions, "sessions" | "vectors" | "embedding">;

/** LangSwarm's own tables may be in the schema: ours carry another name. */
const tableMark = "unforget";

/**
 * The options of `createMemory` for a memory configured the LangSwarm way; undefined for a memory that is switched off.
 *
 * @throws InvalidArgumentError for a backend or store that LangSwarm does not have
 */
export function langswarmMemoryOptions(config: LangswarmMemoryConfig, variables: Variables): MemoryOptions | undefined {
  if (config === false) return undefined;
  if (config === true) return backendOptions("auto", {}, variables);
  if (typeof config === "string") return presetOptions(config, variables);
  const { enabled = true, backend = "auto", ...rest } = config;
  if (!enabled) return undefined;
  const settings = flatten(rest);
  return Object.keys(settings).length === 0 ? presetOptions(backend, variables) : backendOptions(backend, settings, variables);
}

/** All settings in camel case, wherever they stood: the more particular place wins. */
export function flatten(config: Settings): Settings {
  const { settings, config: inner, ...bare } = config;
  return { ...camelCased(bare), ...camelCased(inner), ...camelCased(settings) };
}

function camelCased(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [camelCase(key), field]));
}

const camelCase = (name: string) => name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** What LangSwarm's short names stand for. */
function presetOptions(name: string, variables: Variables): MemoryOptions {
  const redisUrl = variables.REDIS_URL || hostUrl(variables);
  switch (name) {
    case "development":
    case "dev":
    case "local":
      return backendOptions("sqlite", { dbPath: "langswarm_dev_memory.db" }, variables);
    case "testing":
    case "test":
      return backendOptions("in_memory", {}, variables);
    case "production":
    case "prod":
      return redisUrl === undefined
        ? backendOptions("sqlite", { dbPath: "langswarm_production_memory.db" }, variables)
        : backendOptions("redis", { url: redisUrl, keyPrefix: "langswarm:v2:memory:", ttl: 86_400 }, variables);
    case "cloud": {
      const url = variables.REDIS_URL || variables.REDISCLOUD_URL || variables.REDIS_TLS_URL;
      return url === undefined
        ? backendOptions("sqlite", { dbPath: "langswarm_cloud_memory.db" }, variables)
        : backendOptions("redis", { url, keyPrefix: "langswarm:cloud:memory:" }, variables);
    }
    default:
      return backendOptions(name, {}, variables);
  }
}

function hostUrl({ REDIS_HOST: host, REDIS_PORT: port }: Variables): string | undefined {
  return host ? `redis://${host}:${port || 6379}` : undefined;
}

function backendOptions(backend: string, settings: Settings, variables: Variables): MemoryOptions {
  const where = placeOf(backend, settings, variables);
  return Object.fromEntries(Object.entries(where).filter(([, value]) => value !== undefined)) as MemoryOptions;
}

function placeOf(backend: string, settings: Settings, variables: Variables): Where {
  const embedding = embeddingOf(settings, variables);
  switch (backend) {
    case "auto": {
      const url = variables.REDIS_URL || hostUrl(variables);
      return url === undefined ? placeOf("sqlite", settings, variables) : placeOf("redis", { url, ...settings }, variables);
    }
    case "vector":
      return { sessions: sessionsBeside(settings, variables), vectors: vectorStoreOf(settings), embedding };
    case "chroma":
    case "chromadb":
    case "qdrant":
      return { sessions: sessionsOf("memory", {}), vectors: vectorsOf(backend, settings), embedding };
    default:
      return { sessions: sessionsOf(backend, settings), embedding };
  }
}

/** LangSwarm's vector backend keeps sessions in memory; here any store may be named beside it. */
function sessionsBeside(settings: Settings, variables: Variables): SessionsOption {
  const beside = settings.sessionStore ?? settings.sessions;
  if (beside === undefined) return sessionsOf("memory", {});
  if (typeof beside !== "string" && (typeof beside !== "object" || beside === null))
    throw new InvalidArgumentError("session_store", "must name a backend, or give { backend, settings }");
  const options = langswarmMemoryOptions(beside as LangswarmMemoryConfig, variables);
  if (options?.sessions === undefined) throw new InvalidArgumentError("session_store", "must name a session backend");
  return options.sessions;
}

function sessionsOf(backend: string, settings: Settings): SessionsOption {
  const { url, host, port, database, user, password, ttl, ttlSeconds, keyPrefix, maxConnections, maxSize } = settings;
  const named = (store: string, options: Settings) => ({ store, ...defined(options) }) as unknown as SessionsOption;
  switch (backend) {
    case "memory":
    case "in_memory":
    case "in-memory":
      return named("memory", {});
    case "sqlite":
      return named("sqlite", { path: settings.dbPath ?? settings.path ?? "langswarm_memory.db" });
    case "redis":
      return named("redis", {
        url: withDatabase(url ?? "redis://localhost:6379", settings.db),
        keyPrefix: keyPrefix ?? "langswarm:memory:",
        ttlSeconds: ttlSeconds ?? ttl,
      });
    case "postgres":
    case "postgresql": {
      const address = url ?? settings.dsn;
      const server =
        address === undefined ? { host: host ?? "localhost", port, database: database ?? "langswarm", user, password } : { url: address };
      return named("postgres", {
        // A client or directory of the caller's own takes the place of a server.
        ...(settings.client === undefined && settings.dataDir === undefined
          ? server
          : { client: settings.client, dataDir: settings.dataDir }),
        schema: settings.schema ?? "public",
        tablePrefix: `${settings.tablePrefix ?? ""}${tableMark}`,
        maxConnections: maxConnections ?? maxSize,
      });
    }
    case "mongodb":
      return named("mongodb", {
        uri: settings.uri ?? url ?? "mongodb://localhost:27017",
        database: database ?? "langswarm_memory",
        collectionPrefix: settings.collectionPrefix,
      });
    case "elasticsearch":
      return named("elasticsearch", {
        hosts: settings.hosts ?? (url === undefined ? undefined : [url]),
        indexPrefix: settings.indexPrefix ?? "langswarm_memory",
        apiKey: settings.apiKey,
        username: settings.username ?? user,
        password,
      });
    case "bigquery":
      return named("bigquery", {
        projectId: settings.projectId,
        dataset: settings.datasetId ?? settings.dataset ?? "langswarm_memory",
        location: settings.location,
        credentials:
          settings.credentials ?? (settings.credentialsPath === undefined ? undefined : { keyFilename: settings.credentialsPath }),
        retentionDays: settings.retentionDays ?? undefined,
      });
    default:
      throw new InvalidArgumentError(
        "backend",
        `"${backend}" is not known: use in_memory, sqlite, redis, postgres, mongodb, elasticsearch, bigquery, chromadb, qdrant, vector or auto`,
      );
  }
}

function withDatabase(url: unknown, database: unknown): unknown {
  if (typeof url !== "string" || typeof database !== "number" || database === 0) return url;
  const parsed = new URL(url);
  if (parsed.pathname === "" || parsed.pathname === "/") parsed.pathname = `/${database}`;
  return parsed.href;
}

function vectorStoreOf(settings: Settings): VectorsOption {
  const chosen = camelCased(settings.vectorStore);
  const type = chosen.storeType ?? "sqlite";
  if (typeof type !== "string") throw new InvalidArgumentError("vector_store.store_type", "must be a name");
  return vectorsOf(type, camelCased(chosen.connectionParams));
}

function vectorsOf(type: string, parameters: Settings): VectorsOption {
  const { url, apiKey, host, port } = parameters;
  const collection = parameters.collectionName ?? parameters.collection;
  const named = (store: string, options: Settings) => ({ store, ...defined(options) }) as unknown as VectorsOption;
  switch (type) {
    case "memory":
      return named("memory", {});
    case "pinecone":
      return named("pinecone", {
        apiKey,
        index: parameters.indexName ?? parameters.index ?? "langswarm-default",
        environment: parameters.environment,
        namespace: parameters.namespace,
        controllerUrl: parameters.controllerUrl,
      });
    case "qdrant":
      return named("qdrant", { url, apiKey, collection: collection ?? "langswarm_default" });
    case "chroma":
    case "chromadb":
      return named("chroma", {
        host,
        port,
        url,
        tenant: parameters.tenant,
        database: parameters.database,
        collection: collection ?? "langswarm_default",
      });
    case "redis":
      return named("redis", { url: url ?? "redis://localhost:6379", keyPrefix: parameters.keyPrefix ?? "vectors:" });
    case "sqlite":
      return named("sqlite", { path: parameters.dbPath ?? parameters.path ?? "langswarm_vectors.db" });
    case "pgvector":
    case "postgres": {
      const address = url ?? parameters.dsn;
      const { database = "langswarm", user = "postgres", password = "postgres" } = parameters;
      return named("pgvector", {
        ...(address === undefined ? { host: host ?? "localhost", port, database, user, password } : { url: address }),
        schema: parameters.schema,
        index: parameters.indexMethod,
        maxConnections: parameters.poolMaxSize,
      });
    }
    default:
      throw new InvalidArgumentError(
        "vector_store.store_type",
        `"${type}" is not known: use pinecone, qdrant, pgvector, redis, chroma, sqlite or memory`,
      );
  }
}

/** LangSwarm embeds with OpenAI, where it embeds at all; without its key the built-in model stands in. */
function embeddingOf(settings: Settings, variables: Variables): EmbeddingChoice {
  if (settings.enableVector === false || settings.enableSemanticSearch === false) return false;
  if (settings.embedding === undefined) return undefined;
  if (typeof settings.embedding !== "object" || settings.embedding === null) return settings.embedding as EmbeddingChoice;
  if ("doEmbed" in settings.embedding || "embed" in settings.embedding) return settings.embedding as EmbeddingChoice;
  const { provider = "openai", model = "text-embedding-3-small", apiKey, dimensions, ...rest } = camelCased(settings.embedding);
  if (provider !== "openai")
    return defined({
      provider,
      model: settings.embedding && "model" in settings.embedding ? model : undefined,
      apiKey,
      dimensions,
      ...rest,
    }) as unknown as EmbeddingChoice;
  return defined({
    provider,
    model,
    apiKey: apiKey ?? variables.OPENAI_API_KEY,
    dimensions: dimensions ?? settings.embeddingDimension,
    baseUrl: rest.baseUrl,
  }) as unknown as EmbeddingChoice;
}

function defined(fields: Settings): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}
