import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addDotEnv, parseEnvironment } from "../../src/cli/environment.ts";
import { newDirectory } from "./run-cli.ts";

function dotEnv(text: string): string {
  const file = join(newDirectory(), ".env");
  writeFileSync(file, text);
  return file;
}

test(".env adds what is not set, and never changes what is, also when that is empty", () => {
  const variables = { OPENAI_API_KEY: "sk-shell", PG_HOST: "" };
  addDotEnv(variables, dotEnv('OPENAI_API_KEY=sk-file\nPG_HOST=localhost\n# a remark\nPG_DB="agentdb"\n'));
  expect(variables).toEqual({ OPENAI_API_KEY: "sk-shell", PG_HOST: "", PG_DB: "agentdb" });
});

test("without .env nothing is added", () => {
  const variables = {};
  addDotEnv(variables, join(newDirectory(), ".env"));
  expect(variables).toEqual({});
});

test("the tutorial's variables name a server", () => {
  const { server } = parseEnvironment({
    PG_HOST: "localhost",
    PG_PORT: "5433",
    PG_DB: "agentdb",
    PG_USER: "agent",
    PG_PASSWORD: "changeme",
  });
  expect(server).toEqual({ host: "localhost", port: 5433, database: "agentdb", user: "agent", password: "changeme" });
});

test("without PG_HOST the others name nothing: they may be another program's", () => {
  expect(parseEnvironment({ PG_DB: "app", PG_USER: "app", PG_PASSWORD: "changeme" }).server).toBeUndefined();
  expect(parseEnvironment({ PG_HOST: "", PG_DB: "app" }).server).toBeUndefined();
});

test.each(["", "0", "70000", "5432a"])('the port "%s"', (port) => {
  const read = () => parseEnvironment({ PG_HOST: "db", PG_PORT: port }).server?.port;
  if (port === "") expect(read()).toBeUndefined();
  else expect(read).toThrow("[PG_PORT] is not a port number");
});

test("keys and passwords are secrets; what is too short to be one is not taken for one", () => {
  const { secrets } = parseEnvironment({ OPENAI_API_KEY: "sk-secret", PG_PASSWORD: "changeme", MY_TOKEN: "a", HOME: "/somewhere" });
  expect(secrets).toEqual(["sk-secret", "changeme"]);
});

test("what is set to nothing is not set", () => {
  expect(parseEnvironment({ UNFORGET_URL: "", OPENAI_API_KEY: "" })).toMatchObject({ url: undefined, openaiApiKey: undefined });
});
