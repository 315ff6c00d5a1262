import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, test, vi } from "vitest";
import { modelServer } from "../support/model-server.ts";
import { describeServer } from "../support/servers.ts";
import { tempSchema } from "../support/temp-schema.ts";
import { cli, newDirectory } from "./run-cli.ts";

vi.setConfig({ testTimeout: 90_000 });

const introduction = "My name is Priya and I'm building a Rust compiler for embedded targets.";
const question = "Do you remember what project I'm working on?";
const chat = ["chat", "--user", "priya", "--model", "openai/gpt-4o-mini", "--memories", "4", "--min-similarity", "0.6"];

/** Texts about the project point one way, all others another; their cosine is 0.5. */
function embed(text: string): number[] {
  const isProject = /project|compiler|chapter/i.test(text);
  return Array.from({ length: 1536 }, (_, place) =>
    place === 0 ? (isProject ? 1 : 0.5) : place === 1 ? (isProject ? 0 : Math.sqrt(0.75)) : 0,
  );
}

describeServer("postgres", "the story of the tutorial", (url) => {
  const schema = tempSchema(url);

  test("a project told in one session is known in the next, by four memories within its distance of 0.4", async () => {
    const server = await modelServer(async function* (messages) {
      const recalled = messages.find(({ role, content }) => role === "user" && content.startsWith("<unforget-memory>"));
      if (messages.at(-1)?.content === introduction) yield* ["That's a fascinating", " project, Priya."];
      else yield recalled?.content.includes("Rust compiler") ? "Yes, you're building a Rust compiler for embedded targets." : "No.";
    }, embed);
    const cwd = newDirectory();
    const { hostname, port, pathname, username, password } = new URL(url);
    const variables = {
      OPENAI_API_KEY: "sk-of-the-tutorial",
      OPENAI_BASE_URL: server.url,
      UNFORGET_EMBEDDING: "openai/text-embedding-3-small",
      UNFORGET_SCHEMA: schema,
      PG_HOST: hostname,
      PG_PORT: port,
      PG_DB: pathname.slice(1),
      PG_USER: decodeURIComponent(username),
      PG_PASSWORD: decodeURIComponent(password),
    };
    writeFileSync(
      join(cwd, ".env"),
      Object.entries(variables)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );

    const first = await cli([...chat, "--conversation", "first"], { cwd, input: `${introduction}\nquit\nnever read\n` });
    expect(first).toMatchObject({ code: 0, stdout: "Agent: That's a fascinating project, Priya.\n" });
    const others = [1, 2, 3, 4].map((number) => `I wrote chapter ${number} of the manual.`).concat("The cat sleeps all day.");
    const lines = others.map((content) => JSON.stringify({ conversation: "others", role: "user", content })).join("\n");
    expect(await cli(["import", "-", "--user", "priya"], { cwd, input: lines })).toMatchObject({ code: 0 });
    expect(await cli(["worker", "--once"], { cwd })).toMatchObject({ code: 0 });

    const second = await cli([...chat, "--conversation", "second", "--json"], { cwd, input: `${question}\nExit\nnever read\n` });
    expect(second.code).toBe(0);
    const turn = JSON.parse(second.stdout) as { answer: string; memories: { text: string; scores: { vector: number } }[] };
    expect(turn.answer).toBe("Yes, you're building a Rust compiler for embedded targets.");
    expect(turn.memories).toHaveLength(4);
    expect(turn.memories.map(({ text }) => text)).toContain(introduction);
    expect(turn.memories.every(({ scores }) => scores.vector >= 0.6)).toBe(true);
    const [system, recalled, asked] = server.calls[1] ?? [];
    expect(system?.content).not.toContain("Priya");
    expect(recalled?.content.match(/^\[\d+\]/gm)).toHaveLength(4);
    expect(recalled?.content).not.toContain("cat");
    expect(asked).toEqual({ role: "user", content: question });

    // "To inspect what's stored"
    const messages = await cli(["messages", "second", "--user", "priya"], { cwd });
    expect(messages.stdout).toContain(question);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client
      .query(`SELECT conversation_id, left(content, 80) AS said, created_at FROM ${schema}.messages ORDER BY created_at DESC LIMIT 2`)
      .finally(() => client.end());
    expect(rows).toEqual([
      { conversation_id: "second", said: turn.answer, created_at: expect.any(Date) },
      { conversation_id: "second", said: question, created_at: expect.any(Date) },
    ]);
  });
});
