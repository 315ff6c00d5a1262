import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type OpenDirectory, openDirectory } from "./open-directory.ts";
import { cli, newDirectory, startCli } from "./run-cli.ts";

// Each command is a process of its own: on a busy machine some seconds each.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const lines = [
  {
    userId: "ann",
    conversation: "trip",
    id: "1",
    role: "user",
    name: "Ann",
    content: "We fly to Lisbon on the 3rd of May.",
    createdAt: "2026-04-01T08:00:00.000Z",
  },
  {
    conversation: "trip",
    id: "2",
    role: "assistant",
    content: "Shall I look for a hotel near the river?",
    createdAt: "2026-04-01T08:01:00.000Z",
  },
  {
    conversation: "dog",
    id: "1",
    role: "user",
    content: "Our dog is called Pepper.",
    metadata: { mood: "glad" },
    createdAt: "2026-04-02T08:00:00.000Z",
  },
  {
    conversation: "dog",
    id: "2",
    role: "assistant",
    parts: [
      { type: "text", text: "Hello\u001b[31m Pepper!" },
      { type: "file", mediaType: "image/png", data: { $unforget: "Uint8Array", base64: "AAEC" } },
    ],
    createdAt: "2026-04-02T08:01:00.000Z",
  },
  { userId: "bob", conversation: "bob-1", id: "1", role: "user", content: "I collect lighthouses.", createdAt: "2026-04-03T08:00:00.000Z" },
];

// One memory for all: the tests that write are tenants of their own.
let directory: OpenDirectory;
let cwd: string;
let file: string;
beforeAll(async () => {
  directory = await openDirectory(async (path) => {
    cwd = path;
    file = join(cwd, "messages.jsonl");
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const { code, stdout, stderr } = await cli(["import", file, "--user", "ann"], { cwd });
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "Imported 5 messages in 3 conversations of 2 users (ann, bob).\n",
      stderr: "",
    });
  });
});
afterAll(() => directory[Symbol.asyncDispose]());

const json = async <Value>(...args: string[]): Promise<Value> => {
  const { code, stdout, stderr } = await cli([...args, "--json"], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Value;
};

test("an import that is run twice doubles nothing, and leaves nothing to embed", async () => {
  expect(await json("import", file, "--user", "ann")).toMatchObject({ messages: 5, conversations: 3, users: ["ann", "bob"], owed: 0 });
  expect(await json("stats")).toMatchObject({ messages: 5, conversations: 3, users: 2, vectors: 5, owed: { pending: 0 } });
});

test("an import that does not wait leaves the vectors to a worker; words find the messages at once", async () => {
  const tenant = ["--tenant", "not-waiting"];
  expect(await json("import", file, "--user", "ann", "--no-wait", ...tenant)).toMatchObject({ messages: 5, owed: 5 });
  const found = await cli(["recall", "Pepper", "--user", "ann", "--limit", "1", ...tenant], { cwd });
  expect(found.stdout).toContain("Pepper");
  expect(found.stderr).toContain("unforget worker --once");
  expect(await cli(["worker", "--once", ...tenant], { cwd })).toMatchObject({ code: 0 });
  expect(await json("stats", ...tenant)).toMatchObject({ vectors: 5, owed: { pending: 0 } });
});

test("a bad line stops an import before anything is stored", async () => {
  const bad = join(newDirectory(), "bad.jsonl");
  writeFileSync(bad, `${JSON.stringify(lines[0])}\n{"conversation":"trip"}\n`);
  const { code, stderr } = await cli(["import", bad, "--user", "u", "--tenant", "bad"], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain("line 2");
  expect(await json("stats", "--tenant", "bad")).toMatchObject({ messages: 0 });
});

test("an import asks whose memory it is when the file does not say", async () => {
  const chatgpt = fileURLToPath(new URL("../fixtures/importers/chatgpt.json", import.meta.url));
  const { code, stderr } = await cli(["import", chatgpt], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain("--user");
});

test("recall --json prints one array of hits of that user, also with --explain and for nothing", async () => {
  const hits = await json<{ id: string; conversationId: string; score: number; scores: object }[]>(
    "recall",
    "When do we go to Portugal by plane to Lisbon?",
    "--user",
    "ann",
  );
  expect(hits[0]).toMatchObject({ kind: "message", id: "1", conversationId: "trip", userId: "ann", name: "Ann", text: lines[0]?.content });
  expect(hits[0]?.scores).toHaveProperty("vector");
  expect(hits.map(({ conversationId }) => conversationId)).not.toContain("bob-1");
  expect(await json("recall", "lighthouse", "--user", "nobody")).toEqual([]);
  const explained = await cli(["recall", "dog", "--user", "ann", "--limit", "1", "--explain", "--json"], { cwd });
  expect(JSON.parse(explained.stdout)).toHaveLength(1);
  expect(explained.stderr).toContain("plan: exact");
});

test("recall looks into one conversation, or into everybody's", async () => {
  const conversations = async (...args: string[]) =>
    (await json<{ conversationId: string }[]>("recall", "What do you collect? Lighthouses?", ...args)).map(
      ({ conversationId }) => conversationId,
    );
  expect(new Set(await conversations("--user", "ann", "--conversation", "dog"))).toEqual(new Set(["dog"]));
  expect(await conversations("--user", "ann", "--conversation", "bob-1")).toEqual([]);
  expect((await conversations("--all-users"))[0]).toBe("bob-1");
});

test("recall prints rank, score, date, speaker and text for people, without control characters", async () => {
  const { stdout } = await cli(["recall", "Hello Pepper", "--user", "ann", "--limit", "1"], { cwd });
  expect(stdout).toMatch(/^1\. \d\.\d{3} {2}2026-04-02 08:01 {2}assistant {2}in dog\n {3}Hello\[31m Pepper!\n\n$/);
});

test("conversations and messages list what is there", async () => {
  expect(await json("conversations", "--user", "ann")).toMatchObject([{ userId: "ann" }, { userId: "ann" }]);
  const listed = await cli(["conversations", "--user", "ann"], { cwd });
  expect(listed.stdout).toMatch(/^\S+ \S+ {2}trip {2}ann {2}2 messages/m);
  expect(await json("conversations", "--user", "ann", "--pinned")).toEqual([]);
  expect(await json("messages", "trip")).toMatchObject([{ id: "1" }, { id: "2" }]);
  const { stdout } = await cli(["messages", "dog", "--limit", "1"], { cwd });
  expect(stdout).toBe("2026-04-02 08:01  assistant\n  Hello[31m Pepper!\n  [file]\n\n");
});

test("a conversation that is not there, or is somebody else's: exit code 1", async () => {
  for (const args of [
    ["messages", "nowhere"],
    ["messages", "bob-1", "--user", "ann"],
  ]) {
    const { code, stderr } = await cli(args, { cwd });
    expect({ code, stderr: stderr.includes("was not found") }).toEqual({ code: 1, stderr: true });
  }
});

test("what is exported and imported elsewhere is exported the same", async () => {
  const elsewhere = ["--tenant", "elsewhere"];
  const first = await cli(["export"], { cwd });
  expect(first.stdout.split("\n").filter(Boolean)).toHaveLength(5);
  expect(await cli(["import", "-", ...elsewhere], { cwd, input: first.stdout })).toMatchObject({ code: 0 });
  const second = await cli(["export", ...elsewhere], { cwd });
  expect(second.stdout.replaceAll('"tenant":"elsewhere"', '"tenant":"default"')).toBe(first.stdout);
});

test("an import reads standard input too, and an empty export", async () => {
  const args = ["import", "-", "--tenant", "piped"];
  const piped = await cli([...args, "--user", "ann", "--json"], { cwd, input: readFileSync(file, "utf8") });
  expect(JSON.parse(piped.stdout)).toMatchObject({ messages: 5, users: ["ann", "bob"] });
  expect(await cli(args, { cwd })).toMatchObject({ code: 0, stdout: "Imported 0 messages in 0 conversations of nobody.\n" });
});

test("a reader that goes away ends an export quietly", async () => {
  const tenant = ["--tenant", "many"];
  const many = Array.from({ length: 1_000 }, (_, index) =>
    JSON.stringify({ conversation: "c", role: "user", content: `${index} ${"word ".repeat(40)}` }),
  );
  const imported = await cli(["import", "-", "--user", "u", "--embedding", "none", ...tenant], { cwd, input: many.join("\n") });
  expect(imported).toMatchObject({ code: 0 });
  const child = startCli(["export", ...tenant], { cwd });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [code] = (await once(child, "close")) as [number];
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("erase deletes a user's memory for good and nobody else's", async () => {
  const tenant = ["--tenant", "erased"];
  await cli(["import", file, "--user", "ann", "--no-wait", ...tenant], { cwd });
  const { code, stdout } = await cli(["erase", "--user", "ann", "--yes", "--compact", ...tenant], { cwd });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Erased 4 messages in 2 conversations of user ann.\n" });
  const rest = await cli(["export", ...tenant], { cwd });
  expect(
    rest.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line).userId),
  ).toEqual(["bob"]);
});

test("doctor finds a memory well", async () => {
  expect(await json("doctor")).toMatchObject({ ok: true });
});

test("the environment, .env and a configuration file say where memory is", async () => {
  const elsewhere = newDirectory();
  writeFileSync(join(elsewhere, ".env"), `UNFORGET_DATA_DIR=${join(cwd, ".unforget")}\nUNFORGET_TENANT=other\n`);
  const count = async (args: string[], env = {}) => {
    const { stdout } = await cli(["stats", "--json", ...args], { cwd: elsewhere, env });
    return (JSON.parse(stdout) as { messages: number }).messages;
  };
  expect(await count([])).toBe(0);
  expect(await count([], { UNFORGET_TENANT: "default" })).toBe(5);
  writeFileSync(join(elsewhere, "unforget.json"), '{ "tenant": "default" }');
  expect(await count(["--config", "unforget.json"])).toBe(5);
});

test("the version is that of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  expect((await cli(["--version"], { cwd: newDirectory() })).stdout).toBe(`${version}\n`);
});
