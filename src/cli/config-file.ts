import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidArgumentError } from "../domain/errors.ts";
import type { MemoryOptions } from "../index.ts";

/** Everything `createMemory` takes; a field that is none of these is a mistake, and not passed over in silence. */
const fields: Readonly<Record<keyof MemoryOptions, true>> = {
  sessions: true,
  vectors: true,
  embedding: true,
  tenant: true,
  worker: true,
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
 * The options of `createMemory` from a JSON file, or from a module that exports them by default.
 *
 * @throws InvalidArgumentError when it is not there or holds something else
 */
export async function readConfig(file: string): Promise<MemoryOptions> {
  const value = extname(file) === ".json" ? await readJson(file) : await importModule(file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError("config", `${JSON.stringify(file)} holds no options: give an object, in a module as its default export`);
  }
  const unknown = Object.keys(value).find((field) => !Object.hasOwn(fields, field));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      "config",
      `${JSON.stringify(file)} has an unknown field "${unknown}": known are ${Object.keys(fields).join(", ")}`,
    );
  }
  return value as MemoryOptions;
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the file, which may hold a password.
    throw new InvalidArgumentError("config", `${JSON.stringify(file)} is not valid JSON`);
  }
}

async function importModule(file: string): Promise<unknown> {
  if (![".js", ".mjs", ".cjs", ".ts", ".mts"].includes(extname(file))) {
    throw new InvalidArgumentError("config", `${JSON.stringify(file)} is neither a JSON file nor a JavaScript or TypeScript module`);
  }
  try {
    return ((await import(pathToFileURL(resolve(file)).href)) as { default?: unknown }).default;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, cause: unknown): InvalidArgumentError {
  const { code } = cause as { code?: unknown };
  const isMissing = code === "ENOENT" || code === "ERR_MODULE_NOT_FOUND";
  return new InvalidArgumentError(
    "config",
    `${JSON.stringify(file)} ${isMissing ? "does not exist, or imports what does not" : "cannot be loaded"}`,
    {
      cause,
    },
  );
}
