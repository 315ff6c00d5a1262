import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { MemoryOptions } from "../core/create-memory.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import { type LangswarmBackendConfig, langswarmMemoryOptions } from "./langswarm-options.ts";
import { fillPlaceholders, type Variables } from "./placeholders.ts";

/** Which agent's memory is read from a file, and what its placeholders stand for. */
export interface LoadConfigOptions {
  /** Whose memory: the agent of this id, where the file configures several. @default the memory of all agents */
  readonly agent?: string | undefined;
  /** What `${NAME}` in the file stands for. @default the environment of this process */
  readonly env?: Variables | undefined;
}

/** Everything `createMemory` takes; a field that is none of these is a mistake, and not passed over in silence. */
const fields: Readonly<Record<Exclude<keyof MemoryOptions, "beforeOpen">, true>> = {
  sessions: true,
  vectors: true,
  records: true,
  archive: true,
  embedding: true,
  tenant: true,
  runs: true,
  retention: true,
  facts: true,
  summaries: true,
  working: true,
  worker: true,
  titles: true,
  logger: true,
  url: true,
  host: true,
  port: true,
  database: true,
  user: true,
  password: true,
  ssl: true,
  maxConnections: true,
  connectTimeoutMs: true,
  client: true,
  dataDir: true,
  schema: true,
  tablePrefix: true,
  language: true,
  rls: true,
};

/**
 * The options of `createMemory` from a file: YAML, JSON, or a module that exports them by default.
 *
 * The file holds the options themselves, and under `agents` what each agent has otherwise; or it is a `langswarm.yaml` as
 * it is, with `memory` for all agents and for each. `${NAME}` and `${NAME:-default}` stand for environment variables.
 *
 * @throws InvalidArgumentError when the file is not there, holds something else, has no such agent, or switches its memory off
 * @example
 * const memory = createMemory(await loadConfig("unforget.yaml", { agent: "my-agent" }));
 */
export async function loadConfig(path: string, { agent, env = process.env }: LoadConfigOptions = {}): Promise<MemoryOptions> {
  const file = JSON.stringify(path);
  const value = await readValue(path);
  if (!isObject(value))
    throw new InvalidArgumentError("config", `${file} holds no options: give an object, in a module as its default export`);
  const chosen = chooseAgent(file, value, agent);
  return isLangswarm(chosen) ? langswarmOptions(file, chosen, env) : ownOptions(file, chosen, env);
}

type Fields = Readonly<Record<string, unknown>>;

/** What the file says of all agents, and of the one that is asked for. */
interface Chosen {
  readonly common: Fields;
  readonly own: Fields | boolean | string | undefined;
  /** Where `own` stands, for messages. */
  readonly place: string;
}

function chooseAgent(file: string, value: Fields, agent: string | undefined): Chosen {
  const { agents, ...common } = value;
  if (agent === undefined) return { common, own: undefined, place: "" };
  const list = Array.isArray(agents)
    ? agents
    : isObject(agents)
      ? Object.entries(agents).map(([id, one]) => ({ id, ...(one as object) }))
      : [];
  const index = list.findIndex((one) => isObject(one) && (one.id === agent || one.name === agent));
  const found = list[index] as Fields | undefined;
  if (found === undefined) {
    const known = list.flatMap((one) => (isObject(one) && typeof (one.id ?? one.name) === "string" ? [one.id ?? one.name] : []));
    throw new InvalidArgumentError(
      "agent",
      `"${agent}" is not in ${file}: ${known.length === 0 ? "it names no agents" : `it has ${known.join(", ")}`}`,
    );
  }
  const { memory } = found;
  if (memory !== undefined && !isObject(memory) && typeof memory !== "boolean" && typeof memory !== "string")
    throw new InvalidArgumentError("config", `${file}: the memory of agent "${agent}" must be an object`);
  return { common, own: memory, place: `agents[${index}].memory` };
}

/** A LangSwarm file says `memory:`, for all or for the agent, with a backend; ours has the options at the top. */
function isLangswarm({ common, own }: Chosen): boolean {
  if (common.memory !== undefined || typeof own === "boolean" || typeof own === "string") return true;
  return own !== undefined && ["backend", "enabled", "settings", "config"].some((field) => Object.hasOwn(own, field));
}

function langswarmOptions(file: string, { common, own, place }: Chosen, env: Variables): MemoryOptions {
  const [config, at] = own === undefined ? [common.memory, "memory"] : [own, place];
  const isKnown = isObject(config) || typeof config === "boolean" || typeof config === "string";
  if (!isKnown) throw new InvalidArgumentError("config", `${file}: ${at} must be true, false, a name, or an object with a backend`);
  const options = langswarmMemoryOptions(fillPlaceholders(config, env, at) as LangswarmBackendConfig, env);
  if (options === undefined) throw new InvalidArgumentError("config", `${file}: ${at} is switched off (enabled: false)`);
  return options;
}

function ownOptions(file: string, { common, own, place }: Chosen, env: Variables): MemoryOptions {
  for (const [holder, at] of [
    [common, ""],
    [own ?? {}, place],
  ] as const) {
    const unknown = Object.keys(holder).find((field) => !Object.hasOwn(fields, field));
    if (unknown === undefined) continue;
    const where = at === "" ? "" : ` in ${at}`;
    throw new InvalidArgumentError(
      "config",
      `${file} has an unknown field "${unknown}"${where}: known are ${Object.keys(fields).join(", ")}`,
    );
  }
  return { ...(fillPlaceholders(common, env, "") as MemoryOptions), ...(fillPlaceholders(own ?? {}, env, place) as MemoryOptions) };
}

async function readValue(path: string): Promise<unknown> {
  const extension = extname(path);
  if (extension === ".json") return parseFile(path, "JSON", JSON.parse);
  if (extension === ".yaml" || extension === ".yml") return parseFile(path, "YAML", await yamlParser());
  return importModule(path);
}

/** Loaded for a YAML file only. */
async function yamlParser(): Promise<(text: string) => unknown> {
  const { parse } = await import("yaml");
  return (text) => parse(text, { prettyErrors: false });
}

async function parseFile(path: string, format: string, parser: (text: string) => unknown): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return parser(text);
  } catch {
    // The parser's own message quotes the file, which may hold a password.
    throw new InvalidArgumentError("config", `${JSON.stringify(path)} is not valid ${format}`);
  }
}

async function importModule(path: string): Promise<unknown> {
  if (![".js", ".mjs", ".cjs", ".ts", ".mts"].includes(extname(path))) {
    throw new InvalidArgumentError(
      "config",
      `${JSON.stringify(path)} is neither a YAML or JSON file nor a JavaScript or TypeScript module`,
    );
  }
  try {
    return ((await import(pathToFileURL(resolve(path)).href)) as { default?: unknown }).default;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): InvalidArgumentError {
  const { code } = cause as { code?: unknown };
  const isMissing = code === "ENOENT" || code === "ERR_MODULE_NOT_FOUND";
  return new InvalidArgumentError(
    "config",
    `${JSON.stringify(path)} ${isMissing ? "does not exist, or imports what does not" : "cannot be loaded"}`,
    { cause },
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
