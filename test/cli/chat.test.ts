import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { modelServer } from "../support/model-server.ts";
import { type OpenDirectory, openDirectory } from "./open-directory.ts";
import { cli, newDirectory, startCli } from "./run-cli.ts";

// Each command is a process of its own: on a busy machine some seconds each.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const introduction = "My name is Priya and I'm building a Rust compiler for embedded targets.";
const question = "Do you remember what project I'm working on?";
const key = { OPENAI_API_KEY: "sk-very-secret-key" };

// Each test is another user.
let directory: OpenDirectory;
beforeAll(async () => {
  directory = await openDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());

test("with a model, a new process knows what was said in the one before", async () => {
  const server = await modelServer(async function* (messages) {
    const knows = messages.some(
      ({ role, content }) => role === "user" && content.includes("<unforget-memory>") && content.includes("Rust compiler"),
    );
    for (const word of (knows ? "Yes, a Rust compiler." : "A fascinating project!").split(/(?<= )/)) yield word;
  });
  const cwd = newDirectory();
  const args = ["chat", "--user", "priya", "--model", "openai/gpt-4o-mini", "--base-url", server.url];
  const first = await cli(args, { cwd, env: key, input: `${introduction}\nquit\nnever read\n` });
  expect(first).toMatchObject({ code: 0, stdout: "Agent: A fascinating project!\n" });
  const second = await cli(args, { cwd, env: key, input: `${question}\n` });
  expect(second).toMatchObject({ code: 0, stdout: "Agent: Yes, a Rust compiler.\n" });
  expect(server.calls).toHaveLength(2);
  const [system, memories, last] = server.calls[1] ?? [];
  expect(system).toMatchObject({ role: "system", content: expect.not.stringContaining("Rust") });
  expect(memories?.role).toBe("user");
  expect(memories?.content).toMatch(/^<unforget-memory>\n.*\] user: My name is Priya .*<\/unforget-memory>$/s);
  expect(last).toEqual({ role: "user", content: question });
  const { stdout } = await cli(["export"], { cwd });
  for (const said of [introduction, "A fascinating project!", question, "Yes, a Rust compiler."])
    expect(stdout).toContain(JSON.stringify(said));
});

test("a conversation goes on with what was said in it, and does not recall what the model sees anyway", async () => {
  const server = await modelServer(async function* () {
    yield "Noted.";
  });
  const cwd = directory.path;
  const args = ["chat", "--user", "goes-on", "--model", "openai/m", "--conversation", "c"];
  const env = { OPENAI_BASE_URL: server.url };
  await cli(args, { cwd, env, input: "The red key opens the shed.\n" });
  await cli(args, { cwd, env, input: "Which key opens the shed?\n" });
  expect(server.calls[1]?.slice(1)).toEqual([
    { role: "user", content: "The red key opens the shed." },
    { role: "assistant", content: "Noted." },
    { role: "user", content: "Which key opens the shed?" },
  ]);
});

test("without a model it quotes what it recalls, says so, and does not recall its quotes", async () => {
  const cwd = directory.path;
  const args = ["chat", "--user", "quoted"];
  const first = await cli(args, { cwd, input: `${introduction}\nexit\n` });
  expect(first).toMatchObject({ code: 0, stdout: "Agent: I remember nothing about that.\n" });
  expect(first.stderr).toContain("There is no model");
  const second = await cli(args, { cwd, input: `${question}\n` });
  expect(second.stdout).toContain(`user: "${introduction}"`);
  const third = await cli([...args, "--json"], { cwd, input: "Which compiler was it?" });
  const turn = JSON.parse(third.stdout) as { answer: string; memories: { text: string }[] };
  expect(turn.answer).toContain(introduction);
  expect(turn.memories.map(({ text }) => text)).not.toContainEqual(expect.stringContaining("what I remember"));
});

test("a model that fails ends a piped chat with 1; the question is kept and the key is not shown", async () => {
  const server = await modelServer(() => 401);
  const result = await cli(["chat", "--user", "refused", "--model", "openai/m", "--base-url", server.url], {
    cwd: directory.path,
    env: key,
    input: "Are you there?\n",
  });
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr).toContain("unforget: no: ***");
  expect(result.stderr).not.toContain(key.OPENAI_API_KEY);
  expect(await directory.stored("refused")).toMatchObject([{ role: "user", content: "Are you there?" }]);
});

test("a server that breaks off in the middle of an answer: the question is kept, and the answer as far as it was shown", async () => {
  const isShown = Promise.withResolvers<void>();
  const server = await modelServer(async function* () {
    yield "It begins";
    await isShown.promise;
    throw new Error("broken off");
  });
  const child = startCli(["chat", "--user", "broken", "--model", "openai/m", "--base-url", server.url], { cwd: directory.path, env: key });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => text.includes("begins") && isShown.resolve());
  child.stdin.end("Go on.\n");
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(1);
  expect(stderr).toContain("unforget: ");
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(await directory.stored("broken")).toMatchObject([
    { role: "user", content: "Go on." },
    { role: "assistant", content: "It begins", metadata: { interrupted: true } },
  ]);
});

test("an answer that is stopped is kept as far as it was shown", async () => {
  const server = await modelServer(async function* () {
    yield "The beginning";
    await new Promise(() => {});
  });
  const child = startCli(["chat", "--user", "stopped", "--model", "openai/m", "--base-url", server.url], { cwd: directory.path, env: key });
  child.stdin.write("Tell me a story.\n");
  await new Promise<void>((resolve) =>
    child.stdout.setEncoding("utf8").on("data", (text: string) => text.includes("beginning") && resolve()),
  );
  child.kill("SIGINT");
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
  expect(await directory.stored("stopped")).toMatchObject([
    { role: "user", content: "Tell me a story." },
    { role: "assistant", content: "The beginning", metadata: { interrupted: true } },
  ]);
});

test("what was shown before a kill -9 is stored, and goes on as part of the conversation", async () => {
  const server = await modelServer(async function* (messages) {
    yield "The end of it";
    if (messages.length < 3) await new Promise(() => {});
  });
  const args = ["chat", "--user", "killed", "--model", "openai/m", "--base-url", server.url, "--conversation", "killed"];
  const child = startCli(args, { cwd: directory.path, env: key });
  child.stdin.write("Tell me a story.\n");
  await new Promise<void>((resolve) =>
    child.stdout.setEncoding("utf8").on("data", (text: string) => text.includes("end of it") && resolve()),
  );
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
  expect(await directory.stored("killed")).toMatchObject([
    { role: "user", content: "Tell me a story." },
    { role: "assistant", parts: [{ type: "step-start" }, { type: "text", text: "The end of it" }], metadata: { interrupted: true } },
  ]);
  await cli(args, { cwd: directory.path, env: key, input: "Go on.\n" });
  expect(server.calls[1]?.slice(1)).toEqual([
    { role: "user", content: "Tell me a story." },
    { role: "assistant", content: "The end of it" },
    { role: "user", content: "Go on." },
  ]);
});

test.each([
  ["gpt-4o-mini", 2, "openai/gpt-4o-mini"],
  ["no-such-provider/model", 1, "npm install @ai-sdk/no-such-provider"],
])("the model %s is refused with what to do", async (model, code, advice) => {
  const result = await cli(["chat", "--user", "u", "--model", model], { cwd: newDirectory() });
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(advice);
});
