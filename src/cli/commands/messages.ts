import type { Command } from "commander";
import type { Message } from "../../index.ts";
import { withMemory } from "../open-memory.ts";
import { filled, wholeNumber } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { formatTime, shorten, speaker, wrap } from "../text-layout.ts";

interface MessagesFlags extends GlobalFlags {
  readonly user?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export function addMessages(program: Command): void {
  program
    .command("messages")
    .description("print the newest messages of a conversation, oldest first")
    .argument("<conversation>", "id of the conversation")
    .option("--user <id>", "only when it is this user's", filled)
    .option("--limit <number>", "how many at most", wholeNumber(1, 10_000), 100)
    .option("--cursor <cursor>", "go on to older ones", filled)
    .action(async (conversation: string, _own: unknown, command: Command) => {
      const { user: userId, limit, cursor, ...flags } = command.optsWithGlobals<MessagesFlags>();
      await withMemory(flags, "manual", async (memory) => {
        const { items, nextCursor } = await memory.messages.list(conversation, { userId, limit, cursor });
        if (flags.json) await printJson(items);
        else for (const message of items) await printMessage(message);
        if (nextCursor !== undefined) note(`There are older ones: --cursor ${nextCursor}`);
      });
    });
}

async function printMessage(message: Message): Promise<void> {
  await printLine(`${formatTime(message.createdAt)}  ${speaker(message)}`);
  if (message.content !== "") await printLine(wrap(message.content, "  "));
  for (const part of message.parts) {
    // Of an answer that broke off with its process, the text stands in its parts alone.
    if (part.type === "step-start" || (part.type === "text" && message.content !== "")) continue;
    await printLine(`  [${shorten(part.type, 40)}] ${shorten(typeof part.text === "string" ? part.text : "", 400)}`.trimEnd());
  }
  await printLine();
}
