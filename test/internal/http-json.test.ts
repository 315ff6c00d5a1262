import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { MemoryError } from "../../src/domain/errors.ts";
import { type HttpJsonOptions, httpJson } from "../../src/internal/http-json.ts";
import { type ScriptedAnswer, scriptedServer } from "../support/scripted-server.ts";

const key = "sk-a-very-secret-key";

async function served(answers: readonly ScriptedAnswer[], options: Partial<HttpJsonOptions> = {}) {
  const server = await scriptedServer(...answers);
  onTestFinished(() => server.close());
  const send = httpJson({
    store: "test",
    urlField: "url",
    url: server.url,
    headers: { "api-key": key },
    timeoutMs: 5_000,
    maxRetries: 3,
    ...options,
  });
  const ask = (signal?: AbortSignal) => send({ method: "POST", path: "/path", body: { a: 1 }, operation: "query", signal });
  return { server, send, ask };
}

async function refused(work: Promise<unknown>): Promise<MemoryError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(MemoryError.isInstance(error), String(error)).toBe(true);
  expect(inspect(error, { depth: 10 }), "no key in the error").not.toContain(key);
  return error as MemoryError;
}

test("sends JSON with the key, and gives the answer's", async () => {
  const { server, ask } = await served([{ body: { found: true }, headers: { "x-lsn": "4" } }]);
  const answer = await ask();
  expect(answer).toMatchObject({ status: 200, body: { found: true } });
  expect(answer.headers.get("x-lsn")).toBe("4");
  expect(server.requests).toMatchObject([
    { method: "POST", path: "/path", headers: { "api-key": key, "content-type": "application/json" } },
  ]);
});

test.each([
  [400, "backend_error", false],
  [401, "backend_denied", false],
  [403, "backend_denied", false],
  [404, "backend_error", false],
  [409, "backend_error", false],
  [422, "backend_error", false],
  [429, "backend_unavailable", true],
  [500, "backend_error", true],
  [503, "backend_unavailable", true],
])("HTTP %i is a %s, and the server's words are in the cause alone, without the key", async (status, code, retryable) => {
  const { ask } = await served([{ status, body: { error: `no luck with ${key} and "contents"` } }], { maxRetries: 0 });
  const error = await refused(ask());
  expect(error).toMatchObject({ code, retryable, store: "test", operation: "query" });
  expect(error.message).toMatch(/^\[test\] .+HTTP \d+\): .+/);
  expect(error.message).not.toContain("contents");
  expect(String(error.cause)).toContain("contents");
});

test("an accepted status is an answer", async () => {
  const { server, send } = await served([{ status: 404, body: "no such thing" }]);
  const answer = await send({ method: "GET", path: "/a", operation: "query", accept: [404] });
  expect(answer).toMatchObject({ status: 404, body: undefined });
  expect(server.requests).toHaveLength(1);
});

test("tries again with growing pauses after 429, 502, 503 and 504", async () => {
  const { server, ask } = await served([{ status: 503 }, { status: 429 }, { status: 504 }, { body: { done: 1 } }]);
  expect(await ask()).toMatchObject({ body: { done: 1 } });
  const times = server.requests.map(({ at }) => at);
  const pauses = times.slice(1).map((at, index) => at - (times[index] as number));
  expect(pauses[0]).toBeGreaterThanOrEqual(140);
  expect(pauses[2]).toBeGreaterThan(pauses[0] as number);
});

test("gives up after maxRetries", async () => {
  const { server, ask } = await served(Array(5).fill({ status: 503 }), { maxRetries: 1 });
  expect(await refused(ask())).toMatchObject({ code: "backend_unavailable" });
  expect(server.requests).toHaveLength(2);
});

test.each([
  ["seconds", () => "1"],
  ["a date", () => new Date(Date.now() + 2_000).toUTCString()],
])("pauses as long as Retry-After asks for, given as %s", async (_, retryAfter) => {
  const { server, ask } = await served([{ status: 429, headers: { "retry-after": retryAfter() } }]);
  await ask();
  const [first, second] = server.requests;
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(950);
});

test("does not pause for minutes: the error says when to try again", async () => {
  const { server, ask } = await served([{ status: 429, headers: { "retry-after": "3600" } }]);
  expect((await refused(ask())).message).toContain("in 3600 s");
  expect(server.requests).toHaveLength(1);
});

test("tries again when the connection broke", async () => {
  const { server, ask } = await served([{ hangUp: true }, { body: { done: 1 } }]);
  expect(await ask()).toMatchObject({ body: { done: 1 } });
  expect(server.requests).toHaveLength(2);
});

test("a server that does not answer is unavailable after timeoutMs", async () => {
  const { ask } = await served([{ hang: true }], { timeoutMs: 100 });
  const error = await refused(ask());
  expect(error).toMatchObject({ code: "backend_unavailable", retryable: true });
  expect(error.message).toContain("within 100 ms");
});

test("a server that is not there is unavailable at once", async () => {
  const { ask } = await served([], { url: "http://127.0.0.1:1" });
  const started = Date.now();
  expect(await refused(ask())).toMatchObject({ code: "backend_unavailable", retryable: true });
  expect(Date.now() - started).toBeLessThan(2_000);
});

test.each([
  ["a request", { hang: true }],
  ["a pause", { status: 503, headers: { "retry-after": "9" } }],
])("stops with the signal's reason during %s", async (_, answer) => {
  const { ask } = await served([answer]);
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  setTimeout(() => controller.abort(reason), 50);
  await expect(ask(controller.signal)).rejects.toBe(reason);
});

test("follows no redirect: the key goes to the address given and no other", async () => {
  const other = await scriptedServer();
  onTestFinished(() => other.close());
  const { ask } = await served([{ status: 307, headers: { location: other.url } }]);
  expect(await refused(ask())).toMatchObject({ code: "backend_error" });
  expect(other.requests).toEqual([]);
});

test("an answer that is not JSON is an error that says so", async () => {
  const { ask } = await served([{ body: "<html>Welcome</html>" }]);
  expect((await refused(ask())).message).toContain("not JSON");
});

test("a user and password in the address become a header", async () => {
  const server = await scriptedServer({ status: 401, body: `ada:${key} is wrong` });
  onTestFinished(() => server.close());
  const url = server.url.replace("://", `://ada:${key}@`);
  const ask = httpJson({ store: "test", urlField: "url", url, timeoutMs: 5_000, maxRetries: 0 });
  await refused(ask({ method: "GET", path: "/a", operation: "open" }));
  expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from(`ada:${key}`).toString("base64")}`);
});

test.each([
  ["an address", { url: `no address ${key}` }],
  ["an address of another kind", { url: `redis://${key}@localhost` }],
  ["a header", { headers: { "api-key": `${key}\nx` } }],
])("%s that cannot be is refused before anything is sent, and not repeated", (_, options) => {
  let error: unknown;
  try {
    httpJson({ store: "test", urlField: "vectors.url", url: "http://localhost", timeoutMs: 1, maxRetries: 0, ...options });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(inspect(error, { depth: 10 })).not.toContain(key);
});

test("sends through the fetch it was given", async () => {
  const mine = async () => Response.json({ mine: true });
  const { server, ask } = await served([], { fetch: mine });
  expect(await ask()).toMatchObject({ body: { mine: true } });
  expect(server.requests).toEqual([]);
});
