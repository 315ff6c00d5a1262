import { randomUUID } from "node:crypto";
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import type { Memory } from "../../index.ts";
import { agentChat } from "../chat/agent-chat.ts";
import type { Chat } from "../chat/chat.ts";
import { languageModel } from "../chat/language-model.ts";
import { quotingChat } from "../chat/quoting-chat.ts";
import { reportFailure } from "../failure.ts";
import { withMemory } from "../open-memory.ts";
import { filled, similarity, wholeNumber } from "../option-parsers.ts";
import { note, print, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { printable } from "../text-layout.ts";

interface ChatFlags extends GlobalFlags {
  readonly user: string;
  readonly model?: string;
  readonly baseUrl?: string;
  readonly conversation?: string;
  readonly memories: number;
  readonly minSimilarity?: number;
}

/** So long the end of a chat waits for the vectors of its last messages; what is left is made next time. */
const lastEmbeddingMs = 5_000;

export function addChat(program: Command): void {
  program
    .command("chat")
    .description("talk: recall, answer, remember; quit or exit ends it")
    .requiredOption("--user <id>", "who talks", filled)
    .option(
      "--model <provider/model>",
      "answer with this model of the AI SDK, e.g. openai/gpt-4o-mini; without one, quote what is recalled",
      filled,
    )
    .option("--base-url <url>", "call the model at this server, which speaks the provider's protocol", filled)
    .option("--conversation <id>", "go on with this conversation (default: a new one)", filled)
    .option("--memories <number>", "recall so many memories for each turn", wholeNumber(0, 200), 4)
    .option("--min-similarity <number>", "leave out memories whose cosine similarity is below (a distance d is 1 - d)", similarity)
    .addHelpText(
      "after",
      `
The provider names its package: openai is @ai-sdk/openai, to be installed with "ai". Keys are taken from the
environment or .env, e.g. OPENAI_API_KEY. A model of Ollama: --model openai/llama3.2 --base-url http://localhost:11434/v1

Lines may be piped in. With --json it prints one JSON object a turn: conversation, question, answer and memories.
`,
    )
    .action(async (_own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<ChatFlags>();
      const { user: userId, memories, minSimilarity } = flags;
      const model = flags.model === undefined ? undefined : await languageModel({ model: flags.model, baseUrl: flags.baseUrl });
      await withMemory(flags, "background", async (memory) => {
        const conversationId = flags.conversation ?? randomUUID();
        const options = { memory: memory.scope({ userId }), conversationId, memories, minSimilarity };
        const chat = model === undefined ? quotingChat(options) : agentChat({ ...options, model });
        note(`Conversation ${conversationId}. Type quit to end it.`);
        if (model === undefined) note("There is no model: answers quote what is recalled. --model openai/gpt-4o-mini brings one.");
        await converse(chat, conversationId, flags);
        await finishEmbedding(memory);
      });
    });
}

/** Reads lines until quit, exit or the end of input. Ctrl-C stops an answer, and without one the chat. */
async function converse(chat: Chat, conversationId: string, flags: ChatFlags): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY, prompt: "You: " });
  let answering: AbortController | undefined;
  let isEnding = false;
  const stop = () => (answering === undefined ? lines.close() : answering.abort());
  const end = () => {
    isEnding = true;
    answering?.abort();
    lines.close();
  };
  lines.on("SIGINT", stop);
  process.on("SIGINT", end).on("SIGTERM", end);
  try {
    if (process.stdin.isTTY) lines.prompt();
    for await (const line of lines) {
      const question = line.trim();
      if (/^(quit|exit)$/i.test(question)) break;
      if (question !== "") {
        answering = new AbortController();
        await answer(chat, question, answering.signal, conversationId, flags);
        answering = undefined;
      }
      if (isEnding) break;
      if (process.stdin.isTTY) lines.prompt();
    }
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
    release(lines);
  }
}

async function answer(
  chat: Chat,
  question: string,
  signal: AbortSignal,
  conversation: string,
  { json = false }: GlobalFlags,
): Promise<void> {
  let hasBegun = false;
  const show = async (piece: string) => {
    if (json) return;
    await print(printable(hasBegun ? piece : `Agent: ${piece}`));
    hasBegun = true;
  };
  try {
    const { answer, memories } = await chat.ask(question, show, signal);
    if (json) await printLine(JSON.stringify({ conversation, question, answer, memories }));
  } catch (error) {
    // Somebody at the keyboard can try again; a script has to know.
    if (!signal.aborted && !process.stdin.isTTY) throw error;
    if (!signal.aborted) reportFailure(error, false);
  } finally {
    if (hasBegun) await printLine();
  }
}

/** An open standard input would keep the process alive. */
function release(lines: Interface): void {
  lines.close();
  process.stdin.unref?.();
}

async function finishEmbedding(memory: Memory): Promise<void> {
  // Not in time, or not at all: the vectors stay owed, and words find the messages.
  await memory.flush({ signal: AbortSignal.timeout(lastEmbeddingMs) }).catch(() => {});
}
