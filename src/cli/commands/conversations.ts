import type { Command } from "commander";
import type { ListedConversation } from "../../index.ts";
import { withMemory } from "../open-memory.ts";
import { filled, wholeNumber } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";
import { formatTime, printable, shorten } from "../text-layout.ts";

interface ConversationsFlags extends GlobalFlags {
  readonly user?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly archived?: boolean;
  readonly pinned?: boolean;
}

export function addConversations(program: Command): void {
  program
    .command("conversations")
    .description("list conversations, the newest first")
    .option("--user <id>", "of this user only", filled)
    .option("--limit <number>", "how many at most", wholeNumber(1, 1000), 50)
    .option("--cursor <cursor>", "go on where the list before ended", filled)
    .option("--archived", "archived ones only")
    .option("--pinned", "pinned ones only")
    .action(async (_own: unknown, command: Command) => {
      const { user: userId, limit, cursor, archived, pinned, ...flags } = command.optsWithGlobals<ConversationsFlags>();
      await withMemory(flags, "manual", async (memory) => {
        const { items, nextCursor } = await memory.conversations.list({
          userId,
          limit,
          cursor,
          archived,
          pinned,
          include: ["messageCount"],
        });
        if (flags.json) await printJson(items);
        else {
          if (items.length === 0) note("There are no conversations.");
          for (const conversation of items) await printLine(layOut(conversation));
        }
        if (nextCursor !== undefined) note(`There are more: --cursor ${nextCursor}`);
      });
    });
}

function layOut({ id, userId, title, updatedAt, messageCount = 0, pinnedAt, archivedAt }: ListedConversation): string {
  const columns = [
    formatTime(updatedAt),
    printable(id),
    printable(userId),
    `${messageCount} ${messageCount === 1 ? "message" : "messages"}`,
  ];
  if (title !== "") columns.push(shorten(title, 60));
  if (pinnedAt !== undefined) columns.push("(pinned)");
  if (archivedAt !== undefined) columns.push("(archived)");
  return columns.join("  ");
}
