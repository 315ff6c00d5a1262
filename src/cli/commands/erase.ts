import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { InvalidArgumentError } from "../../domain/errors.ts";
import { failure } from "../exit-codes.ts";
import { QuietExit } from "../failure.ts";
import { withMemory } from "../open-memory.ts";
import { filled } from "../option-parsers.ts";
import { note, printJson, printLine } from "../output.ts";
import { describePlace, type GlobalFlags } from "../settings.ts";
import { count } from "../text-layout.ts";

interface EraseFlags extends GlobalFlags {
  readonly user: string;
  readonly yes?: boolean;
  readonly compact?: boolean;
}

export function addErase(program: Command): void {
  program
    .command("erase")
    .description("delete everything of a user for good")
    .requiredOption("--user <id>", "whose memory", filled)
    .option("--yes", "do not ask")
    .option("--compact", "rewrite the tables too, so that the bytes leave the disk (locks them for its time)")
    .action(async (_own: unknown, command: Command) => {
      const { user: userId, yes = false, compact, ...flags } = command.optsWithGlobals<EraseFlags>();
      if (!yes && !process.stdin.isTTY)
        throw new InvalidArgumentError("yes", "is required when there is nobody to ask: pass --yes to delete");
      await withMemory(flags, "manual", async (memory, options) => {
        if (!yes) {
          const conversations = await memory.conversations.count({ userId });
          await confirm(userId, `${count(conversations, "conversation")} of user ${userId} in ${describePlace(options)}`);
        }
        const erased = await memory.erase({ userId, compact });
        if (flags.json) await printJson(erased);
        else
          await printLine(
            `Erased ${count(erased.messages, "message")} in ${count(erased.conversations, "conversation")} of user ${userId}.`,
          );
      });
    });
}

/** Asks for the user's id: "y" is typed too easily. */
async function confirm(userId: string, what: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new Promise<undefined>((resolve) => terminal.once("close", () => resolve(undefined)));
  const answer = await Promise.race([terminal.question(`This deletes ${what}.\nType the id of the user to go on: `), gone]);
  terminal.close();
  if (answer?.trim() === userId) return;
  note("Nothing was deleted.");
  throw new QuietExit(failure);
}
