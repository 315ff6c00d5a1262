// The demo: remembers eight months of conversations, stops, starts again as a new process, and answers from memory.
// Needs no server, no key and no network. Ends by itself, with exit code 1 when a question is answered wrongly.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemory, type ImportedMessage } from "../../src/index.ts";
import { say, seconds } from "./terminal.ts";

const beginning = performance.now();
const directory = mkdtempSync(join(tmpdir(), "unforget-demo-"));
const dataDir = join(directory, "memory");
try {
  say.title("1. Remember");
  await remember();
  say.title("2. Start again, as a new process, and answer from memory");
  const answering = spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, "ask.ts"), dataDir], { stdio: "inherit" });
  process.exitCode = answering.status ?? 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
say.note(`All in all ${seconds(beginning)}. The directory is removed again; yours would be kept in ./.unforget.`);
if (process.exitCode === 0) say.title("Next: a memory of your own in ten lines, README.md, “A first result”.");

async function remember(): Promise<void> {
  const memory = createMemory({ dataDir });
  try {
    const opening = performance.now();
    await memory.ready();
    say.line(`Made an embedded Postgres in ${seconds(opening)}.`);
    const importing = performance.now();
    const { messages, conversations } = await memory.scope({ userId: "ilse" }).import(readConversations());
    await memory.flush();
    say.line(`Stored and embedded ${messages} messages of ${conversations} conversations in ${seconds(importing)}.`);
  } finally {
    await memory.close();
  }
  say.line(`Process ${process.pid} has closed its memory.`);
}

/** JSON lines, one message a line: the format of `memory.export()`. */
function readConversations(): ImportedMessage[] {
  const lines = readFileSync(join(import.meta.dirname, "conversations.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line));
}
