import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { InvalidArgumentError } from "../domain/errors.ts";

/** What the command line takes from the environment. This file alone reads it. */
export interface Environment {
  readonly url: string | undefined;
  readonly dataDir: string | undefined;
  readonly schema: string | undefined;
  readonly tablePrefix: string | undefined;
  readonly tenant: string | undefined;
  readonly embedding: string | undefined;
  /** PG_HOST, PG_PORT, PG_DB, PG_USER and PG_PASSWORD; undefined without PG_HOST. */
  readonly server: PostgresSettings | undefined;
  readonly openaiApiKey: string | undefined;
  readonly openaiBaseUrl: string | undefined;
  readonly ollamaBaseUrl: string | undefined;
  /** Values that must not be printed, whatever error they come back in. */
  readonly secrets: readonly string[];
}

export interface PostgresSettings {
  readonly host: string;
  readonly port: number | undefined;
  readonly database: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Whether the key that the package of a model provider looks for is set. */
export function hasProviderKey(provider: string): boolean {
  readEnvironment();
  return Boolean(process.env[`${provider.toUpperCase().replaceAll("-", "_")}_API_KEY`]);
}

/** Where the models of a provider are called, when the environment says so. */
export function providerBaseUrl(provider: string): string | undefined {
  return provider === "openai" ? readEnvironment().openaiBaseUrl : undefined;
}

let read: Environment | undefined;

/**
 * The environment, and `.env` of the working directory for what it does not set. The latter is put into `process.env`,
 * because the packages of model providers look for their keys there.
 */
export function readEnvironment(): Environment {
  if (read === undefined) {
    addDotEnv(process.env, ".env");
    read = parseEnvironment(process.env);
  }
  return read;
}

/** Adds what a `.env` file sets to `variables`, and never changes what is set there, also when it is set to nothing. */
export function addDotEnv(variables: NodeJS.ProcessEnv, file: string): void {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return;
  }
  for (const [name, value] of Object.entries(parseEnv(text))) variables[name] ??= value;
}

/** @throws InvalidArgumentError for a variable that cannot be right */
export function parseEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const text = (name: string) => (variables[name] === "" ? undefined : variables[name]);
  const host = text("PG_HOST");
  return {
    url: text("UNFORGET_URL"),
    dataDir: text("UNFORGET_DATA_DIR"),
    schema: text("UNFORGET_SCHEMA"),
    tablePrefix: text("UNFORGET_TABLE_PREFIX"),
    tenant: text("UNFORGET_TENANT"),
    embedding: text("UNFORGET_EMBEDDING"),
    server:
      host === undefined
        ? undefined
        : { host, port: parsePort(text("PG_PORT")), database: text("PG_DB"), user: text("PG_USER"), password: text("PG_PASSWORD") },
    openaiApiKey: text("OPENAI_API_KEY"),
    openaiBaseUrl: text("OPENAI_BASE_URL"),
    ollamaBaseUrl: text("OLLAMA_BASE_URL"),
    secrets: Object.entries(variables).flatMap(([name, value]) =>
      isSecret(name) && value !== undefined && value.length >= 6 ? [value] : [],
    ),
  };
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidArgumentError("PG_PORT", "is not a port number");
  return port;
}

function isSecret(name: string): boolean {
  return /KEY|TOKEN|SECRET|PASSWORD/i.test(name);
}
