import type { Command } from "commander";
import { withMemory } from "../open-memory.ts";
import { filled, wholeNumber } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { formatTime, printable, shorten } from "../text-layout.ts";

interface ConversationsFlags extends GlobalFlags {
  readonly user?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export function addConversations(program: Command): void {
  program
    .command("conversations")
    .description("list conversations, the newest first")
    .option("--user <id>", "of this user only", filled)
    .option("--limit <number>", "how many at most", wholeNumber(1, 1000), 50)
    .option("--cursor <cursor>", "go on where the list before ended", filled)
    .action(async (_own: unknown, command: Command) => {
      const { user: userId, limit, cursor, ...flags } = command.optsWithGlobals<ConversationsFlags>();
      await withMemory(flags, "manual", async (memory) => {
        const { items, nextCursor } = await memory.conversations.list({ userId, limit, cursor });
        if (flags.json) await printJson(items);
        else {
          if (items.length === 0) note("There are no conversations.");
          for (const { id, userId: owner, title, updatedAt } of items) {
            await printLine(
              `${formatTime(updatedAt)}  ${printable(id)}  ${printable(owner)}${title === "" ? "" : `  ${shorten(title, 60)}`}`,
            );
          }
        }
        if (nextCursor !== undefined) note(`There are more: --cursor ${nextCursor}`);
      });
    });
}
